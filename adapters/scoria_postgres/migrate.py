"""Migrates the schema, one numbered SQL file at a time.

Each file is applied in a transaction that first inserts its number into `scoria_schema`. If two
processes start together, one waits there for the other, finds the number taken and goes on.
"""

from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files

import psycopg
from psycopg import errors

from scoria_core.errors import SchemaTooNew

MIGRATIONS: Mapping[int, str] = {
    int(file.name.partition("_")[0]): file.read_text()
    for file in sorted((files("scoria_postgres") / "migrations").iterdir(), key=str)
    if file.name.endswith(".sql")
}
"""The SQL of each version."""

SCHEMA = max(MIGRATIONS)
"""The version of the schema that this kit reads and writes."""

_VERSIONS = "CREATE TABLE IF NOT EXISTS scoria_schema (version integer PRIMARY KEY)"


def migrate(connection: psycopg.Connection, name: str) -> list[int]:
    """Migrate the schema, and return the versions that were applied now.

    `name` is what errors call the store. Raises `SchemaTooNew` if a later version of the kit has
    migrated it. The connection is in autocommit mode.
    """
    found = _version(connection)
    if found > SCHEMA:
        raise SchemaTooNew(name, found, SCHEMA)
    return [number for number in MIGRATIONS if number > found and _apply(connection, number)]


def _version(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT to_regclass('scoria_schema') IS NOT NULL").fetchone()
    if row == (False,):
        return 0
    return _one(connection.execute("SELECT coalesce(max(version), 0) FROM scoria_schema"))


def _one(cursor: psycopg.Cursor) -> int:
    row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def _apply(connection: psycopg.Connection, number: int) -> bool:
    # If another process makes the table at the same moment, PostgreSQL raises one of these three.
    with suppress(errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject):
        connection.execute(_VERSIONS)
    with connection.transaction():
        # If another process has inserted the number and not committed yet, this waits for it.
        take = "INSERT INTO scoria_schema VALUES (%s) ON CONFLICT DO NOTHING"
        is_ours = connection.execute(take, [number]).rowcount == 1
        if is_ours:
            connection.execute(MIGRATIONS[number].encode())
    return is_ours
