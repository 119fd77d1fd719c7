"""Parquet, by DuckDB: writes an export from its lines, and reads the rows back."""

import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING

from scoria_core.errors import safe_repr
from scoria_evidence.errors import ExportRefused, broken
from scoria_evidence.rows import COLUMNS, Row

if TYPE_CHECKING:
    import duckdb

MAGIC = b"PAR1"
"""What a Parquet file begins with."""

DESCRIPTORS = Path("/dev/fd")
"""The directory in which each open file of this process has a path."""

ROWS_AT_ONCE = 10_240
"""How many rows Parquet keeps in memory before it writes them."""

LONGEST_LINE = 16 * 1024 * 1024
"""The longest line that DuckDB reads by default, in bytes."""

TYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "VARCHAR": ("VARCHAR",),
        "INTEGER": ("INTEGER", "BIGINT"),
        "TIMESTAMPTZ": ("TIMESTAMP WITH TIME ZONE",),
        "JSON": ("JSON", "VARCHAR"),
    }
)
"""The Parquet types that are accepted for each type of an export: a copy may have others."""

MANY = 1_000
"""How many rows of a Parquet file are fetched at a time."""


def check_duckdb() -> None:
    """Raise `ExportRefused` if DuckDB is not installed, or cannot write Parquet here."""
    if find_spec("duckdb") is None:
        raise ExportRefused("duckdb is not installed; pip install 'scoria-kit[duckdb]'")
    if not DESCRIPTORS.is_dir():
        problem = f"Parquet needs {DESCRIPTORS}, which this system does not have"
        raise ExportRefused(f"{problem}; write jsonl")


def _named(file: IO[bytes]) -> str:
    """Return a path by which SQL can name an open file.

    DuckDB reads a path as a pattern, and no escaping works for all paths. The path of a descriptor
    always means this very file.
    """
    return _literal(DESCRIPTORS / str(file.fileno()))


def _literal(text: object) -> str:
    """Return `text` as a string literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def write_parquet(lines: Path, longest: int, path: Path) -> None:
    """Convert a file of JSON lines to Parquet on the disk; its longest line has `longest` bytes."""
    import duckdb

    types = ", ".join(f"{_literal(name)}: {_literal(type_)}" for name, type_ in COLUMNS.items())
    # A directory that is called year=2026 would give every row a column `year`.
    read = "format = 'newline_delimited', hive_partitioning = false, "
    read += f"maximum_object_size = {max(longest + 1, LONGEST_LINE)}"
    write = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_AT_ONCE}, USE_TMP_FILE false"
    with lines.open("rb") as source, path.open("xb") as target:
        try:
            with duckdb.connect(config={"threads": 1}) as connection:
                connection.execute(
                    f"COPY (FROM read_json({_named(source)}, columns = {{{types}}}, {read})) "
                    f"TO {_named(target)} ({write})"
                )
        except duckdb.IOException as error:
            raise OSError(str(error)) from error
        os.fsync(target.fileno())


def parquet_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    """Yield the rows of a Parquet file, `at` in microseconds and `data` as text.

    Raises `StoreCorrupt` if it has other columns than an export, or cannot be read.
    """
    check_duckdb()
    import duckdb

    # As microseconds: how DuckDB returns a time depends on which other packages are installed.
    columns = [f'epoch_us("{name}")' if name == "at" else f'"{name}"' for name in COLUMNS]
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            if problem := _other_columns(connection, file):
                raise broken(path, f"has other columns than an export: {problem}")
            found = connection.execute(f"SELECT {', '.join(columns)} {_source(file)}")
            while many := found.fetchmany(MANY):
                yield from (dict(zip(COLUMNS, values, strict=True)) for values in many)
    except duckdb.Error as error:
        raise broken(path, "cannot be read as Parquet") from error


def is_export(file: IO[bytes]) -> bool:
    """Tell whether a Parquet file has the columns of an export."""
    check_duckdb()
    import duckdb

    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            return not _other_columns(connection, file)
    except duckdb.Error:
        return False


def _source(file: IO[bytes]) -> str:
    return f"FROM read_parquet({_named(file)}, hive_partitioning = false)"


def _other_columns(connection: "duckdb.DuckDBPyConnection", file: IO[bytes]) -> str:
    """Return how the columns of a file differ from those of an export, or nothing."""
    described = connection.execute(f"DESCRIBE {_source(file)}").fetchall()
    found = {name: type_ for name, type_, *_ in described}
    for name in {**COLUMNS, **found}:
        if found.get(name) not in TYPES.get(COLUMNS.get(name, ""), ()):
            says = f"is {found[name]} there" if name in found else "is not there"
            return f"{safe_repr(name)} {says}"
    return ""
