"""Every store that ships, empty, for tests that run on each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from scoria_core.ports import Record, RunStore
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import OutboxSQLiteStore

STORES: Mapping[str, Callable[[Path], RunStore]] = MappingProxyType(
    {
        "memory": lambda _: MemoryStore(),
        "duckdb": DuckDBStore,
        "sqlite": OutboxSQLiteStore,
    }
)
"""Every store by its scheme, and how to make an empty one at a path."""


def records_of(store: RunStore, run_id: str) -> list[Record]:
    """Return the records that a store has of a run."""
    return [each for run in store.read([run_id]) for each in run.records]
