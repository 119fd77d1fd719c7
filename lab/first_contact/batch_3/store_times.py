"""Stores that are wrong about when a run is due."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from lab.first_contact.batch_3.tools import AT, begin, due_at, later, records, refusal, wrong_store
from lab.first_contact.runs import Tells, due_of, due_then, journal, row_due, run_of
from scoria_core.errors import VersionConflict
from scoria_core.fairness import fair_order
from scoria_core.ports import IndexRow, Record, StoredRun
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import _number

At = datetime | None


class ChangedTimes:
    """Keeps another due time than it is given, as `kept` says."""

    def kept(self, at: At) -> At:
        """Return what is kept of a due time."""
        raise NotImplementedError

    def create(self, key: Any, records: Any, *, row: IndexRow) -> str:
        """Store a run with the changed time."""
        changed = due_then(row, self.kept(row.due_at))
        answer: str = super().create(key, records, row=changed)  # type: ignore[misc]
        return answer

    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, due_by: At = None
    ) -> None:
        """Append with the changed time."""
        version, changed = expected_version, due_then(row, self.kept(row.due_at))
        given = {"expected_version": version, "row": changed, "due_by": due_by}
        super().append(run_id, records, **given)  # type: ignore[misc]


class ZoneDropped(ChangedTimes, PrunableSQLiteStore):
    """Writes the clock reading of a due time as if every one were in UTC."""

    def kept(self, at: At) -> At:
        """Replace the zone in place of converting to it."""
        return at and at.replace(tzinfo=UTC)


def show_zone(make: Any, directory: Path) -> None:
    """Assert that noon in a zone east of Greenwich is kept as the instant that it is."""
    store, zone = make(directory), timezone(timedelta(hours=5, minutes=45))
    begin(store, due=AT.astimezone(zone))
    assert due_of(store, "run-1") == AT
    assert due_at(store, AT) == ["run-1"]


class FoldLost(ChangedTimes, DuckDBStore):
    """Loses which of two hours a time is in, in the night when clocks are set back."""

    def kept(self, at: At) -> At:
        """Write the time as text and read it again, which has no fold."""
        if at is None:
            return None
        return datetime.fromisoformat(at.replace(tzinfo=None).isoformat()).replace(tzinfo=at.tzinfo)


def show_fold(make: Any, directory: Path) -> None:
    """Assert that the second half past two of that night is kept apart from the first."""
    store = make(directory)
    second = datetime(2030, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    begin(store, due=second)
    kept = due_of(store, "run-1")
    assert kept is not None
    assert kept.astimezone(UTC) == second.astimezone(UTC), kept


class Until2038(ChangedTimes, PrunableSQLiteStore):
    """Keeps seconds in 32 bits with a sign, so that nothing is due after January 2038."""

    def kept(self, at: At) -> At:
        """Take the last time that fits where it does not."""
        return at and min(at, datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC))


def show_2038(make: Any, directory: Path) -> None:
    """Assert that a run due in 2090 is not due in 2040."""
    store = make(directory)
    begin(store, due=datetime(2090, 1, 1, tzinfo=UTC))
    assert due_at(store, datetime(2040, 1, 1, tzinfo=UTC)) == []


class DueByInMilliseconds(MemoryStore):
    """Compares the time by which a run must be due in whole milliseconds."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: At = None,
    ) -> None:
        """Take what is due within the same millisecond for due."""
        version = expected_version
        if due_by is not None:
            due_by = due_by.replace(microsecond=due_by.microsecond // 1000 * 1000 + 999)
        super().append(run_id, records, expected_version=version, row=row, due_by=due_by)


def show_milliseconds(make: Any, directory: Path) -> None:
    """Assert that a run due a tenth of a millisecond later is not due."""
    store = make(directory)
    begin(store, due=AT + timedelta(microseconds=500))
    by = AT + timedelta(microseconds=400)
    late = {"expected_version": 1, "row": row_due(later(60)), "due_by": by}
    refusal(VersionConflict, lambda: store.append("run-1", records(2, 2), **late))
    assert len(journal(store, "run-1")) == 1


class NeverDueIsDue(PrunableSQLiteStore):
    """Lets a run that is never due be taken over by whoever says by when it must be."""

    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, due_by: At = None
    ) -> None:
        """Compare only with a time that is there, as NULL is not greater than anything."""
        version, run = expected_version, run_of(self, run_id)
        by = None if run is not None and run.row.due_at is None else due_by
        super().append(run_id, records, expected_version=version, row=row, due_by=by)


