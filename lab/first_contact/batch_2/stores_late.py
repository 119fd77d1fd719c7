"""Stores that are right at first: wrong after a reopen, a second look or a second call."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_2.common import NOON, key, memory, recs
from lab.first_contact.batch_2.stores_ids import of
from lab.first_contact.runs import Tells, due_then, row_due, run_of
from lab.first_contact.wrong import Wrong
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_duckdb.store import DuckDBStore
from scoria_memory import MemoryStore

Make = Callable[[Path], Any]


def duckdb(directory: Path) -> DuckDBStore:
    """Return the DuckDB store as it is."""
    return DuckDBStore(directory / "runs.duckdb")


class DoneInMemory(Tells, DuckDBStore):
    """Marks a run as done in memory alone: in its file the last due time stays, for a reopen."""

    def __init__(self, path: Path) -> None:
        self._done: set[str] = set()
        super().__init__(path)

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append with the due time that was, where none is given."""
        is_done = asked["row"].due_at is None
        for run in DuckDBStore.read(self, [run_id] if is_done else []):
            asked["row"] = due_then(asked["row"], run.row.due_at)
        super().append(run_id, records, **asked)
        (self._done.add if is_done else self._done.discard)(run_id)

    def told(self, run: StoredRun) -> StoredRun:
        """Return the run, without a due time where it is done."""
        if run.key.run_id not in self._done:
            return run
        return attrs.evolve(run, row=due_then(run.row, None))

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """List what is due and not done."""
        found = super().list_due(limit=2**62, **asked)
        return [run_id for run_id in found if run_id not in self._done][:limit]


def done_in_memory(directory: Path) -> DoneInMemory:
    """Return the store that forgets what is done."""
    return DoneInMemory(directory / "runs.duckdb")


def show_done_in_memory(make: Make, directory: Path) -> None:
    """The work of a run is done, and the store is opened anew."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    store.append("r1", recs(2), expected_version=1, row=row_due(None))
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == []
    store.close()
    store = make(directory)
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == [], "due again"
    store.close()


class SmallKeys(DuckDBStore):
    """Keeps idempotency keys in small letters, though it answers repeats by the key as given."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._owners: dict[tuple[str, str], str] = {}

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store under the key in small letters, or return its owner."""
        if key.idempotency_key is None:
            return super().create(key, records, row=row)
        named = (key.tenant_id, key.idempotency_key)
        if named in self._owners:
            return self._owners[named]
        small = attrs.evolve(key, idempotency_key=key.idempotency_key.lower())
        self._owners[named] = super().create(small, records, row=row)
        return self._owners[named]


def small_keys(directory: Path) -> SmallKeys:
    """Return the store that keeps keys in small letters."""
    return SmallKeys(directory / "runs.duckdb")


def show_small_keys(make: Make, directory: Path) -> None:
    """What a run is found by is read from the store: its key as it was given."""
    store = make(directory)
    given = key("r1", idem="Order-A7")
    store.create(given, recs(), row=row_due(None))
    run = run_of(store, "r1")
    store.close()
    assert run is not None and run.key == given, "it is found by another key"


class Throttled(MemoryStore):
    """Answers a poll of the queue from the last one, for a second, to spare the store."""

    def __init__(self) -> None:
        super().__init__()
        self._polls: dict[tuple[Any, ...], tuple[float, list[str]]] = {}

    def list_due(self, *, until: datetime, **asked: Any) -> Sequence[str]:
        """List what is due, or was a moment ago."""
        named = tuple(sorted(asked.items(), key=str))
        at, found = self._polls.get(named, (0.0, []))
        current = list(super().list_due(until=until, **asked))
        if time.monotonic() - at < 1 and at:
            return list(found)
        self._polls[named] = (time.monotonic(), current)
        return current


def show_throttled(make: Make, directory: Path) -> None:
    """A run is stored right after an empty poll."""
    store = make(directory)
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == []
    store.create(key("r1"), recs(), row=row_due(NOON))
    assert list(store.list_due(tenant_id=None, until=NOON, limit=5)) == ["r1"], "an old poll"


class RemovesAll(MemoryStore):
    """Answers a prune with every id that it was given and that is gone now, never there or not."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs, and name those that are not there."""
        super().prune(versions)
        return [run_id for run_id in versions if not self.read([run_id])]


def show_removes_all(make: Make, directory: Path) -> None:
    """Two prune one list, and each counts what it has removed."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(None))
    assert list(store.prune({"r1": 1})) == ["r1"]
    assert list(store.prune({"r1": 1})) == [], "a run was removed twice"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None], right: Make) -> Wrong:
    return Wrong(name, clause, "store", make, show, right)


WRONG: list[Wrong] = [
    _wrong("done only until a reopen", "STORE-12", done_in_memory, show_done_in_memory, duckdb),
    _wrong("keys in small letters", "STORE-31", small_keys, show_small_keys, duckdb),
    _wrong("polls of the queue kept", "STORE-16", of(Throttled), show_throttled, memory),
    _wrong("prune names what was not there", "STORE-23", of(RemovesAll), show_removes_all, memory),
]
