"""`scoria doctor`: what is stuck in a store, and why."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Literal

import attrs
import click
from rich.console import Console

from scoria_cli.console import console, err_line, line, out_json
from scoria_cli.options import (
    Amount,
    existing_store,
    json_option,
    store_option,
    tenant_option,
)
from scoria_cli.times import length
from scoria_core import RunDetail, Scoria
from scoria_core.delivering import checked_outbox
from scoria_core.errors import RunNotFound, StoreCorrupt
from scoria_core.lifecycles import ApprovalStatus, RunStatus, StepStatus, is_terminal
from scoria_core.model import Step
from scoria_core.paging import every_run
from scoria_core.ports import Capability, Delivery, Fact, OutboxStore, RunStore, Where
from scoria_core.visible import visible_line

NAMED = 100
"""The most runs with the same next move that are named to a person; the others are counted."""

LISTED = 100_000
"""The most deliveries of one listener that are looked at."""

_GRACE = timedelta(minutes=1)


Problem = Literal[
    "waiting",
    "not_resumed",
    "failed",
    "queued",
    "idle",
    "lost",
    "working",
    "unreadable",
    "given_up",
    "untold",
]
"""The problems by their names in `--json`."""


@attrs.frozen
class Finding:
    """A run that is stuck or is not delivered: a code, what is wrong in words, and what to do."""

    run_id: str
    problem: Problem
    why: str
    next_move: str


@attrs.define
class Visit:
    """One look at the runs of a store that have not ended; iterating yields the stuck ones.

    The runs that were looked at are counted.
    """

    store: RunStore
    tenant_id: str | None
    patience: timedelta
    waiting: timedelta
    working: timedelta
    looked_at: int = 0
    now: datetime = attrs.field(factory=lambda: datetime.now(UTC))

    def __iter__(self) -> Iterator[Finding]:
        scoria = Scoria(self.store)
        # A run that changes its status meanwhile is listed twice.
        for run_id in dict.fromkeys(self._unfinished()):
            try:
                detail = scoria.get_run_detail(run_id)
            except RunNotFound:
                if not self.store.read([run_id]):
                    continue  # it was pruned since it was listed
                why = "cannot be read: what it is listed by is not a run id"
                yield Finding(run_id, "unreadable", why, "keep the store as it is, and a copy")
            except StoreCorrupt as error:
                why = f"cannot be read: {error}"
                yield Finding(run_id, "unreadable", why, "keep the store as it is, and a copy")
            else:
                yield from self._findings(detail)
            self.looked_at += 1
        if Capability.OUTBOX in self.store.capabilities:
            outbox = checked_outbox(self.store)
            for listener in outbox.list_listeners():
                yield from self._untold(outbox, listener)

    def _untold(self, outbox: OutboxStore, listener: str) -> Iterator[Finding]:
        """Yield runs of which a listener does not get the events: given up, or long overdue."""
        given_up = list(outbox.list_deliveries(listener, limit=LISTED, given_up=True))
        all_listed = outbox.list_deliveries(listener, limit=LISTED)
        late = [
            each
            for each in all_listed
            if each.next_try_at is not None and each.next_try_at < self.now - self.patience
        ]
        name = visible_line(listener, 100)
        if LISTED in (len(given_up), len(all_listed)):
            err_line(f"of {name}, only the first {LISTED:,} deliveries were looked at")
        for each in self._of_tenant(given_up):
            why = f"is not told to {name} from entry {each.delivered + 1} on: {each.problem}"
            next_move = f"see to {name}, then scoria notify --again --name {name}"
            yield Finding(each.run_id, "given_up", why, next_move)
        for each in self._of_tenant(late):
            why = f"has not been told to {name} from entry {each.delivered + 1} on: nobody tells it"
            next_move = f"start what tells {name}, or scoria notify --forget --name {name}"
            yield Finding(each.run_id, "untold", why, next_move)

    def _of_tenant(self, deliveries: list[Delivery]) -> list[Delivery]:
        if self.tenant_id is None:
            return deliveries
        found = self.store.read([each.run_id for each in deliveries])
        own = {run.key.run_id for run in found if run.key.tenant_id == self.tenant_id}
        return [each for each in deliveries if each.run_id in own]

    def _unfinished(self) -> Iterator[str]:
        for status in RunStatus:
            if not is_terminal("run", status):
                where = Where(Fact.STATUS, status)
                for stored in every_run(self.store, self.tenant_id, where):
                    yield stored.key.run_id

    def _findings(self, detail: RunDetail) -> Iterator[Finding]:
        match detail.summary.status:
            case RunStatus.FAILED:
                yield _failed(detail)
            case RunStatus.WAITING_FOR_APPROVAL:
                yield from self._waiting(detail)
            case RunStatus.RUNNING:
                step = _first(detail, StepStatus.RUNNING)
                if step is None:
                    yield from self._queued(detail)
                else:
                    yield from self._at_work(detail, step)

    def _waiting(self, detail: RunDetail) -> Iterator[Finding]:
        run_id, pending = detail.summary.run_id, detail.summary.pending_approval
        if pending is None:
            decided = detail.approvals[-1]
            why = f"waits to be resumed: {decided.tool_name} is {decided.status}"
            is_expired = decided.status == ApprovalStatus.EXPIRED
            other = "start a worker with its handler" if is_expired else "call scoria runs resume"
            yield Finding(run_id, "not_resumed", why, f"its host calls resume_run, or {other}")
        elif (waited := self.now - pending.requested_at) > self.waiting:
            why = f"has waited for a person for {length(waited)}: {pending.tool_name}"
            next_move = "scoria runs approve, or scoria runs reject"
            yield Finding(run_id, "waiting", why, next_move)

    def _at_work(self, detail: RunDetail, step: Step) -> Iterator[Finding]:
        claimed_at = step.claimed_at or detail.summary.updated_at
        holder = step.worker_id or "its process"
        if step.lease_expires_at is not None and step.lease_expires_at <= self.now:
            why = f"lost {holder} in its step {step.kind}: no word since the lease ended"
            yield Finding(detail.summary.run_id, "lost", why, "start a worker, or call run_pending")
        elif (worked := self.now - claimed_at) > self._allowed(step):
            why = f"has been in its step {step.kind} for {length(worked)}, at {holder}"
            next_move = "see whether the handler hangs; end its process, or scoria runs cancel"
            yield Finding(detail.summary.run_id, "working", why, next_move)

    def _allowed(self, step: Step) -> timedelta:
        return self.working if step.time_limit is None else timedelta(seconds=step.time_limit)

    def _queued(self, detail: RunDetail) -> Iterator[Finding]:
        run_id, quiet = detail.summary.run_id, self.now - detail.summary.updated_at
        step = _first(detail, StepStatus.QUEUED)
        is_delayed = step is not None and step.not_before is not None and step.not_before > self.now
        if quiet <= self.patience or is_delayed:
            return
        if step is None:
            why = f"has had nothing to do for {length(quiet)}"
            next_move = "its host calls add_step, complete_run or cancel_run"
            yield Finding(run_id, "idle", why, next_move)
        else:
            why = f"has queued its step {step.kind} for {length(quiet)}: nobody took it"
            next_move = f"start a worker that has a handler for {step.kind}"
            yield Finding(run_id, "queued", why, next_move)


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
    "--working",
    default=1.0,
    show_default=True,
    type=Amount(),
    help="Hours that a handler may take; a step's own time limit comes before it.",
)
@json_option
def doctor(
    store: str,
    tenant: str | None,
    patience: float,
    waiting: float,
    working: float,
    as_json: bool,
) -> int:
    """Say which runs are stuck, and why.

    Looks at every run that has not ended, and at what listeners were not told. Exits with 1 where
    something is stuck.
    """
    allowed = timedelta(minutes=patience), timedelta(hours=waiting), timedelta(hours=working)
    with closing(existing_store(store)) as opened:
        visit = Visit(opened, tenant, *allowed)
        found = _as_json(visit) if as_json else _as_lines(visit)
    return 1 if found else 0


def _as_json(visit: Visit) -> int:
    """Print a line for each finding and one for the visit; return how many are stuck."""
    stuck = 0
    for stuck, each in enumerate(visit, start=1):  # noqa: B007 - it is the count in the end
        out_json({"type": "finding", **attrs.asdict(each)})
    out_json({"type": "summary", "stuck": stuck, "looked_at": visit.looked_at})
    return stuck


@attrs.define
class _Group:
    """The runs with the same next move: how many, and the first of them."""

    count: int = 0
    first: list[Finding] = attrs.field(factory=list)

    def add(self, finding: Finding) -> None:
        """Count one more."""
        self.count += 1
        if self.count <= NAMED:
            self.first.append(finding)


def _as_lines(visit: Visit) -> int:
    """Print the runs grouped by next move, then the totals; return how many are stuck."""
    groups: dict[str, _Group] = {}
    for each in visit:
        groups.setdefault(each.next_move, _Group()).add(each)
    out = console()
    for next_move, group in groups.items():
        line(out, "✗", "red", next_move)
        _print_runs(out, group)
    looked_at = _looked_at(visit)
    stuck = sum(group.count for group in groups.values())
    if stuck:
        out.print(f"{stuck} stuck; {looked_at}", style="dim")
    else:
        line(out, "✓", "green", f"nothing is stuck; {looked_at}")
    return stuck


def _print_runs(out: Console, group: _Group) -> None:
    for each in group.first:
        out.print(f"    run {each.run_id} {each.why}")
    if group.count > len(group.first):
        out.print(f"    and {group.count - len(group.first)} more runs; --json names all")


def _looked_at(visit: Visit) -> str:
    if visit.looked_at == 1:
        return "looked at the one run that has not ended"
    return f"looked at all {visit.looked_at} runs that have not ended"


def _failed(detail: RunDetail) -> Finding:
    step = _first(detail, StepStatus.FAILED)
    at = "" if step is None else f" at its step {step.kind} in attempt {step.attempt}: {step.error}"
    next_move = "scoria runs retry, or scoria runs cancel"
    return Finding(detail.summary.run_id, "failed", f"failed{at}", next_move)


def _first(detail: RunDetail, status: StepStatus) -> Step | None:
    return next((step for step in detail.steps if step.status == status), None)
