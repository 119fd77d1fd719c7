"""Prints runs: a list, what waits for a person, or one run with everything about it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from scoria_cli.console import console, out_row
from scoria_cli.times import length, moment
from scoria_core.journal import JournalEntry
from scoria_core.listing import Count
from scoria_core.model import (
    Approval,
    DelegatedHandoff,
    ListedApproval,
    RunDetail,
    RunSummary,
    Step,
)
from scoria_core.payloads import compact, digest
from scoria_core.visible import visible_line

COLUMNS = ("run", "status", "tenant", "session", "last change", "waits for")
INBOX = ("waits", "left", "asks for", "asked by", "assigned to", "run")
BRIEF, LESS_BRIEF = 48, 240
"""The most characters of a request, in a table and outside one; `runs show` shows all."""

WIDEST = 1_000_000
"""The room for a table while its width is measured: more than any table needs."""


def print_list(found: Sequence[RunSummary]) -> None:
    """Print a line for each run: tab-separated for a program, a table for a person.

    If the terminal is too narrow for the table, each run takes two lines.
    """
    out = console()
    if not out.is_terminal:
        for run in found:
            at = run.updated_at.isoformat(timespec="seconds")
            tool_names = ",".join(each.tool_name for each in run.pending_approvals)
            out_row(run.run_id, run.status, run.tenant_id, at, tool_names)
        return
    table = _table(COLUMNS, map(_of_run, found))
    if _width(out, table) <= out.width:
        out.print(table)
    else:
        _print_stacked(out, found)
    out.print(f"{len(found)} runs", style="dim")


def print_inbox(found: Sequence[ListedApproval], count: Count) -> None:
    """Print a line for each request, as `print_list` does; `count` is how many there are in all."""
    out = console()
    if not out.is_terminal:
        for each in found:
            at = each.requested_at.isoformat(timespec="seconds")
            people = ",".join(each.assigned_to)
            asked = (each.tool_name, compact(each.arguments), each.run.actor_id, people)
            out_row(each.run_id, each.approval_id, at, *asked)
        return
    if not found:
        out.print("nothing waits for a person here", style="dim")
        return
    table = _table(INBOX, map(_of_request, found))
    if _width(out, table) <= out.width:
        out.print(table)
    else:
        for each in found:
            waits, left, _, by, people, run_id = _of_request(each)
            to = people and f", assigned to {people}"
            until = left and f", {left} left"
            out.print(f"{run_id}  {_asked(each, LESS_BRIEF)}")
            out.print(f"  waits {waits}{until}, asked by {by}{to}", style="dim")
    out.print(f"{len(found)} of {count} requests", style="dim")


def print_detail(detail: RunDetail, *, kept: bool = False) -> None:
    """Print everything about a run; of what steps keep, only size and digest unless `kept`."""
    out = console()
    for text in _lines(detail, kept=kept):
        out.print(text)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*columns, box=None)
    for column in table.columns:
        column.no_wrap = True
    for row in rows:
        table.add_row(*row)
    return table


def _of_run(run: RunSummary) -> Sequence[str]:
    at = f"{run.updated_at:%Y-%m-%d %H:%M}"
    return run.run_id, run.status, run.tenant_id, run.session_id, at, _wait(run)


def _of_request(each: ListedApproval) -> Sequence[str]:
    now = datetime.now(UTC)
    left = "" if each.expires_at is None else length(each.expires_at - now)
    brief = _asked(each, BRIEF)
    people = ", ".join(each.assigned_to)
    return length(now - each.requested_at), left, brief, each.run.actor_id, people, each.run_id


def _asked(each: ListedApproval, most: int) -> str:
    asked = visible_line(f"{each.tool_name} {compact(each.arguments)}")
    return asked if len(asked) <= most else f"{asked[: most - 1]}…"


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
    if not run.pending_approvals:
        return ""
    first, *others = run.pending_approvals
    more = f" and {len(others)} more" if others else ""
    return f"{first.tool_name}{more}, {length(datetime.now(UTC) - first.requested_at)}"


def _lines(detail: RunDetail, *, kept: bool) -> Iterator[str]:
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
        yield from _of_step(step, kept=kept)
    for approval in detail.approvals:
        yield from _of_approval(approval)
    for handoff in detail.delegated_handoffs:
        yield from _of_handoff(handoff)
    yield f"  journal, {len(detail.journal)} entries, head {detail.journal[-1].digest}"
    yield from map(_of_entry, detail.journal)


def _of_step(step: Step, *, kept: bool) -> Iterator[str]:
    attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
    yield f"  step {step.sequence}  {step.kind} ({step.role_id})  {step.status}{attempt}"
    yield f"    id {step.step_id}"
    yield from _payload("    input", step.input)
    yield from _payload("    context", step.projected_context)
    yield from _payload("    result", step.result)
    if step.kept is not None:
        text = compact(step.kept)
        yield (
            f"    kept {text}"
            if kept
            else f"    kept {len(text.encode())} bytes, {digest(step.kept)}"
        )
    if step.error is not None:
        yield f"    error {step.error}"
        yield from _payload("    details", step.error.details)
        for line in (step.error.cause or "").splitlines():
            yield f"    cause {line}"


def _of_approval(approval: Approval) -> Iterator[str]:
    called = "" if approval.call_id is None else f"  call {approval.call_id}"
    yield f"  approval {approval.approval_id}  {approval.status}{called}"
    yield f"    {approval.tool_name} {compact(approval.arguments)}"
    yield f"    digest {approval.arguments_digest}"
    if approval.arguments_digest != approval.proposed_digest:
        yield f"    proposed {compact(approval.proposed_arguments)}"
        yield f"    proposed digest {approval.proposed_digest}"
    yield f"    reason {approval.reason}"
    expires_at = approval.expires_at
    until = "" if expires_at is None else f", until {moment(expires_at)}"
    yield f"    asked {moment(approval.requested_at)}{until}, by step {approval.step_id}"
    yield from _who_may_decide(approval)
    for vote in approval.endorsements:
        note = "" if vote.note is None else f", note {vote.note}"
        yield f"    endorsed {moment(vote.at)} by {vote.by}{note}"
    if approval.reminded_at is not None:
        yield f"    reminded {moment(approval.reminded_at)}"
    if approval.decided_by is not None and approval.decided_at is not None:
        yield f"    decided {moment(approval.decided_at)} by {approval.decided_by}"
    yield from _payload("    answer", approval.answer)
    if approval.note is not None:
        yield f"    note {approval.note}"


def _who_may_decide(approval: Approval) -> Iterator[str]:
    if approval.approvals_needed > 1:
        yield f"    needs {approval.approvals_needed} people"
    if approval.assigned_to:
        yield f"    assigned to {', '.join(approval.assigned_to)}"
    if approval.not_by:
        yield f"    not to be decided by {', '.join(approval.not_by)}"
    if approval.may_edit is not False:
        fitting = "" if approval.may_edit is True else f", to fit {compact(approval.may_edit)}"
        yield f"    may be edited{fitting}"
    if approval.answer_schema is not None:
        yield f"    asks for an answer that fits {compact(approval.answer_schema)}"
    if approval.on_reject == "resume":
        yield "    a no lets its step go on"


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
