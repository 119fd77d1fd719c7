"""Stores that are wrong beside another handle, in a race, after a crash or once they are closed."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import attrs

from lab.first_contact.batch_3.tools import (
    AT,
    around_commits,
    begin,
    due_at,
    in_killed_child,
    key,
    kill_self,
    later,
    listed,
    records,
    refusal,
    wrong_store,
)
from lab.first_contact.runs import Tells, due_then, ids, journal, row_due, run_of
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, Fact, IndexRow, Record, StoredRun, Where
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import OPEN, _number

At = datetime | None


class UnknownRemembered(PrunableSQLiteStore):
    """Remembers that a run was unknown, until it stores that run itself."""

    def __init__(self, path: Path) -> None:
        """Open the file in the way that the class says."""
        self._unknown: set[str] = set()
        super().__init__(path)

    def create(self, key: Any, records: Any, **more: Any) -> str:
        """Store the run, which is then known."""
        self._unknown.discard(key.run_id)
        return super().create(key, records, **more)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Ask the file only for runs that are not known to be unknown."""
        asked = [each for each in run_ids if each not in self._unknown]
        found = super().read(asked)
        self._unknown.update({*asked} - {*ids(found)})
        return found


def show_unknown(make: Any, directory: Path) -> None:
    """Assert that a run that another handle creates is found by one that has looked before."""
    one, other = make(directory), make(directory)
    assert not journal(one, "run-1")
    begin(other, "run-1")
    assert len(journal(one, "run-1")) == 1


class QueueFromOpening(PrunableSQLiteStore):
    """Keeps the queue in memory, and reads it again only after a write of its own."""

    _queue: list[tuple[int, str, str]] | None = None
    _writes_done = 0

    def create(self, key: Any, records: Any, **more: Any) -> str:
        """Store, and read the queue again when it is next asked for."""
        answer = super().create(key, records, **more)
        self._forget()
        return answer

    def append(self, run_id: str, records: Any, **more: Any) -> None:
        """Append, and read the queue again when it is next asked for."""
        super().append(run_id, records, **more)
        self._forget()

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Prune, and read the queue again when it is next asked for."""
        removed = super().prune(versions)
        self._forget()
        return removed

    def _forget(self) -> None:
        """Have the queue read again."""
        self._writes_done += 1
        self._queue = None

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Answer from memory, in turns from the file."""
        if fair:
            return super().list_due(tenant_id=tenant_id, until=until, limit=limit, fair=True)
        queue, done = self._queue, self._writes_done
        with self._transaction() as connection:
            if queue is None:
                rows = "SELECT due_at, run_id, tenant_id FROM run WHERE due_at IS NOT NULL"
                queue = sorted(connection.execute(rows).fetchall())
        if done == self._writes_done:
            self._queue = queue
        now = _number(until)
        due = [row for row in queue if row[0] <= now and tenant_id in (None, row[2])]
        return [run_id for _, run_id, _ in due][:limit]


def show_queue(make: Any, directory: Path) -> None:
    """Assert that what another handle has finished is no longer due."""
    one, other = make(directory), make(directory)
    begin(one, "run-1", due=AT)
    assert due_at(one) == ["run-1"]
    other.append("run-1", records(2, 2), expected_version=1, row=row_due(None))
    assert due_at(one) == []


