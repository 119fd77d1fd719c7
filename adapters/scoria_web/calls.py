"""The calls of the HTTP API: what each takes, what it does and what it answers.

The routes and the OpenAPI description are both made from `CALLS`. A call is a function: its
docstring and the types of its arguments and of its answer are its description.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, get_type_hints

import attrs

from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.lifecycles import RunStatus
from scoria_core.model import Approval, RunDetail, RunSummary
from scoria_core.outcomes import Retry, StepSpec
from scoria_core.payloads import MAX_NAME, checked_name
from scoria_core.scoria import Scoria
from scoria_web.documents import (
    ITEMS,
    MOST_ITEMS,
    ApprovalList,
    Counts,
    DetailPage,
    RunList,
    detail_page,
)
from scoria_web.masking import Mask, masked
from scoria_web.problems import Problem, Refused
from scoria_web.scope import Scope

_NO_CONTROLS = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"
Name = Annotated[
    str,
    ("minLength", 1),
    ("maxLength", MAX_NAME),
    ("pattern", rf"^{_NO_CONTROLS}[^\s\u0000-\u001f\u007f-\u009f]{_NO_CONTROLS}$"),
]
Object = Mapping[str, Any]
Limit = Annotated[int, ("minimum", 1), ("maximum", MOST_ITEMS)]
Whole = Annotated[int, ("minimum", 0), ("maximum", 999_999_999)]
Positive = Annotated[int, ("minimum", 1)]
_CENTURY = 36_500 * 86_400


@attrs.frozen
class RunsAsked:
    """A filter of runs, and the place of a page: `before` is the `next` of the page before it."""

    session_id: Name | None = None
    status: RunStatus | None = None
    root_role_id: Name | None = None
    actor_id: Name | None = None
    created_after: datetime | None = None
    limit: Limit = ITEMS
    before: Name | None = None


@attrs.frozen
class ApprovalsAsked:
    """A filter of requests, and the place of a page: `after` is the `next` of the page before."""

    session_id: Name | None = None
    assigned_to: Name | None = None
    tool_name: Name | None = None
    approval_id: Name | None = None
    limit: Limit = ITEMS
    after: Annotated[str, ("maxLength", 1_024)] | None = None


@attrs.frozen
class DetailAsked:
    """The part of a run to return: of each of its lists, the items after the first `after`.

    With `kept=true`, this includes what steps keep over a pause; it may be long and private.
    """

    after: Whole = 0
    limit: Limit = ITEMS
    kept: bool = False


@attrs.frozen
class RetryPolicy:
    """How often a step is tried again, and after how many seconds."""

    max_attempts: Positive = 3
    delay: Annotated[float, ("minimum", 0), ("maximum", _CENTURY)] = 1.0
    factor: Annotated[float, ("minimum", 1), ("maximum", _CENTURY)] = 2.0
    max_delay: Annotated[float, ("minimum", 0), ("maximum", _CENTURY)] = 300.0
    unless: tuple[Name, ...] = ()


@attrs.frozen
class FirstStep:
    """The step that a run begins with: `kind` picks its handler, `time_limit` is in seconds."""

    kind: Name
    role_id: Name
    input: Object = attrs.field(factory=dict)
    retry: RetryPolicy | None = None
    time_limit: Annotated[float, ("exclusiveMinimum", 0), ("maximum", _CENTURY)] | None = None
    max_requests: Positive = 10


@attrs.frozen
class Start:
    """A run to start, in a session of the caller's tenant and in the caller's name."""

    session_id: Name
    root_role_id: Name
    initial_step: FirstStep
    metadata: Object | None = None


@attrs.frozen
class Approve:
    """A yes: to the arguments as proposed, or to other ones where the request may be edited.

    With the digest of the arguments that were read, others are refused. With `resume`, the
    decision that leaves no request pending queues the step.
    """

    arguments: Object | None = None
    answer: Object | None = None
    note: str | None = None
    arguments_digest: str | None = None
    resume: bool = False


@attrs.frozen
class Reject:
    """A no, with the note that the step or the journal keeps; the rest is as with a yes."""

    note: str | None = None
    arguments_digest: str | None = None
    resume: bool = False


@attrs.frozen
class Cancel:
    """Why a run is ended."""

    reason: str | None = None


@attrs.frozen
class Nothing:
    """An empty object: the address says it all."""


@attrs.frozen
class Caller:
    """Who calls, which runs they see, and the kinds of first step that the host lets them start."""

    scope: Scope
    scoria: Scoria
    kinds: tuple[str, ...]
    mask: Mask | None

    def may_operate(self) -> None:
        """Refuse a caller who may only look."""
        if not self.scope.may_operate:
            raise Refused(_MAY_NOT_OPERATE)

    def may_decide(self, run_id: str, approval_id: str, *, edits: bool = False) -> None:
        """Refuse a caller who may not decide this request; the facade refuses an unknown one."""
        if not self.scope.may_decide:
            raise Refused(_MAY_NOT_DECIDE)
        for each in self.scoria.get_run(run_id).pending_approvals:
            if each.approval_id != approval_id:
                continue
            if not self.scope.is_meant(each.assigned_to):
                raise Refused(_NOT_ASSIGNED)
            if edits and not self.scope.may_unmask and self._hides_arguments(each):
                raise Refused(_MASKED)

    def _hides_arguments(self, approval: Approval) -> bool:
        return masked(approval, self.mask).arguments is not approval.arguments


_MAY_NOT_OPERATE = Problem(
    403,
    "may_not_operate",
    "Not yours to change",
    "You may look at runs and not start, resume, retry or cancel them; nothing was changed.",
    "ask somebody whose scope says may_operate",
)
_MAY_NOT_DECIDE = Problem(
    403,
    "may_not_decide",
    "Not yours to decide",
    "You may look at this request and not decide it; nothing was changed.",
    "ask somebody whose scope says may_decide",
)
_NOT_ASSIGNED = Problem(
    403,
    "not_assigned",
    "Assigned to others",
    "This request is assigned to others, and none of them is you; nothing was changed.",
    "let one of those decide that assigned_to names",
)
_MASKED = Problem(
    403,
    "masked",
    "Not yours to edit",
    "These arguments have values that are masked for you, and an edit would lose them; nothing was "
    "changed.",
    "approve them as they are, or reject them",
)


def list_runs(caller: Caller, *, query: RunsAsked) -> RunList:
    """List runs, newest first.

    A page that has a `next` may be shorter than its limit, or empty.
    """
    page = caller.scoria.list_runs_with_damaged(**attrs.asdict(query))
    runs = tuple(each for each in page if isinstance(each, RunSummary))
    damaged = tuple(each for each in page if not isinstance(each, RunSummary))
    return RunList(runs, damaged, page.next)


def start_run(caller: Caller, *, body: Start, idempotency_key: str | None) -> RunSummary:
    """Start a run.

    A repeated `Idempotency-Key` answers with the run that it started; with another body it is
    refused. The kinds of first step that may be started are those that the host names.
    """
    caller.may_operate()
    step = body.initial_step
    if step.kind not in caller.kinds:
        named = ", ".join(map(safe_repr, caller.kinds)) or "none"
        problem = f"is {safe_repr(step.kind)}; of the kinds, {named} can be started here"
        raise InvalidPayload("initial_step.kind", problem)
    asked = attrs.asdict(step, recurse=False)
    if step.retry is not None:
        asked["retry"] = Retry(**attrs.asdict(step.retry))
    return caller.scoria.start_run(
        caller.scoria.identity(
            actor_id=caller.scope.actor_id,
            tenant_id=caller.scope.tenant_id,
            session_id=checked_name(body.session_id, "session_id"),
        ),
        root_role_id=body.root_role_id,
        initial_step=StepSpec(**asked),
        metadata=body.metadata,
        idempotency_key=idempotency_key,
    )


def read_run(caller: Caller, *, run_id: str) -> RunSummary:
    """Tell where a run stands."""
    return caller.scoria.get_run(run_id)


def read_detail(caller: Caller, *, run_id: str, query: DetailAsked) -> DetailPage:
    """Tell all that is known of a run, part by part."""
    detail: RunDetail = caller.scoria.get_run_detail(run_id)
    return detail_page(detail, query.after, query.limit, shows_kept=query.kept)


def resume_run(caller: Caller, *, run_id: str, body: Nothing) -> RunSummary:
    """Run the paused step of a run again, with the decision."""
    caller.may_operate()
    return caller.scoria.resume_run(run_id, actor_id=caller.scope.actor_id, **attrs.asdict(body))


def retry_run(caller: Caller, *, run_id: str, body: Nothing) -> RunSummary:
    """Run the failed step of a failed run again."""
    caller.may_operate()
    return caller.scoria.retry_run(run_id, actor_id=caller.scope.actor_id, **attrs.asdict(body))


def cancel_run(caller: Caller, *, run_id: str, body: Cancel) -> RunSummary:
    """End a run that has not ended."""
    caller.may_operate()
    return caller.scoria.cancel_run(run_id, actor_id=caller.scope.actor_id, **attrs.asdict(body))


def list_approvals(caller: Caller, *, query: ApprovalsAsked) -> ApprovalList:
    """List the requests that a person can decide now, the longest waiting first.

    A page that has a `next` may be shorter than its limit, or empty.
    """
    page = caller.scoria.list_approvals(**attrs.asdict(query))
    return ApprovalList(tuple(page), page.next)


def approve(caller: Caller, *, run_id: str, approval_id: str, body: Approve) -> RunSummary:
    """Say yes to a request, in the caller's name; where several are needed, it is one of them."""
    caller.may_decide(run_id, approval_id, edits=body.arguments is not None)
    return caller.scoria.approve(
        run_id,
        approval_id=approval_id,
        decided_by=caller.scope.actor_id,
        **attrs.asdict(body, recurse=False),
    )


