"""Identities: who acts, for which tenant, in which session.

Scoria authenticates nobody and chooses no tenant. The host does both at its edge, and passes one
normalized `Identity`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

import attrs

from scoria_core.errors import InvalidIdentity, safe_repr
from scoria_core.payloads import MAX_INT_BITS, checked_payload, name_problem, plain_str

EDGE_NAMES = MappingProxyType(
    {
        "actor_id": ("actor_id", "actor", "current_actor", "user_id", "current_user", "user"),
        "tenant_id": (
            *("tenant_id", "tenant", "current_tenant"),
            *("account_id", "current_account", "account"),
        ),
        "session_id": ("session_id", "assistant_session_id", "session"),
    }
)
"""Where the edge helpers look for each id; the first name that is there decides."""


def checked_id(value: object, name: str) -> str:
    """Return `value` as an id: a str, int or UUID, or an object or mapping with such an `id`.

    Raises `InvalidIdentity` naming `name` if it is missing, blank or of another type.
    """
    try:
        plain = _id_of(value)
    except Exception as error:
        raise InvalidIdentity(name, f"has an id that cannot be read: {safe_repr(error)}") from error
    if plain is None:
        raise InvalidIdentity(name, "is missing")
    if isinstance(plain, bool) or not isinstance(plain, str | int | UUID):
        raise InvalidIdentity(name, f"is {type(plain).__name__}")
    if isinstance(plain, int) and plain.bit_length() > MAX_INT_BITS:
        raise InvalidIdentity(name, "is an int of more than 4,200 digits")
    text = _text_of(plain)
    if problem := name_problem(text):
        raise InvalidIdentity(name, problem)
    return text


def _text_of(plain: str | int | UUID) -> str:
    if isinstance(plain, str):
        return plain_str(plain)
    return str(int(plain)) if isinstance(plain, int) else str(plain)


def _id_of(value: object) -> object:
    if value is None or isinstance(value, str | int | UUID):
        return value
    if isinstance(value, Mapping):
        return value.get("id", value)
    return getattr(value, "id", value)


@attrs.frozen(init=False)
class Identity:
    """One actor of one tenant in one session, normalized; `metadata` is the host's own.

    Raises `InvalidIdentity` naming the id, or `InvalidPayload` naming the path in `metadata`.
    """

    actor_id: str
    tenant_id: str
    session_id: str
    metadata: Mapping[str, Any]

    def __init__(
        self,
        actor_id: object,
        tenant_id: object,
        session_id: object,
        metadata: object = None,
    ) -> None:
        self.__attrs_init__(
            actor_id=checked_id(actor_id, "actor_id"),
            tenant_id=checked_id(tenant_id, "tenant_id"),
            session_id=checked_id(session_id, "session_id"),
            metadata=checked_payload({} if metadata is None else metadata, "identity.metadata"),
        )

    def with_metadata(self, checked: Mapping[str, Any]) -> Self:
        """Return the same identity with other metadata, which are checked already."""
        other = object.__new__(type(self))
        other.__attrs_init__(self.actor_id, self.tenant_id, self.session_id, checked)
        return other

    @classmethod
    def from_session(cls, session: Mapping[str, Any]) -> Self:
        """Read the identity from a web session or another mapping, by the names of `EDGE_NAMES`."""
        if not isinstance(session, Mapping):
            next_move = "pass the mapping itself, such as flask.session or request.session"
            raise InvalidIdentity("session", f"is {type(session).__name__}", next_move)
        return cls._from_edge(session.get)

    @classmethod
    def from_request_state(cls, state: object) -> Self:
        """Read the identity from a request state, mapping or object, by those of `EDGE_NAMES`."""
        if isinstance(state, Mapping):
            return cls._from_edge(state.get)
        return cls._from_edge(lambda name: getattr(state, name, None))

    @classmethod
    def _from_edge(cls, get: Callable[[str], Any]) -> Self:
        ids = {name: _id_at_edge(get, name, names) for name, names in EDGE_NAMES.items()}
        return cls(**ids, metadata=get("metadata"))


def _id_at_edge(get: Callable[[str], Any], name: str, names: tuple[str, ...]) -> str:
    for found in names:
        if (value := get(found)) is None:
            continue
        try:
            return checked_id(value, name)
        except InvalidIdentity as error:
            where = "" if found == name else f"(found as {found!r}) "
            raise InvalidIdentity(name, f"{where}{error.problem}") from error.__cause__
    looked_for = f"keep it there as one of {', '.join(names)}"
    raise InvalidIdentity(name, "is missing", f"{looked_for}, or pass it to scoria.identity(...)")
