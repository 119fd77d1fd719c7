"""Reads an export back: the runs of the file, each checked as those of a store are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from scoria_core.errors import StoreCorrupt, safe_repr
from scoria_core.payloads import compact, name_problem, parsed
from scoria_core.ports import Record
from scoria_core.run import Run
from scoria_evidence.errors import broken
from scoria_evidence.parquet import MAGIC, parquet_rows
from scoria_evidence.rows import Row, rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEXT_MOVE = "do not rely on this file; take another copy of it"


def exported_runs(path: Path, asked: str | None = None) -> Iterator[Run]:
    """Yield the runs of an export in its order, or only the run `asked`.

    Raises `StoreCorrupt` naming the first entry that is missing, changed or moved, or whose columns
    contradict its text; or if the file is no export.
    """
    try:
        for run_id, group in groupby(_rows(path), itemgetter("run_id")):
            if asked in (None, run_id):
                yield _replayed(run_id, list(group))
    except StoreCorrupt as error:
        raise StoreCorrupt(error.run_id, error.sequence, error.problem, NEXT_MOVE) from error


def _replayed(run_id: str, found: list[Row]) -> Run:
    records = [Record(row["sequence"], row["digest"], row["body"]) for row in found]
    run = Run.replay(run_id, records)
    for number, (row, expected) in enumerate(zip_longest(found, rows(run)), start=1):
        if not _says(row, expected):
            raise StoreCorrupt(run_id, number, "has a column that its text contradicts")
    return run


def _says(row: Row | None, expected: Row | None) -> bool:
    """Tell whether two rows have exactly the same values: 1 is not 1.0, nor true."""
    if row is None or expected is None or row.keys() != expected.keys():
        return False
    try:
        return all(compact(row[name]) == compact(expected[name]) for name in expected)
    except (TypeError, ValueError, RecursionError):  # what is no JSON, like an infinite number
        return False


def _rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        is_parquet = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        if not is_parquet:
            yield from _of_lines(path, file)
            return
        for number, row in enumerate(parquet_rows(path, file), start=1):
            yield _checked(path, _of_columns(path, row, number), number)


def _of_lines(path: Path, file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        yield _checked(path, _parsed(path, line, number), number)


def _parsed(path: Path, text: bytes | str, number: int) -> Any:
    """Parse the text of a row; refuse what two parsers may read differently."""
    try:
        told = text if isinstance(text, str) else text.decode()
        return parsed(told)
    except (ValueError, RecursionError) as error:
        raise broken(path, f"has no JSON in its row {number}: {error}") from error


def _of_columns(path: Path, row: Row, number: int) -> Row:
    """Convert a row of Parquet to the form of a line."""
    if row["data"] is None:
        raise broken(path, f"has no data in its row {number}")
    try:
        at = (EPOCH + timedelta(microseconds=row["at"])).isoformat()
    except (TypeError, OverflowError) as error:
        raise broken(path, f"has no time in its row {number}") from error
    return {**row, "at": at, "data": _parsed(path, row["data"], number)}


def _checked(path: Path, row: Any, number: int) -> Row:
    """Return the row, if it has the columns that locate it and that its digest covers."""
    texts = ("run_id", "digest", "body")
    is_row = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in texts)
    if not is_row or type(row.get("sequence")) is not int:
        raise broken(path, f"has no entry in its row {number}")
    run_id = row["run_id"]
    if name_problem(run_id) or not run_id.isprintable():
        raise broken(path, f"has no run of the id {safe_repr(run_id)}, as its row {number} says")
    return dict(row)
