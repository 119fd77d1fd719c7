"""What stops and kills the callers of a store: where it looks, and what it says of it."""

import math
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lab.mutants.stores.opened import target
from lab.mutants.wrong import Wrong, declared
from scoria_conformance.concurrency import begin_process, heard
from scoria_conformance.linearizability import explained
from scoria_conformance.load_process import Death, Ended, Life, ask, ended, sizes
from scoria_conformance.points import Point, Trail, packages
from scoria_conformance.sequential import NO_RUNS, kept
from scoria_conformance.steps.interrupted_calls import FIRST, Meetings, seconds_to
from scoria_conformance.steps.kills import KILLS, Kills
from scoria_conformance.stopping import Pair, pair
from scoria_conformance.stored_runs import StoredRuns
from scoria_conformance.world import World
from scoria_core.ports import RunStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from tests.support import ROOT

HERE = __name__.partition(".")[0]


def three_lines(at: Callable[[], object] = lambda: None) -> int:
    """Do something in between."""
    before = 1
    at()
    return before


class Full(PrunableSQLiteStore):
    """A store whose disk is full from the first append."""

    def append(self, *_: object, **__: object) -> None:
        """Raise what the system says."""
        raise OSError("no space is left on the disk")


@contextmanager
def opened(kind: Callable[[Path], RunStore], directory: Path) -> Iterator[World]:
    """Give a world whose stores are of a kind; it is closed, as it is while processes have it."""
    world = World(lambda place: kind(place / "runs.db"), directory)
    world.close()
    yield world
    world.close()


def test_the_package_of_a_store_is_the_one_of_its_class() -> None:
    """With those of the classes it is made of, and neither the kit's nor the standard library's."""
    assert packages(MemoryStore()) == {"scoria_memory"}

    class Mine(MemoryStore, threading.local):
        """A store of this module."""

    assert packages(Mine()) == {"scoria_memory", HERE}


def test_a_trail_has_each_line_and_each_return_of_the_package() -> None:
    """And those of no other, whoever calls whom."""
    first = three_lines.__code__.co_firstlineno
    trail = Trail({HERE})
    with trail.followed():
        Path("a").with_suffix(".b")
        three_lines(lambda: Path("a").with_suffix(".b"))
    lines = [
        (place.line - first, place.event) for place in trail.come_by if "three" in place.function
    ]
    assert lines == [(2, "line"), (3, "line"), (4, "line"), (4, "return")]
    assert {Path(place.file).name for place in trail.come_by} == {Path(__file__).name}


def test_a_trail_leaves_the_trace_that_was_there() -> None:
    """A debugger or what measures coverage goes on."""
    before = sys.gettrace()
    with Trail({HERE}).followed():
        assert sys.gettrace() != before
    assert sys.gettrace() == before


@pytest.fixture
def callers() -> Iterator[Pair]:
    """Return two callers whose points are those of this module."""
    with pair({HERE}, deep=False) as two:
        yield two


def test_the_second_is_done_while_the_first_is_stopped(callers: Pair) -> None:
    """At each of the points, the last of them the return."""
    done: list[str] = []

    def first() -> None:
        three_lines()
        done.append("first")

    callers.listen(three_lines)
    points = [each for each in callers.points(first) if "three" in each.place.function]
    for point in points:
        done.clear()
        callers.meet(point, first, lambda: done.append("second"), done)
        assert done == ["second", "first"], str(point)


def test_a_second_that_waits_for_the_first_is_let_go(callers: Pair) -> None:
    """It is silent, and the first goes on."""
    lock, done = threading.Lock(), list[str]()

    def locked(name: str) -> None:
        with lock:
            three_lines()
        done.append(name)

    callers.listen(lambda: locked("alone"))
    (point, *_) = (
        each
        for each in callers.points(lambda: locked("alone"))
        if each.place.function == "three_lines"
    )
    done.clear()
    until_then = callers.meet(point, lambda: locked("first"), lambda: locked("second"), done)
    assert (until_then, sorted(done)) == (0, ["first", "second"])


