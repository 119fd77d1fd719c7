"""Where an export is written: it gets its name only when complete, and replaces nothing else."""

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

    An existing file is replaced only with `force`, and only if it is itself an export.
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
    """Yield an unused path beside `path`; the file there is removed afterwards if it still exists.

    Its name is only a random number: a killed process, or one in another container, may have had
    the same process id, and the name of `path` may leave no room for more.
    """
    part = path.with_name(f".scoria-{token_hex(8)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, path: Path, *, force: bool) -> None:
    """Give a complete file its name, durably.

    Raises `FileExistsError` if a file has that name by now, unless `force` may replace it because
    it is an export.
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
        # A line may be long, so read to its end only if it may be a row.
        return start.startswith(b"{") and _is_row(start + file.readline())


def _is_row(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and row.keys() == COLUMNS.keys()


def _link(part: Path, path: Path) -> None:
    # A link fails if the name is taken; a rename would replace a file that was made meanwhile.
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError as error:  # a file system without hard links
        if path.exists():
            raise FileExistsError(path) from error
        part.replace(path)
