"""`scoria evidence prune`: exports the runs that have ended, then removes them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import cast

import click

from scoria_cli.console import err_line, out_json, out_line, out_row
from scoria_cli.options import (
    Moment,
    existing_store,
    format_option,
    json_option,
    store_option,
    tenant_option,
    without_option,
)
from scoria_core.ports import Capability, PrunableStore, RunStore
from scoria_core.pruning import has_ended
from scoria_evidence.parquet import check_duckdb
from scoria_evidence.place import checked_place
from scoria_evidence.reading import exported_runs
from scoria_evidence.writing import Selection, head_of, write_file

AT_ONCE = 2_000
"""How many runs are removed in one call."""

DAMAGED = "a damaged run is not exported; see to it, or leave it out with --without RUN_ID"

CHANGED = "does not hold what was written to it, so nothing was removed; prune into another file"


@click.command()
@store_option
@click.option(
    "--before",
    required=True,
    type=Moment(),
    metavar="DATE",
    help="Runs that ended before it, in UTC: 2026-01-31, or with a time.",
)
@click.option("--out", metavar="FILE", help="The file that the runs go to; it must be new.")
@format_option
@tenant_option
@without_option
@click.option("--dry-run", is_flag=True, help="Say which runs would go, and do nothing.")
@json_option
def prune(
    store: str,
    before: datetime,
    out: str | None,
    format_: str,
    tenant: str | None,
    without: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> int:
    """Export the runs that ended before DATE, then remove them from the store.

    Runs that can still go on stay, failed ones too. First FILE is written to the disk and read
    back; then only the runs that are in it are removed. If this is interrupted, call it again with
    another FILE.

    The idempotency key of a run that was removed is free: choose a DATE before which no start is
    repeated any more.
    """
    if out == "-" or (out is None and not dry_run):
        raise click.UsageError("the runs must go to a file; pass --out FILE, or --dry-run")
    if format_ == "parquet":
        check_duckdb()
    place = None if out is None else checked_place(out)
    with closing(_prunable(existing_store(store), store)) as opened:
        found = Selection(opened, tenant, before, without, tell=err_line)
        if dry_run or place is None:
            return _told(found, as_json=as_json)
        if not write_file(found, place, format_):
            return refuse_damaged()
        if not found.runs:
            opened.prune({})  # frees the space of runs that a killed call removed
        if not _is_written(found, place):
            err_line(f"scoria: {out} {CHANGED}")
            return 1
        removed = _removed(opened, place, before)
    if as_json:
        counts = {"runs": found.runs, "entries": found.entries, "removed": removed}
        out_json({"out": out, "format": format_, **counts})
    else:
        out_line(f"pruned {removed} runs; {out} has {found}")
    return 0


def refuse_damaged() -> int:
    """Say that a damaged run prevents the export, and return the exit code."""
    err_line(f"scoria: {DAMAGED}")
    return 1


def _prunable(opened: RunStore, url: str) -> PrunableStore:
    if Capability.PRUNABLE not in opened.capabilities:
        opened.close()
        raise click.UsageError(f"the store of {url.partition(':')[0]}:// cannot remove runs")
    return cast(PrunableStore, opened)


def _told(found: Selection, *, as_json: bool) -> int:
    for run in found:
        ended_at = run.journal[-1].at
        told = {"run_id": run.run_id, "status": run.status, "tenant_id": run.tenant_id}
        if as_json:
            out_json({**told, "ended_at": ended_at.isoformat()})
        else:
            out_row(*told.values(), f"{ended_at:%Y-%m-%d %H:%M}")
    if found.damaged:
        return refuse_damaged()
    err_line(f"would prune {found}")
    return 0


def _is_written(found: Selection, place: Path) -> bool:
    """Tell whether the file, read back, contains exactly the runs that were exported."""
    content = sha256()
    for run in exported_runs(place):
        content.update(head_of(run))
    return content.digest() == found.content.digest()


def _removed(store: PrunableStore, place: Path, before: datetime) -> int:
    """Remove the exported runs, each at its exported version, and return how many."""
    return sum(len(store.prune(versions)) for versions in _batches(place, before))


def _batches(place: Path, before: datetime) -> Iterator[dict[str, int]]:
    ended = ((run.run_id, run.version) for run in exported_runs(place) if has_ended(run, before))
    while versions := dict(islice(ended, AT_ONCE)):
        yield versions
