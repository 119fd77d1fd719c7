"""A store in memory, gone with the process."""

import threading
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter

from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.fairness import fair_order
from scoria_core.ports import Capability, Record, RunHead, RunKey
from scoria_core.stores import store_name


class MemoryStore:
    """A `PrunableStore` in memory, for one process and as long as it runs."""

    capabilities: frozenset[Capability] = frozenset({Capability.PRUNABLE})

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._keys: dict[str, RunKey] = {}
        self._journals: dict[str, list[Record]] = {}
        self._due: dict[str, datetime] = {}
        self._idempotent: dict[tuple[str, str | None], str] = {}
        # What is due of each tenant that a listing may ask for, longest due first.
        self._queues: defaultdict[str | None, list[tuple[datetime, str]]] = defaultdict(list)
        # The run ids of each (tenant, session) filter that a listing may ask for, in order.
        self._listings: defaultdict[tuple[str | None, str | None], list[str]] = defaultdict(list)

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: datetime | None) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        with self._lock:
            self._check_open()
            named = (key.tenant_id, key.idempotency_key)
            if named in self._idempotent:
                return self._idempotent[named]
            if key.run_id in self._journals:
                raise VersionConflict(key.run_id, 0, len(self._journals[key.run_id]))
            if key.idempotency_key is not None:
                self._idempotent[named] = key.run_id
            self._keys[key.run_id] = key
            self._journals[key.run_id] = list(records)
            self._set_due(key.run_id, due_at)
            for tenant_id in (None, key.tenant_id):
                for session_id in (None, key.session_id):
                    insort(self._listings[tenant_id, session_id], key.run_id)
            return key.run_id

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version."""
        with self._lock:
            self._check_open()
            journal = self._journals.get(run_id, [])
            is_due = due_by is None or (run_id in self._due and self._due[run_id] <= due_by)
            if not journal or len(journal) != expected_version or not is_due:
                raise VersionConflict(run_id, expected_version, len(journal))
            journal.extend(records)
            self._set_due(run_id, due_at)

    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records of a run."""
        with self._lock:
            self._check_open()
            return tuple(self._journals.get(run_id, ()))

    def head(self, run_id: str) -> RunHead | None:
        """Return what the run is found by."""
        with self._lock:
            self._check_open()
            if run_id not in self._journals:
                return None
            version = self._journals[run_id][-1].sequence
            return RunHead(self._keys[run_id], version, self._due.get(run_id))

    def list_runs(
        self, *, tenant_id: str | None, session_id: str | None, limit: int, before: str | None
    ) -> Sequence[str]:
        """Return run ids, newest first."""
        with self._lock:
            self._check_open()
            listing = self._listings.get((tenant_id, session_id), [])
            end = len(listing) if before is None else bisect_left(listing, before)
            return listing[max(0, end - limit) : end][::-1]

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        with self._lock:
            self._check_open()
            queue = self._queues[tenant_id]
            due = bisect_right(queue, until, key=itemgetter(0))
            run_ids = [run_id for _, run_id in queue[: due if fair else min(due, limit)]]
            if fair:
                run_ids = fair_order(run_ids, lambda run_id: self._keys[run_id].tenant_id)
            return run_ids[:limit]

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions, and return their ids."""
        with self._lock:
            self._check_open()
            found = [
                run_id
                for run_id, version in versions.items()
                if len(self._journals.get(run_id, ())) == version > 0
            ]
            for run_id in found:
                self._remove(run_id)
            return found

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closed = True
            self._journals.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("memory://", "is closed", "open it again; it starts empty")

    def _remove(self, run_id: str) -> None:
        self._set_due(run_id, None)
        key = self._keys.pop(run_id)
        del self._journals[run_id]
        self._idempotent.pop((key.tenant_id, key.idempotency_key), None)
        for tenant_id in (None, key.tenant_id):
            for session_id in (None, key.session_id):
                self._listings[tenant_id, session_id].remove(run_id)

    def _set_due(self, run_id: str, due_at: datetime | None) -> None:
        before = self._due.pop(run_id, None)
        if due_at is not None:
            # Python calls a time that a zone has twice unequal to any time of another zone.
            due_at = due_at.astimezone(UTC)
            self._due[run_id] = due_at
        for tenant_id in (None, self._keys[run_id].tenant_id):
            queue = self._queues[tenant_id]
            if before is not None:
                del queue[bisect_left(queue, (before, run_id))]
            if due_at is not None:
                insort(queue, (due_at, run_id))


def open_store(url: str) -> MemoryStore:
    """Open a new, empty store; `url` is `memory://` and names nothing."""
    if url != "memory://":
        problem = "names a place, and memory has none"
        raise StoreUnavailable(store_name(url), problem, "write memory://")
    return MemoryStore()
