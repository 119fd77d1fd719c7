"""Kits that are wrong about who decides, and how often."""

from collections.abc import Callable
from typing import Any

import attrs

from lab.first_contact.batch_4.kits_tools import (
    WHO,
    World,
    refusal,
    replace,
    replace_rule,
    request,
    rule_of,
    works,
    wrong_kit,
)
from scoria_core import Approval, ApprovalStatus, Completed, Scoria, StepSpec, decisions
from scoria_core import history as history_module
from scoria_core.decisions import Change, Decision
from scoria_core.errors import ApprovalNotPending, DecisionRefused
from scoria_core.handler_call import _ENTERED, entered_handler
from scoria_core.outcomes import REQUESTER
from scoria_memory import MemoryStore


def make_voted_last() -> None:
    """Compare who says yes with who said the last yes alone."""
    as_it_was, yes_as_it_was = decisions.as_decided, history_module._yes

    def as_decided(change: Change, decision: Decision) -> Approval:
        try:
            return as_it_was(change, decision)
        except DecisionRefused as refused:
            approval = change.run.approvals[decision.approval_id]
            if refused.rule != "voted" or approval.endorsements[-1].by == change.actor_id:
                raise
            return decisions._edited(approval, decision)

    def yes(approval: Approval, entry: Any) -> str | None:
        problem = yes_as_it_was(approval, entry)
        return None if problem == "counts one person twice" else problem

    replace(as_it_was, as_decided)
    history_module._yes = yes


def show_voted_last(make: Any) -> None:
    """Assert that the third of three is another person than the first."""
    make()
    world = World([request(approvals_needed=3), Completed()])
    world.approve(by="ann")
    assert rule_of(lambda: world.approve(by="ann")) == "voted"
    world.approve(by="bob")
    assert rule_of(lambda: world.approve(by="ann")) == "voted"


def make_no_after_yes() -> None:
    """Let nobody who has said yes say anything more."""
    as_it_was = decisions.as_decided

    def as_decided(change: Change, decision: Decision) -> Approval:
        approval = as_it_was(change, decision)
        if change.actor_id in [each.by for each in approval.endorsements]:
            raise DecisionRefused(approval.approval_id, str(change.actor_id), "voted")
        return approval

    replace(as_it_was, as_decided)


def show_no_after_yes(make: Any) -> None:
    """Assert that one no decides, also that of somebody who had said yes."""
    make()
    world = World([request(approvals_needed=2), Completed()])
    world.approve(by="ann")
    assert works(lambda: world.reject(by="ann", note="on second thoughts")).status == "cancelled"


def _let_pass(may: Callable[[Change, Approval, str], bool]) -> None:
    """Let those pass who may, whatever `not_by` says, in what is decided and what is read."""
    as_it_was, rule = decisions.as_decided, history_module._approval_decided

    def as_decided(change: Change, decision: Decision) -> Approval:
        approval = change.run.approvals.get(decision.approval_id)
        if approval is None or not may(change, approval, decision.trigger):
            return as_it_was(change, decision)
        change.run.approvals[approval.approval_id] = attrs.evolve(approval, not_by=())
        try:
            decided = as_it_was(change, decision)
        finally:
            change.run.approvals[approval.approval_id] = approval
        return attrs.evolve(decided, not_by=approval.not_by)

    def read(run: Any, entry: Any) -> str | None:
        problem = rule(run, entry)
        return None if problem == "is a decision by one who may not make it" else problem

    replace(as_it_was, as_decided)
    for trigger in ("approve", "endorse", "reject"):
        replace_rule("approval", trigger, read)


def make_requester_alone() -> None:
    """Read "requester" only where nobody else is named."""

    def may(change: Change, approval: Approval, _: str) -> bool:
        others = [who for who in approval.not_by if who != REQUESTER]
        return bool(others) and change.actor_id not in others

    _let_pass(may)


def show_requester_alone(make: Any) -> None:
    """Assert that the requester is barred beside others."""
    make()
    world = World([request(not_by=["cfo-1", "requester"]), Completed()])
    assert rule_of(lambda: world.approve(by="cfo-1")) == "not_by"
    assert rule_of(lambda: world.approve(by=WHO.actor_id)) == "not_by"


