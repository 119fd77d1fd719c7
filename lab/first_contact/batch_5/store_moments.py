"""Stores whose answer is of two moments, or of one that is over."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.first_contact.batch_3.tools import begin, records, wrong_store
from lab.first_contact.batch_5.tools import (
    AsksForLabels,
    Start,
    after_first_read,
    ask,
    found,
    go_on,
    row_with,
)
from scoria_core.ports import StoredRun
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import GIVEN, JSON, ROWS, RUNS


class FoundThenRead(AsksForLabels):
    """STORE-39: finds the runs in one transaction and reads them in another, as they are then."""

    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: Start = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Find the ids, and read these runs."""
        run_ids = [each for (each,) in self._rows(*self.query(tenant_id, label, limit, start))]
        runs = self._runs(RUNS if with_records else ROWS, GIVEN, (JSON(run_ids),))
        places = {run_id: place for place, run_id in enumerate(run_ids)}
        return sorted(runs, key=lambda run: places[run.key.run_id])


def show_found(make: Any, directory: Path) -> None:
    """Assert that each run of a page has the label, though one is decided just then."""
    store, other = make(directory), make(directory)
    ask(store, "run-1", "tool:refund")
    with after_first_read(store, lambda: go_on(other, "run-1")):
        runs = store.list_labelled(tenant_id=None, label="tool:refund", limit=10)
    assert all("tool:refund" in run.row.labels for run in runs)


class CountedOneByOne(PrunableSQLiteStore):
    """STORE-19: counts each status at another moment."""

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Count the runs of one status after the other."""
        counts: dict[str, int] = {}
        for each in statuses:
            counts |= super().count_runs(tenant_id=tenant_id, statuses=[each], limit=limit)
        return counts


def show_counted(make: Any, directory: Path) -> None:
    """Assert that one run is counted once, though it moves just then."""
    store, other = make(directory), make(directory)
    ask(store, "run-1", status="waiting")
    with after_first_read(store, lambda: go_on(other, "run-1", status="running")):
        counts = store.count_runs(tenant_id=None, statuses=["waiting", "running"], limit=10)
    assert sum(counts.values()) == 1


class ReadInParts(PrunableSQLiteStore):
    """STORE-19: reads more than a hundred runs in parts, each as it is by then."""

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Read a hundred runs at a time."""
        parts = [run_ids[n : n + 100] for n in range(0, len(run_ids), 100)] or [()]
        return [run for part in parts for run in super(ReadInParts, self).read(part)]


def show_parts(make: Any, directory: Path) -> None:
    """Assert that who sees the later of two writes sees the earlier, too."""
    store, other = make(directory), make(directory)
    run_ids = [f"run-{n:03}" for n in range(101)]
    for each in run_ids:
        begin(store, each)

    def two_writes() -> None:
        go_on(other, run_ids[0])
        go_on(other, run_ids[-1])

    with after_first_read(store, two_writes):
        runs = store.read(run_ids)
    assert runs[0].version >= runs[-1].version


class PagesBySizeOfLog(PrunableSQLiteStore):
    """STORE-15: takes the store as unchanged while its file's time and its log's size are.

    The log is written from its beginning again once it was carried over to the file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, with no page kept."""
        self._path = path
        self._pages: dict[Any, tuple[Any, Sequence[StoredRun]]] = {}
        super().__init__(path)

    def list_labelled(self, **asked: Any) -> Sequence[StoredRun]:
        """Return a page that was read before, where nothing was written since."""
        page, now = tuple(sorted(asked.items())), self._state()
        if page not in self._pages or self._pages[page][0] != now:
            self._pages[page] = now, super().list_labelled(**asked)
        return list(self._pages[page][1])

    def close(self) -> None:
        """Close the file, and forget the pages."""
        super().close()
        self._pages.clear()

    def _commit(self, writes: Any) -> Sequence[Any]:
        answers = super()._commit(writes)
        self._pages.clear()
        return answers

    def _state(self) -> tuple[int, int]:
        log = self._path.with_name(f"{self._path.name}-wal")
        time = self._path.stat().st_mtime_ns if self._path.exists() else 0
        return time, log.stat().st_size if log.exists() else 0


def show_pages(make: Any, directory: Path) -> None:
    """Assert that what another handle stores is listed, also after a large write."""
    store, other = make(directory), make(directory)
    begin(store, "run-0")
    store.append(
        "run-0", records(2, 7, "x" * 1_000_000), expected_version=1, row=row_with("tool:refund")
    )
    assert found(store, "tool:refund") == ["run-0"]
    ask(other, "run-1", "tool:refund")
    assert found(store, "tool:refund") == ["run-0", "run-1"]


class ManyStayMany(MemoryStore):
    """STORE-44: a count that once was a thousand is not made again, whatever is pruned."""

    def __init__(self) -> None:
        """Open an empty store."""
        self._many: dict[tuple[str | None, str], int] = {}
        super().__init__()

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Count what is not known to be many."""
        counts = super().count_runs(tenant_id=tenant_id, statuses=statuses, limit=limit)
        for status, count in counts.items():
            if count >= 1_000:
                self._many[tenant_id, status] = count
        many = {each: self._many.get((tenant_id, each), 0) for each in statuses}
        return {each: max(count, min(many[each], limit)) for each, count in counts.items()}


def show_many(make: Any, directory: Path) -> None:
    """Assert that a run that was pruned is no longer counted, however many there are."""
    store = make(directory)
    for n in range(1_000):
        ask(store, f"run-{n:04}", status="failed")
    asked = {"tenant_id": None, "statuses": ["failed"], "limit": 1_000}
    assert store.count_runs(**asked) == {"failed": 1_000}
    store.prune({"run-0000": 1})
    assert store.count_runs(**asked) == {"failed": 999}


WRONG = (
    wrong_store("found_then_read", "STORE-39", FoundThenRead, show_found),
    wrong_store("counted_one_by_one", "STORE-19", CountedOneByOne, show_counted),
    wrong_store("read_in_parts", "STORE-19", ReadInParts, show_parts),
    wrong_store("pages_by_size_of_log", "STORE-15", PagesBySizeOfLog, show_pages),
    wrong_store("many_stay_many", "STORE-44", ManyStayMany, show_many),
)
