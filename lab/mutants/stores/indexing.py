"""Stores that are wrong about where a run stands, and what it is found by then."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from attrs import evolve

from lab.mutants.stores.around import SAID, Around, Knows, Lists, Tells, installed
from lab.mutants.stores.lasting import LastingStore, Written
from lab.mutants.stores.pruning import Prunes
from lab.mutants.wrong import Catalogue
from scoria_core.ports import Fact, IndexRow, Record, RunKey, RunStore, StoredRun, Where
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

breaks = Catalogue("store", installed)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Keeps(Around):
    """A store that keeps another row than it is given."""

    def kept(self, row: IndexRow) -> IndexRow:
        """Return what is kept in place of `row`."""
        return row

    def kept_after(self, before: IndexRow, row: IndexRow) -> IndexRow:  # noqa: ARG002 - some look at it
        """Return what is kept in place of `row`, after a write that left the row `before`."""
        return self.kept(row)

    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> Any:
        return self.store.create(key, records, row=self.kept(row))

    def append(self, run_id: str, records: Any, *, row: IndexRow, **at: Any) -> None:
        run = self.found(run_id)
        kept = row if run is None else self.kept_after(run.row, row)
        self.store.append(run_id, records, row=kept, **at)


class _LeavesAsItWas(_Keeps):
    """A store in which a part of the row stays as the first write said."""

    part = ""

    def kept_after(self, before: IndexRow, row: IndexRow) -> IndexRow:
        return evolve(row, **{self.part: getattr(before, self.part)})


@breaks("STORE-12", SAID)
class AStatusStays(_LeavesAsItWas):
    part = "status"


@breaks("STORE-12", SAID)
class ARunHasItsStatusSinceItWasCreated(_LeavesAsItWas):
    part = "since"


@breaks("STORE-12", SAID)
class LabelsStay(_LeavesAsItWas):
    part = "labels"


@breaks("STORE-12", SAID)
class ARunNeverEnds(_LeavesAsItWas):
    part = "has_ended"


@breaks("STORE-12", SAID)
class LabelsAreOnlyAdded(_Keeps):
    def kept_after(self, before: IndexRow, row: IndexRow) -> IndexRow:
        return evolve(row, labels=tuple(dict.fromkeys((*before.labels, *row.labels))))


@breaks("STORE-12", SAID)
class LabelsAreReplacedOnlyByOthers(_Keeps):
    def kept_after(self, before: IndexRow, row: IndexRow) -> IndexRow:
        return row if row.labels else evolve(row, labels=before.labels)


class _Renews(Around):
    """A store that takes another row where there are no records."""

    def renewed(self, row: IndexRow) -> IndexRow:
        """Return what is taken in place of `row`."""
        raise NotImplementedError

    def append(self, run_id: str, records: Any, *, row: IndexRow, **at: Any) -> None:
        self.store.append(run_id, records, row=row if records else self.renewed(row), **at)


@breaks("STORE-20", SAID)
class ARenewalTakesTheLabelsAway(_Renews):
    def renewed(self, row: IndexRow) -> IndexRow:
        return evolve(row, labels=())


@breaks("STORE-20", SAID)
class ARenewalMovesSince(_Renews):
    def renewed(self, row: IndexRow) -> IndexRow:
        return evolve(row, since=row.due_at or row.since)


class _Labelled(Around):
    """A store that finds what is labelled in a way of its own."""

    def every(self, *, limit: int = 0, **asked: Any) -> list[StoredRun]:  # noqa: ARG002 - it is not asked
        """Return all that has the label, longest since first."""
        return list(self.store.list_labelled(limit=10_000, **asked))


class _Compares(_Labelled):
    """A store that compares labels in a way of its own."""

    def has(self, labels: Sequence[str], label: str) -> bool:
        """Tell whether the label is among these."""
        raise NotImplementedError

    def list_labelled(self, *, label: str | None, limit: int, **asked: Any) -> Any:
        if label is None:
            return self.store.list_labelled(label=None, limit=limit, **asked)
        runs = self.every(label=None, **asked)
        return [run for run in runs if self.has(run.row.labels, label)][:limit]


@breaks("STORE-10", SAID)
class TheCaseOfLabelsIsFolded(_Compares):
    def has(self, labels: Sequence[str], label: str) -> bool:
        return label.casefold() in map(str.casefold, labels)


@breaks("STORE-10", SAID)
class ALabelIsAnyThatBeginsSo(_Compares):
    def has(self, labels: Sequence[str], label: str) -> bool:
        return any(each.startswith(label) for each in labels)


@breaks("STORE-10", SAID)
class SpacesAtTheEndsOfLabelsDoNotCount(_Compares):
    def has(self, labels: Sequence[str], label: str) -> bool:
        return label.strip() in map(str.strip, labels)


@breaks("STORE-39", SAID)
class ARunIsFoundByItsFirstLabelOnly(_Compares):
    def has(self, labels: Sequence[str], label: str) -> bool:
        return label in labels[:1]


@breaks("STORE-39", "label")
class ARunIsFoundByItsFirstHundredLabels(_Compares):
    def has(self, labels: Sequence[str], label: str) -> bool:
        return label in labels[:100]


@breaks("STORE-39", SAID)
class AnyLabelIsNoneAtAll(Around):
    def list_labelled(self, *, label: str | None, **asked: Any) -> Any:
        return [] if label is None else self.store.list_labelled(label=label, **asked)


@breaks("STORE-39", SAID)
class AnyLabelIsEveryRun(Around):
    def list_labelled(
        self, *, label: str | None, limit: int, start: Any = None, **asked: Any
    ) -> Any:
        if label is not None:
            return self.store.list_labelled(label=label, limit=limit, start=start, **asked)
        runs = sorted(self.store.list_runs(limit=10_000, **asked), key=_place)
        return [run for run in runs if start is None or _place(run) >= start][:limit]


def _place(run: StoredRun) -> tuple[datetime, str]:
    return run.row.since, run.key.run_id


@breaks("STORE-39", SAID)
class ARunIsListedOnceForEachOfItsLabels(_Labelled):
    def list_labelled(self, *, limit: int, **asked: Any) -> Any:
        runs = self.store.list_labelled(limit=limit, **asked)
        if asked["label"] is not None:
            return runs
        return [run for run in runs for _ in run.row.labels][:limit]


@breaks("STORE-39", SAID)
class LabelledRunsComeByTheirIds(_Labelled):
    def list_labelled(self, *, limit: int, **asked: Any) -> Any:
        return sorted(self.every(**asked), key=lambda run: run.key.run_id)[:limit]


@breaks("STORE-39", SAID)
class TheLatestLabelledComesFirst(_Labelled):
    def list_labelled(self, *, limit: int, **asked: Any) -> Any:
        return self.every(**asked)[::-1][:limit]


@breaks("STORE-39", SAID)
class RunsLabelledAtOnceComeNewestFirst(_Labelled):
    def list_labelled(self, *, limit: int, **asked: Any) -> Any:
        newest = self.every(**asked)[::-1]
        return sorted(newest, key=lambda run: run.row.since)[:limit]


@breaks("STORE-39", SAID)
class TheLimitOfALabelIsIgnored(_Labelled):
    def list_labelled(self, **asked: Any) -> Any:
        return self.every(**asked)


@breaks("STORE-39", SAID)
class LabelledRunsAreCutBeforeTheyAreFiltered(Around):
    def list_labelled(self, *, tenant_id: str | None, **asked: Any) -> Any:
        cut = self.store.list_labelled(tenant_id=None, **asked)
        return [run for run in cut if tenant_id in (None, run.key.tenant_id)]


@breaks("TENANT-2", SAID)
class LabelsAreOfAllTenants(Around):
    def list_labelled(self, *, tenant_id: str | None, **asked: Any) -> Any:  # noqa: ARG002 - it is lost
        return self.store.list_labelled(tenant_id=None, **asked)


class _Starts(_Labelled):
    """A store in which a page of what is labelled begins in a place of its own."""

    def is_after(self, run: StoredRun, start: tuple[datetime, str]) -> bool:
        """Tell whether the run is on a page that begins there."""
        raise NotImplementedError

    def list_labelled(self, *, limit: int, start: Any = None, **asked: Any) -> Any:
        if start is None:
            return self.store.list_labelled(limit=limit, **asked)
        return [run for run in self.every(**asked) if self.is_after(run, start)][:limit]


@breaks("STORE-40", "begins where it is told to")
class StartIsExclusive(_Starts):
    def is_after(self, run: StoredRun, start: tuple[datetime, str]) -> bool:
        return _place(run) > start


@breaks("STORE-40", "begins where it is told to")
class RunsLabelledAtOnceAreRepeated(_Starts):
    def is_after(self, run: StoredRun, start: tuple[datetime, str]) -> bool:
        return run.row.since >= start[0]


@breaks("STORE-40", "begins where it is told to")
class RunsLabelledAtOnceAreSkipped(_Starts):
    def is_after(self, run: StoredRun, start: tuple[datetime, str]) -> bool:
        return run.row.since > start[0] or run.key.run_id == start[1]


@breaks("STORE-40", "begins where it is told to")
class StartIsAnIdAlone(_Starts):
    def is_after(self, run: StoredRun, start: tuple[datetime, str]) -> bool:
        return run.key.run_id >= start[1]


@breaks("STORE-40", "begins where it is told to")
class StartIsBothATimeAndAnId(_Starts):
    def is_after(self, run: StoredRun, start: tuple[datetime, str]) -> bool:
        return run.row.since >= start[0] and run.key.run_id >= start[1]


@breaks("STORE-40", "begins where it is told to")
class EveryPageOfALabelIsTheFirst(Around):
    def list_labelled(self, *, start: Any = None, **asked: Any) -> Any:  # noqa: ARG002 - it is lost
        return self.store.list_labelled(**asked)


@breaks("STORE-40", "begins where it is told to")
class NothingStartsWhereNoRunIs(_Labelled):
    def list_labelled(self, *, start: Any = None, **asked: Any) -> Any:
        places = map(_place, self.every(**asked))
        if start is not None and start not in places:
            return []
        return self.store.list_labelled(start=start, **asked)


@breaks("STORE-41", SAID)
class WhereIsIgnored(Lists):
    def list_runs(self, *, where: Where | None = None, **asked: Any) -> Any:  # noqa: ARG002 - it is lost
        return self.store.list_runs(**asked)


@breaks("STORE-41", SAID)
class RunsAreListedByTheStatusThatTheyBeganWith(Lists):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.began: dict[str, str] = {}

    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> Any:
        owner = self.store.create(key, records, row=row)
        if owner == key.run_id:
            self.began[owner] = row.status
        return owner

    def list_runs(self, *, where: Where | None = None, **asked: Any) -> Any:
        if where is None or where.fact != Fact.STATUS:
            return self.store.list_runs(where=where, **asked)
        runs = self.every(**asked)
        return [run for run in runs if self.began[run.key.run_id] == where.value][: asked["limit"]]


class _Asks(Around):
    """A store that asks for something else than a fact."""

    fact = Fact.STATUS

    def asked(self, where: Where, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what is asked for in place of it."""
        raise NotImplementedError

    def list_runs(self, *, where: Where | None = None, **asked: Any) -> Any:
        if where is None or where.fact != self.fact:
            return self.store.list_runs(where=where, **asked)
        return self.store.list_runs(**self.asked(where, asked))