class RenewalsInMemory(Tells, PrunableSQLiteStore):
    """Keeps renewals of a lease in the memory of its process, though others have the file open."""

    def __init__(self, path: Path) -> None:
        """Open the file in the way that the class says."""
        self._renewed: dict[str, At] = {}
        super().__init__(path)

    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, due_by: At = None
    ) -> None:
        """Store records, and remember the rest."""
        run, version = run_of(self, run_id), expected_version
        if due_by is not None and run is not None and run_id in self._renewed:
            if run.row.due_at is None or run.row.due_at > due_by:
                raise VersionConflict(run_id, version, run.version)
        elif not records and due_by is None and run is not None and run.version == version:
            self._renewed[run_id] = row.due_at and row.due_at.astimezone(UTC)
            return
        super().append(run_id, records, expected_version=version, row=row, due_by=due_by)
        self._renewed.pop(run_id, None)

    def told(self, run: StoredRun) -> StoredRun:
        """Tell the renewed time where there is one."""
        due_at = self._renewed.get(run.key.run_id, run.row.due_at)
        return attrs.evolve(run, row=due_then(run.row, due_at))

    def list_due(self, *, until: datetime, **asked: Any) -> Sequence[str]:
        """Leave out what was renewed beyond that time."""
        found = super().list_due(until=until, **asked)
        off = {each for each, at in self._renewed.items() if at is None or at > until}
        return [each for each in found if each not in off]


def show_renewals(make: Any, directory: Path) -> None:
    """Assert that a lease that one handle has renewed is not over for another."""
    one, other = make(directory), make(directory)
    begin(one, "run-1", due=AT)
    one.append("run-1", (), expected_version=1, row=row_due(later(60)))
    assert due_at(other, later(1)) == []
    takes_over = {"expected_version": 1, "row": row_due(later(90)), "due_by": later(1)}
    refusal(VersionConflict, lambda: other.append("run-1", records(2, 2), **takes_over))


class VersionsOfProcess(PrunableSQLiteStore):
    """Refuses an append by the version that its own process has last written, in any handle."""

    _known: ClassVar[dict[tuple[Path, str], int]] = {}

    def append(self, run_id: str, records: Any, *, expected_version: int, **more: Any) -> None:
        """Save the question where the answer seems to be known."""
        name = (self._file.path, run_id)
        known = self._known.get(name, expected_version)
        if known != expected_version:
            raise VersionConflict(run_id, expected_version, known)
        super().append(run_id, records, expected_version=expected_version, **more)
        self._known[name] = max(self._known.get(name, 0), expected_version + len(records))

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Forget what is removed."""
        removed = super().prune(versions)
        for run_id in removed:
            self._known.pop((self._file.path, run_id), None)
        return removed


def show_versions(make: Any, directory: Path) -> None:
    """Assert that an append follows one of another process."""
    store, end = make(directory), {"row": row_due(None)}
    begin(store, "run-1")
    store.append("run-1", records(2, 2), expected_version=1, **end)
    in_killed_child(
        lambda: make(directory).append("run-1", records(3, 3), expected_version=2, **end)
    )
    try:
        store.append("run-1", records(4, 4), expected_version=3, **end)
    except VersionConflict as error:
        raise AssertionError(str(error)) from error
    assert len(journal(store, "run-1")) == 4


class PrunedInTwo(PrunableSQLiteStore):
    """Removes the records of a run in one transaction, and what it is found by in the next."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the larger part first."""

        def records(connection: sqlite3.Connection) -> Any:
            found = "SELECT run_id FROM run WHERE run_id = ? AND version = ?"
            rows = [row for each in versions.items() for row in connection.execute(found, each)]
            connection.executemany("DELETE FROM record WHERE run_id = ?", rows)
            return [run_id for (run_id,) in rows]

        removed: Any = self._writes.store(records)
        rows = [(run_id,) for run_id in removed]

        def forget(connection: sqlite3.Connection) -> Any:
            for table in ("run", "label"):
                connection.executemany(f"DELETE FROM {table} WHERE run_id = ?", rows)  # noqa: S608
            return ""

        self._writes.store(forget)
        self._has_room = True
        return list(removed)


def show_pruned_in_two(make: Any, directory: Path) -> None:
    """Assert that a run is whole or gone where the process is killed after the first commit."""

    def work() -> None:
        store = make(directory)
        begin(store, "run-1", upto=2)
        with around_commits(after=kill_self):
            store.prune({"run-1": 2})

    in_killed_child(work)
    store = make(directory)
    found = (len(journal(store, "run-1")), run_of(store, "run-1") is not None, listed(store))
    assert found in ((2, True, ["run-1"]), (0, False, [])), found


