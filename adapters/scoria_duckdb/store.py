"""A store in a DuckDB file."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from scoria_core.errors import StoreUnavailable
from scoria_core.files import path_name
from scoria_core.ports import Capability, Delivery, IndexRow, Record, RunKey, StoredRun, Where
from scoria_core.stores import file_path
from scoria_core.uninterruptible import uninterruptible
from scoria_duckdb.deliveries import Deliveries
from scoria_duckdb.journal_file import JournalFile

T = TypeVar("T")


class DuckDBStore:
    """A `PrunableStore` and `OutboxStore` in the DuckDB file at `path`, made if it is missing.

    Stores of one process that name the same file share it. Raises `StoreUnavailable` if another
    process has the file open, `StoreCorrupt` if it is no DuckDB file, and `SchemaTooNew` if a later
    version of the kit has written it. If runs were pruned, the last store of the process to be
    closed makes the file smaller.
    """

    capabilities: frozenset[Capability] = frozenset(
        {Capability.DURABLE, Capability.PRUNABLE, Capability.OUTBOX}
    )

    def __init__(self, path: Path) -> None:
        self._file: JournalFile | None = JournalFile.share(path)
        self._path = path

    # Each call is uninterruptible: a signal must not leave a lock held, or memory behind the file.

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
        """Return the runs with their records, in the order of `run_ids`."""
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

    def add_listener(self, listener: str) -> None:
        """Add a listener, which is to receive every record that is stored from now on."""
        if listener not in self.list_listeners():
            self._change(lambda known: known.add(listener))

    def remove_listener(self, listener: str) -> None:
        """Remove the listener and its deliveries."""
        if listener in self.list_listeners():
            self._change(lambda known: known.remove(listener))

    def list_listeners(self) -> Sequence[str]:
        """Return the listeners, in order."""
        return self._see(lambda known: known.listeners())

    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery that is due first."""
        # Most calls find nothing due: this check comes first, as it costs no commit.
        if not self._see(lambda known: known.is_due(listener, now)):
            return None
        return self._change(lambda known: known.claim(listener, now, until))

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, if it is still as it was claimed."""
        return self._change(lambda known: known.settle(claimed, settled))

    def list_deliveries(
        self, listener: str, *, limit: int, given_up: bool = False
    ) -> Sequence[Delivery]:
        """Return deliveries of the listener, ordered by run id."""
        return self._see(lambda known: known.list(listener, limit, given_up=given_up))

    def _see(self, see: Callable[[Deliveries], T]) -> T:
        return uninterruptible(lambda: self._open_file().see_deliveries(see))

    def _change(self, change: Callable[[Deliveries], T]) -> T:
        return uninterruptible(lambda: self._open_file().change_deliveries(change))

    def close(self) -> None:
        """Leave the file; the last store of the process to leave it closes it."""
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
