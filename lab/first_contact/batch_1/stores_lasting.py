"""Stores that are wrong after a reopen or a kill, in a race, or from a second handle."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
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
from lab.first_contact.wrong import Wrong
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, Record, RunHead, RunKey
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import CREATE, JOURNAL, OWNER, WRITE, _written

At = datetime | None
ALONE = frozenset({Capability.DURABLE, Capability.PRUNABLE})


class CachedJournals(PrunableSQLiteStore):
    """Keeps the journals that it read until it writes to them itself."""

    def __init__(self, path: Path) -> None:
        self._kept: dict[str, Sequence[Record]] = {}
        super().__init__(path)

    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records, from memory where they were read before."""
        if self._closed or run_id not in self._kept:
            found = super().read(run_id)
            if not found:
                return found
            self._kept[run_id] = found
        return self._kept[run_id]

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
    assert len(other.read(run_id(1))) == 1
    one.append(run_id(1), records(2), expected_version=1, due_at=None)
    assert len(other.read(run_id(1))) == 2


class UnknownForEver(PrunableSQLiteStore):
    """Remembers that a run was unknown, and does not look for it again."""

    def __init__(self, path: Path) -> None:
        self._unknown: set[str] = set()
        super().__init__(path)

    def head(self, run_id: str) -> RunHead | None:
        """Return the head of a run that was not unknown before."""
        if run_id in self._unknown and not self._closed:
            return None
        if (found := super().head(run_id)) is None:
            self._unknown.add(run_id)
        return found

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Store a run, which is known from then on."""
        found = super().create(key, records, due_at=due_at)
        self._unknown.discard(found)
        return found


def show_unknown_for_ever(make: Make, directory: Path) -> None:
    """A run that another handle creates is found by one that looked before."""
    one, other = make(directory), make(directory)
    assert other.head(run_id(1)) is None
    created(one, key(1))
    assert other.head(run_id(1)) is not None


class ListedAtOpening(PrunableSQLiteStore):
    """Lists the runs that were there when it was opened, and its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._transaction() as connection:
            rows = connection.execute("SELECT run_id, tenant_id, session_id FROM run").fetchall()
        self._listed = {each[0]: (each[1], each[2]) for each in rows}

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Store a run, and list it."""
        found = super().create(key, records, due_at=due_at)
        if found == key.run_id:
            self._listed[found] = (key.tenant_id, key.session_id)
        return found

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove runs, and list them no more."""
        removed = super().prune(versions)
        for each in removed:
            self._listed.pop(each, None)
        return removed

    def list_runs(
        self, *, tenant_id: str | None, session_id: str | None, limit: int, before: str | None
    ) -> Sequence[str]:
        """List from memory."""
        super().list_runs(tenant_id=tenant_id, session_id=session_id, limit=1, before=before)
        found = [
            each
            for each, (tenant, session) in self._listed.items()
            if tenant_id in (None, tenant)
            and session_id in (None, session)
            and (before is None or each < before)
        ]
        return sorted(found, reverse=True)[:limit]


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

    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records as the thread saw them first."""
        if self._closed or self._local is None:
            return super().read(run_id)
        if getattr(self._local, "connection", None) is None:
            connection = sqlite3.connect(
                self._file.path, isolation_level=None, check_same_thread=False
            )
            connection.execute("BEGIN")
            self._local.connection = connection
            self._opened.append(connection)
        return [Record(*row) for row in self._local.connection.execute(JOURNAL, (run_id,))]

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Store a run, and see it."""
        found = super().create(key, records, due_at=due_at)
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
        seen.append(len(store.read(run_id(1))))
        has_read.set()
        is_appended.wait(20)
        seen.append(len(store.read(run_id(1))))

    thread = threading.Thread(target=look)
    thread.start()
    has_read.wait(20)
    store.append(run_id(1), records(2), expected_version=1, due_at=None)
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
            head, due_by = super().head(run_id), moved.get("due_by")
            is_due = due_by is None or (head and head.due_at and head.due_at <= due_by)
            if head is None or head.version != moved["expected_version"] or not is_due:
                actual = 0 if head is None else head.version
                raise VersionConflict(run_id, moved["expected_version"], actual)
            self._later.append((run_id, tuple(records), moved))

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Write what is kept, then store a run."""
        self._write()
        return super().create(key, records, due_at=due_at)

    def read(self, run_id: str) -> Sequence[Record]:
        """Write what is kept, then read."""
        self._write()
        return super().read(run_id)

    def head(self, run_id: str) -> RunHead | None:
        """Write what is kept, then look."""
        self._write()
        return super().head(run_id)

    def _run_ids(self, asked: Mapping[str, object], order: str, limit: int) -> list[str]:
        self._write()
        return super()._run_ids(asked, order, limit)

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
        store.append(run_id(1), records(2), expected_version=1, due_at=None)

    killed(write)
    assert len(make(directory).read(run_id(1))) == 2


class KeysInMemory(PrunableSQLiteStore):
    """Knows which idempotency keys were used since it was opened."""

    capabilities = ALONE

    def __init__(self, path: Path) -> None:
        self._owners: dict[tuple[str, str], str] = {}
        self._order = threading.Lock()
        super().__init__(path)

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Store a run, or return the run that has its key since the store was opened."""
        if key.idempotency_key is None:
            return super().create(key, records, due_at=due_at)
        named = (key.tenant_id, key.idempotency_key)
        with self._order:
            if named not in self._owners:
                plain = attrs.evolve(key, idempotency_key=None)
                self._owners[named] = super().create(plain, records, due_at=due_at)
            return self._owners[named]

    def head(self, run_id: str) -> RunHead | None:
        """Return the head, with the key that is known."""
        head = super().head(run_id)
        if head is None:
            return None
        named = (name for (_, name), owner in self._owners.items() if owner == run_id)
        return attrs.evolve(head, key=attrs.evolve(head.key, idempotency_key=next(named, None)))

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
    again = make(directory).create(key(2, name="order-1"), records(1), due_at=None)
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
    assert len(store.read(run_id(1))) == 1


