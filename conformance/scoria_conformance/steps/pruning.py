"""Steps in which a store removes runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.concurrency import Barrier, Work, processes, threads
from scoria_conformance.steps.refusals import check_refusal
from scoria_conformance.stored_runs import (
    StoredRuns,
    after,
    index_row,
    numbered,
    record,
    run_key,
)
from scoria_conformance.world import World
from scoria_core import Scoria
from scoria_core.errors import VersionConflict
from scoria_core.ports import Capability, PrunableStore, RunStore, StoredRun


def _prune(store: RunStore, versions: Mapping[str, int]) -> Sequence[str]:
    return cast(PrunableStore, store).prune(versions)


@given("a run that has completed, and that its host has in hand")
def _a_run_that_has_completed_and_that_its_host(world: World, stored: StoredRuns) -> None:
    stored.need(Capability.PRUNABLE)
    run = world.scoria.start_run(world.identity(), root_role_id="executor")
    world.run_id = world.scoria.complete_run(run.run_id).run_id


@when("that run is pruned")
def _that_run_is_pruned(world: World) -> None:
    version = world.scoria.get_run(world.run_id).version
    removed = list(_prune(world.store, {world.run_id: version}))
    assert removed == [world.run_id]


@then(parsers.parse('whatever its host asks of it is refused with "{error}"'))
def _whatever_its_host_asks_of_it_is_refused(world: World, error: str) -> None:
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
def _its_host_lists_no_run(world: World) -> None:
    host: Scoria = world.scoria
    assert [*host.list_runs(), *host.list_runs_for_session("session-1")] == []
    assert host.list_pending() == []


NEW = index_row(status="new", labels=("new",))
ASKING = index_row(status="asking", since=after(1), labels=("asking",))
"""The index row of a run before somebody appends to it, and after."""


@attrs.frozen
class Contest:
    """Turns in which some callers append to a run at its version, and others prune it."""

    appending: int
    turns: int

    def work(self, store: RunStore, number: int, barrier: Barrier) -> list[str]:
        """Make one call in each turn, at the same time as the others."""
        return [self._part(store, number, turn, barrier) for turn in range(self.turns)]

    def _part(self, store: RunStore, number: int, turn: int, barrier: Barrier) -> str:
        run_id = numbered(turn + 1)
        barrier.wait()
        if number >= self.appending:
            return "removed" if list(_prune(store, {run_id: 2})) == [run_id] else ""
        try:
            store.append(run_id, [record(3)], expected_version=2, row=ASKING)
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
def _append_to_a_run_while_others_prune_it_times(
    stored: StoredRuns, appending: str, kind: str, pruning: str, turns: str
) -> list[list[str]]:
    stored.need(Capability.PRUNABLE)
    if kind == "processes":
        stored.need(Capability.MULTI_PROCESS)
    for turn in range(int(turns)):
        key = run_key(numbered(turn + 1))
        stored.world.store.create(key, [record(1), record(2)], row=NEW)
    crew: Callable[[World, int, Work], list[list[str]]] = (
        processes if kind == "processes" else threads
    )
    contest = Contest(int(appending), int(turns))
    said = crew(stored.world, int(appending) + int(pruning), contest.work)
    return [[each for each in turn if each] for turn in zip(*said, strict=True)]


@then("each time it was appended to or removed, and not both")
def _each_time_it_was_appended_to_or_removed(stored: StoredRuns, won: list[list[str]]) -> None:
    for turn, winners in enumerate(won):
        assert winners in (["appended"], ["removed"])
        run_id, is_left = numbered(turn + 1), winners == ["appended"]
        records = (record(1), record(2), record(3))
        found = [StoredRun(run_key(run_id), ASKING, 3, records)] if is_left else []
        assert list(stored.world.store.read([run_id])) == found
        assert (run_id in stored.listed()) == is_left
        assert (run_id in stored.labelled("asking")) == is_left
        assert run_id not in stored.labelled("new")
