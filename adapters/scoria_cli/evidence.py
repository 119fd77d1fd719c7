"""`scoria evidence`: what a store can prove about a run."""

import re
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

import attrs
import click

from scoria_cli.console import err_line, out_file, out_json, out_line
from scoria_cli.options import (
    Moment,
    existing_store,
    format_option,
    json_option,
    store_option,
    tenant_option,
    without_option,
)
from scoria_cli.prune import prune, refuse_damaged
from scoria_core.errors import RunNotFound, StoreCorrupt
from scoria_core.evidence import verified
from scoria_evidence.parquet import check_duckdb
from scoria_evidence.place import checked_place
from scoria_evidence.reading import exported_runs
from scoria_evidence.writing import Selection, write_file, write_lines


@click.group()
def evidence() -> None:
    """Check and read the evidence that a store keeps."""


evidence.add_command(prune)


@evidence.command()
@click.argument("run_id")
@store_option
@click.option(
    "--head",
    metavar="DIGEST",
    help="A digest kept from an earlier check; the journal must still contain it.",
)
@json_option
def verify(run_id: str, store: str, head: str | None, as_json: bool) -> int:
    """Check that the journal of RUN_ID is whole and unchanged.

    The digests are chained, so a changed, missing or moved entry is found, and so is a history that
    cannot have happened. What the store finds the run by must say what the journal says. A journal
    that was cut short is whole up to its end: keep the printed head elsewhere, pass it as --head.
    """
    tell = Told(as_json, {"run_id": run_id})
    if head is not None:
        head = head.strip().lower()
        if not re.fullmatch("[0-9a-f]{64}", head):
            raise click.UsageError("--head is no digest: pass the 64 hex digits that were printed")
    try:
        with closing(existing_store(store)) as opened:
            run = verified(opened, run_id)
    except StoreCorrupt as error:
        if not error.sequence:
            raise  # the damage is to the store, not to this journal
        return tell.broken(str(error))
    if head is not None and head not in {entry.digest for entry in run.journal}:
        return tell.broken(f"run {run_id} has no entry with digest {head}; it was cut short")
    whole = f"{run.version} entries of run {run_id}, head {run.head_digest}"
    return tell.whole(whole, entries=run.version, head=run.head_digest)


@evidence.command()
@store_option
@format_option
@click.option("--out", required=True, metavar="FILE", help="The file to write; - is stdout.")
@click.option("--force", is_flag=True, help="Replace an export that is there.")
@tenant_option
@click.option(
    "--before", type=Moment(), metavar="DATE", help="Only runs that ended before it, in UTC."
)
@without_option
@json_option
def export(
    store: str,
    format_: str,
    out: str,
    force: bool,
    tenant: str | None,
    before: datetime | None,
    without: tuple[str, ...],
    as_json: bool,
) -> int:
    """Write the journals of a store to a file: a row for each entry, with its whole text.

    If a run is damaged, no file is written: the run is named, and --without leaves it out.
    """
    to_stdout = out == "-"
    if to_stdout and format_ != "jsonl":
        raise click.UsageError("only jsonl goes to stdout; name a file")
    if to_stdout and as_json:
        raise click.UsageError("--json is printed to stdout; name a file with --out")
    if format_ == "parquet":
        check_duckdb()
    path = None if to_stdout else checked_place(out, force=force)
    with closing(existing_store(store)) as opened:
        found = Selection(opened, tenant, before, without, tell=err_line)
        if path is None:
            with out_file() as file:
                write_lines(found, file)
        else:
            write_file(found, path, format_, force=force)
    if found.damaged:
        return refuse_damaged()
    if as_json:
        out_json({"out": out, "format": format_, "runs": found.runs, "entries": found.entries})
    else:
        (err_line if to_stdout else out_line)(f"exported {found} to {out}")
    return 0


@evidence.command("verify-export")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("run_id", required=False)
@json_option
def verify_export(file: Path, run_id: str | None, as_json: bool) -> int:
    """Check that the journals in an exported FILE, or that of RUN_ID, are whole and unchanged.

    Each column must say what the text of its entry says. No store is needed.
    """
    tell = Told(as_json, {"file": str(file), "run_id": run_id})
    runs, entries = 0, 0
    try:
        for run in exported_runs(file, run_id):
            runs, entries = runs + 1, entries + run.version
    except StoreCorrupt as error:
        return tell.broken(str(error))
    if run_id is not None and not runs:
        raise RunNotFound(run_id)
    if not runs:
        problem = f"{file} holds no entry; if runs went into it, take another copy of it"
        return tell.broken(problem, word="nothing")
    if run_id is None:
        return tell.whole(f"{entries} entries of {runs} runs", runs=runs, entries=entries)
    head = run.head_digest
    whole = f"{entries} entries of run {run_id}, head {head}"
    return tell.whole(whole, entries=entries, head=head)


@attrs.frozen
class Told:
    """The verdict of a check, as a line or as JSON: `subject` says what was checked."""

    as_json: bool
    subject: Mapping[str, str | None]

    def whole(self, text: str, **facts: object) -> int:
        """Say that it holds, and return the exit code."""
        if self.as_json:
            out_json({**self.subject, "holds": True, **facts})
        else:
            out_line(f"whole: {text}")
        return 0

    def broken(self, problem: str, word: str = "broken") -> int:
        """Say what does not hold, and return the exit code."""
        if self.as_json:
            out_json({**self.subject, "holds": False, "problem": problem})
        else:
            out_line(f"{word}: {problem}")
        return 1
