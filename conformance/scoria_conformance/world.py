"""The state of one scenario: the facade under test, the calls that were made, and their results."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from scoria_conformance.facades import let_go
from scoria_conformance.observed import Ledger, Observed, observed_by
from scoria_core import (
    Completed,
    Identity,
    JournalEntry,
    NeedsApproval,
    RunDetail,
    RunSummary,
    Scoria,
    ScoriaError,
    Step,
)
from scoria_core.ports import IndexRow, Record, RunKey, RunStore, StoredRun, checked_port
from scoria_core.testing import SettableClock

StoreFactory = Callable[[Path], RunStore]
"""Opens a store in a directory; called again with the same directory it reopens its data."""

TENANT = "tenant-1"
OTHER_TENANT = "tenant-2"
KIND = "work"
ARGUMENTS = {"recipient": "customer-42", "amount": 1250, "lines": ["a", "b"]}

PATIENCE = 10
"""How many seconds callers wait for each other."""

MOST_CALLS = 100
"""How many calls of its handlers a scenario can need; more means that they never end."""

Answer = Callable[[Step, RunSummary], Any]
"""A handler of a scenario, which may also give answers that a `Handler` must not give."""


@attrs.define
class DamagedStore:
    """A store that returns one run otherwise than it was written; the rest is the store's own."""

    store: RunStore
    run_id: str
    change: Callable[[list[Record]], Sequence[Record]] = list

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs, one of them damaged."""
        return self._damaged(self.store.read(run_ids))

    def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
        """Return the runs, one of them damaged."""
        return self._damaged(self.store.list_runs(**asked))

    def list_labelled(self, **asked: Any) -> Sequence[StoredRun]:
        """Return the runs, one of them damaged."""
        return self._damaged(self.store.list_labelled(**asked))

    def _damaged(self, runs: Sequence[StoredRun]) -> Sequence[StoredRun]:
        return [
            attrs.evolve(run, records=tuple(self.change(list(run.records))))
            if run.key.run_id == self.run_id and run.records
            else run
            for run in runs
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@attrs.frozen
class MeetingStore:
    """A store that makes callers wait until all of them have read, before one of them writes."""

    store: RunStore
    barrier: threading.Barrier
    _met: threading.local = attrs.field(factory=threading.local)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs, once all have read."""
        runs = self.store.read(run_ids)
        self._meet()
        return runs

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, once all callers have come that far."""
        self._meet()
        return self.store.create(key, records, row=row)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def _meet(self) -> None:
        if not hasattr(self._met, "already"):
            self._met.already = True
            with suppress(threading.BrokenBarrierError):  # another was refused, and will not come
                self.barrier.wait(PATIENCE)


@attrs.define
class World:
    """One scenario's facade over one store, and what was seen so far."""

    factory: StoreFactory
    directory: Path
    clock: SettableClock = attrs.field(factory=SettableClock)
    calls: list[tuple[Step, RunSummary]] = attrs.field(factory=list)
    run_id: str = ""
    returned: Any = None
    error: ScoriaError | None = None
    before: Any = None
    calls_before: int = 0
    raced: list[RunSummary | ScoriaError] = attrs.field(factory=list)
    answer: Answer = lambda *_: None
    people: int = 1
    make_facade: Callable[..., Scoria] = Scoria
    ledger: Ledger = attrs.field(factory=Ledger)
    store: Observed = attrs.field(init=False)
    scoria: Scoria = attrs.field(init=False)
    _open: Callable[[Path], Observed] = attrs.field(init=False)
    _made: list[Scoria] = attrs.field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.factory = self._open = observed_by(self.ledger, self.factory)
        self.open()

    def open(self) -> None:
        """Open the store, or open it again after `close`."""
        self.store = self._open(self.directory)
        checked_port(self.store.store, RunStore, "store")
        self.scoria = self.facade(self.store, clock=self.clock)

    def close(self) -> None:
        """Close the store."""
        self.scoria.close()
        while self._made:
            let_go(self._made.pop())

    def facade(self, store: Any, **options: Any) -> Scoria:
        """Return a facade of a store, of the kind that is under test."""
        self._made.append(self.make_facade(store, **options))
        return self._made[-1]

    def identity(self, **changes: Any) -> Identity:
        """Return the identity of the scenario's user."""
        ids = {"actor_id": "user-1", "tenant_id": TENANT, "session_id": "session-1"}
        return self.scoria.identity(**{**ids, **changes})

    def handle(self, step: Step, run: RunSummary) -> object:
        """Record the call, then answer as the scenario says."""
        self.calls.append((step, run))
        if len(self.calls) >= MOST_CALLS:
            raise AssertionError("handlers are called without end")
        return self.answer(step, run)

    @property
    def breaks_off(self) -> bool:
        """Tell whether a plain handler runs in this thread, where a signal can interrupt it."""
        return self.make_facade is Scoria

    @property
    def handlers(self) -> dict[str, Answer]:
        """The one handler, for every kind of step that the features use."""
        return {KIND: self.handle, "review": self.handle}

    @property
    def detail(self) -> RunDetail:
        """The run of the scenario, read anew."""
        return self.scoria.get_run_detail(self.run_id)

    def records_of(self, run_id: str) -> tuple[Record, ...]:
        """Return the records of a run as they are stored."""
        return tuple(record for run in self.store.read([run_id]) for record in run.records)

    @property
    def other(self) -> Scoria:
        """The facade as another tenant sees it."""
        return self.scoria.for_tenant(OTHER_TENANT)

    @property
    def another_host(self) -> Scoria:
        """Another host on the same store: what the one under test has in memory does not change."""
        return Scoria(self.store, clock=self.clock)

    def journals(self) -> dict[str, tuple[JournalEntry, ...]]:
        """Return the journals of all runs in the store."""
        host = self.another_host
        runs = host.list_runs_with_damaged(limit=1000)
        return {run.run_id: host.get_run_detail(run.run_id).journal for run in runs}

    def damage(self, change: Callable[[list[Record]], Sequence[Record]]) -> None:
        """From now on, read the run as `change` makes it from what is stored.

        The run is read once before, undamaged, so that the host may have kept it.
        """
        store = DamagedStore(self.store, self.run_id)
        self.scoria = self.facade(store, clock=self.clock)
        self.scoria.list_runs()
        store.change = change

    def attempt(self, call: Callable[[], Any], *, damaged: bool = False) -> None:
        """Make a call that may be refused, and remember what was stored before it."""
        self.before = None if damaged else self.journals()
        self.calls_before, self.error = len(self.calls), None
        try:
            self.returned = call()
        except ScoriaError as error:
            self.error = error

    def race(self, *calls: Callable[[], RunSummary]) -> None:
        """Make calls at once, one thread each, so that none has stored before all have read."""
        meeting = MeetingStore(self.store, threading.Barrier(len(calls)))
        alone, self.scoria = self.scoria, self.facade(meeting, clock=self.clock)

        def run(call: Callable[[], RunSummary]) -> None:
            try:
                self.raced.append(call())
            except ScoriaError as error:
                self.raced.append(error)

        threads = [threading.Thread(target=run, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.scoria = alone


def completed(*_: object) -> Completed:
    """Answer that the step is done."""
    return Completed({"answer": 42})


def asks(**more: Any) -> Answer:
    """Answer with a request for approval, and with completion once it was approved."""

    def answer(step: Step, _: RunSummary) -> Completed | NeedsApproval:
        if step.approval is not None and step.approval.status == "approved":
            return Completed({"sent": dict(step.approval.arguments)})
        return NeedsApproval(
            tool_name="send_refund",
            arguments=ARGUMENTS,
            reason="Refunds over 1,000 need a person",
            **more,
        )

    return answer


def raises(*_: object) -> None:
    """Raise, as a handler with a defect does."""
    raise LookupError("no such customer")
