"""Steps that speak to a store itself, as the port in `scoria_core.ports` has it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.world import OTHER_TENANT, TENANT, World
from scoria_core import ScoriaError
from scoria_core.ports import Record, RunKey

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

TEXTS = {
    "256 KiB of letters": "lava" * 64 * 1024,
    "decomposed letters": "e\u0301 A\u030a \u1100\u1161",
    "line separators": "a\u2028b\u2029c\u0085d\r\ne",
    "letters beyond the BMP": "\U0001f30b \U00020bb7 \U0001f469\u200d\U0001f4bb",
    "spaces at its ends": "  \t two \t  ",
    "quotes and backslashes": 'it\'s "said" \\n %s $1 ? ; --',
}


@attrs.define
class Shelf:
    """The runs that a scenario put into a store, with what each should hold."""

    world: World
    kept: dict[str, list[Record]] = attrs.field(factory=dict)
    due: dict[str, int] = attrs.field(factory=dict)
    tenants: dict[str, str] = attrs.field(factory=dict)
    owner: str = ""

    def create(self, records: list[Record], *, due_in: int | None = None, **key: str) -> str:
        """Create the next run; ids ascend."""
        named = {"tenant_id": TENANT, "session_id": "session-1", **key}
        run_id = f"01900000-0000-7000-8000-{len(self.kept) + 1:012x}"
        due_at = None if due_in is None else NOON + timedelta(seconds=due_in)
        self.kept[run_id], self.tenants[run_id] = records, named["tenant_id"]
        self.owner = self.world.store.create(RunKey(run_id, **named), records, due_at=due_at)
        return run_id

    def append(self, run_id: str, count: int, due_in: int | None = None) -> None:
        """Append records at the version the run is at."""
        version = len(self.kept[run_id])
        new = [_record(version + number) for number in range(1, count + 1)]
        due_at = None if due_in is None else NOON + timedelta(seconds=due_in)
        self.world.store.append(run_id, new, expected_version=version, due_at=due_at)
        self.kept[run_id] += new

    def due_at(self, seconds: int, limit: int = 100, tenant_id: str | None = None) -> list[str]:
        """Return what is due so many seconds after noon."""
        until = NOON + timedelta(seconds=seconds)
        return list(self.world.store.list_due(tenant_id=tenant_id, until=until, limit=limit))


def _record(sequence: int, body: str = "{}") -> Record:
    return Record(sequence, f"{sequence:064x}", f"{body} {sequence}")


def _seconds(told: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", told)]


@pytest.fixture
def shelf(world: World) -> Shelf:
    """Return an empty store, and what was put into it: nothing yet."""
    return Shelf(world)


@given(parsers.parse("a run created with {count:d} records"))
@when(parsers.parse("a run is created with {count:d} records"))
def _(shelf: Shelf, count: int) -> None:
    shelf.create([_record(number) for number in range(1, count + 1)])


@when(parsers.parse("a run is created with a record that holds {text}"))
def _(shelf: Shelf, text: str) -> None:
    shelf.create([_record(1, TEXTS[text]), _record(2, TEXTS[text])])


@when(parsers.parse("{count:d} records are appended to it one by one"))
def _(shelf: Shelf, count: int) -> None:
    (run_id,) = shelf.kept
    for _ in range(count):
        shelf.append(run_id, 1)


@when("it is created again")
def _(shelf: Shelf) -> None:
    (run_id,) = shelf.kept
    key = RunKey(run_id, OTHER_TENANT, "session-2")
    _attempt(shelf, lambda: shelf.world.store.create(key, [_record(1, "other")], due_at=None))


@when("a record is appended to a run that was never created")
def _(shelf: Shelf) -> None:
    _attempt(
        shelf,
        lambda: shelf.world.store.append("never", [_record(1)], expected_version=0, due_at=NOON),
    )


@when(parsers.parse("{count:d} records are appended to it at version {version:d}"))
def _(shelf: Shelf, count: int, version: int) -> None:
    (run_id,) = shelf.kept
    new = [_record(version + number, "stale") for number in range(1, count + 1)]
    _attempt(
        shelf,
        lambda: shelf.world.store.append(run_id, new, expected_version=version, due_at=None),
    )


def _attempt(shelf: Shelf, call: Callable[[], object]) -> None:
    shelf.world.error = None
    try:
        shelf.world.returned = call()
    except ScoriaError as error:
        shelf.world.error = error


@then("its records read back equal")
def _(shelf: Shelf) -> None:
    for run_id, records in shelf.kept.items():
        assert list(shelf.world.store.read(run_id)) == records


@then("there is still no such run")
def _(shelf: Shelf) -> None:
    store = shelf.world.store
    assert list(store.read("never")) == []
    assert list(store.list_runs(tenant_id=None, session_id=None, limit=9, before=None)) == []
    assert shelf.due_at(0) == []


@given(parsers.parse('a run of "{tenant}" created with the key "{key}"'))
@when(parsers.parse('another run of "{tenant}" is created with the key "{key}"'))
def _(shelf: Shelf, tenant: str, key: str) -> None:
    shelf.create([_record(1)], tenant_id=tenant, idempotency_key=key)


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


@given(
    parsers.parse('a run in each of the sessions "{one}", "{two}" and "{three}"'),
    target_fixture="sessions",
)
def _(shelf: Shelf, one: str, two: str, three: str) -> dict[str, str]:
    return {each: shelf.create([_record(1)], session_id=each) for each in (one, two, three)}


@then("each of those sessions lists its own run alone")
def _(shelf: Shelf, sessions: dict[str, str]) -> None:
    for session_id, run_id in sessions.items():
        listed = shelf.world.store.list_runs(
            tenant_id=TENANT, session_id=session_id, limit=9, before=None
        )
        assert list(listed) == [run_id]


@given(parsers.parse("runs of two tenants due at {told} seconds"))
def _(shelf: Shelf, told: str) -> None:
    for number, seconds in enumerate(_seconds(told)):
        tenant_id = (TENANT, OTHER_TENANT)[number % 2]
        run_id = shelf.create([_record(1)], due_in=seconds, tenant_id=tenant_id)
        shelf.due[run_id] = seconds
    shelf.create([_record(1)])


@when(parsers.parse("the run due at {seconds:d} seconds is written to with nothing to do"))
def _(shelf: Shelf, seconds: int) -> None:
    (run_id,) = (run_id for run_id, due in shelf.due.items() if due == seconds)
    shelf.append(run_id, 1)
    del shelf.due[run_id]


@when(parsers.parse("the run due at {old:d} seconds is written to and due at {new:d} seconds"))
def _(shelf: Shelf, old: int, new: int) -> None:
    (run_id,) = (run_id for run_id, due in shelf.due.items() if due == old)
    shelf.append(run_id, 2, due_in=new)
    shelf.due[run_id] = new


@then(parsers.parse("at {seconds:d} seconds the due runs are those at {told} seconds"))
def _(shelf: Shelf, seconds: int, told: str) -> None:
    assert [shelf.due.get(run_id) for run_id in shelf.due_at(seconds)] == _seconds(told)


@then(parsers.parse("of those the first {count:d} are the ones at {due:d} seconds, {order}"))
def _(shelf: Shelf, count: int, due: int, order: str) -> None:
    assert order == "in the order of their ids"
    expected = sorted(run_id for run_id, seconds in shelf.due.items() if seconds == due)
    assert shelf.due_at(30, limit=count) == expected


@then("each tenant has only its own among them")
def _(shelf: Shelf) -> None:
    for tenant_id in (TENANT, OTHER_TENANT):
        due = shelf.due_at(30, tenant_id=tenant_id)
        assert due == [each for each in shelf.due_at(30) if shelf.tenants[each] == tenant_id]
        assert due


@when("the store is closed, twice")
def _(shelf: Shelf) -> None:
    shelf.world.store.close()
    shelf.world.store.close()


@then(parsers.parse('every call is refused with "{error}"'))
def _(shelf: Shelf, error: str) -> None:
    store, (run_id,) = shelf.world.store, shelf.kept
    calls: list[Callable[[], object]] = [
        lambda: shelf.create([_record(1)]),
        lambda: store.append(run_id, [_record(3)], expected_version=2, due_at=None),
        lambda: store.read(run_id),
        lambda: store.list_runs(tenant_id=None, session_id=None, limit=1, before=None),
        lambda: store.list_due(tenant_id=None, until=NOON, limit=1),
    ]
    for call in calls:
        _attempt(shelf, call)
        assert type(shelf.world.error).__name__ == error
