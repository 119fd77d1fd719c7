"""`scoria doctor`: what is stuck in a store, and why."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import attrs
import click

from scoria_cli.console import console, line
from scoria_cli.options import open_existing, store_option
from scoria_core import RunDetail, Scoria
from scoria_core.errors import ScoriaError
from scoria_core.lifecycles import RunStatus, StepStatus

PAGE = 200


@attrs.frozen
class Finding:
    """A run that does not go on by itself, why that is, and the next move."""

    run_id: str
    why: str
    next_move: str


@click.command()
@store_option
@click.option("--tenant", help="Only this tenant's runs.")
@click.option("--patience", default=5.0, show_default=True, help="Minutes that a step may queue.")
@click.option("--waiting", default=24.0, show_default=True, help="Hours that a person may take.")
@click.option("--newest", default=1_000, show_default=True, help="How many runs are looked at.")
def doctor(store: str, tenant: str | None, patience: float, waiting: float, newest: int) -> int:
    """Say which runs are stuck, and why.

    Looks at every run in which something is due, and at the newest ones. Exits with 1 where
    something is stuck.
    """
    out = console()
    with open_existing(store) as scoria:
        view = scoria if tenant is None else scoria.for_tenant(tenant)
        limits = (timedelta(minutes=patience), timedelta(hours=waiting))
        found = [
            each for run_id in _looked_at(view, newest) for each in _findings(view, run_id, *limits)
        ]
    for each in found:
        line(out, "✗", "red", f"run {each.run_id} {each.why}", each.next_move)
    if not found:
        line(out, "✓", "green", "nothing is stuck")
    return 1 if found else 0


def _looked_at(scoria: Scoria, newest: int) -> list[str]:
    run_ids = dict.fromkeys(scoria.list_pending())
    before = None
    while newest > 0:
        page = scoria.list_runs(limit=min(PAGE, newest), before=before)
        if not page:
            break
        run_ids.update(dict.fromkeys(run.run_id for run in page))
        newest, before = newest - len(page), page[-1].run_id
    return list(run_ids)


def _findings(
    scoria: Scoria, run_id: str, patience: timedelta, waiting: timedelta
) -> Iterator[Finding]:
    try:
        detail = scoria.get_run_detail(run_id)
    except ScoriaError as error:
        yield Finding(run_id, f"cannot be read: {error}", "keep the store as it is, and a copy")
        return
    quiet = datetime.now(UTC) - detail.summary.updated_at
    if detail.summary.status == RunStatus.FAILED:
        yield Finding(run_id, _failed(detail), "scoria runs retry, or scoria runs cancel")
    elif detail.summary.status == RunStatus.WAITING_FOR_APPROVAL:
        yield from _waiting(detail, waiting)
    elif detail.summary.status == RunStatus.RUNNING:
        yield from _running(scoria, detail, quiet, patience)


def _failed(detail: RunDetail) -> str:
    (step,) = [step for step in detail.steps if step.status == StepStatus.FAILED]
    return f"failed at its step {step.kind} in attempt {step.attempt}: {step.error}"


def _waiting(detail: RunDetail, waiting: timedelta) -> Iterator[Finding]:
    pending = detail.summary.pending_approval
    run_id = detail.summary.run_id
    if pending is None:
        decided = detail.approvals[-1]
        why = f"waits to be resumed: {decided.tool_name} is {decided.status}"
        yield Finding(run_id, why, "its host calls resume_run, or a worker takes an expired one")
    elif datetime.now(UTC) - pending.requested_at > waiting:
        asked = f"{pending.requested_at:%Y-%m-%d %H:%M}"
        why = f"has waited for a person since {asked}: {pending.tool_name}"
        yield Finding(run_id, why, "scoria runs approve, or scoria runs reject")


def _running(
    scoria: Scoria, detail: RunDetail, quiet: timedelta, patience: timedelta
) -> Iterator[Finding]:
    run_id = detail.summary.run_id
    step = next((step for step in detail.steps if step.status == StepStatus.RUNNING), None)
    if step is not None:
        claim = [entry for entry in detail.journal if entry.type == "step_claimed"][-1]
        lease = claim.data.get("lease") or {}
        if run_id in scoria.list_pending():
            holder = lease.get("worker_id") or "its process"
            why = f"lost {holder} in its step {step.kind}: no word since the lease ended"
            yield Finding(run_id, why, "start a worker, or call run_pending")
        return
    queued = next((step for step in detail.steps if step.status == StepStatus.QUEUED), None)
    if queued is not None and quiet > patience:
        why = f"has queued its step {queued.kind} for {quiet}: nobody took it"
        yield Finding(run_id, why, f"start a worker that has a handler for {queued.kind}")
    elif queued is None and quiet > patience:
        why = f"has nothing to do since {detail.summary.updated_at:%Y-%m-%d %H:%M}"
        yield Finding(run_id, why, "its host calls add_step, complete_run or cancel_run")
