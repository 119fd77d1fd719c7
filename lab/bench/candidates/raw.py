"""W by hand on a raw journal: the same durable commits, and no kit at all.

Five rows, each committed before the next call: created and claimed, approval requested,
approved, resumed and claimed, completed. Nothing is checked, chained or replayed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from uuid_utils import uuid7

from lab.bench.unit import ARGUMENTS, REASON, REVIEWER, Detail, Paused, Status
from scoria_core.ports import StoredRun

Row = tuple[str, int, str]
"""The run, the number of its change, and the change as text."""


class RawJournal(Protocol):
    """A table of rows."""

    def write(self, row: Row) -> None:
        """Store a row, durable on return where the kind of store is."""
        ...

    def fill(self, rows: Iterable[Row]) -> None:
        """Store many rows at once."""
        ...

    def read(self, run_id: str) -> Sequence[str]:
        """Return the texts of a run in their order."""
        ...

    def close(self) -> None:
        """Give back what the journal holds."""
        ...


class RawRuns:
    """W on a raw journal."""

    def __init__(self, journal: RawJournal) -> None:
        self._journal = journal

    def start(self) -> Paused:
        """Store the run with its claim, then its request."""
        run_id = str(uuid7())
        self._write(run_id, 1, {"tenant_id": "tenant-1", "actor_id": "user-1", "step": "claimed"})
        self._write(run_id, 2, {"asked": dict(ARGUMENTS), "reason": REASON})
        return Paused(run_id, run_id)

    def approve(self, paused: Paused) -> None:
        """Store the decision."""
        self._write(paused.run_id, 3, {"decided_by": REVIEWER})

    def resume(self, paused: Paused) -> None:
        """Store the second claim, then the result of what was asked."""
        self._write(paused.run_id, 4, {"step": "claimed again"})
        asked = self._facts(paused.run_id)["asked"]
        self._write(paused.run_id, 5, {"result": {"sent": asked}})

    def read(self, run_id: str) -> Detail:
        """Fold the rows of the run."""
        facts = self._facts(run_id)
        status = Status.COMPLETED if "result" in facts else Status.WAITING
        return Detail(run_id, status, facts["asked"], facts.get("decided_by"), facts.get("result"))

    def fill(self, runs: Iterable[StoredRun]) -> None:
        """Store runs that ended before."""
        self._journal.fill(
            (run.key.run_id, record.sequence, record.body) for run in runs for record in run.records
        )

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _write(self, run_id: str, number: int, facts: Mapping[str, Any]) -> None:
        self._journal.write((run_id, number, json.dumps(facts)))

    def _facts(self, run_id: str) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for text in self._journal.read(run_id):
            facts.update(json.loads(text))
        return facts
