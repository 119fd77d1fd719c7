"""What a driver was made to do: durable commits and statements, counted where they pass.

Nothing of a candidate knows that it is counted. SQLite tells each statement itself; DuckDB's
connection is stood in for; PostgreSQL's server counts, whoever asked it.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from threading import Lock
from typing import Any, Protocol
from unittest.mock import patch

import attrs

from lab.bench.place import Kind, Place

_WRITES = re.compile(r"\s*(WITH\b.*\b)?(INSERT|UPDATE|DELETE|REPLACE|MERGE)\b", re.I | re.S)


@attrs.frozen
class Count:
    """Durable commits and statements so far; None where nobody can tell."""

    commits: int | None = None
    statements: int | None = None

    def since(self, before: "Count") -> "Count":
        """Return what came after `before`."""
        return Count(
            _difference(self.commits, before.commits),
            _difference(self.statements, before.statements),
        )


class Meter(Protocol):
    """Counts from when it is made."""

    def count(self) -> Count:
        """Return what was counted so far."""
        ...


class Tally:
    """Counts statements by their text, and the commits of transactions that wrote."""

    def __init__(self) -> None:
        self._commits = self._statements = 0
        self._lock = Lock()

    def count(self) -> Count:
        """Return what passed so far."""
        return Count(self._commits, self._statements)

    def connection(self) -> Callable[[str], None]:
        """Return what to call with each statement of one connection."""
        inside = wrote = False

        def saw(statement: str) -> None:
            nonlocal inside, wrote
            verb = statement.split(maxsplit=1)[0].rstrip(";").upper()
            ends = verb in ("COMMIT", "END")
            writes = _WRITES.match(statement) is not None
            with self._lock:
                self._statements += 1
                self._commits += (ends and wrote) or (writes and not inside)
            inside = verb == "BEGIN" or (inside and not ends and verb != "ROLLBACK")
            wrote = inside and (wrote or writes)

        return saw


@contextmanager
def _sqlite(_: Place) -> Iterator[Meter]:
    tally, connect = Tally(), sqlite3.connect

    def counted(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(tally.connection())
        return connection

    with patch("sqlite3.connect", counted), patch("sqlite3.dbapi2.connect", counted):
        yield tally


@contextmanager
def _duckdb(_: Place) -> Iterator[Meter]:
    tally, connect = Tally(), import_module("duckdb").connect

    def counted(*args: Any, **kwargs: Any) -> _CountedConnection:
        return _CountedConnection(connect(*args, **kwargs), tally.connection())

    with patch("duckdb.connect", counted):
        yield tally


class _CountedConnection:
    """A DuckDB connection, or a cursor of one, that says what it executes."""

    def __init__(self, connection: Any, saw: Callable[[str], None]) -> None:
        self._connection = connection
        self._saw = saw

    def execute(self, statement: str, *args: Any) -> Any:
        self._saw(statement)
        return self._connection.execute(statement, *args)

    def cursor(self) -> "_CountedConnection":
        return _CountedConnection(self._connection.cursor(), self._saw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _postgresql(place: Place) -> AbstractContextManager[Meter]:
    meter: AbstractContextManager[Meter] = import_module("lab.bench.server").metered(place.database)
    return meter


class _Nothing:
    """Counts nothing: what is in memory is not durable, and takes no statement."""

    def count(self) -> Count:
        return Count()


def metered(place: Place) -> AbstractContextManager[Meter]:
    """Count what the drivers of the place's kind do while the context is open."""
    match place.kind:
        case Kind.SQLITE:
            return _sqlite(place)
        case Kind.DUCKDB:
            return _duckdb(place)
        case Kind.POSTGRESQL:
            return _postgresql(place)
    return nullcontext(_Nothing())


def _difference(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
