"""Stores that are wrong about how they write: atomicity, crashes, threads and other handles."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_2.common import (
    HOUR,
    NOON,
    Slow,
    elsewhere,
    key,
    memory,
    raised_kind,
    recs,
    sqlite,
)
from lab.first_contact.batch_2.stores_ids import of
from lab.first_contact.runs import Tells, due_of, due_then, ids, journal, row_due, run_of
from lab.first_contact.wrong import Wrong
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_memory import MemoryStore
from scoria_memory.store import _in_utc
from scoria_sqlite import PrunableSQLiteStore

Make = Callable[[Path], Any]


class FirstDue(PrunableSQLiteStore):
    """Tells in `read` the due time of the first write where the run was renewed since."""

    def __init__(self, path: Path) -> None:
        self._kept: dict[tuple[str, int], IndexRow] = {}
        super().__init__(path)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs with the rows that are kept for these versions."""
        return [
            attrs.evolve(run, row=self._kept.setdefault((run.key.run_id, run.version), run.row))
            for run in super().read(run_ids)
        ]


def first_due(directory: Path) -> FirstDue:
    """Return the store with rows by version."""
    return FirstDue(directory / "runs.sqlite")


def show_first_due(make: Make, directory: Path) -> None:
    """A renewal moves the due time and no version."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    assert due_of(store, "r1") == NOON
    store.append("r1", [], expected_version=1, row=row_due(NOON + HOUR))
    assert due_of(store, "r1") == NOON + HOUR, "a row was kept by its version"


class Chunks(PrunableSQLiteStore):
    """Commits long appends in chunks of fifty, so as not to hold the lock for long."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append chunk by chunk."""
        version, chunk = asked.pop("expected_version"), list[Record]()
        for each in records:
            if len(chunk) == 50:
                super().append(run_id, chunk, expected_version=version, **asked)
                version, chunk = version + 50, []
            chunk.append(each)
        super().append(run_id, chunk, expected_version=version, **asked)


def chunks(directory: Path) -> Chunks:
    """Return the store that appends in chunks."""
    return Chunks(directory / "runs.sqlite")


def show_chunks(make: Make, directory: Path) -> None:
    """A process is killed while it takes the sixtieth of a hundred records."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(None))
    store.close()
    code = elsewhere(
        make,
        directory,
        """
slow = Slow(recs(2, 101), lambda n: die() if n == 59 else None)
make(directory).append("r1", slow, expected_version=1, row=row_due(None))
""",
    )
    assert code == -signal.SIGKILL, f"the process was not killed: {code}"
    assert len(journal(make(directory), "r1")) == 1, "half of an append is stored"


class TwoStepPrune(PrunableSQLiteStore):
    """Removes the records of runs in one transaction, and what they are found by in the next."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove in two steps."""
        runs = self.read(list(versions))
        found = ids([run for run in runs if run.version == versions[run.key.run_id]])

        def records(connection: Any) -> Any:
            rows = [(run_id,) for run_id in found]
            connection.executemany("DELETE FROM record WHERE run_id = ?", rows)
            return ""

        self._writes.store(records)
        return super().prune({run_id: versions[run_id] for run_id in found})


def two_step_prune(directory: Path) -> TwoStepPrune:
    """Return the store that prunes in two steps."""
    return TwoStepPrune(directory / "runs.sqlite")


def show_two_step_prune(make: Make, directory: Path) -> None:
    """A process is killed between the transactions of a prune, where there are several."""
    store = make(directory)
    store.create(key("r1"), recs(1, 3), row=row_due(None))
    store.close()
    code = elsewhere(
        make,
        directory,
        """
store = make(directory)
commit, done = store._commit, []
def counted(writes):
    done.append(writes)
    if len(done) == 2: die()
    return commit(writes)
store._writes._commit = counted
store.prune({"r1": 3})
die()
""",
    )
    assert code == -signal.SIGKILL, f"the process was not killed: {code}"
    store = make(directory)
    is_found, is_whole = run_of(store, "r1") is not None, len(journal(store, "r1")) == 3
    assert is_found == is_whole, "a run is listed and has no records"


