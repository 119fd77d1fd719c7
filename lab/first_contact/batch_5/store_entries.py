"""Stores whose entries of labels are not what the rows say."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import attrs

from lab.first_contact.batch_3.tools import (
    around_commits,
    in_killed_child,
    key,
    kill_self,
    later,
    records,
    wrong_store,
)
from lab.first_contact.batch_5.tools import PlacesLabels, WritesLabels, ask, found, go_on, row_with
from lab.first_contact.runs import run_of
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import MOVE, _number, _written

MOVE_ALONE = MOVE[: MOVE.index("EXISTS")] + "FALSE"
"""Moves a run, and lets the entries of its labels be."""

ENTER = """INSERT INTO label SELECT run_id, value, tenant_id, since
    FROM run, json_each(run.labels) WHERE run_id = ?"""


class LabelsAfterTheRow(WritesLabels):
    """STORE-31: writes the entries of the labels in a transaction after that of the row."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, and then its labels."""
        run_id = super().create(key, records, row=row)
        self._enter(run_id)
        return run_id

    def append(self, run_id: str, records: Sequence[Record], **more: Any) -> None:
        """Append, and then write the labels anew."""
        super().append(run_id, records, **more)
        self._enter(run_id)

    def written(
        self, connection: Any, statement: str, run: Any, records: Any, row: IndexRow
    ) -> Any:
        """Store the row and the records."""
        statement = MOVE_ALONE if statement == MOVE else statement
        return _written(connection, statement, run, records, attrs.evolve(row, labels=()))

    def _enter(self, run_id: str) -> None:
        def write(connection: sqlite3.Connection) -> Any:
            connection.execute("DELETE FROM label WHERE run_id = ?", (run_id,))
            connection.execute(ENTER, (run_id,))
            return run_id

        self._writes.store(write)


def show_after(make: Any, directory: Path) -> None:
    """Assert that a run has the labels of its row, where who wrote them was killed."""
    ask(make(directory), "run-1", "tool:refund")

    def decide() -> None:
        store = make(directory)
        with around_commits(after=kill_self):
            go_on(store, "run-1", "tool:invoice")

    in_killed_child(decide)
    store = make(directory)
    run = run_of(store, "run-1")
    assert run is not None
    labels = ("tool:refund", "tool:invoice")
    assert run.row.labels == tuple(each for each in labels if found(store, each))


class SameLabelsKept(WritesLabels):
    """STORE-39: leaves the entries where the labels are the same, though `since` is another."""

    def written(
        self, connection: Any, statement: str, run: Any, records: Any, row: IndexRow
    ) -> Any:
        """Write the labels only where they have changed."""
        query = "SELECT labels FROM run WHERE run_id = ?"
        before = connection.execute(query, (run["run_id"],)).fetchone()
        if statement == MOVE and before == (run["labels"],):
            statement, row = MOVE_ALONE, attrs.evolve(row, labels=())
        return _written(connection, statement, run, records, row)


def show_same(make: Any, directory: Path) -> None:
    """Assert that a run which asks the same anew has waited since then."""
    store = make(directory)
    ask(store, "run-1", "tool:refund")
    ask(store, "run-2", "tool:refund", since=later(1))
    go_on(store, "run-1", "tool:refund", since=later(2))
    assert found(store, "tool:refund", start=(later(1), "run-2")) == ["run-2", "run-1"]
    assert found(store, "tool:refund", limit=1) == ["run-2"]


class LabelsCut(WritesLabels):
    """STORE-35: compares the first 255 characters of a label, which may be longer."""

    def written(
        self, connection: Any, statement: str, run: Any, records: Any, row: IndexRow
    ) -> Any:
        """Write as much of each label as the column takes."""
        labels = tuple(dict.fromkeys(each[:255] for each in row.labels))
        return _written(connection, statement, run, records, attrs.evolve(row, labels=labels))

    def list_labelled(self, *, label: str | None, **asked: Any) -> Sequence[StoredRun]:
        """List by as much of the label as there is."""
        return super().list_labelled(label=label and label[:255], **asked)


def show_cut(make: Any, directory: Path) -> None:
    """Assert that two long names are two, which differ at their end."""
    store, name = make(directory), "n" * 254
    ask(store, "run-1", f"assigned:{name}1")
    ask(store, "run-2", f"assigned:{name}2")
    assert found(store, f"assigned:{name}1") == ["run-1"]


class LabelsByChecksum(PlacesLabels):
    """STORE-10: finds labels by a checksum, and compares no more than that."""

    def word(self, label: str) -> object:
        """Return a number, which is quicker to compare than a text."""
        return crc32(label.encode("utf-8", "surrogatepass"))


def show_checksum(make: Any, directory: Path) -> None:
    """Assert that two labels are two, whose checksum is one."""
    store, labels = make(directory), ("assigned:plumless", "assigned:buckeroo")
    assert len({crc32(each.encode()) for each in labels}) == 1
    ask(store, "run-1", labels[0])
    ask(store, "run-2", labels[1])
    assert found(store, labels[0]) == ["run-1"]


class RepeatAddsLabels(PrunableSQLiteStore):
    """STORE-3: writes labels for the run that has the key already."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, and see that it is found by its labels."""
        run_id = super().create(key, records, row=row)
        since = _number(row.since)
        entries = [(run_id, each, key.tenant_id, since) for each in row.labels]

        def write(connection: sqlite3.Connection) -> Any:
            connection.executemany("INSERT OR IGNORE INTO label VALUES (?, ?, ?, ?)", entries)
            return run_id

        return self._writes.store(write) if entries else run_id


def show_repeat(make: Any, directory: Path) -> None:
    """Assert that a key that was used adds no label to the run that has it."""
    store = make(directory)
    store.create(key("run-1", named="k"), records(1, 1), row=row_with())
    store.create(key("run-2", named="k"), records(1, 1), row=row_with("tool:refund"))
    assert found(store, "tool:refund") == []


class EndedTidiedAway(PrunableSQLiteStore):
    """STORE-14: when it is opened, removes the labels of runs that have ended."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it smaller."""
        super().__init__(path)
        with suppress(StoreUnavailable):  # it can only be read
            self._writes.store(self._tidy)

    @staticmethod
    def _tidy(connection: sqlite3.Connection) -> str:
        ended = "SELECT run_id FROM run WHERE has_ended"
        connection.execute(f"DELETE FROM label WHERE run_id IN ({ended})")  # noqa: S608
        return ""


def show_ended(make: Any, directory: Path) -> None:
    """Assert that a run that has ended with a label is found by it after the store is reopened."""
    store = make(directory)
    ask(store, "run-1", "tool:refund", has_ended=True)
    store.close()
    assert found(make(directory), "tool:refund") == ["run-1"]


WRONG = (
    wrong_store("labels_after_the_row", "STORE-31", LabelsAfterTheRow, show_after),
    wrong_store("same_labels_kept", "STORE-39", SameLabelsKept, show_same),
    wrong_store("labels_cut", "STORE-35", LabelsCut, show_cut),
    wrong_store("labels_by_checksum", "STORE-10", LabelsByChecksum, show_checksum),
    wrong_store("repeat_adds_labels", "STORE-3", RepeatAddsLabels, show_repeat),
    wrong_store("ended_tidied_away", "STORE-14", EndedTidiedAway, show_ended),
)
