"""Who looks at the evidence, of which tenant, and what they may decide: only the host says so."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import attrs
from werkzeug.exceptions import Forbidden

from scoria_core.errors import InvalidIdentity, StoreUnavailable
from scoria_core.facades import Facade, opened
from scoria_core.identity import checked_id
from scoria_core.scoria import Scoria


def _tenant_id(value: object) -> str:
    return checked_id(value, "tenant_id")


def _actor_id(value: object) -> str:
    return checked_id(value, "actor_id")


def _is_bool(_: object, right: "attrs.Attribute[bool]", value: object) -> None:
    if not isinstance(value, bool):  # a coroutine or a text would be true
        raise InvalidIdentity(right.name, f"is {type(value).__name__}", "pass True or False")


def _assignees(values: object) -> tuple[str, ...] | None:
    if values is None:
        return None
    # A text is one name; as an iterable, it would be one name for each letter.
    each = (values,) if isinstance(values, str) else tuple(values)  # type: ignore[arg-type]  # else raises
    return tuple(checked_id(value, "assignees") for value in each)


def _time_zone(name: object) -> tzinfo:
    if name in ("UTC", UTC):
        return UTC  # needs no database of time zones
    try:
        return ZoneInfo(name)  # type: ignore[arg-type]  # else raises
    except (TypeError, ValueError, LookupError, OSError) as error:
        problem = "is no time zone that this system knows"
        next_move = 'pass a name such as "Europe/Berlin"; where there are none, install tzdata'
        raise InvalidIdentity("time_zone", problem, next_move) from error


@attrs.frozen
class Scope:
    """One signed-in actor of one tenant; the pages show only the runs of that tenant.

    `may_decide` lets the actor decide requests in `decision_app` and `api_app`. If `assignees` are
    given (names that the actor can act for), these are only requests that are assigned to nobody,
    to the actor or to one of them. `may_operate` lets the actor start, resume, retry and cancel
    runs in `api_app`. `may_unmask` lets the actor see what is masked, and each look is logged.
    `session` identifies the login of the browser: a form that was made for one session is refused
    in another. `time_zone` is the IANA name of the zone of the times on the pages; JSON is in UTC.
    Ids may be str, int or UUID, or an object or mapping with an `id`. Raises `InvalidIdentity`
    naming the field that is missing, blank or of another type.
    """

    tenant_id: str = attrs.field(converter=_tenant_id)
    actor_id: str = attrs.field(converter=_actor_id)
    session: str = attrs.field(default="", kw_only=True, converter=str)
    may_decide: bool = attrs.field(default=False, kw_only=True, validator=_is_bool)
    may_unmask: bool = attrs.field(default=False, kw_only=True, validator=_is_bool)
    may_operate: bool = attrs.field(default=False, kw_only=True, validator=_is_bool)
    assignees: tuple[str, ...] | None = attrs.field(
        default=None, kw_only=True, converter=_assignees
    )
    time_zone: tzinfo = attrs.field(default=UTC, kw_only=True, converter=_time_zone)

    def is_meant(self, assigned_to: tuple[str, ...]) -> bool:
        """Tell whether a request with these assignees is for this actor to decide."""
        if self.assignees is None or not assigned_to:
            return True
        return not {self.actor_id, *self.assignees}.isdisjoint(assigned_to)


ScopeOf = Callable[[dict[str, Any]], Scope | None]
"""A function of the host: it returns the scope of a request's environ, or None to refuse it."""


class ScopeFailed(Exception):
    """The host's scope raised an error, or returned something that is no `Scope`."""


class FacadeFailed(Exception):
    """What a host passed for its facade raised an error, or returned something else."""


def opened_now(scoria: Facade) -> Scoria:
    """Return the facade; raises `StoreUnavailable`, or `FacadeFailed` for a fault of the host."""
    try:
        return opened(scoria)
    except StoreUnavailable:
        raise
    except Exception as error:
        raise FacadeFailed("what returns the facade did not return one") from error


def granted(scope_of: ScopeOf, environ: dict[str, Any]) -> Scope | None:
    """Return the scope of a request, or None if the host refuses it."""
    try:
        scope = scope_of(environ)
    except Forbidden:
        return None
    except Exception as error:
        raise ScopeFailed("the host's scope raised") from error
    if scope is not None and not isinstance(scope, Scope):
        raise ScopeFailed(f"the host's scope returned {type(scope).__name__}, not a Scope")
    return scope
