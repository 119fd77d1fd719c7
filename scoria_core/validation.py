"""Checks what hosts and handlers pass in, before anything is written."""

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs

from scoria_core.errors import InvalidHandoff, InvalidPayload, RunNotFound, safe_repr
from scoria_core.identity import checked_id
from scoria_core.outcomes import (
    MAX_FOLLOWING,
    Completed,
    Failed,
    HandOff,
    NeedsApproval,
    Outcome,
    Retry,
    StepSpec,
)
from scoria_core.payloads import (
    MAX_BYTES,
    checked_name,
    checked_payload,
    checked_text,
    name_problem,
    plain_str,
)
from scoria_core.projection import ContextPolicy

MAX_PAGE = 1_000
"""The most runs that one listing returns."""

_MISSING = "is missing; a handoff states all of its fields, none is filled in"
_MAX_EXPIRY = timedelta(days=36_500)


@attrs.frozen
class Validator:
    """Checks what hosts and handlers pass in, within the limits of one facade.

    Its methods return a checked copy, or raise the `ScoriaError` that names the field.
    """

    policy: ContextPolicy = attrs.field(factory=ContextPolicy)
    max_bytes: int = MAX_BYTES

    def payload(self, value: object, path: str) -> dict[str, Any]:
        """Check a required JSON object."""
        return checked_payload(value, path, self.max_bytes)

    def optional_payload(self, value: object, path: str) -> dict[str, Any] | None:
        """Check a JSON object that may be None."""
        return None if value is None else self.payload(value, path)

    def text(self, value: object, path: str) -> str:
        """Check a required text."""
        return checked_text(value, path, self.max_bytes)

    def optional_text(self, value: object, path: str) -> str | None:
        """Check a text that may be None."""
        return None if value is None else self.text(value, path)

    def spec(self, spec: object, path: str) -> StepSpec:
        """Check a step to queue."""
        if not isinstance(spec, StepSpec):
            raise InvalidPayload(path, f"is {type(spec).__name__}; pass a StepSpec")
        return StepSpec(
            kind=checked_name(spec.kind, f"{path}.kind"),
            role_id=checked_name(spec.role_id, f"{path}.role_id"),
            input=self.payload(spec.input, f"{path}.input"),
            retry=_retry(spec.retry, f"{path}.retry"),
            time_limit=_seconds(spec.time_limit, f"{path}.time_limit"),
        )

    def handoff(
        self,
        *,
        delegated_role_id: object,
        delegated_kind: object,
        handoff_input: object,
        projected_context: object,
        capability_tags: object,
    ) -> HandOff:
        """Check a handoff: every field stated, and nothing unsafe in its context."""
        context = self._handoff_payload(projected_context, "projected_context")
        self.policy.check(context, "projected_context")
        return HandOff(
            delegated_role_id=handoff_name(delegated_role_id, "delegated_role_id"),
            delegated_kind=handoff_name(delegated_kind, "delegated_kind"),
            handoff_input=self._handoff_payload(handoff_input, "handoff_input"),
            projected_context=context,
            capability_tags=_tags(capability_tags),
        )

    def outcome(self, answer: object) -> Outcome:
        """Check what a handler returned."""
        match answer:
            case Completed(result=result, then=then):
                return Completed(self.optional_payload(result, "result"), self._following(then))
            case Failed(reason=reason, details=details):
                details = self.optional_payload(details, "details")
                return Failed(self.text(reason, "reason"), details)
            case NeedsApproval():
                return self._needs_approval(answer)
            case HandOff():
                return self.handoff(**attrs.asdict(answer, recurse=False))
            case None | Mapping():
                return Completed(self.optional_payload(answer, "result"))
        raise InvalidPayload(
            "result",
            f"is {type(answer).__name__}; a handler returns Completed, NeedsApproval, HandOff, "
            "Failed, a mapping or None",
        )

    def _following(self, then: object) -> tuple[StepSpec, ...]:
        if isinstance(then, str) or not isinstance(then, Sequence):
            raise InvalidPayload("then", f"is {type(then).__name__}; pass a list of StepSpec")
        if len(then) > MAX_FOLLOWING:
            problem = (
                f"has {len(then)} steps; pass at most {MAX_FOLLOWING}, and let them queue more"
            )
            raise InvalidPayload("then", problem)
        return tuple(self.spec(spec, f"then[{number}]") for number, spec in enumerate(then))

    def _needs_approval(self, needs: NeedsApproval) -> NeedsApproval:
        return NeedsApproval(
            tool_name=checked_name(needs.tool_name, "tool_name"),
            arguments=self.payload(needs.arguments, "arguments"),
            reason=self.text(needs.reason, "reason"),
            expires_in=_expiry(needs.expires_in),
        )

    def _handoff_payload(self, value: object, name: str) -> dict[str, Any]:
        if value is None:
            raise InvalidHandoff(name, _MISSING)
        if not isinstance(value, Mapping):
            problem = f"is {type(value).__name__}; pass a mapping (a JSON object)"
            raise InvalidHandoff(name, problem)
        return self.payload(value, name)


