"""Steps in which several callers use one store at once, in threads or in processes."""

from collections import Counter
from typing import Any

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.concurrency import Barrier, Work, processes, threads
from scoria_conformance.stored_runs import (
    NOON,
    StoredRuns,
    after,
    index_row,
    numbered,
    record,
    run_ids,
    run_key,
)
from scoria_conformance.world import TENANT
from scoria_core import ScoriaError
from scoria_core.ports import Capability, IndexRow, Record, RunStore

SHARED = numbered(1)
"""The run that all callers append to."""

Outcomes = list[list[str]]
"""The outcome of each append, by caller and by turn."""


def _crew(stored: StoredRuns, kind: str, count: int, work: Work) -> list[Any]:
    if kind == "callers":
        return threads(stored.world, count, work)
    stored.need(Capability.MULTI_PROCESS)
    return processes(stored.world, count, work)


KIND = "(?P<kind>callers|processes)"


@attrs.frozen
class Race:
    """Concurrent appends of several records at the same version, turn by turn."""

    size: int
    turns: int

    def records(self, number: int, turn: int) -> list[Record]:
        """Return the records that a caller appends in a turn."""
        version = 2 + turn * self.size
        return [record(version + each, f"by {number}") for each in range(1, self.size + 1)]

    def row(self, number: int, turn: int) -> IndexRow:
        """Return the index row that a caller writes in a turn."""
        return index_row(since=after(turn), labels=(f"by {number}", f"in {turn}"))

    def work(self, store: RunStore, number: int, barrier: Barrier) -> list[str]:
        """Append once in each turn, at the same time as the others."""
        return [self._append(store, number, turn, barrier) for turn in range(self.turns)]

    def _append(self, store: RunStore, number: int, turn: int, barrier: Barrier) -> str:
        version = 2 + turn * self.size
        barrier.wait()
        try:
            new = self.records(number, turn)
            store.append(SHARED, new, expected_version=version, row=self.row(number, turn))
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
def _step(stored: StoredRuns, count: str, kind: str, size: str, turns: str) -> Outcomes:
    race = Race(int(size), int(turns))
    outcomes: Outcomes = _crew(stored, kind, int(count), race.work)
    for turn in range(race.turns):
        won = [number for number, said in enumerate(outcomes) if said[turn] == "appended"]
        for number in won:
            stored.journals[SHARED] += race.records(number, turn)
            stored.stands(SHARED, race.row(number, turn))
    return outcomes


@then(parsers.parse('each time one succeeded and the others were refused with "{error:w}"'))
def _each_time_one_succeeded_and_the_others_were(outcomes: Outcomes, error: str) -> None:
    for turn in zip(*outcomes, strict=True):
        assert Counter(turn) == {"appended": 1, error: len(turn) - 1}


@when(
    parsers.re(
        rf'(?P<count>\d+) {KIND} create a run of "(?P<tenant_id>[^"]+)" with the key '
        r'"(?P<key>[^"]+)" at once'
    ),
    target_fixture="owners",
)
def _step_2(stored: StoredRuns, count: str, kind: str, tenant_id: str, key: str) -> list[str]:
    def create(store: RunStore, number: int, barrier: Barrier) -> str:
        run_id = numbered(number + 1)
        named = run_key(run_id, tenant_id=tenant_id, idempotency_key=key)
        barrier.wait()
        return store.create(named, [record(1)], row=index_row(NOON, labels=(run_id,)))

    return _crew(stored, kind, int(count), create)


@then("all of them got one run, and no other is stored")
def _all_of_them_got_one_run_and_no_other_is_stored(stored: StoredRuns, owners: list[str]) -> None:
    owner = owners[0]
    assert set(owners) == {owner}
    asked = [numbered(each + 1) for each in range(len(owners))]
    assert run_ids(stored.world.store.read(asked)) == [owner]
    assert stored.listed() == stored.labelled() == stored.due_at(0) == [owner]


@when(parsers.re(rf"(?P<count>\d+) {KIND} take turns to create and append"), target_fixture="seen")
def _step_3(stored: StoredRuns, count: str, kind: str) -> list[list[Any]]:
    callers = int(count)

    def work(store: RunStore, number: int, barrier: Barrier) -> list[Any]:
        seen = [_seen(store, callers)]
        for turn in range(callers):
            barrier.wait()
            if turn == number:
                _take_turn(store, turn)
            barrier.wait()
            seen.append(_seen(store, callers))
        return seen

    return _crew(stored, kind, callers, work)


def _take_turn(store: RunStore, turn: int) -> None:
    row = index_row(NOON, status=f"turn {turn}", labels=("new",))
    store.create(run_key(numbered(turn + 2)), [record(1)], row=row)
    at = index_row(status=f"turn {turn}")
    store.append(SHARED, [record(turn + 3)], expected_version=turn + 2, row=at)


def _seen(store: RunStore, turns: int) -> list[int]:
    """Return how many records, runs, labelled runs, due runs and runs of a turn a caller sees."""
    (shared,) = store.read([SHARED])
    due = store.list_due(tenant_id=TENANT, until=NOON, limit=100)
    statuses = [f"turn {turn}" for turn in range(turns)]
    counts = store.count_runs(tenant_id=TENANT, statuses=statuses, limit=100)
    return [
        len(shared.records),
        len(store.list_runs(tenant_id=TENANT, limit=100)),
        len(store.list_labelled(tenant_id=TENANT, label="new", limit=100)),
        len(due),
        *counts.values(),
    ]


@then("each of them saw what the ones before it had stored")
def _each_of_them_saw_what_the_ones_before_it_had(seen: list[list[Any]]) -> None:
    # The shared run has the status of the latest turn, the run of each turn the status of its own.
    turns = len(seen)
    expected = [
        [2 + turn, 1 + turn, turn, turn]
        + [(each < turn) + (each == turn - 1) for each in range(turns)]
        for turn in range(turns + 1)
    ]
    for each in seen:
        assert each == expected
