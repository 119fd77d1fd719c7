"""What the scripts store, and how they look at a store from another process."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scoria_core.ports import IndexRow, Record, RunKey

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """The time so many seconds after the start."""
    return START + timedelta(seconds=seconds)


def key(run_id: str, tenant_id: str = "acme") -> RunKey:
    """The key of a run of that tenant."""
    return RunKey(run_id, tenant_id, "session", "ann", "clerk", START)


def row(
    status: str = "running", since: float = 0, due_at: datetime | None = None, *labels: str
) -> IndexRow:
    """A row of a run that has that status since so many seconds after the start."""
    return IndexRow(status, at(since), due_at, labels)


def records(first: int, last: int) -> list[Record]:
    """The records of these numbers."""
    return [Record(each, f"digest {each}", f"body {each}") for each in range(first, last + 1)]


def elsewhere(store: Any, directory: Path, script: str) -> None:
    """Run a script in another process, where `store` is opened anew in that directory."""
    kind = type(store)
    opened = f"""
import os
from pathlib import Path
from lab.first_contact.batch_6.facts import at
from {kind.__module__} import {kind.__qualname__} as Store
path = Path({str(directory)!r}, "runs.db")
store = Store(path)
"""
    subprocess.run([sys.executable, "-c", opened + script], check=False, timeout=60)
