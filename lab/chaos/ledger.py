"""What really happened, told by those it happened to: files that outlive whoever is killed.

Every process appends whole lines; a kill loses at most the line that was not yet begun.
"""

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs

from scoria_core import Approval, Step

PLACE, PROCESS = "CHAOS_LEDGER", "CHAOS_PROCESS"
"""The variables that tell a process where the ledger is, and what it is called itself."""


@attrs.frozen
class Ledger:
    """The ledger in `directory`, kept by the process of that name."""

    directory: Path
    process: str = "nobody"

    @classmethod
    def of_environment(cls) -> "Ledger":
        """Return the ledger that this process was started with."""
        return cls(Path(os.environ[PLACE]), os.environ[PROCESS])

    @contextmanager
    def at_work(self, step: Step) -> Iterator[None]:
        """Note that a handler is entered, and that it is left."""
        visit = {
            "visit": str(uuid.uuid4()),
            "key": step.idempotency_key,
            "attempt": step.attempt,
            "run_id": step.run_id,
        }
        self._note("handlers", {"what": "entered", **visit})
        try:
            yield
        finally:
            self._note("handlers", {"what": "left", **visit})

    def carry_out(self, step: Step, approval: Approval | None = None) -> bool:
        """Do the side effect of a step, once for its idempotency key; False where it was done."""
        authority = None if approval is None else approval.approval_id
        row = (step.idempotency_key, step.run_id, step.attempt, self.process, authority)
        with closing(self._effects()) as effects, effects:
            done = effects.execute("INSERT OR IGNORE INTO effect VALUES (?, ?, ?, ?, ?)", row)
            return done.rowcount == 1

    def effects(self) -> list[dict[str, Any]]:
        """Return every side effect: its key, run, attempt, process and approval."""
        with closing(self._effects()) as effects:
            effects.row_factory = sqlite3.Row
            return [dict(row) for row in effects.execute("SELECT * FROM effect")]

    def acknowledge(self, host: str, **facts: object) -> None:
        """Note on the disk what the store has acknowledged, before the host goes on."""
        self._note(host, facts, is_lasting=True)

    def note_death(self, process: str) -> None:
        """Note that a process is no more."""
        self._note("deaths", {"of": process})

    def read(self, name: str) -> list[dict[str, Any]]:
        """Return the notes of one name, each with its `process` and the time `at`."""
        path = self._path(name)
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def hosts(self) -> list[str]:
        """Return the names of the hosts that have acknowledged anything."""
        return sorted(path.stem for path in self.directory.glob("host-*.jsonl"))

    def _note(self, name: str, facts: Mapping[str, object], *, is_lasting: bool = False) -> None:
        line = json.dumps({"at": time.monotonic(), "process": self.process, **facts}) + "\n"
        file = os.open(self._path(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
            if is_lasting:
                os.fsync(file)
        finally:
            os.close(file)

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.jsonl"

    def _effects(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.directory / "effects.sqlite", timeout=60)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS effect "
            "(key TEXT PRIMARY KEY, run_id TEXT, attempt INTEGER, process TEXT, approval_id TEXT)"
        )
        return connection
