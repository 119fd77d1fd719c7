"""Steps in which several callers, threads or processes, have one store at once."""

from collections import Counter
from typing import Any

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.concurrency import Barrier, Work, processes, threads
from scoria_conformance.stored_runs import NOON, StoredRuns, numbered, record
from scoria_conformance.world import TENANT
from scoria_core import ScoriaError
from scoria_core.ports import Capability, Record, RunKey, RunStore

SHARED = numbered(1)
"""The run that all callers append to."""

Outcomes = list[list[str]]
"""What became of each append, by caller and by turn."""


def _crew(stored: StoredRuns, kind: str, count: int, work: Work) -> list[Any]:
    if kind == "callers":
        return threads(stored.world, count, work)
    stored.need(Capability.MULTI_PROCESS)
    return processes(stored.world, count, work)


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
def _step(stored: StoredRuns, count: str, kind: str, size: str, turns: str) -> Outcomes:
    race = Race(int(size), int(turns))
    outcomes: Outcomes = _crew(stored, kind, int(count), race.work)
    for turn in range(race.turns):
        won = [number for number, said in enumerate(outcomes) if said[turn] == "appended"]
        for number in won:
            stored.journals[SHARED] += race.records(number, turn)
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
        named = RunKey(numbered(number + 1), tenant_id, "session-1", key)
        barrier.wait()
        return store.create(named, [record(1)], due_at=NOON)

    return _crew(stored, kind, int(count), create)


@then("all of them got one run, and no other is stored")
def _all_of_them_got_one_run_and_no_other_is_stored(stored: StoredRuns, owners: list[str]) -> None:
    owner = owners[0]
    assert set(owners) == {owner}
    asked = [numbered(each + 1) for each in range(len(owners))]
    assert [each for each in asked if stored.world.store.read(each)] == [owner]
    assert stored.listed() == stored.due_at(0) == [owner]


@when(parsers.re(rf"(?P<count>\d+) {KIND} take turns to create and append"), target_fixture="seen")
def _step_3(stored: StoredRuns, count: str, kind: str) -> list[list[Any]]:
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

    return _crew(stored, kind, callers, work)


def _take_turn(store: RunStore, turn: int) -> None:
    store.create(RunKey(numbered(turn + 2), TENANT, "session-1"), [record(1)], due_at=NOON)
    store.append(SHARED, [record(turn + 3)], expected_version=turn + 2, due_at=None)


def _seen(store: RunStore) -> tuple[int, int, int]:
    """Return how many records, runs and due runs a caller sees."""
    runs = store.list_runs(tenant_id=TENANT, session_id="session-1", limit=100, before=None)
    due = store.list_due(tenant_id=TENANT, until=NOON, limit=100)
    return len(store.read(SHARED)), len(runs), len(due)


@then("each of them saw what the ones before it had stored")
def _each_of_them_saw_what_the_ones_before_it_had(seen: list[list[Any]]) -> None:
    expected = [(2 + turn, 1 + turn, turn) for turn in range(len(seen) + 1)]
    for each in seen:
        assert each == expected