@breaks("STORE-41", SAID)
class ARoleIsLookedUpAmongTheActors(_Asks):
    fact = Fact.ROLE

    def asked(self, where: Where, asked: dict[str, Any]) -> dict[str, Any]:
        return {**asked, "where": Where(Fact.ACTOR, where.value)}


@breaks("TENANT-2", SAID)
class AStatusIsListedWithoutItsTenant(_Asks):
    def asked(self, where: Where, asked: dict[str, Any]) -> dict[str, Any]:
        return {**asked, "where": where, "tenant_id": None}


@breaks("TENANT-2", SAID)
class AnActorIsListedWithoutItsTenant(AStatusIsListedWithoutItsTenant):
    fact = Fact.ACTOR


@breaks("TENANT-2", SAID)
class ARoleIsListedWithoutItsTenant(AStatusIsListedWithoutItsTenant):
    fact = Fact.ROLE


@breaks("STORE-9", SAID)
class BeforeIsLostWhereAStatusIsAskedFor(_Asks):
    def asked(self, where: Where, asked: dict[str, Any]) -> dict[str, Any]:
        return {**asked, "where": where, "before": None}


@breaks("STORE-10", SAID)
class TheCaseOfStatusesIsFolded(Lists):
    def list_runs(self, *, where: Where | None = None, **asked: Any) -> Any:
        if where is None or where.fact != Fact.STATUS:
            return self.store.list_runs(where=where, **asked)
        same = where.value.casefold()
        runs = self.every(**asked)
        return [run for run in runs if run.row.status.casefold() == same][: asked["limit"]]


