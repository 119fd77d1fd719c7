"""Prints runs: a list, or one run with everything about it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from scoria_cli.console import console, out_row
from scoria_cli.times import length, moment
from scoria_core.journal import JournalEntry
from scoria_core.model import Approval, DelegatedHandoff, RunDetail, RunSummary, Step
from scoria_core.payloads import compact

COLUMNS = ("run", "status", "tenant", "session", "last change", "waits for")
WIDEST = 1_000_000
"""How wide a table may be when it is asked how wide it would like to be."""


def print_list(found: Sequence[RunSummary]) -> None:
    """Print a line for each run: tab-separated for a program, a table for a person.

    If the terminal is too narrow for the table, each run takes two lines.
    """
    out = console()
    if not out.is_terminal:
        for run in found:
            at = run.updated_at.isoformat(timespec="seconds")
            tool_name = "" if run.pending_approval is None else run.pending_approval.tool_name
            out_row(run.run_id, run.status, run.tenant_id, at, tool_name)
        return
    table = _table(found)
    if _width(out, table) <= out.width:
        out.print(table)
    else:
        _print_stacked(out, found)
    out.print(f"{len(found)} runs", style="dim")


def print_detail(detail: RunDetail) -> None:
    """Print all that is known of a run."""
    out = console()
    for text in _lines(detail):
        out.print(text)


def _table(found: Sequence[RunSummary]) -> Table:
    table = Table(*COLUMNS, box=None)
    for column in table.columns:
        column.no_wrap = True
    for run in found:
        at = f"{run.updated_at:%Y-%m-%d %H:%M}"
        table.add_row(run.run_id, run.status, run.tenant_id, run.session_id, at, _wait(run))
    return table


def _width(out: Console, table: Table) -> int:
    return table.__rich_measure__(out, out.options.update(width=WIDEST)).maximum


def _print_stacked(out: Console, found: Sequence[RunSummary]) -> None:
    for run in found:
        out.print(f"{run.run_id}  {run.status}")
        wait = _wait(run)
        waits = f", waits for {wait}" if wait else ""
        where = f"tenant {run.tenant_id}, session {run.session_id}"
        out.print(f"  {where}, last change {moment(run.updated_at)}{waits}", style="dim")


def _wait(run: RunSummary) -> str:
    pending = run.pending_approval
    if pending is None:
        return ""
    return f"{pending.tool_name}, {length(datetime.now(UTC) - pending.requested_at)}"


def _lines(detail: RunDetail) -> Iterator[str]:
    run = detail.summary
    yield f"run {run.run_id}  {run.status}"
    yield f"  tenant {run.tenant_id}, session {run.session_id}, started by {run.actor_id}"
    began, changed = moment(run.created_at), moment(run.updated_at)
    yield f"  role {run.root_role_id}, started {began}, last change {changed}"
    yield from _payload("  identity", detail.identity.metadata)
    yield from _payload("  metadata", run.metadata)
    for entry in detail.journal:
        if entry.type in ("run_cancelled", "run_rejected") and entry.data["reason"] is not None:
            yield f"  {entry.to_state} because {entry.data['reason']}"
    for step in detail.steps:
        yield from _of_step(step)
    for approval in detail.approvals:
        yield from _of_approval(approval)
    for handoff in detail.delegated_handoffs:
        yield from _of_handoff(handoff)
    yield f"  journal, {len(detail.journal)} entries, head {detail.journal[-1].digest}"
    yield from map(_of_entry, detail.journal)


def _of_step(step: Step) -> Iterator[str]:
    attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
    yield f"  step {step.sequence}  {step.kind} ({step.role_id})  {step.status}{attempt}"
    yield f"    id {step.step_id}"
    yield from _payload("    input", step.input)
    yield from _payload("    context", step.projected_context)
    yield from _payload("    result", step.result)
    if step.error is not None:
        yield f"    error {step.error}"
        yield from _payload("    details", step.error.details)
        for line in (step.error.cause or "").splitlines():
            yield f"    cause {line}"


def _of_approval(approval: Approval) -> Iterator[str]:
    yield f"  approval {approval.approval_id}  {approval.status}"
    yield f"    {approval.tool_name} {compact(approval.arguments)}"
    yield f"    digest {approval.arguments_digest}"
    yield f"    reason {approval.reason}"
    expires_at = approval.expires_at
    until = "" if expires_at is None else f", until {moment(expires_at)}"
    yield f"    asked {moment(approval.requested_at)}{until}, by step {approval.step_id}"
    if approval.decided_by is not None and approval.decided_at is not None:
        yield f"    decided {moment(approval.decided_at)} by {approval.decided_by}"
    if approval.note is not None:
        yield f"    note {approval.note}"


def _of_handoff(handoff: DelegatedHandoff) -> Iterator[str]:
    to = f"{handoff.parent_role_id} to {handoff.delegated_role_id}"
    yield f"  handoff {to}  {handoff.delegated_kind}  {handoff.status}"
    yield f"    from step {handoff.parent_step_id}"
    yield f"    to step {handoff.child_step_id}  {handoff.child_status}"
    yield from _payload("    input", handoff.handoff_input)
    yield from _payload("    context", handoff.projected_context)
    if handoff.capability_tags:
        yield f"    tags {', '.join(handoff.capability_tags)}"


def _of_entry(entry: JournalEntry) -> str:
    who = entry.actor_id or (entry.data.get("lease") or {}).get("worker_id")
    by = "" if who is None else f"  by {who}"
    return f"  {entry.sequence:>4}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.type}{by}"


def _payload(name: str, payload: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield a line for a payload, unless it is empty."""
    if payload:
        yield f"{name} {compact(payload)}"
