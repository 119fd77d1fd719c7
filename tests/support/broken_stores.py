"""Stores that break one promise of the port each, for the command to be pointed at."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from scoria_core.errors import VersionConflict
from scoria_core.ports import Capability, Record, RunKey
from scoria_memory import MemoryStore


class LastWriterWins(MemoryStore):
    """Does not look at the version that an append expects."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,  # noqa: ARG002 - it looks at nothing
    ) -> None:
        """Put the records in the place of those that came first."""
        kept = self._journals[run_id][:expected_version]
        self._journals[run_id] = [*kept, *records]
        self._set_due(run_id, due_at)


class LosesTheLast(MemoryStore):
    """Stores an append but for its last record, where it has several."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,
    ) -> None:
        """Append what is not lost."""
        kept = records[:-1] or records
        super().append(
            run_id, kept, expected_version=expected_version, due_at=due_at, due_by=due_by
        )


class AppendsInPart(MemoryStore):
    """Refuses an append that comes too late, and has stored its first record by then."""

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,
    ) -> None:
        """Append, or append in part."""
        try:
            super().append(
                run_id, records, expected_version=expected_version, due_at=due_at, due_by=due_by
            )
        except VersionConflict:
            self._journals[run_id].extend(records[:1])
            raise


class ForgetsTheKey(MemoryStore):
    """Starts a second run for an idempotency key that has one."""

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: datetime | None) -> str:
        """Store the run, whatever its key."""
        unkeyed = RunKey(key.run_id, key.tenant_id, key.session_id)
        return super().create(unkeyed, records, due_at=due_at)


class ForgetsWhenClosed(MemoryStore):
    """Says that it is durable, and is not."""

    capabilities = frozenset({Capability.DURABLE})


def last_writer_wins(_: Path) -> MemoryStore:
    """Open a store that overwrites."""
    return LastWriterWins()


def loses_the_last(_: Path) -> MemoryStore:
    """Open a store that loses records."""
    return LosesTheLast()


def appends_in_part(_: Path) -> MemoryStore:
    """Open a store whose refusals leave something behind."""
    return AppendsInPart()


def forgets_the_key(_: Path) -> MemoryStore:
    """Open a store that starts a run twice."""
    return ForgetsTheKey()


def forgets_when_closed(_: Path) -> MemoryStore:
    """Open a store that keeps nothing."""
    return ForgetsWhenClosed()
