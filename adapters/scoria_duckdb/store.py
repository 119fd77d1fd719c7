"""A store in a DuckDB file."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from scoria_core.errors import StoreUnavailable
from scoria_core.files import path_name
from scoria_core.ports import Capability, IndexRow, Record, RunKey, StoredRun, Where
from scoria_core.stores import file_path
from scoria_core.uninterruptible import uninterruptible
from scoria_duckdb.journal_file import JournalFile


class DuckDBStore:
    """A `PrunableStore` in the DuckDB file at `path`, made where it does not exist.

    Stores of one process that name the same file share it. Raises `StoreUnavailable` where
    another process has the file, `StoreCorrupt` where it is no DuckDB file, and `SchemaTooNew`
    where a later kit has written it. Where it was pruned, the last store of the process that is
    closed makes the file smaller.
    """

    capabilities: frozenset[Capability] = frozenset({Capability.DURABLE, Capability.PRUNABLE})

    def __init__(self, path: Path) -> None:
        self._file: JournalFile | None = JournalFile.share(path)
        self._path = path

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        return uninterruptible(lambda: self._open_file().create(key, records, row))

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version, durable on return."""
        uninterruptible(
            lambda: self._open_file().append(run_id, records, expected_version, row, due_by)
        )

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs with their records, in the order asked."""
        return uninterruptible(lambda: self._open_file().read(run_ids))

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return runs, newest first."""
        return uninterruptible(
            lambda: self._open_file().list_runs(tenant_id, where, limit, before, with_records)
        )

    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: tuple[datetime, str] | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return runs with the label, longest since first."""
        return uninterruptible(
            lambda: self._open_file().list_labelled(tenant_id, label, limit, start, with_records)
        )

    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        return uninterruptible(lambda: self._open_file().list_due(tenant_id, until, limit, fair))

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Return how many runs have each status, at most `limit`."""
        return uninterruptible(lambda: self._open_file().count_runs(tenant_id, statuses, limit))

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions, and return their ids."""
        return uninterruptible(lambda: self._open_file().prune(versions))

    def close(self) -> None:
        """Give the file back; the last store of the process to do so closes it."""
        file, self._file = self._file, None
        if file is not None:
            uninterruptible(file.leave)

    def _open_file(self) -> JournalFile:
        if self._file is None:
            name = f"duckdb:///{path_name(self._path)}"
            raise StoreUnavailable(name, "is closed", "open it again")
        return self._file


def open_store(url: str) -> DuckDBStore:
    """Open the file that `duckdb:///PATH` names, as `file_path` reads it."""
    return DuckDBStore(file_path(url))
