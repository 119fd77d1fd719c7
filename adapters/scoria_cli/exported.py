"""What an export holds, read back: the runs of the file, each checked as a store's are."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any

from scoria_cli.export import literal, need_duckdb
from scoria_cli.place import PARQUET
from scoria_cli.rows import COLUMNS, Row, rows
from scoria_core.errors import StoreCorrupt
from scoria_core.payloads import compact
from scoria_core.ports import Record
from scoria_core.run import Run

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MANY = 1_000
"""How many rows of a Parquet file are fetched at a time."""


def exported_runs(path: Path, asked: str | None = None) -> Iterator[Run]:
    """Yield the runs that an export holds, in its order, or only the one that is asked for.

    Raises `StoreCorrupt` naming the first entry that is missing, changed or moved, or whose columns
    do not say what its text says; and where the file is no export.
    """
    for run_id, group in groupby(_rows(path), itemgetter("run_id")):
        if asked not in (None, run_id):
            continue
        found = list(group)
        records = [Record(row["sequence"], row["digest"], row["body"]) for row in found]
        run = Run.replay(run_id, records)
        for number, (row, expected) in enumerate(zip_longest(found, rows(run)), start=1):
            if not _says(row, expected):
                raise StoreCorrupt(run_id, number, "has a column that its text contradicts")
        yield run


def _says(row: Row | None, expected: Row | None) -> bool:
    """Tell whether a row has the values of another to the letter: 1 is not 1.0, nor true."""
    if row is None or expected is None or row.keys() != expected.keys():
        return False
    try:
        return all(compact(row[name]) == compact(expected[name]) for name in expected)
    except (TypeError, ValueError, RecursionError):  # what is no JSON, like an infinite number
        return False


def _rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        is_parquet = file.read(len(PARQUET)) == PARQUET
    yield from _of_parquet(path) if is_parquet else _of_lines(path)


def _of_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield _checked(path, _parsed(path, line, number), number)


def _parsed(path: Path, text: bytes | str, number: int) -> Any:
    """Return what the text of a row says, or refuse what two readers may take for different."""
    try:
        told = text if isinstance(text, str) else text.decode()
        return json.loads(told, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise StoreCorrupt(
            f"export {path}", 0, f"has no JSON in its row {number}: {error}"
        ) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _of_parquet(path: Path) -> Iterator[Row]:
    need_duckdb()
    import duckdb

    # As whole microseconds: what DuckDB makes of a time depends on what else is installed.
    columns = [f'epoch_us("{name}")' if name == "at" else f'"{name}"' for name in COLUMNS]
    select = f"SELECT {', '.join(columns)} FROM read_parquet({literal(path)})"  # noqa: S608
    number = 0
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            found = connection.execute(select)
            while many := found.fetchmany(MANY):
                for values in many:
                    number += 1
                    row = dict(zip(COLUMNS, values, strict=True))
                    at = (EPOCH + timedelta(microseconds=row["at"])).isoformat()
                    row = {**row, "at": at, "data": _parsed(path, row["data"], number)}
                    yield _checked(path, row, number)
    except duckdb.Error as error:
        raise StoreCorrupt(f"export {path}", 0, "cannot be read as Parquet") from error


def _checked(path: Path, row: Any, number: int) -> Row:
    """Return the row, if it has what tells its place and what its digest covers."""
    texts = ("run_id", "digest", "body")
    is_row = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in texts)
    if not is_row or type(row.get("sequence")) is not int:
        raise StoreCorrupt(f"export {path}", 0, f"has no entry in its row {number}")
    return dict(row)
