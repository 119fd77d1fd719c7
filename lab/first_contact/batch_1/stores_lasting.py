"""Stores that are wrong after a reopen or a kill, in a race, or from a second handle."""

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_1.helpers import (
    Fatal,
    Make,
    Meeting,
    answered,
    at_once,
    created,
    key,
    killed,
    listed,
    records,
    run_id,
    wrong_store,
)
from lab.first_contact.runs import Tells, ids, journal, row_due, run_of
from lab.first_contact.wrong import Wrong
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, IndexRow, Record, RunKey, StoredRun
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import CREATE, GIVEN, MOVE, OWNER, RUNS, WRITE, _columns, _run, _written

At = datetime | None
ALONE = frozenset({Capability.DURABLE, Capability.PRUNABLE})


class CachedJournals(PrunableSQLiteStore):
    """Keeps the journals that it read until it writes to them itself."""

    def __init__(self, path: Path) -> None:
        self._kept: dict[str, StoredRun] = {}
        super().__init__(path)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs, from memory where they were read before."""
        kept = {} if self._closed else dict(self._kept)
        for run in super().read([each for each in run_ids if each not in kept]):
            kept[run.key.run_id] = self._kept[run.key.run_id] = run
        return [kept[each] for each in run_ids if each in kept]

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append, and read anew."""
        self._kept.pop(run_id, None)
        super().append(run_id, records, **moved)
        self._kept.pop(run_id, None)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove runs, and forget them."""
        removed = super().prune(versions)
        for each in versions:
            self._kept.pop(each, None)
        return removed


def show_cached_journals(make: Make, directory: Path) -> None:
    """What one handle appended, the other reads."""
    one, other = make(directory), make(directory)
    created(one, key(1))
    assert len(journal(other, run_id(1))) == 1
    one.append(run_id(1), records(2), expected_version=1, row=row_due(None))
    assert len(journal(other, run_id(1))) == 2


class UnknownForEver(PrunableSQLiteStore):
    """Remembers that a run was unknown, and does not look for it again."""

    def __init__(self, path: Path) -> None:
        self._unknown: set[str] = set()
        super().__init__(path)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs that were not unknown before."""
        asked = [each for each in run_ids if each not in self._unknown]
        found = super().read(asked)
        self._unknown.update({*asked} - {*ids(found)})
        return found

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a run, which is known from then on."""
        found = super().create(key, records, row=row)
        self._unknown.discard(found)
        return found


def show_unknown_for_ever(make: Make, directory: Path) -> None:
    """A run that another handle creates is found by one that looked before."""
    one, other = make(directory), make(directory)
    assert run_of(other, run_id(1)) is None
    created(one, key(1))
    assert run_of(other, run_id(1)) is not None


class ListedAtOpening(PrunableSQLiteStore):
    """Lists the runs that were there when it was opened, and its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._transaction() as connection:
            rows = connection.execute("SELECT run_id FROM run").fetchall()
        self._listed = {run_id for (run_id,) in rows}

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a run, and list it."""
        found = super().create(key, records, row=row)
        if found == key.run_id:
            self._listed.add(found)
        return found

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove runs, and list them no more."""
        removed = super().prune(versions)
        for each in removed:
            self._listed.discard(each)
        return removed

    def list_runs(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """List what it knows."""
        found = super().list_runs(limit=2**62, **asked)
        return [run for run in found if run.key.run_id in self._listed][:limit]


def show_listed_at_opening(make: Make, directory: Path) -> None:
    """What another process created is listed."""
    store = make(directory)
    assert listed(store) == []
    killed(lambda: created(make(directory), key(1)))
    assert listed(store) == [run_id(1)]


class SnapshotOfAThread(PrunableSQLiteStore):
    """Reads in a transaction that a thread keeps open until it writes itself."""

    _local: threading.local | None = None

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._opened: list[sqlite3.Connection] = []
        self._local = threading.local()

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs as the thread saw them first."""
        if self._closed or self._local is None:
            return super().read(run_ids)
        if getattr(self._local, "connection", None) is None:
            connection = sqlite3.connect(
                self._file.path, isolation_level=None, check_same_thread=False
            )
            connection.execute("BEGIN")
            self._local.connection = connection
            self._opened.append(connection)
        asked = (json.dumps(list(run_ids)),)
        rows = self._local.connection.execute(RUNS.format(GIVEN), asked).fetchall()
        runs = [_run(list(some)) for _, some in groupby(rows, itemgetter(0))]
        found = {run.key.run_id: run for run in runs}
        return [found[each] for each in run_ids if each in found]

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a run, and see it."""
        found = super().create(key, records, row=row)
        self._look_anew()
        return found

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append, and see it."""
        self._look_anew()
        super().append(run_id, records, **moved)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove runs, and see it."""
        self._look_anew()
        return super().prune(versions)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._opened:
            connection.close()
        super().close()

    def _look_anew(self) -> None:
        if self._local is not None and getattr(self._local, "connection", None) is not None:
            self._local.connection.close()
            self._local.connection = None


def show_snapshot_of_a_thread(make: Make, directory: Path) -> None:
    """A thread that has read before sees what another has appended since."""
    store = make(directory)
    created(store, key(1))
    has_read, is_appended, seen = threading.Event(), threading.Event(), list[int]()

    def look() -> None:
        seen.append(len(journal(store, run_id(1))))
        has_read.set()
        is_appended.wait(20)
        seen.append(len(journal(store, run_id(1))))

    thread = threading.Thread(target=look)
    thread.start()
    has_read.wait(20)
    store.append(run_id(1), records(2), expected_version=1, row=row_due(None))
    is_appended.set()
    thread.join(20)
    store.close()
    assert seen == [1, 2]


class LaterWrites(PrunableSQLiteStore):
    """Acknowledges an append at once, and writes it with the next call."""

    capabilities = ALONE

    def __init__(self, path: Path) -> None:
        self._later: list[tuple[str, Sequence[Record], dict[str, Any]]] = []
        self._order = threading.RLock()
        super().__init__(path)

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Look whether it can be appended, and keep it for later."""
        with self._order:
            self._write()
            run, due_by = run_of(self, run_id), moved.get("due_by")
            is_due = due_by is None or (run and run.row.due_at and run.row.due_at <= due_by)
            if run is None or run.version != moved["expected_version"] or not is_due:
                actual = 0 if run is None else run.version
                raise VersionConflict(run_id, moved["expected_version"], actual)
            self._later.append((run_id, tuple(records), moved))

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Write what is kept, then store a run."""
        self._write()
        return super().create(key, records, row=row)

    def _rows(self, query: str, given: Any) -> list[Any]:
        self._write()
        return super()._rows(query, given)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Write what is kept, then remove."""
        self._write()
        return super().prune(versions)

    def close(self) -> None:
        """Write what is kept, then close."""
        if not self._closed:
            self._write()
        super().close()

    def _write(self) -> None:
        with self._order:
            while self._later:
                run_id, kept, moved = self._later.pop(0)
                super().append(run_id, kept, **moved)


def show_later_writes(make: Make, directory: Path) -> None:
    """What was acknowledged is there after the process was killed."""

    def write() -> None:
        store = make(directory)
        created(store, key(1))
        store.append(run_id(1), records(2), expected_version=1, row=row_due(None))

    killed(write)
    assert len(journal(make(directory), run_id(1))) == 2


class KeysInMemory(Tells, PrunableSQLiteStore):
    """Knows which idempotency keys were used since it was opened."""

    capabilities = ALONE

    def __init__(self, path: Path) -> None:
        self._owners: dict[tuple[str, str], str] = {}
        self._order = threading.Lock()
        super().__init__(path)

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a run, or return the run that has its key since the store was opened."""
        if key.idempotency_key is None:
            return super().create(key, records, row=row)
        named = (key.tenant_id, key.idempotency_key)
        with self._order:
            if named not in self._owners:
                plain = attrs.evolve(key, idempotency_key=None)
                self._owners[named] = super().create(plain, records, row=row)
            return self._owners[named]

    def told(self, run: StoredRun) -> StoredRun:
        """Return the run with the key that is known."""
        run_id = run.key.run_id
        named = (name for (_, name), owner in self._owners.items() if owner == run_id)
        return attrs.evolve(run, key=attrs.evolve(run.key, idempotency_key=next(named, None)))

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove runs, and free their keys."""
        removed = super().prune(versions)
        self._owners = {n: owner for n, owner in self._owners.items() if owner not in removed}
        return removed


def show_keys_in_memory(make: Make, directory: Path) -> None:
    """A key names its run after the store was opened again."""
    store = make(directory)
    created(store, key(1, name="order-1"))
    store.close()
    again = make(directory).create(key(2, name="order-1"), records(1), row=row_due(None))
    assert again == run_id(1)


class LockLeftBehind(PrunableSQLiteStore):
    """Makes a lock file beside its own, which nobody removes after a kill."""

    capabilities = ALONE

    def __init__(self, path: Path) -> None:
        self._lock_file = path.with_suffix(".lock")
        try:
            self._lock_file.touch(exist_ok=False)
        except FileExistsError as error:
            raise StoreUnavailable(str(path), "is held by another process") from error
        super().__init__(path)

    def close(self) -> None:
        """Close the file, and remove the lock."""
        super().close()
        self._lock_file.unlink(missing_ok=True)


def show_lock_left_behind(make: Make, directory: Path) -> None:
    """A store whose process was killed can be opened again, and has what was written."""
    killed(lambda: created(make(directory), key(1)))
    with answered():
        store = make(directory)
    assert len(journal(store, run_id(1))) == 1


class LooksThenAppends(PrunableSQLiteStore):
    """Looks at the version first and writes later, over whatever came in between."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: At = None,
    ) -> None:
        """Append where the version was right a moment ago."""
        found = run_of(self, run_id)
        is_due = due_by is None or (found and found.row.due_at and found.row.due_at <= due_by)
        if found is None or found.version != expected_version or not is_due:
            raise VersionConflict(run_id, expected_version, found.version if found else 0)
        rows = [(run_id, each.sequence, each.digest, each.body) for each in records]
        run = {"run_id": run_id, **_columns(row), "version": expected_version + len(rows)}
        labels = [(run_id, each, found.key.tenant_id, run["since"]) for each in row.labels]
        with self._transaction(WRITE) as connection:
            connection.execute(MOVE.partition(" AND version")[0], run)
            connection.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", rows)
            connection.execute("DELETE FROM label WHERE run_id = ?", (run_id,))
            connection.executemany("INSERT INTO label VALUES (?, ?, ?, ?)", labels)