class AppendedByFifty(PrunableSQLiteStore):
    """Appends fifty records at a time, each fifty in a transaction of their own."""

    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, due_by: At = None
    ) -> None:
        """Keep each statement small."""
        by = due_by
        for first in range(0, max(len(records), 1), 50):
            part, version = records[first : first + 50], expected_version + first
            super().append(run_id, part, expected_version=version, row=row, due_by=by)
            by = None


def show_fifty(make: Any, directory: Path) -> None:
    """Assert that all or none of eighty records are stored where the process is killed."""

    def work() -> None:
        store = make(directory)
        begin(store, "run-1")
        with around_commits(after=kill_self):
            store.append("run-1", records(2, 81), expected_version=1, row=row_due(None))

    in_killed_child(work)
    found = len(journal(make(directory), "run-1"))
    assert found in (1, 81), found


class ConflictsTold(PrunableSQLiteStore):
    """Tells version 0 of a run that was not due, as its one statement has moved no row."""

    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, due_by: At = None
    ) -> None:
        """Take no row for no run."""
        version = expected_version
        try:
            super().append(run_id, records, expected_version=version, row=row, due_by=due_by)
        except VersionConflict as error:
            if due_by is None:
                raise
            raise VersionConflict(run_id, version, 0) from error


def show_told(make: Any, directory: Path) -> None:
    """Assert that the refusal tells the version that the run is at."""
    store = make(directory)
    begin(store, "run-1", due=later(60), upto=3)
    early = {"expected_version": 3, "row": row_due(None), "due_by": AT}
    refused = refusal(VersionConflict, lambda: store.append("run-1", records(4, 4), **early))
    assert (refused.expected, refused.actual) == (3, 3), refused


class CheckedBeforeLocked(MemoryStore):
    """Compares the version under its lock, and appends under it later."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: At = None,
    ) -> None:
        """Copy the records between the two, to hold the lock for less long."""
        version = expected_version
        super().append(run_id, (), expected_version=version, row=row, due_by=due_by)
        rows = tuple(records)
        with self._lock:
            self._check_open()
            run = self._runs[run_id]
            self._journals[run_id].extend(rows)
            self._runs[run_id] = attrs.evolve(run, version=run.version + len(rows))


class _Slow(list[Record]):
    """Records that wait for another caller when they are copied."""

    def __init__(self, rows: Sequence[Record], meet: threading.Barrier) -> None:
        """Take the records, and where to wait."""
        super().__init__(rows)
        self._meet = meet

    def __iter__(self) -> Iterator[Record]:
        """Wait for the other caller, for a second at most."""
        with suppress(threading.BrokenBarrierError):
            self._meet.wait(1.0)
        return super().__iter__()


def show_checked(make: Any, directory: Path) -> None:
    """Assert that one of two callers loses where both come before the records are copied."""
    store, meet, lost = make(directory), threading.Barrier(2), []
    begin(store, "run-1")

    def append() -> None:
        try:
            mine = _Slow(records(2, 2), meet)
            store.append("run-1", mine, expected_version=1, row=row_due(None))
        except VersionConflict as error:
            lost.append(error)

    threads = [threading.Thread(target=append) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lost) == 1, lost
    assert len(journal(store, "run-1")) == 2


class PrunedAsFound(PrunableSQLiteStore):
    """Looks which runs are at the given versions, and then removes these, whatever came between."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove by id what was found by version."""
        runs = self.read(list(versions))
        at_version = [run for run in runs if run.version == versions[run.key.run_id]]
        found = [(run_id,) for run_id in ids(at_version)]

        def write(connection: sqlite3.Connection) -> Any:
            for table in ("run", "record", "label"):
                connection.executemany(f"DELETE FROM {table} WHERE run_id = ?", found)  # noqa: S608
            return [run_id for (run_id,) in found]

        removed: Any = self._writes.store(write)
        self._has_room = True
        return list(removed)


