"""Stores that are wrong only where two callers meet between two of their lines.

None of them waits to be met: each is as its author would have written it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lab.mutants.stores.around import STOPPED, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import Record, RunHead, RunKey
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

breaks = Catalogue("store", installed)


@breaks("STORE-6", STOPPED)
class TheVersionIsComparedOutsideTheLock(MemoryStore):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        version = len(self.read(run_id))
        if version == 0 or version != at["expected_version"]:
            raise VersionConflict(run_id, at["expected_version"], version)
        due_by, due_at = at.get("due_by"), self._due.get(run_id)
        if due_by is not None and (due_at is None or due_at > due_by):
            raise VersionConflict(run_id, at["expected_version"], version)
        with self._lock:
            self._journals.get(run_id, []).extend(records)
            self._set_due(run_id, at["due_at"])


@breaks("STORE-6", STOPPED)
class TheVersionIsComparedInATransactionOfItsOwn(PrunableSQLiteStore):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        found = self.head(run_id)
        if found is None or found.version != at["expected_version"]:
            raise VersionConflict(run_id, at["expected_version"], found.version if found else 0)
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
class WhatIsDueIsComparedOutsideTheLock(MemoryStore):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        due_by = at.pop("due_by", None)
        if due_by is not None:
            due_at = self._due.get(run_id)
            if due_at is None or due_at > due_by:
                raise VersionConflict(run_id, at["expected_version"], len(self.read(run_id)))
        super().append(run_id, records, **at)


@breaks("STORE-20", STOPPED)
class ARunIsPutOffOutsideTheLock(MemoryStore):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        if records:
            super().append(run_id, records, **at)
            return
        version = len(self.read(run_id))
        if version == 0 or version != at["expected_version"]:
            raise VersionConflict(run_id, at["expected_version"], version)
        self._set_due(run_id, at["due_at"])


@breaks("STORE-3", STOPPED)
class TheKeyIsLookedUpOutsideTheLock(MemoryStore):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> str:
        named = (key.tenant_id, key.idempotency_key)
        if key.idempotency_key is not None and named in self._idempotent:
            return self._idempotent[named]
        owner = super().create(RunKey(key.run_id, key.tenant_id, key.session_id), records, **due)
        self._keys[owner] = key
        self._idempotent[named] = owner
        self._idempotent.pop((key.tenant_id, None), None)
        return owner


@breaks("STORE-24", "Wherever a caller that prunes is stopped")
class TheVersionIsComparedBeforeTheLockOfAPrune(MemoryStore):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        found = [each for each, at in versions.items() if len(self.read(each)) == at > 0]
        with self._lock:
            for run_id in found:
                if run_id in self._keys:
                    self._remove(run_id)
        return found


@breaks("STORE-4", STOPPED)
class ABatchIsReadWhileItIsStored(MemoryStore):
    """It keeps its lock for those who write."""

    def read(self, run_id: str) -> Sequence[Record]:
        self._check_open()
        return list(self._journals.get(run_id, ()))

    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        if len(records) < 2:
            super().append(run_id, records, **at)
            return
        with self._lock:
            version = len(self._journals.get(run_id, ()))
            if not version or version != at["expected_version"]:
                raise VersionConflict(run_id, at["expected_version"], version)
            for each in records:
                self._journals[run_id].append(each)
            self._set_due(run_id, at["due_at"])


@breaks("STORE-19", STOPPED)
class AHeadIsReadInTwoTransactions(PrunableSQLiteStore):
    def head(self, run_id: str) -> RunHead | None:
        found = super().head(run_id)
        if found is None:
            return None
        version = len(self.read(run_id))
        return RunHead(found.key, version, found.due_at)


@breaks("STORE-19", STOPPED)
class ARunIsListedBeforeItIsStored(MemoryStore):
    """It tells its listings before it has the records, without the lock."""

    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> str:
        listing = self._listings[key.tenant_id, key.session_id]
        is_first = key.run_id not in listing and key.run_id not in self._journals
        named = (key.tenant_id, key.idempotency_key)
        if not is_first or named in self._idempotent:
            return super().create(key, records, **due)
        listing.append(key.run_id)
        listing.sort()
        owner = super().create(key, records, **due)
        listing.remove(key.run_id)
        return owner
