"""A store in memory, gone with the process."""

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any

import attrs

from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.fairness import fair_order
from scoria_core.outbox import Outbox
from scoria_core.ports import (
    Capability,
    Delivery,
    Fact,
    IndexRow,
    Record,
    RunKey,
    StoredRun,
    Where,
)
from scoria_core.stores import store_name

_Listing = tuple[str | None, Fact | None, str | None]
_Place = tuple[datetime, str]
_Standing = tuple[dict[Any, list[Any]], object, str | _Place]
"""The item of a run in one list: all lists of that kind, the name of this one, and the item."""
_run_id = attrgetter("key.run_id")


@attrs.frozen(eq=False)
class _Watch:
    """The runs that became due since the last answer, in order: of a tenant, or of all for None."""

    tenant_id: str | None
    due: dict[str, None] = attrs.field(factory=dict)


class MemoryStore:
    """A store in memory, for one process and as long as it runs.

    It is a `PrunableStore`, an `OutboxStore` and a `WakingStore`.
    """

    capabilities: frozenset[Capability] = frozenset(
        {Capability.PRUNABLE, Capability.OUTBOX, Capability.WAKING}
    )

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Shares the lock: a run cannot become due between a watcher's check and its wait.
        self._woken = threading.Condition(self._lock)
        self._watches: list[_Watch] = []
        self._closed = False
        self._runs: dict[str, StoredRun] = {}
        self._journals: dict[str, list[Record]] = {}
        self._idempotent: dict[tuple[str, str | None], str] = {}
        # A sorted list for each possible query; None in a name does not filter, and empty lists are
        # removed. Run ids by tenant and fact; by due time; by `since`, for one label or any.
        self._listings: dict[_Listing, list[str]] = {}
        self._queues: dict[str | None, list[_Place]] = {}
        self._labelled: dict[tuple[str | None, str | None], list[_Place]] = {}
        self._outbox = Outbox()

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        with self._lock:
            self._check_open()
            named = (key.tenant_id, key.idempotency_key)
            if named in self._idempotent:
                return self._idempotent[named]
            if key.run_id in self._runs:
                raise VersionConflict(key.run_id, 0, self._runs[key.run_id].version)
            if key.idempotency_key is not None:
                self._idempotent[named] = key.run_id
            key = attrs.evolve(key, created_at=key.created_at.astimezone(UTC))
            self._journals[key.run_id] = list(records)
            self._put(StoredRun(key, _in_utc(row), len(records)))
            for name in _listings_of_key(key):
                insort(self._listings.setdefault(name, []), key.run_id)
            self._outbox.stored(key.run_id, 0, len(records), row.since)
            self._wake(key, row)
            return key.run_id

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version."""
        with self._lock:
            self._check_open()
            run = self._runs.get(run_id)
            version = 0 if run is None else run.version
            if run is None or version != expected_version or not _is_due(run, due_by):
                raise VersionConflict(run_id, expected_version, version)
            self._take_out(run)
            self._journals[run_id] += records
            self._put(StoredRun(run.key, _in_utc(row), version + len(records)))
            if records:
                self._outbox.stored(run_id, version, version + len(records), row.since)
                self._wake(run.key, row)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return these runs with their records."""
        with self._lock:
            self._check_open()
            return self._answer((each for each in run_ids if each in self._runs), True)

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
        with self._lock:
            self._check_open()
            listing = self._listings.get((tenant_id, *_fact(where)), [])
            end = len(listing) if before is None else bisect_left(listing, before)
            return self._answer(reversed(listing[max(0, end - limit) : end]), with_records)

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
        with self._lock:
            self._check_open()
            places = self._labelled.get((tenant_id, label), [])
            first = (
                0 if start is None else bisect_left(places, (start[0].astimezone(UTC), start[1]))
            )
            found = places[first : first + limit]
            return self._answer((run_id for _, run_id in found), with_records)

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        with self._lock:
            self._check_open()
            queue = self._queues.get(tenant_id, [])
            due = bisect_right(queue, until, key=itemgetter(0))
            run_ids = [run_id for _, run_id in queue[: due if fair else min(due, limit)]]
            if fair:
                run_ids = fair_order(run_ids, lambda run_id: self._runs[run_id].key.tenant_id)
            return run_ids[:limit]

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Return how many runs have each of these statuses, at most `limit`."""
        with self._lock:
            self._check_open()
            listings = {
                each: self._listings.get((tenant_id, Fact.STATUS, each), []) for each in statuses
            }
            return {status: min(len(listing), limit) for status, listing in listings.items()}

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions, and return their ids."""
        with self._lock:
            self._check_open()
            found = [
                self._runs[run_id]
                for run_id, version in versions.items()
                if run_id in self._runs and self._runs[run_id].version == version > 0
            ]
            for run in found:
                self._remove(run)
                self._outbox.forget(run.key.run_id)
            return list(map(_run_id, found))

    def add_listener(self, listener: str) -> None:
        """Add a listener, which is to receive every record that is stored from now on."""
        with self._lock:
            self._check_open()
            self._outbox.add(listener)

    def remove_listener(self, listener: str) -> None:
        """Remove the listener and its deliveries."""
        with self._lock:
            self._check_open()
            self._outbox.listeners.pop(listener, None)

    def list_listeners(self) -> Sequence[str]:
        """Return the listeners, in order."""
        with self._lock:
            self._check_open()
            return sorted(self._outbox.listeners)

    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery that is due first."""
        with self._lock:
            self._check_open()
            return self._outbox.claim(listener, now, until)

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, if it is still as it was claimed."""
        with self._lock:
            self._check_open()
            return self._outbox.settle(claimed, settled)

    def list_deliveries(
        self, listener: str, *, limit: int, given_up: bool = False
    ) -> Sequence[Delivery]:
        """Return deliveries of the listener, ordered by run id."""
        with self._lock:
            self._check_open()
            return self._outbox.list(listener, limit, given_up=given_up)

    def watch_due(
        self, *, tenant_id: str | None, pause: float
    ) -> Generator[Sequence[str], None, None]:
        """Yield the ids of runs as they become due."""
        watch = _Watch(tenant_id)
        with self._lock:
            self._check_open()
            # Registered before the first answer: from then on the watcher misses nothing.
            self._watches.append(watch)
        try:
            yield []
            while True:
                with self._lock:
                    self._woken.wait_for(lambda: watch.due or self._closed, pause)
                    self._check_open()
                    found = list(watch.due)
                    watch.due.clear()
                yield found
        finally:
            with self._lock:
                self._watches.remove(watch)

    def close(self) -> None:
        """Drop all runs; later calls raise `StoreUnavailable`."""
        with self._lock:
            self._closed = True
            self._woken.notify_all()  # watchers raise now, and not after their pause
            self._runs.clear()
            self._journals.clear()
            self._outbox = Outbox()
            for found_by in (self._idempotent, self._listings, self._queues, self._labelled):
                found_by.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("memory://", "is closed", "open it again; it starts empty")

    def _wake(self, key: RunKey, row: IndexRow) -> None:
        """Wake the watchers of a run, if it is due."""
        if not self._watches:
            return
        watches = [each for each in self._watches if each.tenant_id in (None, key.tenant_id)]
        if watches and row.due_at is not None and row.due_at <= datetime.now(UTC):
            for each in watches:
                each.due[key.run_id] = None
            self._woken.notify_all()

    def _answer(self, run_ids: Iterator[str], with_records: bool) -> list[StoredRun]:
        found = [self._runs[run_id] for run_id in run_ids]
        if not with_records:
            return found
        return [
            StoredRun(run.key, run.row, run.version, tuple(self._journals[run.key.run_id]))
            for run in found
        ]

    def _remove(self, run: StoredRun) -> None:
        key = run.key
        self._take_out(run)
        _take_from((self._listings, name, key.run_id) for name in _listings_of_key(key))
        del self._runs[key.run_id], self._journals[key.run_id]
        self._idempotent.pop((key.tenant_id, key.idempotency_key), None)

    def _put(self, run: StoredRun) -> None:
        """Store a run, and add it to the lists that its row puts it in."""
        self._runs[run.key.run_id] = run
        for lists, name, place in self._stands_in(run):
            insort(lists.setdefault(name, []), place)

    def _take_out(self, run: StoredRun) -> None:
        _take_from(self._stands_in(run))

    def _stands_in(self, run: StoredRun) -> list[_Standing]:
        """Return the items of a run in the lists that depend on its row."""
        row, run_id, places = run.row, run.key.run_id, list[_Standing]()
        for tenant_id in (None, run.key.tenant_id):
            places.append((self._listings, (tenant_id, Fact.STATUS, row.status), run_id))
            if row.due_at is not None:
                places.append((self._queues, tenant_id, (row.due_at, run_id)))
            # A run with labels is listed under each of them, and under None for any label.
            for label in (None, *row.labels) if row.labels else ():
                places.append((self._labelled, (tenant_id, label), (row.since, run_id)))
        return places


