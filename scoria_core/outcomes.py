"""What a host may ask of a step, and what its handler may answer."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import attrs

MAX_FOLLOWING = 32
"""How many steps one answer may queue."""

MAX_TOGETHER = 32
"""How many requests for approval one answer may make."""

REQUESTER = "requester"
"""The word that stands, in `not_by`, for who started the run."""


class DoNotRetry(Exception):
    """Raise it in a handler to fail the step at once, whatever `Retry` the step has."""


class TimeLimitExceeded(Exception):
    """A handler was still running when the `time_limit` of its step had passed."""


def class_name(kind: type) -> str:
    """Return the name of a class as `package.module.Class`, without `builtins.`."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _names(unless: Iterable[type[BaseException] | str]) -> tuple[str, ...]:
    if isinstance(unless, str) or not isinstance(unless, Iterable):
        return unless  # type: ignore[return-value] # `Validator` says what is wrong
    return tuple(class_name(each) if isinstance(each, type) else each for each in unless)


@attrs.frozen
class Retry:
    """How often a step is tried again after its handler raised an exception, and when.

    At most `max_attempts` in all: `delay` seconds after the first, then each time `factor` times as
    long, but never more than `max_delay`. A step is not tried again if its handler returned
    `Failed`, raised `DoNotRetry`, or raised one of the exceptions in `unless`: classes, or their
    names (`"ValueError"`, `"package.module.Class"`), which is how they are stored.
    """

    max_attempts: int = 3
    delay: float = 1.0
    factor: float = 2.0
    max_delay: float = 300.0
    unless: tuple[str, ...] = attrs.field(default=(), converter=_names)

    def delay_after(self, attempt: int) -> timedelta | None:
        """Return how long to wait after an attempt (counted from 1), or None after the last."""
        if attempt >= self.max_attempts:
            return None
        try:
            delay = self.delay * self.factor ** (attempt - 1)
        except OverflowError:
            delay = self.max_delay
        return timedelta(seconds=min(delay, self.max_delay))


@attrs.frozen
class StepSpec:
    """A step to queue: `kind` picks the handler, `role_id` says in whose name it runs.

    Without `retry` an exception of the handler fails the step, until `retry_run`. `time_limit` is
    a timedelta or a number of seconds, counted from the claim of each attempt. Past it an `async`
    handler is cancelled and counts as one that raised `TimeLimitExceeded`. No other handler can be
    broken off: its step fails with `TimeLimitExceeded`, is not tried again, and what the handler
    still answers is not recorded. It keeps its thread, or its caller, until it returns.

    A step that asks for approval fails once its last `max_requests` requests in a row brought no
    yes; a yes, or `retry_run`, starts the count anew.
    """

    kind: str
    role_id: str
    input: Mapping[str, Any] = attrs.field(factory=dict)
    retry: Retry | None = None
    time_limit: timedelta | float | None = None
    max_requests: int = 10


@attrs.frozen
class Completed:
    """The step is done; `result` is a JSON object or None.

    `then` are at most 32 steps that follow, queued in the same commit after those the run has.
    """

    result: Mapping[str, Any] | None = None
    then: Sequence[StepSpec] = ()


@attrs.frozen
class Failed:
    """The step failed, and with it the run, until it is retried or cancelled."""

    reason: str
    details: Mapping[str, Any] | None = None


@attrs.frozen(kw_only=True)
class NeedsApproval:
    """A person must decide before the step goes on; a handler may answer a list of 1 to 32.

    `tool_name` and `arguments` are what is to be approved, exactly; `reason` says why to the
    person. `expires_in` is a timedelta or a number of seconds above zero; after that the
    request can no longer be approved, or a yes be used. None means it stays open.

    What the person may say: with `may_edit` other arguments, any (True) or those that fit a JSON
    Schema; with an `answer_schema` also an answer, a JSON object that fits it. `on_reject` says
    what a no does: "cancel" the run, or "resume" its step, which sees the no. `call_id` is the
    host's own name of the call, and comes back on the approval.

    Who may decide: `approvals_needed` different people must say yes, none of them named in
    `not_by` (ids of actors, or "requester" for who started the run). `assigned_to` says whom to
    ask; it bars nobody. After `remind_after` (a timedelta or seconds) the journal records a
    reminder.

    `keep` is a JSON value of at most 64 KiB that the step gets back as `step.kept`; at most one
    request of a list carries it.
    """

    tool_name: str
    arguments: Mapping[str, Any]
    reason: str
    expires_in: timedelta | float | None = None
    may_edit: bool | Mapping[str, Any] = False
    answer_schema: Mapping[str, Any] | None = None
    on_reject: Literal["cancel", "resume"] = "cancel"
    approvals_needed: int = 1
    not_by: Sequence[str] = ()
    assigned_to: Sequence[str] = ()
    remind_after: timedelta | float | None = None
    call_id: str | None = None
    keep: Any = None


@attrs.frozen(kw_only=True)
class HandOff:
    """The step is done, and another role gets a narrow slice of work in the same run."""

    delegated_role_id: str
    delegated_kind: str
    handoff_input: Mapping[str, Any]
    projected_context: Mapping[str, Any]
    capability_tags: tuple[str, ...] = ()


Outcome = Completed | Failed | HandOff | NeedsApproval | tuple[NeedsApproval, ...]
"""What came of a step: of several requests for approval there is at least one."""
