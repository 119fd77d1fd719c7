"""Connections: reads the URL, and translates errors of PostgreSQL into those of the port."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs
import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolClosed, PoolTimeout

from scoria_core.errors import ScoriaError, StoreCorrupt, StoreUnavailable, safe_repr
from scoria_core.visible import visible_line

CONNECT_TIMEOUT = 5
"""How many seconds to wait for a new connection, if the URL does not say."""

SILENCE = 10
"""After how many seconds of silence a server counts as gone, if the network reports nothing."""

SETTINGS: Mapping[str, str] = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    # Each write is one statement that names the version it expects. If another writer came first,
    # it waits, and then sees the new version. A stricter level would raise an error instead.
    "default_transaction_isolation": "read committed",
    # A marker that `_check` reads back: a pooler may drop the settings.
    "scoria.is_direct": "on",
}
"""The settings of a session, unless the URL overrides them."""

POOLED = "pooler=transaction"
"""The parameter of a URL for a pooler that may give each transaction another session."""

GRANTS = (
    "GRANT SELECT ON scoria_schema TO ROLE; "
    "GRANT SELECT, INSERT, UPDATE, DELETE "
    "ON scoria_run, scoria_head, scoria_label, scoria_journal, scoria_listener, scoria_delivery "
    "TO ROLE"
)
"""The privileges that a role needs to use a store whose tables it may not create."""

_IN_SESSION_MODE = f"connect to the server itself, or add {POOLED} to the URL"


@attrs.frozen
class Target:
    """The database that a URL names, and whether a transaction pooler is in front of it."""

    conninfo: str
    name: str
    is_pooled: bool

    @property
    def arguments(self) -> Mapping[str, bool | int | None]:
        """Return the arguments of a connection, besides the conninfo."""
        # A prepared statement belongs to a session, which a pooler may give to another client.
        return {"autocommit": True, "prepare_threshold": None if self.is_pooled else 5}


def target(url: str) -> Target:
    """Return the database that `url` names; raises `StoreUnavailable` if it is malformed.

    The error repeats no part of the URL: any part may belong to a password.
    """
    plain, is_pooled = _without_pooler(url)
    given = _parsed(plain)
    if given is None:
        next_move = "write postgresql://USER@HOST/DATABASE, with %40 for @ and %2F for / in a name"
        raise StoreUnavailable("postgresql://...", "cannot be read as a URL", next_move)
    assumed: dict[str, str | int] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "scoria",
        # Without these a call to a server that vanished would hang for a quarter of an hour.
        "tcp_user_timeout": SILENCE * 1000,
        "keepalives_idle": SILENCE // 2,
        "keepalives_interval": 1,
        "keepalives_count": SILENCE // 2,
    }
    chosen = {name: assumed[name] for name in assumed.keys() - given.keys()}
    options = given.get("options") or os.environ.get("PGOPTIONS", "")
    if not is_pooled:
        # If a setting is given twice, the server takes the last one: that of the URL.
        options = f"{_as_options(SETTINGS)} {options}".strip()
    # Overrides the URL and the environment: the text of a journal is Unicode.
    conninfo = make_conninfo(plain, **chosen, options=options, client_encoding="UTF8")
    host, database = (visible_line(given.get(part) or "") for part in ("host", "dbname"))
    return Target(conninfo, f"postgresql://{host}/{database}", is_pooled)


def named(url: str) -> str:
    """Return the name of a store for messages: its host and database, without a password."""
    return target(url).name


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Yield a new connection in autocommit mode, and close it.

    Raises `StoreUnavailable` if the database is not set up to keep a store safely.
    """
    with connected_to(target(url)) as connection:
        yield connection


@contextmanager
def connected_to(to: Target) -> Iterator[psycopg.Connection]:
    """Do as `connected`, with a URL that `target` has read already."""
    with psycopg.connect(to.conninfo, **to.arguments) as connection:  # type: ignore[arg-type]
        _check(to, connection)
        yield connection


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise errors of PostgreSQL as `StoreUnavailable`, or as `StoreCorrupt` for damaged data."""
    try:
        yield
    except psycopg.Error as error:
        raise _translation(name, error) from error


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether the connection was lost: the statement may have been executed."""
    # There was no connection yet, so nothing was executed.
    if isinstance(error, PoolTimeout | PoolClosed):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.diag.severity_nonlocalized in ("FATAL", "PANIC")


