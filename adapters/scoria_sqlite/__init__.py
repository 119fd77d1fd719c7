"""Runs in a SQLite file: durable, for several processes on one machine."""

from scoria_core.stores import file_path
from scoria_sqlite.pruning import PrunableSQLiteStore
from scoria_sqlite.store import SQLiteStore

__all__ = ["PrunableSQLiteStore", "SQLiteStore", "open_store"]


def open_store(url: str) -> PrunableSQLiteStore:
    """Open the file that `sqlite:///PATH` names, as `file_path` reads it."""
    return PrunableSQLiteStore(file_path(url))