def show_never(make: Any, directory: Path) -> None:
    """Assert that a run that is never due is not due by any time."""
    store = make(directory)
    begin(store, due=None)
    late = {"expected_version": 1, "row": row_due(later(60)), "due_by": AT}
    refusal(VersionConflict, lambda: store.append("run-1", records(2, 2), **late))


class DueOnlyLater(MemoryStore):
    """Moves a due time only to a later one, as renewals might come out of order."""

    def _put(self, run: StoredRun) -> None:
        """Keep the later of the two times."""
        due_at, before = run.row.due_at, self._runs.get(run.key.run_id)
        known = None if before is None else before.row.due_at
        if known is not None and due_at is not None:
            due_at = max(due_at, known)
        super()._put(attrs.evolve(run, row=due_then(run.row, due_at)))


def show_only_later(make: Any, directory: Path) -> None:
    """Assert that a step that is queued under a long lease is due at once."""
    store = make(directory)
    begin(store, due=later(hours=1))
    store.append("run-1", records(2, 2), expected_version=1, row=row_due(AT))
    assert due_at(store, AT) == ["run-1"]


class RenewsAtAnyVersion(PrunableSQLiteStore):
    """Moves the due time alone without a look at the version of the run."""

    def append(
        self, run_id: str, records: Any, *, expected_version: int, row: IndexRow, due_by: At = None
    ) -> None:
        """Update the one column where there is no record to store."""
        if records or due_by is not None or run_of(self, run_id) is None:
            version = expected_version
            super().append(run_id, records, expected_version=version, row=row, due_by=due_by)
            return
        moved = (row.due_at and _number(row.due_at), run_id)
        update = "UPDATE run SET due_at = ? WHERE run_id = ?"
        self._writes.store(lambda connection: connection.execute(update, moved) and run_id)


def show_any_version(make: Any, directory: Path) -> None:
    """Assert that who lost its claim cannot renew it."""
    store = make(directory)
    begin(store, due=AT)
    store.append("run-1", records(2, 2), expected_version=1, row=row_due(None))
    renewal = {"expected_version": 1, "row": row_due(AT)}
    refusal(VersionConflict, lambda: store.append("run-1", (), **renewal))
    assert due_at(store, AT) == []


class NaiveRow(Tells, DuckDBStore):
    """Tells when a run is due without a zone, as a driver hands out a TIMESTAMP."""

    def told(self, run: StoredRun) -> StoredRun:
        """Drop the zone of what is found."""
        at = run.row.due_at
        return attrs.evolve(run, row=due_then(run.row, at and at.replace(tzinfo=None)))


def show_naive(make: Any, directory: Path) -> None:
    """Assert that what is told is an aware time."""
    store = make(directory)
    begin(store, due=AT)
    at = due_of(store, "run-1")
    assert at == AT
    assert at.utcoffset() is not None


class DueByOwnClock(PrunableSQLiteStore):
    """Reads the queue by the clock of the machine where it is behind the time that is asked for."""

    def list_due(self, *, until: datetime, **asked: Any) -> Sequence[str]:
        """Ask for nothing that is still to come."""
        return super().list_due(until=min(until, datetime.now(UTC)), **asked)


def show_own_clock(make: Any, directory: Path) -> None:
    """Assert that what will be due in ten minutes is listed for whoever asks for the next hour."""
    store, now = make(directory), datetime.now(UTC)
    begin(store, due=now + timedelta(minutes=10))
    assert due_at(store, now + timedelta(hours=1)) == ["run-1"]


