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
from scoria_core.ports import Capability, PrunableStore, Record, RunHead, RunKey, RunStore


@attrs.frozen
class Written:
    """One write: of a new run where there is a `key`, else after `version` of the run.

    Where `is_pruned`, the run is removed that is at this version.
    """

    run_id: str
    records: tuple[Record, ...]
    version: int
    due_at: datetime | None
    key: RunKey | None = None
    is_pruned: bool = False


def lined(written: Written) -> bytes:
    """Return the line of the log for a write."""
    return converter.dumps(written).encode() + b"\n"


class LastingStore:
    """A log of writes, which whoever opens it replays into a store that starts empty."""

    capabilities = frozenset(Capability)

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
        records, due_at = written.records, written.due_at
        if written.is_pruned:
            self.store.prune({written.run_id: written.version})
        elif written.key is not None:
            self.store.create(written.key, records, due_at=due_at)
        else:
            version = written.version
            self.store.append(written.run_id, records, expected_version=version, due_at=due_at)

    def write(self, written: Written) -> None:
        """Make a write last; what is written is there though the process be killed."""
        os.ftruncate(self.log.fileno(), self.end)
        left = lined(written)
        while left:  # a file that may not grow takes a part, and says so only by this number
            count = self.log.write(left)
            self.end, left = self.end + count, left[count:]

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: datetime | None) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        with self.turn():
            owner = self.store.create(key, records, due_at=due_at)
            if owner == key.run_id:
                self.write(Written(owner, tuple(records), 0, due_at, key))
            return owner

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version."""
        with self.turn():
            self.store.append(
                run_id, records, expected_version=expected_version, due_at=due_at, due_by=due_by
            )
            self.write(Written(run_id, tuple(records), expected_version, due_at))

    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records of a run."""
        with self.turn():
            return self.store.read(run_id)

    def head(self, run_id: str) -> RunHead | None:
        """Return what the run is found by."""
        with self.turn():
            return self.store.head(run_id)

    def list_runs(self, **asked: Any) -> Sequence[str]:
        """Return run ids, newest first."""
        with self.turn():
            return self.store.list_runs(**asked)

    def list_due(self, **asked: Any) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first."""
        with self.turn():
            return self.store.list_due(**asked)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions."""
        with self.turn():
            removed = self.store.prune(versions)
            for run_id in removed:
                self.write(Written(run_id, (), versions[run_id], None, is_pruned=True))
            return removed

    def close(self) -> None:
        """Close the log; what is in it stays."""
        with self._lock:
            self.log.close()
            self.store.close()
