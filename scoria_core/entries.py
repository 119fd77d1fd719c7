"""The keys of the `data` of each type of entry, and the type of each value.

What the kit writes was checked on its way in. What it reads may come from anybody who can write to
the database, so it is checked against the same tables. They are in spec/forms.md.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from scoria_core.payloads import name_problem

Check = Callable[[object], bool]

LATEST_YEAR = 9_000
"""The last year of an entry or an expiry: beyond it no length of time can be added."""


def is_name(value: object) -> bool:
    """Tell whether `value` is a valid name or id."""
    return isinstance(value, str) and name_problem(value) is None


def is_moment(value: object) -> bool:
    """Tell whether `value` is a time in UTC, early enough that a duration can be added to it."""
    return (
        isinstance(value, datetime)
        and value.utcoffset() == timedelta(0)
        and value.year <= LATEST_YEAR
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _is_seconds(value: object) -> bool:
    return type(value) in (int, float) and value >= 0  # type: ignore[operator]  # it is a number


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and is_moment(datetime.fromisoformat(value))
    except ValueError:
        return False


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and value.startswith("sha256:") and len(value) == 71


def _is_driver(value: object) -> bool:
    return value in ("steps", "host")


def _is_on_reject(value: object) -> bool:
    return value == "resume"  # the other is the default, and left out


def _may_edit(value: object) -> bool:
    return value is True or isinstance(value, dict)


def _is_several(value: object) -> bool:
    return _is_count(value) and value != 1


def _is_json(value: object) -> bool:
    return value is not None


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _object_of(**checks: Check) -> Check:
    return lambda value: isinstance(value, dict) and _has(value, checks, frozenset())


def _has(data: Mapping[str, object], checks: Mapping[str, Check], optional: frozenset[str]) -> bool:
    wanted = checks.keys() - optional
    if not wanted <= data.keys() <= checks.keys():
        return False
    return all(checks[key](value) for key, value in data.items())


_ERROR = _object_of(
    type=_is_text, message=_is_text, details=_or_none(_is_object), cause=_or_none(_is_text)
)
_IDENTITY = _object_of(actor_id=is_name, tenant_id=is_name, session_id=is_name, metadata=_is_object)
_LEASE = _object_of(seconds=_is_seconds, worker_id=_or_none(is_name), holder=_or_none(is_name))
_RETRY = _object_of(
    max_attempts=_is_count,
    delay=_is_seconds,
    factor=_is_seconds,
    max_delay=_is_seconds,
    unless=_list_of(_is_text),
)
_DECISION: Mapping[str, Check] = MappingProxyType(
    {"note": _or_none(_is_text), "arguments_digest": _is_digest}
)

DATA: Mapping[str, Mapping[str, Check]] = MappingProxyType(
    {
        "approval_approved": {
            **_DECISION,
            "arguments": _is_object,
            "proposed_digest": _is_digest,
            "answer": _is_object,
        },
        "approval_endorsed": _DECISION,
        "approval_rejected": _DECISION,
        "approval_requested": {
            "step_id": is_name,
            "tool_name": is_name,
            "arguments": _is_object,
            "arguments_digest": _is_digest,
            "reason": _is_text,
            "expires_at": _or_none(_is_time),
            "may_edit": _may_edit,
            "answer_schema": _is_object,
            "on_reject": _is_on_reject,
            "approvals_needed": _is_several,
            "not_by": _list_of(is_name),
            "assigned_to": _list_of(is_name),
            "remind_after": _is_seconds,
            "call_id": is_name,
        },
        "handoff_requested": {
            "parent_role_id": is_name,
            "parent_step_id": is_name,
            "child_step_id": is_name,
            "delegated_role_id": is_name,
            "delegated_kind": is_name,
            "handoff_input": _is_object,
            "projected_context": _is_object,
            "capability_tags": _list_of(is_name),
        },
        "run_cancelled": {"reason": _or_none(_is_text)},
        "run_rejected": {"reason": _or_none(_is_text)},
        "run_started": {
            "identity": _IDENTITY,
            "root_role_id": is_name,
            "metadata": _is_object,
            "driven_by": _is_driver,
            "idempotency_key": _or_none(is_name),
            "arguments_digest": _or_none(_is_digest),
        },
        "step_approval_requested": {"kept": _is_json},
        "step_claimed": {"lease": _LEASE},
        "step_completed": {"result": _or_none(_is_object)},
        "step_failed": {"error": _ERROR},
        "step_queued": {
            "sequence": _is_count,
            "kind": is_name,
            "role_id": is_name,
            "input": _is_object,
            "retry": _or_none(_RETRY),
            "time_limit": _or_none(_is_seconds),
            "max_requests": _is_count,
            "parent_step_id": is_name,
            "projected_context": _is_object,
        },
        "step_released": {"error": _ERROR, "not_before": _is_time},
    }
)
"""The keys of `data` and their kinds, by the type of the entry; any other type has none."""

OPTIONAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "approval_approved": frozenset({"arguments", "proposed_digest", "answer"}),
        "approval_requested": frozenset(
            {
                *("may_edit", "answer_schema", "on_reject", "approvals_needed"),
                *("not_by", "assigned_to", "remind_after", "call_id"),
            }
        ),
        "step_approval_requested": frozenset({"kept"}),
        "step_claimed": frozenset({"lease"}),
        "step_queued": frozenset({"parent_step_id", "projected_context"}),
        "step_released": frozenset({"error", "not_before"}),
    }
)
"""The keys that an entry leaves out where they do not apply."""


def has_its_data(type_: str, data: object) -> bool:
    """Tell whether `data` has the keys of an entry of this type, with values of the right types."""
    return isinstance(data, dict) and _has(
        data, DATA.get(type_, {}), OPTIONAL.get(type_, frozenset())
    )