def show_looks_then_appends(make: Make, directory: Path) -> None:
    """Of two that append at one version at once one succeeds, and its record stands."""
    store, barrier = make(directory), threading.Barrier(2)
    created(store, key(1))

    def append(body: str) -> str:
        given = Meeting(records(2, body=body), barrier, "iter")
        store.append(run_id(1), given, expected_version=1, row=row_due(None))
        return body

    said = at_once(lambda: append("yes"), lambda: append("no"))
    won = [each for each in said if isinstance(each, str)]
    assert len(won) == 1, said
    assert journal(store, run_id(1))[1].body == won[0]


class LoserOfAKey(PrunableSQLiteStore):
    """Looks for the owner of a key first, and tells of damage where another was faster."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a run where its key was free a moment ago."""
        with self._transaction() as connection:
            for (owner,) in connection.execute(OWNER, _columns(key)):
                return str(owner)
        run = {**_columns(key), **_columns(row), "expected": 0, "version": len(records)}
        return self._writes.store(
            lambda connection: _written(connection, CREATE, run, records, row)
        )


def show_loser_of_a_key(make: Make, directory: Path) -> None:
    """Two that create with one key at once are told one run."""
    barrier = threading.Barrier(2)

    def create(number: int) -> str:
        given = Meeting(records(1), barrier, "len")
        return stores[number].create(key(number, name="order-1"), given, row=row_due(None))

    stores = {1: make(directory), 2: make(directory)}
    said = at_once(lambda: create(1), lambda: create(2))
    assert said[0] == said[1], said
    assert isinstance(said[0], str), said


