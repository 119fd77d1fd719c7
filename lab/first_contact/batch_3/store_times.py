"""Stores that are wrong about when a run is due."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from lab.first_contact.batch_3.tools import AT, begin, due_at, later, records, refusal, wrong_store
from scoria_core.errors import VersionConflict
from scoria_core.fairness import fair_order
from scoria_core.ports import Record, RunHead
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

At = datetime | None


class ChangedTimes:
    """Keeps another due time than it is given, as `kept` says."""

    def kept(self, at: At) -> At:
        """Return what is kept of a due time."""
        raise NotImplementedError

    def create(self, key: Any, records: Any, *, due_at: At) -> str:
        """Store a run with the changed time."""
        answer: str = super().create(key, records, due_at=self.kept(due_at))  # type: ignore[misc]
        return answer

    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: At, due_by: At = None
    ) -> None:
        """Append with the changed time."""
        version, due = expected_version, self.kept(due_at)
        given = {"expected_version": version, "due_at": due, "due_by": due_by}
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
    assert store.head("run-1").due_at == AT
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
    kept = store.head("run-1").due_at
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
        due_at: At,
        due_by: At = None,
    ) -> None:
        """Take what is due within the same millisecond for due."""
        version = expected_version
        if due_by is not None:
            due_by = due_by.replace(microsecond=due_by.microsecond // 1000 * 1000 + 999)
        super().append(run_id, records, expected_version=version, due_at=due_at, due_by=due_by)


def show_milliseconds(make: Any, directory: Path) -> None:
    """Assert that a run due a tenth of a millisecond later is not due."""
    store = make(directory)
    begin(store, due=AT + timedelta(microseconds=500))
    by = AT + timedelta(microseconds=400)
    late = {"expected_version": 1, "due_at": later(60), "due_by": by}
    refusal(VersionConflict, lambda: store.append("run-1", records(2, 2), **late))
    assert len(store.read("run-1")) == 1


class NeverDueIsDue(PrunableSQLiteStore):
    """Lets a run that is never due be taken over by whoever says by when it must be."""

    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: At, due_by: At = None
    ) -> None:
        """Compare only with a time that is there, as NULL is not greater than anything."""
        version, head = expected_version, self.head(run_id)
        by = None if head is not None and head.due_at is None else due_by
        super().append(run_id, records, expected_version=version, due_at=due_at, due_by=by)


def show_never(make: Any, directory: Path) -> None:
    """Assert that a run that is never due is not due by any time."""
    store = make(directory)
    begin(store, due=None)
    late = {"expected_version": 1, "due_at": later(60), "due_by": AT}
    refusal(VersionConflict, lambda: store.append("run-1", records(2, 2), **late))


class DueOnlyLater(MemoryStore):
    """Moves a due time only to a later one, as renewals might come out of order."""

    def _set_due(self, run_id: str, due_at: At) -> None:
        """Keep the later of the two times."""
        known = self._due.get(run_id)
        if known is None or due_at is None or due_at > known:
            super()._set_due(run_id, due_at)


def show_only_later(make: Any, directory: Path) -> None:
    """Assert that a step that is queued under a long lease is due at once."""
    store = make(directory)
    begin(store, due=later(hours=1))
    store.append("run-1", records(2, 2), expected_version=1, due_at=AT)
    assert due_at(store, AT) == ["run-1"]


class RenewsAtAnyVersion(PrunableSQLiteStore):
    """Moves the due time alone without a look at the version of the run."""

    def append(
        self, run_id: str, records: Any, *, expected_version: int, due_at: At, due_by: At = None
    ) -> None:
        """Update the one column where there is no record to store."""
        if records or due_by is not None or self.head(run_id) is None:
            version = expected_version
            super().append(run_id, records, expected_version=version, due_at=due_at, due_by=due_by)
            return
        row = (due_at and due_at.timestamp(), run_id)
        update = "UPDATE run SET due_at = ? WHERE run_id = ?"
        self._writes.store(lambda connection: connection.execute(update, row) and run_id)


def show_any_version(make: Any, directory: Path) -> None:
    """Assert that who lost its claim cannot renew it."""
    store = make(directory)
    begin(store, due=AT)
    store.append("run-1", records(2, 2), expected_version=1, due_at=None)
    renewal = {"expected_version": 1, "due_at": AT}
    refusal(VersionConflict, lambda: store.append("run-1", (), **renewal))
    assert due_at(store, AT) == []


class NaiveHead(DuckDBStore):
    """Tells when a run is due without a zone, as a driver hands out a TIMESTAMP."""

    def head(self, run_id: str) -> RunHead | None:
        """Drop the zone of what is found."""
        head = super().head(run_id)
        at = head and head.due_at
        return attrs.evolve(head, due_at=at.replace(tzinfo=None)) if head and at else head


def show_naive(make: Any, directory: Path) -> None:
    """Assert that what is told is an aware time."""
    store = make(directory)
    begin(store, due=AT)
    assert store.head("run-1").due_at == AT
    assert store.head("run-1").due_at.utcoffset() is not None


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
            mine = [each for each in self._due if self._due[each] <= until]
            mine = [each for each in mine if tenant_id in (None, self._keys[each].tenant_id)]
            return sorted(mine, key=self._due.__getitem__)[:limit]


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
            return fair_order(found, lambda r: self._keys[r].tenant_id) if fair else found


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
    wrong_store("head tells a time without zone", "STORE-33", NaiveHead, show_naive),
    wrong_store("the queue is read by its own clock", "STORE-11", DueByOwnClock, show_own_clock),
    wrong_store("equal due times come as stored", "STORE-11", TiesAsTheyCame, show_ties),
    wrong_store("the limit cuts before the turns", "STORE-22", CutBeforeTurns, show_cut),
    wrong_store("in turns the tenant is not asked for", "STORE-11", TurnsOfAll, show_turns_of_all),
    wrong_store("a limit of 0 lists all that is due", "STORE-36", ZeroIsAll, show_zero),
]
