"""A journal in a SQLite file."""

import sqlite3
from collections.abc import Iterable, Sequence
from threading import Lock

from lab.bench.candidates.raw import RawRuns, Row
from lab.bench.place import Place
from scoria_core.group_commit import GroupCommit

SCHEMA = """CREATE TABLE IF NOT EXISTS journal (
    run_id TEXT, number INTEGER, body TEXT, PRIMARY KEY (run_id, number)) WITHOUT ROWID"""


class SQLiteJournal:
    """One table, one connection."""

    def __init__(self, place: Place) -> None:
        self._connection = sqlite3.connect(
            place.file, isolation_level=None, check_same_thread=False
        )
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", SCHEMA):
            self._connection.execute(statement)
        self._lock = Lock()
        self._writes: GroupCommit[Row, None] = GroupCommit(self._commit)

    def write(self, row: Row) -> None:
        """Store a row, with those that come meanwhile."""
        self._writes.store(row)

    def _commit(self, rows: Sequence[Row]) -> Sequence[None]:
        self.fill(rows)
        return [None] * len(rows)

    def fill(self, rows: Iterable[Row]) -> None:
        """Store rows in one commit."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO journal VALUES (?, ?, ?)", rows)
            self._connection.execute("COMMIT")

    def read(self, run_id: str) -> Sequence[str]:
        """Return the texts of a run."""
        asked = "SELECT body FROM journal WHERE run_id = ? ORDER BY number"
        with self._lock:
            return [text for (text,) in self._connection.execute(asked, (run_id,))]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_candidate(place: Place) -> RawRuns:
    """Open W on the file of the place."""
    return RawRuns(SQLiteJournal(place))
