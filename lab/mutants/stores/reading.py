"""Stores that are wrong when runs are read."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from threading import local
from typing import Any

from attrs import evolve

from lab.mutants.stores.around import SAID, Around, Tells, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun

breaks = Catalogue("store", installed)


@breaks("STORE-7", "Records come back in the order of their sequence")
class SortsSequencesAsText(Tells):
    def told(self, run: StoredRun) -> StoredRun:
        as_text = sorted(run.records, key=lambda record: str(record.sequence))
        return evolve(run, records=tuple(as_text))


@breaks("STORE-7", "Records come back in the order of their sequence")
class TheNewestRecordIsReadFirst(Tells):
    def told(self, run: StoredRun) -> StoredRun:
        return evolve(run, records=run.records[::-1])


@breaks("STORE-7", SAID)
class AnUnknownRunIsUnavailable(Around):
    def read(self, run_ids: Sequence[str]) -> Any:
        for each in run_ids:
            if self.found(each) is None:
                raise StoreUnavailable("the store", f"has no run {each}", "create it")
        return self.store.read(run_ids)


@breaks("STORE-31", SAID)
class TheKeyOfARunIsNotTold(Tells):
    def told(self, run: StoredRun) -> StoredRun:
        return evolve(run, key=evolve(run.key, idempotency_key=None))


@breaks("STORE-31", SAID)
class ARunIsToldAsDueWhenItWasCreated(Tells):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.due: dict[str, datetime | None] = {}

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> Any:
        owner = self.store.create(key, records, row=row)
        if owner == key.run_id:
            self.due[owner] = row.due_at and row.due_at.astimezone(UTC)
        return owner

    def told(self, run: StoredRun) -> StoredRun:
        due_at = self.due.get(run.key.run_id, run.row.due_at)
        return evolve(run, row=evolve(run.row, due_at=due_at))


@breaks("STORE-31", SAID)
class ARunStaysAtTheFirstVersion(Tells):
    def told(self, run: StoredRun) -> StoredRun:
        return evolve(run, version=1)


@breaks("STORE-7", SAID)
class EveryRunIsKnown(Around):
    def read(self, run_ids: Sequence[str]) -> Any:
        runs = {run.key.run_id: run for run in self.store.read(run_ids)}
        return [runs.get(each) or _nobody(each) for each in run_ids]


def _nobody(run_id: str) -> StoredRun:
    at = datetime(2000, 1, 1, tzinfo=UTC)
    key = RunKey(run_id, "tenant-1", "session-1", "user-1", "executor", at)
    return StoredRun(key, IndexRow("queued", at), 0)


class _Caches(Around):
    """A store in which each thread keeps what it has seen."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.kept = local()

    def once(self, name: Any, ask: Callable[[], Any]) -> Any:
        """Return what was found when it was asked first."""
        return self.kept.__dict__.setdefault(name, ask())


@breaks("STORE-16", "What one caller stored, every call after it sees")
class AThreadCachesWhatItHasRead(_Caches):
    def read(self, run_ids: Sequence[str]) -> Any:
        return self.once(str(run_ids), lambda: self.store.read(run_ids))


@breaks("STORE-16", "What one caller stored, every call after it sees")
class AThreadCachesItsListings(_Caches):
    def list_runs(self, **asked: Any) -> Any:
        return self.once(str(asked), lambda: self.store.list_runs(**asked))


@breaks("STORE-19", "What callers are told by a store at once fits one order of their calls")
class ReadsFromACacheForAWhile(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.kept: dict[Sequence[str], tuple[float, Any]] = {}

    def read(self, run_ids: Sequence[str]) -> Any:
        asked = tuple(run_ids)
        until, found = self.kept.get(asked, (0.0, ()))
        if until < time.monotonic():
            found = self.store.read(asked)
            self.kept[asked] = time.monotonic() + 0.005, found
        return found


@breaks("READ-4", SAID)
class ReturnsItsOwnList(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.own: dict[Sequence[str], list[StoredRun]] = {}

    def read(self, run_ids: Sequence[str]) -> Any:
        return self.own.setdefault(tuple(run_ids), list(self.store.read(run_ids)))

    def create(self, key: RunKey, *records: Any, **at: Any) -> Any:
        self.forget(key.run_id)
        return self.store.create(key, *records, **at)

    def append(self, run_id: str, *records: Any, **at: Any) -> None:
        self.forget(run_id)
        self.store.append(run_id, *records, **at)

    def prune(self, versions: Mapping[str, int]) -> Any:
        for run_id in versions:
            self.forget(run_id)
        return self.store.prune(versions)

    def forget(self, run_id: str) -> None:
        """Have what was read of a run read again."""
        self.own = {run_ids: runs for run_ids, runs in self.own.items() if run_id not in run_ids}


@breaks("READ-4", SAID)
class KeepsTheListItWasGiven(Tells):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.given: dict[str, Sequence[Record]] = {}

    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        owner = self.store.create(key, records, **at)
        if owner == key.run_id:
            self.given[owner] = records
        return owner

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        self.store.append(run_id, records, **at)
        if records:
            self.given.pop(run_id, None)

    def told(self, run: StoredRun) -> StoredRun:
        given = self.given.get(run.key.run_id, run.records)
        return evolve(run, records=tuple(given)) if run.records else run
