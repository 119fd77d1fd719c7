"""`scoria evidence`: what a store can prove about a run."""

import click

from scoria_cli.options import open_existing, store_option
from scoria_core import Scoria
from scoria_core.errors import StoreCorrupt
from scoria_core.model import RunDetail


@click.group()
def evidence() -> None:
    """Check and read the evidence that a store keeps."""


@evidence.command()
@click.argument("run_id")
@store_option
@click.option(
    "--head",
    metavar="DIGEST",
    help="A digest kept from an earlier check; the journal must still contain it.",
)
def verify(run_id: str, store: str, head: str | None) -> int:
    """Check that the journal of RUN_ID is whole and unchanged.

    The digests are chained, so a changed, missing or moved entry is found. A journal that was
    cut short is whole up to its end: keep the printed head elsewhere, and pass it as --head.
    """
    try:
        with open_existing(store) as scoria:
            detail = scoria.get_run_detail(run_id)
            listed = _listed(scoria, detail)
    except StoreCorrupt as error:
        if not error.sequence:
            raise  # it is not this run's journal that is broken
        click.echo(f"broken: {error}")
        return 1
    if head is not None and head not in {entry.digest for entry in detail.journal}:
        click.echo(f"broken: run {run_id} has no entry with digest {head}; it was cut short")
        return 1
    if not listed:
        click.echo(f"broken: entry 1 of run {run_id} is not found under its tenant and session")
        return 1
    click.echo(_whole(detail))
    return 0


def _listed(scoria: Scoria, detail: RunDetail) -> bool:
    """Tell whether the store still finds the run by what its first entry says."""
    identity, run_id = detail.identity, detail.summary.run_id
    view = scoria.for_tenant(identity.tenant_id)
    newest = view.list_runs_for_session(identity.session_id, limit=1, before=f"{run_id}~")
    return [run.run_id for run in newest] == [run_id]


def _whole(detail: RunDetail) -> str:
    entries, last = len(detail.journal), detail.journal[-1]
    return f"whole: {entries} entries of run {detail.summary.run_id}, head {last.digest}"
