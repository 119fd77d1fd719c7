"""What the stores and their scripts share: keys, records, errors and other processes."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.first_contact.runs import run_key
from scoria_core.errors import ScoriaError
from scoria_core.ports import Record, RunKey
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def key(run: str, tenant: str = "acme", session: str = "s", idem: str | None = None) -> RunKey:
    """Return a key of a run."""
    return run_key(run, tenant, session, idem)


def recs(first: int = 1, last: int | None = None, body: str = "{}") -> list[Record]:
    """Return the records from `first` to `last`."""
    return [Record(n, f"{n:064x}", body) for n in range(first, (last or first) + 1)]


def memory(_: Path) -> MemoryStore:
    """Return the memory store as it is."""
    return MemoryStore()


def sqlite(directory: Path) -> PrunableSQLiteStore:
    """Return the SQLite store as it is."""
    return PrunableSQLiteStore(directory / "runs.sqlite")


def raised(call: Callable[[], Any]) -> BaseException | None:
    """Return what a call raises, or None."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - the script looks at it
        return error
    return None


def raised_kind(call: Callable[[], Any]) -> str | None:
    """Return the code of the refusal of a call, or the name of another error, or None."""
    error = raised(call)
    if error is None:
        return None
    return error.code if isinstance(error, ScoriaError) else type(error).__name__


class Slow(Sequence[Record]):
    """Records that do something each time one of them is taken."""

    def __init__(self, records: Sequence[Record], before: Callable[[int], None]) -> None:
        self._records, self._before = records, before

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: Any) -> Any:
        return self._records[index]

    def __iter__(self) -> Iterator[Record]:
        for index, each in enumerate(self._records):
            self._before(index)
            yield each


def elsewhere(make: Callable[[Path], Any], directory: Path, script: str) -> int:
    """Run a script on the store in another process, and return its exit code."""
    named = f"from {make.__module__} import {make.__qualname__} as make"
    code = f"""
import os, signal
from pathlib import Path
from lab.first_contact.batch_2.common import *
from lab.first_contact.runs import row_due
{named}
directory = Path({str(directory)!r})
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
{script}
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=40, check=False)
    return done.returncode
