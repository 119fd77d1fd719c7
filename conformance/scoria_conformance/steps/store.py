"""Steps that call a store directly, through the port in `scoria_core.ports`."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.observed import Observed
from scoria_conformance.steps.refusals import check_refusal
from scoria_conformance.stored_runs import (
    NOON,
    StoredRuns,
    index_row,
    numbered,
    record,
    run_key,
)
from scoria_conformance.world import OTHER_TENANT, PATIENCE, World
from scoria_core.ports import Capability, PrunableStore, Record


@pytest.fixture
def stored(world: World) -> StoredRuns:
    """Return the record of the runs that a scenario puts into the store: empty at first."""
    return StoredRuns(world)


@given(parsers.parse("a run created with {count:d} records"))
@when(parsers.parse("a run is created with {count:d} records"))
def _a_run_created_with_records(stored: StoredRuns, count: int) -> None:
    stored.create([record(number) for number in range(1, count + 1)])


@when(parsers.parse("{count:d} records are appended to it one by one"))
def _records_are_appended_to_it_one_by_one(stored: StoredRuns, count: int) -> None:
    (run_id,) = stored.journals
    for _ in range(count):
        stored.append(run_id, 1)


@when("it is created again")
def _it_is_created_again(stored: StoredRuns) -> None:
    (run_id,) = stored.journals
    key = run_key(run_id, tenant_id=OTHER_TENANT, session_id="session-2")
    row = index_row(status="other", labels=("other",))
    stored.attempt(lambda: stored.world.store.create(key, [record(1, "other")], row=row))


@then("its records read back equal")
def _its_records_read_back_equal(stored: StoredRuns) -> None:
    for run_id, records in stored.journals.items():
        assert list(stored.world.records_of(run_id)) == records


@then("its run_id is returned")
def _its_run_id_is_returned(stored: StoredRuns) -> None:
    assert [stored.owner] == list(stored.journals)


@then("it is listed")
def _it_is_listed(stored: StoredRuns) -> None:
    assert stored.listed() == list(stored.journals)


@when("the store is closed and opened anew")
def _the_store_is_closed_and_opened_anew(stored: StoredRuns) -> None:
    stored.need(Capability.DURABLE)
    stored.world.close()
    stored.world.open()


@when(
    parsers.parse("{count:d} callers create runs until the store is closed"),
    target_fixture="ended",
)
def _callers_create_runs_until_the_store_is_closed(
    stored: StoredRuns, count: int
) -> list[BaseException]:
    begun, ended = threading.Barrier(count + 1), list[BaseException]()

    def create(caller: int) -> None:
        try:
            for number in range(100_000):
                run_id = numbered(caller * 100_000 + number)
                key = run_key(run_id, tenant_id=OTHER_TENANT, session_id="session-2")
                stored.world.store.create(key, [record(1)], row=index_row())
                stored.journals[run_id] = [record(1)]
                # The store is closed once each caller has stored two runs.
                if number == 1:
                    begun.wait(60)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the scenario must hear of it
            ended.append(error)

    callers = [threading.Thread(target=create, args=(each,), daemon=True) for each in range(count)]
    for caller in callers:
        caller.start()
    begun.wait(60)
    stored.world.close()
    for caller in callers:
        caller.join(60)
    assert len(ended) == count
    return ended


class Lingering(list[Record]):
    """Records that a caller is slow to hand over: iterating them waits for the event `go_on`."""

    def __init__(self, records: Iterable[Record]) -> None:
        super().__init__(records)
        self.asked, self.go_on = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Record]:
        """Yield the records once `go_on` is set."""
        self.asked.set()
        self.go_on.wait(PATIENCE)
        return super().__iter__()


@when(
    "the store is closed while it takes the records of a caller, who then goes on",
    target_fixture="told",
)
def _the_store_is_closed_while_it_takes_the_records(stored: StoredRuns) -> list[BaseException]:
    stored.create([record(1)])
    (run_id,), told = stored.journals, list[BaseException]()
    records = Lingering([record(2)])
    store = stored.world.store
    tested = store.store if isinstance(store, Observed) else store

    def append() -> None:
        try:
            tested.append(run_id, records, expected_version=1, row=index_row())
            stored.journals[run_id] += [record(2)]
        except BaseException as error:  # noqa: BLE001 - whatever it is, the scenario must hear of it
            told.append(error)
        # Set it also if the store never iterated over the records.
        records.asked.set()

    caller = threading.Thread(target=append, daemon=True)
    closer = threading.Thread(target=stored.world.close, daemon=True)
    caller.start()
    records.asked.wait(PATIENCE)
    closer.start()
    # It may wait for the caller, as it should: then the records are handed over below.
    closer.join(CLOSING)
    records.go_on.set()
    for each in (caller, closer):
        each.join(PATIENCE)
        assert not each.is_alive(), "the call, or the closing, does not come to an end"
    return told


CLOSING = 0.3
"""How many seconds the closing may take before the call under way goes on."""


@then("the caller was told that its records are stored")
def _the_caller_was_told_that_its_records(told: list[BaseException]) -> None:
    assert not told, f"a call that was under way was told {told[0]!r}"


@then(parsers.parse('each of them was refused with "{error}"'))
def _each_of_them_was_refused(ended: list[BaseException], error: str) -> None:
    assert {type(each).__name__ for each in ended} == {error}


@then("when the store is opened anew it has every run that was acknowledged, and no other")
def _when_the_store_is_opened_anew_it_has_every_run(stored: StoredRuns) -> None:
    stored.world.open()
    assert stored.listed(limit=1_000_000) == sorted(stored.journals, reverse=True)


@when("the store is closed, twice")
def _the_store_is_closed_twice(stored: StoredRuns) -> None:
    stored.world.store.close()
    stored.world.store.close()


@then(parsers.parse('every call is refused with "{error}"'))
def _every_call_is_refused(stored: StoredRuns, error: str) -> None:
    store, (run_id,) = stored.world.store, stored.journals
    calls: list[Callable[[], object]] = [
        lambda: stored.create([record(1)]),
        lambda: store.append(run_id, [record(3)], expected_version=2, row=index_row()),
        lambda: store.read([run_id]),
        lambda: store.list_runs(tenant_id=None, limit=1),
        lambda: store.list_labelled(tenant_id=None, label=None, limit=1),
        lambda: store.list_due(tenant_id=None, until=NOON, limit=1),
        lambda: store.count_runs(tenant_id=None, statuses=["running"], limit=1),
    ]
    if Capability.PRUNABLE in store.capabilities:
        calls.append(lambda: cast(PrunableStore, store).prune({run_id: 2}))
    for call in calls:
        stored.attempt(call)
        check_refusal(stored.world, error)
