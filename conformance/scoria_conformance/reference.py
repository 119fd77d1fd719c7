"""The port `RunStore` as `spec/store.md` has it, for one caller: the right answer to each call.

It keeps all runs in one dictionary and looks at every one of them in each call. It need not be
fast, durable or safe to share.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs

from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun, Where


@attrs.define
class Kept:
    """A run as it is stored."""

    key: RunKey
    row: IndexRow
    records: tuple[Record, ...]
    due_at_of_last_record: datetime | None

    @property
    def version(self) -> int:
        """The sequence of the last record."""
        return len(self.records)

    def is_due(self, by: datetime) -> bool:
        """Tell whether the run has work to do by then."""
        return self.row.due_at is not None and self.row.due_at <= by

    def is_of(self, tenant_id: str | None) -> bool:
        """Tell whether the run is of this tenant; None does not filter."""
        return tenant_id in (None, self.key.tenant_id)

    def is_where(self, where: Where | None) -> bool:
        """Tell whether a fact of the run has this value; None does not filter."""
        if where is None:
            return True
        owner = self.row if where.fact == Fact.STATUS else self.key
        return bool(getattr(owner, where.fact) == where.value)

    def has_label(self, label: str | None) -> bool:
        """Tell whether the run has this label; None asks for any label."""
        return bool(self.row.labels) if label is None else label in self.row.labels

    def told(self, *, with_records: bool = True) -> StoredRun:
        """Return the run as a store must return it."""
        return StoredRun(self.key, self.row, self.version, self.records if with_records else ())


@attrs.define
class Reference:
    """The right answers of a store that holds `runs`.

    Several references may share the same runs, like handles, and each is closed by itself.
    """

    runs: dict[str, Kept] = attrs.field(factory=dict)
    is_closed: bool = False

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        self._check_open()
        for run_id, run in self.runs.items():
            if key.idempotency_key is not None and _named(run.key) == _named(key):
                return run_id
        if key.run_id in self.runs:
            raise VersionConflict(key.run_id, 0, self.version(key.run_id))
        kept, stands = attrs.evolve(key, created_at=instant(key.created_at)), in_utc(row)
        self.runs[key.run_id] = Kept(kept, stands, tuple(records), stands.due_at)
        return key.run_id

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append the records at the expected version, if the run is due by `due_by`."""
        self._check_open()
        run = self.runs.get(run_id)
        if (
            run is None
            or run.version != expected_version
            or (due_by is not None and not run.is_due(due_by))
        ):
            raise VersionConflict(run_id, expected_version, self.version(run_id))
        run.records, run.row = (*run.records, *records), in_utc(row)
        if records:
            run.due_at_of_last_record = run.row.due_at

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return those of the runs that exist, in the order of `run_ids`."""
        self._check_open()
        return [self.runs[run_id].told() for run_id in run_ids if run_id in self.runs]

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return the runs in descending order of their ids."""
        self._check_open()
        found = [
            run_id
            for run_id, run in self.runs.items()
            if run.is_of(tenant_id) and run.is_where(where) and (before is None or run_id < before)
        ]
        return self._told(sorted(found, reverse=True)[:limit], with_records)

    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: tuple[datetime, str] | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return the runs that have the label, the one with the earliest `since` first."""
        self._check_open()
        first = start and (instant(start[0]), start[1])
        found = sorted(
            (run.row.since, run_id)
            for run_id, run in self.runs.items()
            if run.is_of(tenant_id) and run.has_label(label)
        )
        places = [each for each in found if first is None or each >= first]
        return self._told([run_id for _, run_id in places[:limit]], with_records)

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of due runs: the longest due first, or the tenants in turn."""
        self._check_open()
        due = sorted(
            (run.row.due_at, run_id)
            for run_id, run in self.runs.items()
            if run.row.due_at is not None and run.is_due(until) and run.is_of(tenant_id)
        )
        run_ids = [run_id for _, run_id in due]
        return (self._fair_order(run_ids) if fair else run_ids)[:limit]

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Return how many runs have each of the statuses, counted up to `limit`."""
        self._check_open()
        own = [run.row.status for run in self.runs.values() if run.is_of(tenant_id)]
        return {status: min(own.count(status), limit) for status in statuses}

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove each run that is at its version."""
        self._check_open()
        found = [each for each, at in versions.items() if self.version(each) == at > 0]
        for run_id in found:
            del self.runs[run_id]
        return found

    def close(self) -> None:
        """Close it: every other call is refused from now on."""
        self.is_closed = True

    def version(self, run_id: str) -> int:
        """Return the version of a run, or 0 if it is unknown."""
        return self.runs[run_id].version if run_id in self.runs else 0

    def _told(self, run_ids: Sequence[str], with_records: bool) -> Sequence[StoredRun]:
        return [self.runs[run_id].told(with_records=with_records) for run_id in run_ids]

    def _fair_order(self, run_ids: list[str]) -> list[str]:
        seen: list[str] = []
        turns: list[tuple[int, int, str]] = []
        for place, run_id in enumerate(run_ids):
            tenant_id = self.runs[run_id].key.tenant_id
            turns.append((seen.count(tenant_id), place, run_id))
            seen.append(tenant_id)
        return [run_id for _, _, run_id in sorted(turns)]

    def _check_open(self) -> None:
        if self.is_closed:
            raise StoreUnavailable("the reference", "is closed", "open it again")


def _named(key: RunKey) -> tuple[str, str | None]:
    return key.tenant_id, key.idempotency_key


def in_utc(row: IndexRow) -> IndexRow:
    """Return the row with its times in UTC."""
    due_at = None if row.due_at is None else instant(row.due_at)
    return attrs.evolve(row, since=instant(row.since), due_at=due_at)


def instant(at: datetime) -> datetime:
    """Return the time in UTC.

    Python does not compare a time that occurs twice in its zone as equal to a time in another zone.
    """
    return at.astimezone(UTC)
