"""The journals of a store as one file: a row for each entry, with the text that its digest covers.

The rows are streamed: only one run is in memory at a time, however many there are. Parquet also
keeps a group of rows in memory.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

import attrs

from scoria_core.errors import StoreCorrupt, safe_repr
from scoria_core.logs import logger_of
from scoria_core.paging import every_run
from scoria_core.payloads import compact
from scoria_core.ports import RunStore
from scoria_core.pruning import has_ended
from scoria_core.run import Run
from scoria_core.visible import visible_line
from scoria_evidence.errors import ExportRefused
from scoria_evidence.parquet import check_duckdb, write_parquet
from scoria_evidence.place import beside, publish
from scoria_evidence.rows import rows

logger = logger_of("scoria")


FORMATS = ("jsonl", "parquet")
"""What an export may be: a line of JSON for each entry, or Parquet."""


@attrs.define
class Selection:
    """The runs of a store that go into an export; iterating finds them, newest first.

    `before` keeps only runs that ended before that time; `without` skips these run ids. The runs
    are counted, and `content` is a digest over them. Damaged runs, and tenants or runs that do not
    exist, are reported to `tell`. Raises `StoreCorrupt` if the store as a whole is damaged.
    """

    store: RunStore
    tenant_id: str | None = None
    before: datetime | None = None
    without: Collection[str] = ()
    runs: int = 0
    entries: int = 0
    damaged: int = 0
    tell: Callable[[str], object] = logger.warning
    content: "hashlib._Hash" = attrs.field(factory=hashlib.sha256, eq=False)

    def __iter__(self) -> Iterator[Run]:
        listed, unseen = False, dict.fromkeys(self.without)
        for stored in every_run(self.store, self.tenant_id):
            run_id, listed = stored.key.run_id, True
            unseen.pop(run_id, None)
            run = None if run_id in self.without else self._whole(run_id)
            if run is not None and (self.before is None or has_ended(run, self.before)):
                self.runs += 1
                self.entries += run.version
                self.content.update(head_of(run))
                yield run
        self._tell_of_none(listed, unseen)

    def __str__(self) -> str:
        return f"{self.entries} entries of {self.runs} runs"

    def _tell_of_none(self, listed: bool, unseen: Iterable[str]) -> None:
        if self.tenant_id is not None and not listed:
            self.tell(f"tenant {safe_repr(self.tenant_id)} has no run here")
        for run_id in unseen:
            self.tell(f"{safe_repr(run_id)}, which was to be left out, is no run that is here")

    def _whole(self, run_id: str) -> Run | None:
        try:
            return self._read(run_id)
        except StoreCorrupt as error:
            if not error.sequence:
                raise
            self.damaged += 1
            self.tell(f"broken: {error}")
            return None

    def _read(self, run_id: str) -> Run | None:
        """Return a run, or None if it was removed since it was listed."""
        found = self.store.read([run_id])
        if not found:
            return None
        run = Run.replay(run_id, found[0].records)
        if self.tenant_id not in (None, run.tenant_id):
            raise StoreCorrupt(run_id, 1, "is listed for another tenant than its own")
        return run


def head_of(run: Run) -> bytes:
    """Return a line that identifies this journal: its id, version and head digest."""
    return f"{run.run_id} {run.version} {run.head_digest}\n".encode()


def write_lines(found: Iterable[Run], file: IO[bytes]) -> int:
    """Write the rows of the runs, one line of JSON each; return the length of the longest."""
    longest = 0
    for run in found:
        for row in rows(run):
            longest = max(longest, file.write(visible_line(compact(row)).encode() + b"\n"))
    return longest


def write_file(found: Selection, path: Path, format_: str, *, force: bool = False) -> bool:
    """Write the rows of the runs to a file, and return when it is on the disk.

    Returns False, and leaves no file, if a run is damaged. `format_` is "jsonl" or "parquet".
    Raises `ExportRefused` if the file cannot be written, or exists and `force` does not allow
    replacing it.
    """
    if format_ not in FORMATS:
        raise ExportRefused(f"format is {safe_repr(format_)}; pass one of {', '.join(FORMATS)}")
    if format_ == "parquet":
        check_duckdb()
    try:
        return _write_file(found, path, format_, force=force)
    except FileExistsError as error:
        raise ExportRefused("was created during the export; name a new file", str(path)) from error
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}; name a file elsewhere"
        raise ExportRefused(problem, str(path)) from error


def _write_file(found: Selection, path: Path, format_: str, *, force: bool) -> bool:
    with beside(path) as part:
        if format_ == "parquet":
            with beside(part) as lines:
                longest = _write_jsonl(found, lines)
                write_parquet(lines, longest, part)
        else:
            _write_jsonl(found, part)
        if not found.damaged:
            publish(part, path, force=force)
    return not found.damaged


def _write_jsonl(found: Iterable[Run], path: Path) -> int:
    with path.open("xb") as file:
        longest = write_lines(found, file)
        file.flush()
        os.fsync(file.fileno())
    return longest
