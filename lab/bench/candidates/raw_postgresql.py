"""A journal in PostgreSQL."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from lab.bench.candidates.raw import RawRuns, Row
from lab.bench.place import Place

SCHEMA = """CREATE TABLE IF NOT EXISTS journal (
    run_id TEXT, number INTEGER, body TEXT, PRIMARY KEY (run_id, number))"""


class PostgreSQLJournal:
    """One table; the server itself commits for many at once."""

    def __init__(self, place: Place) -> None:
        self._database = place.database
        self._mine = threading.local()
        self._opened: list[psycopg.Connection[Any]] = []
        self._connection().execute(SCHEMA)

    def write(self, row: Row) -> None:
        """Store a row."""
        self._connection().execute("INSERT INTO journal VALUES (%s, %s, %s)", row)

    def fill(self, rows: Iterable[Row]) -> None:
        """Copy rows in."""
        with (
            self._connection().cursor() as cursor,
            cursor.copy("COPY journal FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def read(self, run_id: str) -> Sequence[str]:
        """Return the texts of a run."""
        asked = "SELECT body FROM journal WHERE run_id = %s ORDER BY number"
        return [text for (text,) in self._connection().execute(asked, (run_id,))]

    def close(self) -> None:
        """Close every flow's connection."""
        for connection in self._opened:
            connection.close()

    def _connection(self) -> psycopg.Connection[Any]:
        if not hasattr(self._mine, "connection"):
            opened = psycopg.connect(self._database, autocommit=True, prepare_threshold=0)
            self._mine.connection = opened
            self._opened.append(opened)
        mine: psycopg.Connection[Any] = self._mine.connection
        return mine


def open_candidate(place: Place) -> RawRuns:
    """Open W on the database of the place."""
    return RawRuns(PostgreSQLJournal(place))