def _listings_of_key(key: RunKey) -> list[_Listing]:
    facts: list[tuple[Fact | None, str | None]] = [
        (None, None),
        (Fact.SESSION, key.session_id),
        (Fact.ACTOR, key.actor_id),
        (Fact.ROLE, key.root_role_id),
    ]
    return [(tenant_id, *fact) for tenant_id in (None, key.tenant_id) for fact in facts]


def _fact(where: Where | None) -> tuple[Fact | None, str | None]:
    return (None, None) if where is None else (where.fact, where.value)


def _take_from(places: Iterable[_Standing]) -> None:
    for lists, name, place in places:
        found = lists[name]
        del found[bisect_left(found, place)]
        if not found:
            del lists[name]


def _is_due(run: StoredRun, by: datetime | None) -> bool:
    return by is None or (run.row.due_at is not None and run.row.due_at <= by)


def _in_utc(row: IndexRow) -> IndexRow:
    # In Python a time that a zone has twice, as clocks go back, equals no time of another zone.
    due_at = None if row.due_at is None else row.due_at.astimezone(UTC)
    return IndexRow(row.status, row.since.astimezone(UTC), due_at, row.labels, row.has_ended)


def open_store(url: str) -> MemoryStore:
    """Open a new, empty store; `url` is `memory://` and names nothing."""
    if url != "memory://":
        problem = "names a place, and memory has none"
        raise StoreUnavailable(store_name(url), problem, "write memory://")
    return MemoryStore()
