"""Stores that are wrong about when a run is due."""

import heapq
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_2.common import HOUR, NOON, key, memory, raised_kind, recs, sqlite
from lab.first_contact.batch_2.stores_ids import of
from lab.first_contact.wrong import Wrong
from scoria_core.fairness import fair_order
from scoria_core.ports import Record, RunHead, RunKey
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

Make = Callable[[Path], Any]
At = datetime | None


class Converting(PrunableSQLiteStore):
    """A store that changes each due time on its way in."""

    def convert(self, at: datetime) -> datetime:
        """Return the time as it is kept."""
        return at

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: At) -> str:
        """Store the run with the converted time."""
        return super().create(key, records, due_at=due_at and self.convert(due_at))

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append with the converted time."""
        due_at = asked.pop("due_at")
        super().append(run_id, records, due_at=due_at and self.convert(due_at), **asked)


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
    store.create(key("r1"), recs(), due_at=NOON + timedelta(microseconds=999))
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
    store.create(key("r1"), recs(), due_at=there)
    assert store.head("r1").due_at == NOON, "the zone was lost"


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
    store.create(key("r1"), recs(), due_at=second)
    assert store.head("r1").due_at == second, "an hour early, in the night the clocks change"


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
    store.create(key("r1"), recs(), due_at=far)
    assert store.head("r1").due_at == far, "the last of 32 bits"


class NaiveHead(PrunableSQLiteStore):
    """Gives the due time in `head` as its driver reads it: in UTC, and naive."""

    def head(self, run_id: str) -> RunHead | None:
        """Return the head without a zone."""
        found = super().head(run_id)
        if found is None or found.due_at is None:
            return found
        return attrs.evolve(found, due_at=found.due_at.replace(tzinfo=None))


def naive_head(directory: Path) -> NaiveHead:
    """Return the store of naive heads."""
    return NaiveHead(directory / "runs.sqlite")


def show_naive_head(make: Make, directory: Path) -> None:
    """What `head` returns is aware."""
    store = make(directory)
    store.create(key("r1"), recs(), due_at=NOON)
    assert store.head("r1").due_at.utcoffset() == timedelta(0), "a time without a zone"


class TextOrder(MemoryStore):
    """Orders due times as the texts that they were given in."""

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """Sort what is due by the text of its time."""
        if asked.get("fair"):
            return super().list_due(limit=limit, **asked)
        found = super().list_due(limit=2**62, **asked)
        return sorted(found, key=lambda r: (self._due[r].isoformat(), r))[:limit]


def show_text_order(make: Make, directory: Path) -> None:
    """Two hosts in two zones write due times."""
    store = make(directory)
    east = timezone(timedelta(hours=9))
    store.create(key("r1"), recs(), due_at=NOON)
    store.create(key("r2"), recs(), due_at=(NOON - HOUR).astimezone(east))
    found = list(store.list_due(tenant_id=None, until=NOON + HOUR, limit=1))
    assert found == ["r2"], "the one longest due is not first"


class Ties(MemoryStore):
    """Leaves runs that are due at one moment in the order in which they were last written."""

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """Sort what is due by its time alone."""
        found = set(super().list_due(limit=2**62, **asked))
        if asked.get("fair"):
            return super().list_due(limit=limit, **asked)
        return sorted((r for r in self._due if r in found), key=self._due.__getitem__)[:limit]


def show_ties(make: Make, directory: Path) -> None:
    """Two runs are due at one moment, and the larger id was written first."""
    store = make(directory)
    store.create(key("r2"), recs(), due_at=NOON)
    store.create(key("r1"), recs(), due_at=NOON)
    found = list(store.list_due(tenant_id=None, until=NOON, limit=5))
    assert found == ["r1", "r2"], f"at equal times: {found}"


class CutFirst(MemoryStore):
    """Takes the first of the queue up to the limit, and lets the tenants of these take turns."""

    def list_due(self, *, fair: bool = False, **asked: Any) -> Sequence[str]:
        """Cut, and then sort into turns."""
        found = list(super().list_due(**asked))
        return fair_order(found, lambda r: self._keys[r].tenant_id) if fair else found


def show_cut_first(make: Make, directory: Path) -> None:
    """One tenant has the three that are longest due, another one more."""
    store = make(directory)
    for n in range(3):
        store.create(key(f"r{n}", tenant="big"), recs(), due_at=NOON)
    store.create(key("r9", tenant="small"), recs(), due_at=NOON + HOUR)
    found = store.list_due(tenant_id=None, until=NOON + HOUR, limit=2, fair=True)
    assert list(found) == ["r0", "r9"], "the small tenant did not get its turn"


class TurnsByName(MemoryStore):
    """Orders the runs of one turn by tenant, as its window function gives them."""

    def list_due(self, *, limit: int, fair: bool = False, **asked: Any) -> Sequence[str]:
        """List tenant by tenant within each turn."""
        if not fair:
            return super().list_due(limit=limit, **asked)
        found = list(super().list_due(limit=2**62, **asked))
        by_tenant = sorted(found, key=lambda r: self._keys[r].tenant_id)
        return fair_order(by_tenant, lambda r: self._keys[r].tenant_id)[:limit]


def show_turns_by_name(make: Make, directory: Path) -> None:
    """The tenant whose name comes last waits longest."""
    store = make(directory)
    store.create(key("r1", tenant="a"), recs(), due_at=NOON + HOUR)
    store.create(key("r2", tenant="z"), recs(), due_at=NOON)
    found = store.list_due(tenant_id=None, until=NOON + HOUR, limit=1, fair=True)
    assert list(found) == ["r2"], "within a turn the name of the tenant decided"


class DueNever(PrunableSQLiteStore):
    """Compares a missing due time as 0, so that a run that is never due is due by any time."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, where the run is due by then or has no due time."""
        head = self.head(run_id)
        if head is not None and head.due_at is None:
            asked["due_by"] = None
        super().append(run_id, records, **asked)


