"""Wrong on purpose: what the kit makes of who acts."""

from collections.abc import Mapping
from uuid import UUID

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, put
from scoria_core import identity, scoria
from scoria_core.errors import InvalidIdentity

breaks = catalogue()


@breaks("IDENTITY-1", "An identity names")
def a_blank_id_is_taken():
    put(identity, name_problem=lambda text: None)


@breaks("IDENTITY-1", "An identity names")
@instead_of(identity._id_of)
def true_is_taken_for_an_id(right, value):
    found = right(value)
    return int(found) if isinstance(found, bool) else found


@breaks("IDENTITY-1", "nobody")
@instead_of(identity._id_of)
def a_missing_id_is_filled_in(right, value):
    return right("nobody" if value is None else value)


@breaks("IDENTITY-2", "actor_id is UUID")
@instead_of(identity.checked_id)
def a_UUID_is_no_id(right, value, name):
    if isinstance(value, UUID):
        raise InvalidIdentity(name, "is UUID")
    return right(value, name)


@breaks("IDENTITY-2", "00000042")
@instead_of(identity._text_of)
def numbers_are_padded(right, plain):
    return right(plain).zfill(8) if isinstance(plain, int) else right(plain)


@breaks("IDENTITY-2", "an object")
@instead_of(identity._id_of)
def the_id_of_an_object_is_not_looked_for(right, value):
    return right(value) if isinstance(value, Mapping) else value


@breaks("IDENTITY-3", "token")
@instead_of(identity.Identity._from_edge)
def an_identity_takes_the_token_of_its_session_along(right, cls, get):
    return right(cls, lambda name: {"token": get("token")} if name == "metadata" else get(name))


@breaks("IDENTITY-3", "is missing")
@instead_of(identity._id_at_edge)
def only_the_first_name_of_an_id_is_looked_for(right, get, name, names):
    return right(get, name, names[:1])


@breaks("IDENTITY-3", "An identity is not taken")
@instead_of(identity._id_at_edge)
def an_identity_at_the_edge_has_a_tenant_by_default(right, get, name, names):
    if name == "tenant_id" and all(get(each) is None for each in names):
        return "default"
    return right(get, name, names)


@breaks("IDENTITY-4", "reads back")
@instead_of(scoria.Scoria._identity)
def the_metadata_of_an_identity_is_dropped(right, self, identity):
    return evolve(right(self, identity), metadata={})


@breaks("IDENTITY-4", "is a payload")
def the_metadata_of_an_identity_is_not_checked():
    put(identity, checked_payload=lambda value, path: value)
