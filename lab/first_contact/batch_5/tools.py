"""What the stores and scripts of this batch have in common; nothing here is wrong."""

import sqlite3
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from lab.first_contact.batch_3.tools import AT, key, records
from lab.first_contact.runs import ids
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import (
    CREATE,
    LABELLED,
    MOVE,
    OWNER,
    READ,
    ROWS,
    RUNS,
    _columns,
    _number,
    _run_ids,
    _written,
)

Start = tuple[datetime, str] | None
Query = tuple[str, Any]


def row_with(
    *labels: str, since: datetime = AT, status: str = "waiting", has_ended: bool = False
) -> IndexRow:
    """Return the row of a run with these labels."""
    return IndexRow(status, since, None, labels, has_ended)


def ask(store: Any, run_id: str, *labels: str, tenant: str = "acme", **row: Any) -> None:
    """Create a run with these labels."""
    store.create(key(run_id, tenant), records(1, 1), row=row_with(*labels, **row))


def go_on(store: Any, run_id: str, *labels: str, at: int = 1, **row: Any) -> None:
    """Append a record to a run, which has these labels from now on."""
    store.append(run_id, records(at + 1, at + 1), expected_version=at, row=row_with(*labels, **row))


def found(store: Any, label: str | None = None, **more: Any) -> list[str]:
    """Return the runs that have the label, or any."""
    asked = {"tenant_id": None, "limit": 100, **more}
    return ids(store.list_labelled(label=label, **asked))


@contextmanager
def after_first_read(store: Any, then: Callable[[], object]) -> Iterator[None]:
    """Call something after the first time that a SQLite store has read its file."""
    transaction, left = store._transaction, [1]

    @contextmanager
    def watched(begin: str = READ) -> Iterator[Any]:
        with transaction(begin) as connection:
            yield connection
        if begin == READ and left:
            left.clear()
            then()

    store._transaction = watched
    try:
        yield
    finally:
        del store._transaction


class WritesLabels(PrunableSQLiteStore):
    """Writes the entries of labels as `written` says."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        run = {**_columns(key), **_columns(row), "expected": 0, "version": len(records)}

        def write(connection: sqlite3.Connection) -> Any:
            for (run_id,) in connection.execute(OWNER, run):
                return str(run_id)
            return self.written(connection, CREATE, run, records, row)

        return self._writes.store(write)

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
        version = {"expected": expected_version, "version": expected_version + len(records)}
        run = {"run_id": run_id, **_columns(row), **version, "due_by": due_by and _number(due_by)}
        self._writes.store(lambda connection: self.written(connection, MOVE, run, records, row))

    def written(
        self,
        connection: sqlite3.Connection,
        statement: str,
        run: dict[str, Any],
        records: Sequence[Record],
        row: IndexRow,
    ) -> Any:
        """Store a run's row, records and labels; return its id, or the conflict that it is."""
        return _written(connection, statement, run, records, row)


class AsksForLabels(PrunableSQLiteStore):
    """Lists by label with the query that `query` returns."""

    def query(self, tenant_id: str | None, label: str | None, limit: int, start: Start) -> Query:
        """Return the query for run ids, and what it is given."""
        first = start and (_number(start[0]), start[1])
        asked = {"tenant_id = ?": tenant_id, "label = ?": label, "(since, run_id) >= (?, ?)": first}
        return _run_ids(LABELLED if label is None else "label", asked, "since, run_id", limit)

    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: Start = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return runs with the label, longest since first."""
        asked = self.query(tenant_id, label, limit, start)
        runs = self._runs(RUNS if with_records else ROWS, *asked)
        return sorted(runs, key=lambda run: (run.row.since, run.key.run_id))


class PlacesLabels(MemoryStore):
    """Keeps the runs with a label by a `word` for it, in the order of their `place`."""

    def __init__(self) -> None:
        """Open an empty store."""
        self._places: dict[tuple[str | None, object], list[tuple[Any, str]]] = {}
        super().__init__()

    def word(self, label: str) -> object:
        """Return what a label is looked for by."""
        return label

    def place(self, since: datetime, run_id: str) -> Any:
        """Return what decides where a run comes."""
        return since, run_id

    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: Start = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return runs with the label, in the order of their places."""
        with self._lock:
            self._check_open()
            word = None if label is None else self.word(label)
            places, first = self._places.get((tenant_id, word), []), 0
            if start is not None:
                first = bisect_left(places, (self.place(start[0].astimezone(UTC), start[1]), ""))
            some = places[first : first + limit]
            return self._answer((run_id for _, run_id in some), with_records)

    def _put(self, run: StoredRun) -> None:
        super()._put(run)
        for name, place in self._entries(run):
            insort(self._places.setdefault(name, []), place)

    def _take_out(self, run: StoredRun) -> None:
        super()._take_out(run)
        for name, place in self._entries(run):
            places = self._places[name]
            del places[bisect_left(places, place)]

    def _entries(
        self, run: StoredRun
    ) -> Iterator[tuple[tuple[str | None, object], tuple[Any, str]]]:
        run_id, labels = run.key.run_id, run.row.labels
        place = self.place(run.row.since, run_id), run_id
        for word in {None, *map(self.word, labels)} if labels else ():
            yield (None, word), place
            yield (run.key.tenant_id, word), place
