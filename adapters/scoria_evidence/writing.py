"""The journals of a store as one file: a row for each entry, with the text that its digest covers.

The rows are streamed: what is held in memory is one run, whatever the number of runs. Parquet takes
a group of rows more.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import attrs

from scoria_core.errors import StoreCorrupt, safe_repr
from scoria_core.logs import logger_of
from scoria_core.paging import run_ids
from scoria_core.payloads import compact
from scoria_core.ports import RunStore
from scoria_core.pruning import has_ended
from scoria_core.run import Run
from scoria_core.visible import visible_line
from scoria_evidence.place import ExportRefused, beside, publish
from scoria_evidence.rows import COLUMNS, rows

logger = logger_of("scoria")

ROWS_AT_ONCE = 10_240
"""How many rows Parquet keeps in memory before it writes them."""

DESCRIPTORS = Path("/dev/fd")
"""Where the open files of a process have names."""

LONGEST_LINE = 16 * 1024 * 1024
"""How long a line DuckDB reads unless it is told of a longer one."""


@attrs.define
class Selection:
    """The runs of a store that go into an export; iterating finds them, newest first.

    `before` leaves those that ended before that time, `without` all but these. What was found is
    counted, and `content` is a digest over it; a run that is damaged, and a tenant or a run that
    there is not, goes to `tell`.
    Raises `StoreCorrupt` where the store as a whole is damaged.
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
        for run_id in run_ids(self.store, self.tenant_id):
            listed = True
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
        """Return a run, or None where it was removed since it was listed."""
        records = self.store.read(run_id)
        if not records and self.store.head(run_id) is None:
            return None
        run = Run.replay(run_id, records)
        if self.tenant_id not in (None, run.tenant_id):
            raise StoreCorrupt(run_id, 1, "is listed for another tenant than its own")
        return run


def head_of(run: Run) -> bytes:
    """Return a line that is another for every other journal."""
    return f"{run.run_id} {run.version} {run.head_digest}\n".encode()


def write_lines(found: Iterable[Run], file: IO[bytes]) -> int:
    """Write the rows of the runs, one line of JSON each; return the length of the longest."""
    longest = 0
    for run in found:
        for row in rows(run):
            longest = max(longest, file.write(visible_line(compact(row)).encode() + b"\n"))
    return longest


def write_file(found: Selection, path: Path, format_: str, *, force: bool = False) -> bool:
    """Write the rows of the runs to a file, and return when they are on the disk.

    Tells whether they were written: where a run is damaged, there is no file. `format_` is "jsonl"
    or "parquet". Raises `ExportRefused` where the file cannot be written, or is there already and
    `force` does not let it be written over.
    """
    try:
        return _write_file(found, path, format_, force=force)
    except FileExistsError as error:
        raise ExportRefused("came to be meanwhile; name a new file", str(path)) from error
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}; name a file elsewhere"
        raise ExportRefused(problem, str(path)) from error


def _write_file(found: Selection, path: Path, format_: str, *, force: bool) -> bool:
    with beside(path) as part:
        if format_ == "parquet":
            with beside(part) as lines:
                longest = _write_jsonl(found, lines)
                _write_parquet(lines, longest, part)
        else:
            _write_jsonl(found, part)
        if not found.damaged:
            publish(part, path, force=force)
    return not found.damaged


def need_duckdb() -> None:
    """Raise `ExportRefused` where DuckDB, which writes and reads Parquet, is not here or cannot."""
    if find_spec("duckdb") is None:
        raise ExportRefused("duckdb is not installed; pip install 'scoria-kit[duckdb]'")
    if not DESCRIPTORS.is_dir():
        problem = f"Parquet needs {DESCRIPTORS}, which this system does not have"
        raise ExportRefused(f"{problem}; write jsonl")


def named(file: IO[bytes]) -> str:
    """Return an open file as SQL names it.

    DuckDB takes a path for a pattern of names, and no escape serves for all of them. A descriptor
    is this very file.
    """
    return literal(DESCRIPTORS / str(file.fileno()))


def literal(text: object) -> str:
    """Return `text` as SQL writes it."""
    return "'" + str(text).replace("'", "''") + "'"


def _write_jsonl(found: Iterable[Run], path: Path) -> int:
    with path.open("xb") as file:
        longest = write_lines(found, file)
        file.flush()
        os.fsync(file.fileno())
    return longest


def _write_parquet(lines: Path, longest: int, path: Path) -> None:
    import duckdb

    types = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in COLUMNS.items())
    # A directory that is called year=2026 would give every row a column `year`.
    read = "format = 'newline_delimited', hive_partitioning = false, "
    read += f"maximum_object_size = {max(longest + 1, LONGEST_LINE)}"
    write = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_AT_ONCE}, USE_TMP_FILE false"
    with lines.open("rb") as source, path.open("xb") as target:
        try:
            with duckdb.connect(config={"threads": 1}) as connection:
                connection.execute(
                    f"COPY (FROM read_json({named(source)}, columns = {{{types}}}, {read})) "
                    f"TO {named(target)} ({write})"
                )
        except duckdb.IOException as error:
            raise OSError(str(error)) from error
        os.fsync(target.fileno())
