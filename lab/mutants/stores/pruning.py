"""Stores that are wrong on purpose when they let go of runs."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from lab.mutants.stores.around import SAID, Around, installed
from lab.mutants.stores.lasting import LastingStore, Written
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import Record, RunKey

breaks = Catalogue("store", installed)


class _Prunes(Around):
    """A store that remembers what it was to let go of, with the records that it had."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.gone: dict[str, list[Record]] = {}
        self.keys: dict[str, RunKey] = {}

    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        self.keys[key.run_id] = key
        return self.store.create(key, records, **due)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs, and remember them."""
        before = {run_id: list(self.store.read(run_id)) for run_id in versions}
        removed: Sequence[str] = self.store.prune(versions)
        self.gone |= {run_id: before[run_id] for run_id in removed}
        return removed


@breaks("STORE-23", SAID)
class WhatIsPrunedStaysListed(_Prunes):
    def list_runs(self, *, tenant_id: str | None, limit: int, **asked: Any) -> Any:
        found = self.store.list_runs(tenant_id=tenant_id, limit=limit, **asked)
        return sorted({*found, *self.gone}, reverse=True)[:limit]


@breaks("STORE-23", SAID)
class TheFirstRecordOfWhatIsPrunedStays(_Prunes):
    def read(self, run_id: str) -> Any:
        return self.store.read(run_id) or self.gone.get(run_id, [])[:1]


@breaks("STORE-23", SAID)
class NothingIsPruned(Around):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        return list(versions)


@breaks("STORE-23", SAID)
class AnAppendBringsBackWhatWasPruned(_Prunes):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        if run_id in self.gone and at["expected_version"]:
            self.store.create(self.keys[run_id], records, due_at=at["due_at"])
        else:
            self.store.append(run_id, records, **at)


@breaks("STORE-23", SAID)
class WhatIsPrunedStaysDue(_Prunes):
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

    def read(self, run_id: str) -> Any:
        found = self.store.read(run_id) or self.known.get(run_id, ())
        self.known[run_id] = found
        return found


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
class OneRunOfASessionTakesTheOthersWithIt(_Prunes):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        removed = list(super().prune(versions))
        sessions = {self.keys[each].session_id for each in removed}
        for run_id, key in self.keys.items():
            if key.session_id in sessions:
                self.store.prune({run_id: self.version(run_id)})
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
class TheKeyOutlivesItsRun(_Prunes):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        for run_id in self.gone:
            named = (self.keys[run_id].tenant_id, self.keys[run_id].idempotency_key)
            if key.idempotency_key and named == (key.tenant_id, key.idempotency_key):
                return run_id
        return super().create(key, records, **due)


@breaks("STORE-25", SAID)
class TheKeyOfWhatWasPrunedIsAConflict(_Prunes):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        used = {self.keys[each].idempotency_key for each in self.gone} - {None}
        if key.idempotency_key in used:
            raise VersionConflict(key.run_id, 0, 1)
        return super().create(key, records, **due)


@breaks("STORE-25", SAID)
class TheKeyIsFreedForEveryTenant(_Prunes):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        freed = {self.keys[each].idempotency_key for each in self.gone} - {None}
        if key.idempotency_key in freed:
            self.store.create(RunKey(key.run_id, key.tenant_id, key.session_id), records, **due)
            return key.run_id
        return super().create(key, records, **due)
