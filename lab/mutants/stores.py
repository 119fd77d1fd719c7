"""Stores that are wrong on purpose, each around the right one under test."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from threading import local
from typing import Any

import attrs

from lab.mutants.lasting import LastingStore, Written, lined
from lab.mutants.under_test import subject
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.journal import _sha256, genesis
from scoria_core.ports import Capability, Record, RunHead, RunKey, RunStore


def _around(wrong: Callable[[RunStore], RunStore]) -> None:
    """Have every store that is opened be wrong."""
    right = subject.open
    subject.open = lambda directory: wrong(right(directory))


def last(store: Callable[[RunStore, Path], RunStore] = LastingStore) -> None:
    """Have every store that is opened outlive its process, over one under test that is empty."""
    right = subject.open

    def open_store(directory: Path) -> RunStore:
        return store(right(Path(mkdtemp(dir=directory))), directory / "log")

    subject.open = open_store


def _installed(wrong: Any) -> None:
    if issubclass(wrong, LastingStore):
        last(wrong)
    else:
        _around(wrong)


breaks = Catalogue("store", _installed)

SAID = "answered as the reference answers"
"""What a scenario says that puts a store beside the reference."""
STOPPED = "Wherever a caller is stopped"
KILLED = "A process that is killed while its threads write and prune"


class Around:
    """The store under test, but for what a mutant does in its stead."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def version(self, run_id: str) -> int:
        """Return how many records a run has."""
        return len(self.store.read(run_id))


@breaks("STORE-1", "A run is stored with its first records")
class CreateStoresOnlyTheFirstRecord(Around):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        return self.store.create(key, records[:1], **due)


@breaks("STORE-1", "A run is stored with its first records")
class CreateReturnsNothing(Around):
    def create(self, *run: Any, **due: Any) -> Any:
        self.store.create(*run, **due)


@breaks("STORE-2", "None")
class CreateAgainIsTakenForDone(Around):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        return key.run_id if self.version(key.run_id) else self.store.create(key, records, **due)


@breaks("STORE-2", "A run is created once")
class CreateAgainAppends(Around):
    def create(self, key: RunKey, records: Sequence[Record], **due: Any) -> Any:
        try:
            return self.store.create(key, records, **due)
        except VersionConflict as error:
            self.store.append(key.run_id, records, expected_version=error.actual, **due)
            raise


@breaks("STORE-3", SAID)
class IdempotencyKeysAreNotKept(Around):
    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        return self.store.create(attrs.evolve(key, idempotency_key=None), *records, **due)


