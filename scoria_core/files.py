"""Checks the file of a store: what it may be, and that it is still in its place.

For stores that keep their runs in a file. A database keeps writing to a file that was unlinked,
renamed or replaced, and what it acknowledges then is lost.
"""

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from scoria_core.errors import StoreUnavailable
from scoria_core.visible import visible_line

Identity = tuple[int, int, int]

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def sync(path: Path) -> None:
    """Flush a file, or the names in a directory, to the disk, to survive a power failure."""
    with suppress(PermissionError):  # Windows opens no directory
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def path_name(path: Path) -> str:
    """Return how a path is named in messages.

    What looks like a user and a password may be one: of a URL with one slash too many.
    """
    return re.sub("[^/]*:[^/]*@", "...", visible_line(path))


class StoreFile:
    """The file at `path`, and the files beside it that the database also writes.

    `suffixes` are appended to its name to name those. `name` is what messages call the store.
    """

    def __init__(self, path: Path, suffixes: Sequence[str] = (), name: str | None = None) -> None:
        self.path = path.absolute()
        self.name = name or path_name(self.path)
        self._paths = {each: f"{self.path}{each}" for each in ("", *suffixes)}
        self._seen: dict[str, Identity] = {}
        self.is_sealed = False

    def check_place(self) -> None:
        """Raise `StoreUnavailable` unless the path can hold a store; called before it is opened.

        It must be one regular file without another hard link, or a new file in an existing
        directory. A FIFO would hang, and a database under two names is not safe. A file that was
        open before must still be the same file.
        """
        if self._seen:
            self._check("")  # until this opens it, who has it open may close it: the log goes then
        try:
            found = self.path.stat()
        except FileNotFoundError as error:
            if not self.path.parent.is_dir():
                next_move = "make the directory, or check the path"
                raise StoreUnavailable(self.name, "is in no directory", next_move) from error
            return
        except OSError as error:
            problem = f"cannot be used: {error.strerror}"
            raise StoreUnavailable(self.name, problem, "check the path") from error
        if not stat.S_ISREG(found.st_mode):
            kind = next((kind for is_kind, kind in _KINDS if is_kind(found.st_mode)), "no file")
            raise StoreUnavailable(self.name, f"is {kind}", "name a regular file, or a new one")
        if found.st_nlink > 1:
            problem = f"has {found.st_nlink} hard links: opened by each, it loses writes"
            next_move = "remove the other links, or open a copy of it"
            raise StoreUnavailable(self.name, problem, next_move)

    def check_identity(self) -> None:
        """Raise `StoreUnavailable` if the file was removed or replaced since the store was opened.

        The first call, right after opening, remembers the file. Call it again after each commit,
        before acknowledging it. A file beside it is remembered when it is first seen. With
        `is_sealed`, for a file that nobody may write, no change at all is allowed.
        """
        for suffix in self._paths:
            self._check(suffix)

    def is_beside(self, suffix: str) -> bool:
        """Tell whether the file with that suffix exists."""
        return _identity(self._paths[suffix]) is not None

    def forget(self, *suffixes: str) -> None:
        """Stop expecting the same files with these suffixes: the database has closed them."""
        for suffix in suffixes:
            self._seen.pop(suffix, None)

    def is_read_only(self) -> bool:
        """Tell whether the file exists and this user cannot write it, or create files beside it."""
        return os.access(self.path, os.F_OK) and not (
            os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        )

    def _check(self, suffix: str) -> None:
        path = self._paths[suffix]
        identity = _identity(path, with_time=self.is_sealed)
        if suffix in self._seen:
            if identity != self._seen[suffix]:
                raise self._lost(path, identity)
        elif identity is not None:
            if self.is_sealed and suffix:
                raise self._lost(path, identity)
            self._seen[suffix] = identity

    def _lost(self, path: str, found: Identity | None) -> StoreUnavailable:
        changed = "was written" if self.is_sealed else "was replaced by another"
        what = "was removed or renamed" if found is None else changed
        problem = f"lost its file: {visible_line(path)} {what} while it was open"
        next_move = "put back the file that belongs there, and open the store again"
        return StoreUnavailable(self.name, problem, next_move)


def _identity(path: str, *, with_time: bool = False) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of the time that Path.stat takes
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns if with_time else 0
