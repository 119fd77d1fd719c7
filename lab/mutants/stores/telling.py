"""Stores that are wrong on purpose in what listeners have yet to be told."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import evolve

from lab.mutants.stores.around import Around, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import Delivery, IndexRow, RunKey
from scoria_memory import MemoryStore
from scoria_sqlite import OutboxSQLiteStore
from scoria_sqlite.store import _number

SAID = "an outbox keeps what the reference keeps"
"""What a scenario says that puts an outbox beside the reference."""

breaks = Catalogue("store", installed)


@breaks("STORE-46", "before a process was killed is told after it")
class WhatIsLeftToTellIsLostWithItsProcess(OutboxSQLiteStore):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.beside = MemoryStore()
        for listener in super().list_listeners():
            self.beside.add_listener(listener)

    def add_listener(self, listener: str) -> None:
        super().add_listener(listener)
        self.beside.add_listener(listener)

    def create(self, key: RunKey, records: Any, **at: Any) -> str:
        owner = super().create(key, records, **at)
        if owner == key.run_id:
            self.beside.create(key, records, **at)
        return owner

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        super().append(run_id, records, **at)
        self.beside.append(run_id, records, **at)

    def claim_delivery(self, listener: str, **at: datetime) -> Delivery | None:
        return self.beside.claim_delivery(listener, **at)

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        return self.beside.settle_delivery(claimed, settled)

    def list_deliveries(self, listener: str, **asked: Any) -> Sequence[Delivery]:
        return self.beside.list_deliveries(listener, **asked)


@breaks("STORE-46", "takes nothing with it")
class WhatIsToBeToldIsNotedAfterTheCommit(OutboxSQLiteStore):
    def add_listener(self, listener: str) -> None:
        super().add_listener(listener)
        for trigger in ("created", "appended"):
            self._do(f"DROP TRIGGER IF EXISTS {trigger}", ())

    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> str:
        owner = super().create(key, records, row=row)
        if owner == key.run_id:
            self._note(key.run_id, 0, len(records), row)
        return owner

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        super().append(run_id, records, **at)
        if records:
            version = at["expected_version"]
            self._note(run_id, version, version + len(records), at["row"])

    def _note(self, run_id: str, before: int, version: int, row: IndexRow) -> None:
        note = """INSERT INTO delivery SELECT name, ?, ?, ?, 0, ?, NULL FROM listener WHERE TRUE
            ON CONFLICT DO UPDATE SET version = excluded.version"""
        if self.list_listeners():
            self._do(note, (run_id, before, version, _number(row.since)))

    def _do(self, statement: str, given: Any) -> None:
        self._writes.store(lambda connection: connection.execute(statement, given) and None)


@breaks("STORE-46", SAID)
class WhatWasRefusedIsTold(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        try:
            self.store.append(run_id, records, **at)
        except VersionConflict:
            if run := self.found(run_id):
                self.store._outbox.stored(run_id, run.version, run.version + 1, run.row.since)
            raise


@breaks("STORE-46", SAID)
class WhatWasThereBeforeIsTold(Around):
    def list_deliveries(self, listener: str, **asked: Any) -> Any:
        return [evolve(each, delivered=0) for each in self.store.list_deliveries(listener, **asked)]


@breaks("STORE-46", SAID)
class ANewRunIsNotTold(Around):
    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        is_new = not self.version(key.run_id)
        owner = self.store.create(key, records, **at)
        if is_new:
            self.store._outbox.forget(key.run_id)
        return owner


@breaks("STORE-47", "each gets runs of its own")
class TheClaimIsLookedUpBeforeItIsTaken(Around):
    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Any:
        due = [
            each
            for each in self.store.list_deliveries(listener, limit=10_000)
            if each.next_try_at is not None and each.next_try_at <= now
        ]
        if not due:
            return None
        first = min(due, key=lambda each: (each.next_try_at, each.run_id))
        time.sleep(0.002)
        claimed = evolve(first, tries=first.tries + 1, next_try_at=until)
        self.store.settle_delivery(first, claimed)
        return claimed


@breaks("STORE-47", SAID)
class AClaimIsFreeAgainAtOnce(Around):
    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Any:
        claimed = self.store.claim_delivery(listener, now=now, until=now)
        return claimed and evolve(claimed, next_try_at=until)


@breaks("STORE-47", SAID)
class AClaimIsNoTry(Around):
    def claim_delivery(self, listener: str, **at: datetime) -> Any:
        claimed = self.store.claim_delivery(listener, **at)
        if claimed is None:
            return None
        counted = evolve(claimed, tries=claimed.tries - 1)
        self.store.settle_delivery(claimed, counted)
        return counted


@breaks("STORE-47", SAID)
class WhatWasGivenUpIsClaimed(Around):
    def claim_delivery(self, listener: str, **at: datetime) -> Any:
        for each in self.store.list_deliveries(listener, limit=1, given_up=True):
            self.store.settle_delivery(each, evolve(each, next_try_at=at["now"]))
        return self.store.claim_delivery(listener, **at)


@breaks("STORE-48", SAID)
class WhoIsLateSettlesAsWell(Around):
    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> Any:
        for each in self.store.list_deliveries(claimed.listener, limit=10_000):
            if each.run_id == claimed.run_id:
                return self.store.settle_delivery(each, settled)
        return False


@breaks("STORE-48", SAID)
class WhatWasAppendedMeanwhileIsForgotten(Around):
    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> Any:
        if settled.delivered >= claimed.version:
            settled = evolve(settled, delivered=self.version(claimed.run_id))
        return self.store.settle_delivery(claimed, settled)


@breaks("STORE-48", SAID)
class ItIsNotSaidWhyItFailed(Around):
    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> Any:
        return self.store.settle_delivery(claimed, evolve(settled, problem=None))


@breaks("STORE-49", SAID)
class AListenerThatWasRemovedKeepsItsDeliveries(Around):
    def remove_listener(self, listener: str) -> None:
        kept = self.store._outbox.listeners.get(listener)
        self.store.remove_listener(listener)
        self.gone = {**getattr(self, "gone", {}), listener: kept}

    def add_listener(self, listener: str) -> None:
        if kept := getattr(self, "gone", {}).pop(listener, None):
            self.store._outbox.listeners.setdefault(listener, kept)
        self.store.add_listener(listener)


@breaks("STORE-49", SAID)
class WhatWasPrunedIsTold(Around):
    def prune(self, versions: Mapping[str, int]) -> Any:
        outbox = self.store._outbox
        before = {name: dict(each.deliveries) for name, each in outbox.listeners.items()}
        removed = self.store.prune(versions)
        for name, deliveries in before.items():
            for run_id in removed:
                if run_id in deliveries:
                    outbox.listeners[name].put(deliveries[run_id])
        return removed
