"""A DuckDB file without the room of rows that were deleted: DuckDB itself never gives it back."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from scoria_core.files import sync
from scoria_core.logs import logger_of

logger = logger_of("scoria")

NEEDED = "as much room again as it has must be free beside it, for a copy of the same owner"


def compact(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Put a copy without room in the place of the file at `path`, which `connection` has open.

    The file must be without a log, and nothing may be written to it any more. Killed at any moment,
    the file at `path` is whole, the one before or the one after. Where the copy cannot be made, or
    cannot have the owner and the mode of the file, the file stays as it is, and a warning says why.
    """
    try:
        with _place_for_a_copy(path) as copy:
            _copy(connection, copy)
            _hand_over(path, copy)
            # Until it is closed, the connection keeps other processes from the file as it was.
            if not _log_of(path).exists() and not _log_of(copy).exists():
                copy.replace(path)
                sync(path.parent)
    except (duckdb.Error, OSError) as error:
        said = " ".join(str(error).split())
        logger.warning("%s was not made smaller: %s; %s", path, said, NEEDED)


def _copy(connection: duckdb.DuckDBPyConnection, copy: Path) -> None:
    (name,) = connection.execute("SELECT current_database()").fetchall()[0]
    source, target = (
        text.replace(quote, quote * 2) for text, quote in ((name, '"'), (str(copy), "'"))
    )
    connection.execute(f"ATTACH '{target}' AS scoria_copy")
    try:
        connection.execute(f'COPY FROM DATABASE "{source}" TO scoria_copy')
        connection.execute("CHECKPOINT scoria_copy")
    finally:
        connection.execute("DETACH scoria_copy")
    sync(copy)


def _hand_over(path: Path, copy: Path) -> None:
    """Give the copy the owner and the mode of the file, or raise `OSError`."""
    if hasattr(os, "chown"):  # Windows has none
        found = path.stat()
        os.chown(copy, found.st_uid, found.st_gid)
    shutil.copymode(path, copy)  # after the owner: a change of that takes away special bits


@contextmanager
def _place_for_a_copy(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` at which nothing is, not even from a process that was killed."""
    copy = path.with_name(f"{path.name}.smaller")
    _remove(copy)
    try:
        yield copy
    finally:
        _remove(copy)


def _remove(copy: Path) -> None:
    for each in (copy, _log_of(copy)):
        each.unlink(missing_ok=True)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")