class WriteBehind(PrunableSQLiteStore):
    """Acknowledges an append at once, and stores it with the next call that is made."""

    def __init__(self, path: Path) -> None:
        self._behind: list[tuple[str, Sequence[Record], dict[str, Any]]] = []
        self._one = threading.RLock()
        super().__init__(path)

    def _flushed(self) -> "WriteBehind":
        while self._behind:
            run_id, records, asked = self._behind.pop(0)
            super().append(run_id, records, **asked)
        return self

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Check the version, and store later."""
        with self._one:
            run = run_of(self, run_id)
            if run is None or run.version != asked["expected_version"] or asked.get("due_by"):
                super().append(run_id, records, **asked)
                return
            self._behind.append((run_id, list(records), asked))

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Store what is left, and prune."""
        with self._one:
            return super(WriteBehind, self._flushed()).prune(versions)

    def _rows(self, query: str, given: Any) -> list[Any]:
        with self._one:
            return super(WriteBehind, self._flushed())._rows(query, given)

    def close(self) -> None:
        """Store what is left, and close."""
        with self._one:
            if not self._closed:
                self._flushed()
            super().close()


def write_behind(directory: Path) -> WriteBehind:
    """Return the store that writes behind."""
    return WriteBehind(directory / "runs.sqlite")


def show_write_behind(make: Make, directory: Path) -> None:
    """A process is killed right after an append was acknowledged."""
    code = elsewhere(
        make,
        directory,
        """
store = make(directory)
store.create(key("r1"), recs(), row=row_due(None))
store.append("r1", recs(2), expected_version=1, row=row_due(None))
die()
""",
    )
    assert code == -signal.SIGKILL, f"the process was not killed: {code}"
    assert len(journal(make(directory), "r1")) == 2, "an acknowledged append was lost"


class LockFile(PrunableSQLiteStore):
    """Counts the processes that have it open in a file, and after a kill takes none any more."""

    def __init__(self, path: Path) -> None:
        self._marker = path.with_suffix(f".{os.getpid()}.open")
        others = [p for p in path.parent.glob(f"{path.stem}.*.open") if p != self._marker]
        for other in others:
            pid = int(other.name.split(".")[-2])
            if not Path(f"/proc/{pid}").exists():
                raise StoreUnavailable(path.name, "was not closed", f"remove {other.name}")
        self._marker.touch()
        super().__init__(path)

    def close(self) -> None:
        """Close, and take the marker away."""
        super().close()
        self._marker.unlink(missing_ok=True)


def lock_file(directory: Path) -> LockFile:
    """Return the store with markers."""
    return LockFile(directory / "runs.sqlite")


def show_lock_file(make: Make, directory: Path) -> None:
    """A process is killed with the store open."""
    code = elsewhere(
        make,
        directory,
        """
make(directory).create(key("r1"), recs(), row=row_due(None))
die()
""",
    )
    assert code == -signal.SIGKILL, f"the process was not killed: {code}"
    kind = raised_kind(lambda: journal(make(directory), "r1"))
    assert kind is None, f"it does not open again by itself: {kind}"


class Misses(PrunableSQLiteStore):
    """Remembers the ids that it did not find, until it makes such a run itself."""

    def __init__(self, path: Path) -> None:
        self._missing: set[str] = set()
        super().__init__(path)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Read, unless the id is known to be none."""
        asked = [each for each in run_ids if each not in self._missing]
        found = super().read(asked)
        self._missing.update({*asked} - {*ids(found)})
        return found

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, and forget that it was missing."""
        self._missing.discard(key.run_id)
        return super().create(key, records, row=row)


def misses(directory: Path) -> Misses:
    """Return the store that remembers misses."""
    return Misses(directory / "runs.sqlite")


def show_misses(make: Make, directory: Path) -> None:
    """A run is asked for before another process has made it, and again after that."""
    store = make(directory)
    assert not journal(store, "r1")
    code = elsewhere(
        make,
        directory,
        """
store = make(directory)
store.create(key("r1"), recs(), row=row_due(None))
store.close()
""",
    )
    assert code == 0, f"the other process failed: {code}"
    assert len(journal(store, "r1")) == 1, "the run of another process is not seen"


