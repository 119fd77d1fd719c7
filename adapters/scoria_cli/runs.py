"""`scoria runs`: see runs, and decide, from the shell, with the checks that a host has."""

import getpass
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import click
from rich.table import Table

from scoria_cli.console import console, err_line, out_line, out_row
from scoria_cli.options import (
    Amount,
    Whole,
    existing_store,
    open_existing,
    run_ids,
    store_option,
    tenant_option,
)
from scoria_core import RunDetail, RunSummary, Scoria
from scoria_core.errors import ApprovalNotPending, StoreCorrupt
from scoria_core.lifecycles import RunStatus
from scoria_core.payloads import compact


def _login_name() -> str:
    """Return who is at the shell; a uid without a name, as in many containers, has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise click.UsageError("this user has no login name; say who decides with --by") from error


actor_option = click.option(
    "--by",
    "actor",
    default=_login_name,
    show_default="your login name",
    help="Who decides, as the journal names them.",
)


@click.group()
def runs() -> None:
    """List runs, show one, and decide on it."""


@runs.command("list")
@store_option
@tenant_option
@click.option(
    "--status",
    type=click.Choice([status.value for status in RunStatus]),
    help="Only runs that stand so.",
)
@click.option(
    "--waiting-longer-than",
    "hours",
    type=Amount(),
    metavar="HOURS",
    help="Only runs that have waited so long for a person.",
)
@click.option("--limit", default=50, show_default=True, type=Whole())
def list_(
    store: str, tenant: str | None, status: str | None, hours: float | None, limit: int
) -> None:
    """List runs, newest first."""

    def is_asked_for(run: RunSummary) -> bool:
        return (status is None or run.status == status) and (
            hours is None or _waited(run) > timedelta(hours=hours)
        )

    opened = existing_store(store)
    with Scoria(opened) as scoria:
        every = _readable(scoria, run_ids(opened, tenant))
        found = list(islice(filter(is_asked_for, every), limit))
    _print(found)


@runs.command()
@click.argument("run_id")
@store_option
def show(run_id: str, store: str) -> None:
    """Show one run: its steps, approvals, handoffs and journal."""
    with open_existing(store) as scoria:
        _print_detail(scoria.get_run_detail(run_id))


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
@click.option("--approval", "approval_id", help="The approval.  [default: the pending one]")
@click.option("--note", help="Why, for the record.")
def approve(run_id: str, store: str, actor: str, approval_id: str | None, note: str | None) -> None:
    """Approve what RUN_ID waits for. It goes on when its host, or `runs resume`, says so."""
    _decide(store, run_id, approval_id, lambda scoria: scoria.approve, actor, note)


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
@click.option("--approval", "approval_id", help="The approval.  [default: the pending one]")
@click.option("--note", help="Why, for the record.")
def reject(run_id: str, store: str, actor: str, approval_id: str | None, note: str | None) -> None:
    """Reject what RUN_ID waits for, which cancels the run."""
    _decide(store, run_id, approval_id, lambda scoria: scoria.reject, actor, note)


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
@click.option("--reason", help="Why, for the record.")
def cancel(run_id: str, store: str, actor: str, reason: str | None) -> None:
    """End RUN_ID, whatever it waits for."""
    with open_existing(store) as scoria:
        _tell(scoria.cancel_run(run_id, reason=reason, actor_id=actor))


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
def resume(run_id: str, store: str, actor: str) -> None:
    """Queue the step of RUN_ID that was decided on, for its host or a worker."""
    with open_existing(store) as scoria:
        _tell(scoria.resume_run(run_id, actor_id=actor))


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
def retry(run_id: str, store: str, actor: str) -> None:
    """Queue the failed step of RUN_ID again, for its host or a worker."""
    with open_existing(store) as scoria:
        _tell(scoria.retry_run(run_id, actor_id=actor))


def _decide(
    store: str,
    run_id: str,
    approval_id: str | None,
    decision: Callable[[Scoria], Callable[..., RunSummary]],
    actor: str,
    note: str | None,
) -> None:
    with open_existing(store) as scoria:
        named = approval_id or _pending(scoria.get_run(run_id))
        decided = decision(scoria)(run_id, approval_id=named, decided_by=actor, note=note)
        _tell(decided)


def _pending(run: RunSummary) -> str:
    if run.pending_approval is None:
        raise ApprovalNotPending(
            "run",
            run.run_id,
            run.status,
            "decide",
            because=" and waits for nobody",
            next_move="see what it did with scoria runs show",
        )
    return run.pending_approval.approval_id


def _readable(scoria: Scoria, found: Iterable[str]) -> Iterator[RunSummary]:
    for run_id in found:
        try:
            yield scoria.get_run(run_id)
        except StoreCorrupt as error:
            err_line(f"scoria: {error}")


def _waited(run: RunSummary) -> timedelta:
    pending = run.pending_approval
    return timedelta(0) if pending is None else datetime.now(UTC) - pending.requested_at


def _print(found: list[RunSummary]) -> None:
    out = console()
    if not out.is_terminal:
        for run in found:
            pending = run.pending_approval
            at = run.updated_at.isoformat(timespec="seconds")
            tool_name = "" if pending is None else pending.tool_name
            out_row(run.run_id, run.status, run.tenant_id, at, tool_name)
        return
    table = Table("run", "status", "tenant", "session", "last change", "waits for", box=None)
    for run in found:
        waits = run.pending_approval
        wait = "" if waits is None else f"{waits.tool_name}, {_length(_waited(run))}"
        at = f"{run.updated_at:%Y-%m-%d %H:%M}"
        table.add_row(run.run_id, run.status, run.tenant_id, run.session_id, at, wait)
    out.print(table)
    out.print(f"{len(found)} runs", style="dim")


def _print_detail(detail: RunDetail) -> None:
    out, run = console(), detail.summary
    out.print(f"run {run.run_id}  {run.status}")
    out.print(f"  tenant {run.tenant_id}, session {run.session_id}, started by {run.actor_id}")
    for step in detail.steps:
        error = "" if step.error is None else f"  {step.error}"
        attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
        did = f"{step.kind} ({step.role_id})  {step.status}{attempt}{error}"
        out.print(f"  step {step.sequence}  {did}")
    for approval in detail.approvals:
        by = "" if approval.decided_by is None else f" by {approval.decided_by}"
        note = "" if approval.note is None else f": {approval.note}"
        expires_at = approval.expires_at
        until = "" if expires_at is None else f", until {expires_at:%Y-%m-%d %H:%M}"
        out.print(f"  approval {approval.approval_id}  {approval.status}{by}{note}")
        out.print(f"    {approval.tool_name} {compact(approval.arguments)}")
        out.print(f"    {approval.reason}{until}")
    for handoff in detail.delegated_handoffs:
        to = f"{handoff.parent_role_id} to {handoff.delegated_role_id}"
        out.print(f"  handoff {to}  {handoff.delegated_kind}  {handoff.status}")
    for entry in detail.journal:
        who = entry.actor_id or (entry.data.get("lease") or {}).get("worker_id")
        by = "" if who is None else f"  by {who}"
        out.print(f"  {entry.sequence:>4}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.type}{by}")


def _tell(run: RunSummary) -> None:
    out_line(f"run {run.run_id} is {run.status}")


def _length(waited: timedelta) -> str:
    hours, seconds = divmod(int(waited.total_seconds()), 3600)
    return f"{hours} h {seconds // 60:02} min"
