"""Decides what a command does to a run: the journal entries that it adds, or a refusal.

Each function takes a `Change` and adds entries to it one by one; every entry goes through the
lifecycle of its subject. Nothing here reads a clock, generates an id or stores anything: the caller
appends the entries at the version at which the run was read, or discards the change.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

import attrs

from scoria_core.conversion import converter, evolve
from scoria_core.errors import (
    ApprovalNotPending,
    ApprovalPending,
    DecisionRefused,
    InvalidPayload,
    RunNotResumable,
    TransitionRefused,
    safe_repr,
)
from scoria_core.journal import JournalEntry, seal
from scoria_core.leases import Lease
from scoria_core.lifecycles import (
    ENTRY_TYPES,
    ApprovalStatus,
    HandoffStatus,
    RunStatus,
    StepStatus,
    initial,
    is_terminal,
    next_state,
)
from scoria_core.model import Approval, Step, StepError
from scoria_core.outcomes import (
    Completed,
    Failed,
    HandOff,
    NeedsApproval,
    Outcome,
    StepSpec,
)
from scoria_core.payloads import digest
from scoria_core.ports import Record
from scoria_core.run import Run, RunFacts

MAX_HANDOFFS_DEEP = 16
"""How many handoffs may stand in a row; roles that hand to each other would never end."""

_TOO_DEEP = StepError(
    "InvalidHandoff",
    f"the step is already {MAX_HANDOFFS_DEEP} handoffs deep; complete it, or let the root role "
    "start another handoff",
)


_LEASE = Lease()

_AT_WORK = (
    "a handler is at work on its step; if its process has died, run_pending or a worker takes the "
    "step over when its lease ends"
)

_LEASE_EXPIRED = "the lease expired on attempt {} of {}"

_NO_YES = (
    "the last {} requests for approval brought no yes; look at what it asks for, and call "
    "retry_run to let it ask again"
)


@attrs.define
class Change:
    """The unit of work of one command: a run, and the entries that the command adds to it.

    Each entry is applied to the run at once, so that the next builds on it. All are stored in one
    append, or none is.

    `at` is the time of every entry. `actor_id` is who made the change, or None for the host itself.
    `new_id` generates the ids of what the change creates. With `only_if_due` the store accepts the
    change only while the run is due at that time.
    """

    run: Run
    at: datetime
    new_id: Callable[[], str]
    actor_id: str | None = None
    records: list[Record] = attrs.field(factory=list)
    only_if_due: bool = False

    def create(self, subject: str, subject_id: str, **data: Any) -> None:
        """Add the entry that creates a subject in its initial state; `data` is JSON."""
        self._add(subject, subject_id, None, None, initial(subject), data)

    def move(self, subject: str, subject_id: str, trigger: str, **data: Any) -> None:
        """Add the entry of one transition, or raise `TransitionRefused`; `data` is JSON."""
        state = self.run.state(subject, subject_id)
        reached = next_state(subject, subject_id, state, trigger)
        self._add(subject, subject_id, trigger, state, reached, data)

    def _add(
        self,
        subject: str,
        subject_id: str,
        trigger: str | None,
        from_state: str | None,
        to_state: str,
        data: dict[str, Any],
    ) -> None:
        unsealed = JournalEntry(
            sequence=len(self.run.journal) + 1,
            at=self.at,
            type=ENTRY_TYPES[subject, trigger],
            subject=subject,
            subject_id=subject_id,
            trigger=trigger,
            from_state=None if from_state is None else str(from_state),
            to_state=to_state,
            actor_id=self.actor_id,
            data=data,
        )
        entry, record = seal(unsealed, self.run.head_digest)
        self.run.apply(entry, record)
        self.records.append(record)


@attrs.frozen
class Decision:
    """What a person says to one request: yes (`trigger` "approve") or no ("reject").

    `arguments` are what is approved where that is not what was proposed. `arguments_digest` is the
    digest of what the person saw, if it is known. With `resume`, the decision that leaves no
    request pending also resumes the run.
    """

    trigger: Literal["approve", "reject"]
    approval_id: str
    note: str | None = None
    arguments: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None
    arguments_digest: str | None = None
    resume: bool = False


def start(change: Change, facts: RunFacts) -> None:
    """Start the run."""
    change.create("run", change.run.run_id, **converter.unstructure(facts))


def add_step(change: Change, spec: StepSpec) -> None:
    """Queue a step after the existing ones; refused if the run has failed or ended."""
    run = change.run
    if run.status not in (RunStatus.RUNNING, RunStatus.WAITING_FOR_APPROVAL):
        raise TransitionRefused("run", run.run_id, run.status, "add_step")
    _expire_overdue(change)
    _queue(change, change.new_id(), spec)


def start_handoff(change: Change, root_role_id: str, handoff: HandOff) -> None:
    """Record a completed root step of kind `handoff`, and the handoff itself."""
    step_id = change.new_id()
    _queue(change, step_id, StepSpec(kind="handoff", role_id=root_role_id))
    change.move("step", step_id, "claim")
    _hand_off(change, change.run.steps[step_id], handoff)


def claim_next(change: Change, kinds: Collection[str], lease: Lease = _LEASE) -> Step | None:
    """Claim the first queued step if its kind is in `kinds` and no other step is active.

    Steps run in order: a later step does not overtake one that has no handler or that waits for its
    next attempt.
    """
    run = change.run
    step = run.first_queued_step()
    if step is None or step.kind not in kinds:
        return None
    if run.status != RunStatus.RUNNING or run.active_step() is not None:
        return None
    if step.not_before is not None and step.not_before > change.at:
        return None
    for approval in run.requests_of(step.step_id):
        if run.as_of(approval, change.at).status != approval.status:
            # A yes is given to a moment: what is approved and not used by then authorises nothing.
            change.move("approval", approval.approval_id, "expire")
    _move_step(change, step.step_id, "claim", lease=converter.unstructure(lease))
    return run.step_view(step.step_id, change.at)


def conclude(
    change: Change, claimed: Step, outcome: Outcome | StepError, *, is_final: bool = False
) -> bool:
    """Record what the handler of a claimed step returned, or the error it raised.

    An error that `is_final` fails the step even if it has retries left. Returns False, and changes
    nothing, if the claim was lost: the step was cancelled, or claimed again, meanwhile.
    """
    if not is_still_claimed(change.run, claimed):
        return False
    match outcome:
        case Completed(result=result, then=then):
            _complete_step(change, claimed.step_id, result, then)
        case Failed(reason=reason, details=details):
            _fail_step(change, claimed.step_id, StepError("Failed", reason, details))
        case StepError() if not is_final and (delay := _delay_of(claimed)) is not None:
            _move_step(
                change,
                claimed.step_id,
                "release",
                error=converter.unstructure(outcome),
                not_before=(change.at + delay).isoformat(),
            )
        case StepError():
            _fail_step(change, claimed.step_id, outcome)
        case NeedsApproval():
            _request_approvals(change, claimed, (outcome,))
        case tuple():
            _request_approvals(change, claimed, outcome)
        case HandOff() if _handoffs_above(change.run, claimed) >= MAX_HANDOFFS_DEEP:
            _fail_step(change, claimed.step_id, _TOO_DEEP)
        case HandOff():
            _hand_off(change, claimed, outcome)
    return True


def release(change: Change, claimed: Step) -> bool:
    """Put a claimed step back into the queue; return False if the claim was lost."""
    if not is_still_claimed(change.run, claimed):
        return False
    _move_step(change, claimed.step_id, "release")
    return True


def recover(change: Change, max_attempts: int) -> bool:
    """Take a running step away from a dead worker: queue it again, or fail it.

    It fails after `max_attempts`, or after the attempts of its own `retry` if these are more.
    Returns False if no step is running. The caller must know that the worker is dead.
    """
    step = change.run.active_step()
    if step is None or step.status != StepStatus.RUNNING:
        return False
    most = max(max_attempts, step.retry.max_attempts if step.retry else 0)
    if step.attempt < most:
        _move_step(change, step.step_id, "release")
    else:
        error = StepError("LeaseExpired", _LEASE_EXPIRED.format(step.attempt, most))
        _fail_step(change, step.step_id, error)
    return True


def recover_overdue(change: Change, max_attempts: int) -> bool:
    """Recover the step if its lease has expired.

    The store rejects this if the lease was renewed meanwhile.
    """
    run = change.run
    due_at = run.due_at(run.journal[-1].at)
    return due_at is not None and due_at <= change.at and recover(change, max_attempts)


def settle_overdue(change: Change) -> None:
    """Record which requests have expired, and which are to be reminded of."""
    _expire_overdue(change)
    for approval in change.run.open_requests():
        if approval.remind_after is None or approval.reminded_at is not None:
            continue
        if approval.requested_at + timedelta(seconds=approval.remind_after) <= change.at:
            change.move("approval", approval.approval_id, "remind")


def resume_expired(change: Change, kinds: Collection[str]) -> bool:
    """Queue the waiting step again if no request is pending, and the last one expired.

    Its kind must be in `kinds`. If a person was the last to decide, only the host resumes the run.
    """
    run, step = change.run, change.run.active_step()
    if step is None or step.status != StepStatus.WAITING_FOR_APPROVAL or step.kind not in kinds:
        return False
    if not run.last_request_expired(change.at):
        return False
    resume(change)
    return True


def as_decided(change: Change, decision: Decision) -> Approval:
    """Return the request as the decision would leave it, if `change.actor_id` may make it.

    Raises `ApprovalNotPending`, `DecisionRefused`, or
    `InvalidPayload` for an edit or an answer that the request does not allow.
    """
    approval = _pending(change, decision)
    if change.actor_id in change.run.barred_from(approval):
        raise DecisionRefused(approval.approval_id, str(change.actor_id), "not_by")
    if decision.arguments_digest not in (None, approval.proposed_digest):
        problem = "is not the digest of what is proposed; read the run again before you decide"
        raise InvalidPayload("arguments_digest", problem)
    if decision.trigger == "reject":
        return approval
    if change.actor_id in [each.by for each in approval.endorsements]:
        raise DecisionRefused(approval.approval_id, str(change.actor_id), "voted")
    return _edited(approval, decision)


def decide(change: Change, decision: Decision, approval: Approval) -> None:
    """Record a decision on a request, which is as `as_decided` returned it.

    A yes approves with the last that is needed; those before are endorsements. A no cancels the
    run, unless the request says "resume".
    """
    _expire_overdue(change)
    data: dict[str, Any] = {"note": decision.note, "arguments_digest": approval.arguments_digest}
    if approval.arguments_digest != approval.proposed_digest:
        data |= {"arguments": approval.arguments, "proposed_digest": approval.proposed_digest}
    if approval.answer is not None:
        data["answer"] = approval.answer
    is_yes = decision.trigger == "approve"
    needs_more = is_yes and len(approval.endorsements) + 1 < approval.approvals_needed
    trigger = "endorse" if needs_more else decision.trigger
    change.move("approval", approval.approval_id, trigger, **data)
    if not is_yes and approval.on_reject == "cancel":
        _withdraw_requests(change)
        _cancel_steps(change)
        change.move("run", change.run.run_id, "reject", reason=decision.note)
    elif decision.resume and not change.run.open_requests():
        resume(change)


def resume(change: Change) -> None:
    """Queue the waiting step again, once each of its requests was decided or has expired."""
    run = change.run
    step = run.active_step()
    if run.status != RunStatus.WAITING_FOR_APPROVAL or step is None:
        _refuse_resume(run)
    as_of_now = [run.as_of(each, change.at) for each in run.open_requests()]
    if pending := [each for each in as_of_now if each.status == ApprovalStatus.PENDING]:
        raise ApprovalPending(
            "run",
            run.run_id,
            run.status,
            "resume",
            because=f" on {len(pending)} pending approvals, the first {pending[0].approval_id}"
            if len(pending) > 1
            else f" on approval {pending[0].approval_id}, which is pending",
            next_move="a person decides first: call approve or reject",
        )
    _expire_overdue(change)
    change.move("run", run.run_id, "resume")
    _move_step(change, step.step_id, "resume")


def retry(change: Change) -> None:
    """Queue the failed step again."""
    run = change.run
    change.move("run", run.run_id, "retry")
    for step in list(run.uncompleted_steps()):
        if step.status == StepStatus.FAILED:
            _move_step(change, step.step_id, "retry")


def cancel(change: Change, reason: str | None) -> None:
    """End the run, its open steps and handoffs; a pending request for approval is withdrawn."""
    run = change.run
    next_state("run", run.run_id, run.status, "cancel")
    _expire_overdue(change)
    _withdraw_requests(change)
    _cancel_steps(change)
    change.move("run", run.run_id, "cancel", reason=reason)


def complete_run(change: Change) -> None:
    """Complete a run that its host drives; refused while a step is still open."""
    run = change.run
    next_state("run", run.run_id, run.status, "complete")
    open_steps = [step for step in run.uncompleted_steps() if not is_terminal("step", step.status)]
    if open_steps:
        raise TransitionRefused(
            "run",
            run.run_id,
            run.status,
            "complete",
            because=f" with step {open_steps[0].step_id} {open_steps[0].status}",
            next_move=_AT_WORK
            if run.active_step() is not None
            else "run its steps with run_pending, or call cancel_run",
        )
    change.move("run", run.run_id, "complete")


def _refuse_resume(run: Run) -> NoReturn:
    next_moves = {
        RunStatus.RUNNING: "queued steps run with run_pending(run_id, handlers=...)",
        RunStatus.FAILED: "a failed run goes on with retry_run",
    }
    next_move = next_moves.get(run.status, "it has ended; start a new run in the same session")
    if run.active_step() is not None:
        next_move = _AT_WORK
    raise RunNotResumable("run", run.run_id, run.status, "resume", next_move=next_move)


def _pending(change: Change, decision: Decision) -> Approval:
    approval = change.run.approvals.get(decision.approval_id)
    if approval is None:
        raise ApprovalNotPending(
            "approval",
            decision.approval_id,
            "unknown",
            decision.trigger,
            because=" to this run",
            next_move="take approval_id from get_run(run_id).pending_approvals",
        )
    status = change.run.as_of(approval, change.at).status
    if status == ApprovalStatus.PENDING:
        return approval
    next_move = "a request is decided once; read the run with get_run"
    if status == ApprovalStatus.EXPIRED:
        next_move = "resume_run lets its step ask again"
    raise ApprovalNotPending(
        "approval",
        approval.approval_id,
        status,
        decision.trigger,
        because="" if approval.decided_by is None else f" by {safe_repr(approval.decided_by)}",
        next_move=next_move,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
    )


def _edited(approval: Approval, decision: Decision) -> Approval:
    """Return the request with what is approved: the arguments as edited, and the answer."""
    if approval.answer_schema is None and decision.answer is not None:
        raise InvalidPayload("answer", "is not asked for by this request; leave it out")
    if approval.answer_schema is not None and decision.answer is None:
        raise InvalidPayload("answer", "is missing; pass an object that fits answer_schema")
    approved = approval if decision.answer is None else evolve(approval, answer=decision.answer)
    if decision.arguments is None or digest(decision.arguments) == approval.proposed_digest:
        return approved
    if approval.may_edit is False:
        problem = "cannot be edited in this request; approve them as they are, or reject it"
        raise InvalidPayload("arguments", problem)
    return evolve(
        approved, arguments=decision.arguments, arguments_digest=digest(decision.arguments)
    )


def _withdraw_requests(change: Change) -> None:
    for approval in change.run.open_requests():
        change.move("approval", approval.approval_id, "withdraw")


def _expire_overdue(change: Change) -> None:
    for approval in change.run.open_requests():
        if change.run.as_of(approval, change.at).status != approval.status:
            change.move("approval", approval.approval_id, "expire")


def is_still_claimed(run: Run, claimed: Step) -> bool:
    """Tell whether the claim still holds: the step is running, in the attempt that was claimed."""
    step = run.steps[claimed.step_id]
    return step.status == StepStatus.RUNNING and step.attempt == claimed.attempt


def _delay_of(claimed: Step) -> timedelta | None:
    return None if claimed.retry is None else claimed.retry.delay_after(claimed.attempt)


def _queue(change: Change, step_id: str, spec: StepSpec, **more: Any) -> None:
    change.create(
        "step",
        step_id,
        sequence=len(change.run.steps) + 1,
        **converter.unstructure(spec),
        **more,
    )


def _complete_step(
    change: Change, step_id: str, result: object, then: Iterable[StepSpec] = ()
) -> None:
    run = change.run
    _move_step(change, step_id, "complete", result=result)
    for spec in then:
        _queue(change, change.new_id(), spec)
    if run.facts.driven_by == "steps" and next(run.uncompleted_steps(), None) is None:
        change.move("run", run.run_id, "complete")


def _fail_step(change: Change, step_id: str, error: StepError) -> None:
    _move_step(change, step_id, "fail", error=converter.unstructure(error))
    change.move("run", change.run.run_id, "fail")


def _request_approvals(change: Change, claimed: Step, requests: tuple[NeedsApproval, ...]) -> None:
    if change.run.requests_without_yes(claimed.step_id) >= claimed.max_requests:
        message = _NO_YES.format(claimed.max_requests)
        _fail_step(change, claimed.step_id, StepError("TooManyRequests", message))
        return
    kept = [each.keep for each in requests if each.keep is not None]
    _move_step(change, claimed.step_id, "request_approval", **({"kept": kept[0]} if kept else {}))
    for needs in requests:
        change.create("approval", change.new_id(), **_asked(claimed.step_id, needs, change.at))
    change.move("run", change.run.run_id, "request_approval")


def _asked(step_id: str, needs: NeedsApproval, at: datetime) -> dict[str, Any]:
    """Return the data of a request; what is as it is by default is left out."""
    expires_in = _length(needs.expires_in)
    remind_after = _length(needs.remind_after)
    data = {
        "step_id": step_id,
        "tool_name": needs.tool_name,
        "arguments": needs.arguments,
        "arguments_digest": digest(needs.arguments),
        "reason": needs.reason,
        "expires_at": None if expires_in is None else (at + expires_in).isoformat(),
    }
    more = {
        "may_edit": None if needs.may_edit is False else needs.may_edit,
        "answer_schema": needs.answer_schema,
        "on_reject": needs.on_reject if needs.on_reject != "cancel" else None,
        "approvals_needed": needs.approvals_needed if needs.approvals_needed != 1 else None,
        "not_by": list(needs.not_by) or None,
        "assigned_to": list(needs.assigned_to) or None,
        "remind_after": None if remind_after is None else remind_after.total_seconds(),
        "call_id": needs.call_id,
    }
    return data | {name: value for name, value in more.items() if value is not None}


def _length(seconds: timedelta | float | None) -> timedelta | None:
    return timedelta(seconds=seconds) if isinstance(seconds, int | float) else seconds


def _handoffs_above(run: Run, step: Step) -> int:
    above = 0
    while step.parent_step_id is not None:
        step, above = run.steps[step.parent_step_id], above + 1
    return above


def _hand_off(change: Change, parent: Step, handoff: HandOff) -> None:
    child_step_id = change.new_id()
    change.create(
        "handoff",
        change.new_id(),
        parent_role_id=parent.role_id,
        parent_step_id=parent.step_id,
        child_step_id=child_step_id,
        **converter.unstructure(handoff),
    )
    _queue(
        change,
        child_step_id,
        StepSpec(
            kind=handoff.delegated_kind,
            role_id=handoff.delegated_role_id,
            input=handoff.handoff_input,
        ),
        parent_step_id=parent.step_id,
        projected_context=handoff.projected_context,
    )
    _complete_step(change, parent.step_id, None)


# A child that pauses for approval and goes on is running all the while to its handoff.
_MIRRORED = {
    "claim": "start",
    "complete": "complete",
    "fail": "fail",
    "release": "release",
    "retry": "retry",
    "cancel": "cancel",
}


def _move_step(change: Change, step_id: str, trigger: str, **data: Any) -> None:
    """Move a step, and the handoff that it is the child of."""
    change.move("step", step_id, trigger, **data)
    handoff = change.run.handoff_to(step_id)
    if handoff is None or trigger not in _MIRRORED:
        return
    if trigger == "claim" and handoff.status == HandoffStatus.RUNNING:
        return
    change.move("handoff", handoff.handoff_id, _MIRRORED[trigger])


def _cancel_steps(change: Change) -> None:
    for step in list(change.run.uncompleted_steps()):
        if not is_terminal("step", step.status):
            _move_step(change, step.step_id, "cancel")
