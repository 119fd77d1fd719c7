"""Wrong on purpose: what the kit makes of who acts."""

from lab.mutants.kit import catalogue

breaks = catalogue()

breaks.add(
    "a blank id is taken",
    "IDENTITY-1",
    "An identity names",
    [("identity:checked_id", "if problem := name_problem(text):", "if problem := None:")],
)
breaks.add(
    "true is taken for an id",
    "IDENTITY-1",
    "An identity names",
    [("identity:checked_id", "isinstance(plain, bool) or not", "not")],
)
breaks.add(
    "a missing id is filled in",
    "IDENTITY-1",
    "nobody",
    [
        (
            "identity:checked_id",
            "if plain is None:",
            ("plain = 'nobody' if plain is None else plain\n    if plain is None:"),
        )
    ],
)
breaks.add(
    "a UUID is no id",
    "IDENTITY-2",
    "actor_id is UUID",
    [("identity:checked_id", "str | int | UUID):", "str | int):")],
)
breaks.add(
    "numbers are padded",
    "IDENTITY-2",
    "00000042",
    [("identity:_text_of", "str(int(plain))", "f'{plain:08}'")],
)
breaks.add(
    "the id of an object is not looked for",
    "IDENTITY-2",
    "an object",
    [("identity:_id_of", 'getattr(value, "id", value)', "value")],
)
breaks.add(
    "an identity takes the token of its session along",
    "IDENTITY-3",
    "token",
    [
        (
            "identity:Identity._from_edge",
            'metadata=get("metadata")',
            'metadata={"token": get("token")}',
        )
    ],
)
breaks.add(
    "only the first name of an id is looked for",
    "IDENTITY-3",
    "is missing",
    [("identity:_id_at_edge", "for found in names:", "for found in names[:1]:")],
)
breaks.add(
    "an identity at the edge has a tenant by default",
    "IDENTITY-3",
    "An identity is not taken",
    [
        (
            "identity:_id_at_edge",
            "looked_for = ",
            'if name == "tenant_id":\n        return "default"\n    looked_for = ',
        )
    ],
)
breaks.add(
    "the metadata of an identity is dropped",
    "IDENTITY-4",
    "reads back",
    [
        (
            "scoria:Scoria._identity",
            'self._validator.payload(identity.metadata, "identity.metadata")',
            "{}",
        )
    ],
)
breaks.add(
    "the metadata of an identity is not checked",
    "IDENTITY-4",
    "is a payload",
    [
        (
            "identity:Identity.__init__",
            'checked_payload({} if metadata is None else metadata, "identity.metadata")',
            "metadata or {}",
        )
    ],
)
