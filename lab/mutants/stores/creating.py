"""Stores that are wrong when a run is created, or created again."""

import time
from collections.abc import Sequence
from typing import Any

import attrs

from lab.mutants.stores.around import SAID, STOPPED, Around, Lists, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import Record, RunKey

breaks = Catalogue("store", installed)


@breaks("STORE-1", "A run is stored with its first records")
class CreateStoresOnlyTheFirstRecord(Around):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        return self.store.create(key, records[:1], **due)


@breaks("STORE-1", "A run is stored with its first records")
class CreateReturnsNothing(Around):
    def create(self, *run: Any, **due: Any) -> Any:
        self.store.create(*run, **due)


@breaks("STORE-2", "None")
class CreateAgainIsTakenForDone(Around):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        return key.run_id if self.version(key.run_id) else self.store.create(key, records, **due)


@breaks("STORE-2", "A run is created once")
class CreateAgainAppends(Around):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        try:
            return self.store.create(key, records, **due)
        except VersionConflict as error:
            self.store.append(key.run_id, records, expected_version=error.actual, **due)
            raise


@breaks("STORE-3", SAID)
class IdempotencyKeysAreNotKept(Around):
    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        return self.store.create(attrs.evolve(key, idempotency_key=None), *records, **due)


@breaks("STORE-3", STOPPED)
class TheKeyIsLookedUpBeforeTheLockIsTaken(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.owners: dict[Any, str] = {}

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        named = (key.tenant_id, key.idempotency_key or key.run_id)
        if named in self.owners:
            return self.owners[named]
        time.sleep(0.02)
        self.owners[named] = key.run_id
        return self.store.create(attrs.evolve(key, idempotency_key=None), *records, **due)


@breaks("STORE-3", SAID)
class IdempotencyAcrossTenants(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.owners: dict[str, str] = {}

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        if key.idempotency_key is None:
            return self.store.create(key, *records, **due)
        if key.idempotency_key not in self.owners:
            self.owners[key.idempotency_key] = self.store.create(key, *records, **due)
        return self.owners[key.idempotency_key]


@breaks("STORE-18", "The thousandth run costs what the first did")
class CreateLooksAtEveryRun(Lists):
    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        for run_id in self.every(tenant_id=None, session_id=None, before=None):
            self.store.read(run_id)
        return self.store.create(key, *records, **due)