class _Listings(Around):
    """A store that is wrong about the records of what it lists."""

    def told(self, runs: Sequence[StoredRun], with_records: bool) -> Sequence[StoredRun]:
        """Return what is told in place of these runs, which have their records."""
        raise NotImplementedError

    def list_runs(self, *, with_records: bool = True, **asked: Any) -> Any:
        return self.told(self.store.list_runs(**asked), with_records)

    def list_labelled(self, *, with_records: bool = True, **asked: Any) -> Any:
        return self.told(self.store.list_labelled(**asked), with_records)


@breaks("STORE-45", SAID)
class NothingIsListedWithoutRecords(_Listings):
    def told(self, runs: Sequence[StoredRun], with_records: bool) -> Sequence[StoredRun]:
        return runs if with_records else []


@breaks("STORE-45", SAID)
class RunsAreAlwaysListedWithTheirRecords(_Listings):
    def told(self, runs: Sequence[StoredRun], with_records: bool) -> Sequence[StoredRun]:  # noqa: ARG002 - it is lost
        return runs


@breaks("STORE-45", SAID)
class RunsAreNeverListedWithTheirRecords(_Listings):
    def told(self, runs: Sequence[StoredRun], with_records: bool) -> Sequence[StoredRun]:  # noqa: ARG002 - it is lost
        return [evolve(run, records=()) for run in runs]


