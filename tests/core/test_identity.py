"""Who acts, for which tenant, in which session: normalized once, or refused by the field."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import attrs
import pytest

from scoria_core import Identity, Scoria
from scoria_core.errors import InvalidIdentity, InvalidPayload
from scoria_core.identity import EDGE_NAMES

FIELDS = ["actor_id", "tenant_id", "session_id"]
UUID7 = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

ACCEPTED = [
    ("user-1", "user-1"),
    (" ada ", " ada "),
    ("grüße 🌋", "grüße 🌋"),
    ("0", "0"),
    (0, "0"),
    (-7, "-7"),
    (2**80, str(2**80)),
    (UUID7, str(UUID7)),
    (SimpleNamespace(id=7), "7"),
    (SimpleNamespace(id="seven"), "seven"),
    (SimpleNamespace(id=UUID7), str(UUID7)),
    ({"id": 7}, "7"),
    ({"id": "seven", "name": "x"}, "seven"),
    ("x" * 255, "x" * 255),
]

REFUSED = {
    "None": (None, "is missing"),
    "empty": ("", "is blank"),
    "blank": (" \t\n ", "is blank"),
    "blank in Unicode": ("\u3000\u2003", "is blank"),
    "bool": (True, "is bool"),
    "float": (1.5, "is float"),
    "nan": (float("nan"), "is float"),
    "bytes": (b"user-1", "is bytes"),
    "list": (["user-1"], "is list"),
    "tuple": (("user-1",), "is tuple"),
    "set": ({"user-1"}, "is set"),
    "object without id": (SimpleNamespace(), "is SimpleNamespace"),
    "object": (object(), "is object"),
    "mapping without id": ({"name": "user-1"}, "is dict"),
    "empty mapping": ({}, "is dict"),
    "id is None": (SimpleNamespace(id=None), "is missing"),
    "id of mapping is None": ({"id": None}, "is missing"),
    "id is blank": ({"id": " "}, "is blank"),
    "id is bool": (SimpleNamespace(id=False), "is bool"),
    "id is list": ({"id": [1]}, "is list"),
    "id of an id": ({"id": {"id": 1}}, "is dict"),
    "too long": ("x" * 256, "256 characters"),
    "enormous int": (10**5_000, "digits"),
    "nul": ("a\0b", "control character"),
    "two lines": ("a\nb", "control character"),
    "surrogate": ("a\ud800", "surrogate"),
}
refused = pytest.mark.parametrize(("value", "said"), list(REFUSED.values()), ids=list(REFUSED))


def ids_with(field: str, value: Any) -> dict[str, Any]:
    """Return the three ids, one of them being `value`."""
    return {"actor_id": "a", "tenant_id": "t", "session_id": "s", field: value}


@pytest.fixture
def facade(make_scoria_of: Any) -> Scoria:
    """Return a facade in memory: an identity is settled before there is a store."""
    scoria: Scoria = make_scoria_of("memory")
    return scoria


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("value", "kept"), ACCEPTED)
def test_an_id_is_kept_as_str(facade: Scoria, field: str, value: Any, kept: str) -> None:
    """An id comes in as the host has it and is the same str everywhere after."""
    identity = facade.identity(**ids_with(field, value))
    assert attrs.asdict(identity) == {**ids_with(field, kept), "metadata": {}}
    run = facade.start_run(identity, root_role_id="r")
    assert getattr(run, field) == kept
    assert facade.get_run_detail(run.run_id).identity == identity


@pytest.mark.parametrize("field", FIELDS)
@refused
def test_an_id_that_is_none_is_refused(facade: Scoria, field: str, value: Any, said: str) -> None:
    """The refusal names the field and what is wrong with it, in one line."""
    with pytest.raises(InvalidIdentity) as invalid:
        facade.identity(**ids_with(field, value))
    assert invalid.value.field == field
    assert said in invalid.value.problem
    assert str(invalid.value).startswith(f"{field} ")
    assert len(str(invalid.value).splitlines()) == 1


@refused
def test_a_decider_is_named_as_an_actor_is(facade: Scoria, value: Any, said: str) -> None:
    """A decision names who made it, by an id of the same kind."""
    with pytest.raises(InvalidIdentity, match=r"^decided_by ") as invalid:
        facade.approve("any", approval_id="any", decided_by=value)
    assert invalid.value.field == "decided_by"
    assert said in invalid.value.problem


@refused
def test_a_session_and_a_tenant_are_asked_for_by_such_ids(
    facade: Scoria, value: Any, said: str
) -> None:
    """Listings and views take the ids that identities take, and refuse what those refuse."""
    with pytest.raises(InvalidIdentity) as session:
        facade.list_runs_for_session(value)
    with pytest.raises(InvalidIdentity) as tenant:
        facade.for_tenant(value)
    assert (session.value.field, tenant.value.field) == ("session_id", "tenant_id")
    assert said in session.value.problem == tenant.value.problem


def test_a_listing_takes_what_an_identity_takes(facade: Scoria) -> None:
    """A session or tenant given as an object finds the runs of its id."""
    identity = facade.identity(actor_id=1, tenant_id=2, session_id=3)
    run = facade.start_run(identity, root_role_id="r")
    view = facade.for_tenant(SimpleNamespace(id=2))
    assert list(view.list_runs_for_session({"id": 3})) == [run]


def test_an_identity_is_frozen() -> None:
    """An identity that was handed over cannot become another's."""
    identity = Identity("a", "t", "s")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        identity.tenant_id = "other"  # type: ignore[misc]


