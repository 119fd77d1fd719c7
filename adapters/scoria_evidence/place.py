"""Where an export goes: a file has its name only when it is whole, and in the place of no other."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from scoria_core.files import sync
from scoria_evidence.errors import ExportRefused
from scoria_evidence.parquet import MAGIC, is_export
from scoria_evidence.rows import COLUMNS


def checked_place(out: str, *, force: bool = False) -> Path:
    """Return where an export goes, or raise `ExportRefused` before any work is done.

    A file that is there may be replaced only by `force`, and only where it is itself an export.
    """
    try:
        problem = _problem(out, force=force)
    except OSError as error:
        problem = f"cannot be used: {error.strerror or error}; name another file"
    if problem is not None:
        raise ExportRefused(problem, out)
    return Path(out)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` that nobody has; its file is gone afterwards unless it was moved.

    Its name is made of nothing but a random number: a process that was killed, or one of another
    container, may have had the same process id, and the name of `path` may leave no room.
    """
    part = path.with_name(f".scoria-{token_hex(8)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, path: Path, *, force: bool) -> None:
    """Give a whole file its name, so that it has it after a crash as well.

    Raises `FileExistsError` where a file has that name by now, unless `force` may replace it: an
    export.
    """
    if force:
        if path.exists() and not _is_export(path):
            raise FileExistsError(path)
        part.replace(path)
    else:
        _link(part, path)
    sync(path.parent)


def _problem(out: str, *, force: bool) -> str | None:
    path = Path(out)
    if not out:
        return "is empty; name a file"
    if not path.parent.is_dir():
        return "is in no directory that is there; make it, or name another file"
    if (path.exists() or path.is_symlink()) and not path.is_file():
        return "is not a regular file; name a new one"
    if path.exists() and not force:
        return "is there already; name a new file"
    if path.exists() and not _is_export(path):
        return "is no export, and --force replaces nothing else; name a new file"
    return None


def _is_export(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
        if start == MAGIC:
            return is_export(file)
        if not start:
            return True
        # Only what may be a row is read to the end of its line.
        return start.startswith(b"{") and _is_row(start + file.readline())


def _is_row(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and row.keys() == COLUMNS.keys()


def _link(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError as error:  # a file system that knows no links
        if path.exists():
            raise FileExistsError(path) from error
        part.replace(path)
