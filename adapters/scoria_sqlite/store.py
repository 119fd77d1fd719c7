"""A store in a SQLite file, for several processes on one machine."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby
from operator import itemgetter, methodcaller
from pathlib import Path
from threading import Lock
from typing import Any

import attrs

from scoria_core.errors import SchemaTooNew, StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.files import StoreFile
from scoria_core.group_commit import GroupCommit
from scoria_core.ports import Capability, IndexRow, Record, RunKey, StoredRun, Where

APPLICATION, VERSION, PATIENCE = 96473626, 1, 10.0
FACTS = """SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master),
    (SELECT count(*) FROM pragma_table_list WHERE strict AND name IN ('run', 'record', 'label'))
    FROM pragma_application_id, pragma_user_version"""
OWNER = "SELECT run_id FROM run WHERE tenant_id = :tenant_id AND idempotency_key = :idempotency_key"
CREATE = """INSERT INTO run VALUES (:run_id, :tenant_id, :session_id, :actor_id, :root_role_id,
    :created_at, :idempotency_key, :status, :since, :due_at, :labels, :has_ended, :version)
    ON CONFLICT (run_id) DO NOTHING RETURNING tenant_id, FALSE"""
MOVE = """UPDATE run SET status = :status, since = :since, due_at = :due_at, labels = :labels,
    has_ended = :has_ended, version = :version WHERE run_id = :run_id AND version = :expected
    AND version = (SELECT max(sequence) FROM record WHERE run_id = :run_id)
    AND (:due_by IS NULL OR due_at <= :due_by)
    RETURNING tenant_id, EXISTS (SELECT * FROM label WHERE label.run_id = run.run_id)"""
# The ids come first, few as they are: only what is then read of them is put in order.
ROWS = "SELECT * FROM run WHERE run_id IN ({}) ORDER BY run_id DESC"
RUNS = """SELECT * FROM run LEFT JOIN record USING (run_id)
    WHERE run_id IN ({}) ORDER BY run_id DESC, sequence"""
GIVEN = "SELECT value FROM json_each(?)"
LABELLED = "(SELECT * FROM run WHERE labels IS NOT NULL)"
COUNT = """SELECT value, (SELECT count(*) FROM (
    SELECT 1 FROM run WHERE status = value {} LIMIT :limit)) FROM json_each(:statuses)"""
TURN = "row_number() OVER (PARTITION BY tenant_id ORDER BY due_at, run_id)"
TYPES = (str, str, str, str, str, int, str | None, str, int, int | None, str | None, int, int)
A_STATEMENT = 1_000
JSON = json.JSONEncoder(ensure_ascii=False).encode
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
Write = Callable[[sqlite3.Connection], Any]
Records = Sequence[Record]
READ, WRITE, BESIDE = "", "BEGIN IMMEDIATE", ("-wal", "-shm")
LOCKS, OPEN = {READ: Lock(), WRITE: Lock()}, dict[tuple["SQLiteStore", str], sqlite3.Connection]()


class SQLiteStore:
    """A `RunStore` in the SQLite file at `path`, made where it does not exist."""

    capabilities = frozenset({Capability.DURABLE, Capability.MULTI_PROCESS})

    def __init__(self, path: Path) -> None:
        self._file, self._closed = StoreFile(path, BESIDE), False
        self._writes = GroupCommit[Write, str](self._commit)
        self.read(())  # a file that cannot be used is refused now, not by a later call

    def create(self, key: RunKey, records: Records, *, row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        run = {**_columns(key), **_columns(row), "expected": 0, "version": len(records)}

        def write(connection: sqlite3.Connection) -> Any:
            if key.idempotency_key is not None:
                for (run_id,) in connection.execute(OWNER, run):
                    return str(run_id)
            return _written(connection, CREATE, run, records, row)

        return self._writes.store(write)

    def append(
        self,
        run_id: str,
        records: Records,
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version, durable on return."""
        version = {"expected": expected_version, "version": expected_version + len(records)}
        run = {"run_id": run_id, **_columns(row), **version, "due_by": due_by and _number(due_by)}
        self._writes.store(lambda connection: _written(connection, MOVE, run, records, row))

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return these runs with their records."""
        runs = self._runs(RUNS, GIVEN, (JSON(list(run_ids)),))
        found = {run.key.run_id: run for run in runs}
        return [found[run_id] for run_id in run_ids if run_id in found]

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return runs, newest first."""
        asked: dict[str, Any] = {"tenant_id = ?": tenant_id, "run_id < ?": before}
        if where is not None:
            asked[f"{where.fact} = ?"] = where.value
        run_ids = _run_ids("run", asked, "run_id DESC", limit)
        return self._runs(RUNS if with_records else ROWS, *run_ids)

    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: tuple[datetime, str] | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return runs with the label, longest since first."""
        first = start and (_number(start[0]), start[1])
        asked = {"tenant_id = ?": tenant_id, "label = ?": label, "(since, run_id) >= (?, ?)": first}
        source = LABELLED if label is None else "label"
        run_ids = _run_ids(source, asked, "since, run_id", limit)
        runs = self._runs(RUNS if with_records else ROWS, *run_ids)
        return sorted(runs, key=lambda run: (run.row.since, run.key.run_id))

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        asked = {"tenant_id = ?": tenant_id, "due_at <= ?": _number(until)}
        order = f"{TURN}, due_at, run_id" if fair else "due_at, run_id"
        return [str(run_id) for (run_id,) in self._rows(*_run_ids("run", asked, order, limit))]

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Return how many runs have each of these statuses, at most `limit`."""
        query = COUNT.format("" if tenant_id is None else "AND tenant_id = :tenant_id")
        given = {"tenant_id": tenant_id, "statuses": JSON(list(statuses)), "limit": limit}
        return dict(self._rows(query, given))

    def _runs(self, query: str, run_ids: str, given: Any) -> list[StoredRun]:
        rows = self._rows(query.format(run_ids), given)
        return [_run(list(some)) for _, some in groupby(rows, itemgetter(0))]

    def _rows(self, query: str, given: Any) -> list[Any]:
        with self._transaction() as connection:
            return connection.execute(query, given).fetchall()

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
                    if begin:  # a read is one statement, which needs no transaction
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
    connection.text_factory = methodcaller("decode", errors="backslashreplace")
    with ExitStack() as refused:
        refused.callback(connection.close)
        owner, version, tables, typed = connection.execute(FACTS).fetchone()
        if owner != APPLICATION and any((owner, version, tables)):
            raise StoreCorrupt(f"store {file.name}", 0, "is the database of another program")
        if version > VERSION:
            raise SchemaTooNew(file.name, version, VERSION)
        if version != 0 and (version != VERSION or typed != 3):
            raise StoreCorrupt(f"store {file.name}", 0, "has other tables than it was made with")
        if version == 0:
            connection.executescript(Path(__file__).with_name("schema.sql").read_text())
        connection.execute("PRAGMA synchronous = FULL")
        with suppress(sqlite3.OperationalError):  # in use just now: the next to open it switches
            connection.execute("PRAGMA journal_mode = WAL")
        file.check_identity()
        refused.pop_all()
    return connection


