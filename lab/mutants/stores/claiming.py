"""Stores that are wrong when a run is put off, or taken over once it is due."""

import time
from datetime import timedelta
from typing import Any

from lab.mutants.stores.around import SAID, STOPPED, Around, Due, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import VersionConflict
from scoria_core.ports import IndexRow, Record

breaks = Catalogue("store", installed)


class _Renews(Around):
    """A store that takes an append without records for something else than it is."""

    def renew(self, run_id: str, expected_version: int, row: IndexRow) -> None:
        """Do what is done in place of it."""
        raise NotImplementedError

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        if records:
            self.store.append(run_id, records, **at)
        else:
            self.renew(run_id, at["expected_version"], at["row"])


@breaks("STORE-20", SAID)
class AnAppendWithoutRecordsDoesNothing(_Renews):
    def renew(self, run_id: str, expected_version: int, row: IndexRow) -> None:
        pass


@breaks("STORE-20", "VersionConflict")
class AnAppendWithoutRecordsIsRefused(_Renews):
    def renew(self, run_id: str, expected_version: int, row: IndexRow) -> None:  # noqa: ARG002 - it is lost
        raise VersionConflict(run_id, expected_version, self.version(run_id))


@breaks("STORE-20", SAID)
class AnAppendWithoutRecordsStoresAnEmptyOne(_Renews):
    def renew(self, run_id: str, expected_version: int, row: IndexRow) -> None:
        empty = Record(expected_version + 1, "", "")
        self.store.append(run_id, [empty], expected_version=expected_version, row=row)


@breaks("STORE-20", SAID)
class AnAppendWithoutRecordsNeedsNoVersion(_Renews):
    def renew(self, run_id: str, expected_version: int, row: IndexRow) -> None:
        version = self.version(run_id) or expected_version
        self.store.append(run_id, (), expected_version=version, row=row)


@breaks("STORE-20", SAID)
class ARunIsPutOffBeforeTheVersionIsCompared(_Renews):
    def renew(self, run_id: str, expected_version: int, row: IndexRow) -> None:
        version = self.version(run_id)
        self.store.append(run_id, (), expected_version=version, row=row)
        if version != expected_version:
            raise VersionConflict(run_id, expected_version, version)


@breaks("STORE-21", SAID)
class WhatIsTakenOverNeedNotBeDue(Around):
    def append(self, *run: Any, due_by: Any = None, **at: Any) -> None:  # noqa: ARG002 - it is lost
        self.store.append(*run, **at)


@breaks("STORE-21", SAID)
class ARunIsTakenOverOnlyAfterItsTime(Around):
    def append(self, *run: Any, due_by: Any = None, **at: Any) -> None:
        by = due_by and due_by - timedelta(microseconds=1)
        self.store.append(*run, due_by=by, **at)


class _LooksFirst(Due):
    """A store that looks whether a run is due, and does not ask when it writes."""

    pause = 0.0

    def is_due(self, run_id: str, due_by: Any) -> bool:
        """Tell whether the run is due by then."""
        return run_id in self.all_due(tenant_id=None, until=due_by)

    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_by: Any = None, **at: Any
    ) -> None:
        if due_by is not None:
            if not self.is_due(run_id, due_by):
                raise VersionConflict(run_id, expected_version, self.version(run_id))
            time.sleep(self.pause)
        self.store.append(run_id, records, expected_version=expected_version, **at)


@breaks("STORE-21", STOPPED)
class WhatIsDueIsLookedUpBeforeTheLockIsTaken(_LooksFirst):
    pause = 0.02


@breaks("STORE-21", SAID)
class ARunThatIsNeverDueIsTakenOver(_LooksFirst):
    def is_due(self, run_id: str, due_by: Any) -> bool:
        ever = due_by.replace(year=9000)
        return super().is_due(run_id, due_by) or not super().is_due(run_id, ever)


@breaks("STORE-21", SAID)
class ARefusedTakeOverMovesWhenARunIsDue(Around):
    def append(self, run_id: str, records: Any, *, due_by: Any = None, **at: Any) -> None:
        try:
            self.store.append(run_id, records, due_by=due_by, **at)
        except VersionConflict as error:
            if due_by is not None and error.actual == at["expected_version"]:
                self.store.append(run_id, (), **at)
            raise
