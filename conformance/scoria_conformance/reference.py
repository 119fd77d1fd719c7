"""The port `RunStore` as `spec/store.md` has it, for one caller: what each call must answer.

It keeps all runs in one dictionary and looks at every one of them each time. There is nothing here
to be fast, to last, or to be shared.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs

from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Record, RunHead, RunKey


@attrs.define
class Kept:
    """A run as it is stored."""

    key: RunKey
    records: tuple[Record, ...]
    due_at: datetime | None
    due_at_of_last_record: datetime | None

    @property
    def version(self) -> int:
        """The sequence of the last record."""
        return len(self.records)

    def is_due(self, by: datetime) -> bool:
        """Tell whether the run has work to do by then."""
        return self.due_at is not None and self.due_at <= by

    def is_of(self, tenant_id: str | None, session_id: str | None = None) -> bool:
        """Tell whether a listing of this tenant and session has the run; None does not filter."""
        return tenant_id in (None, self.key.tenant_id) and session_id in (None, self.key.session_id)


@attrs.define
class Reference:
    """What a store must answer that holds `runs`; several may hold the same, and one be closed."""

    runs: dict[str, Kept] = attrs.field(factory=dict)
    is_closed: bool = False

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: datetime | None) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        self._check_open()
        for run_id, run in self.runs.items():
            if key.idempotency_key is not None and _named(run.key) == _named(key):
                return run_id
        if key.run_id in self.runs:
            raise VersionConflict(key.run_id, 0, self.version(key.run_id))
        instant = _instant(due_at)
        self.runs[key.run_id] = Kept(key, tuple(records), instant, instant)
        return key.run_id

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,
    ) -> None:
        """Add the records at the expected version, where the run is due by then."""
        self._check_open()
        run = self.runs.get(run_id)
        if (
            run is None
            or run.version != expected_version
            or (due_by is not None and not run.is_due(due_by))
        ):
            raise VersionConflict(run_id, expected_version, self.version(run_id))
        run.records, run.due_at = (*run.records, *records), _instant(due_at)
        if records:
            run.due_at_of_last_record = run.due_at

    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records of the run."""
        self._check_open()
        return self.runs[run_id].records if run_id in self.runs else ()

    def head(self, run_id: str) -> RunHead | None:
        """Return what the run is found by."""
        self._check_open()
        run = self.runs.get(run_id)
        return None if run is None else RunHead(run.key, run.version, run.due_at)

    def list_runs(
        self, *, tenant_id: str | None, session_id: str | None, limit: int, before: str | None
    ) -> Sequence[str]:
        """Return the ids of the runs, the greatest first."""
        self._check_open()
        found = [run_id for run_id, run in self.runs.items() if run.is_of(tenant_id, session_id)]
        older = [run_id for run_id in found if before is None or run_id < before]
        return sorted(older, reverse=True)[:limit]

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of the runs that are due, longest due first, or the tenants in turns."""
        self._check_open()
        due = sorted(
            (run.due_at, run_id)
            for run_id, run in self.runs.items()
            if run.due_at is not None and run.is_due(until) and run.is_of(tenant_id)
        )
        run_ids = [run_id for _, run_id in due]
        return (self._fair_order(run_ids) if fair else run_ids)[:limit]

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove each run that is at its version."""
        self._check_open()
        found = [each for each, at in versions.items() if self.version(each) == at > 0]
        for run_id in found:
            del self.runs[run_id]
        return found

    def close(self) -> None:
        """Refuse every call from now on but this."""
        self.is_closed = True

    def version(self, run_id: str) -> int:
        """Return the version of a run, which is 0 for one that is unknown."""
        return self.runs[run_id].version if run_id in self.runs else 0

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


def _instant(at: datetime | None) -> datetime | None:
    """Return the time in UTC; Python calls a time that a zone has twice unequal to any other."""
    if at is None:
        return None
    return at.astimezone(UTC)
