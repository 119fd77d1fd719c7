"""What the page of a run shows, read from the facade of one tenant."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from scoria_core.journal import JournalEntry
from scoria_core.lifecycles import RunStatus, StepStatus
from scoria_core.model import Approval, RunDetail, Step
from scoria_core.payloads import compact, digest
from scoria_core.scoria import Scoria

ENTRIES_PER_PAGE = 200


@attrs.frozen
class Subject:
    """What an id of the run refers to, and where that is on the page."""

    label: str
    anchor: str


@attrs.frozen
class Kept:
    """What is told of something kept, where it is not shown: its size in bytes, and its digest."""

    size: int
    digest: str


@attrs.frozen
class RunPage:
    """The evidence of one run, with the part of its journal after entry `entries_after`.

    What its steps keep over a pause may be long and private: it is shown if `shows_kept`.
    """

    detail: RunDetail
    entries_after: int
    now: datetime
    shows_kept: bool = False

    @staticmethod
    def kept_of(value: object) -> Kept:
        """Return the size and the digest of a JSON value that a step keeps."""
        return Kept(len(compact(value).encode()), digest(value))

    def hides(self, entry: JournalEntry) -> bool:
        """Tell whether an entry has something kept that is not shown."""
        return "kept" in entry.data and not self.shows_kept

    def data_of(self, entry: JournalEntry) -> Mapping[str, Any]:
        """Return the data of an entry as it is shown."""
        if not self.hides(entry):
            return entry.data
        return {**entry.data, "kept": attrs.asdict(self.kept_of(entry.data["kept"]))}

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """Return the entries of this page of the timeline."""
        return self.detail.journal[self.entries_after : self.entries_after + ENTRIES_PER_PAGE]

    @property
    def earlier(self) -> int | None:
        """Return the entry that the page before starts after, or None on the first."""
        return max(0, self.entries_after - ENTRIES_PER_PAGE) if self.entries_after else None

    @property
    def later(self) -> int | None:
        """Return the entry that the next page starts after, or None on the last."""
        end = self.entries_after + ENTRIES_PER_PAGE
        return end if end < len(self.detail.journal) else None

    @property
    def last(self) -> int:
        """Return the entry that the last page starts after."""
        return (len(self.detail.journal) - 1) // ENTRIES_PER_PAGE * ENTRIES_PER_PAGE

    @property
    def untaken(self) -> list[tuple[Step, datetime]]:
        """Return the steps that are due and that nobody has taken, and since when each is."""
        queued = (step for step in self.detail.steps if step.status == StepStatus.QUEUED)
        due = ((step, step.not_before or self._queued_at(step)) for step in queued)
        return [(step, since) for step, since in due if since <= self.now]

    def _queued_at(self, step: Step) -> datetime:
        entries = (e for e in reversed(self.detail.journal) if e.subject_id == step.step_id)
        return next(entry.at for entry in entries if entry.to_state == StepStatus.QUEUED)

    @property
    def abandoned(self) -> list[Step]:
        """Return the steps at work whose lease has ended without being renewed."""
        return [
            step
            for step in self.detail.steps
            if step.status == StepStatus.RUNNING
            and step.lease_expires_at is not None
            and step.lease_expires_at < self.now
        ]

    @property
    def open_requests(self) -> tuple[Approval, ...]:
        """Return the requests that keep the run waiting: pending, expired or not yet used."""
        waiting = (s for s in self.detail.steps if s.status == StepStatus.WAITING_FOR_APPROVAL)
        return next((step.approvals for step in waiting), ())

    @property
    def outcome(self) -> str:
        """Return the status that those requests have, "expired" if one has expired, or "mixed"."""
        statuses = {str(each.status) for each in self.open_requests}
        if len(statuses) == 1:
            return statuses.pop()
        return "expired" if "expired" in statuses else "mixed"

    @property
    def failed_step(self) -> Step | None:
        """Return the step that failed the run, or None."""
        failed = (step for step in self.detail.steps if step.status == StepStatus.FAILED)
        return next(failed, None)

    @property
    def cancelled(self) -> JournalEntry | None:
        """Return the entry with which the run was cancelled or rejected, or None."""
        last = (entry for entry in reversed(self.detail.journal) if entry.subject == "run")
        return next((entry for entry in last if entry.to_state == RunStatus.CANCELLED), None)

    def step(self, step_id: str) -> Step:
        """Return the step of an approval or a handoff."""
        return next(step for step in self.detail.steps if step.step_id == step_id)

    @property
    def subjects(self) -> dict[str, Subject]:
        """Return what each id of the run refers to."""
        named: dict[str, Subject] = {self.detail.summary.run_id: Subject("run", "run")}
        for step in self.detail.steps:
            named[step.step_id] = Subject(f"step {step.sequence}", f"step-{step.sequence}")
        for i, approval in enumerate(self.detail.approvals, start=1):
            named[approval.approval_id] = Subject(f"approval {i}", f"approval-{i}")
        for i, handoff in enumerate(self.detail.delegated_handoffs, start=1):
            named[handoff.handoff_id] = Subject(f"handoff {i}", f"handoff-{i}")
        return named


def run_page(view: Scoria, run_id: str, entries_after: int, *, shows_kept: bool) -> RunPage:
    """Read a run; raises `RunNotFound`, `StoreCorrupt` or `StoreUnavailable` as the facade does."""
    return RunPage(view.get_run_detail(run_id), entries_after, view.now(), shows_kept)


def verify_command(run_id: str) -> str:
    """Return the command that checks the journal of a run, ready for a shell."""
    return f"scoria evidence verify {shlex.quote(run_id)}"
