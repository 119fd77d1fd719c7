"""Stores that are wrong when a run is read, or its head."""

import time
from collections.abc import Callable, Sequence
from threading import local
from typing import Any

import attrs

from lab.mutants.stores.around import SAID, Around, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import Record, RunHead, RunKey

breaks = Catalogue("store", installed)


@breaks("STORE-7", "Records come back in the order of their sequence")
class SortsSequencesAsText(Around):
    def read(self, run_id: str) -> Any:
        return sorted(self.store.read(run_id), key=lambda record: str(record.sequence))


@breaks("STORE-7", "Records come back in the order of their sequence")
class TheNewestRecordIsReadFirst(Around):
    def read(self, run_id: str) -> Any:
        return self.store.read(run_id)[::-1]


@breaks("STORE-7", SAID)
class AnUnknownRunIsUnavailable(Around):
    def read(self, run_id: str) -> Any:
        if found := self.store.read(run_id):
            return found
        raise StoreUnavailable("the store", f"has no run {run_id}", "create it")


@breaks("STORE-31", SAID)
class AHeadKnowsNoKey(Around):
    def head(self, run_id: str) -> Any:
        found = self.store.head(run_id)
        return found and attrs.evolve(found, key=attrs.evolve(found.key, idempotency_key=None))


@breaks("STORE-31", SAID)
class AHeadIsDueWhenTheRunWasCreated(Around):
    def create(self, key: RunKey, records: Sequence[Record], *, due_at: Any) -> Any:
        self.due = {**getattr(self, "due", {}), key.run_id: due_at}
        return self.store.create(key, records, due_at=due_at)

    def head(self, run_id: str) -> Any:
        found = self.store.head(run_id)
        return found and attrs.evolve(found, due_at=self.due[run_id])


@breaks("STORE-31", SAID)
class AHeadStaysAtTheFirstVersion(Around):
    def head(self, run_id: str) -> Any:
        found = self.store.head(run_id)
        return found and attrs.evolve(found, version=1)


@breaks("STORE-31", SAID)
class EveryRunHasAHead(Around):
    def head(self, run_id: str) -> Any:
        return self.store.head(run_id) or RunHead(RunKey(run_id, "tenant-1", "s"), 0, None)


class _Caches(Around):
    """A store in which each thread keeps what it has seen."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.kept = local()

    def once(self, name: Any, ask: Callable[[], Any]) -> Any:
        """Return what was found when it was asked first."""
        return self.kept.__dict__.setdefault(name, ask())


@breaks("STORE-16", "What one caller stored, every call after it sees")
class AThreadCachesAStaleHead(_Caches):
    def read(self, run_id: str) -> Any:
        return self.once(run_id, lambda: self.store.read(run_id))


@breaks("STORE-16", "What one caller stored, every call after it sees")
class AThreadCachesItsListings(_Caches):
    def list_runs(self, **asked: Any) -> Any:
        return self.once(str(asked), lambda: self.store.list_runs(**asked))


@breaks("STORE-19", "What callers are told by a store at once fits one order of their calls")
class ReadsFromACacheForAWhile(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.kept: dict[str, tuple[float, Any]] = {}

    def read(self, run_id: str) -> Any:
        until, found = self.kept.get(run_id, (0.0, ()))
        if until < time.monotonic():
            found = self.store.read(run_id)
            self.kept[run_id] = time.monotonic() + 0.005, found
        return found


@breaks("READ-4", SAID)
class ReturnsItsOwnList(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.own: dict[str, list[Record]] = {}

    def read(self, run_id: str) -> Any:
        return self.own.setdefault(run_id, list(self.store.read(run_id)))

    def append(self, run_id: str, *records: Any, **at: Any) -> None:
        self.store.append(run_id, *records, **at)
        self.own.pop(run_id, None)


@breaks("READ-4", SAID)
class KeepsTheListItWasGiven(ReturnsItsOwnList):
    def create(self, key: RunKey, records: Any, **due: Any) -> Any:
        owner = self.store.create(key, records, **due)
        if owner == key.run_id:
            self.own[owner] = records
        return owner
