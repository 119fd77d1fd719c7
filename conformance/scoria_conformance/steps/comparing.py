"""Steps that put a store beside the reference, and have both asked whatever can be made up."""

import attrs
import pytest
from pytest_bdd import given, then

from scoria_conformance.driving import Driver, Here, Setup, another_process
from scoria_conformance.shelf import Shelf
from scoria_conformance.world import World
from scoria_core.ports import Capability

EXAMPLES = 60
"""How many scripts are made up for each setup."""


@pytest.fixture
def setup(shelf: Shelf) -> Setup:
    """Return how the store is driven: by one handle, and pruned where it declares that it can be."""
    capabilities = shelf.world.store.capabilities
    return Setup(
        prunes=Capability.PRUNABLE in capabilities,
        forgets=Capability.MULTI_PROCESS not in capabilities,
    )


@given("a store that lets go of runs")
def _(shelf: Shelf) -> None:
    shelf.need(Capability.PRUNABLE)


@given("a store that several may have open")
def _(shelf: Shelf) -> None:
    shelf.need(Capability.MULTI_PROCESS)


@then("any sequence of calls is answered as the reference answers")
def _(world: World, setup: Setup, scoria_seed: int, scoria_deep: bool) -> None:
    _holds(Driver(setup, [Here(world.factory)], world.directory), scoria_seed, scoria_deep)


@then("any sequence of calls is answered as the reference answers, nothing being pruned")
def _(world: World, setup: Setup, scoria_seed: int, scoria_deep: bool) -> None:
    setup = attrs.evolve(setup, prunes=False)
    _holds(Driver(setup, [Here(world.factory)], world.directory), scoria_seed, scoria_deep)


@then("any sequence of calls is answered as the reference answers, closed and opened in between")
def _(world: World, setup: Setup, scoria_seed: int, scoria_deep: bool) -> None:
    setup = attrs.evolve(setup, reopens=True)
    _holds(Driver(setup, [Here(world.factory)], world.directory), scoria_seed, scoria_deep)


@then("any sequence of calls is answered as the reference answers, by two handles")
def _(world: World, setup: Setup, scoria_seed: int, scoria_deep: bool) -> None:
    setup = attrs.evolve(setup, reopens=True, handles=2)
    handles = [Here(world.factory), Here(world.factory)]
    _holds(Driver(setup, handles, world.directory), scoria_seed, scoria_deep)


@then("any sequence of calls is answered as the reference answers, by two processes")
def _(world: World, setup: Setup, scoria_seed: int, scoria_deep: bool) -> None:
    # A process that one owns goes from one to the other: each closes it before the other opens it.
    is_alone = Capability.MULTI_PROCESS not in world.store.capabilities
    setup = attrs.evolve(setup, reopens=True, handles=2, is_alone=is_alone)
    world.close()  # before the process is forked
    with another_process(world.factory) as there:
        handles = [Here(world.factory), there]
        _holds(Driver(setup, handles, world.directory), scoria_seed, scoria_deep)


def _holds(driver: Driver, seed: int, deep: bool) -> None:
    found = driver.search(seed, EXAMPLES * (DEEP if deep else 1))
    assert found is None, str(found)
