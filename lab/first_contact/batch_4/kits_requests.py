"""Kits that are wrong about several requests, what is kept with them, and going on."""

from typing import Any

import attrs

from lab.first_contact.batch_4.kits_tools import World, replace, request, works, wrong_kit
from scoria_core import Approval, ApprovalStatus, Completed, RunStatus, Scoria, StepSpec, decisions
from scoria_core.decisions import Change, Decision
from scoria_core.identity import checked_id
from scoria_core.payloads import digest
from scoria_core.run import Run
from scoria_memory import MemoryStore


def make_equal_merged() -> None:
    """Ask once for requests of one tool and equal arguments."""
    as_it_was = decisions._request_approvals

    def ask(change: Change, claimed: Any, requests: tuple[Any, ...]) -> None:
        unique: dict[tuple[str, str], Any] = {}
        for each in requests:
            unique.setdefault((each.tool_name, digest(each.arguments)), each)
        as_it_was(change, claimed, tuple(unique.values()))

    decisions._request_approvals = ask


def show_equal_merged(make: Any) -> None:
    """Assert that two equal calls are two requests."""
    make()
    world = World([[request(call_id="a"), request(call_id="b")], Completed()])
    assert [each.call_id for each in world.approvals()] == ["a", "b"]


def make_yes_carried_over() -> None:
    """Keep the yeses of a step when it asks again."""
    as_it_was = Run._index

    def index(self: Run, entry: Any) -> None:
        approved: list[str] = []
        asks = entry.subject == "step" and entry.trigger == "request_approval"
        if asks:
            approved = [
                each.approval_id
                for each in self.requests_of(entry.subject_id)
                if each.status == ApprovalStatus.APPROVED
            ]
        as_it_was(self, entry)
        if asks:
            self._requests_of[entry.subject_id] = approved

    Run._index = index  # type: ignore[method-assign]


def show_yes_carried_over(make: Any) -> None:
    """Assert that a step is given only the requests that it made last."""
    make()
    first = [request(call_id="a"), request(call_id="b", on_reject="resume")]
    world = World([first, request(call_id="c"), Completed()])
    world.approve()
    world.reject()
    world.resume()
    world.approve()
    world.resume()
    assert [each.call_id for each in world.last_seen().approvals] == ["c"]


def make_people_alone() -> None:
    """Go on with `resume=True` only where people have decided each request."""
    as_it_was = decisions.decide

    def decide(change: Change, decision: Decision, approval: Approval) -> None:
        run = change.run
        asked = [run.as_of(each, change.at) for each in run.requests_of(approval.step_id)]
        if any(each.status == ApprovalStatus.EXPIRED for each in asked):
            decision = attrs.evolve(decision, resume=False)
        as_it_was(change, decision, approval)

    replace(as_it_was, decide)


def show_people_alone(make: Any) -> None:
    """Assert that the last decision queues the step, though another request has expired."""
    make()
    world = World([[request(), request(expires_in=60)], Completed()])
    first, _ = world.ids()
    world.clock.advance(seconds=61)
    assert world.approve(first, resume=True).status == "running"


def make_two_commits() -> None:
    """Resume after the decision is stored, and not with it."""
    as_it_was = Scoria._decide

    def decide(self: Scoria, run_id: Any, decision: Decision, decided_by: object) -> Any:
        found = as_it_was(self, run_id, attrs.evolve(decision, resume=False), decided_by)
        waits = found.status == RunStatus.WAITING_FOR_APPROVAL and not found.pending_approvals
        if not decision.resume or not waits:
            return found
        actor = checked_id(decided_by, "decided_by")
        run, _ = self._runs.change(found.run_id, decisions.resume, actor)
        self._scheduler.queued(run)
        return self._summary(run)

    Scoria._decide = decide  # type: ignore[method-assign]


class Counting(MemoryStore):
    """A store that counts its appends."""

    appends = 0

    def append(self, *of: Any, **more: Any) -> None:
        """Count, and append."""
        self.appends += 1
        super().append(*of, **more)


def show_two_commits(make: Any) -> None:
    """Assert that a decision and the queueing of its step are one commit."""
    make()
    store = Counting()
    world = World([request(), Completed()], store=store)
    (asked,) = world.ids()
    before = store.appends
    assert world.approve(asked, resume=True).status == "running"
    assert store.appends == before + 1


def make_keep_of_first() -> None:
    """Keep what the first request carries."""
    as_it_was = decisions._request_approvals

    def ask(change: Change, claimed: Any, requests: tuple[Any, ...]) -> None:
        first, *others = requests
        as_it_was(change, claimed, (first, *(attrs.evolve(each, keep=None) for each in others)))

    decisions._request_approvals = ask


def show_keep_of_first(make: Any) -> None:
    """Assert that any request of a list can carry what is kept."""
    make()
    asked = [request(), request(arguments={"amount": 2}, keep={"turn": 3})]
    world = World([asked, Completed()])
    world.approve()
    world.approve()
    world.resume()
    assert world.last_seen().kept == {"turn": 3}


def make_askings_counted() -> None:
    """Count how often a step has asked, and not its requests."""
    as_it_was = Run._index_approval

    def index(self: Run, entry: Any) -> None:
        as_it_was(self, entry)
        step_id = self.approvals[entry.subject_id].step_id
        if entry.trigger is None and len(self._requests_of[step_id]) > 1:
            self._without_yes[step_id] -= 1

    Run._index_approval = index  # type: ignore[method-assign]


def show_askings_counted(make: Any) -> None:
    """Assert that two requests of one list count as two."""
    make()
    asked = [request(on_reject="resume"), request(on_reject="resume", arguments={"amount": 2})]
    world = World([asked], StepSpec("ask", "clerk", max_requests=2))
    world.reject()
    world.reject()
    assert works(world.resume).status == "failed"


WRONG = [
    wrong_kit("equal requests are one", "APPROVAL-24", make_equal_merged, show_equal_merged),
    wrong_kit(
        "yes outlives its asking", "APPROVAL-4", make_yes_carried_over, show_yes_carried_over
    ),
    wrong_kit("expiry stops resume", "APPROVAL-29", make_people_alone, show_people_alone),
    wrong_kit("resume in a second commit", "APPROVAL-29", make_two_commits, show_two_commits),
    wrong_kit("keep of the second lost", "APPROVAL-31", make_keep_of_first, show_keep_of_first),
    wrong_kit("a list counts as one", "APPROVAL-32", make_askings_counted, show_askings_counted),
]
"""Wrong about several requests, and going on."""