def _run_ids(source: str, asked: Mapping[str, Any], order: str, limit: int) -> tuple[str, Any]:
    """Return a query for run ids, and what it is given; what is asked of None is not asked."""
    given = {each: value for each, value in asked.items() if value is not None}
    where = " AND ".join(given) or "TRUE"
    values = (each if isinstance(each, tuple) else (each,) for each in given.values())
    query = f"SELECT run_id FROM {source} WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
    return query, (*chain.from_iterable(values), limit)


def _columns(one: RunKey | IndexRow) -> dict[str, Any]:
    return {each.name: _column(getattr(one, each.name)) for each in attrs.fields(type(one))}


def _column(value: Any) -> Any:
    if isinstance(value, datetime):
        return _number(value)
    return (JSON(value) if value else None) if isinstance(value, tuple) else value


def _number(time: datetime) -> int:
    return (time - EPOCH) // MICROSECOND


def _time(number: int) -> datetime:
    return EPOCH + number * MICROSECOND


def _labels(text: str | None) -> tuple[str, ...]:
    labels = json.loads(text or "[]")
    if not isinstance(labels, list):
        raise TypeError(labels)
    return tuple(map(str, labels))  # of a label that was none, `verified` tells


def _run(rows: list[Any]) -> StoredRun:
    """Return the run of these rows: its columns in each, and after them those of a record."""
    columns, records = rows[0][: len(TYPES)], [each[len(TYPES) :] for each in rows]
    try:
        key, row, version = _stored(columns)
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        problem = "is of a run that the store knows, and not how it stands"
        raise StoreCorrupt(str(columns[0]), 1, problem) from error
    return StoredRun(key, row, version, tuple(Record(*each) for each in records if any(each)))


def _stored(columns: Any) -> tuple[RunKey, IndexRow, int]:
    if not all(map(isinstance, columns, TYPES)):
        raise TypeError(columns)
    *facts, created_at, key, status, since, due_at, labels, has_ended, version = columns
    due_at = None if due_at is None else _time(due_at)
    row = IndexRow(status, _time(since), due_at, _labels(labels), bool(has_ended))
    return RunKey(*[*facts, _time(created_at), key]), row, version


def _written(
    connection: sqlite3.Connection, statement: str, run: Any, records: Records, row: IndexRow
) -> Any:
    """Store a run's row, records and labels; return its id, or the conflict that it is."""
    run_id, moved = run["run_id"], connection.execute(statement, run).fetchall()
    if not moved:
        found = connection.execute("SELECT version FROM run WHERE run_id = ?", (run_id,)).fetchone()
        return VersionConflict(run_id, run["expected"], found[0] if found else 0)
    rows = [(run_id, each.sequence, each.digest, each.body) for each in records]
    _insert(connection, "record", rows)
    ((tenant_id, was_labelled),) = moved
    if was_labelled:
        connection.execute("DELETE FROM label WHERE run_id = ?", (run_id,))
    _insert(connection, "label", [(run_id, each, tenant_id, run["since"]) for each in row.labels])
    return run_id


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of four columns, with one statement for up to `A_STATEMENT` of them."""
    for start in range(0, len(rows), A_STATEMENT):
        some = rows[start : start + A_STATEMENT]
        places = ", ".join(["(?, ?, ?, ?)"] * len(some))
        statement = f"INSERT INTO {table} VALUES {places}"  # noqa: S608
        connection.execute(statement, list(chain.from_iterable(some)))


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
