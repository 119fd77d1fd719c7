"""Steps that speak to a store itself, as the port in `scoria_core.ports` has it."""

import threading
from collections.abc import Callable
from typing import cast

import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.shelf import NOON, Shelf, numbered, record
from scoria_conformance.steps.refusing import check_refusal
from scoria_conformance.world import OTHER_TENANT, World
from scoria_core.ports import Capability, PrunableStore, RunKey

TEXTS = {
    "256 KiB of letters": "lava" * 64 * 1024,
    "decomposed letters": "e\u0301 A\u030a \u1100\u1161",
    "line separators": "a\u2028b\u2029c\u0085d\r\ne",
    "letters beyond the BMP": "\U0001f30b \U00020bb7 \U0001f469\u200d\U0001f4bb",
    "spaces at its ends": "  \t two \t  ",
    "quotes and backslashes": 'it\'s "said" \\n %s $1 ? ; --',
}


@pytest.fixture
def shelf(world: World) -> Shelf:
    """Return an empty store, and what was put into it: nothing yet."""
    return Shelf(world)


@given(parsers.parse("a run created with {count:d} records"))
@when(parsers.parse("a run is created with {count:d} records"))
def _(shelf: Shelf, count: int) -> None:
    shelf.create([record(number) for number in range(1, count + 1)])


@when(parsers.parse("a run is created with a record that holds {text}"))
def _(shelf: Shelf, text: str) -> None:
    shelf.create([record(1, TEXTS[text]), record(2, TEXTS[text])])


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


@when("a record is appended to a run that was never created")
def _(shelf: Shelf) -> None:
    shelf.attempt(
        lambda: shelf.world.store.append("never", [record(1)], expected_version=0, due_at=NOON),
    )


@when(parsers.parse("{count:d} records are appended to it at version {version:d}"))
def _(shelf: Shelf, count: int, version: int) -> None:
    (run_id,) = shelf.kept
    new = [record(version + number, "stale") for number in range(1, count + 1)]
    shelf.attempt(
        lambda: shelf.world.store.append(run_id, new, expected_version=version, due_at=NOON)
    )


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


@then("it is not due")
def _(shelf: Shelf) -> None:
    assert shelf.due_at(0) == []


@then("a run that was never created reads as empty")
def _(shelf: Shelf) -> None:
    assert list(shelf.world.store.read("never")) == []


@when("the records that were given are changed, and those that were read")
def _(shelf: Shelf) -> None:
    given_records = [record(1)]
    run_id = shelf.create(given_records)
    given_records.append(record(2, "never given"))
    more = [record(2)]
    shelf.world.store.append(run_id, more, expected_version=1, due_at=None)
    shelf.kept[run_id] += more
    more.clear()
    for each in shelf.kept:
        found = shelf.world.store.read(each)
        if isinstance(found, list):
            found.clear()


@when("the store is closed and opened anew")
def _(shelf: Shelf) -> None:
    shelf.need(Capability.DURABLE)
    shelf.world.close()
    shelf.world.open()


@then("there is still no such run")
def _(shelf: Shelf) -> None:
    assert list(shelf.world.store.read("never")) == []
    assert shelf.listed() == []
    assert shelf.due_at(0) == []


@given(parsers.parse('a run of "{tenant}" created with the key "{key}"'))
@when(parsers.parse('another run of "{tenant}" is created with the key "{key}"'))
def _(shelf: Shelf, tenant: str, key: str) -> None:
    shelf.create([record(1)], tenant_id=tenant, idempotency_key=key)


@then("the first run is returned, and the other was not stored")
def _(shelf: Shelf) -> None:
    first, other = shelf.kept
    assert shelf.owner == first
    assert list(shelf.world.store.read(other)) == []


@then("the other run is returned, and both are stored")
def _(shelf: Shelf) -> None:
    _, other = shelf.kept
    assert shelf.owner == other
    assert all(list(shelf.world.store.read(run_id)) for run_id in shelf.kept)


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
