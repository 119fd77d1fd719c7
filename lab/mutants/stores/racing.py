"""Stores that are wrong only where two callers meet between two of their lines.

None of them waits to be met: each is as its author would have written it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from lab.mutants.stores.around import STOPPED, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun
from scoria_memory import MemoryStore
from scoria_memory.store import _in_utc
from scoria_sqlite import PrunableSQLiteStore

breaks = Catalogue("store", installed)


class _Kept(MemoryStore):
    """A right store, with what the wrong ones do in several steps."""

    def compare(self, run_id: str, version: int, due_by: datetime | None = None) -> None:
        """Refuse a write at another version, and where the run is not due by then."""
        run = self._runs.get(run_id)
        found = 0 if run is None else run.version
        due_at = None if run is None else run.row.due_at
        is_due = due_by is None or (due_at is not None and due_at <= due_by)
        if run is None or found != version or not is_due:
            raise VersionConflict(run_id, version, found)

    def add(self, run_id: str, records: Sequence[Record], row: IndexRow) -> None:
        """Add the records, and let the run stand as the row says."""
        run = self._runs.get(run_id)
        if run is not None:
            self._take_out(run)
            for each in records:
                self._journals[run_id].append(each)
            self._put(StoredRun(run.key, _in_utc(row), run.version + len(records)))


@breaks("STORE-6", STOPPED)
class TheVersionIsComparedOutsideTheLock(_Kept):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        self._check_open()
        self.compare(run_id, at["expected_version"], at.get("due_by"))
        with self._lock:
            self.add(run_id, records, at["row"])


@breaks("STORE-6", STOPPED)
class TheVersionIsComparedInATransactionOfItsOwn(PrunableSQLiteStore):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        version = sum(run.version for run in self.read([run_id]))
        if not version or version != at["expected_version"]:
            raise VersionConflict(run_id, at["expected_version"], version)
        while True:
            try:
                return super().append(run_id, records, **at)
            except VersionConflict as error:
                if error.actual == at["expected_version"] or not error.actual:
                    raise
                shift = error.actual - at["expected_version"]
                at["expected_version"] = error.actual
                records = [
                    Record(each.sequence + shift, each.digest, each.body) for each in records
                ]


@breaks("STORE-21", STOPPED)
class WhatIsDueIsComparedOutsideTheLock(_Kept):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        due_by = at.pop("due_by", None)
        if due_by is not None:
            self._check_open()
            self.compare(run_id, at["expected_version"], due_by)
        super().append(run_id, records, **at)


@breaks("STORE-20", STOPPED)
class ARunIsPutOffOutsideTheLock(_Kept):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        if records:
            super().append(run_id, records, **at)
            return
        self._check_open()
        self.compare(run_id, at["expected_version"], at.get("due_by"))
        with self._lock:
            self.add(run_id, (), at["row"])


@breaks("STORE-3", STOPPED)
class TheKeyIsLookedUpOutsideTheLock(MemoryStore):
    def create(self, key: RunKey, records: Sequence[Record], **at: Any) -> str:
        named = (key.tenant_id, key.idempotency_key)
        if key.idempotency_key is not None and named in self._idempotent:
            return self._idempotent[named]
        owner = super().create(attrs.evolve(key, idempotency_key=None), records, **at)
        if key.idempotency_key is not None:
            with self._lock:
                run = self._runs[owner]
                self._runs[owner] = attrs.evolve(
                    run, key=attrs.evolve(run.key, idempotency_key=key.idempotency_key)
                )
                self._idempotent[named] = owner
        return owner


@breaks("STORE-24", "Wherever a caller that prunes is stopped")
class TheVersionIsComparedBeforeTheLockOfAPrune(MemoryStore):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        runs = self.read(list(versions))
        found = [run.key.run_id for run in runs if run.version == versions[run.key.run_id]]
        with self._lock:
            for run_id in found:
                if run_id in self._runs:
                    self._remove(self._runs[run_id])
        return found


@breaks("STORE-4", STOPPED)
class ABatchIsReadWhileItIsStored(_Kept):
    """It keeps its lock for those who write."""

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        self._check_open()
        return self._answer((each for each in run_ids if each in self._runs), True)

    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        with self._lock:
            self._check_open()
            self.compare(run_id, at["expected_version"], at.get("due_by"))
            self.add(run_id, records, at["row"])


@breaks("STORE-19", STOPPED)
class ARunIsReadInTwoTransactions(PrunableSQLiteStore):
    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        rows = {run.key.run_id: run for run in super().read(run_ids)}
        runs = [run for run in super().read(run_ids) if run.key.run_id in rows]
        return [attrs.evolve(rows[run.key.run_id], records=run.records) for run in runs]


@breaks("STORE-19", STOPPED)
class ARunIsListedBeforeItIsStored(MemoryStore):
    """It tells a listing before it has the records, without the lock."""

    def __init__(self) -> None:
        super().__init__()
        self.coming: dict[str, StoredRun] = {}

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        named = (key.tenant_id, key.idempotency_key)
        if key.run_id in self._runs or named in self._idempotent:
            return super().create(key, records, row=row)
        self.coming[key.run_id] = StoredRun(key, _in_utc(row), 0)
        listing = self._listings.setdefault((key.tenant_id, Fact.SESSION, key.session_id), [])
        listing.append(key.run_id)
        listing.sort()
        owner = super().create(key, records, row=row)
        listing.remove(key.run_id)
        del self.coming[key.run_id]
        return owner

    def _answer(self, run_ids: Iterator[str], with_records: bool) -> list[StoredRun]:
        found = list(run_ids)
        stored = {
            run.key.run_id: run
            for run in super()._answer((each for each in found if each in self._runs), with_records)
        }
        return [stored.get(each) or self.coming[each] for each in found]
