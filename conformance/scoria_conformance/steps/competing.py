"""Steps in which several callers, threads or processes, have one store at once."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.crews import Barrier, Work, begin_process, heard, processes, threads
from scoria_conformance.shelf import NOON, Shelf, numbered, record
from scoria_conformance.world import PATIENCE, TENANT
from scoria_core import ScoriaError
from scoria_core.ports import Capability, Record, RunKey, RunStore

SHARED = numbered(1)
"""The run that all callers append to."""

Outcomes = list[list[str]]
"""What became of each append, by caller and by turn."""


def _crew(shelf: Shelf, kind: str, count: int, work: Work) -> list[Any]:
    if kind == "callers":
        return threads(shelf.world, count, work)
    shelf.need(Capability.MULTI_PROCESS)
    return processes(shelf.world, count, work)


KIND = "(?P<kind>callers|processes)"


@attrs.frozen
class Race:
    """Appends of several records at one version at once, turn by turn."""

    size: int
    turns: int

    def records(self, number: int, turn: int) -> list[Record]:
        """Return what a caller appends in a turn."""
        version = 2 + turn * self.size
        return [record(version + each, f"by {number}") for each in range(1, self.size + 1)]

    def work(self, store: RunStore, number: int, barrier: Barrier) -> list[str]:
        """Append in each turn, when all are about to."""
        return [self._append(store, number, turn, barrier) for turn in range(self.turns)]

    def _append(self, store: RunStore, number: int, turn: int, barrier: Barrier) -> str:
        version = 2 + turn * self.size
        barrier.wait()
        try:
            new = self.records(number, turn)
            store.append(SHARED, new, expected_version=version, due_at=None)
        except ScoriaError as error:
            return type(error).__name__
        return "appended"


@when(
    parsers.re(
        rf"(?P<count>\d+) {KIND} append (?P<size>\d+) records each at its version at once, "
        r"(?P<turns>\d+) times"
    ),
    target_fixture="outcomes",
)
def _(shelf: Shelf, count: str, kind: str, size: str, turns: str) -> Outcomes:
    race = Race(int(size), int(turns))
    outcomes: Outcomes = _crew(shelf, kind, int(count), race.work)
    for turn in range(race.turns):
        won = [number for number, said in enumerate(outcomes) if said[turn] == "appended"]
        for number in won:
            shelf.kept[SHARED] += race.records(number, turn)
    return outcomes


@then(parsers.parse('each time one succeeded and the others were refused with "{error:w}"'))
def _(outcomes: Outcomes, error: str) -> None:
    for turn in zip(*outcomes, strict=True):
        assert Counter(turn) == {"appended": 1, error: len(turn) - 1}


@when(
    parsers.re(
        rf'(?P<count>\d+) {KIND} create a run of "(?P<tenant_id>[^"]+)" with the key '
        r'"(?P<key>[^"]+)" at once'
    ),
    target_fixture="owners",
)
def _(shelf: Shelf, count: str, kind: str, tenant_id: str, key: str) -> list[str]:
    def create(store: RunStore, number: int, barrier: Barrier) -> str:
        named = RunKey(numbered(number + 1), tenant_id, "session-1", key)
        barrier.wait()
        return store.create(named, [record(1)], due_at=NOON)

    return _crew(shelf, kind, int(count), create)


@then("all of them got one run, and no other is stored")
def _(shelf: Shelf, owners: list[str]) -> None:
    owner = owners[0]
    assert set(owners) == {owner}
    stored = [numbered(each + 1) for each in range(len(owners))]
    assert [each for each in stored if shelf.world.store.read(each)] == [owner]
    assert shelf.listed() == shelf.due_at(0) == [owner]


@when(parsers.re(rf"(?P<count>\d+) {KIND} take turns to create and append"), target_fixture="seen")
def _(shelf: Shelf, count: str, kind: str) -> list[list[Any]]:
    callers = int(count)

    def work(store: RunStore, number: int, barrier: Barrier) -> list[Any]:
        seen = [_seen(store)]
        for turn in range(callers):
            barrier.wait()
            if turn == number:
                _take_turn(store, turn)
            barrier.wait()
            seen.append(_seen(store))
        return seen

    return _crew(shelf, kind, callers, work)


def _take_turn(store: RunStore, turn: int) -> None:
    store.create(RunKey(numbered(turn + 2), TENANT, "session-1"), [record(1)], due_at=NOON)
    store.append(SHARED, [record(turn + 3)], expected_version=turn + 2, due_at=None)


def _seen(store: RunStore) -> tuple[int, int, int]:
    """Return how many records, runs and due runs a caller sees."""
    runs = store.list_runs(tenant_id=TENANT, session_id="session-1", limit=100, before=None)
    due = store.list_due(tenant_id=TENANT, until=NOON, limit=100)
    return len(store.read(SHARED)), len(runs), len(due)


@then("each of them saw what the ones before it had stored")
def _(seen: list[list[Any]]) -> None:
    expected = [(2 + turn, 1 + turn, turn) for turn in range(len(seen) + 1)]
    for each in seen:
        assert each == expected


class Unhurried(list[Record]):
    """Records that take their time, so that who stores one after the other is seen doing so."""

    def __iter__(self) -> Iterator[Record]:
        for each in super().__iter__():
            yield each
            time.sleep(1e-4)


@when(
    parsers.parse("others read it while {size:d} records at a time are appended to it"),
    target_fixture="read",
)
def _(shelf: Shelf, size: int) -> list[set[int]]:
    appends = 10
    last = 2 + appends * size

    def work(store: RunStore, number: int, barrier: Barrier) -> set[int]:
        barrier.wait()
        if number == 0:
            for version in range(2, last, size):
                new = Unhurried(record(version + each) for each in range(1, size + 1))
                store.append(SHARED, new, expected_version=version, due_at=None)
        return _read_until(store, last)

    return threads(shelf.world, 4, work)


def _read_until(store: RunStore, last: int) -> set[int]:
    """Read until the run has `last` records; return after how many of them it was read."""
    read: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while last not in read and time.monotonic() < deadline:
        read.add(len(store.read(SHARED)))
    return read


@then("each of them saw all of the records of an append or none")
def _(read: list[set[int]]) -> None:
    assert {(count - 2) % 40 for each in read for count in each} == {0}


@when(
    parsers.parse("a process that appends {size:d} records at a time is killed"),
    target_fixture="acknowledged",
)
def _(shelf: Shelf, size: int) -> int:
    shelf.need(Capability.DURABLE)

    def work(store: RunStore, says: Connection) -> None:
        key = RunKey(SHARED, TENANT, "session-1", "order-7")
        store.create(key, _batch(0, size), due_at=NOON)
        for version in range(size, 3_000 * size, size):
            says.send(version)
            store.append(SHARED, _batch(version, size), expected_version=version, due_at=NOON)

    shelf.world.close()
    process, hears = begin_process(shelf.world, work)
    said = [int(heard(hears)) for _ in range(20)]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    return max([*said, *_rest(hears)])


def _batch(version: int, size: int) -> list[Record]:
    return [record(version + each, f"append at {version}") for each in range(1, size + 1)]


def _rest(hears: Connection) -> Iterator[int]:
    """Yield what a process that has ended had said still."""
    while True:
        try:
            yield int(hears.recv())
        except EOFError:
            return


@when("the store is opened again")
def _(shelf: Shelf) -> None:
    shelf.world.open()


@then("it holds all that was acknowledged, and no part of an append")
def _(shelf: Shelf, acknowledged: int) -> None:
    found = list(shelf.world.store.read(SHARED))
    assert len(found) in (acknowledged, acknowledged + 3)
    whole = [each for version in range(0, len(found), 3) for each in _batch(version, 3)]
    assert found == whole
    assert shelf.listed(TENANT, "session-1") == shelf.due_at(0) == [SHARED]
    again = RunKey(numbered(2), TENANT, "session-1", "order-7")
    owner = shelf.world.store.create(again, [record(1)], due_at=None)
    assert owner == SHARED
