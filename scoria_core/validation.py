"""Checks what hosts and handlers pass in, before anything is written."""

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import attrs

from scoria_core.decisions import Decision
from scoria_core.errors import InvalidHandoff, InvalidPayload, RunNotFound, safe_repr
from scoria_core.identity import checked_id
from scoria_core.model import Approval
from scoria_core.outcomes import (
    MAX_FOLLOWING,
    MAX_TOGETHER,
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
    checked_json,
    checked_name,
    checked_payload,
    checked_text,
    name_problem,
    plain_str,
)
from scoria_core.ports import Schemas
from scoria_core.projection import ContextPolicy
from scoria_core.schemas import InstalledSchemas

MAX_PEOPLE = 100
"""How many people one request may name, or need."""

MAX_KEPT_BYTES = 64 * 1024
"""How much a step may keep over a pause, in bytes of JSON."""

MAX_SCHEMA_BYTES = 16 * 1024
"""How large a schema may be, in bytes of JSON."""

MAX_PAGE = 1_000
"""The most runs that one listing returns."""

_MISSING = "is missing; a handoff states all of its fields, none is filled in"
_MAX_EXPIRY = timedelta(days=36_500)
_ANSWERS = (
    "a handler returns Completed, NeedsApproval or a list of them, HandOff, Failed, a mapping or "
    "None"
)


