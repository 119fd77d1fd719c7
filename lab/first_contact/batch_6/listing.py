"""Stores that are wrong about how runs are listed, counted, labelled and due."""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import attrs

from scoria_core.ports import IndexRow, Record, RunKey, StoredRun, Where
from scoria_memory.store import MemoryStore
from scoria_sqlite.outbox import OutboxSQLiteStore
from scoria_sqlite.store import JSON, MOVE, _columns, _number, _written

COUNT = """SELECT value, (SELECT count(*) FROM (
    SELECT tenant_id FROM run WHERE status = value ORDER BY run_id DESC LIMIT :limit)
    WHERE :tenant_id IS NULL OR tenant_id = :tenant_id) FROM json_each(:statuses)"""


class NamesEachRunOnce(MemoryStore):
    """Wakes a watch for each run, and never again for the same."""

    def watch_due(
        self, *, tenant_id: str | None, pause: float
    ) -> Generator[Sequence[str], None, None]:
        """What becomes due a second time is left to whoever looks by itself."""
        named = set[str]()
        with closing(super().watch_due(tenant_id=tenant_id, pause=pause)) as watch:
            for found in watch:
                fresh = [run_id for run_id in found if run_id not in named]
                named.update(found)
                if fresh or not found:
                    yield fresh


class WakesOne(MemoryStore):
    """Wakes one of those who watch, who may watch another tenant."""

    def _wake(self, key: RunKey, row: IndexRow) -> None:
        """Let who watches know of a run; the others find it when their pause is over."""
        watches = [each for each in self._watches if each.tenant_id in (None, key.tenant_id)]
        if watches and row.due_at is not None and row.due_at <= datetime.now(UTC):
            for each in watches:
                each.due[key.run_id] = None
            self._woken.notify()


class LabelsKeepTheirTime(OutboxSQLiteStore):
    """Leaves the labels of a run as they were where an append has the same, with their time."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """A run that is asked for anew keeps the place in the inbox of what was asked before."""
        version = {"expected": expected_version, "version": expected_version + len(records)}
        run = {"run_id": run_id, **_columns(row), **version, "due_by": due_by and _number(due_by)}

        def write(connection: sqlite3.Connection) -> Any:
            asked = "SELECT since, label FROM label WHERE run_id = ?"
            kept = connection.execute(asked, [run_id]).fetchall()
            outcome = _written(connection, MOVE, run, records, row)
            if outcome == run_id and kept and {each for _, each in kept} == set(row.labels):
                given = [kept[0][0], run_id]
                connection.execute("UPDATE label SET since = ? WHERE run_id = ?", given)
            return outcome

        self._writes.store(write)


class CountsOfAll(OutboxSQLiteStore):
    """Counts, of the newest runs of all tenants up to the limit, those of the tenant."""

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Whoever shares the store with a busy tenant is told of fewer runs than there are."""
        given = {"tenant_id": tenant_id, "statuses": JSON(list(statuses)), "limit": limit}
        return dict(self._rows(COUNT, given))


class SummaryForgetsRenewals(MemoryStore):
    """Lists without records from a summary of each run, which only records renew."""

    def __init__(self) -> None:
        super().__init__()
        self._summaries: dict[str, StoredRun] = {}

    def _put(self, run: StoredRun) -> None:
        super()._put(run)
        known = self._summaries.get(run.key.run_id)
        if known is None or known.version != run.version:
            self._summaries[run.key.run_id] = run

    def _remove(self, run: StoredRun) -> None:
        super()._remove(run)
        del self._summaries[run.key.run_id]

    def _answer(self, run_ids: Iterator[str], with_records: bool) -> list[StoredRun]:
        if with_records:
            return super()._answer(run_ids, with_records)
        return [self._summaries[run_id] for run_id in run_ids]


class DueByTheClockOnTheWall(OutboxSQLiteStore):
    """Keeps when a run is due as the clock of the process shows it, which says some hours twice."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run."""
        return super().create(key, records, row=_on_the_wall(row))

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append records, or move when the run is due."""
        shown = _on_the_wall(row)
        super().append(run_id, records, expected_version=expected_version, row=shown, due_by=due_by)


class ListsInTwoLooks(OutboxSQLiteStore):
    """Lists runs, and reads their records with a statement of its own."""

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """What is appended between the two is in the records and not in the row."""
        runs = super().list_runs(
            tenant_id=tenant_id, where=where, limit=limit, before=before, with_records=False
        )
        if not with_records:
            return runs
        found = {run.key.run_id: run.records for run in self.read([run.key.run_id for run in runs])}
        return [attrs.evolve(run, records=found.get(run.key.run_id, ())) for run in runs]


def _on_the_wall(row: IndexRow) -> IndexRow:
    if row.due_at is None:
        return row
    shown = row.due_at.astimezone().replace(tzinfo=None, fold=0)
    return attrs.evolve(row, due_at=shown.astimezone(UTC))
