"""Brings a run, step, approval or handoff to a named state by public calls."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import attrs

from scoria_conformance.steps.runs import approve, reject, start
from scoria_conformance.world import ARGUMENTS, KIND, Answer, World, asks, completed, raises
from scoria_core import JournalEntry, RunDetail, RunSummary, Step, StepSpec
from scoria_core.decisions import Change
from scoria_core.errors import TransitionRefused
from scoria_core.payloads import digest
from scoria_core.repository import RunRepository
from scoria_core.system import Uuid7Source

PATIENCE = 30
"""How many seconds to wait for a thread; one that takes longer hangs."""


@attrs.define
class Arrangement:
    """The run of a scenario, with one subject in the state that the scenario asks for."""

    world: World
    subject: str = ""
    subject_id: str = ""
    before: tuple[Any, ...] = ()
    decided: Change | None = None
    _entered: threading.Event = attrs.field(factory=threading.Event)
    _go: threading.Event = attrs.field(factory=threading.Event)
    _worker: threading.Thread | None = None
    _refusal: TransitionRefused | None = None

    def reach(self, subject: str, state: str, people: int = 1) -> None:
        """Bring the first such subject of a new run to `state`, and keep it there.

        A request for approval of the run needs the yes of so many `people`.
        """
        self.subject, self.world.people = subject, people
        if (subject, state) in WHILE_HANDLED:
            self._hold(WHILE_HANDLED[subject, state])
        else:
            REACH[subject, state](self.world)
        self.subject_id, _ = FIRST[subject](self.world.detail)
        self.check(state)

    def leave(self) -> None:
        """Let a held handler return, and wait until the call that runs it returns."""
        self._go.set()
        if self._worker is not None:
            self._worker.join(PATIENCE)
            assert not self._worker.is_alive(), "the held call did not return"

    @property
    def state(self) -> str:
        """The state that a reader sees the subject in."""
        return FIRST[self.subject](self.world.detail)[1]

    def check(self, state: str) -> None:
        """Assert that a reader sees the subject in `state`."""
        assert self.state == state, f"the {self.subject} is {self.state}, not {state}"

    def attempt(self, call: Callable[[], object]) -> None:
        """Make a call that may be refused, and remember the state before it."""
        self.before = self.seen()
        self.world.attempt(call)

    def seen(self) -> tuple[Any, ...]:
        """Return the run as it is read, stored and listed."""
        stored = tuple(self.world.store.read([self.world.run_id]))
        return self.world.detail, stored, list(self.world.scoria.list_runs())

    def move(self, trigger: str) -> None:
        """Move the subject in a copy of the stored run, without storing it.

        A single move is not a valid history: moves of the subjects that belong to it are missing,
        so it could not be stored.
        """
        run = RunRepository(self.world.store, self.world.clock, Uuid7Source()).load(
            self.world.run_id
        )
        self.decided = Change(run, self.world.clock.now(), Uuid7Source().new_id)
        facts = FACTS.get((self.subject, trigger), {})
        self.decided.move(self.subject, self.subject_id, trigger, **facts)

    def check_decided(self, trigger: str, state: str, reached: str) -> None:
        """Assert that the move added one entry, and that the subject then is in `reached`."""
        assert self.decided is not None
        run, (record,) = self.decided.run, self.decided.records
        entry = run.journal[-1]
        assert entry.sequence == record.sequence == len(self.before[0].journal) + 1
        told = (entry.subject, entry.subject_id, entry.from_state, entry.trigger, entry.to_state)
        assert told == (self.subject, self.subject_id, state, trigger, reached)
        assert run.state(self.subject, self.subject_id) == reached

    def added(self) -> Iterator[JournalEntry]:
        """Yield the journal entries that the attempt added."""
        was, now = self.before[0].journal, self.world.detail.journal
        assert now[: len(was)] == was, "an entry that was there has changed"
        yield from now[len(was) :]

    def _hold(self, begin: Callable[[World, Answer], None]) -> None:
        self._worker = threading.Thread(target=self._work, args=[begin])
        self._worker.start()
        entered = self._entered.wait(PATIENCE)
        assert entered, "no handler was called"
        if self._refusal is not None:
            raise self._refusal

    def _work(self, begin: Callable[[World, Answer], None]) -> None:
        try:
            begin(self.world, self._wait)
        except TransitionRefused as refusal:
            # A handoff that was moved alone no longer mirrors its step, so the step cannot end.
            self._refusal = refusal
        finally:
            self._entered.set()

    def _wait(self, _: Step, run: RunSummary) -> None:
        if self._entered.is_set():
            return
        self.world.run_id = run.run_id
        self._entered.set()
        told = self._go.wait(PATIENCE)
        assert told, "the handler was never told to go on"


def _request(world: World) -> None:
    start(world, asks(expires_in=60, approvals_needed=world.people))


def _approve(world: World) -> None:
    for number in range(world.people):
        approve(world, decided_by=f"reviewer-{7 + number}")


def _decide(world: World, decide: Callable[[World], None]) -> None:
    _request(world)
    decide(world)


def _expire(world: World) -> None:
    _request(world)
    world.clock.advance(timedelta(seconds=61))
    world.scoria.add_step(world.run_id, StepSpec("unserved", "executor"))


def _withdraw(world: World) -> None:
    _request(world)
    world.scoria.cancel_run(world.run_id)


def _queue(world: World) -> None:
    start(world, handlers=None)


def _cancel(world: World) -> None:
    _queue(world)
    world.scoria.cancel_run(world.run_id)


def _hand_off(world: World, answer: Answer | None = None) -> None:
    """Start a run that hands off to a role whose handler gives `answer`, or that has none."""
    world.answer = answer or completed
    run = world.scoria.start_handoff_run(
        world.identity(),
        "critic",
        root_role_id="planner",
        delegated_kind=KIND,
        handoff_input={"brief": "Review the draft"},
        projected_context={},
        handlers=world.handlers if answer else None,
    )
    world.run_id = run.run_id


def _cancel_handoff(world: World) -> None:
    _hand_off(world)
    world.scoria.cancel_run(world.run_id)


REACH: dict[tuple[str, str], Callable[[World], None]] = {
    ("run", "running"): lambda world: start(world, initial_step=None),
    ("run", "waiting_for_approval"): _request,
    ("run", "completed"): start,
    ("run", "failed"): lambda world: start(world, raises),
    ("run", "cancelled"): _cancel,
    ("step", "queued"): _queue,
    ("step", "waiting_for_approval"): _request,
    ("step", "completed"): start,
    ("step", "failed"): lambda world: start(world, raises),
    ("step", "cancelled"): _cancel,
    ("approval", "pending"): _request,
    ("approval", "approved"): lambda world: _decide(world, _approve),
    ("approval", "rejected"): lambda world: _decide(world, reject),
    ("approval", "expired"): _expire,
    ("approval", "withdrawn"): _withdraw,
    ("handoff", "pending"): _hand_off,
    ("handoff", "completed"): lambda world: _hand_off(world, completed),
    ("handoff", "failed"): lambda world: _hand_off(world, raises),
    ("handoff", "cancelled"): _cancel_handoff,
}
"""The public calls that bring a subject into each state."""

WHILE_HANDLED: dict[tuple[str, str], Callable[[World, Answer], None]] = {
    ("step", "running"): start,
    ("handoff", "running"): _hand_off,
}
"""States that last as long as a handler is at work."""

FIRST: dict[str, Callable[[RunDetail], tuple[str, str]]] = {
    "run": lambda detail: (detail.summary.run_id, detail.summary.status),
    "step": lambda detail: (detail.steps[0].step_id, detail.steps[0].status),
    "approval": lambda detail: (detail.approvals[0].approval_id, detail.approvals[0].status),
    "handoff": lambda detail: (
        detail.delegated_handoffs[0].handoff_id,
        detail.delegated_handoffs[0].status,
    ),
}
"""The id and the state of the first such subject of a run."""

FACTS: dict[tuple[str, str], dict[str, Any]] = {
    ("step", "complete"): {"result": None},
    ("step", "fail"): {"error": {"type": "Failed", "message": "no", "details": None}},
    ("approval", "endorse"): {"note": None, "arguments_digest": digest(ARGUMENTS)},
    ("approval", "approve"): {"note": None, "arguments_digest": digest(ARGUMENTS)},
    ("approval", "reject"): {"note": None, "arguments_digest": digest(ARGUMENTS)},
}
"""The further fields that the entry of a move must have."""
