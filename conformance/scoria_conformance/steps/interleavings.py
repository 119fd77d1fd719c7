"""Steps in which callers make many calls at once, and all their answers must fit one order."""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from random import Random

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance import sequential
from scoria_conformance.concurrency import Barrier, processes, threads
from scoria_conformance.linearizability import Operation, Sequential, explained, performed
from scoria_conformance.sequential import NO_RUN, QUEUED, decided
from scoria_conformance.stored_runs import (
    NOON,
    StoredRuns,
    index_row,
    numbered,
    record,
    run_key,
)
from scoria_conformance.world import KIND, World
from scoria_core import NeedsApproval, RunDetail, Scoria, ScoriaError, StepSpec
from scoria_core.ports import Capability, IndexRow, RunStore, StoredRun

Histories = Mapping[str, list[Operation]]
"""The calls on each run, by all callers."""


@attrs.frozen
class Told:
    """The histories of the runs, and the sequential object that they must agree with."""

    histories: Histories
    start: Hashable
    alone: Sequential


def _runs(told: str) -> int:
    return 1 if told == "one run" else int(told.removesuffix(" runs"))


def _joined(said: list[Histories]) -> Histories:
    """Join the histories of all callers to one history for each run."""
    joined: dict[str, list[Operation]] = defaultdict(list)
    for histories in said:
        for run_id, operations in histories.items():
            joined[run_id] += operations
    return joined


def _asked(asked: Hashable, call: Callable[[], Hashable]) -> Operation:
    """Make a call that may be refused, and return it as an operation."""

    def answer() -> Hashable:
        try:
            return call()
        except ScoriaError as error:
            return type(error).__name__

    return performed(asked, answer)


def _chance(seed: int, number: int) -> Random:
    """Return the random source of one caller."""
    # The seed lets a failure be repeated; the number makes the callers differ.
    return Random(f"{seed} {number}")  # noqa: S311 - it picks calls, and keeps no secret


@attrs.define
class StoreCaller:
    """One of several callers that create, append to, read and list runs at random."""

    store: RunStore
    number: int
    chance: Random
    histories: dict[str, list[Operation]] = attrs.field(factory=lambda: defaultdict(list))
    versions: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))

    def turn(self, run_number: int) -> None:
        """Make a call on a run, at the version that was last seen. Each run has its own tenant."""
        lists = [self._list, self._list_labelled, self._list_due]
        choices = [self._read, self._read, self._read, *[self._write] * 3, *lists]
        self.chance.choice(choices)(numbered(run_number), f"tenant-{run_number}")

    def _call(self, run_id: str, asked: Hashable, call: Callable[[], Hashable]) -> Operation:
        operation = _asked(asked, call)
        self.histories[run_id].append(operation)
        return operation

    def _read(self, run_id: str, _: str) -> None:
        def told() -> tuple[tuple[str, ...], IndexRow | None]:
            for run in self.store.read([run_id]):
                return tuple(each.body for each in run.records), run.row
            return NO_RUN

        read = self._call(run_id, ("read",), told)
        if isinstance(read.answered, tuple):
            self.versions[run_id] = len(read.answered[0])

    def _write(self, run_id: str, tenant_id: str) -> None:
        version, told = self.versions[run_id], f"by {self.number}, {self.chance.random()}"
        new = record(version + 1, told)
        row = index_row(
            self.chance.choice((NOON, None)),
            status=told,
            labels=tuple(self.chance.sample(LABELS, self.chance.choice((0, 1, 2)))),
        )

        def create() -> str:
            self.store.create(run_key(run_id, tenant_id=tenant_id), [new], row=row)
            return "stored"

        def append() -> str:
            self.store.append(run_id, [new], expected_version=version, row=row)
            return "stored"

        if version:
            written = self._call(run_id, ("append", version, new.body, row), append)
        else:
            written = self._call(run_id, ("create", new.body, row), create)
        self.versions[run_id] += written.answered == "stored"

    def _list(self, run_id: str, tenant_id: str) -> None:
        def listed() -> IndexRow | None:
            return _only(self.store.list_runs(tenant_id=tenant_id, limit=9, with_records=False))

        self._call(run_id, ("list",), listed)

    def _list_labelled(self, run_id: str, tenant_id: str) -> None:
        label = self.chance.choice(LABELS)

        def listed() -> IndexRow | None:
            return _only(self.store.list_labelled(tenant_id=tenant_id, label=label, limit=9))

        self._call(run_id, ("list labelled", label), listed)

    def _list_due(self, run_id: str, tenant_id: str) -> None:
        def listed() -> bool:
            return run_id in self.store.list_due(tenant_id=tenant_id, until=NOON, limit=9)

        self._call(run_id, ("list due",), listed)


LABELS = ("a", "b", "ab")


def _only(runs: Sequence[StoredRun]) -> IndexRow | None:
    """Return the row of the run, the only one that its tenant can have."""
    return runs[0].row if runs else None


