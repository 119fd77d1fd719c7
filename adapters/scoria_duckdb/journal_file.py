"""One open DuckDB file and the journals in it.

DuckDB lets one process at a time open a file, so within that process this is the only writer:
it decides version conflicts itself, under its lock, and keeps the journals in use in memory. A
statement costs far more than a row, so every write is one statement and one commit, and writes
that come at once share both.
"""

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import attrs
import duckdb

from scoria_core.batches import decode_batch, encode_batch
from scoria_core.errors import (
    SchemaTooNew,
    ScoriaError,
    StoreCorrupt,
    StoreUnavailable,
    VersionConflict,
)
from scoria_core.fairness import fair_order
from scoria_core.files import StoreFile, path_name
from scoria_core.group_commit import GroupCommit
from scoria_core.ports import Record, RunHead, RunKey
from scoria_core.recent import Recent
from scoria_duckdb.compaction import compact

SCHEMA = 1
"""The version of the schema that this kit reads and writes."""

FEW_ROWS = 8
"""Up to how many rows a list of values costs less than lists that are unnested."""

MEMORY = "256MB"
"""How much of the file, and of what it computes, DuckDB keeps in memory; by itself most of all."""

CACHED_BYTES = 32 * 1024 * 1024
"""How much memory the journals take that are kept: those used last."""

RECORD_BYTES = 320
"""About what a record takes in memory beside its text."""

_SQL = {
    name: (files("scoria_duckdb") / "sql" / f"{name}.sql").read_text()
    for name in (
        "append",
        "due",
        "head",
        "journal",
        "newest",
        "owner",
        "prune",
        "runs",
        "runs_of_session",
        "schema",
        "version",
    )
}
_COLUMNS = ("run_ids", "due_ats", "records", "tenant_ids", "session_ids", "idempotency_keys")
_PLACES = f"({', '.join('?' * len(_COLUMNS))})"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAGIC, _MAGIC_AT = b"DUCK", 8
_LOG = ".wal"
_LOG_SIZE = "SELECT wal_size FROM pragma_database_size() WHERE database_name = current_database()"
_TABLES = """SELECT table_name, column_name, data_type FROM duckdb_columns()
    WHERE table_name IN ('scoria_journal', 'scoria_schema')"""
_MADE = {
    ("scoria_journal", "run_id", "VARCHAR"),
    ("scoria_journal", "due_at", "BIGINT"),
    ("scoria_journal", "records", "VARCHAR"),
    ("scoria_journal", "tenant_id", "VARCHAR"),
    ("scoria_journal", "session_id", "VARCHAR"),
    ("scoria_journal", "idempotency_key", "VARCHAR"),
    _VERSION := ("scoria_schema", "version", "INTEGER"),
}
_HOLDER = re.compile(r"\(PID (\d+)\)")


@attrs.define
class _Journal:
    """The records of one run, and the tenant it belongs to; an unknown run has none."""

    tenant_id: str
    records: list[Record] = attrs.field(factory=list)
    size: int = 0

    def extend(self, records: Sequence[Record]) -> None:
        """Add records to the end."""
        self.records.extend(records)
        self.size += sum(RECORD_BYTES + sys.getsizeof(each.body) for each in records)


@attrs.frozen
class _Write:
    """Records that go to the end of a run's journal; `key` where they begin it."""

    run_id: str
    tenant_id: str
    records: Sequence[Record]
    version: int
    due_at: int | None
    key: RunKey | None = None

    def row(self) -> tuple[str | int | None, ...]:
        """Return the row in the order of the columns; what a run is found by is in its first."""
        found_by: tuple[str | None, ...] = (None, None, None)
        if self.key is not None:
            found_by = (self.key.tenant_id, self.key.session_id, self.key.idempotency_key)
        return (self.run_id, self.due_at, encode_batch(self.records), *found_by)


