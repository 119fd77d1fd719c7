"""A process that drives a run to its end, and is killed at one of its writes."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

import attrs

from scoria_conformance.answers import hands_off
from scoria_conformance.concurrency import Barrier, Broke, begin_process, forking
from scoria_conformance.world import KIND, PATIENCE, World, asks, completed
from scoria_core import HandOff, NeedsApproval, RunSummary, Scoria, Step, StepSpec
from scoria_core.ports import IndexRow, Record, RunKey, RunStore

DELEGATED = "review-by-hand"


class Moment(StrEnum):
    """When a process is killed, relative to one of its writes."""

    BEFORE = "before"
    WITHIN = "within"
    """While the store takes the records: it has been given some, and not the rest."""
    AFTER = "after"


@attrs.frozen
class Death:
    """At which write a process is killed, counted from 1, and when."""

    moment: Moment
    write: int


@attrs.frozen
class Write:
    """What one call asked the store to keep."""

    run_id: str
    records: tuple[Record, ...]
    row: IndexRow


@attrs.frozen
class Fate:
    """How a process ended: the writes that were acknowledged, and the one at which it died."""

    idempotency_key: str
    acknowledged: tuple[Write, ...]
    unknown: Write | None
    exit_code: int | None
    error: str = ""
    """The error that it raised, if it failed by itself."""

    @property
    def was_killed(self) -> bool:
        """Tell whether it was killed, and did not exit by itself."""
        return self.exit_code == -signal.SIGKILL

    def may_hold(self) -> list[tuple[Write, ...]]:
        """Return the writes that the store may hold: the one at which it died is optional."""
        known = self.acknowledged
        return [known] if self.unknown is None else [known, (*known, self.unknown)]

    @property
    def run_ids(self) -> set[str]:
        """The runs that the store may hold."""
        return {write.run_id for write in self.may_hold()[-1]}


class LastWord(Record):
    """A record that kills its process when the store reads a field of it."""

    def __getattribute__(self, name: str) -> Any:
        if name == "body":
            _die()
        return super().__getattribute__(name)


@attrs.define
class Doomed:
    """A store that kills its process at one write, and reports each acknowledged one."""

    store: RunStore
    death: Death | None
    says: Connection
    writes: int = 0

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, unless the process is dead by then."""
        write = Write(key.run_id, tuple(records), row)
        stored = self._write(write, lambda given: self.store.create(key, given, row=row))
        return str(stored)

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append the records, unless the process is dead by then."""

        def append(given: Sequence[Record]) -> None:
            self.store.append(
                run_id, given, expected_version=expected_version, row=row, due_by=due_by
            )

        self._write(Write(run_id, tuple(records), row), append)

    def _write(self, write: Write, call: Callable[[Sequence[Record]], Any]) -> Any:
        self.writes += 1
        moment = self._moment()
        if moment == Moment.BEFORE:
            _die()
        self.says.send(write)
        answer = call(_deadly(write.records) if moment == Moment.WITHIN else write.records)
        self.says.send(ACKNOWLEDGED)
        if moment is not None:
            _die()
        return answer

    def _moment(self) -> Moment | None:
        """Return when the process dies, if this is the write."""
        if self.death is None or self.death.write != self.writes:
            return None
        return self.death.moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


ACKNOWLEDGED = "acknowledged"
"""The message of a process after a write that it announced has returned."""


def _deadly(records: Sequence[Record]) -> list[Record]:
    """Return the records, with one in the middle that kills the process."""
    middle = len(records) // 2
    last = LastWord(records[middle].sequence, records[middle].digest, "")
    return [*records[:middle], last, *records[middle + 1 :]]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fates(world: World, deaths: Sequence[Death | None], turn: str) -> list[Fate]:
    """Run processes, each of which drives a run until it is killed; return their fates.

    `turn` distinguishes these runs from those of other turns. The store is closed meanwhile.
    """
    barrier = forking().Barrier(len(deaths), timeout=PATIENCE)
    world.close()
    begun = [
        begin_process(world, _life(world, death, f"{turn}-{number}", barrier))
        for number, death in enumerate(deaths)
    ]
    ended = [_fate(f"{turn}-{number}", *each) for number, each in enumerate(begun)]
    world.open()
    return ended


def _life(
    world: World, death: Death | None, key: str, barrier: Barrier
) -> Callable[[RunStore, Connection], None]:
    def live(store: RunStore, says: Connection) -> None:
        barrier.wait()
        doomed = Doomed(store, death, says)
        carry_through(world, Scoria(doomed, clock=world.clock), key)

    return live


def _fate(key: str, process: ForkProcess, hears: Connection) -> Fate:
    acknowledged: list[Write] = []
    told: Write | None = None
    error = ""
    for said in _said(hears):
        if isinstance(said, Broke):
            error = said.error
        elif said == ACKNOWLEDGED and told is not None:
            acknowledged.append(told)
            told = None
        else:
            told = said
    process.join(PATIENCE)
    return Fate(key, tuple(acknowledged), told, process.exitcode, error)


def _said(hears: Connection) -> Iterator[Any]:
    """Yield the messages of a process until it has ended."""
    while hears.poll(PATIENCE):
        try:
            yield hears.recv()
        except EOFError:
            return
    raise AssertionError("a process neither says anything nor ends")


def carry_through(world: World, scoria: Scoria, key: str) -> RunSummary:
    """Start the run that `key` names, or continue it as a host would, until it has ended.

    A run whose process died while its handler was running is cancelled.
    """
    run = scoria.start_run(
        world.identity(),
        root_role_id="planner",
        initial_step=StepSpec(KIND, "planner", {"n": 1}),
        handlers={KIND: _asks_then_hands_off},
        idempotency_key=key,
    )
    for _ in range(MOST_CALLS):
        if run.status not in ("running", "waiting_for_approval"):
            return run
        run = _go_on(scoria, run)
    raise AssertionError(f"a run is still {run.status} after {MOST_CALLS} calls")


MOST_CALLS = 20
"""How many calls a run may take to its end; it takes four."""


def _asks_then_hands_off(step: Step, run: RunSummary) -> NeedsApproval | HandOff:
    asked = asks()(step, run)
    if isinstance(asked, NeedsApproval):
        return asked
    handed_off = hands_off(delegated_kind=DELEGATED)(step, run)
    assert isinstance(handed_off, HandOff)
    return handed_off


def _go_on(scoria: Scoria, run: RunSummary) -> RunSummary:
    handlers = {KIND: _asks_then_hands_off}
    if run.pending_approval is not None:
        approval_id = run.pending_approval.approval_id
        return scoria.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
    if run.status == "waiting_for_approval":
        return scoria.resume_run(run.run_id, handlers=handlers)
    worked = scoria.run_pending(run.run_id, handlers={**handlers, DELEGATED: completed})
    return worked[0] if worked else scoria.cancel_run(run.run_id)