class LooksThenAppends(PrunableSQLiteStore):
    """Looks at the version first and writes later, over whatever came in between."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: At,
        due_by: At = None,
    ) -> None:
        """Append where the version was right a moment ago."""
        head = self.head(run_id)
        is_due = due_by is None or (head and head.due_at and head.due_at <= due_by)
        if head is None or head.version != expected_version or not is_due:
            raise VersionConflict(run_id, expected_version, 0 if head is None else head.version)
        rows = [(run_id, each.sequence, each.digest, each.body) for each in records]
        row = (expected_version + len(rows), due_at and due_at.timestamp(), run_id)
        with self._transaction(WRITE) as connection:
            connection.execute("UPDATE run SET version = ?, due_at = ? WHERE run_id = ?", row)
            connection.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", rows)


def show_looks_then_appends(make: Make, directory: Path) -> None:
    """Of two that append at one version at once one succeeds, and its record stands."""
    store, barrier = make(directory), threading.Barrier(2)
    created(store, key(1))

    def append(body: str) -> str:
        given = Meeting(records(2, body=body), barrier, "iter")
        store.append(run_id(1), given, expected_version=1, due_at=None)
        return body

    said = at_once(lambda: append("yes"), lambda: append("no"))
    won = [each for each in said if isinstance(each, str)]
    assert len(won) == 1, said
    assert store.read(run_id(1))[1].body == won[0]


class LoserOfAKey(PrunableSQLiteStore):
    """Looks for the owner of a key first, and tells of damage where another was faster."""

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Store a run where its key was free a moment ago."""
        with self._transaction() as connection:
            for (owner,) in connection.execute(OWNER, (key.tenant_id, key.idempotency_key)):
                return str(owner)
        named = (key.run_id, key.tenant_id, key.session_id, key.idempotency_key)
        row = (*named, len(records), due_at and due_at.timestamp())
        return self._writes.store(
            lambda connection: _written(connection, CREATE, row, (key.run_id, 0, records))
        )


def show_loser_of_a_key(make: Make, directory: Path) -> None:
    """Two that create with one key at once are told one run."""
    barrier = threading.Barrier(2)

    def create(number: int) -> str:
        given = Meeting(records(1), barrier, "len")
        return stores[number].create(key(number, name="order-1"), given, due_at=None)

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
        due_at: At,
        due_by: At = None,
    ) -> None:
        """Append the records one after the other."""
        moved = {"due_at": due_at, "due_by": due_by}
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
        store.append(run_id(1), given, expected_version=1, due_at=None)

    killed(write)
    assert len(make(directory).read(run_id(1))) in (1, 3)


class RunBeforeItsRecords(PrunableSQLiteStore):
    """Commits the run first, and its records after that."""

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Store the run, then its records."""
        found = super().create(key, _Counted(len(records)), due_at=due_at)
        if found == key.run_id:
            with self._transaction(WRITE) as connection:
                for each in records:
                    row = (key.run_id, each.sequence, each.digest, each.body)
                    connection.execute("INSERT INTO record VALUES (?, ?, ?, ?)", row)
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
    killed(lambda: make(directory).create(key(1), Fatal(records(1, 2)), due_at=None))
    store = make(directory)
    assert len(store.read(run_id(1))) == 2 or store.head(run_id(1)) is None
    assert len(store.read(run_id(1))) == len(listed(store)) * 2


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
