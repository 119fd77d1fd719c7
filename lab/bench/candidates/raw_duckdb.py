"""A narrow journal in a DuckDB file: answers from memory, group commit.

Its one writer owns the file, so what it wrote it knows.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import duckdb

from lab.bench.candidates.raw import RawRuns, Row
from lab.bench.finished import in_parts
from lab.bench.place import Place
from scoria_core.group_commit import GroupCommit

SETTINGS = "SET threads = 1; SET wal_autocheckpoint = '1MB'"
SCHEMA = "CREATE TABLE IF NOT EXISTS journal (run_id VARCHAR, number INTEGER, body VARCHAR)"
INSERT = """INSERT INTO journal
    SELECT unnest($run_ids::VARCHAR[]), unnest($numbers::INTEGER[]), unnest($bodies::VARCHAR[])"""
ROWS_A_STATEMENT = 10_000
FEW_ROWS = 8


class DuckDBJournal:
    """One table with no index, and all that this process wrote in memory."""

    def __init__(self, place: Place) -> None:
        self._connection = duckdb.connect(str(place.file))
        self._connection.execute(SETTINGS)
        self._connection.execute(SCHEMA)
        self._texts: defaultdict[str, list[str]] = defaultdict(list)
        self._writes: GroupCommit[Row, None] = GroupCommit(self._commit)

    def write(self, row: Row) -> None:
        """Store a row, with those that come meanwhile."""
        self._writes.store(row)

    def fill(self, rows: Iterable[Row]) -> None:
        """Store rows, some thousands a commit, and keep none in memory."""
        for some in in_parts(rows, ROWS_A_STATEMENT):
            self._insert(some)

    def read(self, run_id: str) -> Sequence[str]:
        """Return the texts of a run that this process wrote."""
        return self._texts[run_id]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _commit(self, rows: Sequence[Row]) -> Sequence[None]:
        self._insert(rows)
        for run_id, _, text in rows:
            self._texts[run_id].append(text)
        return [None] * len(rows)

    def _insert(self, rows: Sequence[Row]) -> None:
        if len(rows) <= FEW_ROWS:
            places = ", ".join(["(?, ?, ?)"] * len(rows))
            values = [value for row in rows for value in row]
            self._connection.execute(f"INSERT INTO journal VALUES {places}", values)  # noqa: S608 - question marks
            return
        run_ids, numbers, bodies = (list(column) for column in zip(*rows, strict=True))
        given = {"run_ids": run_ids, "numbers": numbers, "bodies": bodies}
        self._connection.execute(INSERT, given)


def open_candidate(place: Place) -> RawRuns:
    """Open W on the file of the place."""
    return RawRuns(DuckDBJournal(place))