def handoff_name(value: object, name: str) -> str:
    """Return a required name of a handoff, or raise `InvalidHandoff`."""
    if value is None:
        raise InvalidHandoff(name, _MISSING)
    try:
        return checked_name(value, name)
    except InvalidPayload as error:
        raise InvalidHandoff(name, error.problem) from None


def _tags(tags: object) -> tuple[str, ...]:
    if not isinstance(tags, tuple | list):
        problem = f"is {type(tags).__name__}; pass a tuple of names"
        raise InvalidHandoff("capability_tags", problem)
    return tuple(handoff_name(tag, f"capability_tags[{i}]") for i, tag in enumerate(tags))


def _retry(retry: object, path: str) -> Retry | None:
    if retry is None:
        return None
    if not isinstance(retry, Retry):
        raise InvalidPayload(path, f"is {type(retry).__name__}; pass a Retry or None")
    attempts = retry.max_attempts
    if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
        problem = f"is {safe_repr(attempts)}; pass an int of 1 or more"
        raise InvalidPayload(f"{path}.max_attempts", problem)
    for name, least in (("delay", 0), ("factor", 1), ("max_delay", 0)):
        value = getattr(retry, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= _MAX_EXPIRY.total_seconds():
            problem = f"is {safe_repr(value)}; pass a number of {least} or more"
            raise InvalidPayload(f"{path}.{name}", problem)
    return attrs.evolve(retry, unless=_exceptions(retry.unless, f"{path}.unless"))


def _exceptions(unless: object, path: str) -> tuple[str, ...]:
    if not isinstance(unless, tuple):
        problem = f"is {safe_repr(unless)}; pass a tuple of exception classes or their names"
        raise InvalidPayload(path, problem)
    return tuple(checked_name(name, f"{path}[{number}]") for number, name in enumerate(unless))


def _seconds(limit: object, path: str) -> float | None:
    length = _length(limit, path, "has no limit")
    return None if length is None else length.total_seconds()


def _expiry(expires_in: object) -> timedelta | None:
    return _length(expires_in, "expires_in", "never expires")


def _length(value: object, path: str, none_means: str) -> timedelta | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        problem = f"is {type(value).__name__}; pass a timedelta, seconds or None"
        raise InvalidPayload(path, problem)
    zero, most = timedelta(0), _MAX_EXPIRY
    if isinstance(value, timedelta):
        allowed = zero < value <= most
    else:
        allowed = 0 < value <= most.total_seconds()
    if not allowed:
        raise InvalidPayload(path, f"is not within {most.days} days; None {none_means}")
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def checked_approval_id(value: object) -> str:
    """Return the id of an approval as text; an impossible id as text that can be shown."""
    text = str(value) if isinstance(value, UUID) else value
    if isinstance(text, str) and text.isprintable() and name_problem(text) is None:
        return plain_str(text)
    return safe_repr(value)


def checked_run_id(value: object) -> str:
    """Return the id of a run as text, or raise `RunNotFound` if it cannot be one."""
    if isinstance(value, str):
        return plain_str(value)
    if not isinstance(value, UUID):
        raise RunNotFound(safe_repr(value), type_name=type(value).__name__)
    return str(value)


def checked_actor(value: object) -> str | None:
    """Return who makes a call, or None for the host itself; raise `InvalidIdentity`."""
    return None if value is None else checked_id(value, "actor_id")


def checked_positive(value: object, name: str) -> int:
    """Return an int of 1 or more, or raise `InvalidPayload` naming the argument."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidPayload(name, f"is {safe_repr(value)}; pass an int of 1 or more")
    return value


def checked_seconds(value: object, name: str) -> float:
    """Return a number of seconds that a thread can wait, or raise `InvalidPayload`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= float(value) <= threading.TIMEOUT_MAX:  # type: ignore[arg-type]
        raise InvalidPayload(name, f"is {safe_repr(value)}; pass a number of seconds, 0 or more")
    return float(value)  # type: ignore[arg-type]


def checked_limit(value: object) -> int:
    """Return how many runs one listing may have, or raise `InvalidPayload`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PAGE:
        raise InvalidPayload("limit", f"is {safe_repr(value)}; pass an int from 1 to {MAX_PAGE}")
    return value


def checked_context(projected: object, scoped: object) -> object:
    """Return the context, whichever of its two names it has, or raise `InvalidHandoff`."""
    if projected is not None and scoped is not None:
        problem = "is given beside projected_context, its other name; pass one of them"
        raise InvalidHandoff("scoped_context", problem)
    return scoped if projected is None else projected
