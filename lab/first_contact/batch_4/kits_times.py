"""Kits that are wrong about what expires, what is reminded of, and what goes on by itself."""

from collections.abc import Collection
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any

from lab.first_contact.batch_4.kits_tools import (
    World,
    refusal,
    replace,
    replace_rule,
    request,
    works,
    wrong_kit,
)
from lab.first_contact.runs import journal
from scoria_core import Approval, ApprovalStatus, Completed, StepSpec, decisions
from scoria_core import history as history_module
from scoria_core.decisions import Change, Decision
from scoria_core.dispatch import Dispatch
from scoria_core.errors import ApprovalNotPending
from scoria_core.lifecycles import StepStatus
from scoria_core.run import Run
from scoria_core.scheduling import Scheduler
from scoria_core.scoria import Scoria
from scoria_core.testing import SettableClock


def make_overdue_withdrawn() -> None:
    """Withdraw, with a no, also what had expired."""
    as_it_was = decisions.decide

    def decide(change: Change, decision: Decision, approval: Approval) -> None:
        run = change.run
        if decision.trigger == "reject" and approval.on_reject == "cancel":
            for each in run.open_requests():
                if run.as_of(each, change.at).status != each.status:
                    change.move("approval", each.approval_id, "withdraw")
        as_it_was(change, decision, approval)

    replace(as_it_was, decide)


def show_overdue_withdrawn(make: Any) -> None:
    """Assert that a request whose time has passed expires when another is rejected."""
    make()
    asked = [request(), request(expires_in=60), request(expires_in=600)]
    world = World([asked, Completed()])
    first = world.ids()[0]
    world.clock.advance(seconds=61)
    world.reject(first)
    assert world.statuses() == ["rejected", "expired", "withdrawn"]


def _was_used(run: Run, approval: Approval) -> bool:
    """Tell whether a step was claimed with a yes."""
    used = False
    for entry in run.journal:
        if entry.subject_id == approval.approval_id and entry.trigger == "approve":
            used = False
        elif entry.subject_id == approval.step_id and entry.trigger == "claim":
            used = True
    return used


def make_used_for_ever() -> None:
    """Let a yes that was used once be used again, however late."""
    as_it_was, rule = Run.as_of, history_module._step_claimed

    def as_of(self: Run, approval: Approval, now: datetime) -> Approval:
        found = as_it_was(self, approval, now)
        is_yes = approval.status == ApprovalStatus.APPROVED
        return approval if is_yes and found is not approval and _was_used(self, approval) else found

    def read(run: Run, entry: Any) -> str | None:
        problem = rule(run, entry)
        return None if problem == "uses an approval that has expired" else problem

    Run.as_of = as_of  # type: ignore[method-assign]
    replace_rule("step", "claim", read)


def show_used_for_ever(make: Any) -> None:
    """Assert that a yes that has expired authorises no retry."""
    make()
    world = World([request(expires_in=60), ValueError("not now"), Completed()])
    world.approve()
    assert world.resume().status == "failed"
    assert world.last_seen().approval.status == "approved"
    world.clock.advance(seconds=61)
    works(lambda: world.scoria.retry_run(world.run_id))
    assert world.last_seen().approval.status == "expired"


def make_all_expired() -> None:
    """Go on by itself only where each request has expired."""
    as_it_was = Run.last_request_expired

    def last(self: Run, now: datetime) -> bool:
        step = self.active_step()
        asked = [] if step is None else self.requests_of(step.step_id)
        expired = [self.as_of(each, now).status == ApprovalStatus.EXPIRED for each in asked]
        return as_it_was(self, now) and all(expired)

    Run.last_request_expired = last  # type: ignore[method-assign]


def show_all_expired(make: Any) -> None:
    """Assert that the step runs again, where the last of its requests has expired."""
    make()
    world = World([[request(), request(expires_in=60)], Completed()])
    world.approve()
    world.clock.advance(seconds=61)
    assert [each.status for each in world.scoria.run_pending()] == ["completed"]


_DISPATCH: ContextVar[str] = ContextVar("_DISPATCH", default="")


