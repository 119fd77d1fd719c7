"""Stores that are wrong about when a run is due, and in which order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from operator import itemgetter
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_1.helpers import (
    NOW,
    Make,
    answered,
    created,
    due,
    key,
    records,
    refused,
    run_id,
    wrong_store,
)
from lab.first_contact.runs import Tells, due_of, due_then, journal, row_due, run_of
from lab.first_contact.wrong import Wrong
from scoria_core.errors import VersionConflict
from scoria_core.fairness import fair_order
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import _number, _run_ids

At = datetime | None
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


class MillisecondDue(PrunableSQLiteStore):
    """Keeps a due time to the millisecond, and takes two within one for equal."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run with a coarser due time."""
        return super().create(key, records, row=_coarse(row))

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append with a coarser due time."""
        super().append(run_id, records, **{**moved, "row": _coarse(moved["row"])})


def _coarse(row: IndexRow) -> IndexRow:
    at = row.due_at
    return due_then(row, at and at.replace(microsecond=at.microsecond // 1000 * 1000))


def show_millisecond_due(make: Make, directory: Path) -> None:
    """Of two runs due within a millisecond the one due first comes first."""
    store = make(directory)
    created(store, key(1), due_at=NOW - 300 * TICK)
    created(store, key(2), due_at=NOW - 800 * TICK)
    assert due(store) == [run_id(2), run_id(1)]


class WallClockDue(MemoryStore):
    """Takes what the clock on the wall of a time zone says for UTC."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run with what the clock says."""
        return super().create(key, records, row=_in_no_zone(row))

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append with what the clock says."""
        super().append(run_id, records, **{**moved, "row": _in_no_zone(moved["row"])})


def _in_no_zone(row: IndexRow) -> IndexRow:
    return due_then(row, row.due_at and row.due_at.replace(tzinfo=UTC))


def show_wall_clock_due(make: Make, directory: Path) -> None:
    """A time is the same moment, in whatever zone it is written."""
    store = make(directory)
    created(store, key(1), due_at=(NOW - SECOND).astimezone(timezone(timedelta(hours=2))))
    assert due(store) == [run_id(1)]


class DueBeforeOnly(DuckDBStore):
    """Leaves out what is due at the very moment that is asked for."""

    def list_due(self, *, until: datetime, **asked: Any) -> Sequence[str]:
        """List what is due before the moment."""
        return super().list_due(until=until - TICK, **asked)


def show_due_before_only(make: Make, directory: Path) -> None:
    """What is due at that moment is due."""
    store = make(directory)
    created(store, key(1), due_at=NOW)
    assert due(store, until=NOW) == [run_id(1)]


class TiesAsTheyCame(MemoryStore):
    """Lists runs due at one time in the order in which they were stored."""

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """List by due time alone."""
        with self._lock:
            self._check_open()
            queue = [
                (due_at, run_id)
                for run_id, run in self._runs.items()
                if (due_at := run.row.due_at) is not None
                and due_at <= until
                and tenant_id in (None, run.key.tenant_id)
            ]
            found = [run_id for _, run_id in sorted(queue, key=itemgetter(0))]
            if fair:
                found = fair_order(found, lambda run_id: self._runs[run_id].key.tenant_id)
            return found[:limit]


def show_ties_as_they_came(make: Make, directory: Path) -> None:
    """Of runs due at one time the smaller id comes first."""
    store = make(directory)
    created(store, key(2), key(1), key(3), due_at=NOW)
    assert due(store) == [run_id(1), run_id(2), run_id(3)]


class TurnsById(PrunableSQLiteStore):
    """Numbers the turns of a tenant by the ids of its runs, not by when they are due."""

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """List in turns that are numbered by id."""
        if not fair:
            return super().list_due(tenant_id=tenant_id, until=until, limit=limit)
        asked = {"tenant_id = ?": tenant_id, "due_at <= ?": _number(until)}
        turn = "row_number() OVER (PARTITION BY tenant_id ORDER BY run_id)"
        run_ids = _run_ids("run", asked, f"{turn}, due_at, run_id", limit)
        return [run_id for (run_id,) in self._rows(*run_ids)]


def show_turns_by_id(make: Make, directory: Path) -> None:
    """The turn of a tenant is its run that is longest due, though it was made later."""
    store = make(directory)
    created(store, key(1, "a"), due_at=NOW - SECOND)
    created(store, key(2, "a"), due_at=NOW - 3 * SECOND)
    created(store, key(3, "b"), due_at=NOW - 2 * SECOND)
    assert due(store, fair=True) == [run_id(2), run_id(3), run_id(1)]


class TurnsOfThePage(MemoryStore):
    """Cuts the queue to the limit first, and then lets the tenants take turns in what is left."""

    def list_due(self, *, fair: bool = False, **asked: Any) -> Sequence[str]:
        """List in turns within the page."""
        found = list(super().list_due(**asked))
        return fair_order(found, lambda r: self._runs[r].key.tenant_id) if fair else found


def show_turns_of_the_page(make: Make, directory: Path) -> None:
    """A tenant with one run is served though another has more than a page that wait longer."""
    store = make(directory)
    created(store, *(key(number, "many") for number in range(1, 6)), due_at=NOW - SECOND)
    created(store, key(9, "one"), due_at=NOW)
    assert due(store, fair=True, limit=3) == [run_id(1), run_id(9), run_id(2)]


class TurnsOfAll(MemoryStore):
    """Forgets which tenant was asked for where the tenants take turns."""

    def list_due(self, *, tenant_id: str | None, fair: bool = False, **asked: Any) -> Any:
        """List in turns, whoever asks."""
        whose = None if fair else tenant_id
        return super().list_due(tenant_id=whose, fair=fair, **asked)


def show_turns_of_all(make: Make, directory: Path) -> None:
    """In turns, too, a tenant sees its own queue alone."""
    store = make(directory)
    created(store, key(1, "a"), key(2, "b"), due_at=NOW)
    assert due(store, tenant_id="b", fair=True) == [run_id(2)]


class BlindRenewal(PrunableSQLiteStore):
    """Renews without a look at the version: nothing is written, so nothing can conflict."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: At = None,
    ) -> None:
        """Move when the run is due, at whatever version it is."""
        if records or due_by is not None or (run := run_of(self, run_id)) is None:
            super().append(
                run_id, records, expected_version=expected_version, row=row, due_by=due_by
            )
        else:
            super().append(run_id, (), expected_version=run.version, row=row)


