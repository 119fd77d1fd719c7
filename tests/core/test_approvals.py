"""Approvals: asked for, decided once, expired, and used."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from scoria_core import (
    Failed,
    Identity,
    RunSummary,
    Scoria,
    Step,
)
from scoria_core.errors import (
    ApprovalNotPending,
    ApprovalPending,
    RunNotResumable,
)
from tests.support.scripted import WORK, approval_id_of, approve, needs, scripted


def test_an_approved_step_runs_on_what_was_approved(
    scoria: Scoria, start: Callable[..., RunSummary], clock: Any
) -> None:
    """The run keeps its id, and its step gets the decision with the exact arguments."""
    handler = scripted(needs(), {"sent": True})
    run = start(handler)
    assert run.status == "waiting_for_approval"
    approval = run.pending_approval
    assert approval is not None
    assert (approval.tool_name, approval.reason, approval.status) == ("send", "goes out", "pending")
    clock.advance(seconds=10)
    decided = scoria.approve(
        run.run_id, approval_id=approval.approval_id, decided_by=7, note="fine"
    )
    assert (decided.status, decided.pending_approval) == ("waiting_for_approval", None)
    resumed = scoria.resume_run(run.run_id, handlers={"work": handler})
    assert (resumed.run_id, resumed.status) == (run.run_id, "completed")
    seen = handler.steps[1].approval
    assert seen == scoria.get_run_detail(run.run_id).approvals[0]
    assert (seen.status, seen.decided_by, seen.note) == ("approved", "7", "fine")
    assert (seen.arguments, seen.arguments_digest) == ({"to": "all"}, approval.arguments_digest)
    assert seen.decided_at - seen.requested_at == timedelta(seconds=10)


def test_a_pending_approval_stops_the_run(scoria: Scoria, waiting: RunSummary) -> None:
    """Nobody has decided: resuming is refused, names the approval, and calls no handler."""
    handler = scripted()
    with pytest.raises(ApprovalPending) as pending:
        scoria.resume_run(waiting.run_id, handlers={"work": handler})
    assert approval_id_of(waiting) in str(pending.value)
    assert pending.value.trigger == "resume"
    assert handler.steps == []
    assert scoria.get_run(waiting.run_id) == waiting


def test_a_run_that_was_resumed_is_not_resumed_again(scoria: Scoria, waiting: RunSummary) -> None:
    """While the approved step is at work its run no longer waits, whatever was approved."""
    approve(scoria, waiting)
    refusals = []

    def resumes(_: Step, run: RunSummary) -> None:
        with pytest.raises(RunNotResumable) as refusal:
            scoria.resume_run(run.run_id, handlers={"work": scripted()})
        refusals.append(refusal.value.state)

    run = scoria.resume_run(waiting.run_id, handlers={"work": resumes})
    assert (run.status, refusals) == ("completed", ["running"])


def test_a_rejection_cancels_the_run_with_its_reason(scoria: Scoria, waiting: RunSummary) -> None:
    """What was rejected does not happen, and the journal says who said no and why."""
    run = scoria.reject(
        waiting.run_id, approval_id=approval_id_of(waiting), decided_by="reviewer-7", note="not now"
    )
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, detail.steps[0].status) == ("cancelled", "cancelled")
    approval = detail.approvals[0]
    assert (approval.status, approval.decided_by, approval.note) == (
        "rejected",
        "reviewer-7",
        "not now",
    )
    last = detail.journal[-1]
    assert (last.type, last.actor_id, last.data) == (
        "run_rejected",
        "reviewer-7",
        {"reason": "not now"},
    )
    with pytest.raises(RunNotResumable):
        scoria.resume_run(run.run_id, handlers={"work": scripted()})


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_approval_is_decided_once(scoria: Scoria, waiting: RunSummary, decision: str) -> None:
    """A second decision, the same or the other, is refused and the first one stands."""
    approve(scoria, waiting)
    before = scoria.get_run_detail(waiting.run_id)
    with pytest.raises(ApprovalNotPending) as decided:
        getattr(scoria, decision)(
            waiting.run_id, approval_id=approval_id_of(waiting), decided_by="reviewer-8"
        )
    assert (decided.value.state, decided.value.subject_id) == ("approved", approval_id_of(waiting))
    assert scoria.get_run_detail(waiting.run_id) == before


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_approval_of_another_run_is_not_pending(
    scoria: Scoria, start: Callable[..., RunSummary], decision: str
) -> None:
    """A decision meant for one run does not fall on another."""
    one, other = start(scripted(needs())), start(scripted(needs()))
    with pytest.raises(ApprovalNotPending, match="unknown to this run"):
        getattr(scoria, decision)(
            one.run_id, approval_id=approval_id_of(other), decided_by="reviewer-8"
        )
    assert list(scoria.list_runs()) == [other, one]


def test_an_approval_in_a_child_step(scoria: Scoria, identity: Identity) -> None:
    """A delegated step pauses the run as any step does, and its handoff runs all the while."""
    handler = scripted(needs(), {"verdict": "ok"})
    run = scoria.start_handoff_run(
        identity,
        "critic",
        root_role_id="planner",
        delegated_kind="work",
        handoff_input={"brief": "b"},
        projected_context={"task": "t"},
        handlers={"work": handler},
    )
    detail = scoria.get_run_detail(run.run_id)
    parent, child = detail.steps
    assert run.status == "waiting_for_approval"
    assert (detail.approvals[0].step_id, child.status) == (child.step_id, "waiting_for_approval")
    assert detail.delegated_handoffs[0].status == "running"
    assert (parent.kind, parent.role_id, parent.status) == ("handoff", "planner", "completed")
    approve(scoria, run)
    assert scoria.resume_run(run.run_id, handlers={"work": handler}).status == "completed"
    handoff = scoria.get_run_detail(run.run_id).delegated_handoffs[0]
    assert (handoff.status, handoff.child_status) == ("completed", "completed")
    assert handler.steps[1].projected_context == {"task": "t"}
    assert handler.steps[1].approval.status == "approved"


def test_a_retry_goes_on_with_the_approval(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A step that fails after its approval is retried on that approval; nobody is asked again."""
    handler = scripted(needs(), Failed("server down"), {"sent": True})
    run = start(handler)
    approve(scoria, run)
    assert scoria.resume_run(run.run_id, handlers={"work": handler}).status == "failed"
    assert scoria.retry_run(run.run_id, handlers={"work": handler}).status == "completed"
    assert [step.attempt for step in handler.steps] == [1, 1, 2]
    assert handler.steps[2].approval == handler.steps[1].approval
    assert handler.steps[2].approval.status == "approved"