@breaks("STORE-3", STOPPED)
class TheKeyIsLookedUpBeforeTheLockIsTaken(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.owners: dict[Any, str] = {}

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        named = (key.tenant_id, key.idempotency_key or key.run_id)
        if named in self.owners:
            return self.owners[named]
        time.sleep(0.02)
        self.owners[named] = key.run_id
        return self.store.create(attrs.evolve(key, idempotency_key=None), *records, **due)


@breaks("STORE-3", SAID)
class IdempotencyAcrossTenants(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.owners: dict[str, str] = {}

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        if key.idempotency_key is None:
            return self.store.create(key, *records, **due)
        if key.idempotency_key not in self.owners:
            self.owners[key.idempotency_key] = self.store.create(key, *records, **due)
        return self.owners[key.idempotency_key]


def _one_by_one(records: Sequence[Record]) -> list[list[Record]]:
    """Return a batch for each record; without any the run is put off."""
    return [[each] for each in records] or [[]]


class _OneByOne(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: Any, **more: Any
    ) -> None:
        for number, batch in enumerate(_one_by_one(records)):
            version = expected_version + number
            self.store.append(run_id, batch, expected_version=version, due_at=due_at, **more)
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
                self.store.append(
                    run_id, records[:1], expected_version=version, due_at=at["due_at"]
                )
            raise


@breaks("STORE-5", SAID)
class TheExpectedVersionIsIgnored(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: Any, **more: Any
    ) -> None:
        version = self.version(run_id) or expected_version
        self.store.append(run_id, records, expected_version=version, due_at=due_at, **more)


@breaks("STORE-5", "version")
class AnOlderExpectedVersionIsTaken(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: Any, **more: Any
    ) -> None:
        version = max(expected_version, self.version(run_id))
        self.store.append(run_id, records, expected_version=version, due_at=due_at, **more)


@breaks("STORE-5", SAID)
class AppendCreatesTheRun(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: Any, **more: Any
    ) -> None:
        if expected_version == 0:
            self.store.create(RunKey(run_id, "tenant-1", "session-1"), records, due_at=due_at)
        else:
            self.store.append(
                run_id, records, expected_version=expected_version, due_at=due_at, **more
            )


@breaks("STORE-6", STOPPED)
class TheVersionIsComparedBeforeTheLockIsTaken(Around):
    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: Any, **more: Any
    ) -> None:
        found = self.version(run_id)
        if found != expected_version or not found:
            raise VersionConflict(run_id, expected_version, found)
        time.sleep(0.02)
        for batch in _one_by_one(records):
            while True:
                version = self.version(run_id)
                try:
                    self.store.append(
                        run_id, batch, expected_version=version, due_at=due_at, **more
                    )
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


class _Rewrites(Around):
    """A store that keeps something else than it was given."""

    def rewritten(self, body: str) -> str:
        """Return what is kept in place of `body`."""
        raise NotImplementedError

    def _each(self, records: Sequence[Record]) -> list[Record]:
        return [attrs.evolve(each, body=self.rewritten(each.body)) for each in records]

    def create(self, key: RunKey, records: Any, **due: Any) -> Any:
        return self.store.create(key, self._each(records), **due)

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        self.store.append(run_id, self._each(records), **at)


@breaks("STORE-8", SAID)
class TruncatesALongText(_Rewrites):
    def rewritten(self, body: str) -> str:
        return body[: 64 * 1024]


@breaks("STORE-8", SAID)
class LineEndingsAreMadeOneKind(_Rewrites):
    def rewritten(self, body: str) -> str:
        return body.replace("\r\n", "\n")


@breaks("STORE-8", SAID)
class LettersBeyondTheBmpAreReplaced(_Rewrites):
    def rewritten(self, body: str) -> str:
        return "".join(each if each <= "\uffff" else "\ufffd" for each in body)


@breaks("STORE-8", SAID)
class LettersAreComposed(_Rewrites):
    def rewritten(self, body: str) -> str:
        return body.replace("e\u0301", "\u00e9")


@breaks("STORE-8", SAID)
class SpacesAtTheEndsAreStripped(_Rewrites):
    def rewritten(self, body: str) -> str:
        return body.strip()


@breaks("STORE-8", SAID)
class BackslashesAreTakenForEscapes(_Rewrites):
    def rewritten(self, body: str) -> str:
        return body.replace("\\n", "\n")


@breaks("PAYLOAD-3", "the order or the kind of a value changed")
class KeepsJsonWithItsKeysSorted(Around):
    """It parses what it was given, as a JSON column does, and makes the chain good again."""

    def read(self, run_id: str) -> Any:
        sealed: list[Record] = []
        for each in self.store.read(run_id):
            body = json.loads(each.body) if each.body.startswith('{"') else each.body
            if isinstance(body, str):
                return self.store.read(run_id)
            text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            previous = sealed[-1].digest if sealed else genesis(run_id)
            sealed.append(Record(each.sequence, _sha256(previous, text), text))
        return sealed


class _Lists(Around):
    """A store that lists its runs in a way of its own."""

    def every(self, **asked: Any) -> list[str]:
        """Return all ids that a listing has, newest first."""
        return list(self.store.list_runs(**{**asked, "limit": 10_000}))


@breaks("STORE-9", SAID)
class ListsTheOldestFirst(_Lists):
    def list_runs(self, **asked: Any) -> Any:
        return self.store.list_runs(**asked)[::-1]


@breaks("STORE-9", "at most its limit")
class TheLimitOfAListingIsIgnored(_Lists):
    def list_runs(self, **asked: Any) -> Any:
        return self.every(**asked)


@breaks("STORE-9", "at most its limit")
class TheLimitOfAListingIsOffByOne(_Lists):
    def list_runs(self, **asked: Any) -> Any:
        return self.every(**asked)[: asked["limit"] + 1]


@breaks("STORE-9", "begins before a run")
class BeforeIsInclusive(_Lists):
    def list_runs(self, *, before: str | None, **asked: Any) -> Any:
        return self.store.list_runs(before=before and f"{before}~", **asked)


@breaks("STORE-9", "begins before a run")
class BeforeIsLostInAFilteredListing(_Lists):
    def list_runs(self, *, before: str | None, **asked: Any) -> Any:
        return self.store.list_runs(before=None if asked["session_id"] else before, **asked)


@breaks("STORE-9", "A listing has at most its limit")
class ThePageIsCutBeforeItIsFiltered(_Lists):
    def list_runs(self, *, session_id: str | None, limit: int, **asked: Any) -> Any:
        page = self.store.list_runs(session_id=None, limit=limit, **asked)
        of_session = self.every(session_id=session_id, **asked)
        return [run_id for run_id in page if run_id in of_session]


@breaks("TENANT-2", SAID)
class ASessionIsListedWithoutItsTenant(_Lists):
    def list_runs(self, *, tenant_id: str | None, **asked: Any) -> Any:
        return self.store.list_runs(tenant_id=None if asked["session_id"] else tenant_id, **asked)


class _Folds(Around):
    """A store to which some ids are the same."""

    folded: tuple[str, ...] = ()

    def fold(self, value: str) -> str:
        """Return what an id is compared by."""
        return value.casefold()

    def _all(self, named: dict[str, Any]) -> dict[str, Any]:
        there = {name: self.fold(each) for name in self.folded if (each := named.get(name))}
        return {**named, **there}

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        return self.store.create(RunKey(**self._all(attrs.asdict(key))), *records, **due)

    def list_runs(self, **asked: Any) -> Any:
        return self.store.list_runs(**self._all(asked))

    def list_due(self, **asked: Any) -> Any:
        return self.store.list_due(**self._all(asked))


@breaks("STORE-10", SAID)
class TheCaseOfSessionsIsFolded(_Folds):
    folded = ("session_id",)


@breaks("STORE-10", SAID)
class TheCaseOfTenantsIsFolded(_Folds):
    folded = ("tenant_id",)


@breaks("STORE-10", SAID)
class TheCaseOfIdempotencyKeysIsFolded(_Folds):
    folded = ("idempotency_key",)


@breaks("STORE-10", SAID)
class SessionsAreComparedAsACollationDoes(_Folds):
    folded = ("session_id",)

    def fold(self, value: str) -> str:
        return value.replace("ß", "ss")


@breaks("STORE-10", SAID)
class SpacesAtTheEndOfASessionDoNotCount(_Folds):
    folded = ("session_id",)

    def fold(self, value: str) -> str:
        return value.rstrip(" ")


class _Due(Around):
    """A store that tells what is due in a way of its own."""

    def all_due(self, **asked: Any) -> list[str]:
        """Return all ids that are due, longest due first."""
        return list(self.store.list_due(**{**asked, "limit": 10_000}))


@breaks("STORE-10", SAID)
class IdsThatAreNumbersAreComparedAsNumbers(_Folds):
    folded = ("tenant_id", "session_id")

    def fold(self, value: str) -> str:
        return value.lstrip("0") or value


@breaks("STORE-10", SAID)
class TenantsAreTakenForPatterns(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.tenants: set[str] = set()

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        self.tenants.add(key.tenant_id)
        return self.store.create(key, *records, **due)

    def list_due(self, *, tenant_id: str | None, **asked: Any) -> Any:
        like = re.escape(tenant_id or "%").replace("%", ".*").replace("_", ".")
        return [
            run_id
            for each in sorted(self.tenants)
            if re.fullmatch(like, each)
            for run_id in self.store.list_due(tenant_id=each, **asked)
        ]


@breaks("STORE-11", SAID)
class DueRunsComeByTheirIds(_Due):
    def list_due(self, **asked: Any) -> Any:
        return sorted(self.all_due(**asked))[: asked["limit"]]


@breaks("STORE-11", SAID)
class TheLimitOfDueRunsIsIgnored(_Due):
    def list_due(self, **asked: Any) -> Any:
        return self.all_due(**asked)


@breaks("STORE-11", SAID)
class ARunIsDueOnlyAfterItsTime(_Due):
    def list_due(self, *, until: Any, **asked: Any) -> Any:
        return self.store.list_due(until=until - timedelta(microseconds=1), **asked)


@breaks("TENANT-2", SAID)
class DueRunsOfAllTenantsAreGiven(_Due):
    def list_due(self, *, tenant_id: str | None, **asked: Any) -> Any:  # noqa: ARG002 - it is lost
        return self.store.list_due(tenant_id=None, **asked)


@breaks("STORE-12", SAID)
class ARunStaysDue(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.due: dict[str, Any] = {}

    def create(self, key: RunKey, records: Any, *, due_at: Any) -> Any:
        self.due[key.run_id] = due_at
        return self.store.create(key, records, due_at=due_at)

    def append(self, run_id: str, records: Any, *, due_at: Any, **at: Any) -> None:
        self.due[run_id] = due_at or self.due.get(run_id)
        self.store.append(run_id, records, due_at=self.due[run_id], **at)


@breaks("STORE-12", SAID)
class AnAppendDoesNotChangeWhenARunIsDue(ARunStaysDue):
    def append(self, run_id: str, records: Any, **at: Any) -> None:
        self.store.append(run_id, records, **{**at, "due_at": self.due.get(run_id)})


class _Renews(Around):
    """A store that takes an append without records for something else than it is."""

    def renew(self, run_id: str, expected_version: int, due_at: Any) -> None:
        """Do what is done in place of it."""
        raise NotImplementedError

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        if records:
            self.store.append(run_id, records, **at)
        else:
            self.renew(run_id, at["expected_version"], at["due_at"])


@breaks("STORE-20", SAID)
class AnAppendWithoutRecordsDoesNothing(_Renews):
    def renew(self, run_id: str, expected_version: int, due_at: Any) -> None:
        pass


@breaks("STORE-20", "VersionConflict")
class AnAppendWithoutRecordsIsRefused(_Renews):
    def renew(self, run_id: str, expected_version: int, due_at: Any) -> None:  # noqa: ARG002 - it is lost
        raise VersionConflict(run_id, expected_version, self.version(run_id))


@breaks("STORE-20", SAID)
class AnAppendWithoutRecordsStoresAnEmptyOne(_Renews):
    def renew(self, run_id: str, expected_version: int, due_at: Any) -> None:
        empty = Record(expected_version + 1, "", "")
        self.store.append(run_id, [empty], expected_version=expected_version, due_at=due_at)


@breaks("STORE-20", SAID)
class AnAppendWithoutRecordsNeedsNoVersion(_Renews):
    def renew(self, run_id: str, expected_version: int, due_at: Any) -> None:
        version = self.version(run_id) or expected_version
        self.store.append(run_id, (), expected_version=version, due_at=due_at)


@breaks("STORE-20", SAID)
class ARunIsPutOffBeforeTheVersionIsCompared(_Renews):
    def renew(self, run_id: str, expected_version: int, due_at: Any) -> None:
        version = self.version(run_id)
        self.store.append(run_id, (), expected_version=version, due_at=due_at)
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


class _LooksFirst(_Due):
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


class _Turns(_Due):
    """A store in which the tenants take turns in a way of its own."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.tenants: dict[str, str] = {}

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        self.tenants[key.run_id] = key.tenant_id
        return self.store.create(key, *records, **due)

    def turns(self, limit: int, **asked: Any) -> Any:
        """Return what is listed with the tenants in turns."""
        raise NotImplementedError

    def list_due(self, *, fair: bool = False, **asked: Any) -> Any:
        return self.turns(**asked) if fair else self.store.list_due(**asked)


@breaks("STORE-22", SAID)
class TheTenantsTakeNoTurns(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        return self.store.list_due(limit=limit, **asked)


@breaks("STORE-22", SAID)
class TheTenantsComeOneAfterTheOther(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        return sorted(self.all_due(**asked), key=self.tenants.__getitem__)[:limit]


@breaks("STORE-22", SAID)
class EachTurnIsInTheOrderOfTheTenants(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        taken: Counter[str] = Counter()
        order: dict[str, tuple[int, str]] = {}
        for run_id in self.all_due(**asked):
            tenant_id = self.tenants[run_id]
            taken[tenant_id] += 1
            order[run_id] = taken[tenant_id], tenant_id
        return sorted(order, key=order.__getitem__)[:limit]


@breaks("STORE-22", SAID)
class DueRunsAreCutBeforeTheTenantsTakeTurns(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        cut = self.store.list_due(limit=limit, **asked)
        return [run_id for run_id in self.all_due(**asked, fair=True) if run_id in cut]


@breaks("STORE-22", SAID)
class EachTenantHasOneTurn(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        due = self.all_due(**asked)
        first = {self.tenants[run_id]: run_id for run_id in reversed(due)}
        return [run_id for run_id in due if run_id in first.values()][:limit]


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


@breaks("STORE-13", "StoreUnavailable")
class CloseDoesNothing(Around):
    def close(self) -> None:
        pass


@breaks("STORE-13", "A closed store says so")
class ClosingAgainIsAnError(Around):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise StoreUnavailable("the store", "is closed", "open it again")
        self.closed = True
        self.store.close()


@breaks("STORE-13", "StoreUnavailable")
class ReadingAClosedStoreFindsNothing(Around):
    def read(self, run_id: str) -> Any:
        try:
            return self.store.read(run_id)
        except StoreUnavailable:
            return ()


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


@breaks("STORE-18", "The thousandth run costs what the first did")
class CreateLooksAtEveryRun(_Lists):
    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        for run_id in self.every(tenant_id=None, session_id=None, before=None):
            self.store.read(run_id)
        return self.store.create(key, *records, **due)


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


@breaks("JOURNAL-5", "An entry stays as it was, whatever comes later")
class OldEntriesAreRedacted(Around):
    """It blanks the tool in a long journal, and makes the chain good again."""

    def read(self, run_id: str) -> Any:
        found = self.store.read(run_id)
        if len(found) < 10:
            return found
        sealed: list[Record] = []
        for each in found:
            body = each.body.replace('"tool_name":"send_refund"', '"tool_name":"redacted"')
            previous = sealed[-1].digest if sealed else genesis(run_id)
            sealed.append(Record(each.sequence, _sha256(previous, body), body))
        return sealed


class _Forgets(Around):
    capabilities = frozenset({Capability.DURABLE})


@breaks("STORE-14", "outlives")
class MemoryDeclaredDurable(_Forgets):
    pass


class _Delays(LastingStore):
    """A store that writes only once it has a few writes to write."""

    most = 3

    def __init__(self, store: RunStore, path: Path) -> None:
        self.delayed: list[Written] = []
        super().__init__(store, path)

    def write(self, written: Written) -> None:
        self.delayed.append(written)
        if len(self.delayed) >= self.most:
            self.flush()

    def flush(self) -> None:
        """Write what was put off."""
        while self.delayed:
            super().write(self.delayed.pop(0))


@breaks("STORE-14", KILLED)
class AcknowledgesBeforeItIsDurable(_Delays):
    most = 10_000  # a process that is killed never comes to it, whenever that is

    def close(self) -> None:
        if not self.log.closed:
            self.flush()
        super().close()


@breaks("STORE-14", "What was written outlives a store that is closed")
class LosesWhatIsBufferedWhenItIsClosed(_Delays):
    most = 4


@breaks("STORE-14", "What was written outlives a store that is closed")
class LosesTheLastEntryOnReopen(LastingStore):
    def __init__(self, store: RunStore, path: Path) -> None:
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join(lines[:-1]))
        super().__init__(store, path)


@breaks("STORE-14", "outlives")
class WhatIsDueIsForgottenOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        super().replay(attrs.evolve(written, due_at=None))


@breaks("STORE-14", KILLED)
class IdempotencyKeysAreForgottenOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        key = written.key and attrs.evolve(written.key, idempotency_key=None)
        super().replay(attrs.evolve(written, key=key))


@breaks("STORE-8", "from a store that is opened anew")
class LineEndingsAreMadeOneKindOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        records = (
            attrs.evolve(each, body=each.body.replace("\r", "\n")) for each in written.records
        )
        super().replay(attrs.evolve(written, records=tuple(records)))


@breaks("STORE-4", KILLED)
class HalfABatchIsThereAfterAKill(LastingStore):
    def write(self, written: Written) -> None:
        for number, each in enumerate(written.records):
            version, key = written.version + number, None if number else written.key
            super().write(attrs.evolve(written, records=(each,), version=version, key=key))
            time.sleep(0.003)


@breaks("STORE-20", SAID)
class ARunIsPutOffForOneProcessOnly(LastingStore):
    def write(self, written: Written) -> None:
        if written.records:
            super().write(written)


class _Alone(LastingStore):
    """A store that takes no other process into account while it works."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._lock:
            if self.log.closed:
                raise StoreUnavailable("the log", "is closed", "open it again")
            self.meet_others()
            yield

    def meet_others(self) -> None:
        """Take in what others wrote, when the store is opened."""
        if not self.end:
            self.catch_up()

    def write(self, written: Written) -> None:
        self.end += self.log.write(lined(written))


@breaks("STORE-15", "What one process stored, every other sees")
class AProcessReadsTheLogOnlyOnce(_Alone):
    pass


@breaks("STORE-15", "Of several processes that append at one version, one succeeds")
class ProcessesDoNotLockEachOtherOut(_Alone):
    def meet_others(self) -> None:
        self.catch_up()

    def replay(self, written: Written) -> None:
        try:
            super().replay(written)
        except VersionConflict:
            return

    def write(self, written: Written) -> None:
        time.sleep(0.002)
        super().write(written)