def make_barred_no() -> None:
    """Let those who are barred from a yes say no."""
    _let_pass(lambda _, __, trigger: trigger == "reject")


def show_barred_no(make: Any) -> None:
    """Assert that who is barred cannot say no."""
    make()
    world = World([request(not_by=["requester"], on_reject="resume"), Completed()])
    assert rule_of(lambda: world.approve(by=WHO.actor_id)) == "not_by"
    assert rule_of(lambda: world.reject(by=WHO.actor_id)) == "not_by"


def make_asked_once() -> None:
    """Ask the host once for each person and run."""
    as_it_was = Scoria._host_allows
    allowed: set[tuple[str, str | None, str]] = set()

    def allows(self: Scoria, change: Change, decision: Decision, approval: Approval) -> bool:
        key = change.run.run_id, change.actor_id, decision.trigger
        if key not in allowed and as_it_was(self, change, decision, approval):
            allowed.add(key)
        return key in allowed

    Scoria._host_allows = allows  # type: ignore[method-assign]


def show_asked_once(make: Any) -> None:
    """Assert that the host is asked for each request of a list."""
    make()

    def small(approval: Approval, *_: object) -> bool:
        return bool(approval.arguments["amount"] <= 100)

    asked = [request(arguments={"amount": 50}), request(arguments={"amount": 5_000})]
    world = World([asked, Completed()], options={"may_decide": small})
    first, second = world.ids()
    world.approve(first)
    assert rule_of(lambda: world.approve(second)) == "host"


def make_view_forgets() -> None:
    """Make the view of a tenant without the rules of the host."""
    as_it_was = Scoria.for_tenant

    def for_tenant(self: Scoria, tenant_id: object) -> Scoria:
        view = as_it_was(self, tenant_id)
        view._may_decide = None
        return view

    Scoria.for_tenant = for_tenant  # type: ignore[assignment,method-assign]


def show_view_forgets(make: Any) -> None:
    """Assert that the host is asked for a decision through the view of a tenant."""
    make()
    world = World([request(), Completed()], options={"may_decide": lambda *_: False})
    view = world.scoria.for_tenant(WHO.tenant_id)
    (asked,) = world.ids()
    said: dict[str, Any] = {"approval_id": asked, "decided_by": "ann"}
    assert rule_of(lambda: view.approve(world.run_id, **said)) == "host"


def make_handler_elsewhere() -> None:
    """Refuse a handler only decisions on the run that it works for."""
    as_it_was = Scoria._decide

    def decide(self: Scoria, run_id: Any, decision: Decision, decided_by: object) -> Any:
        entered = entered_handler(self._runs.store)
        if entered is None or entered[0] == str(run_id):
            return as_it_was(self, run_id, decision, decided_by)
        token = _ENTERED.set(())
        try:
            return as_it_was(self, run_id, decision, decided_by)
        finally:
            _ENTERED.reset(token)

    Scoria._decide = decide  # type: ignore[method-assign]


def show_handler_elsewhere(make: Any) -> None:
    """Assert that a handler cannot decide on another run."""
    make()
    world = World([request(), Completed()])
    (asked,) = world.ids()
    rules: list[str] = []

    def decides(_: Any, __: Any) -> None:
        rules.append(rule_of(lambda: world.approve(asked)))

    run = world.scoria.start_run(
        WHO,
        root_role_id="clerk",
        initial_step=StepSpec("decide", "clerk"),
        handlers={"decide": decides},
    )
    assert rules == ["handler"], run.error


def make_refused_between() -> None:
    """Refuse a decision where another decision on the run came first."""
    as_it_was = decisions.as_decided
    seen: dict[int, tuple[Decision, int]] = {}

    def as_decided(change: Change, decision: Decision) -> Approval:
        approval = as_it_was(change, decision)
        _, version = seen.setdefault(id(decision), (decision, change.run.version))
        if version != change.run.version:
            because = " in a run that has changed meanwhile"
            raise ApprovalNotPending(
                "approval", approval.approval_id, approval.status, decision.trigger, because
            )
        return approval

    replace(as_it_was, as_decided)