def show_blind_renewal(make: Make, directory: Path) -> None:
    """A renewal at a version that has passed is refused, and moves nothing."""
    store = make(directory)
    created(store, key(1), due_at=NOW)
    store.append(run_id(1), records(2), expected_version=1, row=row_due(None))
    with refused(VersionConflict):
        store.append(run_id(1), (), expected_version=1, row=row_due(NOW))
    assert due(store) == []


class NoneRenewsNothing(MemoryStore):
    """Takes None in a renewal for `leave it as it is`."""

    def append(
        self, run_id: str, records: Sequence[Record], *, row: IndexRow, **moved: Any
    ) -> None:
        """Move when the run is due, where that is given."""
        with self._lock:
            run = self._runs.get(run_id)
        if run is not None and not records and row.due_at is None:
            row = due_then(row, run.row.due_at)
        super().append(run_id, records, row=row, **moved)


def show_none_renews_nothing(make: Make, directory: Path) -> None:
    """A renewal to never takes the run out of the queue."""
    store = make(directory)
    created(store, key(1), due_at=NOW)
    store.append(run_id(1), (), expected_version=1, row=row_due(None))
    assert due(store) == []


class NeverIsLongAgo(PrunableSQLiteStore):
    """Lets a take-over pass where the run is never due, as SQL says nothing of NULL."""

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append by then, or where the run is due at no time."""
        run = run_of(self, run_id)
        if run is not None and run.row.due_at is None:
            moved["due_by"] = None
        super().append(run_id, records, **moved)


def show_never_is_long_ago(make: Make, directory: Path) -> None:
    """A run that is never due cannot be taken over."""
    store = make(directory)
    created(store, key(1), due_at=None)
    with refused(VersionConflict):
        store.append(run_id(1), records(2), expected_version=1, row=row_due(NOW), due_by=NOW)
    assert len(journal(store, run_id(1))) == 1


class ToldToTheSecond(Tells, PrunableSQLiteStore):
    """Tells of a run when it is due to the second only."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return the run with a due time without its fraction."""
        at = run.row.due_at
        return attrs.evolve(run, row=due_then(run.row, at and at.replace(microsecond=0)))