def due_never(directory: Path) -> DueNever:
    """Return the store that compares with 0."""
    return DueNever(directory / "runs.sqlite")


def show_due_never(make: Make, directory: Path) -> None:
    """Somebody takes over a step of a run that is not due at all."""
    store = make(directory)
    store.create(key("r1"), recs(), due_at=None)
    kind = raised_kind(
        lambda: store.append("r1", recs(2), expected_version=1, due_at=None, due_by=NOON)
    )
    assert kind == "version_conflict", f"a run that is never due was taken over: {kind}"


class EasyRenewal(MemoryStore):
    """Takes a renewal at whatever version the run is: it adds no record, after all."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, or move the due time of a known run."""
        if not records and asked.get("due_by") is None:
            with self._lock:
                self._check_open()
                if run_id in self._journals:
                    self._set_due(run_id, asked["due_at"])
                    return
        super().append(run_id, records, **asked)


def show_easy_renewal(make: Make, directory: Path) -> None:
    """A worker renews a lease that it lost an entry ago."""
    store = make(directory)
    store.create(key("r1"), recs(), due_at=NOON)
    store.append("r1", recs(2), expected_version=1, due_at=NOON)
    kind = raised_kind(lambda: store.append("r1", [], expected_version=1, due_at=NOON + HOUR))
    assert kind == "version_conflict", "a renewal at an old version was taken"
    assert store.head("r1").due_at == NOON


class KeepsDue(PrunableSQLiteStore):
    """Leaves the due time as it is where an append gives None, as an ORM leaves such a field."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append with the due time that was, where none is given."""
        if asked["due_at"] is None and (head := self.head(run_id)) is not None:
            asked["due_at"] = head.due_at
        super().append(run_id, records, **asked)


def keeps_due(directory: Path) -> KeepsDue:
    """Return the store that leaves fields alone."""
    return KeepsDue(directory / "runs.sqlite")


def show_keeps_due(make: Make, directory: Path) -> None:
    """The work is done, and the run leaves the queue."""
    store = make(directory)
    store.create(key("r1"), recs(), due_at=NOON)
    store.append("r1", recs(2), expected_version=1, due_at=None)
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == [], "still in the queue"


class Heap(MemoryStore):
    """Keeps a heap of due times, and drops an old one only where its run is due no more."""

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[datetime, str]] = []

    def _set_due(self, run_id: str, due_at: At) -> None:
        super()._set_due(run_id, due_at)
        if due_at is not None:
            heapq.heappush(self._heap, (due_at, run_id))

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Read the heap in its order, each run once."""
        with self._lock:
            self._check_open()
            self._heap = [each for each in self._heap if each[1] in self._due]
            due = dict.fromkeys(r for at, r in sorted(self._heap) if at <= until)
            found = [r for r in due if tenant_id in (None, self._keys[r].tenant_id)]
            return (fair_order(found, lambda r: self._keys[r].tenant_id) if fair else found)[:limit]


def show_heap(make: Make, directory: Path) -> None:
    """A lease is renewed, and the run is not due by its old time."""
    store = make(directory)
    store.create(key("r1"), recs(), due_at=NOON)
    store.append("r1", [], expected_version=1, due_at=NOON + HOUR)
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == [], "an old due time stood"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None], right: Make) -> Wrong:
    return Wrong(name, clause, "store", make, show, right)


WRONG: list[Wrong] = [
    _wrong("due in milliseconds", "STORE-33", millis, show_millis, sqlite),
    _wrong("due by the wall clock", "STORE-33", wall_clock, show_wall_clock, sqlite),
    _wrong("due in the repeated hour", "STORE-33", local_time, show_local_time, sqlite),
    _wrong("due up to 2038", "STORE-33", seconds32, show_seconds32, sqlite),
    _wrong("head gives a naive time", "STORE-33", naive_head, show_naive_head, sqlite),
    _wrong("due times ordered as text", "STORE-11", of(TextOrder), show_text_order, memory),
    _wrong("equal due times as written", "STORE-11", of(Ties), show_ties, memory),
    _wrong("turns after the limit", "STORE-22", of(CutFirst), show_cut_first, memory),
    _wrong("turns ordered by tenant", "STORE-22", of(TurnsByName), show_turns_by_name, memory),
    _wrong("never due is due by any time", "STORE-21", due_never, show_due_never, sqlite),
    _wrong("renewal at any version", "STORE-20", of(EasyRenewal), show_easy_renewal, memory),
    _wrong("no due time leaves the old", "STORE-12", keeps_due, show_keeps_due, sqlite),
    _wrong("heap with old due times", "STORE-12", of(Heap), show_heap, memory),
]