class TiesAsTheyCame(MemoryStore):
    """Orders runs that are due at one time as they were stored, and not by id."""

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Sort by the due time alone."""
        if fair:
            return super().list_due(tenant_id=tenant_id, until=until, limit=limit, fair=True)
        with self._lock:
            self._check_open()
            queue = [
                (at, run_id)
                for run_id, run in self._runs.items()
                if (at := run.row.due_at) is not None
                and at <= until
                and tenant_id in (None, run.key.tenant_id)
            ]
            return [run_id for _, run_id in sorted(queue, key=itemgetter(0))][:limit]


def show_ties(make: Any, directory: Path) -> None:
    """Assert that of two runs due at once the one with the smaller id comes first."""
    store = make(directory)
    begin(store, "run-2", due=AT)
    begin(store, "run-1", due=AT)
    assert due_at(store) == ["run-1", "run-2"]


class CutBeforeTurns(MemoryStore):
    """Takes the runs longest due up to the limit, and then lets their tenants take turns."""

    def list_due(self, *, fair: bool = False, **asked: Any) -> Sequence[str]:
        """Turn what was cut."""
        found = list(super().list_due(**asked))
        with self._lock:
            return fair_order(found, lambda r: self._runs[r].key.tenant_id) if fair else found


def show_cut(make: Any, directory: Path) -> None:
    """Assert that a tenant with one step has its turn beside one with many."""
    store = make(directory)
    for number in range(3):
        begin(store, f"run-{number}", "busy", due=AT + timedelta(seconds=number))
    begin(store, "run-9", "calm", due=AT + timedelta(seconds=9))
    assert due_at(store, later(60), limit=2, fair=True) == ["run-0", "run-9"]


class TurnsOfAll(PrunableSQLiteStore):
    """Forgets which tenant is asked for where tenants take turns."""

    def list_due(self, *, tenant_id: str | None, fair: bool = False, **asked: Any) -> Any:
        """Ask for all tenants, as turns need more than one."""
        of = None if fair else tenant_id
        return super().list_due(tenant_id=of, fair=fair, **asked)


def show_turns_of_all(make: Any, directory: Path) -> None:
    """Assert that a view of one tenant lists its runs alone, in turns too."""
    store = make(directory)
    begin(store, "run-1", "acme", due=AT)
    begin(store, "run-2", "other", due=AT)
    assert due_at(store, tenant_id="acme", fair=True) == ["run-1"]


class ZeroIsAll(MemoryStore):
    """Takes a limit of 0 for no limit where what is due is listed."""

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """Fall back to a large number for what is false."""
        return super().list_due(limit=limit or 2**62, **asked)


def show_zero(make: Any, directory: Path) -> None:
    """Assert that a limit of 0 gives nothing."""
    store = make(directory)
    begin(store, due=AT)
    assert due_at(store, limit=0) == []


WRONG = [
    wrong_store("due times of another zone are taken for UTC", "STORE-33", ZoneDropped, show_zone),
    wrong_store("the hour that comes twice in autumn is lost", "STORE-33", FoldLost, show_fold),
    wrong_store("nothing is due after 2038", "STORE-33", Until2038, show_2038),
    wrong_store(
        "due_by is compared in milliseconds", "STORE-21", DueByInMilliseconds, show_milliseconds
    ),
    wrong_store("a run never due passes due_by", "STORE-21", NeverDueIsDue, show_never),
    wrong_store("a due time moves only later", "STORE-12", DueOnlyLater, show_only_later),
    wrong_store("a renewal ignores the version", "STORE-20", RenewsAtAnyVersion, show_any_version),
    wrong_store("a row has a time without zone", "STORE-33", NaiveRow, show_naive),
    wrong_store("the queue is read by its own clock", "STORE-11", DueByOwnClock, show_own_clock),
    wrong_store("equal due times come as stored", "STORE-11", TiesAsTheyCame, show_ties),
    wrong_store("the limit cuts before the turns", "STORE-22", CutBeforeTurns, show_cut),
    wrong_store("in turns the tenant is not asked for", "STORE-11", TurnsOfAll, show_turns_of_all),
    wrong_store("a limit of 0 lists all that is due", "STORE-36", ZeroIsAll, show_zero),
]
