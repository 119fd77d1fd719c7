"""Steps that put a store beside the reference, and have both asked whatever can be drawn."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import attrs
import pytest
from pytest_bdd import given, then

from scoria_conformance.driving import Driver, Here, Setup, another_process
from scoria_conformance.shelf import Shelf
from scoria_core.ports import Capability

DEEP = 25
"""How many times as many scripts are played where a deep search is asked for."""

Hold = Callable[..., None]


@pytest.fixture
def holds(shelf: Shelf, scoria_seed: int, scoria_deep: bool) -> Hold:
    """Return what plays so many scripts, and fails with the shortest that is answered otherwise."""
    world = shelf.world
    declared = world.store.capabilities

    def hold(scripts: int, *, elsewhere: bool = False, **changes: Any) -> None:
        setup = Setup(
            prunes=Capability.PRUNABLE in declared,
            forgets=Capability.MULTI_PROCESS not in declared,
        )
        setup = attrs.evolve(setup, **changes)
        world.close()  # a process that is forked gets none that is open
        other_here = Here(world.factory, "other")
        second = another_process(world.factory) if elsewhere else nullcontext(other_here)
        with second as other:
            handles = [Here(world.factory), other][: setup.handles]
            driver = Driver(setup, handles, world.directory)
            found = driver.search(scoria_seed, scripts * (DEEP if scoria_deep else 1))
        if found is not None:
            expected, seen = str(found.expected), str(found.seen)
            assert seen == expected, str(found)
            raise AssertionError(f"{found}\nThey read alike, and are not equal.")

    return hold


@given("a store with nothing in it")
def _(shelf: Shelf) -> None:
    assert shelf.listed() == []


@given("a store that lets go of runs")
def _(shelf: Shelf) -> None:
    shelf.need(Capability.PRUNABLE)


@given("a store that several may have open")
def _(shelf: Shelf) -> None:
    shelf.need(Capability.MULTI_PROCESS)


@then("any sequence of calls is answered as the reference answers")
def _(holds: Hold) -> None:
    holds(39, prunes=False)


@then("any sequence of calls is answered so, with runs pruned in between")
def _(holds: Hold) -> None:
    holds(26)


@then("any sequence of calls is answered so, with the store closed and opened in between")
def _(holds: Hold) -> None:
    holds(26, reopens=True)


@then("any sequence of calls by two handles of it is answered so")
def _(holds: Hold) -> None:
    holds(26, reopens=True, handles=2)


@then("any sequence of calls by two processes is answered so")
def _(shelf: Shelf, holds: Hold) -> None:
    # A store that one process owns goes from one to the other.
    is_alone = Capability.MULTI_PROCESS not in shelf.world.store.capabilities
    holds(26, elsewhere=True, reopens=True, handles=2, is_alone=is_alone)
