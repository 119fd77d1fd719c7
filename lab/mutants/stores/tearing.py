"""Durable stores that are wrong only where their process dies within a commit, or between two.

None of them waits to be killed: each is as its author would have written it.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lab.mutants.kit import put
from lab.mutants.stores.around import KILLED, installed
from lab.mutants.wrong import Catalogue
from scoria_core.ports import Record, RunStore
from scoria_sqlite import PrunableSQLiteStore


class _Unsafe(sqlite3.Connection):
    """A connection that waits for no disk, and keeps its journal otherwise."""

    mode = ""

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement.startswith("PRAGMA synchronous"):
            statement = "PRAGMA synchronous = OFF"
        if statement.startswith("PRAGMA journal_mode"):
            statement = f"PRAGMA journal_mode = {self.mode}"
        return super().execute(statement, *values)


class _InMemory(_Unsafe):
    mode = "MEMORY"


class _Nowhere(_Unsafe):
    mode = "OFF"


def _installed(wrong: Any) -> None:
    """Open stores of a class, or right ones with connections of a class."""
    if issubclass(wrong, sqlite3.Connection):
        put(sqlite3, connect=partial(sqlite3.connect, factory=wrong))
        installed(PrunableSQLiteStore)
    else:
        installed(wrong)


breaks = Catalogue("store", _installed)

breaks.add("its journal is in memory", "STORE-38", KILLED, _InMemory)
breaks.add("it has no journal", "STORE-38", KILLED, _Nowhere)


def _at_their_versions(store: RunStore, versions: Mapping[str, int]) -> list[str]:
    runs = store.read(list(versions))
    return [run.key.run_id for run in runs if run.version == versions[run.key.run_id]]


@breaks("STORE-37", KILLED)
class SeveralRunsArePrunedRecordsFirst(PrunableSQLiteStore):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        found = _at_their_versions(self, versions)

        def remove(connection: sqlite3.Connection) -> Any:
            rows = [(each,) for each in found]
            connection.executemany("DELETE FROM record WHERE run_id = ?", rows)
            return ""

        def forget(connection: sqlite3.Connection) -> Any:
            connection.executemany("DELETE FROM run WHERE run_id = ?", [(each,) for each in found])
            return ""

        self._writes.store(remove)
        self._writes.store(forget)
        return found


@breaks("STORE-4", KILLED)
class ALargeBatchIsCommittedInParts(PrunableSQLiteStore):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        super().append(run_id, records[:3], **at)
        if records[3:]:
            version = at["expected_version"] + 3
            super().append(run_id, records[3:], **{**at, "expected_version": version})