def show_pruned_as_found(make: Any, directory: Path) -> None:
    """Assert that a run is left to which another handle appends just before it is removed."""
    one, other = make(directory), make(directory)
    begin(one, "run-1")

    def append() -> None:
        other.append("run-1", records(2, 2), expected_version=1, row=row_due(None))

    with around_commits(before=append):
        removed = one.prune({"run-1": 1})
    assert list(removed) == []
    assert len(journal(other, "run-1")) == 2


class Tombstones(PrunableSQLiteStore):
    """Hides what was pruned for as long as it is open, and removes nothing."""

    def __init__(self, path: Path) -> None:
        """Open the file in the way that the class says."""
        self._gone: set[str] = set()
        super().__init__(path)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remember what to hide, and leave the rest to a clean-up that has yet to be written."""
        runs = self.read(list(versions))
        gone = ids([run for run in runs if run.version == versions[run.key.run_id]])
        with self._transaction("BEGIN IMMEDIATE") as connection:
            for run_id in gone:
                free = "UPDATE run SET idempotency_key = NULL, due_at = NULL WHERE run_id = ?"
                connection.execute(free, (run_id,))
        self._gone.update(gone)
        return gone

    def append(self, run_id: str, records: Any, *, expected_version: int, **more: Any) -> None:
        """Refuse to append to what is hidden."""
        if run_id in self._gone:
            raise VersionConflict(run_id, expected_version, 0)
        super().append(run_id, records, expected_version=expected_version, **more)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Read nothing of what is hidden."""
        return super().read([each for each in run_ids if each not in self._gone])

    def list_runs(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """List all but what is hidden."""
        return self._shown(super().list_runs(limit=self._more(limit), **asked))[:limit]

    def list_labelled(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """List all but what is hidden."""
        return self._shown(super().list_labelled(limit=self._more(limit), **asked))[:limit]

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Count all but what is hidden."""
        asked: dict[str, Any] = {"tenant_id": tenant_id, "limit": limit, "with_records": False}
        return {
            status: len(self.list_runs(where=Where(Fact.STATUS, status), **asked))
            for status in statuses
        }

    def _more(self, limit: int) -> int:
        return min(limit + len(self._gone), 2**63 - 1)

    def _shown(self, runs: Sequence[StoredRun]) -> list[StoredRun]:
        return [run for run in runs if run.key.run_id not in self._gone]


def show_tombstones(make: Any, directory: Path) -> None:
    """Assert that what was pruned is gone for a store that is opened anew."""
    store = make(directory)
    begin(store, "run-1")
    begin(store, "run-2")
    assert store.prune({"run-1": 1}) == ["run-1"]
    assert (listed(store), journal(store, "run-1")) == (["run-2"], [])
    store.close()
    again = make(directory)
    assert (listed(again), list(journal(again, "run-1"))) == (["run-2"], [])


class LeftLocked(DuckDBStore):
    """Writes its process id beside the file, and is not opened where that of another is left."""

    def __init__(self, path: Path) -> None:
        """Open the file in the way that the class says."""
        self._beside = path.with_suffix(".pid")
        holder = self._beside.read_text() if self._beside.exists() else ""
        if holder not in ("", str(os.getpid())):
            raise StoreUnavailable(f"duckdb:///{path}", f"is held by process {holder}", "close it")
        super().__init__(path)
        self._beside.write_text(str(os.getpid()))

    def close(self) -> None:
        """Close the file, and take the process id away."""
        super().close()
        self._beside.unlink(missing_ok=True)


def show_left_locked(make: Any, directory: Path) -> None:
    """Assert that the store opens again by itself after its process was killed."""
    in_killed_child(lambda: begin(make(directory), "run-1"))
    try:
        store = make(directory)
    except StoreUnavailable as error:
        raise AssertionError(str(error)) from error
    assert listed(store) == ["run-1"]


class LogTakenAway(PrunableSQLiteStore):
    """Takes away what a killed process has left beside the file, which holds its last writes."""

    capabilities = frozenset({Capability.DURABLE, Capability.PRUNABLE})

    def __init__(self, path: Path) -> None:
        """Open the file in the way that the class says."""
        if not any(store._file.path == path for store, _ in OPEN):
            for name in (f"{path}-wal", f"{path}-shm"):
                Path(name).unlink(missing_ok=True)
        super().__init__(path)


def show_log_taken_away(make: Any, directory: Path) -> None:
    """Assert that an acknowledged write is there after its process was killed."""

    def work() -> None:
        store = make(directory)
        begin(store, "run-1")
        store.append("run-1", records(2, 2), expected_version=1, row=row_due(None))

    make(directory).close()
    in_killed_child(work)
    assert len(journal(make(directory), "run-1")) == 2


class ClosedAtOnce(PrunableSQLiteStore):
    """Closes its connections without a look at the calls that are using them."""

    def close(self) -> None:
        """Close what is open."""
        self._closed = True
        for store, begins in [each for each in OPEN if each[0] is self]:
            OPEN.pop((store, begins)).close()


def show_closed_at_once(make: Any, directory: Path) -> None:
    """Assert that a write under way when the store is closed comes to its end."""
    store, entered, go_on, outcome = make(directory), threading.Event(), threading.Event(), []

    class Slow(list[Record]):
        def __iter__(self) -> Iterator[Record]:
            entered.set()
            go_on.wait(10)
            return super().__iter__()

    def create() -> None:
        try:
            outcome.append(store.create(key(), Slow(records(1, 1)), row=row_due(None)))
        except Exception as error:  # noqa: BLE001 - what it is does not matter
            outcome.append(error)

    writer = threading.Thread(target=create)
    writer.start()
    entered.wait(10)
    closer = threading.Thread(target=store.close)
    closer.start()
    closer.join(0.5)
    go_on.set()
    writer.join()
    closer.join()
    assert outcome == ["run-1"], outcome
    assert len(journal(make(directory), "run-1")) == 1


class ReadAfterClose(MemoryStore):
    """Answers `read` after it was closed, as if the runs were unknown."""

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Look for the runs, whether the store is open or not."""
        with self._lock:
            return self._answer((each for each in run_ids if each in self._runs), True)


def show_read_after_close(make: Any, directory: Path) -> None:
    """Assert that no call is answered after the store was closed."""
    store = make(directory)
    begin(store, "run-1")
    store.close()
    refusal(StoreUnavailable, lambda: run_of(store, "run-1"))


WRONG = [
    wrong_store("an unknown run is remembered", "STORE-15", UnknownRemembered, show_unknown),
    wrong_store("the queue is kept in memory", "STORE-15", QueueFromOpening, show_queue),
    wrong_store("renewals stay in one process", "STORE-15", RenewalsInMemory, show_renewals),
    wrong_store("versions are known to one process", "STORE-15", VersionsOfProcess, show_versions),
    wrong_store("a run is pruned in two transactions", "STORE-37", PrunedInTwo, show_pruned_in_two),
    wrong_store("records are appended by fifty", "STORE-4", AppendedByFifty, show_fifty),
    wrong_store("a run not due is told at version 0", "STORE-32", ConflictsTold, show_told),
    wrong_store("the version is checked too soon", "STORE-6", CheckedBeforeLocked, show_checked),
    wrong_store("pruning ignores a late append", "STORE-24", PrunedAsFound, show_pruned_as_found),
    wrong_store("pruned runs come back on reopening", "STORE-23", Tombstones, show_tombstones),
    wrong_store("a killed process leaves a lock", "STORE-38", LeftLocked, show_left_locked),
    wrong_store("the log of a killed process goes", "STORE-14", LogTakenAway, show_log_taken_away),
    wrong_store("closing breaks calls under way", "STORE-26", ClosedAtOnce, show_closed_at_once),
    wrong_store("read answers after close", "STORE-13", ReadAfterClose, show_read_after_close),
]
