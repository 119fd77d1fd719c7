"""Steps in which a store lets go of runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.crews import Barrier, Work, processes, threads
from scoria_conformance.shelf import Shelf, numbered, record
from scoria_conformance.steps.refusing import check_refusal
from scoria_conformance.world import TENANT, World
from scoria_core import Scoria
from scoria_core.errors import VersionConflict
from scoria_core.ports import Capability, PrunableStore, RunKey, RunStore


@attrs.define
class Pruned:
    """What was to be removed, and what the store says that it removed."""

    expected: list[str] = attrs.field(factory=list)
    said: list[str] = attrs.field(factory=list)


@pytest.fixture
def pruned() -> Pruned:
    """Return what was removed: nothing yet."""
    return Pruned()


def _prune(store: RunStore, versions: Mapping[str, int]) -> Sequence[str]:
    return cast(PrunableStore, store).prune(versions)


def _removed(shelf: Shelf, pruned: Pruned, versions: Mapping[str, int]) -> None:
    """Have the store remove what is at these versions, and take it from the shelf."""
    shelf.need(Capability.PRUNABLE)
    expected = [each for each, at in versions.items() if len(shelf.kept.get(each, ())) == at > 0]
    pruned.said += _prune(shelf.world.store, versions)
    pruned.expected += expected
    shelf.removed += len(expected)
    for run_id in expected:
        del shelf.kept[run_id], shelf.keys[run_id]
        shelf.due.pop(run_id, None)


@when(parsers.parse("it is pruned at version {version:d}"))
@when(parsers.parse("that run is pruned at version {version:d}"))
def _(shelf: Shelf, pruned: Pruned, version: int) -> None:
    _removed(shelf, pruned, {list(shelf.kept)[-1]: version})


@when("every third of them is pruned")
def _(shelf: Shelf, pruned: Pruned) -> None:
    _removed(shelf, pruned, dict.fromkeys(list(shelf.kept)[::3], 1))


@when("all are pruned, each third one at another version than its own")
def _(shelf: Shelf, pruned: Pruned) -> None:
    _removed(shelf, pruned, {each: 1 + (at % 3 == 0) for at, each in enumerate(shelf.kept)})


@when(parsers.parse("the run due at {seconds:d} seconds is pruned"))
def _(shelf: Shelf, pruned: Pruned, seconds: int) -> None:
    (run_id,) = (run_id for run_id, due in shelf.due.items() if due == seconds)
    _removed(shelf, pruned, {run_id: len(shelf.kept[run_id])})


@when("a run that was never created is pruned")
def _(shelf: Shelf, pruned: Pruned) -> None:
    for version in (0, 1):
        _removed(shelf, pruned, {"never": version})


@when("it is pruned by another process")
def _(shelf: Shelf, pruned: Pruned) -> None:
    shelf.need(Capability.PRUNABLE)
    shelf.need(Capability.MULTI_PROCESS)
    (run_id,) = shelf.kept
    # Opened beside the first, which has read the run, and goes on.
    other = shelf.world.factory(shelf.world.directory)
    kept = shelf.kept.pop(run_id)
    assert list(shelf.world.store.read(run_id)) == kept
    try:
        pruned.said += _prune(other, {run_id: 2})
    finally:
        other.close()
    pruned.expected.append(run_id)


@when(parsers.parse("{count:d} records are appended to what was pruned, at any version"))
def _(shelf: Shelf, pruned: Pruned, count: int) -> None:
    (run_id,) = pruned.expected
    shelf.world.raced = []
    for version in (0, 1, 2):
        new = [record(version + each) for each in range(1, count + 1)]
        with pytest.raises(VersionConflict) as refused:
            shelf.world.store.append(run_id, new, expected_version=version, due_at=None)
        shelf.world.raced.append(refused.value)


@then(parsers.parse('each is refused with "{error:w}"'))
def _(shelf: Shelf, error: str) -> None:
    assert {type(each).__name__ for each in shelf.world.raced} == {error}


@then("those were removed, and no other")
def _(pruned: Pruned) -> None:
    assert pruned.expected
    assert sorted(pruned.said) == sorted(pruned.expected)


@then("nothing was removed")
def _(pruned: Pruned) -> None:
    assert pruned.said == pruned.expected == []


@then("it reads as empty, and is not listed")
def _(shelf: Shelf, pruned: Pruned) -> None:
    for run_id in pruned.expected:
        assert list(shelf.world.store.read(run_id)) == []
        assert run_id not in shelf.listed()
        assert run_id not in shelf.listed(TENANT, "session-1")


@given("a run that has completed, and that its host has in hand")
def _(world: World, shelf: Shelf) -> None:
    shelf.need(Capability.PRUNABLE)
    run = world.scoria.start_run(world.identity(), root_role_id="executor")
    world.run_id = world.scoria.complete_run(run.run_id).run_id


@when("that run is pruned")
def _(world: World) -> None:
    version = world.scoria.get_run(world.run_id).version
    removed = list(_prune(world.store, {world.run_id: version}))
    assert removed == [world.run_id]


@then(parsers.parse('whatever its host asks of it is refused with "{error}"'))
def _(world: World, error: str) -> None:
    host, run_id = world.scoria, world.run_id
    asked: list[Callable[[], object]] = [
        lambda: host.complete_run(run_id),
        lambda: host.cancel_run(run_id),
        lambda: host.get_run(run_id),
        lambda: host.get_run_detail(run_id),
        lambda: host.resume_run(run_id),
        lambda: host.retry_run(run_id),
        lambda: host.run_pending(run_id),
    ]
    for call in asked:
        world.attempt(call)
        check_refusal(world, error)


@then("its host lists no run")
def _(world: World) -> None:
    host: Scoria = world.scoria
    assert host.list_runs() == host.list_runs_for_session("session-1") == []
    assert host.list_pending() == []


@attrs.frozen
class Contest:
    """Turns in which some append to a run at its version, and the others prune it."""

    appending: int
    turns: int

    def work(self, store: RunStore, number: int, barrier: Barrier) -> list[str]:
        """Do one's part in each turn, when all are about to."""
        return [self._part(store, number, turn, barrier) for turn in range(self.turns)]

    def _part(self, store: RunStore, number: int, turn: int, barrier: Barrier) -> str:
        run_id = numbered(turn + 1)
        barrier.wait()
        if number >= self.appending:
            return "removed" if list(_prune(store, {run_id: 2})) == [run_id] else ""
        try:
            store.append(run_id, [record(3)], expected_version=2, due_at=None)
        except VersionConflict:
            return ""
        return "appended"


