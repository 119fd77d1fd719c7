"""Stores that are wrong when records are appended."""

import time
from typing import Any

from lab.mutants.stores.around import SAID, STOPPED, Around, installed, one_by_one
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import IndexRow, RunKey

breaks = Catalogue("store", installed)


class _OneByOne(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, **more: Any
    ) -> None:
        for number, batch in enumerate(one_by_one(records)):
            version = expected_version + number
            self.store.append(run_id, batch, expected_version=version, row=row, **more)
            more = {}  # it was due
            time.sleep(1e-6)


@breaks("STORE-4", STOPPED)
class ABatchIsWrittenRecordByRecord(_OneByOne):
    pass


@breaks("STORE-4", SAID)
class HalfOfARefusedBatchStays(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        try:
            self.store.append(run_id, records, **at)
        except VersionConflict:
            if version := self.version(run_id):
                self.store.append(run_id, records[:1], expected_version=version, row=at["row"])
            raise


@breaks("STORE-4", SAID)
class ABatchLosesItsLastRecord(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        self.store.append(run_id, records[:-1] or records, **at)


@breaks("STORE-4", SAID)
class AnAppendIsOnlyAcknowledged(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        pass


@breaks("STORE-5", SAID)
class TheExpectedVersionIsIgnored(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, **more: Any
    ) -> None:
        version = self.version(run_id) or expected_version
        self.store.append(run_id, records, expected_version=version, row=row, **more)


@breaks("STORE-5", "version")
class AnOlderExpectedVersionIsTaken(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, **more: Any
    ) -> None:
        version = max(expected_version, self.version(run_id))
        self.store.append(run_id, records, expected_version=version, row=row, **more)


@breaks("STORE-5", SAID)
class AppendCreatesTheRun(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, **more: Any
    ) -> None:
        if expected_version == 0:
            key = RunKey(run_id, "tenant-1", "session-1", "user-1", "executor", row.since)
            self.store.create(key, records, row=row)
        else:
            self.store.append(run_id, records, expected_version=expected_version, row=row, **more)


@breaks("STORE-6", STOPPED)
class TheVersionIsComparedBeforeTheLockIsTaken(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, **more: Any
    ) -> None:
        found = self.version(run_id)
        if found != expected_version or not found:
            raise VersionConflict(run_id, expected_version, found)
        time.sleep(0.02)
        for batch in one_by_one(records):
            while True:
                version = self.version(run_id)
                try:
                    self.store.append(run_id, batch, expected_version=version, row=row, **more)
                    break
                except VersionConflict as error:
                    if error.actual == version:  # it is not due
                        raise


@breaks("STORE-6", STOPPED)
class AConflictIsSwallowed(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        try:
            self.store.append(run_id, records, **at)
        except VersionConflict:
            if not self.version(run_id):
                raise


@breaks("STORE-5", SAID)
class AConflictIsToldAsUnavailable(Around):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        try:
            self.store.append(run_id, records, **at)
        except VersionConflict as error:
            raise StoreUnavailable("the store", "is busy", "try again") from error