def test_an_approval_may_be_asked_for_again(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A step that asks twice gets two approvals, each decided by itself."""
    handler = scripted(needs(), needs(arguments={"to": "more"}), None)
    run = start(handler)
    approve(scoria, run)
    again = scoria.resume_run(run.run_id, handlers={"work": handler})
    assert again.pending_approval is not None
    assert again.pending_approval.arguments == {"to": "more"}
    with pytest.raises(ApprovalPending):
        scoria.resume_run(run.run_id, handlers={"work": handler})
    approve(scoria, again)
    scoria.resume_run(run.run_id, handlers={"work": handler})
    assert [step.approval and step.approval.arguments for step in handler.steps] == [
        None,
        {"to": "all"},
        {"to": "more"},
    ]


@pytest.mark.parametrize("expires_in", [60, 60.0, timedelta(minutes=1)])
def test_an_approval_expires_to_the_moment(
    scoria: Scoria, start: Callable[..., RunSummary], clock: Any, expires_in: Any
) -> None:
    """A request is open until its time and expired from then on, in every reading; unwritten."""
    run = start(scripted(needs(expires_in=expires_in)))
    before = scoria.get_run_detail(run.run_id)
    clock.advance(seconds=60, microseconds=-1)
    assert scoria.get_run_detail(run.run_id) == before
    clock.advance(microseconds=1)
    detail = scoria.get_run_detail(run.run_id)
    views = [detail.approvals[0], detail.steps[0].approval]
    assert [view and view.status for view in views] == ["expired", "expired"]
    assert detail.summary.pending_approval is None
    assert scoria.list_runs_for_session("session-1")[0].pending_approval is None
    assert (detail.summary.status, detail.journal) == ("waiting_for_approval", before.journal)


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_expired_approval_cannot_be_decided(
    scoria: Scoria, waiting: RunSummary, clock: Any, decision: str
) -> None:
    """A decision that comes too late is refused as such, and writes nothing."""
    clock.advance(seconds=60)
    before = scoria.get_run_detail(waiting.run_id)
    with pytest.raises(ApprovalNotPending) as late:
        getattr(scoria, decision)(
            waiting.run_id, approval_id=approval_id_of(waiting), decided_by="reviewer-7"
        )
    assert late.value.state == "expired"
    assert scoria.get_run_detail(waiting.run_id) == before


def test_an_expired_approval_lets_the_step_ask_anew(
    scoria: Scoria, waiting: RunSummary, clock: Any
) -> None:
    """Resuming shows the step that its request expired, and the new request is decided alone."""
    clock.advance(seconds=61)
    handler = scripted(needs(expires_in=60), None)
    run = scoria.resume_run(waiting.run_id, handlers={"work": handler})
    assert handler.steps[0].approval.status == "expired"
    assert run.status == "waiting_for_approval"
    first, second = scoria.get_run_detail(run.run_id).approvals
    assert (first.status, first.decided_by, second.status) == ("expired", None, "pending")
    journal = [entry.type for entry in scoria.get_run_detail(run.run_id).journal]
    assert journal.count("approval_expired") == 1
    approve(scoria, run)
    clock.advance(seconds=59)
    assert scoria.resume_run(run.run_id, handlers={"work": handler}).status == "completed"
    assert handler.steps[1].approval.status == "approved"


@pytest.mark.parametrize("call", ["cancel_run", "add_step"])
def test_the_next_accepted_call_records_the_expiry(
    scoria: Scoria, waiting: RunSummary, clock: Any, call: str
) -> None:
    """What every reading shows is in the journal once something else is written."""
    clock.advance(seconds=61)
    calls: dict[str, Callable[[], object]] = {
        "cancel_run": lambda: scoria.cancel_run(waiting.run_id),
        "add_step": lambda: scoria.add_step(waiting.run_id, WORK),
    }
    calls[call]()
    detail = scoria.get_run_detail(waiting.run_id)
    assert detail.approvals[0].status == "expired"
    types = [entry.type for entry in detail.journal]
    assert types.count("approval_expired") == 1
    assert "approval_withdrawn" not in types
