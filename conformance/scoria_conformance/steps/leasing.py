"""Steps in which some renew when a run is due, while others take it over."""

import threading
from datetime import timedelta

from pytest_bdd import parsers, then, when

from scoria_conformance.shelf import NOON, Shelf, record
from scoria_core.errors import VersionConflict


@when(
    parsers.parse(
        "{takers:d} callers take it over while {renewers:d} others renew it, {turns:d} times"
    ),
    target_fixture="renewed_and_taken",
)
def _(shelf: Shelf, takers: int, renewers: int, turns: int) -> list[tuple[int, int]]:
    """Tell of each turn how many renewed the run, and how many took it over."""
    takes = [True] * takers + [False] * renewers
    # Who comes to the barrier last goes first.
    return [_turn(shelf, takes if turn % 2 else takes[::-1]) for turn in range(turns)]


def _turn(shelf: Shelf, callers: list[bool]) -> tuple[int, int]:
    store, run_id, version = shelf.world.store, shelf.owner, len(shelf.kept[shelf.owner])
    store.append(run_id, [], expected_version=version, due_at=NOON)
    later = NOON + timedelta(seconds=60)
    told: list[str] = []
    barrier = threading.Barrier(len(callers))

    def call(*, takes: bool) -> None:
        barrier.wait(10)
        try:
            if takes:
                new = [record(version + 1)]
                store.append(run_id, new, expected_version=version, due_at=None, due_by=NOON)
            else:
                store.append(run_id, [], expected_version=version, due_at=later)
        except VersionConflict:
            return
        told.append("taken" if takes else "renewed")

    threads = [threading.Thread(target=call, kwargs={"takes": takes}) for takes in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shelf.kept[run_id] = list(store.read(run_id))
    return told.count("renewed"), told.count("taken")


@then("a take-over never followed a renewal that had been stored")
def _(shelf: Shelf, renewed_and_taken: list[tuple[int, int]]) -> None:
    # A renewal after a take-over is at an old version; a take-over after a renewal is not due.
    for renewed, taken in renewed_and_taken:
        assert (renewed > 0, taken) in ((True, 0), (False, 1))
    assert len(shelf.kept[shelf.owner]) == 2 + sum(taken for _, taken in renewed_and_taken)
