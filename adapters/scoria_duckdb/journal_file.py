"""One open DuckDB file and the journals in it.

DuckDB lets one process at a time open a file, so within that process this is the only writer:
it detects version conflicts itself, under its lock. It keeps in memory the journals that were used
last, and the index row of each run that is not at rest. A statement costs far more than a row, so
a write is one statement and one commit, and concurrent writes share both.
"""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import attrs
import duckdb

from scoria_core.batches import decode_batch
from scoria_core.errors import (
    SchemaTooNew,
    ScoriaError,
    StoreCorrupt,
    StoreUnavailable,
    VersionConflict,
)
from scoria_core.files import StoreFile, path_name
from scoria_core.group_commit import GroupCommit
from scoria_core.logs import logger_of
from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun, Where
from scoria_core.recent import Recent
from scoria_duckdb.compaction import compact
from scoria_duckdb.deliveries import Deliveries
from scoria_duckdb.journal_rows import COLUMNS, Write, key_in_utc, row_in_utc, stored_run
from scoria_duckdb.run_index import RunIndex

logger = logger_of("scoria")

SCHEMA = 1
"""The version of the schema that this kit reads and writes."""

FEW_ROWS = 8
"""The most rows for which an INSERT with VALUES is cheaper than one that unnests lists."""

MEMORY = "256MB"
"""How much memory DuckDB may use; its default is most of the memory of the machine."""

OPENING_MEMORY = "96MB"
"""How much memory DuckDB may use while opening reads every run; the rest goes to the disk."""

CACHED_BYTES = 32 * 1024 * 1024
"""How much memory the cached journals may take; the least recently used are dropped first."""

RECORD_BYTES = 320
"""About how many bytes of memory a record takes besides its text."""

_SQL = {
    name: (files("scoria_duckdb") / "sql" / f"{name}.sql").read_text()
    for name in ("append", "count", "journal", "owner", "prune", "runs", "schema", "unfinished")
}
# For each filter, the condition on the one row of a run that has the fact.
_HOLDS = {
    None: "session_id IS NOT NULL",  # only the first row of a run has it
    Fact.SESSION: "session_id = $value",
    Fact.ACTOR: "actor_id = $value",
    Fact.ROLE: "root_role_id = $value",
    Fact.STATUS: "final_status = $value",
}
_LISTED = {fact: _SQL["runs"].format(fact=holds) for fact, holds in _HOLDS.items()}
_NEWEST = "SELECT run_id FROM scoria_journal ORDER BY run_id DESC LIMIT 1"  # max() reads every id
_SCHEMA_VERSION = "SELECT max(version) FROM scoria_schema"
_PLACES = f"({', '.join('?' * len(COLUMNS))})"
_MAGIC, _MAGIC_AT = b"DUCK", 8
_LOG = ".wal"
_LOG_SIZE = "SELECT wal_size FROM pragma_database_size() WHERE database_name = current_database()"
_TABLES = """SELECT table_name, column_name, data_type FROM duckdb_columns()
    WHERE table_name IN ('scoria_journal', 'scoria_listener', 'scoria_delivery', 'scoria_schema')"""
_MADE = {
    ("scoria_journal", "run_id", "VARCHAR"),
    ("scoria_journal", "created_at", "BIGINT"),
    ("scoria_journal", "version", "INTEGER"),
    ("scoria_journal", "records", "VARCHAR"),
    ("scoria_journal", "status", "VARCHAR"),
    ("scoria_journal", "final_status", "VARCHAR"),
    ("scoria_journal", "has_ended", "BOOLEAN"),
    ("scoria_journal", "since", "BIGINT"),
    ("scoria_journal", "due_at", "BIGINT"),
    ("scoria_journal", "labels", "VARCHAR"),
    ("scoria_journal", "tenant_id", "VARCHAR"),
    ("scoria_journal", "session_id", "VARCHAR"),
    ("scoria_journal", "actor_id", "VARCHAR"),
    ("scoria_journal", "root_role_id", "VARCHAR"),
    ("scoria_journal", "idempotency_key", "VARCHAR"),
    ("scoria_listener", "name", "VARCHAR"),
    ("scoria_delivery", "listener", "VARCHAR"),
    ("scoria_delivery", "run_id", "VARCHAR"),
    ("scoria_delivery", "delivered", "INTEGER"),
    ("scoria_delivery", "version", "INTEGER"),
    ("scoria_delivery", "tries", "INTEGER"),
    ("scoria_delivery", "next_try_at", "BIGINT"),
    ("scoria_delivery", "problem", "VARCHAR"),
    _VERSION := ("scoria_schema", "version", "INTEGER"),
}
_HOLDER = re.compile(r"\(PID (\d+)\)")