class Between(MemoryStore):
    """A store that lets something else happen before one append."""

    first: Callable[[], object] | None = None

    def append(self, *of: Any, **more: Any) -> None:
        """Let it happen, and append."""
        first, self.first = self.first, None
        if first is not None:
            first()
        super().append(*of, **more)


def show_refused_between(make: Any) -> None:
    """Assert that two people who decide different requests at once both succeed."""
    make()
    store = Between()
    world = World([[request(), request(arguments={"amount": 2})], Completed()], store=store)
    first, second = world.ids()
    other = world.opened(world.clock)
    store.first = lambda: other.approve(world.run_id, approval_id=second, decided_by="bob")
    works(lambda: world.approve(first))
    assert world.statuses() == ["approved", "approved"]


def make_old_link() -> None:
    """Take a decision on a request that is over for one on its successor, which asks the same."""
    as_it_was = decisions.as_decided

    def as_decided(change: Change, decision: Decision) -> Approval:
        try:
            return as_it_was(change, decision)
        except ApprovalNotPending:
            old = change.run.approvals.get(decision.approval_id)
            same = [
                each.approval_id
                for each in change.run.open_requests()
                if old is not None and each.proposed_digest == old.proposed_digest
            ]
            if len(same) != 1 or change.run.approvals[same[0]].status != ApprovalStatus.PENDING:
                raise
            return as_it_was(change, attrs.evolve(decision, approval_id=same[0]))

    replace(as_it_was, as_decided)


def show_old_link(make: Any) -> None:
    """Assert that a request that expired cannot be decided when its step has asked anew."""
    make()
    world = World([request(expires_in=60), request(), Completed()])
    (old,) = world.ids()
    world.clock.advance(seconds=61)
    refusal(lambda: world.approve(old), ApprovalNotPending)
    world.resume()
    refusal(lambda: world.approve(old), ApprovalNotPending)
    assert world.statuses() == ["expired", "pending"]


def make_no_of_several() -> None:
    """End the run by a no that comes after a yes, whatever the request says of it."""
    as_it_was, rule = decisions.decide, history_module._run_rejected

    def decide(change: Change, decision: Decision, approval: Approval) -> None:
        if approval.endorsements:
            approval = attrs.evolve(approval, on_reject="cancel")
        as_it_was(change, decision, approval)

    def read(run: Any, entry: Any) -> str | None:
        problem = rule(run, entry)
        return None if "nobody has rejected" in str(problem) else problem

    replace(as_it_was, decide)
    replace_rule("run", "reject", read)


def show_no_of_several(make: Any) -> None:
    """Assert that a no after a yes leaves the run to its host, where the request says so."""
    make()
    world = World([request(approvals_needed=2, on_reject="resume"), Completed()])
    world.approve(by="ann")
    assert world.reject(by="bob").status == "waiting_for_approval"
    assert works(world.resume).status == "completed"


WRONG = [
    wrong_kit("first of three votes again", "APPROVAL-25", make_voted_last, show_voted_last),
    wrong_kit("no after own yes refused", "APPROVAL-25", make_no_after_yes, show_no_after_yes),
    wrong_kit(
        "requester among others decides", "APPROVAL-26", make_requester_alone, show_requester_alone
    ),
    wrong_kit("barred person says no", "APPROVAL-26", make_barred_no, show_barred_no),
    wrong_kit("host asked once for a run", "APPROVAL-27", make_asked_once, show_asked_once),
    wrong_kit("view without may_decide", "APPROVAL-27", make_view_forgets, show_view_forgets),
    wrong_kit(
        "handler decides on another run",
        "APPROVAL-28",
        make_handler_elsewhere,
        show_handler_elsewhere,
    ),
    wrong_kit(
        "decision in between refuses", "APPROVAL-7", make_refused_between, show_refused_between
    ),
    wrong_kit("old link decides anew", "APPROVAL-6", make_old_link, show_old_link),
    wrong_kit("no after a yes cancels", "APPROVAL-23", make_no_of_several, show_no_of_several),
]
"""Wrong about who decides, and how often."""
