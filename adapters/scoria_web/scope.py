"""Who looks at the evidence, and of which tenant: only the host says so."""

from collections.abc import Callable
from typing import Any

import attrs

from scoria_core.identity import checked_id


def _tenant_id(value: object) -> str:
    return checked_id(value, "tenant_id")


def _actor_id(value: object) -> str:
    return checked_id(value, "actor_id")


@attrs.frozen
class Scope:
    """One signed-in actor of one tenant; the page shows only the runs of that tenant.

    Ids may be str, int or UUID, or an object or mapping with an `id`. Raises `InvalidIdentity`
    naming the id that is missing, blank or of another type.
    """

    tenant_id: str = attrs.field(converter=_tenant_id)
    actor_id: str = attrs.field(converter=_actor_id)


ScopeOf = Callable[[dict[str, Any]], Scope | None]
"""The host's own look at a request's environ: the scope it grants, or None for no entry."""
