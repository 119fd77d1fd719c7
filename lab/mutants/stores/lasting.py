"""A right store that outlives its process, for those to go wrong in that break what it adds."""

import fcntl
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import attrs

from scoria_core.conversion import converter
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import (
    Capability,
    IndexRow,
    PrunableStore,
    Record,
    RunKey,
    RunStore,
    StoredRun,
)


@attrs.frozen
class Written:
    """One write: of a new run where there is a `key`, else after `version` of the run.

    Without a `row` the run is removed that is at this version.
    """

    run_id: str
    records: tuple[Record, ...]
    version: int
    row: IndexRow | None
    key: RunKey | None = None

    @property
    def is_pruned(self) -> bool:
        """Whether the run is removed."""
        return self.row is None

    @property
    def due_at(self) -> datetime | None:
        """When the run is due by this write."""
        return None if self.row is None else self.row.due_at

    def with_row(self, **changes: Any) -> "Written":
        """Return the same with these changes of its row, where it has one."""
        return attrs.evolve(self, row=self.row and attrs.evolve(self.row, **changes))


def lined(written: Written) -> bytes:
    """Return the line of the log for a write."""
    return converter.dumps(written).encode() + b"\n"


class LastingStore:
    """A log of writes, which whoever opens it replays into a store that starts empty."""

    capabilities = frozenset(Capability) - {Capability.OUTBOX, Capability.WAKING}

    def __init__(self, store: RunStore, path: Path) -> None:
        self.store, self.end = cast(PrunableStore, store), 0
        self.log = path.open("a+b", buffering=0)
        self._lock = threading.Lock()
        with self.turn():
            pass

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the log alone, with all that others wrote taken in."""
        with self._lock:
            if self.log.closed:
                raise StoreUnavailable("the log", "is closed", "open it again")
            fcntl.flock(self.log, fcntl.LOCK_EX)
            try:
                self.catch_up()
                yield
            finally:
                fcntl.flock(self.log, fcntl.LOCK_UN)

    def catch_up(self) -> None:
        """Take in what was written since; a line cut short was never acknowledged."""
        self.log.seek(self.end)
        whole, line_end, _ = self.log.read().rpartition(b"\n")
        for line in whole.splitlines():
            self.replay(converter.loads(line, Written))
        self.end += len(whole + line_end)

    def replay(self, written: Written) -> None:
        """Do again what was done."""
        records, row = written.records, written.row
        if row is None:
            self.store.prune({written.run_id: written.version})
        elif written.key is not None:
            self.store.create(written.key, records, row=row)
        else:
            version = written.version
            self.store.append(written.run_id, records, expected_version=version, row=row)

    def write(self, written: Written) -> None:
        """Make a write last; what is written is there though the process be killed."""
        os.ftruncate(self.log.fileno(), self.end)
        left = lined(written)
        while left:  # a file that may not grow takes a part, and says so only by this number
            count = self.log.write(left)
            self.end, left = self.end + count, left[count:]

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        with self.turn():
            owner = self.store.create(key, records, row=row)
            if owner == key.run_id:
                self.write(Written(owner, tuple(records), 0, row, key))
            return owner

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version."""
        with self.turn():
            self.store.append(
                run_id, records, expected_version=expected_version, row=row, due_by=due_by
            )
            self.write(Written(run_id, tuple(records), expected_version, row))

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return these runs with their records."""
        with self.turn():
            return self.store.read(run_ids)

    def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
        """Return runs, newest first."""
        with self.turn():
            return self.store.list_runs(**asked)

    def list_labelled(self, **asked: Any) -> Sequence[StoredRun]:
        """Return runs with the label, longest since first."""
        with self.turn():
            return self.store.list_labelled(**asked)

    def list_due(self, **asked: Any) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first."""
        with self.turn():
            return self.store.list_due(**asked)

    def count_runs(self, **asked: Any) -> Mapping[str, int]:
        """Return how many runs have each of these statuses."""
        with self.turn():
            return self.store.count_runs(**asked)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions."""
        with self.turn():
            removed = self.store.prune(versions)
            for run_id in removed:
                self.write(Written(run_id, (), versions[run_id], None))
            return removed

    def close(self) -> None:
        """Close the log; what is in it stays."""
        with self._lock:
            self.log.close()
            self.store.close()
