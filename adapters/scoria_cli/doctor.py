"""`scoria doctor`: what is stuck in a store, and why."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import attrs
import click

from scoria_cli.console import console, line
from scoria_cli.options import Amount, existing_store, run_ids, store_option, tenant_option
from scoria_core import RunDetail, Scoria, Step
from scoria_core.errors import ScoriaError
from scoria_core.lifecycles import ApprovalStatus, RunStatus, StepStatus

_GRACE = timedelta(minutes=1)


@attrs.frozen
class Finding:
    """A run that does not go on by itself, why that is, and the next move."""

    run_id: str
    why: str
    next_move: str


@click.command()
@store_option
@tenant_option
@click.option(
    "--patience",
    default=5.0,
    show_default=True,
    type=Amount(),
    help="Minutes that a step may queue.",
)
@click.option(
    "--waiting",
    default=24.0,
    show_default=True,
    type=Amount(),
    help="Hours that a person may take, or a step without a time limit.",
)
@click.option(
    "--newest",
    default=1_000,
    show_default=True,
    type=click.IntRange(1),
    help="How many runs are looked at.",
)
def doctor(store: str, tenant: str | None, patience: float, waiting: float, newest: int) -> int:
    """Say which runs are stuck, and why.

    Looks at every run in which something is due, and at the newest ones. Exits with 1 where
    something is stuck.
    """
    out = console()
    opened = existing_store(store)
    with Scoria(opened) as scoria:
        view = scoria if tenant is None else scoria.for_tenant(tenant)
        limits = (timedelta(minutes=patience), timedelta(hours=waiting))
        looked_at = dict.fromkeys([*view.list_pending(), *islice(run_ids(opened, tenant), newest)])
        found = [each for run_id in looked_at for each in _findings(view, run_id, *limits)]
    for each in found:
        line(out, "✗", "red", f"run {each.run_id} {each.why}", each.next_move)
    if not found:
        line(out, "✓", "green", "nothing is stuck")
    return 1 if found else 0


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
        yield from _running(scoria, detail, quiet, patience, waiting)


def _failed(detail: RunDetail) -> str:
    (step,) = [step for step in detail.steps if step.status == StepStatus.FAILED]
    return f"failed at its step {step.kind} in attempt {step.attempt}: {step.error}"


def _waiting(detail: RunDetail, waiting: timedelta) -> Iterator[Finding]:
    pending = detail.summary.pending_approval
    run_id = detail.summary.run_id
    if pending is None:
        decided = detail.approvals[-1]
        why = f"waits to be resumed: {decided.tool_name} is {decided.status}"
        is_expired = decided.status == ApprovalStatus.EXPIRED
        other = "start a worker with its handler" if is_expired else "call scoria runs resume"
        yield Finding(run_id, why, f"its host calls resume_run, or {other}")
    elif datetime.now(UTC) - pending.requested_at > waiting:
        asked = f"{pending.requested_at:%Y-%m-%d %H:%M}"
        why = f"has waited for a person since {asked}: {pending.tool_name}"
        yield Finding(run_id, why, "scoria runs approve, or scoria runs reject")


def _running(
    scoria: Scoria, detail: RunDetail, quiet: timedelta, patience: timedelta, waiting: timedelta
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
        elif _is_too_long(step, waiting):
            why = f"is at work on its step {step.kind} since {step.started_at:%Y-%m-%d %H:%M}"
            yield Finding(run_id, why, "look at its process; give such a step a time_limit")
        return
    queued = next((step for step in detail.steps if step.status == StepStatus.QUEUED), None)
    if queued is not None and _waits_to_be_tried_again(detail, queued.step_id):
        return
    if queued is not None and quiet > patience:
        why = f"has queued its step {queued.kind} for {quiet}: nobody took it"
        yield Finding(run_id, why, f"start a worker that has a handler for {queued.kind}")
    elif queued is None and quiet > patience:
        why = f"has nothing to do since {detail.summary.updated_at:%Y-%m-%d %H:%M}"
        yield Finding(run_id, why, "its host calls add_step, complete_run or cancel_run")


def _is_too_long(step: Step, waiting: timedelta) -> bool:
    """Tell whether a step is at work past its time limit, or without one for as long as a person.

    Past its limit it is failed by its own process, unless that is frozen.
    """
    if step.started_at is None:
        return False
    limit = timedelta(seconds=step.time_limit) + _GRACE if step.time_limit else waiting
    return datetime.now(UTC) - step.started_at > limit


def _waits_to_be_tried_again(detail: RunDetail, step_id: str) -> bool:
    latest = [entry for entry in detail.journal if entry.subject_id == step_id][-1]
    not_before = latest.data.get("not_before")
    return not_before is not None and datetime.fromisoformat(not_before) > datetime.now(UTC)
