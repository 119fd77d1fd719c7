"""Stores that are wrong when a run is created, or created again."""

import time
from collections.abc import Sequence
from typing import Any

import attrs

from lab.mutants.stores.around import SAID, STOPPED, Around, Folds, Lists, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import Record, RunKey

breaks = Catalogue("store", installed)


@breaks("STORE-1", "A run is stored with its first records")
class CreateStoresOnlyTheFirstRecord(Around):
    def create(self, key: RunKey, records: Sequence[Record], **at: Any) -> Any:
        return self.store.create(key, records[:1], **at)


@breaks("STORE-1", "A run is stored with its first records")
class CreateReturnsNothing(Around):
    def create(self, *run: Any, **at: Any) -> Any:
        self.store.create(*run, **at)


@breaks("STORE-2", "None")
class CreateAgainIsTakenForDone(Around):
    def create(self, key: RunKey, records: Sequence[Record], **at: Any) -> Any:
        return key.run_id if self.version(key.run_id) else self.store.create(key, records, **at)


@breaks("STORE-2", "A run is created once")
class CreateAgainAppends(Around):
    def create(self, key: RunKey, records: Sequence[Record], **at: Any) -> Any:
        try:
            return self.store.create(key, records, **at)
        except VersionConflict as error:
            self.store.append(key.run_id, records, expected_version=error.actual, **at)
            raise


@breaks("STORE-3", SAID)
class IdempotencyKeysAreNotKept(Around):
    def create(self, key: RunKey, *records: Any, **at: Any) -> Any:
        return self.store.create(attrs.evolve(key, idempotency_key=None), *records, **at)


@breaks("STORE-3", STOPPED)
class TheKeyIsLookedUpBeforeTheLockIsTaken(Folds):
    """It keeps the keys itself, and the store knows none."""

    folded = ("idempotency_key",)

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.owners: dict[Any, str] = {}

    def kept(self, key: RunKey) -> RunKey:
        return attrs.evolve(key, idempotency_key=None)

    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        named = (key.tenant_id, key.idempotency_key or key.run_id)
        if named in self.owners:
            return self.owners[named]
        time.sleep(0.02)
        self.owners[named] = key.run_id
        return super().create(key, records, **at)


@breaks("STORE-3", SAID)
class IdempotencyAcrossTenants(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.owners: dict[str, str] = {}

    def create(self, key: RunKey, *records: Any, **at: Any) -> Any:
        if key.idempotency_key is None:
            return self.store.create(key, *records, **at)
        if key.idempotency_key not in self.owners:
            self.owners[key.idempotency_key] = self.store.create(key, *records, **at)
        return self.owners[key.idempotency_key]


@breaks("STORE-18", "The thousandth run costs what the first did")
class CreateLooksAtEveryRun(Lists):
    def create(self, key: RunKey, *records: Any, **at: Any) -> Any:
        for run in self.every(tenant_id=None, with_records=False):
            self.store.read([run.key.run_id])
        return self.store.create(key, *records, **at)
