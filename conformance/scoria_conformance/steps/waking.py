"""Steps in which a store wakes a caller that waits for work."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import cast

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.concurrency import begin_process, heard
from scoria_conformance.stored_runs import (
    NOON,
    StoredRuns,
    index_row,
    numbered,
    record,
    run_key,
)
from scoria_conformance.world import OTHER_TENANT, PATIENCE, TENANT, World
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, RunStore, WakingStore

DUE = index_row(due_at=NOON)


@attrs.define
class Watch:
    """A caller that watches for due runs: the runs it was given, and those it should get."""

    answers: Generator[Sequence[str], None, None]
    pause: float
    told: list[str] = attrs.field(factory=list)
    expected: list[str] = attrs.field(factory=list)
    error: Exception | None = None
    took: float = 0.0

    def ask(self) -> None:
        """Wait until the caller got all expected runs, or until a pause passed without any."""
        began = time.monotonic()
        while not set(self.expected) <= set(self.told):
            if not (due := next(self.answers)):
                break
            self.told += due
        self.took = time.monotonic() - began


@given(
    parsers.re(r"a caller who watches the runs of a tenant for (?P<pause>\d+) seconds? at a time"),
    target_fixture="watch",
)
def _a_caller_who_watches(stored: StoredRuns, pause: str) -> Generator[Watch, None, None]:
    stored.need(Capability.WAKING)
    store = cast(WakingStore, stored.world.store)
    with closing(store.watch_due(tenant_id=TENANT, pause=float(pause))) as answers:
        assert not next(answers), "the first answer of a watch is empty"
        yield Watch(answers, float(pause))


@when("writes make runs due, while others are refused, of another tenant or due later")
def _writes_make_runs_due(stored: StoredRuns, watch: Watch) -> None:
    store, later = stored.world.store, datetime.now(UTC) + timedelta(hours=1)
    idle = stored.create([record(1)], row=index_row())
    taken = stored.create([record(1)], row=index_row())
    stored.create([record(1)], row=DUE, tenant_id=OTHER_TENANT)
    stored.create([record(1)], row=index_row(due_at=later))
    with pytest.raises(VersionConflict):
        store.append(idle, [record(9)], expected_version=8, row=DUE)
    with pytest.raises(VersionConflict):
        store.create(run_key(idle), [record(1)], row=DUE)
    stored.append(taken, 1, row=index_row(due_at=later))
    named = run_key(numbered(90), idempotency_key="once")
    store.create(named, [record(1)], row=index_row())
    store.create(run_key(numbered(91), idempotency_key="once"), [record(1)], row=DUE)
    watch.expected = [
        stored.create([record(1)], row=DUE),
        stored.create([record(1)], row=index_row(due_at=datetime.now(UTC))),
    ]
    stored.append(idle, 2, row=DUE)
    watch.expected.append(idle)


@then("the caller is told of those alone that are due")
def _the_caller_is_told_of_those_alone(watch: Watch) -> None:
    watch.ask()
    assert sorted(watch.told) == sorted(watch.expected)


@when("another caller makes a run due")
def _another_caller_makes_a_run_due(stored: StoredRuns, watch: Watch) -> None:
    run_id = stored.create([record(1)], row=index_row())
    watch.expected = [run_id]
    _while_it_waits(watch.ask, lambda: stored.append(run_id, 1, row=DUE))


@when(
    "a run becomes due twice while callers wait for its tenant, for another and for all",
    target_fixture="told_each_time",
)
def _a_run_becomes_due_twice(stored: StoredRuns) -> list[tuple[list[str], float]]:
    stored.need(Capability.WAKING)
    store = cast(WakingStore, stored.world.store)
    run_id = stored.create([record(1)], row=index_row())
    told: list[tuple[list[str], float]] = []
    with ExitStack() as opened:

        def watch(tenant_id: str | None, pause: float) -> Watch:
            answers = opened.enter_context(
                closing(store.watch_due(tenant_id=tenant_id, pause=pause))
            )
            assert not next(answers), "the first answer of a watch is empty"
            return Watch(answers, pause, expected=[run_id])

        # It is told of nothing, so its pause is how long the scenario takes.
        apart = watch(OTHER_TENANT, 2)
        watches = [watch(each, 5) for each in (TENANT, TENANT, None)]
        waiting = _begun(apart.ask)  # it waits first: a store that wakes one would wake this one
        for version in (1, 3):
            found = [_begun(each.ask) for each in watches]
            stored.append(run_id, version, row=DUE)
            _ended(found)
            stored.append(run_id, version + 1, row=index_row())
            for each in watches:
                told.append((each.told, each.took))
                each.told = []
        _ended([waiting])
        assert apart.told == [], "a caller was told of a run of another tenant"
    return told


@then("each time all whom it concerns are told of it at once")
def _each_time_all_are_told(told_each_time: list[tuple[list[str], float]]) -> None:
    first, _ = told_each_time[0]
    assert [told for told, _ in told_each_time] == [first] * 6
    assert len(first) == 1
    assert max(took for _, took in told_each_time) < 5, "a caller had to wait for its pause's end"


@when("another process makes a run due")
def _another_process_makes_a_run_due(world: World, stored: StoredRuns, watch: Watch) -> None:
    stored.need(Capability.MULTI_PROCESS)
    watch.expected = [numbered(1)]

    def work(store: RunStore, says: Connection) -> None:
        store.create(run_key(numbered(1)), [record(1)], row=DUE)
        says.send("stored")

    process, hears = begin_process(world, work)
    watch.ask()
    assert heard(hears) == "stored"
    process.join(PATIENCE)


@then("the caller who waits is told of it at once")
def _the_caller_who_waits_is_told(watch: Watch) -> None:
    assert watch.told == watch.expected
    assert watch.took < watch.pause, "the caller had to wait until its pause was over"


@when("the store is closed under that caller")
def _the_store_is_closed_under_that_caller(world: World, watch: Watch) -> None:
    def wait() -> None:
        try:
            for _ in watch.answers:
                pass
        except Exception as error:  # noqa: BLE001 - the scenario looks at it
            watch.error = error

    _while_it_waits(wait, world.close)


@then("the wait has ended with StoreUnavailable")
def _the_wait_has_ended(watch: Watch) -> None:
    assert isinstance(watch.error, StoreUnavailable)


def _while_it_waits(wait: Callable[[], None], act: Callable[[], None]) -> None:
    """Act while a caller waits in a thread, and check that its wait ends."""
    thread = _begun(wait)
    act()
    _ended([thread])


def _begun(wait: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def _ended(threads: Sequence[threading.Thread]) -> None:
    for each in threads:
        each.join(PATIENCE)
        assert not each.is_alive(), "the caller waits on"