class JournalFile:
    """The file at `path`, shared by the stores of this process that name it."""

    # By device and inode: two names of one file, opened apart, would lose each other's writes.
    _shared: ClassVar[dict[tuple[int, int] | None, "JournalFile"]] = {}
    _sharing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = StoreFile(path, (_LOG,), self._name)
        self._pid = os.getpid()
        self._lock = threading.Condition()
        self._writing = threading.Lock()
        self._is_closed = False
        self._in_flight: set[object] = set()
        self._is_committing = False
        self._writes: GroupCommit[_Write, None] = GroupCommit(self._commit)
        self._users = 0
        self._journals: Recent[_Journal] = Recent(CACHED_BYTES)
        self._doubtful: list[_Write] = []
        self._has_room = False
        self._is_empty = True
        self._check_kind()
        with self._using():
            self._connection = duckdb.connect(str(path), read_only=_is_write_protected(path))
            self._writer = self._connection.cursor()
            self._inode = _inode(path)
            try:
                self._prepare()
                self._file.check_identity()
                self._due = self._read_due()
                self._forgotten = self._newest()
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def share(cls, path: Path) -> "JournalFile":
        """Return the open file at `path`, opening it where this process has not yet."""
        with cls._sharing:
            StoreFile(path, name=f"duckdb:///{path}").check_place()
            file = cls._shared.get(_inode(path)) or cls(path.resolve())
            file._check_process()
            cls._shared[file._inode] = file
            file._users += 1
            return file

    def leave(self) -> None:
        """Close the file once every store that shares it has left, and no write is under way."""
        with self._sharing:
            self._users -= 1
            if self._users == 0 and self._pid == os.getpid():
                del self._shared[self._inode]
                with self._lock:
                    self._is_closed = True
                    self._lock.wait_for(lambda: not self._in_flight)
                    self._let_go()

    def _let_go(self) -> None:
        try:
            # What is not folded into the file now is replayed when it is next opened. Where the
            # file is no longer ours, neither it nor its log may be touched.
            with suppress(duckdb.Error, StoreUnavailable):
                self._check_file(self._connection)
                self._connection.execute("CHECKPOINT")
                if self._has_room:
                    compact(self._connection, self._path)
        finally:
            self._writer.close()
            self._connection.close()

    def create(self, key: RunKey, records: Sequence[Record], due_at: datetime | None) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        named: set[object] = {key.run_id}
        if key.idempotency_key is not None:
            named.add((key.tenant_id, key.idempotency_key))
        with self._alone_with(named):
            with self._using():
                self._settle()
                if owner := self._owner_of(key):
                    return owner
                if not self._is_new(key.run_id) and (
                    version := len(self._journal(key.run_id).records)
                ):
                    raise VersionConflict(key.run_id, 0, version)
            due = None if due_at is None else _microseconds(due_at)
            self._store(_Write(key.run_id, key.tenant_id, tuple(records), 0, due, key))
            return key.run_id

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        expected: int,
        due_at: datetime | None,
        due_by: datetime | None,
    ) -> None:
        """Append all of the records at the expected version."""
        with self._alone_with({run_id}):
            with self._using():
                self._settle()
                journal = self._journal(run_id)
                version = len(journal.records)
                if version == 0 or version != expected or not self._is_due(run_id, due_by):
                    raise VersionConflict(run_id, expected, version)
                due = None if due_at is None else _microseconds(due_at)
                write = _Write(run_id, journal.tenant_id, tuple(records), version, due)
                if not records:
                    self._set_due(write)
                    return
            self._store(write)

    def prune(self, versions: Mapping[str, int]) -> list[str]:
        """Remove the runs that are at these versions, and return their ids."""
        given = {"run_ids": list(versions), "versions": list(versions.values())}
        with self._alone_with(set(versions)), self._using():
            try:
                with self._writing:
                    rows = self._rows("prune", **given)
                    self._check_file(self._connection)
                removed = list(dict.fromkeys(run_id for (run_id,) in rows))
            except BaseException:
                self._doubtful += [_Write(each, "", (), sys.maxsize, None) for each in versions]
                raise
            finally:
                for run_id in versions:
                    self._forget(run_id)
            for run_id in removed:
                self._due.pop(run_id, None)
            # Also where nothing was: whoever removed runs before may have been killed since.
            self._has_room = True
            return removed

    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records of a run."""
        with self._using():
            if run_id not in self._journals:
                self._meet_the_file()
            return tuple(self._journal(run_id).records)

    def head(self, run_id: str) -> RunHead | None:
        """Return what a run is found by."""
        with self._using():
            self._meet_the_file()
            self._settle()
            version = len(self._journal(run_id).records)
            rows = self._rows("head", run_id=run_id) if version else []
            if not rows:
                return None
            _, due = self._due.get(run_id, ("", None))
            try:
                due_at = None if due is None else _EPOCH + timedelta(microseconds=due)
            except OverflowError as error:
                problem = "is of a run that is due at no time"
                raise StoreCorrupt(run_id, version, problem) from error
            return RunHead(RunKey(run_id, *rows[0]), version, due_at)

    def list_runs(
        self, tenant_id: str | None, session_id: str | None, limit: int, before: str | None
    ) -> list[str]:
        """Return run ids, newest first."""
        with self._using():
            self._meet_the_file()
            asked: dict[str, Any] = {"tenant_id": tenant_id, "before": before, "limit": limit}
            if session_id is None:
                rows = self._rows("runs", **asked)
            else:
                rows = self._rows("runs_of_session", session_id=session_id, **asked)
            return [run_id for (run_id,) in rows]

    def list_due(self, tenant_id: str | None, until: datetime, limit: int, fair: bool) -> list[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        with self._using():
            self._settle()
            now = _microseconds(until)
            due = sorted(
                (due_at, run_id)
                for run_id, (owner, due_at) in self._due.items()
                if due_at <= now and tenant_id in (None, owner)
            )
            run_ids = [run_id for _, run_id in due]
            return (fair_order(run_ids, lambda run_id: self._due[run_id][0]) if fair else run_ids)[
                :limit
            ]

    def _is_due(self, run_id: str, due_by: datetime | None) -> bool:
        if due_by is None:
            return True
        due = self._due.get(run_id)
        return due is not None and due[1] <= _microseconds(due_by)

    def _settle(self) -> None:
        """Learn from the file what became of writes that failed, as far as it says when to act.

        The other runs are left as they are: that a lease was renewed stands in memory only.
        """
        if self._doubtful:
            with self._writing:
                self._check_file(self._connection)
        while self._doubtful:
            write = self._doubtful[0]
            with suppress(StoreCorrupt):  # whoever reads that run is told; the others go on
                version = len(self._journal(write.run_id).records)
                if version > write.version:
                    self._set_due(write)
                elif version == 0:
                    self._due.pop(write.run_id, None)
            self._doubtful.pop(0)

    def _journal(self, run_id: str) -> _Journal:
        if (kept := self._journals.get(run_id)) is not None:
            return kept
        rows = [] if self._is_new(run_id) else self._rows("journal", run_id=run_id)
        journal = _Journal(rows[0][0] if rows else "")
        journal.extend(decode_batch(run_id, [row[1] for row in rows]))
        if rows:
            self._keep(run_id, journal)
        return journal

    def _is_new(self, run_id: str) -> bool:
        """Tell whether no run has been seen of that id, nor of one that is greater."""
        return run_id not in self._journals and run_id > self._forgotten

    def _keep(self, run_id: str, journal: _Journal) -> None:
        for gone in self._journals.keep(run_id, journal, journal.size):
            self._forget(gone)

    def _forget(self, run_id: str) -> None:
        """Let the file tell what is in it of that run."""
        self._journals.pop(run_id)
        self._forgotten = max(self._forgotten, run_id)

    def _owner_of(self, key: RunKey) -> str | None:
        if key.idempotency_key is None:
            return None
        rows = self._rows("owner", tenant_id=key.tenant_id, idempotency_key=key.idempotency_key)
        return rows[0][0] if rows else None

    @contextmanager
    def _alone_with(self, names: set[object]) -> Iterator[None]:
        """Wait until no write is under way for these names, and hold them."""
        self._check_process()
        with self._lock:
            self._lock.wait_for(lambda: self._in_flight.isdisjoint(names))
            self._check_open()
            self._in_flight |= names
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= names
                self._lock.notify_all()

    def _store(self, write: _Write) -> None:
        with self._telling():
            self._writes.store(write)

    def _commit(self, writes: list[_Write]) -> Sequence[None]:
        """Store all of the writes in one commit, and take them in once they are lasting."""
        rows = [write.row() for write in writes]
        with self._lock:
            self._is_committing = True
        try:
            with self._writing:
                if self._is_empty:
                    self._writer.execute(_SQL["schema"])
                    self._is_empty = False
                self._insert(rows)
                self._check_file(self._writer)
        except BaseException:
            # Whether they were stored is not known here; what is stored decides.
            with self._committed():
                self._doubtful += writes
                for write in writes:
                    self._forget(write.run_id)
            raise
        with self._committed():
            for write in writes:
                self._take_in(write)
        return [None] * len(writes)

    @contextmanager
    def _committed(self) -> Iterator[None]:
        """Let what is in memory be as the file is, before anybody else looks into that."""
        with self._lock:
            try:
                yield
            finally:
                self._is_committing = False
                self._lock.notify_all()

    def _meet_the_file(self) -> None:
        """Wait until memory knows what the file holds: who saw a run there finds it due as well."""
        self._lock.wait_for(lambda: not self._is_committing)
        self._check_open()

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        if len(rows) <= FEW_ROWS:
            places = ", ".join([_PLACES] * len(rows))
            values = [value for row in rows for value in row]
            statement = f"INSERT INTO scoria_journal VALUES {places}"  # noqa: S608 - question marks
            self._writer.execute(statement, values)
        else:
            columns = zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True)
            self._writer.execute(_SQL["append"], dict(columns))

    def _take_in(self, write: _Write) -> None:
        journal = self._journals.get(write.run_id)
        if journal is None and write.key is not None:
            journal = _Journal(write.tenant_id)
        # A read may have fetched from the file what was only just committed there.
        if journal is not None and len(journal.records) == write.version:
            journal.extend(write.records)
            self._keep(write.run_id, journal)
        self._set_due(write)

    def _newest(self) -> str:
        """Return the greatest id: ids come in ascending order, so a run beyond it is new."""
        return (self._rows("newest") or [("",)])[0][0] or ""

    def _read_due(self) -> dict[str, tuple[str, int]]:
        return {run_id: (tenant_id, due_at) for run_id, tenant_id, due_at in self._rows("due")}

    def _set_due(self, write: _Write) -> None:
        if write.due_at is None:
            self._due.pop(write.run_id, None)
        else:
            self._due[write.run_id] = (write.tenant_id, write.due_at)

    def _check_kind(self) -> None:
        """Refuse a file of another kind: DuckDB would look on the network for a reader of it."""
        try:
            with self._path.open("rb") as file:
                start = file.read(len(_MAGIC) + _MAGIC_AT)
        except OSError:
            return  # there is no file yet, or DuckDB says better what is wrong with its place
        if start and start[_MAGIC_AT:] != _MAGIC:
            raise StoreCorrupt(f"store {self._name}", 0, "is no DuckDB file")

    def _prepare(self) -> None:
        # One writer's short statements gain nothing from more threads, and reopening a file
        # replays what the last checkpoint left. A forked process that exits closes its copy of
        # the database: with a checkpoint it would take away the log that this one still writes.
        self._connection.execute(
            "SET threads = 1; SET wal_autocheckpoint = '1MB'; PRAGMA disable_checkpoint_on_shutdown"
        )
        self._connection.execute(f"SET memory_limit = '{MEMORY}'")
        # A file that is only read stays as it is: the tables are made with the first run.
        tables = self._tables()
        if not tables:
            return
        self._is_empty = False
        found: int | None = self._rows("version")[0][0] if _VERSION in tables else None
        if found is None or found < 1:
            raise StoreCorrupt(f"store {self._name}", 0, "does not say which schema it has")
        if found > SCHEMA:
            raise SchemaTooNew(self._name, found, SCHEMA)
        if self._tables() != _MADE:
            raise StoreCorrupt(f"store {self._name}", 0, "has other tables than it was made with")

    def _tables(self) -> set[tuple[str, str, str]]:
        """Return what columns the file has of ours, and of which type."""
        return set(self._connection.execute(_TABLES).fetchall())

    def _rows(self, statement: str, **parameters: Any) -> list[Any]:
        if self._is_empty:
            return []
        return self._connection.execute(_SQL[statement], parameters).fetchall()

    @property
    def _name(self) -> str:
        return f"duckdb:///{path_name(self._path)}"

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            problem = f"belongs to process {self._pid}, which this one was forked from"
            raise StoreUnavailable(self._name, problem, "open the store after forking, not before")

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Hold what is in memory, and the connection that reads."""
        self._check_process()
        with self._lock, self._telling():
            self._check_open()
            yield

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable(self._name, "is closed", "open it again")

    def _check_file(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raise `StoreUnavailable` where what was committed is in no file of that name."""
        # A checkpoint takes the log away, and the next commit makes a new one.
        if not self._file.is_beside(_LOG):
            size = connection.execute(_LOG_SIZE).fetchone()
            if size == ("0 bytes",):
                self._file.forget(_LOG)
        self._file.check_identity()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what DuckDB says in the words of the port."""
        try:
            yield
        except duckdb.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: duckdb.Error) -> ScoriaError:
        said = " ".join(str(error).split())
        if holder := _HOLDER.search(said):
            problem = f"is held by process {holder[1]}"
            next_move = "close it there, or use a store for several processes"
            return StoreUnavailable(self._name, problem, next_move)
        told = said.replace(str(self._path), "")
        if isinstance(error, duckdb.FatalException | duckdb.InternalException) or any(
            word in told for word in ("not a valid DuckDB", "orrupt", "checksum")
        ):
            return StoreCorrupt(f"store {self._name}", 0, f"cannot be read: {said}")
        return StoreUnavailable(self._name, f"cannot be used: {said}")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_write_protected(path: Path) -> bool:
    return os.access(path, os.F_OK) and not os.access(path, os.W_OK)


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