def test_metadata_is_a_copy_and_checked(facade: Scoria) -> None:
    """Metadata is a JSON object of the identity's own; anything else is refused by its path."""
    metadata: dict[str, Any] = {"channel": ["web"]}
    identity = facade.identity(**ids_with("actor_id", "a"), metadata=metadata)
    metadata["channel"].append("changed")
    assert identity.metadata == {"channel": ["web"]}
    with pytest.raises(InvalidPayload) as invalid:
        facade.identity(**ids_with("actor_id", "a"), metadata={"at": object()})
    assert invalid.value.path == "identity.metadata.at"


@pytest.mark.parametrize(
    "edge",
    [
        {"actor_id": 1, "tenant_id": "acme", "session_id": "s", "csrf": "x"},
        {"current_user": {"id": 1}, "current_account": {"id": "acme"}, "session": "s"},
        {"user": SimpleNamespace(id=1), "account": "acme", "assistant_session_id": "s"},
        {"actor": 1, "tenant": SimpleNamespace(id="acme"), "session_id": "s", "user": 2},
        {"user_id": 1, "account_id": "acme", "assistant_session_id": "s"},
        {"user_id": 1, "user": "Ada", "account_id": "acme", "account": "Acme", "session_id": "s"},
        {"actor": 1, "user_id": 2, "tenant_id": "acme", "account_id": "b", "session_id": "s"},
        {"user_id": 1, "account_id": "acme", "assistant_session_id": "s", "session": {"csrf": 1}},
        {"actor_id": None, "current_actor": 1, "current_tenant": "acme", "session_id": "s"},
    ],
)
def test_the_edge_helpers_find_the_ids(edge: dict[str, Any]) -> None:
    """A session, and a request's state as mapping or object, give the same identity."""
    expected = Identity("1", "acme", "s")
    assert Identity.from_session(edge) == expected
    assert Identity.from_request_state(edge) == expected
    assert Identity.from_request_state(SimpleNamespace(**edge)) == expected


def test_the_edge_helpers_take_metadata_along() -> None:
    """What the edge calls metadata is the identity's metadata."""
    edge = {**ids_with("actor_id", "a"), "metadata": {"channel": "web"}}
    assert Identity.from_session(edge).metadata == {"channel": "web"}
    assert Identity.from_request_state(SimpleNamespace(**edge)).metadata == {"channel": "web"}


@pytest.mark.parametrize("field", FIELDS)
def test_the_edge_helpers_name_what_is_missing(field: str) -> None:
    """An id that the edge has under none of its names is refused by the field, not filled in."""
    edge = ids_with(field, None)
    for state in (edge, SimpleNamespace(**edge)):
        with pytest.raises(InvalidIdentity, match=rf"^{field} is missing") as invalid:
            Identity.from_request_state(state)
        assert invalid.value.field == field
    with pytest.raises(InvalidIdentity, match=rf"^{field} is missing"):
        Identity.from_session(edge)


@pytest.mark.parametrize("field", FIELDS)
def test_the_edge_helpers_say_where_they_looked(field: str) -> None:
    """Who gets the refusal reads under which names an id is looked for, and the other way."""
    edge = ids_with(field, None)
    for take in (Identity.from_session, Identity.from_request_state):
        with pytest.raises(InvalidIdentity) as invalid:
            take(edge)
        said = str(invalid.value)
        assert all(name in said for name in EDGE_NAMES[field])
        assert said.endswith(", or pass it to scoria.identity(...)")


@pytest.mark.parametrize("field", FIELDS)
def test_the_edge_helpers_say_under_which_name_a_wrong_id_was(field: str) -> None:
    """An id that is there and no id is refused under the name that it was found by."""
    found = EDGE_NAMES[field][-1]
    edge = {name: value for name, value in ids_with(field, None).items() if value is not None}
    with pytest.raises(InvalidIdentity) as invalid:
        Identity.from_session({**edge, found: ["x"]})
    assert invalid.value.field == field
    assert str(invalid.value).startswith(f"{field} (found as {found!r}) is list; ")


@pytest.mark.parametrize("session", [None, "s", 5, [("actor_id", 1)], SimpleNamespace(actor_id=1)])
def test_a_session_is_a_mapping(session: Any) -> None:
    """What is no mapping is no session."""
    with pytest.raises(InvalidIdentity) as invalid:
        Identity.from_session(session)
    assert invalid.value.field == "session"
    assert "; pass the mapping itself" in str(invalid.value)


@pytest.mark.parametrize("character", ["\n", "\x00", "\x7f", "\x85", "\u2028", "\u2029"])
def test_an_id_is_one_line(character: str) -> None:
    """An id with a control character, or one that breaks lines, is refused by its name."""
    with pytest.raises(InvalidIdentity) as refused:
        Identity(actor_id=f"a{character}b", tenant_id="t", session_id="s")
    assert refused.value.field == "actor_id"
    assert len(str(refused.value).splitlines()) == 1


def test_an_id_that_cannot_be_read_is_refused() -> None:
    """An object whose own id raises is an identity that is not usable, in our words."""

    class Detached:
        @property
        def id(self) -> int:
            raise LookupError("the row is gone")

    with pytest.raises(InvalidIdentity, match="cannot be read") as refused:
        Identity(Detached(), "t", "s")
    assert refused.value.field == "actor_id"
