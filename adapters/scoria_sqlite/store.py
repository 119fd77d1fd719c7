"""A store in a SQLite file, for several processes on one machine."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from scoria_core.errors import SchemaTooNew, StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, Record, RunKey

APPLICATION, VERSION, PATIENCE = 0x5C0121A, 1, 10.0
SCHEMA = f"""BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS run (run_id PRIMARY KEY, tenant_id, session_id, idempotency_key,
    due_at, UNIQUE (tenant_id, idempotency_key));
CREATE TABLE IF NOT EXISTS record (run_id, sequence, digest, body, PRIMARY KEY (run_id, sequence));
CREATE INDEX IF NOT EXISTS by_tenant ON run (tenant_id, run_id);
CREATE INDEX IF NOT EXISTS by_session ON run (session_id, run_id);
CREATE INDEX IF NOT EXISTS by_both ON run (tenant_id, session_id, run_id);
CREATE INDEX IF NOT EXISTS by_due ON run (due_at, run_id);
CREATE INDEX IF NOT EXISTS by_due_of_tenant ON run (tenant_id, due_at, run_id);
PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT"""
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
FACTS = """SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version"""
LAST = "SELECT coalesce(max(sequence), 0) FROM record WHERE run_id = ?"
IS_DUE = "SELECT 1 FROM run WHERE run_id = ? AND due_at <= ?"
TURN = "row_number() OVER (PARTITION BY tenant_id ORDER BY due_at, run_id)"
When = datetime | None
Execute = Callable[..., sqlite3.Cursor]
LOCK, OPEN = Lock(), dict["SQLiteStore", sqlite3.Connection]()


class SQLiteStore:
    """A `RunStore` in the SQLite file at `path`, made where it does not exist."""

    capabilities = frozenset({Capability.DURABLE, Capability.MULTI_PROCESS})

    def __init__(self, path: Path) -> None:
        self._path, self._closed = path.absolute(), False
        self.read("")  # a file that cannot be used is refused now, not by a later call

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: When) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        owner = "SELECT run_id FROM run WHERE tenant_id = ? AND idempotency_key = ?"
        run = (key.run_id, key.tenant_id, key.session_id, key.idempotency_key)
        with self._transaction("BEGIN IMMEDIATE") as execute:
            for (run_id,) in execute(owner, (key.tenant_id, key.idempotency_key)):
                return str(run_id)
            if version := execute(LAST, (key.run_id,)).fetchone()[0]:
                raise VersionConflict(key.run_id, 0, version)
            execute("INSERT INTO run VALUES (?, ?, ?, ?, NULL)", run)
            _insert(execute, key.run_id, records, due_at)
            return key.run_id

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: When,
        due_by: When = None,
    ) -> None:
        """Append all of the records at the expected version, durable on return."""
        with self._transaction("BEGIN IMMEDIATE") as execute:
            version = execute(LAST, (run_id,)).fetchone()[0]
            is_due = due_by is None or execute(IS_DUE, (run_id, _number(due_by))).fetchone()
            if version == 0 or version != expected_version or not is_due:
                raise VersionConflict(run_id, expected_version, version)
            _insert(execute, run_id, records, due_at)

    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records of a run."""
        rows = "SELECT sequence, digest, body FROM record WHERE run_id = ? ORDER BY sequence"
        with self._transaction("BEGIN") as execute:
            return [Record(*row) for row in execute(rows, (run_id,))]

    def list_runs(
        self, *, tenant_id: str | None, session_id: str | None, limit: int, before: str | None
    ) -> Sequence[str]:
        """Return run ids, newest first."""
        asked = {"tenant_id =": tenant_id, "session_id =": session_id, "run_id <": before}
        return self._run_ids(asked, "run_id DESC", limit)

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, in_turns: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        asked = {"tenant_id =": tenant_id, "due_at <=": _number(until)}
        order = f"{TURN}, due_at, run_id" if in_turns else "due_at, run_id"
        return self._run_ids(asked, order, limit)

    def close(self) -> None:
        """Close the file."""
        with LOCK:
            self._closed = True
            if self in OPEN:
                OPEN.pop(self).close()

    def _run_ids(self, asked: Mapping[str, object], order: str, limit: int) -> list[str]:
        given = {f"{column} ?": value for column, value in asked.items() if value is not None}
        where = " AND ".join(given) or "TRUE"
        rows = f"SELECT run_id FROM run WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        with self._transaction("BEGIN") as execute:
            return [run_id for (run_id,) in execute(rows, (*given.values(), limit))]

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Execute]:
        try:
            with LOCK, self._connected() as connection:  # commits, or rolls back
                connection.execute(begin)
                yield connection.execute
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(self._path), f"does not answer: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreCorrupt(f"store {self._path}", 0, f"cannot be read: {error}") from error

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable(str(self._path), "is closed", "open it again")
        if self not in OPEN:
            OPEN[self] = _connect(self._path)
        return OPEN[self]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
    with ExitStack() as refused:
        refused.callback(connection.close)
        owner, version, tables = connection.execute(FACTS).fetchone()
        if owner != APPLICATION and any((owner, version, tables)):
            raise StoreCorrupt(f"store {path}", 0, "is the database of another program")
        if version > VERSION:
            raise SchemaTooNew(str(path), version, VERSION)
        if version == 0:
            connection.executescript(SCHEMA)
        connection.execute("PRAGMA synchronous = FULL")
        with suppress(sqlite3.OperationalError):  # in use just now: the next to open it switches
            connection.execute("PRAGMA journal_mode = WAL")
        refused.pop_all()
    return connection


def _insert(execute: Execute, run_id: str, records: Sequence[Record], due_at: When) -> None:
    for each in records:
        row = (run_id, each.sequence, each.digest, each.body)
        execute("INSERT INTO record VALUES (?, ?, ?, ?)", row)
    due = due_at and _number(due_at)
    execute("UPDATE run SET due_at = ? WHERE run_id = ?", (due, run_id))


def _number(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def _before_fork() -> None:
    LOCK.acquire()
    while OPEN:
        OPEN.popitem()[1].close()


if hasattr(os, "register_at_fork"):
    done = LOCK.release
    os.register_at_fork(before=_before_fork, after_in_parent=done, after_in_child=done)
