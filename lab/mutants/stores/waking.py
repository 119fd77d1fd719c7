"""Stores that are wrong on purpose about who is woken, and when."""

import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from attrs import evolve

from lab.mutants.stores.around import Around, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import RunKey

Watching = Generator[Sequence[str], None, None]

TOLD = "Who watches is told of each run of its tenant that becomes due, and of no other"
"""The scenario that looks at all that was written while a caller watched."""

breaks = Catalogue("store", installed)


@breaks("STORE-50", TOLD)
class ANewRunWakesNobody(Around):
    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        owner = self.store.create(key, records, **at)
        for watch in self.store._watches:
            watch.due.pop(owner, None)
        return owner


@breaks("STORE-50", TOLD)
class ARunThatGoesOnWakesNobody(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        self.store.append(run_id, records, **at)
        for watch in self.store._watches:
            watch.due.pop(run_id, None)


@breaks("STORE-50", TOLD)
class WhatCameWhileNobodyAskedIsMissed(Around):
    def watch_due(self, **asked: Any) -> Watching:
        for answer in self.store.watch_due(**asked):
            yield answer
            for watch in self.store._watches:
                watch.due.clear()


@breaks("STORE-50", "Who waits is woken by another caller")
class WhoWaitsIsToldWhenThePauseIsOver(Around):
    def watch_due(self, *, pause: float, **asked: Any) -> Watching:
        watch = self.store.watch_due(pause=0, **asked)
        yield next(watch)
        for answer in watch:
            time.sleep(pause)
            yield [*answer, *chain(*(each.due for each in self.store._watches))]


@breaks("STORE-51", TOLD)
class TheRunsOfAllTenantsAreNamed(Around):
    def watch_due(self, *, tenant_id: str | None, **asked: Any) -> Watching:  # noqa: ARG002 - lost
        yield from self.store.watch_due(tenant_id=None, **asked)


@breaks("STORE-51", TOLD)
class WhatIsDueLaterIsNamedAtOnce(Around):
    def create(self, key: RunKey, records: Any, *, row: Any) -> Any:
        if row.due_at is None:
            return self.store.create(key, records, row=row)
        owner = self.store.create(key, records, row=evolve(row, due_at=datetime.now(UTC)))
        self.store.append(owner, (), expected_version=len(records), row=row)
        return owner


@breaks("STORE-51", TOLD)
class WhatWasRefusedIsNamed(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        try:
            self.store.append(run_id, records, **at)
        except VersionConflict:
            for watch in self.store._watches:
                watch.due[f"{run_id} was refused"] = None
            raise


@breaks("STORE-52", "Closing a store ends the wait for work")
class AClosedStoreIsWatchedForEver(Around):
    def watch_due(self, *, pause: float, **asked: Any) -> Watching:
        try:
            yield from self.store.watch_due(pause=pause, **asked)
        except StoreUnavailable:
            while True:
                time.sleep(pause)
                yield []