class RecordByRecord(PrunableSQLiteStore):
    """Commits each record of an append by itself."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: At = None,
    ) -> None:
        """Append the records one after the other."""
        moved: dict[str, Any] = {"row": row, "due_by": due_by}
        if len(records) < 2:
            super().append(run_id, records, expected_version=expected_version, **moved)
            return
        for version, each in enumerate(records, start=expected_version):
            super().append(run_id, [each], expected_version=version, **moved)
            moved["due_by"] = None


def show_record_by_record(make: Make, directory: Path) -> None:
    """A process that is killed within an append leaves all of its records or none."""

    def write() -> None:
        store = make(directory)
        created(store, key(1))
        given = Fatal(records(2, 3))
        store.append(run_id(1), given, expected_version=1, row=row_due(None))

    killed(write)
    assert len(journal(make(directory), run_id(1))) in (1, 3)


class RunBeforeItsRecords(PrunableSQLiteStore):
    """Commits the run first, and its records after that."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, then its records."""
        found = super().create(key, _Counted(len(records)), row=row)
        if found == key.run_id:
            with self._transaction(WRITE) as connection:
                for each in records:
                    told = (key.run_id, each.sequence, each.digest, each.body)
                    connection.execute("INSERT INTO record VALUES (?, ?, ?, ?)", told)
        return found