class Prefix(PrunableSQLiteStore):
    """Keeps the journals it read and asks the file only for what is new, pruned runs included."""

    def __init__(self, path: Path) -> None:
        self._kept: dict[str, StoredRun] = {}
        self._keeping = threading.Lock()
        super().__init__(path)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Read what comes after what is kept."""
        with self._keeping:
            for run in super().read(run_ids):
                kept = self._kept.get(run.key.run_id)
                before = () if kept is None else kept.records
                whole = (*before, *run.records[len(before) :])
                self._kept[run.key.run_id] = attrs.evolve(run, records=whole)
            return [self._kept[each] for each in run_ids if each in self._kept]

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs, from what is kept as well."""
        removed = super().prune(versions)
        for run_id in removed:
            self._kept.pop(run_id, None)
        return removed


def prefix(directory: Path) -> Prefix:
    """Return the store that keeps journals."""
    return Prefix(directory / "runs.sqlite")


def show_prefix(make: Make, directory: Path) -> None:
    """A run is pruned through another handle of the same file."""
    store, other = make(directory), make(directory)
    store.create(key("r1"), recs(), row=row_due(None))
    assert len(journal(store, "r1")) == 1
    other.prune({"r1": 1})
    assert list(journal(store, "r1")) == [], "a run that was pruned is still read"


class KeyCache(PrunableSQLiteStore):
    """Keeps the owner of each key it has seen, which another handle may have pruned."""

    def __init__(self, path: Path) -> None:
        self._owners: dict[tuple[str, str], str] = {}
        super().__init__(path)

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Return the owner that is known, or store."""
        if key.idempotency_key is None:
            return super().create(key, records, row=row)
        named = (key.tenant_id, key.idempotency_key)
        if named not in self._owners:
            self._owners[named] = super().create(key, records, row=row)
        return self._owners[named]

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs, and the keys of this handle."""
        removed = super().prune(versions)
        self._owners = {n: r for n, r in self._owners.items() if r not in set(removed)}
        return removed


def key_cache(directory: Path) -> KeyCache:
    """Return the store that keeps owners."""
    return KeyCache(directory / "runs.sqlite")


def show_key_cache(make: Make, directory: Path) -> None:
    """Another handle prunes a run, whose key is then used anew."""
    store, other = make(directory), make(directory)
    store.create(key("r1", idem="1"), recs(), row=row_due(None))
    other.prune({"r1": 1})
    assert store.create(key("r2", idem="1"), recs(), row=row_due(None)) == "r2", (
        "names a pruned run"
    )


class LooseReferee(MemoryStore):
    """Checks the version, then takes the records in, and holds its lock for each of the two."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Check first and store afterwards."""
        if asked.get("due_by") is not None or not records:
            super().append(run_id, records, **asked)
            return
        with self._lock:
            self._check_open()
            known = self._runs.get(run_id)
            version = 0 if known is None else known.version
        if version == 0 or version != asked["expected_version"]:
            raise VersionConflict(run_id, asked["expected_version"], version)
        taken = list(records)
        with self._lock:
            run = self._runs[run_id]
            self._take_out(run)
            self._journals[run_id].extend(taken)
            self._put(StoredRun(run.key, _in_utc(asked["row"]), run.version + len(taken)))


def show_loose_referee(make: Make, directory: Path) -> None:
    """Two threads append at one version, and meet while their records are taken."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(None))
    meeting, kinds = threading.Barrier(2), list[str | None]()

    def meet(_: int) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=2)

    def append() -> None:
        slow = Slow(recs(2), meet)
        call = lambda: store.append("r1", slow, expected_version=1, row=row_due(None))  # noqa: E731
        kinds.append(raised_kind(call))

    threads = [threading.Thread(target=append) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, kinds)) == ["None", "version_conflict"], f"two of them won: {kinds}"


class HastyClose(MemoryStore):
    """Closes without waiting, and tells the calls under way that it is closed."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, and look whether the store is still open."""
        super().append(run_id, records, **asked)
        self._check_open()

    def close(self) -> None:
        """Close at once."""
        self._closed = True


