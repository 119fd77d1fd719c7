"""Stores that are wrong about when a run is due."""

import heapq
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from operator import itemgetter
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_2.common import HOUR, NOON, key, memory, raised_kind, recs, sqlite
from lab.first_contact.batch_2.stores_ids import of
from lab.first_contact.runs import Tells, due_of, due_then, row_due, run_of
from lab.first_contact.wrong import Wrong
from scoria_core.fairness import fair_order
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_memory import MemoryStore
from scoria_memory.store import _in_utc
from scoria_sqlite import PrunableSQLiteStore

Make = Callable[[Path], Any]


class Converting(PrunableSQLiteStore):
    """A store that changes each due time on its way in."""

    def convert(self, at: datetime) -> datetime:
        """Return the time as it is kept."""
        return at

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run with the converted time."""
        return super().create(key, records, row=self._converted(row))

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append with the converted time."""
        row = self._converted(asked.pop("row"))
        super().append(run_id, records, row=row, **asked)

    def _converted(self, row: IndexRow) -> IndexRow:
        return due_then(row, row.due_at and self.convert(row.due_at))


class Millis(Converting):
    """Keeps due times in whole milliseconds, as another language's dates are."""

    def convert(self, at: datetime) -> datetime:
        """Drop what is less than a millisecond."""
        return at.replace(microsecond=at.microsecond // 1000 * 1000)


def millis(directory: Path) -> Millis:
    """Return the store of milliseconds."""
    return Millis(directory / "runs.sqlite")


def show_millis(make: Make, directory: Path) -> None:
    """A run is due a few microseconds after the moment that is asked for."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON + timedelta(microseconds=999)))
    found = store.list_due(tenant_id=None, until=NOON + timedelta(microseconds=998), limit=5)
    assert list(found) == [], "due before its time"


class WallClock(Converting):
    """Keeps what the clock on the wall says, and takes it for UTC when it is read."""

    def convert(self, at: datetime) -> datetime:
        """Put UTC in the place of the zone."""
        return at.replace(tzinfo=UTC)


def wall_clock(directory: Path) -> WallClock:
    """Return the store of wall clocks."""
    return WallClock(directory / "runs.sqlite")


def show_wall_clock(make: Make, directory: Path) -> None:
    """A due time of another zone is the instant that it is."""
    store = make(directory)
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    store.create(key("r1"), recs(), row=row_due(there))
    assert due_of(store, "r1") == NOON, "the zone was lost"


class LocalTime(Converting):
    """Keeps the local time of the process without its fold: an hour is lost in autumn."""

    def convert(self, at: datetime) -> datetime:
        """Go through naive local time and back."""
        return at.astimezone().replace(tzinfo=None, fold=0).astimezone(UTC)


def local_time(directory: Path) -> LocalTime:
    """Return the store of local times."""
    return LocalTime(directory / "runs.sqlite")


def show_local_time(make: Make, directory: Path) -> None:
    """A run is due in the hour that a process in Berlin lives through twice."""
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    store = make(directory)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    store.create(key("r1"), recs(), row=row_due(second))
    assert due_of(store, "r1") == second, "an hour early, in the night the clocks change"


class Seconds32(Converting):
    """Keeps due times in seconds of 32 bits, up to January 2038."""

    def convert(self, at: datetime) -> datetime:
        """Take the last second that fits for a later one."""
        return min(at, datetime.fromtimestamp(2**31 - 1, UTC))


def seconds32(directory: Path) -> Seconds32:
    """Return the store of 32 bits."""
    return Seconds32(directory / "runs.sqlite")


def show_seconds32(make: Make, directory: Path) -> None:
    """A due time of fifty years from now is kept."""
    store = make(directory)
    far = datetime(2077, 1, 1, tzinfo=UTC)
    store.create(key("r1"), recs(), row=row_due(far))
    assert due_of(store, "r1") == far, "the last of 32 bits"


class NaiveRow(Tells, PrunableSQLiteStore):
    """Gives the due time in a row as its driver reads it: in UTC, and naive."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return the run without a zone."""
        at = run.row.due_at
        return attrs.evolve(run, row=due_then(run.row, at and at.replace(tzinfo=None)))


def naive_row(directory: Path) -> NaiveRow:
    """Return the store of naive rows."""
    return NaiveRow(directory / "runs.sqlite")


def show_naive_row(make: Make, directory: Path) -> None:
    """What a row has is aware."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    at = due_of(store, "r1")
    assert at is not None and at.utcoffset() == timedelta(0), "a time without a zone"


class TextOrder(MemoryStore):
    """Orders due times as the texts that they were given in."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: dict[str, str] = {}

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, and the text of its due time."""
        found = super().create(key, records, row=row)
        if found == key.run_id:
            self._texts[found] = str(row.due_at)
        return found

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, and store the text of the due time."""
        super().append(run_id, records, **asked)
        self._texts[run_id] = str(asked["row"].due_at)

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """Sort what is due by the text of its time."""
        if asked.get("fair"):
            return super().list_due(limit=limit, **asked)
        found = super().list_due(limit=2**62, **asked)
        return sorted(found, key=lambda r: (self._texts[r], r))[:limit]


def show_text_order(make: Make, directory: Path) -> None:
    """Two hosts in two zones write due times."""
    store = make(directory)
    east = timezone(timedelta(hours=9))
    store.create(key("r1"), recs(), row=row_due(NOON))
    store.create(key("r2"), recs(), row=row_due((NOON - HOUR).astimezone(east)))
    found = list(store.list_due(tenant_id=None, until=NOON + HOUR, limit=1))
    assert found == ["r2"], "the one longest due is not first"


class Ties(MemoryStore):
    """Leaves runs that are due at one moment in the order in which they were last written."""

    def _put(self, run: StoredRun) -> None:
        self._runs.pop(run.key.run_id, None)
        super()._put(run)

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """Sort what is due by its time alone."""
        if asked.get("fair"):
            return super().list_due(limit=limit, **asked)
        found = set(super().list_due(limit=2**62, **asked))
        with self._lock:
            due = [(run.row.due_at, r) for r, run in self._runs.items() if r in found]
            return [r for _, r in sorted(due, key=itemgetter(0))][:limit]


def show_ties(make: Make, directory: Path) -> None:
    """Two runs are due at one moment, and the larger id was written first."""
    store = make(directory)
    store.create(key("r2"), recs(), row=row_due(NOON))
    store.create(key("r1"), recs(), row=row_due(NOON))
    found = list(store.list_due(tenant_id=None, until=NOON, limit=5))
    assert found == ["r1", "r2"], f"at equal times: {found}"


class CutFirst(MemoryStore):
    """Takes the first of the queue up to the limit, and lets the tenants of these take turns."""

    def list_due(self, *, fair: bool = False, **asked: Any) -> Sequence[str]:
        """Cut, and then sort into turns."""
        found = list(super().list_due(**asked))
        return fair_order(found, lambda r: self._runs[r].key.tenant_id) if fair else found


def show_cut_first(make: Make, directory: Path) -> None:
    """One tenant has the three that are longest due, another one more."""
    store = make(directory)
    for n in range(3):
        store.create(key(f"r{n}", tenant="big"), recs(), row=row_due(NOON))
    store.create(key("r9", tenant="small"), recs(), row=row_due(NOON + HOUR))
    found = store.list_due(tenant_id=None, until=NOON + HOUR, limit=2, fair=True)
    assert list(found) == ["r0", "r9"], "the small tenant did not get its turn"


class TurnsByName(MemoryStore):
    """Orders the runs of one turn by tenant, as its window function gives them."""

    def list_due(self, *, limit: int, fair: bool = False, **asked: Any) -> Sequence[str]:
        """List tenant by tenant within each turn."""
        if not fair:
            return super().list_due(limit=limit, **asked)
        found = list(super().list_due(limit=2**62, **asked))
        by_tenant = sorted(found, key=lambda r: self._runs[r].key.tenant_id)
        return fair_order(by_tenant, lambda r: self._runs[r].key.tenant_id)[:limit]


def show_turns_by_name(make: Make, directory: Path) -> None:
    """The tenant whose name comes last waits longest."""
    store = make(directory)
    store.create(key("r1", tenant="a"), recs(), row=row_due(NOON + HOUR))
    store.create(key("r2", tenant="z"), recs(), row=row_due(NOON))
    found = store.list_due(tenant_id=None, until=NOON + HOUR, limit=1, fair=True)
    assert list(found) == ["r2"], "within a turn the name of the tenant decided"


class DueNever(PrunableSQLiteStore):
    """Compares a missing due time as 0, so that a run that is never due is due by any time."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, where the run is due by then or has no due time."""
        run = run_of(self, run_id)
        if run is not None and run.row.due_at is None:
            asked["due_by"] = None
        super().append(run_id, records, **asked)


def due_never(directory: Path) -> DueNever:
    """Return the store that compares with 0."""
    return DueNever(directory / "runs.sqlite")


def show_due_never(make: Make, directory: Path) -> None:
    """Somebody takes over a step of a run that is not due at all."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(None))
    kind = raised_kind(
        lambda: store.append("r1", recs(2), expected_version=1, row=row_due(None), due_by=NOON)
    )
    assert kind == "version_conflict", f"a run that is never due was taken over: {kind}"


class EasyRenewal(MemoryStore):
    """Takes a renewal at whatever version the run is: it adds no record, after all."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, or move the due time of a known run."""
        if not records and asked.get("due_by") is None:
            with self._lock:
                self._check_open()
                if (run := self._runs.get(run_id)) is not None:
                    self._take_out(run)
                    self._put(attrs.evolve(run, row=_in_utc(asked["row"])))
                    return
        super().append(run_id, records, **asked)


def show_easy_renewal(make: Make, directory: Path) -> None:
    """A worker renews a lease that it lost an entry ago."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    store.append("r1", recs(2), expected_version=1, row=row_due(NOON))
    kind = raised_kind(lambda: store.append("r1", [], expected_version=1, row=row_due(NOON + HOUR)))
    assert kind == "version_conflict", "a renewal at an old version was taken"
    assert due_of(store, "r1") == NOON


class KeepsDue(PrunableSQLiteStore):
    """Leaves the due time as it is where an append gives None, as an ORM leaves such a field."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append with the due time that was, where none is given."""
        if asked["row"].due_at is None and (run := run_of(self, run_id)) is not None:
            asked["row"] = due_then(asked["row"], run.row.due_at)
        super().append(run_id, records, **asked)


def keeps_due(directory: Path) -> KeepsDue:
    """Return the store that leaves fields alone."""
    return KeepsDue(directory / "runs.sqlite")


def show_keeps_due(make: Make, directory: Path) -> None:
    """The work is done, and the run leaves the queue."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    store.append("r1", recs(2), expected_version=1, row=row_due(None))
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == [], "still in the queue"


class Heap(MemoryStore):
    """Keeps a heap of due times, and drops an old one only where its run is due no more."""

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[datetime, str]] = []

    def _put(self, run: StoredRun) -> None:
        super()._put(run)
        if run.row.due_at is not None:
            heapq.heappush(self._heap, (run.row.due_at, run.key.run_id))

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Read the heap in its order, each run once."""
        with self._lock:
            self._check_open()
            queued = {run_id for _, run_id in self._queues.get(None, [])}
            self._heap = [each for each in self._heap if each[1] in queued]
            due = dict.fromkeys(r for at, r in sorted(self._heap) if at <= until)
            found = [r for r in due if tenant_id in (None, self._runs[r].key.tenant_id)]
            return (fair_order(found, lambda r: self._runs[r].key.tenant_id) if fair else found)[
                :limit
            ]


def show_heap(make: Make, directory: Path) -> None:
    """A lease is renewed, and the run is not due by its old time."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    store.append("r1", [], expected_version=1, row=row_due(NOON + HOUR))
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == [], "an old due time stood"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None], right: Make) -> Wrong:
    return Wrong(name, clause, "store", make, show, right)


WRONG: list[Wrong] = [
    _wrong("due in milliseconds", "STORE-33", millis, show_millis, sqlite),
    _wrong("due by the wall clock", "STORE-33", wall_clock, show_wall_clock, sqlite),
    _wrong("due in the repeated hour", "STORE-33", local_time, show_local_time, sqlite),
    _wrong("due up to 2038", "STORE-33", seconds32, show_seconds32, sqlite),
    _wrong("a row has a naive time", "STORE-33", naive_row, show_naive_row, sqlite),
    _wrong("due times ordered as text", "STORE-11", of(TextOrder), show_text_order, memory),
    _wrong("equal due times as written", "STORE-11", of(Ties), show_ties, memory),
    _wrong("turns after the limit", "STORE-22", of(CutFirst), show_cut_first, memory),
    _wrong("turns ordered by tenant", "STORE-22", of(TurnsByName), show_turns_by_name, memory),
    _wrong("never due is due by any time", "STORE-21", due_never, show_due_never, sqlite),
    _wrong("renewal at any version", "STORE-20", of(EasyRenewal), show_easy_renewal, memory),
    _wrong("no due time leaves the old", "STORE-12", keeps_due, show_keeps_due, sqlite),
    _wrong("heap with old due times", "STORE-12", of(Heap), show_heap, memory),
]