def is_passing(error: psycopg.Error) -> bool:
    """Tell whether a concurrent statement made the server roll this one back: try it again."""
    return isinstance(error, errors.SerializationFailure | errors.DeadlockDetected)


def _without_pooler(url: str) -> tuple[str, bool]:
    address, _, query = url.partition("?")
    given = query.split("&")
    kept = [each for each in given if each and each != POOLED]
    return f"{address}?{'&'.join(kept)}" if kept else address, POOLED in given


def _parsed(url: str) -> Mapping[str, str | int | None] | None:
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return None
    # If a password has an unescaped @ or /, part of it is parsed as host, port or database.
    authority, _, path = url.partition("?")[0].partition("://")[2].partition("/")
    ports = str(given.get("port") or "").split(",")
    is_clear = authority.count("@") <= 1 and "@" not in path
    return given if is_clear and all(not port or port.isdecimal() for port in ports) else None


def _as_options(settings: Mapping[str, str]) -> str:
    escaped = {name: value.replace(" ", "\\ ") for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


_ASKED = """SELECT current_setting('server_encoding'), current_setting('statement_timeout'),
    current_setting('synchronous_commit'), current_setting('scoria.is_direct', true)"""


def _check(to: Target, connection: psycopg.Connection) -> None:
    """Refuse a database that loses text or acknowledged writes, or that may never answer."""
    ((encoding, limit, commit, is_direct),) = connection.execute(_ASKED).fetchall()
    if encoding != "UTF8":
        problem = f"keeps text as {encoding}, which cannot keep Unicode"
        make = "make another with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        raise StoreUnavailable(to.name, problem, make)
    if not to.is_pooled and is_direct != "on":
        problem = "is behind a pooler that drops the settings of a session"
        raise StoreUnavailable(to.name, problem, _IN_SESSION_MODE)
    if limit == "0":
        next_move = "set one, for example ALTER ROLE name SET statement_timeout = '30s'"
        raise StoreUnavailable(to.name, "has no time limit for a statement", next_move)
    if to.is_pooled and commit == "off":
        next_move = "call ALTER ROLE name SET synchronous_commit = 'on'"
        raise StoreUnavailable(to.name, "acknowledges what it may still lose", next_move)


def _translation(name: str, error: psycopg.Error) -> ScoriaError:
    said = _said(error)
    match error:
        case PoolClosed() | PoolTimeout():
            return StoreUnavailable(name, f"gives no connection: {safe_repr(error, 200)}")
        case errors.DataCorrupted() | errors.IndexCorrupted():
            return StoreCorrupt(f"store {name}", 0, f"cannot be read: {said}")
        case errors.UndefinedTable() | errors.UndefinedColumn():
            next_move = "open it again, or call scoria migrate, to make its tables"
            return StoreUnavailable(name, f"has lost its tables: {said}", next_move)
        case errors.InsufficientPrivilege() | errors.InvalidSchemaName():
            next_move = f"let the owner of the database call scoria migrate, and then {GRANTS}"
            return StoreUnavailable(name, f"refuses its role: {said}", next_move)
        case errors.ReadOnlySqlTransaction():
            next_move = "name the server that takes writes, not its standby"
            return StoreUnavailable(name, f"can only be read: {said}", next_move)
        case errors.InvalidSqlStatementName() | errors.DuplicatePreparedStatement():
            problem = f"is behind a transaction pooler that mixes up prepared statements: {said}"
            next_move = f"use PgBouncer 1.21 or later with prepared statements, {_IN_SESSION_MODE}"
            return StoreUnavailable(name, problem, next_move)
        case _ if "unsupported startup parameter" in said:
            problem = f"is behind a pooler that refuses the settings of a session: {said}"
            return StoreUnavailable(name, problem, _IN_SESSION_MODE)
    return StoreUnavailable(name, f"does not answer: {said}")


def _said(error: psycopg.Error) -> str:
    return visible_line(" ".join(str(error).split()), 300)