@pytest.mark.parametrize("acts", FIRST)
def test_a_right_store_answers_in_one_order(acts: str, callers: Pair) -> None:
    """Whatever the first does when it is stopped."""
    store = MemoryStore()
    callers.packages = packages(store)
    meetings = Meetings(store, FIRST[acts], acts != "creates a run", callers)
    meetings.meet(seconds_to(acts, prunes=True))
    assert len(meetings.met) > 10
    for met in meetings.met:
        assert explained(met.history, NO_RUNS, kept).holds


def test_a_process_says_of_what_it_died(tmp_path: Path) -> None:
    """The store's own words, and no exit code."""

    def work(*_: object) -> None:
        raise LookupError("no such page")

    with opened(PrunableSQLiteStore, tmp_path) as world:
        process, hears = begin_process(world, work)
        with pytest.raises(AssertionError, match="broke off: LookupError: no such page"):
            heard(hears)
        process.join(60)


def test_a_process_under_load_says_of_what_it_died(tmp_path: Path) -> None:
    """The store's own words, and no exit code."""
    with opened(Full, tmp_path) as world, pytest.raises(AssertionError, match="no space is left"):
        ended(world, 1, Death())


def test_a_process_dies_as_it_writes_beyond_a_byte(tmp_path: Path) -> None:
    """One file ends there, and not all was acknowledged."""
    with opened(PrunableSQLiteStore, tmp_path) as world:
        whole = ended(world, 1, Death())
        world.open()
        world.close()
        torn = ended(world, 2, Death(byte=200_000))
        assert 200_000 in sizes(tmp_path).values(), "what comes before is written"
    assert 0 < sum(torn.acknowledged.values()) < sum(whole.acknowledged.values())


def test_a_process_dies_at_a_point(tmp_path: Path) -> None:
    """Before it has come to what comes after."""
    with opened(PrunableSQLiteStore, tmp_path) as world:
        whole = ended(world, 1, Death())
        assert {*whole.acknowledged.values()} == {6}, "each run was pruned at last"
        prune = next(each for each in whole.come_by if each.function.endswith(".prune"))
        world.open()
        world.close()
        dead = ended(world, 2, Death(point=Point(prune, 1)))
    assert max(dead.begun.values()) == 6, "a prune had begun"
    assert max(dead.acknowledged.values()) == 5


@pytest.mark.parametrize("of_60", [(0, 49, 3), (0, 45, 0), (10, 6, 13), (12, 9, 12)])
def test_as_many_are_killed_as_leave_a_chance_below_one_in_a_thousand(
    of_60: tuple[int, int, int],
) -> None:
    """Where so many of 60 kills at a line, at a byte and at a moment show what is wrong."""
    missed = [(1 - hits / 60) ** kills for hits, kills in zip(of_60, KILLS.values(), strict=True)]
    assert math.prod(missed) < 0.001


WRONG = declared(("lab.mutants.stores.racing", "lab.mutants.stores.tearing"))


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_is_wrong_between_two_lines_dies_each_time(wrong: Wrong) -> None:
    """By the scenario that it is declared with."""
    name = wrong.expected.lower().replace(" ", "_")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--pyargs", "scoria_conformance.suite", "-k", name]
    command += ["--scoria-target", target(wrong)]
    ran: Any = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout


def test_a_call_that_a_server_carries_out_late_is_no_loss(tmp_path: Path) -> None:
    """It was under way when its process died; a call that was never made is found all the same."""
    world = World(lambda _: MemoryStore(), tmp_path)
    life = Life.of(1, 0, 0, is_pruned=False)
    run_id, kills = life.key.run_id, Kills(StoredRuns(world), Random(1))  # noqa: S311 - it picks moments, and keeps no secret
    for asked in life.asked[:2]:
        ask(world.store, life, asked)
    ended = Ended(
        Death(), [life], words=0, begun=Counter({run_id: 3}), acknowledged=Counter({run_id: 2})
    )
    kills.may_be[life.key] = kills._check(life, ended)
    kills.check_all()
    ask(world.store, life, life.asked[2])
    kills.check_all()
    ask(world.store, life, life.asked[4])
    with pytest.raises(AssertionError, match=r"has 9 records, .* and had 3 records"):
        kills.check_all()