@attrs.frozen
class Validator:
    """Checks what hosts and handlers pass in, within the limits of one facade.

    Its methods return a checked copy, or raise the `ScoriaError` that names the field.
    """

    policy: ContextPolicy = attrs.field(factory=ContextPolicy)
    max_bytes: int = MAX_BYTES
    schemas: Schemas = attrs.field(factory=InstalledSchemas)

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
            max_requests=checked_positive(spec.max_requests, f"{path}.max_requests"),
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
                return self._needs_approval(answer, "")
            case list() | tuple():
                return self._requests(answer)
            case HandOff():
                return self.handoff(**attrs.asdict(answer, recurse=False))
            case None | Mapping():
                return Completed(self.optional_payload(answer, "result"))
        raise InvalidPayload("result", f"is {type(answer).__name__}; {_ANSWERS}")

    def _following(self, then: object) -> tuple[StepSpec, ...]:
        if isinstance(then, str) or not isinstance(then, Sequence):
            raise InvalidPayload("then", f"is {type(then).__name__}; pass a list of StepSpec")
        if len(then) > MAX_FOLLOWING:
            problem = (
                f"has {len(then)} steps; pass at most {MAX_FOLLOWING}, and let them queue more"
            )
            raise InvalidPayload("then", problem)
        return tuple(self.spec(spec, f"then[{number}]") for number, spec in enumerate(then))

    def decision(
        self,
        trigger: Literal["approve", "reject"],
        approval_id: object,
        note: object,
        *,
        arguments: object = None,
        answer: object = None,
        arguments_digest: object = None,
        resume: object = False,
    ) -> Decision:
        """Check what a person says to a request, as far as that can be told without it."""
        if not isinstance(resume, bool):
            raise InvalidPayload("resume", f"is {safe_repr(resume)}; pass True or False")
        return Decision(
            trigger,
            checked_approval_id(approval_id),
            self.optional_text(note, "note"),
            self.optional_payload(arguments, "arguments"),
            self.optional_payload(answer, "answer"),
            self.optional_text(arguments_digest, "arguments_digest"),
            resume,
        )

    def fits(self, approval: Approval) -> None:
        """Check the edit and the answer of a decision against the schemas of its request."""
        is_edited = approval.arguments_digest != approval.proposed_digest
        if is_edited and isinstance(approval.may_edit, Mapping):
            self._fits(approval.may_edit, approval.arguments, "arguments")
        if approval.answer_schema is not None:
            self._fits(approval.answer_schema, approval.answer, "answer")

    def _fits(self, schema: Mapping[str, Any], value: object, name: str) -> None:
        if (found := self.schemas.mismatch(schema, value)) is not None:
            where, problem = found
            raise InvalidPayload(f"{name}{where}", problem)

    def _requests(self, answer: Sequence[object]) -> tuple[NeedsApproval, ...]:
        if not 1 <= len(answer) <= MAX_TOGETHER:
            problem = f"is a list of {len(answer)}; return 1 to {MAX_TOGETHER} NeedsApproval"
            raise InvalidPayload("result", problem)
        for needs in answer:
            if not isinstance(needs, NeedsApproval):
                problem = f"is a list that has {type(needs).__name__}; {_ANSWERS}"
                raise InvalidPayload("result", problem)
        requests = tuple(
            self._needs_approval(needs, f"result[{number}].")
            for number, needs in enumerate(answer)
            if isinstance(needs, NeedsApproval)
        )
        if sum(needs.keep is not None for needs in requests) > 1:
            raise InvalidPayload("result", "has keep more than once; give it to one request")
        return requests

    def _needs_approval(self, needs: NeedsApproval, path: str) -> NeedsApproval:
        if needs.on_reject not in ("cancel", "resume"):
            problem = f'is {safe_repr(needs.on_reject)}; pass "cancel" or "resume"'
            raise InvalidPayload(f"{path}on_reject", problem)
        needed = checked_positive(needs.approvals_needed, f"{path}approvals_needed")
        if needed > MAX_PEOPLE:
            problem = f"is {needed}; at most {MAX_PEOPLE} people can be asked for"
            raise InvalidPayload(f"{path}approvals_needed", problem)
        if needed > 1 and (needs.may_edit is not False or needs.answer_schema is not None):
            problem = (
                "is above 1 beside may_edit or answer_schema; several people can say yes or no to "
                "exact arguments only"
            )
            raise InvalidPayload(f"{path}approvals_needed", problem)
        return NeedsApproval(
            tool_name=checked_name(needs.tool_name, f"{path}tool_name"),
            arguments=self.payload(needs.arguments, f"{path}arguments"),
            reason=self.text(needs.reason, f"{path}reason"),
            expires_in=_length(needs.expires_in, f"{path}expires_in", "never expires"),
            may_edit=self._may_edit(needs.may_edit, f"{path}may_edit"),
            answer_schema=self._schema(needs.answer_schema, f"{path}answer_schema"),
            on_reject=needs.on_reject,
            approvals_needed=needed,
            not_by=_people(needs.not_by, f"{path}not_by"),
            assigned_to=_people(needs.assigned_to, f"{path}assigned_to"),
            remind_after=_length(needs.remind_after, f"{path}remind_after", "reminds of nothing"),
            call_id=None
            if needs.call_id is None
            else checked_name(needs.call_id, f"{path}call_id"),
            keep=None
            if needs.keep is None
            else checked_json(needs.keep, f"{path}keep", MAX_KEPT_BYTES),
        )

    def _may_edit(self, value: object, path: str) -> bool | Mapping[str, Any]:
        if isinstance(value, bool):
            return value
        if not isinstance(value, Mapping):
            problem = f"is {type(value).__name__}; pass True, False or a JSON Schema"
            raise InvalidPayload(path, problem)
        return self._schema(value, path) or {}

    def _schema(self, value: object, path: str) -> dict[str, Any] | None:
        if value is None:
            return None
        schema = checked_payload(value, path, MAX_SCHEMA_BYTES)
        if problem := self.schemas.problem_of(schema):
            raise InvalidPayload(path, problem)
        return schema

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


def _people(value: object, path: str) -> tuple[str, ...]:
    if value == ():
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        problem = f"is {type(value).__name__}; pass a list of the ids of actors"
        raise InvalidPayload(path, problem)
    if len(value) > MAX_PEOPLE:
        raise InvalidPayload(path, f"names {len(value)}; name at most {MAX_PEOPLE}")
    return tuple(checked_id(each, f"{path}[{number}]") for number, each in enumerate(value))


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


def checked_seconds(value: object, name: str, *, may_be_0: bool = True) -> float:
    """Return a number of seconds that a thread can wait, or raise `InvalidPayload`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    is_wait = number and 0 <= float(value) <= threading.TIMEOUT_MAX  # type: ignore[arg-type]
    if not is_wait or (value == 0 and not may_be_0):
        least = "0 or more" if may_be_0 else "above 0"
        raise InvalidPayload(name, f"is {safe_repr(value)}; pass a number of seconds, {least}")
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
