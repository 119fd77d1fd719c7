"""Runs in a SQLite file: durable, for several processes on one machine."""

from pathlib import Path

from scoria_core.errors import StoreUnavailable, shown
from scoria_sqlite.pruning import PrunableSQLiteStore
from scoria_sqlite.store import SQLiteStore

__all__ = ["PrunableSQLiteStore", "SQLiteStore", "open_store"]


def open_store(url: str) -> PrunableSQLiteStore:
    """Open the file that `sqlite:///PATH` names; a fourth slash makes the path absolute."""
    scheme, _, path = url.partition(":///")
    if scheme != "sqlite" or not path.isprintable() or path in ("", ":memory:"):
        next_move = "write sqlite:///PATH, or memory:// for a store that does not last"
        raise StoreUnavailable(shown(url), "names no file", next_move)
    return PrunableSQLiteStore(Path(path))