T = TypeVar("T")

_Change = Callable[[Deliveries], Any]


@attrs.define
class _Journal:
    """The records of one run, and its key, index row and version after the last of them."""

    run: StoredRun
    records: list[Record] = attrs.field(factory=list)
    size: int = 0

    def extend(self, records: Sequence[Record]) -> None:
        """Add records to the end."""
        self.records.extend(records)
        self.size += sum(RECORD_BYTES + sys.getsizeof(each.body) for each in records)


class JournalFile:
    """The file at `path`, shared by the stores of this process that name it."""

    # By device and inode: a file that is opened twice, under two names, would lose writes.
    _shared: ClassVar[dict[tuple[int, int] | None, "JournalFile"]] = {}
    _sharing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = StoreFile(path, (_LOG,), self._name)
        self._pid = os.getpid()
        self._lock = threading.Condition()
        # Held during a commit. If both locks are needed, `_lock` is taken first.
        self._writing = threading.Lock()
        self._is_closed = False
        self._in_flight: set[object] = set()
        self._is_committing = False
        self._writes: GroupCommit[Write | _Change, Any] = GroupCommit(self._commit)
        self._users = 0
        self._journals: Recent[_Journal] = Recent(CACHED_BYTES)
        self._index = RunIndex()
        self._deliveries = Deliveries()
        self._doubtful: list[str] = []
        self._are_deliveries_doubtful = True
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
                self._index.fill(self._unfinished())
                self._read_doubtful_deliveries(self._connection)
                self._forgotten = self._newest()
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def share(cls, path: Path) -> "JournalFile":
        """Return the file at `path`; open it if this process has not opened it yet."""
        with cls._sharing:
            StoreFile(path, name=f"duckdb:///{path}").check_place()
            file = cls._shared.get(_inode(path)) or cls(path.resolve())
            file._check_process()
            cls._shared[file._inode] = file
            file._users += 1
            return file

    def leave(self) -> None:
        """Leave the file; the last store to leave waits for writes under way, and closes it."""
        with self._sharing:
            self._users -= 1
            # A forked child leaves the file to its parent.
            if self._users == 0 and self._pid == os.getpid():
                del self._shared[self._inode]
                with self._lock:
                    self._is_closed = True  # first: no new write begins, so the wait ends
                    self._lock.wait_for(lambda: not self._in_flight)
                    self._let_go()

    def _let_go(self) -> None:
        try:
            # A checkpoint now saves the next opening the replay of the log. If the file was removed
            # or replaced, `_check_file` raises first: what is at its path is not ours to touch.
            with suppress(duckdb.Error, StoreUnavailable):
                self._check_file(self._connection)
                self._connection.execute("CHECKPOINT")
                if self._has_room:
                    compact(self._connection, self._path)
        finally:
            self._writer.close()
            self._connection.close()

    def create(self, key: RunKey, records: Sequence[Record], row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        named: set[object] = {key.run_id}
        if key.idempotency_key is not None:
            named.add((key.tenant_id, key.idempotency_key))
        # The key is reserved too: of two creates with one key, the second finds the first's run.
        with self._alone_with(named):
            with self._using():
                self._settle()
                if owner := self._owner_of(key):
                    return owner
                if (run := self._run(key.run_id)) is not None:
                    raise VersionConflict(key.run_id, 0, run.version)
            # The lock is released: writes of other threads can join the same commit.
            self._store(Write(key_in_utc(key), row_in_utc(row), tuple(records), 0))
            return key.run_id

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        expected: int,
        row: IndexRow,
        due_by: datetime | None,
    ) -> None:
        """Append all of the records at the expected version."""
        with self._alone_with({run_id}):
            with self._using():
                self._settle()
                run = self._run(run_id)
                version = 0 if run is None else run.version
                if run is None or version != expected or not _is_due(run, due_by):
                    raise VersionConflict(run_id, expected, version)
                write = Write(run.key, row_in_utc(row), tuple(records), version)
                if not records:
                    # Only the due time moves. It stays in memory, which the port allows.
                    self._index.put(write.run)
                    return
            self._store(write)

    def prune(self, versions: Mapping[str, int]) -> list[str]:
        """Remove the runs that are at these versions, and return their ids."""
        given = {"run_ids": list(versions), "versions": list(versions.values())}
        with self._alone_with(set(versions)), self._using():
            try:
                with self._writing:
                    removed = self._remove(given)
                    self._check_file(self._connection)
            except BaseException:
                # Whether they were removed is not known: the file is read before they are used.
                self._doubtful += versions
                self._are_deliveries_doubtful = True
                raise
            finally:
                for run_id in versions:
                    self._forget(run_id)
            for run_id in removed:
                self._index.discard(run_id)
            # Even if nothing was removed: a process that removed runs earlier may have been killed
            # before it made the file smaller.
            self._has_room = True
            return removed

    def _remove(self, given: Mapping[str, object]) -> list[str]:
        if self._is_empty:
            return []
        with _transaction(self._connection):
            rows = self._rows(_SQL["prune"], **given)
            removed = list(dict.fromkeys(run_id for (run_id,) in rows))
            self._deliveries.forget(removed, self._connection)
        return removed

    def read(self, run_ids: Sequence[str]) -> list[StoredRun]:
        """Return the runs with their records, in the order of `run_ids`."""
        with self._using():
            if not all(run_id in self._journals for run_id in run_ids):
                self._meet_the_file()
            return self._runs(run_ids)

    def list_runs(
        self,
        tenant_id: str | None,
        where: Where | None,
        limit: int,
        before: str | None,
        with_records: bool,
    ) -> list[StoredRun]:
        """Return runs, newest first."""
        with self._using():
            self._meet_the_file()
            asked = {"tenant_id": tenant_id, "limit": limit, "before": before}
            if where is None:
                rows = self._rows(_LISTED[None], **asked)
            else:
                rows = self._rows(_LISTED[where.fact], value=where.value, **asked)
            run_ids = [run_id for (run_id,) in rows]
            if where is not None and where.fact == Fact.STATUS:
                run_ids += self._index.with_status(tenant_id, where.value, limit, before)
                run_ids = sorted(run_ids, reverse=True)[:limit]
            return self._runs(run_ids, with_records)

    def list_labelled(
        self,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: tuple[datetime, str] | None,
        with_records: bool,
    ) -> list[StoredRun]:
        """Return runs with the label, longest since first."""
        with self._using():
            self._meet_the_file()
            if start is not None:
                start = start[0].astimezone(UTC), start[1]
            run_ids = self._index.labelled(tenant_id, label, limit, start)
            return self._runs(run_ids, with_records)

    def list_due(self, tenant_id: str | None, until: datetime, limit: int, fair: bool) -> list[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        with self._using():
            self._settle()
            return self._index.due(tenant_id, until, limit, fair)

    def count_runs(
        self, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> dict[str, int]:
        """Return how many runs have each status, at most `limit`."""
        with self._using():
            self._meet_the_file()
            counts: dict[str, int] = {}
            for status in statuses:
                counts[status] = min(self._index.count(tenant_id, status), limit)
                rows = self._rows(
                    _SQL["count"],
                    tenant_id=tenant_id,
                    status=status,
                    limit=limit - counts[status],
                )
                counts[status] += sum(count for (count,) in rows)
            return counts

    def change_deliveries(self, change: Callable[[Deliveries], T]) -> T:
        """Apply a change to the deliveries in the next commit, and return what it returns."""
        # The name is new, so this waits for no other write; but `leave` waits for this one.
        with self._alone_with({object()}):
            answer: T = self._store(change)
        return answer

    def see_deliveries(self, see: Callable[[Deliveries], T]) -> T:
        """Return what `see` returns for the deliveries."""
        with self._using():
            self._meet_the_file()
            self._read_doubtful_deliveries(self._connection)
            return see(self._deliveries)

    def _read_doubtful_deliveries(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Load the deliveries from the file, if those in memory may differ from it."""
        if self._are_deliveries_doubtful and not self._is_empty:
            self._deliveries.read(connection)
            self._are_deliveries_doubtful = False

    def _settle(self) -> None:
        """Read from the file whether the writes that failed were stored, and correct the index.

        Other runs are not read: a due time that a renewed lease has moved is in memory only.
        """
        if self._doubtful:
            with self._writing:
                self._check_file(self._connection)
        while self._doubtful:
            run_id = self._doubtful[0]
            known = self._index.get(run_id)
            try:
                found = next((run for run, _ in self._in_file([run_id])), None)
            except StoreCorrupt:
                found = None  # a read of that run raises this; the other runs stay usable
            if found is None:
                self._index.discard(run_id)
            # At the same version the row in memory is kept: its due time may be newer.
            elif known is None or found.version > known.version:
                self._index.put(found)
            self._doubtful.pop(0)  # last: the run stays doubtful if the query raises

    def _run(self, run_id: str) -> StoredRun | None:
        return next(iter(self._runs([run_id], with_records=False)), None)

    def _runs(self, run_ids: Sequence[str], with_records: bool = True) -> list[StoredRun]:
        """Return the runs in the order of `run_ids`: from memory if they are there, or the file."""
        kept = {run_id: self._in_memory(run_id, with_records) for run_id in run_ids}
        found = {run_id: run for run_id, run in kept.items() if run is not None}
        missing = [each for each in kept if each not in found and not self._is_new(each)]
        for run, texts in self._in_file(missing):
            run_id = run.key.run_id
            # The row in memory is preferred: its due time may be newer.
            found[run_id] = self._index.get(run_id) or run
            if with_records:
                journal = _Journal(run)
                journal.extend(decode_batch(run_id, texts))
                self._keep(run_id, journal)
                found[run_id] = _with_records(found[run_id], journal)
        return [found[run_id] for run_id in run_ids if run_id in found]

    def _in_memory(self, run_id: str, with_records: bool) -> StoredRun | None:
        journal, run = self._journals.get(run_id), self._index.get(run_id)
        if journal is None:
            return None if with_records else run
        run = run or journal.run
        return _with_records(run, journal) if with_records else run

    def _in_file(self, run_ids: Sequence[str]) -> Iterator[tuple[StoredRun, list[str]]]:
        """Yield each run without records, and the texts that hold its records."""
        rows = self._rows(_SQL["journal"], run_ids=run_ids) if run_ids else []
        rows_of: dict[str, list[Any]] = {}
        for run_id, *row in rows:
            rows_of.setdefault(run_id, []).append(row)
        for run_id, of_run in rows_of.items():
            yield stored_run(run_id, of_run[-1][1:8], of_run[0][8:]), [row[0] for row in of_run]

    def _is_new(self, run_id: str) -> bool:
        """Tell, without reading the file, that it has no run with this id.

        Each run in the file is in memory, or its id is not greater than `_forgotten`.
        """
        return (
            run_id not in self._journals
            and self._index.get(run_id) is None
            and run_id > self._forgotten
        )

    def _keep(self, run_id: str, journal: _Journal) -> None:
        for gone in self._journals.keep(run_id, journal, journal.size):
            self._forget(gone)

    def _forget(self, run_id: str) -> None:
        """Drop the journal of a run from memory: it is read from the file when it is next used."""
        self._journals.pop(run_id)
        self._forgotten = max(self._forgotten, run_id)

    def _owner_of(self, key: RunKey) -> str | None:
        if key.idempotency_key is None:
            return None
        named = {"tenant_id": key.tenant_id, "idempotency_key": key.idempotency_key}
        rows = self._rows(_SQL["owner"], **named)
        return rows[0][0] if rows else None

    @contextmanager
    def _alone_with(self, names: set[object]) -> Iterator[None]:
        """Wait until no write of these names is under way, and reserve them within the block."""
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

    def _store(self, write: Write | _Change) -> Any:
        with self._telling():
            return self._writes.store(write)

    def _commit(self, writes: list[Write | _Change]) -> Sequence[Any]:
        """Store all of the writes in one commit; once they are durable, add them to memory."""
        of_runs = [write for write in writes if isinstance(write, Write)]
        rows = [write.values() for write in of_runs]
        with self._lock:
            self._is_committing = True
        try:
            with self._writing:
                if self._is_empty:
                    self._writer.execute(_SQL["schema"])
                    self._is_empty = False
                self._read_doubtful_deliveries(self._writer)
                answers = [self._noted(write) for write in writes]
                # If the commit fails, memory has changes that the file may not have.
                self._are_deliveries_doubtful = self._deliveries.are_changed
                if self._deliveries.are_changed:
                    with _transaction(self._writer):
                        self._insert(rows)
                        self._deliveries.save(self._writer)
                else:
                    self._insert(rows)
                # Before it is acknowledged: a commit to a file that was replaced would be lost.
                self._check_file(self._writer)
                self._are_deliveries_doubtful = False
        except BaseException:
            # Whether they were stored is not known: the file is read before they are used.
            with self._committed():
                for write in of_runs:
                    self._doubtful.append(write.key.run_id)
                    self._forget(write.key.run_id)
            raise
        with self._committed():
            for write in of_runs:
                self._take_in(write)
        return answers

    def _noted(self, write: Write | _Change) -> Any:
        """Apply what a write changes in the deliveries, and return the answer for its caller."""
        return (
            self._deliveries.stored(write) if isinstance(write, Write) else write(self._deliveries)
        )

    @contextmanager
    def _committed(self) -> Iterator[None]:
        """Update memory after a commit, before the reads that wait for the commit go on."""
        with self._lock:
            try:
                yield
            finally:
                self._is_committing = False
                self._lock.notify_all()

    def _meet_the_file(self) -> None:
        """Wait until memory agrees with the file.

        Otherwise a read could find a run in the file that a later `list_due` misses in memory.
        """
        self._lock.wait_for(lambda: not self._is_committing)
        self._check_open()
        self._settle()

    def _insert(self, rows: list[tuple[Any, ...]]) -> None:
        if 0 < len(rows) <= FEW_ROWS:
            places = ", ".join([_PLACES] * len(rows))
            values = [value for row in rows for value in row]
            statement = f"INSERT INTO scoria_journal VALUES {places}"  # noqa: S608 - question marks
            self._writer.execute(statement, values)
        elif rows:
            columns = zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)
            self._writer.execute(_SQL["append"], dict(columns))

    def _take_in(self, write: Write) -> None:
        run = write.run
        self._index.put(run)
        journal = self._journals.get(run.key.run_id)
        if journal is None and write.version == 0:
            journal = _Journal(run)
        # A read may already have loaded this write from the file: then it is not added again.
        if journal is not None and len(journal.records) == write.version:
            journal.run = run
            journal.extend(write.records)
            self._keep(run.key.run_id, journal)

    def _newest(self) -> str:
        """Return the greatest run id in the file: a run with a greater one is not in it."""
        return max((run_id for (run_id,) in self._rows(_NEWEST)), default="")

    def _unfinished(self) -> Iterator[StoredRun]:
        self._connection.execute(f"SET memory_limit = '{OPENING_MEMORY}'")
        for run_id, says, *facts in self._rows(_SQL["unfinished"]):
            try:
                yield stored_run(run_id, says, facts)
            except StoreCorrupt as error:
                # A read of that run raises this; the other runs stay usable.
                logger.warning("%s", error)
        self._connection.execute(f"SET memory_limit = '{MEMORY}'")

    def _check_kind(self) -> None:
        """Refuse a file of another kind: DuckDB would try to download an extension to read it."""
        try:
            with self._path.open("rb") as file:
                start = file.read(len(_MAGIC) + _MAGIC_AT)
        except OSError:
            return  # there is no file yet, or its problem is one that DuckDB describes better
        if start and start[_MAGIC_AT:] != _MAGIC:
            raise StoreCorrupt(f"store {self._name}", 0, "is no DuckDB file")

    def _prepare(self) -> None:
        # Short statements gain nothing from more threads. Frequent checkpoints keep short the log
        # that the next opening replays. A forked child closes its copy of the database when it
        # exits: a checkpoint would then remove the log that this process still writes.
        self._connection.execute(
            "SET threads = 1; SET wal_autocheckpoint = '1MB'; PRAGMA disable_checkpoint_on_shutdown"
        )
        # The first write makes the tables, so that a file that is only read does not change.
        tables = self._tables()
        if not tables:
            return
        self._is_empty = False
        found: int | None = self._rows(_SCHEMA_VERSION)[0][0] if _VERSION in tables else None
        if found is None or found < 1:
            raise StoreCorrupt(f"store {self._name}", 0, "does not say which schema it has")
        if found > SCHEMA:
            raise SchemaTooNew(self._name, found, SCHEMA)
        if self._tables() != _MADE:
            raise StoreCorrupt(f"store {self._name}", 0, "has other tables than it was made with")

    def _tables(self) -> set[tuple[str, str, str]]:
        """Return the columns of our tables in the file: table, name and type of each."""
        return set(self._connection.execute(_TABLES).fetchall())

    def _rows(self, statement: str, **parameters: Any) -> list[Any]:
        if self._is_empty:
            return []
        return self._connection.execute(statement, parameters).fetchall()

    @property
    def _name(self) -> str:
        return f"duckdb:///{path_name(self._path)}"

    def _check_process(self) -> None:
        # Called before `_lock` is taken: in a forked child it may stay locked for ever.
        if self._pid != os.getpid():
            problem = f"belongs to process {self._pid}, which this one was forked from"
            raise StoreUnavailable(self._name, problem, "open the store after forking, not before")

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Hold the lock on memory and on the connection that reads, within the block."""
        self._check_process()
        with self._lock, self._telling():
            self._check_open()
            yield

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable(self._name, "is closed", "open it again")

    def _check_file(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Raise `StoreUnavailable` if the path no longer names the file that has the commits."""
        # A checkpoint removes the log, and the next commit makes a new one: both are ours.
        if not self._file.is_beside(_LOG):
            size = connection.execute(_LOG_SIZE).fetchone()
            if size == ("0 bytes",):
                self._file.forget(_LOG)
        self._file.check_identity()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Translate errors of DuckDB into those of the port."""
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


def _after_fork() -> None:
    # A thread of the parent may hold the lock, and the child has no such thread to release it.
    JournalFile._sharing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_write_protected(path: Path) -> bool:
    return os.access(path, os.F_OK) and not os.access(path, os.W_OK)


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        with suppress(duckdb.Error):
            connection.rollback()
        raise


def _is_due(run: StoredRun, by: datetime | None) -> bool:
    return by is None or (run.row.due_at is not None and run.row.due_at <= by)


def _with_records(run: StoredRun, journal: _Journal) -> StoredRun:
    return StoredRun(run.key, run.row, run.version, tuple(journal.records))
