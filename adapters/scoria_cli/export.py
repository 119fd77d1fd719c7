"""The journals of a store as one file: a row for each entry, with the text that its digest covers.

The rows are streamed: what is held in memory is one run, whatever the number of runs.
"""

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import attrs
import click

from scoria_cli.options import run_ids
from scoria_core.errors import StoreCorrupt
from scoria_core.payloads import compact
from scoria_core.ports import RunStore
from scoria_core.pruning import has_ended
from scoria_core.run import Run

Row = dict[str, Any]

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "run_id": "VARCHAR",
        "tenant_id": "VARCHAR",
        "session_id": "VARCHAR",
        "sequence": "INTEGER",
        "at": "TIMESTAMPTZ",
        "type": "VARCHAR",
        "subject": "VARCHAR",
        "subject_id": "VARCHAR",
        "trigger": "VARCHAR",
        "from_state": "VARCHAR",
        "to_state": "VARCHAR",
        "actor_id": "VARCHAR",
        "data": "JSON",
        "digest": "VARCHAR",
        "body": "VARCHAR",
    }
)
"""The columns of an export, with the type that each has in DuckDB."""

ROWS_AT_ONCE = 10_240
"""How many rows Parquet keeps in memory before it writes them."""

LONGEST_LINE = 16 * 1024 * 1024
"""How long a line DuckDB reads unless it is told of a longer one."""


format_option = click.option(
    "--format",
    "format_",
    default="jsonl",
    show_default=True,
    type=click.Choice(["jsonl", "parquet"]),
    help="A line of JSON for each entry, or Parquet.",
)
without_option = click.option(
    "--without", multiple=True, metavar="RUN_ID", help="Leave this run out: it is damaged."
)
DAMAGED = "a damaged run is not exported; see to it, or leave it out with --without RUN_ID"


@attrs.define
class Selection:
    """The runs of a store that go into an export; iterating finds them, newest first.

    `before` leaves those that ended before that time, `without` all but these. What was found is
    counted; a run that is damaged is told of on stderr. Raises `StoreCorrupt` where the store as a
    whole is damaged.
    """

    store: RunStore
    tenant_id: str | None = None
    before: datetime | None = None
    without: Container[str] = ()
    runs: int = 0
    entries: int = 0
    damaged: int = 0

    def __iter__(self) -> Iterator[Run]:
        for run_id in run_ids(self.store, self.tenant_id):
            run = None if run_id in self.without else self._whole(run_id)
            if run is not None and (self.before is None or has_ended(run, self.before)):
                self.runs += 1
                self.entries += run.version
                yield run

    def __str__(self) -> str:
        return f"{self.entries} entries of {self.runs} runs"

    def refused(self) -> int:
        """Say that a damaged run is in the way, and return the exit code."""
        click.echo(f"scoria: {DAMAGED}", err=True)
        return 1

    def _whole(self, run_id: str) -> Run | None:
        try:
            return self._read(run_id)
        except StoreCorrupt as error:
            if not error.sequence:
                raise
            self.damaged += 1
            click.echo(f"broken: {error}", err=True)
            return None

    def _read(self, run_id: str) -> Run | None:
        """Return a run, or None where it was removed since it was listed."""
        records = self.store.read(run_id)
        if not records and not self._is_listed(run_id):
            return None
        run = Run.replay(run_id, records)
        if self.tenant_id not in (None, run.tenant_id):
            raise StoreCorrupt(run_id, 1, "is listed for another tenant than its own")
        return run

    def _is_listed(self, run_id: str) -> bool:
        newest = self.store.list_runs(tenant_id=None, session_id=None, limit=1, before=f"{run_id}~")
        return list(newest) == [run_id]


def rows(run: Run) -> Iterator[Row]:
    """Yield the rows of a run, in the order of its journal."""
    identity = run.facts.identity
    for entry, record in zip(run.journal, run.records, strict=True):
        yield {
            "run_id": run.run_id,
            "tenant_id": identity.tenant_id,
            "session_id": identity.session_id,
            "sequence": entry.sequence,
            "at": entry.at.astimezone(UTC).isoformat(),
            "type": entry.type,
            "subject": entry.subject,
            "subject_id": entry.subject_id,
            "trigger": entry.trigger,
            "from_state": entry.from_state,
            "to_state": entry.to_state,
            "actor_id": entry.actor_id,
            "data": entry.data,
            "digest": record.digest,
            "body": record.body,
        }


def write_lines(found: Iterable[Run], file: IO[bytes]) -> int:
    """Write the rows of the runs, one line of JSON each; return the length of the longest."""
    longest = 0
    for run in found:
        for row in rows(run):
            longest = max(longest, file.write(compact(row).encode() + b"\n"))
    return longest


def write_file(found: Selection, path: Path, format_: str, *, force: bool = False) -> bool:
    """Write the rows of the runs to a file, and return when they are on the disk.

    Tells whether they were written: where a run is damaged, there is no file. Raises
    `FileExistsError` where the file is there already, unless it may be written over by `force`.
    """
    with _beside(path) as part:
        if format_ == "parquet":
            with _beside(part) as lines:
                longest = _write_jsonl(found, lines)
                _write_parquet(lines, longest, part)
        else:
            _write_jsonl(found, part)
        if not found.damaged:
            _publish(part, path, force=force)
    return not found.damaged


def checked_place(out: str, format_: str, *, force: bool = False) -> Path:
    """Return where an export goes, or refuse it before any work is done."""
    path = Path(out)
    if format_ == "parquet":
        need_duckdb()
    if path.exists() and not path.is_file():
        raise click.UsageError(f"{out} is no file; name a new one")
    if path.exists() and not force:
        raise click.UsageError(f"{out} is there already; name a new file")
    return path


def need_duckdb() -> None:
    """Refuse what only DuckDB can do, where it is not installed."""
    if find_spec("duckdb") is None:
        raise click.UsageError("duckdb is not installed; pip install 'scoria-kit[duckdb]'")


def literal(text: object) -> str:
    """Return `text` as SQL writes it."""
    return "'" + str(text).replace("'", "''") + "'"


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield a path for a file beside `path`, which is gone afterwards unless it was moved."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _publish(part: Path, path: Path, *, force: bool) -> None:
    """Give a whole file its name, so that it has it after a crash as well."""
    if force:
        part.replace(path)
    else:
        _link(part, path)
    with suppress(PermissionError):  # Windows opens no directory
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _link(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError as error:  # a file system that knows no links
        if path.exists():
            raise FileExistsError(path) from error
        part.replace(path)


def _write_jsonl(found: Iterable[Run], path: Path) -> int:
    with path.open("xb") as file:
        longest = write_lines(found, file)
        file.flush()
        os.fsync(file.fileno())
    return longest


def _write_parquet(lines: Path, longest: int, path: Path) -> None:
    import duckdb

    types = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in COLUMNS.items())
    read = f"format = 'newline_delimited', maximum_object_size = {max(longest + 1, LONGEST_LINE)}"
    write = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_AT_ONCE}"
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            f"COPY (FROM read_json({literal(lines)}, columns = {{{types}}}, {read})) "
            f"TO {literal(path)} ({write})"
        )
    with path.open("rb") as file:
        os.fsync(file.fileno())
