"""Opens a store that is wrong, over stores in memory: for whoever takes a store by its name.

`lab.mutants.stores.opened:before_is_inclusive` is that of the mutant `before is inclusive`.
"""

from functools import cache
from pathlib import Path

from lab.mutants.stores import KINDS
from lab.mutants.stores.lasting import LastingStore
from lab.mutants.under_test import subject
from lab.mutants.wrong import Wrong, declared
from scoria_conformance.world import StoreFactory
from scoria_core.ports import RunStore
from scoria_memory import MemoryStore


@cache
def opens(mutant: Wrong) -> StoreFactory:
    """Return what opens a store that is wrong as this mutant is.

    One that changes what a right store is built on changes that for the rest of the process.
    """
    right, subject.open = subject.open, lambda _: MemoryStore()
    try:
        mutant.apply()
        return subject.open
    finally:
        subject.open = right


def target(mutant: Wrong) -> str:
    """Return what names the store of this mutant, as `module:name`."""
    return f"{__name__}:{str(mutant).replace(' ', '_')}"


def lasting(directory: Path) -> RunStore:
    """Open the right store that those go wrong in which outlive their process."""
    return LastingStore(MemoryStore(), directory / "log")


def __getattr__(name: str) -> StoreFactory:
    for mutant in declared([f"{__package__}.{kind}" for kind in KINDS]):
        if target(mutant) == f"{__name__}:{name}":
            return opens(mutant)
    raise AttributeError(name)