@when(
    parsers.re(
        r"(?P<count>\d+) (?P<kind>callers|processes) write to and read (?P<runs>one run|\d+ runs) "
        r"at once, (?P<turns>\d+) times each"
    ),
    target_fixture="told",
)
def _write_to_and_read_at_once_times_each(
    stored: StoredRuns, scoria_seed: int, count: str, kind: str, runs: str, turns: str
) -> Told:
    def work(store: RunStore, number: int, barrier: Barrier) -> Histories:
        chance = _chance(scoria_seed, number)
        caller = StoreCaller(store, number, chance)
        for _ in range(int(turns)):
            barrier.wait()
            caller.turn(chance.randint(1, _runs(runs)))
        return dict(caller.histories)

    if kind == "processes":
        stored.need(Capability.MULTI_PROCESS)
        return Told(_joined(processes(stored.world, int(count), work)), NO_RUN, sequential.stored)
    return Told(_joined(threads(stored.world, int(count), work)), NO_RUN, sequential.stored)


@attrs.define
class Person:
    """One of several people who decide on runs, resume them and claim their steps at random.

    A claimed step is held for a moment, and then asks for approval.
    """

    scoria: Scoria
    chance: Random
    rejects: bool
    histories: dict[str, list[Operation]] = attrs.field(factory=lambda: defaultdict(list))

    def turn(self, run_id: str) -> None:
        """Read a run and make one more call on it, mostly one that fits its state."""
        called = time.monotonic_ns()
        detail = self.scoria.get_run_detail(run_id)
        state = _state(detail)
        read = Operation(("read",), state, called, time.monotonic_ns())
        self.histories[run_id].append(read)
        apt = {"pending": self._decide, "approved": self._resume, "queued": self._claim}
        some = self.chance.choice([self._decide, self._resume, self._claim])
        call = apt.get(state[0], some) if self.chance.random() < 0.7 else some
        call(run_id, detail)

    def _decide(self, run_id: str, detail: RunDetail) -> None:
        approval_id = detail.approvals[-1].approval_id if detail.approvals else "none yet"
        rejects = self.rejects and self.chance.random() < 0.25
        decide, word = (
            (self.scoria.reject, "rejected") if rejects else (self.scoria.approve, "approved")
        )

        def call() -> str:
            decide(run_id, approval_id=approval_id, decided_by="reviewer-7")
            return word

        asked = ("reject" if rejects else "approve", len(detail.approvals))
        self.histories[run_id].append(_asked(asked, call))

    def _resume(self, run_id: str, _: RunDetail) -> None:
        def call() -> str:
            self.scoria.resume_run(run_id)
            return "resumed"

        self.histories[run_id].append(_asked(("resume",), call))

    def _claim(self, run_id: str, _: RunDetail) -> None:
        """Run the step.

        This is two operations: a claim, which ends when the handler is entered, and a request for
        approval, which begins when the handler returns.
        """
        within: list[float] = []

        def asks(*_: object) -> NeedsApproval:
            within.append(time.monotonic_ns())
            time.sleep(1e-4)
            within.append(time.monotonic_ns())
            return NeedsApproval(tool_name="send", arguments={}, reason="goes out")

        def call() -> str:
            self.scoria.run_pending(run_id, handlers={KIND: asks})
            return "nothing"

        whole = _asked(("claim",), call)
        if not within:
            self.histories[run_id].append(whole)
            return
        entered, left = within
        answered = "asked" if whole.answered == "nothing" else whole.answered
        claim = Operation(("claim",), "claimed", whole.called, entered)
        self.histories[run_id] += [claim, Operation(("ask",), answered, left, whole.returned)]


def _state(detail: RunDetail) -> tuple[str, int]:
    """Return the state of the step in the terms of `decided`."""
    status: str = detail.steps[0].status
    if status == "waiting_for_approval":
        status = detail.approvals[-1].status
    return str(status), len(detail.approvals)


@when(
    parsers.re(
        r"(?P<count>\d+) callers decide on, resume and claim (?P<runs>one run|\d+ runs) "
        r"at once, (?P<turns>\d+) times each"
    ),
    target_fixture="told",
)
def _callers_decide_on_resume_and_claim_at_once(
    world: World, scoria_seed: int, count: str, runs: str, turns: str
) -> Told:
    started = [_waiting(world) for _ in range(_runs(runs))]

    def work(_: RunStore, number: int, barrier: Barrier) -> Histories:
        chance = _chance(scoria_seed, number)
        person = Person(world.scoria, chance, rejects=len(started) > 1)
        for _turn in range(int(turns)):
            barrier.wait()
            person.turn(chance.choice(started))
        return dict(person.histories)

    return Told(_joined(threads(world, int(count), work)), QUEUED, decided)


def _waiting(world: World) -> str:
    """Start a run whose step waits to be claimed."""
    step = StepSpec(kind=KIND, role_id="executor")
    return world.scoria.start_run(
        world.identity(), root_role_id="executor", initial_step=step
    ).run_id


@then("one order of the calls on each run explains all that they were told")
def _one_order_of_the_calls_on_each_run_explains(told: Told) -> None:
    assert told.histories
    for run_id, history in told.histories.items():
        found = explained(history, told.start, told.alone)
        assert found.holds, f"run {run_id}: no order explains what callers were told: {found}"
