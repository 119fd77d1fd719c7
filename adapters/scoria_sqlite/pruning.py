"""A SQLite store from which runs can be removed, and whose file then shrinks."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from scoria_core.errors import StoreUnavailable
from scoria_core.ports import Capability
from scoria_sqlite.store import LOCKS, WRITE, SQLiteStore

REMOVE = "DELETE FROM run WHERE run_id = ? AND version = ?"


class PrunableSQLiteStore(SQLiteStore):
    """A `PrunableStore` in the SQLite file at `path`; closing it shrinks the file."""

    capabilities = SQLiteStore.capabilities | {Capability.PRUNABLE}
    _has_room = False

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions, and return their ids."""

        def write(connection: sqlite3.Connection) -> Any:
            found = [each for each in versions.items() if connection.execute(REMOVE, each).rowcount]
            removed = [(run_id,) for run_id, _ in found]
            for table in ("record", "label"):
                connection.executemany(f"DELETE FROM {table} WHERE run_id = ?", removed)  # noqa: S608
            return [run_id for (run_id,) in removed]

        removed: Any = self._writes.store(write)
        # Also where nothing was: whoever removed runs before may have been killed since.
        self._has_room = True
        return list(removed)

    def close(self) -> None:
        """Close the file, and shrink it if runs were removed."""
        if self._has_room:
            # Where it is in use just now it stays as it is: new runs take the room.
            with LOCKS[WRITE], suppress(sqlite3.Error, StoreUnavailable):
                self._connected(WRITE).execute("VACUUM")
        super().close()