def reject(caller: Caller, *, run_id: str, approval_id: str, body: Reject) -> RunSummary:
    """Say no to a request, in the caller's name."""
    caller.may_decide(run_id, approval_id)
    return caller.scoria.reject(
        run_id,
        approval_id=approval_id,
        decided_by=caller.scope.actor_id,
        **attrs.asdict(body, recurse=False),
    )


def count(caller: Caller) -> Counts:
    """Count the runs of each status, and the requests that wait."""
    runs = {str(status): number for status, number in caller.scoria.count_runs().items()}
    return Counts(runs, caller.scoria.count_approvals())


@attrs.frozen
class Call:
    """One call: the method and the path that it is made by, and the function that answers it."""

    method: str
    path: str
    function: Callable[..., attrs.AttrsInstance]
    status: int = 200

    @property
    def name(self) -> str:
        """The name of the call in the description."""
        return self.function.__name__

    @property
    def types(self) -> Mapping[str, Any]:
        """The types of its arguments, and under `return` the type of its answer."""
        return get_type_hints(self.function, include_extras=True)


CALLS = (
    Call("GET", "/v1/runs", list_runs),
    Call("POST", "/v1/runs", start_run, 201),
    Call("GET", "/v1/runs/<run_id>", read_run),
    Call("GET", "/v1/runs/<run_id>/detail", read_detail),
    Call("POST", "/v1/runs/<run_id>/resume", resume_run),
    Call("POST", "/v1/runs/<run_id>/retry", retry_run),
    Call("POST", "/v1/runs/<run_id>/cancel", cancel_run),
    Call("GET", "/v1/approvals", list_approvals),
    Call("POST", "/v1/runs/<run_id>/approvals/<approval_id>/approve", approve),
    Call("POST", "/v1/runs/<run_id>/approvals/<approval_id>/reject", reject),
    Call("GET", "/v1/counts", count),
)