def show_told_to_the_second(make: Make, directory: Path) -> None:
    """The row has the due time of the latest write, microseconds and all."""
    store, at = make(directory), NOW + timedelta(microseconds=250_000)
    created(store, key(1), due_at=at)
    assert due_of(store, run_id(1)) == at


class OnlyLater(MemoryStore):
    """Lets a due time move later only, since a lease is only ever extended."""

    def _put(self, run: StoredRun) -> None:
        due_at, before = run.row.due_at, self._runs.get(run.key.run_id)
        if due_at is not None and before is not None and before.row.due_at is not None:
            due_at = max(due_at, before.row.due_at)
        super()._put(attrs.evolve(run, row=due_then(run.row, due_at)))


def show_only_later(make: Make, directory: Path) -> None:
    """A step that is released is due at once, though its lease went on."""
    store = make(directory)
    created(store, key(1), due_at=NOW + 60 * SECOND)
    store.append(run_id(1), records(2), expected_version=1, row=row_due(NOW))
    assert due(store) == [run_id(1)]


class NextMoment(MemoryStore):
    """Asks for what is due before the next moment, which the end of time does not have."""

    def list_due(self, *, until: datetime, **asked: Any) -> Sequence[str]:
        """List what is due before the moment after that one."""
        following = until + TICK
        return super().list_due(until=following - TICK, **asked)


def show_next_moment(make: Make, directory: Path) -> None:
    """All that is ever due can be asked for."""
    store = make(directory)
    created(store, key(1), due_at=NOW)
    with answered():
        found = due(store, until=datetime.max.replace(tzinfo=UTC))
    assert found == [run_id(1)]


class TakesOverWithoutRecords(MemoryStore):
    """Looks at `due_by` only where records are appended."""

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append by then; move a due time at any time."""
        if not records:
            moved["due_by"] = None
        super().append(run_id, records, **moved)


def show_takes_over_without_records(make: Make, directory: Path) -> None:
    """A due time is not moved either where the run is not due by then."""
    store = make(directory)
    created(store, key(1), due_at=NOW + SECOND)
    with refused(VersionConflict):
        store.append(run_id(1), (), expected_version=1, row=row_due(NOW), due_by=NOW)
    assert due(store) == []


WRONG: list[Wrong] = [
    wrong_store(*each)
    for each in (
        ("due times kept to the millisecond", "STORE-11", MillisecondDue, show_millisecond_due),
        ("due times of other zones taken for UTC", "STORE-11", WallClockDue, show_wall_clock_due),
        ("due now is not due yet", "STORE-11", DueBeforeOnly, show_due_before_only),
        (
            "equal due times in the order of storing",
            "STORE-11",
            TiesAsTheyCame,
            show_ties_as_they_came,
        ),
        ("turns numbered by run id", "STORE-22", TurnsById, show_turns_by_id),
        ("turns taken within the page only", "STORE-22", TurnsOfThePage, show_turns_of_the_page),
        ("turns of all tenants for one of them", "TENANT-2", TurnsOfAll, show_turns_of_all),
        ("a renewal at any version", "STORE-20", BlindRenewal, show_blind_renewal),
        ("a renewal to never is left out", "STORE-12", NoneRenewsNothing, show_none_renews_nothing),
        (
            "a run that is never due can be taken over",
            "STORE-21",
            NeverIsLongAgo,
            show_never_is_long_ago,
        ),
        (
            "a run is told as due to the second",
            "STORE-31",
            ToldToTheSecond,
            show_told_to_the_second,
        ),
        ("a due time never moves back", "STORE-12", OnlyLater, show_only_later),
        ("the end of time cannot be asked for", "STORE-11", NextMoment, show_next_moment),
        (
            "due_by not looked at without records",
            "STORE-21",
            TakesOverWithoutRecords,
            show_takes_over_without_records,
        ),
    )
]