@breaks("STORE-45", SAID)
class OnlyTheFirstOfAPageHasItsRecords(_Listings):
    def told(self, runs: Sequence[StoredRun], with_records: bool) -> Sequence[StoredRun]:
        first = 1 if with_records else 0
        return [*runs[:first], *(evolve(run, records=()) for run in runs[first:])]


@breaks("STORE-45", SAID)
class WithoutRecordsTheVersionIsTheirNumber(_Listings):
    def told(self, runs: Sequence[StoredRun], with_records: bool) -> Sequence[StoredRun]:
        return runs if with_records else [evolve(run, version=0, records=()) for run in runs]


@breaks("STORE-7", SAID)
class SeveralAreReadNewestFirst(Around):
    def read(self, run_ids: Sequence[str]) -> Any:
        return self.store.read(sorted(run_ids, reverse=True))


@breaks("STORE-7", SAID)
class WhatIsAskedForTwiceIsReadOnce(Around):
    def read(self, run_ids: Sequence[str]) -> Any:
        return self.store.read(list(dict.fromkeys(run_ids)))


@breaks("STORE-7", SAID)
class OnlyTheFirstOfSeveralIsRead(Around):
    def read(self, run_ids: Sequence[str]) -> Any:
        return self.store.read(run_ids[:1])


