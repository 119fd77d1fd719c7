"""Steps that speak to a store itself, as the port in `scoria_core.ports` has it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.observed import Observed
from scoria_conformance.shelf import NOON, Shelf, numbered, record
from scoria_conformance.steps.refusing import check_refusal
from scoria_conformance.world import OTHER_TENANT, PATIENCE, World
from scoria_core.ports import Capability, PrunableStore, Record, RunKey


@pytest.fixture
def shelf(world: World) -> Shelf:
    """Return an empty store, and what was put into it: nothing yet."""
    return Shelf(world)


@given(parsers.parse("a run created with {count:d} records"))
@when(parsers.parse("a run is created with {count:d} records"))
def _(shelf: Shelf, count: int) -> None:
    shelf.create([record(number) for number in range(1, count + 1)])


@when(parsers.parse("{count:d} records are appended to it one by one"))
def _(shelf: Shelf, count: int) -> None:
    (run_id,) = shelf.kept
    for _ in range(count):
        shelf.append(run_id, 1)


@when("it is created again")
def _(shelf: Shelf) -> None:
    (run_id,) = shelf.kept
    key = RunKey(run_id, OTHER_TENANT, "session-2")
    shelf.attempt(lambda: shelf.world.store.create(key, [record(1, "other")], due_at=None))


@then("its records read back equal")
def _(shelf: Shelf) -> None:
    for run_id, records in shelf.kept.items():
        assert list(shelf.world.store.read(run_id)) == records


@then("its run_id is returned")
def _(shelf: Shelf) -> None:
    assert [shelf.owner] == list(shelf.kept)


@then("it is listed")
def _(shelf: Shelf) -> None:
    assert shelf.listed() == list(shelf.kept)


@when("the store is closed and opened anew")
def _(shelf: Shelf) -> None:
    shelf.need(Capability.DURABLE)
    shelf.world.close()
    shelf.world.open()


@when(
    parsers.parse("{count:d} callers create runs until the store is closed"),
    target_fixture="ended",
)
def _(shelf: Shelf, count: int) -> list[BaseException]:
    begun, ended = threading.Barrier(count + 1), list[BaseException]()

    def create(caller: int) -> None:
        try:
            for number in range(100_000):
                run_id = numbered(caller * 100_000 + number)
                key = RunKey(run_id, OTHER_TENANT, "session-2")
                shelf.world.store.create(key, [record(1)], due_at=None)
                shelf.kept[run_id] = [record(1)]
                if number == 1:
                    begun.wait(60)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the scenario must hear of it
            ended.append(error)

    callers = [threading.Thread(target=create, args=(each,), daemon=True) for each in range(count)]
    for caller in callers:
        caller.start()
    begun.wait(60)
    shelf.world.close()
    for caller in callers:
        caller.join(60)
    assert len(ended) == count
    return ended


class Lingering(list[Record]):
    """Records that a caller is slow to give: whoever goes through them waits for the event."""

    def __init__(self, records: Iterable[Record]) -> None:
        super().__init__(records)
        self.asked, self.go_on = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[Record]:
        """Give the records once the event is there."""
        self.asked.set()
        self.go_on.wait(PATIENCE)
        return super().__iter__()


@when(
    "the store is closed while it takes the records of a caller, who then goes on",
    target_fixture="told",
)
def _(shelf: Shelf) -> list[BaseException]:
    shelf.create([record(1)])
    (run_id,), told = shelf.kept, list[BaseException]()
    records = Lingering([record(2)])
    store = shelf.world.store
    tested = store.store if isinstance(store, Observed) else store

    def append() -> None:
        try:
            tested.append(run_id, records, expected_version=1, due_at=None)
            shelf.kept[run_id] += [record(2)]
        except BaseException as error:  # noqa: BLE001 - whatever it is, the scenario must hear of it
            told.append(error)
        records.asked.set()  # also where the store does not go through them one by one

    caller = threading.Thread(target=append, daemon=True)
    closer = threading.Thread(target=shelf.world.close, daemon=True)
    caller.start()
    records.asked.wait(PATIENCE)
    closer.start()
    closer.join(CLOSING)  # it may wait for the caller, as it should
    records.go_on.set()
    for each in (caller, closer):
        each.join(PATIENCE)
        assert not each.is_alive(), "the call, or the closing, does not come to an end"
    return told


CLOSING = 0.3
"""How many seconds a store is given to be closed although a call is under way."""


@then("the caller was told that its records are stored")
def _(told: list[BaseException]) -> None:
    assert not told, f"a call that was under way was told {told[0]!r}"


@then(parsers.parse('each of them was refused with "{error}"'))
def _(ended: list[BaseException], error: str) -> None:
    assert {type(each).__name__ for each in ended} == {error}


@then("when the store is opened anew it has every run that was acknowledged, and no other")
def _(shelf: Shelf) -> None:
    shelf.world.open()
    assert shelf.listed(limit=1_000_000) == sorted(shelf.kept, reverse=True)


@when("the store is closed, twice")
def _(shelf: Shelf) -> None:
    shelf.world.store.close()
    shelf.world.store.close()


@then(parsers.parse('every call is refused with "{error}"'))
def _(shelf: Shelf, error: str) -> None:
    store, (run_id,) = shelf.world.store, shelf.kept
    calls: list[Callable[[], object]] = [
        lambda: shelf.create([record(1)]),
        lambda: store.append(run_id, [record(3)], expected_version=2, due_at=None),
        lambda: store.read(run_id),
        lambda: store.head(run_id),
        lambda: store.list_runs(tenant_id=None, session_id=None, limit=1, before=None),
        lambda: store.list_due(tenant_id=None, until=NOON, limit=1),
    ]
    if Capability.PRUNABLE in store.capabilities:
        calls.append(lambda: cast(PrunableStore, store).prune({run_id: 2}))
    for call in calls:
        shelf.attempt(call)
        check_refusal(shelf.world, error)
