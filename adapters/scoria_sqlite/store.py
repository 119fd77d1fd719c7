"""A store in a SQLite file, for several processes on one machine."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from scoria_core.errors import SchemaTooNew, StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.files import StoreFile
from scoria_core.group_commit import GroupCommit
from scoria_core.ports import Capability, Record, RunHead, RunKey

APPLICATION, VERSION, PATIENCE = 96473626, 1, 10.0
FACTS = """SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master),
    (SELECT count(*) FROM pragma_table_list WHERE strict AND name IN ('run', 'record'))
    FROM pragma_application_id, pragma_user_version"""
OWNER = "SELECT run_id FROM run WHERE tenant_id = ? AND idempotency_key = ?"
CREATE = "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO NOTHING"
MOVE = """UPDATE run SET version = :version, due_at = :due_at WHERE run_id = :run_id
    AND version = :expected AND version = (SELECT max(sequence) FROM record WHERE run_id = :run_id)
    AND (:due_by IS NULL OR due_at <= :due_by)"""
JOURNAL = "SELECT sequence, digest, body FROM record WHERE run_id = ? ORDER BY sequence"
HEAD = """SELECT run_id, tenant_id, session_id, idempotency_key, version, due_at
    FROM run WHERE run_id = ?"""
TURN = "row_number() OVER (PARTITION BY tenant_id ORDER BY due_at, run_id)"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
At = datetime | None
Write = Callable[[sqlite3.Connection], Any]
Records = Sequence[Record]
READ, WRITE, BESIDE = "BEGIN", "BEGIN IMMEDIATE", ("-wal", "-shm")
LOCKS, OPEN = {READ: Lock(), WRITE: Lock()}, dict[tuple["SQLiteStore", str], sqlite3.Connection]()


class SQLiteStore:
    """A `RunStore` in the SQLite file at `path`, made where it does not exist."""

    capabilities = frozenset({Capability.DURABLE, Capability.MULTI_PROCESS})

    def __init__(self, path: Path) -> None:
        self._file, self._closed = StoreFile(path, BESIDE), False
        self._writes = GroupCommit[Write, str](self._commit)
        self.read("")  # a file that cannot be used is refused now, not by a later call

    def create(self, key: RunKey, records: Records, *, due_at: At) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        named = (key.run_id, key.tenant_id, key.session_id, key.idempotency_key)

        def write(connection: sqlite3.Connection) -> Any:
            for (run_id,) in connection.execute(OWNER, (key.tenant_id, key.idempotency_key)):
                return str(run_id)
            row = (*named, len(records), due_at and due_at.timestamp())
            return _written(connection, CREATE, row, (key.run_id, 0, records))

        return self._writes.store(write)

    def append(
        self, run_id: str, records: Records, *, expected_version: int, due_at: At, due_by: At = None
    ) -> None:
        """Append all of the records at the expected version, durable on return."""
        due = {"due_at": due_at and due_at.timestamp(), "due_by": due_by and due_by.timestamp()}
        version = {"expected": expected_version, "version": expected_version + len(records)}
        row, new = {"run_id": run_id, **version, **due}, (run_id, expected_version, records)
        self._writes.store(lambda connection: _written(connection, MOVE, row, new))

    def read(self, run_id: str) -> Records:
        """Return the records of a run."""
        with self._transaction() as connection:
            return [Record(*row) for row in connection.execute(JOURNAL, (run_id,))]

    def head(self, run_id: str) -> RunHead | None:
        """Return what the run is found by."""
        with self._transaction() as connection:
            for *key, version, due_at in connection.execute(HEAD, (run_id,)):
                return RunHead(RunKey(*key), version, _time(run_id, due_at))
        return None

    def list_runs(
        self, *, tenant_id: str | None, session_id: str | None, limit: int, before: str | None
    ) -> Sequence[str]:
        """Return run ids, newest first."""
        asked = {"tenant_id =": tenant_id, "session_id =": session_id, "run_id <": before}
        return self._run_ids(asked, "run_id DESC", limit)

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        asked = {"tenant_id =": tenant_id, "due_at <=": until.timestamp()}
        order = f"{TURN}, due_at, run_id" if fair else "due_at, run_id"
        return self._run_ids(asked, order, limit)

    def _run_ids(self, asked: Mapping[str, object], order: str, limit: int) -> list[str]:
        given = {f"{column} ?": value for column, value in asked.items() if value is not None}
        where = " AND ".join(given) or "TRUE"
        rows = f"SELECT run_id FROM run WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        with self._transaction() as connection:
            return [str(run_id) for (run_id,) in connection.execute(rows, (*given.values(), limit))]

    def close(self) -> None:
        """Close the file."""
        for begin, lock in LOCKS.items():
            with lock:
                self._closed = True
                if (self, begin) in OPEN:
                    OPEN.pop((self, begin)).close()

    def _commit(self, writes: list[Write]) -> Sequence[Any]:
        with self._transaction(WRITE) as connection:
            return [write(connection) for write in writes]

    @contextmanager
    def _transaction(self, begin: str = READ) -> Iterator[sqlite3.Connection]:
        try:
            with LOCKS[begin]:
                with self._connected(begin) as connection:  # commits, or rolls back
                    connection.execute(begin)
                    yield connection
                self._file.check_identity()
        except sqlite3.OperationalError as error:
            problem = "cannot be written" if "readonly" in str(error) else "does not answer"
            raise StoreUnavailable(self._file.name, f"{problem}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreCorrupt(f"store {self._file.name}", 0, f"cannot be read: {error}") from error

    def _connected(self, begin: str) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable(self._file.name, "is closed", "open it again")
        if self._file.is_sealed and (self, begin) in OPEN:  # it may have been written since
            OPEN.pop((self, begin)).close()
            self._file.forget("", *BESIDE)
        if (self, begin) not in OPEN:
            OPEN[self, begin] = _connect(self._file)
        return OPEN[self, begin]


def _connect(file: StoreFile) -> sqlite3.Connection:
    file.check_place()
    file.is_sealed = file.is_read_only() and not file.is_beside("-wal")
    uri = f"{file.path.as_uri()}?immutable={int(file.is_sealed)}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = lambda raw: raw.decode(errors="backslashreplace")
    with ExitStack() as refused:
        refused.callback(connection.close)
        owner, version, tables, typed = connection.execute(FACTS).fetchone()
        if owner != APPLICATION and any((owner, version, tables)):
            raise StoreCorrupt(f"store {file.name}", 0, "is the database of another program")
        if version > VERSION:
            raise SchemaTooNew(file.name, version, VERSION)
        if version != 0 and (version != VERSION or typed != 2):
            raise StoreCorrupt(f"store {file.name}", 0, "has other tables than it was made with")
        if version == 0:
            connection.executescript(Path(__file__).with_name("schema.sql").read_text())
        connection.execute("PRAGMA synchronous = FULL")
        with suppress(sqlite3.OperationalError):  # in use just now: the next to open it switches
            connection.execute("PRAGMA journal_mode = WAL")
        file.check_identity()
        refused.pop_all()
    return connection


def _time(run_id: str, seconds: float | None) -> At:
    try:
        return None if seconds is None else EPOCH + timedelta(seconds=seconds)
    except (OverflowError, TypeError, ValueError) as error:
        raise StoreCorrupt(run_id, 1, "is of a run that is due at no time") from error


def _written(connection: sqlite3.Connection, statement: str, row: Any, new: Any) -> Any:
    run_id, expected, records = new
    if not connection.execute(statement, row).rowcount:
        found = connection.execute("SELECT version FROM run WHERE run_id = ?", (run_id,)).fetchone()
        return VersionConflict(run_id, expected, found[0] if found else 0)
    rows = [(run_id, each.sequence, each.digest, each.body) for each in records]
    connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", rows)
    return run_id


def _before_fork() -> None:
    for lock in LOCKS.values():
        lock.acquire()
    while OPEN:
        (store, _), connection = OPEN.popitem()
        connection.close()
        store._file.forget(*BESIDE)


def _after_fork() -> None:
    for lock in LOCKS.values():
        lock.release()


if hasattr(os, "register_at_fork"):
    done = _after_fork
    os.register_at_fork(before=_before_fork, after_in_parent=done, after_in_child=done)