@when(
    parsers.re(
        r"(?P<appending>\d+) (?P<kind>callers|processes) append to a run "
        r"while (?P<pruning>\d+) others prune it, (?P<turns>\d+) times"
    ),
    target_fixture="won",
)
def _(shelf: Shelf, appending: str, kind: str, pruning: str, turns: str) -> list[list[str]]:
    shelf.need(Capability.PRUNABLE)
    if kind == "processes":
        shelf.need(Capability.MULTI_PROCESS)
    for turn in range(int(turns)):
        key = RunKey(numbered(turn + 1), TENANT, "session-1")
        shelf.world.store.create(key, [record(1), record(2)], due_at=None)
    crew: Callable[[World, int, Work], list[list[str]]] = (
        processes if kind == "processes" else threads
    )
    contest = Contest(int(appending), int(turns))
    said = crew(shelf.world, int(appending) + int(pruning), contest.work)
    return [[each for each in turn if each] for turn in zip(*said, strict=True)]


@then("each time it was appended to or removed, and not both")
def _(shelf: Shelf, won: list[list[str]]) -> None:
    for turn, winners in enumerate(won):
        assert winners in (["appended"], ["removed"])
        left = [] if winners == ["removed"] else [record(1), record(2), record(3)]
        assert list(shelf.world.store.read(numbered(turn + 1))) == left
        assert (numbered(turn + 1) in shelf.listed()) == bool(left)
