"""Steps that make the same random calls on a store and on the reference."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType

import attrs
from pytest_bdd import given, parsers, then

from scoria_conformance.attribution import Told
from scoria_conformance.differential import (
    Driver,
    Here,
    Setup,
    another_process,
    elsewhere,
    told_apart,
)
from scoria_conformance.stored_runs import StoredRuns
from scoria_conformance.world import StoreFactory
from scoria_core.ports import Capability

DEEP = 25
"""How many times as many scripts a deep search plays."""


@attrs.frozen
class Way:
    """A way to drive a store, and the number of scripts that are played in this way."""

    scripts: int
    handles: int = 1
    is_elsewhere: bool = False
    """The second handle is in another process."""
    is_abroad: bool = False
    """The store is driven in another time zone."""
    reopens: bool = False
    prunes: bool = True
    needs: frozenset[Capability] = frozenset()

    @contextmanager
    def driver(
        self, factory: StoreFactory, directory: Path, declared: Collection[Capability]
    ) -> Iterator[Driver]:
        """Give a driver for a store that declares these capabilities.

        No other handle of the store may be open meanwhile.
        """
        is_shared = Capability.MULTI_PROCESS in declared
        setup = Setup(
            handles=self.handles,
            # A store that one process owns is opened by one of the processes at a time.
            is_alone=self.is_elsewhere and not is_shared,
            reopens=self.reopens,
            prunes=self.prunes and Capability.PRUNABLE in declared,
            forgets=not is_shared,
        )
        here = Here(factory, "other")
        other_process = another_process(factory) if self.is_elsewhere else nullcontext(here)
        zone = elsewhere() if self.is_abroad else nullcontext()
        with other_process as other, zone:
            yield Driver(setup, [Here(factory), other][: self.handles], directory)


_LASTS, _IS_SHARED = frozenset({Capability.DURABLE}), frozenset({Capability.MULTI_PROCESS})
WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "by one caller": Way(39, is_abroad=True, prunes=False),
        "with runs pruned in between": Way(26, needs=frozenset({Capability.PRUNABLE})),
        "closed and opened in between": Way(26, reopens=True, needs=_LASTS),
        "by two handles": Way(26, reopens=True, handles=2, needs=_IS_SHARED),
        "by two processes": Way(26, reopens=True, handles=2, is_elsewhere=True, needs=_LASTS),
    }
)


@given("a store with nothing in it")
def _a_store_with_nothing_in_it(stored: StoredRuns) -> None:
    assert stored.listed() == []


@then(parsers.parse("any sequence of calls, {way}, is answered as the reference answers"))
def _any_sequence_of_calls_is_answered(
    stored: StoredRuns, scoria_seed: int, scoria_deep: bool, way: str
) -> None:
    chosen, world, found = WAYS[way], stored.world, None
    for capability in chosen.needs:
        stored.need(capability)
    world.close()
    with chosen.driver(world.factory, world.directory, world.store.capabilities) as driver:
        found = driver.search(scoria_seed, chosen.scripts * (DEEP if scoria_deep else 1))
    if found is not None:
        expected, seen = told_apart(found.expected, found.seen)
        calls = tuple(map(str, found.calls))
        raise Told(str(found), clauses=found.clauses, calls=calls, expected=expected, seen=seen)