@breaks("STORE-7", SAID)
class RecordsOfSeveralRunsRunTogether(Around):
    def read(self, run_ids: Sequence[str]) -> Any:
        told: list[StoredRun] = []
        for run in self.store.read(run_ids):
            before = told[-1].records if told else ()
            told.append(evolve(run, records=(*before, *run.records)))
        return told


class _TellsTheWriteBefore(Tells):
    """A store that remembers how each run was before its last write."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.was: dict[str, StoredRun] = {}

    def append(self, run_id: str, *records: Any, **at: Any) -> None:
        was = self.found(run_id)
        self.store.append(run_id, *records, **at)
        if was is not None:
            self.was[run_id] = was


@breaks("STORE-31", SAID)
class TheVersionIsThatOfTheWriteBefore(_TellsTheWriteBefore):
    def told(self, run: StoredRun) -> StoredRun:
        return evolve(run, version=self.was.get(run.key.run_id, run).version)


@breaks("STORE-31", SAID)
class TheRowIsThatOfTheWriteBefore(_TellsTheWriteBefore):
    def told(self, run: StoredRun) -> StoredRun:
        return evolve(run, row=self.was.get(run.key.run_id, run).row)


@breaks("STORE-31", SAID)
class TheActorAndTheRoleAreToldForEachOther(Tells):
    def told(self, run: StoredRun) -> StoredRun:
        actor_id, role_id = run.key.root_role_id, run.key.actor_id
        return evolve(run, key=evolve(run.key, actor_id=actor_id, root_role_id=role_id))


@breaks("STORE-31", SAID)
class ARunWasCreatedWhenItCameToItsStatus(Tells):
    def told(self, run: StoredRun) -> StoredRun:
        return evolve(run, key=evolve(run.key, created_at=run.row.since))


@breaks("STORE-43", SAID)
class RunsOfAllTenantsAreCounted(Around):
    def count_runs(self, *, tenant_id: str | None, **asked: Any) -> Any:  # noqa: ARG002 - it is lost
        return self.store.count_runs(tenant_id=None, **asked)


@breaks("STORE-43", SAID)
class TheLimitOfACountIsIgnored(Around):
    def count_runs(self, *, limit: int, **asked: Any) -> Any:  # noqa: ARG002 - it is lost
        return self.store.count_runs(limit=10_000, **asked)


@breaks("STORE-43", SAID)
class AStatusThatNoRunHasIsNotCounted(Around):
    def count_runs(self, **asked: Any) -> Any:
        counts = self.store.count_runs(**asked)
        return {status: count for status, count in counts.items() if count}


@breaks("STORE-43", SAID)
class TheLimitOfACountIsForAllStatuses(Around):
    def count_runs(self, *, statuses: Sequence[str], limit: int, **asked: Any) -> Any:
        counts: dict[str, int] = {}
        for status in statuses:
            left = limit - sum(counts.values())
            counts |= self.store.count_runs(statuses=[status], limit=left, **asked)
        return counts


@breaks("STORE-12", SAID)
class RunsAreCountedByEveryStatusThatTheyHad(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.left: Counter[str] = Counter()

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        run = self.found(run_id)
        self.store.append(run_id, records, **at)
        if run is not None and run.row.status != at["row"].status:
            self.left[run.row.status] += 1

    def count_runs(self, *, limit: int, **asked: Any) -> Any:
        counts = self.store.count_runs(limit=limit, **asked)
        return {each: min(limit, count + self.left[each]) for each, count in counts.items()}


@breaks("STORE-44", SAID)
class WhatIsPrunedKeepsItsLabels(Prunes):
    def list_labelled(self, *, label: str | None, limit: int, **asked: Any) -> Any:
        runs = self.store.list_labelled(label=label, limit=limit, **asked)
        tenant_id = asked["tenant_id"]
        gone = [run for run in self.gone.values() if tenant_id in (None, run.key.tenant_id)]
        if asked.get("start") is None:
            has = [r for r in gone if (r.row.labels if label is None else label in r.row.labels)]
            runs = sorted([*runs, *(evolve(run, records=()) for run in has)], key=_place)
        return runs[:limit]


@breaks("STORE-44", SAID)
class WhatIsPrunedIsListedByItsStatus(Prunes):
    def list_runs(self, *, where: Where | None = None, limit: int, **asked: Any) -> Any:
        runs = self.store.list_runs(where=where, limit=limit, **asked)
        if where is None or where.fact != Fact.STATUS or asked.get("before") is not None:
            return runs
        gone = [run for run in self.gone.values() if run.row.status == where.value]
        own = [run for run in gone if asked["tenant_id"] in (None, run.key.tenant_id)]
        return sorted([*runs, *own], key=lambda run: run.key.run_id, reverse=True)[:limit]


@breaks("STORE-44", SAID)
class WhatIsPrunedIsCounted(Prunes):
    def count_runs(self, *, tenant_id: str | None, limit: int, **asked: Any) -> Any:
        counts = self.store.count_runs(tenant_id=tenant_id, limit=limit, **asked)
        own = [run for run in self.gone.values() if tenant_id in (None, run.key.tenant_id)]
        gone = Counter(run.row.status for run in own)
        return {status: min(limit, count + gone[status]) for status, count in counts.items()}


@breaks("STORE-33", SAID)
class SinceIsCutToMilliseconds(_Keeps):
    def kept(self, row: IndexRow) -> IndexRow:
        at = row.since.microsecond // 1_000 * 1_000
        return evolve(row, since=row.since.replace(microsecond=at))


@breaks("STORE-33", SAID)
class SinceLosesItsZone(_Keeps):
    def kept(self, row: IndexRow) -> IndexRow:
        return evolve(row, since=row.since.replace(tzinfo=UTC))


@breaks("STORE-33", SAID)
class NoTimeIsBeforeTheEpoch(_Keeps):
    def kept(self, row: IndexRow) -> IndexRow:
        return evolve(row, since=max(row.since, EPOCH))


@breaks("STORE-33", SAID)
class SinceIsToldInAnotherZone(Tells):
    def told(self, run: StoredRun) -> StoredRun:
        since = run.row.since.astimezone(timezone(timedelta(hours=2)))
        return evolve(run, row=evolve(run.row, since=since))


@breaks("STORE-33", SAID)
class WhenARunWasCreatedIsCutToSeconds(Knows):
    def kept(self, key: RunKey) -> RunKey:
        return evolve(key, created_at=key.created_at.replace(microsecond=0))


@breaks("STORE-14", SAID)
class SinceIsForgottenOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        super().replay(written.with_row(since=EPOCH))


@breaks("STORE-14", SAID)
class LabelsAreForgottenOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        super().replay(written.with_row(labels=()))


@breaks("STORE-14", SAID)
class TheRowIsThatOfTheFirstWriteOnReopen(LastingStore):
    def __init__(self, store: RunStore, path: Any) -> None:
        self.began: dict[str, IndexRow] = {}
        super().__init__(store, path)

    def replay(self, written: Written) -> None:
        row = written.row
        if row is not None:
            began = self.began.setdefault(written.run_id, row)
            written = evolve(written, row=evolve(began, due_at=row.due_at))
        super().replay(written)


@breaks("STORE-42", "What is told of a run is of one moment")
class RowsAndRecordsAreReadOneAfterTheOther(MemoryStore):
    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        rows = {run.key.run_id: run for run in super().read(run_ids)}
        runs = [run for run in super().read(run_ids) if run.key.run_id in rows]
        return [evolve(rows[run.key.run_id], records=run.records) for run in runs]


@breaks("STORE-42", "What is told of a run is of one moment")
class TheRowIsMovedAfterTheRecords(PrunableSQLiteStore):
    def append(self, run_id: str, records: Sequence[Record], *, row: IndexRow, **at: Any) -> None:
        runs = self.read([run_id])
        super().append(run_id, records, row=runs[0].row if runs and records else row, **at)
        if records:
            version = at["expected_version"] + len(records)
            super().append(run_id, (), expected_version=version, row=row)