def make_worker_goes_on() -> None:
    """With a queue, let the worker go on with what people have decided."""
    as_it_was, work_as_it_was = decisions.resume_expired, Scheduler._work

    def work(self: Scheduler, *of: Any, **more: Any) -> Any:
        token = _DISPATCH.set(self.dispatch)
        try:
            return (yield from work_as_it_was(self, *of, **more))
        finally:
            _DISPATCH.reset(token)

    def resume_expired(change: Change, kinds: Collection[str]) -> bool:
        if as_it_was(change, kinds):
            return True
        step: Any = change.run.active_step()
        waits = step is not None and step.status == StepStatus.WAITING_FOR_APPROVAL
        if _DISPATCH.get() != Dispatch.QUEUE or not waits or step.kind not in kinds:
            return False
        if change.run.open_requests():
            return False
        decisions.resume(change)
        return True

    Scheduler._work = work  # type: ignore[method-assign]
    replace(as_it_was, resume_expired)


def show_worker_goes_on(make: Any) -> None:
    """Assert that a decided run waits for its host, whoever carries out its steps."""
    make()
    world = World([request(), Completed()], options={"dispatch": "queue"})
    assert [each.status for each in world.scoria.run_pending()] == ["waiting_for_approval"]
    world.approve()
    assert world.scoria.run_pending(world.run_id) == []
    assert world.scoria.get_run(world.run_id).status == "waiting_for_approval"


def make_clock_alone() -> None:
    """Judge by the clock of the reader alone whether a request has expired."""
    as_it_was = Run.as_of

    def as_of(self: Run, approval: Approval, now: datetime) -> Approval:
        if approval.expires_at is None or approval.expires_at > now:
            return approval
        return as_it_was(self, approval, now)

    Run.as_of = as_of  # type: ignore[method-assign]


def show_clock_alone(make: Any) -> None:
    """Assert that a reader whose clock is behind sees expired what another machine saw expire."""
    make()
    world = World([request(expires_in=60), Completed()])
    world.approve()
    ahead = world.opened(SettableClock(world.clock.time + timedelta(hours=1)))
    ahead.add_step(world.run_id, StepSpec("other", "clerk"))
    assert world.statuses() == ["expired"]


def make_late_recorded() -> None:
    """Record with a decision that comes too late that the request has expired."""
    as_it_was = Scoria._decide

    def decide(self: Scoria, run_id: Any, decision: Decision, decided_by: object) -> Any:
        try:
            return as_it_was(self, run_id, decision, decided_by)
        except ApprovalNotPending as refused:
            if refused.status == ApprovalStatus.EXPIRED:
                self._runs.change(str(run_id), decisions._expire_overdue)
            raise

    Scoria._decide = decide  # type: ignore[method-assign]


def show_late_recorded(make: Any) -> None:
    """Assert that a decision that is refused changes nothing."""
    make()
    world = World([request(expires_in=60), Completed()])
    (asked,) = world.ids()
    world.clock.advance(seconds=61)
    before = journal(world.store, world.run_id)
    refusal(lambda: world.approve(asked), ApprovalNotPending)
    assert journal(world.store, world.run_id) == before


def make_first_reminded() -> None:
    """Remind of the first pending request of a step."""

    def settle_overdue(change: Change) -> None:
        decisions._expire_overdue(change)
        for each in change.run.open_requests()[:1]:
            if each.remind_after is None or each.reminded_at is not None:
                continue
            if each.requested_at + timedelta(seconds=each.remind_after) <= change.at:
                change.move("approval", each.approval_id, "remind")

    replace(decisions.settle_overdue, settle_overdue)


def show_first_reminded(make: Any) -> None:
    """Assert that each of several requests is reminded of."""
    make()
    world = World([[request(remind_after=60), request(remind_after=60)], Completed()])
    world.clock.advance(seconds=61)
    world.scoria.run_pending()
    assert all(each.reminded_at for each in world.approvals())


WRONG = [
    wrong_kit(
        "overdue request withdrawn", "APPROVAL-10", make_overdue_withdrawn, show_overdue_withdrawn
    ),
    wrong_kit("used yes never expires", "APPROVAL-16", make_used_for_ever, show_used_for_ever),
    wrong_kit("yes stops run_pending", "STEP-25", make_all_expired, show_all_expired),
    wrong_kit(
        "worker goes on with a queue", "APPROVAL-17", make_worker_goes_on, show_worker_goes_on
    ),
    wrong_kit("clock of the reader counts", "APPROVAL-18", make_clock_alone, show_clock_alone),
    wrong_kit("late decision recorded", "ERROR-2", make_late_recorded, show_late_recorded),
    wrong_kit("only the first reminded", "APPROVAL-33", make_first_reminded, show_first_reminded),
]
"""Wrong about time."""
