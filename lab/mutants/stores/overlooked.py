"""Stores that are wrong where nobody had thought of looking: in what few calls depend on."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import attrs

from lab.mutants.stores.around import SAID, Around, Folds, Knows, Lists, Rewrites, installed
from lab.mutants.stores.lasting import LastingStore, Written
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Fact, IndexRow, Record, RunKey, RunStore, Where

breaks = Catalogue("store", installed)


@breaks("STORE-10", SAID)
class TenantsAreCutTo64Characters(Folds):
    folded = ("tenant_id",)

    def fold(self, value: str) -> str:
        return value[:64]


@breaks("STORE-10", SAID)
class SessionsAreComposed(Folds):
    folded = ("session_id",)

    def fold(self, value: str) -> str:
        return unicodedata.normalize("NFC", value)


@breaks("STORE-9", SAID)
class ATenantAndItsSessionAreOneText(Lists):
    def list_runs(self, *, tenant_id: Any, where: Where | None = None, **asked: Any) -> Any:
        if tenant_id is None or where is None or where.fact != Fact.SESSION:
            return self.store.list_runs(tenant_id=tenant_id, where=where, **asked)
        found = self.every(tenant_id=None, **asked)
        named = f"{tenant_id}:{where.value}"
        own = [run for run in found if f"{run.key.tenant_id}:{run.key.session_id}" == named]
        return own[: asked["limit"]]


@breaks("STORE-9", SAID)
class NothingComesBeforeARunThatIsUnknown(Around):
    def list_runs(self, *, before: str | None = None, **asked: Any) -> Any:
        if before is not None and not self.version(before):
            return []
        return self.store.list_runs(before=before, **asked)


@breaks("STORE-3", SAID)
class KeysAreOfNoTenantOnceReopened(LastingStore):
    def __init__(self, store: RunStore, path: Path) -> None:
        self.owners: dict[str, str] = {}
        self.is_open = False
        super().__init__(store, path)
        self.is_open = True

    def replay(self, written: Written) -> None:
        super().replay(written)
        if written.key and written.key.idempotency_key and not self.is_open:
            self.owners[written.key.idempotency_key] = written.run_id

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        owner = self.owners.get(key.idempotency_key or "")
        return owner or super().create(key, records, row=row)


@breaks("STORE-33", SAID)
class DueTimesAreCutToSecondsInTheFile(LastingStore):
    def write(self, written: Written) -> None:
        at = written.due_at
        super().write(written.with_row(due_at=at and at.replace(microsecond=0)))


@breaks("STORE-33", SAID)
class DueTimesLoseTheirZoneInTheFile(LastingStore):
    def write(self, written: Written) -> None:
        at = written.due_at
        super().write(written.with_row(due_at=at and at.replace(tzinfo=UTC)))


@breaks("STORE-33", "by two processes")
class DueTimesAreOfTheZoneOfTheProcess(LastingStore):
    def write(self, written: Written) -> None:
        at = written.due_at
        super().write(written.with_row(due_at=at and at.astimezone().replace(tzinfo=UTC)))

    def replay(self, written: Written) -> None:
        at = written.due_at
        super().replay(written.with_row(due_at=at and at.replace(tzinfo=None).astimezone()))


@breaks("STORE-33", SAID)
class DueTimesLoseTheirZone(Around):
    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> Any:
        at = row.due_at and row.due_at.replace(tzinfo=UTC)
        return self.store.create(key, records, row=attrs.evolve(row, due_at=at))


@breaks("STORE-22", SAID)
class TurnsAreOfEveryTenant(Around):
    def list_due(self, *, tenant_id: Any, fair: bool = False, **asked: Any) -> Any:
        tenant_id = None if fair else tenant_id
        return self.store.list_due(tenant_id=tenant_id, fair=fair, **asked)


@breaks("STORE-11", SAID)
class RunsDueAtOnceComeAsTheyWereStored(Knows):
    def list_due(self, *, limit: int, fair: bool = False, **asked: Any) -> Any:
        found = list(self.store.list_due(limit=1_000, fair=fair, **asked))
        if not fair:
            order = list(self.keys)
            dues = {run.key.run_id: run.row.due_at for run in self.store.read(found)}
            found.sort(key=lambda each: (dues[each], order.index(each)))
        return found[:limit]


@breaks("STORE-35", SAID)
class TextsAreCutTo400000Characters(Rewrites):
    def rewritten(self, body: str) -> str:
        return body[:400_000]


@breaks("STORE-25", SAID)
class PruneFreesEveryKeyOfItsTenant(Knows):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        removed = list(self.store.prune(versions))
        self.freed = {self.keys[each].tenant_id for each in removed} | getattr(self, "freed", set())
        return removed

    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        if key.tenant_id in getattr(self, "freed", ()):
            super().create(attrs.evolve(key, idempotency_key=None), records, **at)
            return key.run_id
        return super().create(key, records, **at)


@breaks("STORE-13", SAID)
class AClosedStoreTakesARenewal(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        try:
            self.store.append(run_id, records, **at)
        except StoreUnavailable:
            if records:
                raise


@breaks("STORE-2", SAID)
class CreateAgainMovesWhenARunIsDue(Around):
    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> Any:
        try:
            return self.store.create(key, records, row=row)
        except VersionConflict as error:
            if run := self.found(key.run_id):
                due = attrs.evolve(run.row, due_at=row.due_at)
                self.store.append(key.run_id, (), expected_version=error.actual, row=due)
            raise


@breaks("STORE-32", SAID)
class AConflictTellsTheVersionThatWasExpected(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        try:
            self.store.append(run_id, records, **at)
        except VersionConflict as error:
            raise VersionConflict(run_id, error.expected, error.expected) from None


@breaks("STORE-34", SAID)
class TheRunIsLookedUpBeforeTheKey(Around):
    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        if version := self.version(key.run_id):
            raise VersionConflict(key.run_id, 0, version)
        return self.store.create(key, records, **at)


@breaks("STORE-36", SAID)
class ALimitOf0IsNone(Around):
    def list_runs(self, *, limit: int, **asked: Any) -> Any:
        return self.store.list_runs(limit=limit or 1_000, **asked)


@breaks("STORE-16", SAID)
class AHandleCachesWhatIsDue(LastingStore):
    def list_due(self, **asked: Any) -> Sequence[str]:
        with self._lock:
            if self.log.closed:
                raise StoreUnavailable("the log", "is closed", "open it again")
            return self.store.list_due(**asked)
