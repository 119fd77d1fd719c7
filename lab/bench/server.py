"""A PostgreSQL server for the run, and what it tells of the work it was given."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs
import psycopg
from psycopg import sql

from lab.bench.metering import Count
from lab.chaos.server import serving as serving_one_of_our_own

VARIABLE = "SCORIA_TEST_POSTGRES_URL"
"""Names a server that is there already; without it one is started from the wheel."""

TRANSACTIONS = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
STATEMENTS = """SELECT sum(calls)::bigint FROM pg_stat_statements
    JOIN pg_database ON pg_database.oid = dbid WHERE datname = %s"""


@contextmanager
def serving() -> Iterator[str]:
    """Yield the URL of a server; one that is started here is gone after."""
    if url := os.environ.get(VARIABLE):
        yield url
        return
    counting = {
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.track": "none",
        "max_connections": "200",  # of several processes each flow has one
    }
    with serving_one_of_our_own(**counting) as server:
        yield server.url


def database(url: str, name: str) -> str:
    """Return the URL of the database of that name, made where it is not there."""
    with _connection(url) as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        if there.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def drop(url: str, prefix: str) -> None:
    """Drop every database whose name starts so, whoever is connected."""
    with _connection(url) as connection:
        named = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
        for (name,) in connection.execute(named, (prefix,)).fetchall():
            gone = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(gone)


def settle(url: str) -> None:
    """Have done now what the server would do later about many new rows."""
    with _connection(url) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def size(url: str) -> int:
    """Return how many bytes a database takes on disk."""
    with _connection(url) as connection:
        return int(_only(connection.execute("SELECT pg_database_size(current_database())")))


def version(url: str) -> str:
    """Return the version of the server."""
    with _connection(url) as connection:
        return str(_only(connection.execute("SHOW server_version")))


@attrs.frozen
class ServerMeter:
    """Counts the server's transactions that wrote, and the statements of one database.

    Both are of the whole server or database, so nothing else may use it meanwhile.
    """

    connection: psycopg.Connection[Any]
    name: str
    tells_statements: bool

    def count(self) -> Count:
        """Return what the server has counted so far."""
        commits = int(_only(self.connection.execute(TRANSACTIONS)))
        if not self.tells_statements:
            return Count(commits)
        told = self.connection.execute(STATEMENTS, (self.name,))
        return Count(commits, int(_only(told) or 0))


@contextmanager
def metered(url: str) -> Iterator[ServerMeter]:
    """Count for the database at `url`; its connections must be made while this is open."""
    name = urlsplit(url).path.removeprefix("/")
    with _connection(url) as connection:  # opened before, so that its own look-ups do not count
        yield ServerMeter(connection, name, _tracked(connection, name))


def _tracked(connection: psycopg.Connection[Any], name: str) -> bool:
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute("SELECT count(*) FROM pg_stat_statements")
    except psycopg.Error:
        return False
    tracked = sql.SQL("ALTER DATABASE {} SET pg_stat_statements.track = 'top'")
    connection.execute(tracked.format(sql.Identifier(name)))
    return True


def _connection(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


def _only(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    assert row is not None
    return row[0]
