"""Rules across subjects: which entries may follow each other in the journal of a run.

A lifecycle says which moves one subject has. These rules say what must be true of the other
subjects when it moves. So a forged journal is refused even if its digests were computed again: a
run that is resumed before a person decided, a decision by nobody, a step that is claimed twice. The
rules are applied to what a store returns; what the kit itself may write is decided in `decisions`.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from scoria_core.journal import JournalEntry
from scoria_core.lifecycles import (
    ApprovalStatus,
    HandoffStatus,
    RunStatus,
    StepStatus,
    is_terminal,
)
from scoria_core.model import Approval, DelegatedHandoff
from scoria_core.outcomes import MAX_TOGETHER

if TYPE_CHECKING:
    from scoria_core.run import Run

Rule = Callable[["Run", JournalEntry], str | None]
"""Says what is impossible about an entry that is about to be applied, or None."""


def impossible(run: "Run", entry: JournalEntry) -> str | None:
    """Say why `entry` cannot follow the journal of `run`, or return None if it can."""
    if run.journal and entry.at < run.journal[-1].at:
        return "is earlier than the entry before it"
    if entry.trigger is None and entry.subject != "run" and _has_id(run, entry.subject_id):
        return "has the id of another subject"
    rule = _RULES.get((entry.subject, entry.trigger))
    return None if rule is None else rule(run, entry)


def unfinished(run: "Run") -> str | None:
    """Say in the middle of which change the journal of `run` ends, or return None.

    A change is stored whole or not at all, so a journal that ends within one was cut short.
    """
    step = run.active_step()
    waits = step is not None and step.status == StepStatus.WAITING_FOR_APPROVAL
    if waits != (run.status == RunStatus.WAITING_FOR_APPROVAL):
        return "a request for approval or its use"
    failed = any(each.status == StepStatus.FAILED for each in run.uncompleted_steps())
    if failed != (run.status == RunStatus.FAILED):
        return "the failure or the retry of a step"
    if run.status != RunStatus.CANCELLED and (
        any(each.status == StepStatus.CANCELLED for each in run.uncompleted_steps())
        or any(
            each.status in _ENDING
            and (each.status == ApprovalStatus.WITHDRAWN or each.on_reject == "cancel")
            for each in run.approvals.values()
        )
    ):
        return "the end of the run"
    is_driven_by_steps = run.status == RunStatus.RUNNING and run.facts.driven_by == "steps"
    if is_driven_by_steps and next(run.uncompleted_steps(), None) is None:
        return "the end of the run"
    for handoff in run.handoffs.values():
        child = run.steps.get(handoff.child_step_id)
        if child is None or handoff.status not in _MIRRORED[child.status]:
            return "a handoff"
        if run.steps[handoff.parent_step_id].status != StepStatus.COMPLETED:
            return "a handoff"
    return None


_ENDING = (ApprovalStatus.REJECTED, ApprovalStatus.WITHDRAWN)

_MIRRORED: Mapping[StepStatus, tuple[HandoffStatus, ...]] = MappingProxyType(
    {
        # A child that is queued again after an approval is running to its handoff.
        StepStatus.QUEUED: (HandoffStatus.PENDING, HandoffStatus.RUNNING),
        StepStatus.RUNNING: (HandoffStatus.RUNNING,),
        StepStatus.WAITING_FOR_APPROVAL: (HandoffStatus.RUNNING,),
        StepStatus.COMPLETED: (HandoffStatus.COMPLETED,),
        StepStatus.FAILED: (HandoffStatus.FAILED,),
        StepStatus.CANCELLED: (HandoffStatus.CANCELLED,),
    }
)


def _has_id(run: "Run", subject_id: str) -> bool:
    return subject_id == run.run_id or any(
        subject_id in subjects for subjects in (run.steps, run.approvals, run.handoffs)
    )


def _run_started(_: "Run", entry: JournalEntry) -> str | None:
    if entry.actor_id != entry.data["identity"]["actor_id"]:
        return "was made by another actor than its identity names"
    if (entry.data["idempotency_key"] is None) != (entry.data["arguments_digest"] is None):
        return "has an idempotency key or a digest of arguments without the other"
    return None


def _step_queued(run: "Run", entry: JournalEntry) -> str | None:
    if run.status not in (RunStatus.RUNNING, RunStatus.WAITING_FOR_APPROVAL):
        return f"queues a step of a run that is {run.status}"
    if entry.data["sequence"] != len(run.steps) + 1:
        return f"queues step {entry.data['sequence']} after step {len(run.steps)}"
    parent, handoff = entry.data.get("parent_step_id"), run.handoff_to(entry.subject_id)
    if parent != (None if handoff is None else handoff.parent_step_id):
        return "queues a child step that no handoff asks for"
    if handoff is not None and _asked_of(handoff) != _given_to(entry):
        return "queues another child step than its handoff asks for"
    return None


def _asked_of(handoff: DelegatedHandoff) -> tuple[object, ...]:
    """Return what a handoff says of its child step."""
    return (
        handoff.delegated_kind,
        handoff.delegated_role_id,
        handoff.handoff_input,
        handoff.projected_context,
    )


def _given_to(entry: JournalEntry) -> tuple[object, ...]:
    data = entry.data
    return data["kind"], data["role_id"], data["input"], data.get("projected_context")


def _step_claimed(run: "Run", entry: JournalEntry) -> str | None:
    if run.status != RunStatus.RUNNING:
        return f"claims a step of a run that is {run.status}"
    if run.active_step() is not None:
        return "claims a step while another is active"
    first = run.first_queued_step()
    if first is None or first.step_id != entry.subject_id:
        return "claims a step before its turn"
    if first.not_before is not None and entry.at < first.not_before:
        return "claims a step before it may be tried again"
    for approval in run.requests_of(entry.subject_id):
        if approval.status == ApprovalStatus.PENDING:
            return "claims a step whose approval is pending"
        if approval.status == ApprovalStatus.APPROVED and _is_overdue(approval, entry):
            return "uses an approval that has expired"
    return None


def _step_at_work(run: "Run", _: JournalEntry) -> str | None:
    return None if run.status == RunStatus.RUNNING else f"moves a step of a {run.status} run"


def _step_resumed(run: "Run", entry: JournalEntry) -> str | None:
    asked = run.requests_of(entry.subject_id)
    if not asked or any(each.status == ApprovalStatus.PENDING for each in asked):
        return "resumes a step that waits for a decision"
    return _step_at_work(run, entry)


def _step_cancelled(run: "Run", _: JournalEntry) -> str | None:
    return "cancels a step while its approval is pending" if run.open_requests() else None


def _run_waits(run: "Run", _: JournalEntry) -> str | None:
    return None if run.open_requests() else "waits for an approval that no step has asked for"


def _run_resumed(run: "Run", _: JournalEntry) -> str | None:
    return "resumes the run while its approval is pending" if run.open_requests() else None


def _run_failed(run: "Run", _: JournalEntry) -> str | None:
    failed = any(step.status == StepStatus.FAILED for step in run.uncompleted_steps())
    return None if failed else "fails the run, and no step has failed"


def _run_completed(run: "Run", _: JournalEntry) -> str | None:
    step = next(run.uncompleted_steps(), None)
    return (
        None if step is None else f"completes the run while step {step.sequence} is {step.status}"
    )


def _run_rejected(run: "Run", entry: JournalEntry) -> str | None:
    rejected = [each for each in run.approvals.values() if each.status == ApprovalStatus.REJECTED]
    if not any(each.on_reject == "cancel" for each in rejected):
        return "rejects the run, and nobody has rejected an approval that it hangs on"
    return _run_cancelled(run, entry)


def _run_cancelled(run: "Run", _: JournalEntry) -> str | None:
    for step in run.uncompleted_steps():
        if not is_terminal("step", step.status):
            return f"ends the run while step {step.sequence} is {step.status}"
    return None


def _approval_requested(run: "Run", entry: JournalEntry) -> str | None:
    step = run.steps.get(entry.data["step_id"])
    if step is None or step.status != StepStatus.WAITING_FOR_APPROVAL:
        return "asks for an approval that no step waits for"
    if run.status != RunStatus.RUNNING:
        return f"asks for an approval of a run that is {run.status}"
    if len(run.requests_of(step.step_id)) >= MAX_TOGETHER:
        return f"asks for more than {MAX_TOGETHER} approvals at once"
    needs_several = entry.data.get("approvals_needed", 1) > 1
    if needs_several and ("may_edit" in entry.data or "answer_schema" in entry.data):
        return "asks several people for more than a yes or a no"
    return None


def _approval_decided(run: "Run", entry: JournalEntry) -> str | None:
    approval = run.approvals[entry.subject_id]
    if entry.actor_id is None:
        return "is a decision by nobody"
    if _is_overdue(approval, entry):
        return "is a decision on a request that had expired"
    if run.status != RunStatus.WAITING_FOR_APPROVAL:
        return f"is a decision on a run that is {run.status}"
    if entry.actor_id in run.barred_from(approval):
        return "is a decision by one who may not make it"
    return None if entry.trigger == "reject" else _yes(approval, entry)


def _yes(approval: Approval, entry: JournalEntry) -> str | None:
    votes = [each.by for each in approval.endorsements]
    if entry.actor_id in votes:
        return "counts one person twice"
    is_last = len(votes) + 1 >= approval.approvals_needed
    if is_last != (entry.trigger == "approve"):
        return f"is yes number {len(votes) + 1} of {approval.approvals_needed}"
    if ("answer" in entry.data) != (approval.answer_schema is not None):
        return "answers what was not asked, or does not answer what was"
    if ("arguments" in entry.data) != ("proposed_digest" in entry.data):
        return "changes the arguments and does not say which"
    if "arguments" in entry.data and approval.may_edit is False:
        return "changes arguments that cannot be edited"
    return None


def _approval_reminded(run: "Run", entry: JournalEntry) -> str | None:
    approval = run.approvals[entry.subject_id]
    if approval.remind_after is None or approval.reminded_at is not None:
        return "is a reminder that nobody asked for"
    remind_at = approval.requested_at + timedelta(seconds=approval.remind_after)
    return None if remind_at <= entry.at else "is a reminder before its time"


def _approval_expired(run: "Run", entry: JournalEntry) -> str | None:
    approval = run.approvals[entry.subject_id]
    if not _is_overdue(approval, entry):
        return "expires an approval before its time"
    step = run.steps[approval.step_id]
    if approval.status == ApprovalStatus.APPROVED and step.status != StepStatus.QUEUED:
        return f"expires a decision whose step is {step.status}"
    return None


def _handoff_requested(run: "Run", entry: JournalEntry) -> str | None:
    parent = run.steps.get(entry.data["parent_step_id"])
    if parent is None or parent.status != StepStatus.RUNNING:
        return "is a handoff of a step that is not running"
    if parent.role_id != entry.data["parent_role_id"]:
        return "is a handoff by another role than that of its step"
    return "hands off a step that exists" if entry.data["child_step_id"] in run.steps else None


def _handoff_moved(run: "Run", entry: JournalEntry) -> str | None:
    child = run.steps.get(run.handoffs[entry.subject_id].child_step_id)
    if child is None or entry.to_state not in _MIRRORED[child.status]:
        return f"says that a handoff is {entry.to_state}, and its step is not"
    return None


def _is_overdue(approval: Approval, entry: JournalEntry) -> bool:
    return approval.expires_at is not None and approval.expires_at <= entry.at


_RULES: Mapping[tuple[str, str | None], Rule] = MappingProxyType(
    {
        ("run", None): _run_started,
        ("run", "request_approval"): _run_waits,
        ("run", "resume"): _run_resumed,
        ("run", "reject"): _run_rejected,
        ("run", "complete"): _run_completed,
        ("run", "fail"): _run_failed,
        ("run", "cancel"): _run_cancelled,
        ("step", None): _step_queued,
        ("step", "claim"): _step_claimed,
        ("step", "complete"): _step_at_work,
        ("step", "fail"): _step_at_work,
        ("step", "request_approval"): _step_at_work,
        ("step", "release"): _step_at_work,
        ("step", "retry"): _step_at_work,
        ("step", "resume"): _step_resumed,
        ("step", "cancel"): _step_cancelled,
        ("approval", None): _approval_requested,
        ("approval", "approve"): _approval_decided,
        ("approval", "endorse"): _approval_decided,
        ("approval", "remind"): _approval_reminded,
        ("approval", "reject"): _approval_decided,
        ("approval", "expire"): _approval_expired,
        ("handoff", None): _handoff_requested,
        ("handoff", "start"): _handoff_moved,
        ("handoff", "complete"): _handoff_moved,
        ("handoff", "fail"): _handoff_moved,
        ("handoff", "release"): _handoff_moved,
        ("handoff", "retry"): _handoff_moved,
        ("handoff", "cancel"): _handoff_moved,
    }
)