class _Counted(Sequence[Record]):
    """So many records, none of which is there."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)


def show_run_before_its_records(make: Make, directory: Path) -> None:
    """A process that is killed within a create leaves no run without its first records."""
    killed(lambda: make(directory).create(key(1), Fatal(records(1, 2)), row=row_due(None)))
    store = make(directory)
    assert len(journal(store, run_id(1))) == 2 or run_of(store, run_id(1)) is None
    assert len(journal(store, run_id(1))) == len(listed(store)) * 2


WRONG: list[Wrong] = [
    wrong_store(*each)
    for each in (
        ("journals cached for a handle", "STORE-16", CachedJournals, show_cached_journals),
        ("an unknown run stays unknown", "STORE-16", UnknownForEver, show_unknown_for_ever),
        (
            "runs of other processes are not listed",
            "STORE-15",
            ListedAtOpening,
            show_listed_at_opening,
        ),
        (
            "a thread reads in one snapshot",
            "STORE-16",
            SnapshotOfAThread,
            show_snapshot_of_a_thread,
        ),
        ("an append is written with the next call", "STORE-14", LaterWrites, show_later_writes),
        ("used keys are known until reopened", "STORE-3", KeysInMemory, show_keys_in_memory),
        ("a lock file outlives a kill", "STORE-14", LockLeftBehind, show_lock_left_behind),
        (
            "the version is looked at before the write",
            "STORE-6",
            LooksThenAppends,
            show_looks_then_appends,
        ),
        ("who loses a key is told of damage", "STORE-19", LoserOfAKey, show_loser_of_a_key),
        (
            "each record of an append is committed alone",
            "STORE-4",
            RecordByRecord,
            show_record_by_record,
        ),
        (
            "a run is committed before its records",
            "STORE-1",
            RunBeforeItsRecords,
            show_run_before_its_records,
        ),
    )
]