def show_hasty_close(make: Make, directory: Path) -> None:
    """The store is closed while an append is under way."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(None))
    under_way, go_on, kinds = threading.Event(), threading.Event(), list[str | None]()

    def wait(_: int) -> None:
        under_way.set()
        go_on.wait(timeout=10)

    def append() -> None:
        slow = Slow(recs(2), wait)
        call = lambda: store.append("r1", slow, expected_version=1, row=row_due(None))  # noqa: E731
        kinds.append(raised_kind(call))

    writer, closer = threading.Thread(target=append), threading.Thread(target=store.close)
    writer.start()
    under_way.wait(timeout=10)
    closer.start()
    closer.join(timeout=1)
    go_on.set()
    writer.join()
    closer.join()
    assert kinds == [None], f"a call that was under way was told {kinds}"


class PrivateRenewals(Tells, PrunableSQLiteStore):
    """Keeps renewals in the memory of its handle, as only who owns the file may."""

    def __init__(self, path: Path) -> None:
        self._renewed: dict[tuple[str, int], datetime | None] = {}
        super().__init__(path)

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, or remember the renewal at the version that the run is at."""
        run, due_by = run_of(self, run_id), asked.get("due_by")
        due_at = None if run is None else run.row.due_at
        if run is None or run.version != asked["expected_version"]:
            super().append(run_id, records, **asked)
        elif due_by is not None and (due_at is None or due_at > due_by):
            raise VersionConflict(run_id, asked["expected_version"], run.version)
        elif not records and not self._closed:
            self._renewed[run_id, run.version] = _in_utc(asked["row"]).due_at
        else:
            super().append(run_id, records, **asked)

    def told(self, run: StoredRun) -> StoredRun:
        """Return the run with its renewal."""
        due_at = self._renewed.get((run.key.run_id, run.version), run.row.due_at)
        return attrs.evolve(run, row=due_then(run.row, due_at))

    def list_due(self, *, until: datetime, limit: int, **asked: Any) -> Sequence[str]:
        """List what is due and was not put off here."""
        runs = self.read(super().list_due(until=until, limit=2**62, **asked))
        return ids([run for run in runs if run.row.due_at and run.row.due_at <= until])[:limit]


def private_renewals(directory: Path) -> PrivateRenewals:
    """Return the store with private renewals."""
    return PrivateRenewals(directory / "runs.sqlite")


def show_private_renewals(make: Make, directory: Path) -> None:
    """A lease is renewed here, and another process takes the step over at its old end."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    store.append("r1", [], expected_version=1, row=row_due(NOON + HOUR))
    code = elsewhere(
        make,
        directory,
        """
store = make(directory)
append = dict(expected_version=1, row=row_due(None), due_by=NOON)
kind = raised_kind(lambda: store.append("r1", recs(2), **append))
store.close()
os._exit(0 if kind == "version_conflict" else 9)
""",
    )
    assert code == 0, "another process took over a step whose lease was renewed"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None], right: Make) -> Wrong:
    return Wrong(name, clause, "store", make, show, right)


WRONG: list[Wrong] = [
    _wrong("rows kept by version", "STORE-31", first_due, show_first_due, sqlite),
    _wrong("appends in chunks", "STORE-4", chunks, show_chunks, sqlite),
    _wrong("prune in two steps", "STORE-37", two_step_prune, show_two_step_prune, sqlite),
    _wrong("appends written behind", "STORE-14", write_behind, show_write_behind, sqlite),
    _wrong("a marker left by a kill", "STORE-38", lock_file, show_lock_file, sqlite),
    _wrong("misses remembered", "STORE-15", misses, show_misses, sqlite),
    _wrong("journals kept from a pruned run", "STORE-16", prefix, show_prefix, sqlite),
    _wrong("owners of keys kept", "STORE-25", key_cache, show_key_cache, sqlite),
    _wrong("check and store apart", "STORE-6", of(LooseReferee), show_loose_referee, memory),
    _wrong("close cuts calls off", "STORE-26", of(HastyClose), show_hasty_close, memory),
    _wrong("renewals kept to itself", "STORE-15", private_renewals, show_private_renewals, sqlite),
]
