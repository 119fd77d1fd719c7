"""Stores that are wrong on purpose when they let go of runs."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from lab.mutants.stores.around import SAID, Around, installed
from lab.mutants.stores.lasting import LastingStore, Written
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import Record, RunKey, StoredRun

breaks = Catalogue("store", installed)


class Prunes(Around):
    """A store that remembers what it was to let go of, as it was."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.gone: dict[str, StoredRun] = {}

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs, and remember them."""
        before = {run.key.run_id: run for run in self.store.read(list(versions))}
        removed: Sequence[str] = self.store.prune(versions)
        self.gone |= {run_id: before[run_id] for run_id in removed}
        return removed


@breaks("STORE-23", SAID)
class WhatIsPrunedStaysListed(Prunes):
    def list_runs(self, *, limit: int, with_records: bool = True, **asked: Any) -> Any:
        runs = self.store.list_runs(limit=limit, with_records=with_records, **asked)
        gone = {**self.gone, **{run.key.run_id: run for run in runs}}
        found = [gone[run_id] for run_id in sorted(gone, reverse=True)[:limit]]
        return found if with_records else [evolve(run, records=()) for run in found]


@breaks("STORE-23", SAID)
class TheFirstRecordOfWhatIsPrunedStays(Prunes):
    def read(self, run_ids: Sequence[str]) -> Any:
        left = {
            run_id: evolve(run, version=1, records=run.records[:1])
            for run_id, run in self.gone.items()
        }
        found = left | {run.key.run_id: run for run in self.store.read(run_ids)}
        return [found[each] for each in run_ids if each in found]


@breaks("STORE-23", SAID)
class NothingIsPruned(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        return list(versions)


@breaks("STORE-23", SAID)
class AnAppendBringsBackWhatWasPruned(Prunes):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        if run_id in self.gone and at["expected_version"]:
            self.store.create(self.gone[run_id].key, records, row=at["row"])
        else:
            self.store.append(run_id, records, **at)


@breaks("STORE-23", SAID)
class WhatIsPrunedStaysDue(Prunes):
    def list_due(self, *, limit: int, **asked: Any) -> Any:
        return [*self.store.list_due(limit=limit, **asked), *self.gone][:limit]


@breaks("STORE-23", SAID)
class ItDoesNotSayWhatItRemoved(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        self.store.prune(versions)
        return []


@breaks("STORE-23", "opened again")
class WhatWasPrunedComesBackWithTheStore(LastingStore):
    def write(self, written: Written) -> None:
        if not written.is_pruned:
            super().write(written)


@breaks("STORE-23", SAID)
class ARunIsPrunedForOneProcessOnly(LastingStore):
    def __init__(self, store: Any, path: Any) -> None:
        self.is_open = False
        super().__init__(store, path)
        self.is_open = True

    def replay(self, written: Written) -> None:
        if not (written.is_pruned and self.is_open):
            super().replay(written)


@breaks("STORE-23", "in hand")
class AReadIsAnsweredFromWhatWasReadBefore(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.known: dict[str, Any] = {}

    def read(self, run_ids: Sequence[str]) -> Any:
        self.known |= {run.key.run_id: run for run in self.store.read(run_ids)}
        return [self.known[each] for each in run_ids if each in self.known]


@breaks("STORE-24", SAID)
class ARunIsPrunedAtWhateverVersionItIs(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        found: Sequence[str] = self.store.prune({each: self.version(each) for each in versions})
        return found


@breaks("STORE-24", SAID)
class ARunThatIsOlderIsPruned(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        least = {run_id: min(at, self.version(run_id)) for run_id, at in versions.items()}
        found: Sequence[str] = self.store.prune(least)
        return found


@breaks("STORE-24", SAID)
class ARunThatWentOnIsPruned(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        most = {run_id: max(at, self.version(run_id)) for run_id, at in versions.items()}
        found: Sequence[str] = self.store.prune(most)
        return found


@breaks("STORE-24", "Wherever a caller that prunes is stopped")
class TheVersionIsLookedUpBeforeTheRunIsPruned(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        right = [run_id for run_id, at in versions.items() if self.version(run_id) == at > 0]
        time.sleep(0.02)
        found: Sequence[str] = self.store.prune({each: self.version(each) for each in right})
        return found


@breaks("STORE-24", SAID)
class OneRunOfASessionTakesTheOthersWithIt(Prunes):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        removed = list(super().prune(versions))
        sessions = {self.gone[each].key.session_id for each in removed}
        for run in self.store.list_runs(tenant_id=None, limit=10_000):
            if run.key.session_id in sessions:
                self.store.prune({run.key.run_id: run.version})
        return removed


@breaks("STORE-24", SAID)
class AllArePrunedOrNone(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        if any(self.version(run_id) != at for run_id, at in versions.items()):
            return []
        found: Sequence[str] = self.store.prune(versions)
        return found


@breaks("STORE-24", SAID)
class ARunThatNeverWasIsSaidToBePruned(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        unknown = [run_id for run_id in versions if not self.version(run_id)]
        return [*self.store.prune(versions), *unknown]


@breaks("STORE-25", SAID)
class TheKeyOutlivesItsRun(Prunes):
    def create(self, key: RunKey, records: Sequence[Record], **at: Any) -> Any:
        for run_id, run in self.gone.items():
            named = (run.key.tenant_id, run.key.idempotency_key)
            if key.idempotency_key and named == (key.tenant_id, key.idempotency_key):
                return run_id
        return self.store.create(key, records, **at)


@breaks("STORE-25", SAID)
class TheKeyOfWhatWasPrunedIsAConflict(Prunes):
    def create(self, key: RunKey, records: Sequence[Record], **at: Any) -> Any:
        used = {run.key.idempotency_key for run in self.gone.values()} - {None}
        if key.idempotency_key in used:
            raise VersionConflict(key.run_id, 0, 1)
        return self.store.create(key, records, **at)


@breaks("STORE-25", SAID)
class TheKeyIsFreedForEveryTenant(Prunes):
    def create(self, key: RunKey, records: Sequence[Record], **at: Any) -> Any:
        freed = {run.key.idempotency_key for run in self.gone.values()} - {None}
        if key.idempotency_key in freed:
            self.store.create(evolve(key, idempotency_key=None), records, **at)
            return key.run_id
        return self.store.create(key, records, **at)
