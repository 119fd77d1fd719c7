"""Runs in a SQLite file: durable, for several processes on one machine."""

from scoria_core.stores import file_path
from scoria_sqlite.outbox import OutboxSQLiteStore
from scoria_sqlite.pruning import PrunableSQLiteStore
from scoria_sqlite.store import SQLiteStore

__all__ = ["OutboxSQLiteStore", "PrunableSQLiteStore", "SQLiteStore", "open_store"]


def open_store(url: str) -> OutboxSQLiteStore:
    """Open the file that `sqlite:///PATH` names, as `file_path` reads it."""
    return OutboxSQLiteStore(file_path(url))
