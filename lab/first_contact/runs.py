"""What the scripts of every batch do with runs: make their keys and rows, and look at them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun, Where
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import ROWS, RUNS, _run_ids

BEGAN = datetime(2026, 1, 5, 12, tzinfo=UTC)


def run_key(run_id: str, tenant_id: str, session_id: str, named: str | None = None) -> RunKey:
    """Return the key of a run that somebody began."""
    return RunKey(run_id, tenant_id, session_id, "user-1", "executor", BEGAN, named)


def row_due(due_at: datetime | None) -> IndexRow:
    """Return the row of a run that is due then."""
    return IndexRow("running", BEGAN, due_at)


def due_then(row: IndexRow, due_at: datetime | None) -> IndexRow:
    """Return the row of the same run, due then."""
    return attrs.evolve(row, due_at=due_at)


def run_of(store: Any, run_id: str) -> StoredRun | None:
    """Return a run as a store has it, or None where it has none."""
    return next(iter(store.read([run_id])), None)


def due_of(store: Any, run_id: str) -> datetime | None:
    """Return when a run is due that a store has."""
    (run,) = store.read([run_id])
    due_at: datetime | None = run.row.due_at
    return due_at


def journal(store: Any, run_id: str) -> list[Record]:
    """Return the records that a store has of a run."""
    return [record for run in store.read([run_id]) for record in run.records]


def ids(runs: Sequence[StoredRun]) -> list[str]:
    """Return the ids of runs, in their order."""
    return [run.key.run_id for run in runs]


def listed_runs(
    store: Any,
    tenant_id: str | None = None,
    session_id: str | None = None,
    limit: int = 100,
    before: str | None = None,
) -> list[str]:
    """Return the ids that a store lists."""
    where = None if session_id is None else Where(Fact.SESSION, session_id)
    return ids(store.list_runs(tenant_id=tenant_id, where=where, limit=limit, before=before))


def session_of(where: Where | None) -> str | None:
    """Return the session that is asked for, if one is."""
    return where.value if where is not None and where.fact is Fact.SESSION else None


class Tells:
    """Tells something else of each run than the store has that comes after it."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return what is told in place of `run`."""
        raise NotImplementedError

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs as they are told."""
        return [self.told(run) for run in super().read(run_ids)]  # type: ignore[misc]

    def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
        """List the runs as they are told."""
        return [self.told(run) for run in super().list_runs(**asked)]  # type: ignore[misc]

    def list_labelled(self, **asked: Any) -> Sequence[StoredRun]:
        """List the runs as they are told."""
        return [self.told(run) for run in super().list_labelled(**asked)]  # type: ignore[misc]


def with_bodies(run: StoredRun, bodies: Sequence[str]) -> StoredRun:
    """Return the run with these texts in its records."""
    pairs = zip(run.records, bodies, strict=True)
    return attrs.evolve(run, records=tuple(attrs.evolve(each, body=body) for each, body in pairs))


class AsksForSessions(PrunableSQLiteStore):
    """Lists the runs of a session by a condition of its own."""

    def of_session(self, session_id: str) -> tuple[str, str]:
        """Return the condition, and what is compared in it."""
        raise NotImplementedError

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """List by the condition, where a session is asked for."""
        if (session_id := session_of(where)) is None:
            return super().list_runs(
                tenant_id=tenant_id,
                where=where,
                limit=limit,
                before=before,
                with_records=with_records,
            )
        condition, value = self.of_session(session_id)
        asked = {"tenant_id = ?": tenant_id, condition: value, "run_id < ?": before}
        run_ids = _run_ids("run", asked, "run_id DESC", limit)
        return self._runs(RUNS if with_records else ROWS, *run_ids)
