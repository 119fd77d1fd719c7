"""Makes a DuckDB file smaller: DuckDB itself never gives back the space of deleted rows."""

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
    """Replace the file at `path`, which `connection` has open, by a copy without unused space.

    The file must have no log, and nothing may write to it any more. If the process is killed at
    any moment, the file at `path` is complete: either the old one or the new one. If the copy
    cannot be made, or cannot get the owner and the mode of the file, the file stays as it is, and a
    warning says why.
    """
    try:
        with _place_for_a_copy(path) as copy:
            _copy(connection, copy)
            _hand_over(path, copy)
            # The open connection still keeps other processes out of the old file. A log of the old
            # file would be replayed into the new one, and a log of the copy would be lost.
            if not _log_of(path).exists() and not _log_of(copy).exists():
                copy.replace(path)
                sync(path.parent)  # the rename survives a power failure
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
    sync(copy)  # before the rename: a power failure must not leave half a file at `path`


def _hand_over(path: Path, copy: Path) -> None:
    """Give the copy the owner and the mode of the file, or raise `OSError`."""
    if hasattr(os, "chown"):  # Windows has none
        found = path.stat()
        os.chown(copy, found.st_uid, found.st_gid)
    shutil.copymode(path, copy)  # after chown, which clears the setuid and setgid bits


@contextmanager
def _place_for_a_copy(path: Path) -> Iterator[Path]:
    """Yield an unused path beside `path`: a copy that a killed process left is removed first."""
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
