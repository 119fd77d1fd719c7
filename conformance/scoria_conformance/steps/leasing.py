"""Steps that move when a run is due: renewed, taken over, and told with the tenants in turns."""

from datetime import timedelta

from pytest_bdd import parsers, then, when

from scoria_conformance.shelf import NOON, Shelf, record
from scoria_conformance.steps.finding import seconds_in
from scoria_core.errors import VersionConflict
from scoria_core.ports import Capability


def _due_at(shelf: Shelf, seconds: int) -> str:
    (run_id,) = (run_id for run_id, due in shelf.due.items() if due == seconds)
    return run_id


@when(
    parsers.parse("the run due at {old:d} seconds is put off to {new:d} seconds without a record")
)
def _(shelf: Shelf, old: int, new: int) -> None:
    run_id = _due_at(shelf, old)
    version = len(shelf.kept[run_id])
    due_at = NOON + timedelta(seconds=new)
    shelf.world.store.append(run_id, [], expected_version=version, due_at=due_at)
    shelf.due[run_id] = new


@then(parsers.parse("at {seconds:d} seconds another process has as due those at {told} seconds"))
def _(shelf: Shelf, seconds: int, told: str) -> None:
    shelf.need(Capability.MULTI_PROCESS)
    # Opened beside the first it knows what any process would, not what that one keeps.
    other = shelf.world.factory(shelf.world.directory)
    try:
        until = NOON + timedelta(seconds=seconds)
        due = other.list_due(tenant_id=None, until=until, limit=100)
    finally:
        other.close()
    assert [shelf.due[run_id] for run_id in due] == seconds_in(told)


@when(parsers.parse("it is put off without a record at version {version:d}"))
def _(shelf: Shelf, version: int) -> None:
    store = shelf.world.store
    shelf.attempt(lambda: store.append(shelf.owner, [], expected_version=version, due_at=NOON))


def _take_over(shelf: Shelf, run_id: str, seconds: int) -> None:
    version = len(shelf.kept[run_id])
    new = [record(version + 1)]
    due_by = NOON + timedelta(seconds=seconds)

    def take_over() -> None:
        shelf.world.store.append(run_id, new, expected_version=version, due_at=None, due_by=due_by)
        shelf.kept[run_id] += new

    shelf.attempt(take_over)


@when(parsers.parse("the run due at {due:d} seconds is taken over at {seconds:d} seconds"))
def _(shelf: Shelf, due: int, seconds: int) -> None:
    _take_over(shelf, _due_at(shelf, due), seconds)


@when(parsers.parse("it is taken over at {seconds:d} seconds"))
def _(shelf: Shelf, seconds: int) -> None:
    _take_over(shelf, shelf.owner, seconds)


@then(parsers.parse("the take-over is {answer}"))
def _(shelf: Shelf, answer: str) -> None:
    refused = isinstance(shelf.world.error, VersionConflict)
    assert (refused, shelf.world.error is None) == (answer == "refused", answer == "stored")
    for run_id, records in shelf.kept.items():
        assert list(shelf.world.store.read(run_id)) == records


@when(
    parsers.parse("{seconds:d} seconds are asked for with the tenants in turns"),
    target_fixture="until",
)
def _(seconds: int) -> int:
    return seconds


@then(parsers.parse("those are the runs due at {told} seconds, or cut to any limit the first"))
def _(shelf: Shelf, until: int, told: str) -> None:
    expected = seconds_in(told)
    for limit in range(1, len(expected) + 2):
        due = shelf.world.store.list_due(
            tenant_id=None, until=NOON + timedelta(seconds=until), limit=limit, in_turns=True
        )
        assert [shelf.due[run_id] for run_id in due] == expected[:limit]
