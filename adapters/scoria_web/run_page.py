"""What the page of a run shows, read from the facade of one tenant."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

import attrs
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from scoria_core.journal import JournalEntry
from scoria_core.lifecycles import RunStatus, StepStatus
from scoria_core.model import Approval, DelegatedHandoff, RunDetail, Step
from scoria_core.payloads import compact, digest
from scoria_core.scoria import Scoria
from scoria_web.masking import Sight
from scoria_web.story import Story, entries_by_key, lifecycle, path_of, story


@attrs.frozen
class Measure:
    """How much a page shows: characters of one text, and items of each part.

    `open_text` is the limit of a text that a person has yet to decide on. The whole text is on the
    page of its entry.
    """

    text: int
    open_text: int
    subjects: int
    entries: int


MEASURES = (
    Measure(8_000, 160_000, 20, 100),
    Measure(2_000, 160_000, 20, 100),
    Measure(500, 160_000, 20, 100),
    Measure(125, 160_000, 20, 50),
    Measure(125, 160_000, 5, 20),
    Measure(125, 40_000, 2, 5),
    Measure(125, 10_000, 1, 2),
    Measure(125, 125, 1, 1),
)
"""From the most to the least: if a page is too large, it is made again with the next measure."""

T = TypeVar("T")


@attrs.frozen
class Subject:
    """What an id of the run refers to: its place in a part of the page."""

    label: str
    part: str
    number: int


@attrs.frozen
class Kept:
    """The size in bytes and the digest of a kept value, shown instead of the value."""

    size: int
    digest: str


@attrs.frozen
class Part(Generic[T]):
    """Some of the steps, approvals, handoffs or entries of a run: those after the first `after`."""

    name: str
    everything: Sequence[T]
    after: int
    size: int
    sight: Sight

    @cached_property
    def items(self) -> Sequence[T]:
        """The items that are shown, as the reader may see them."""
        return self.sight(tuple(self.everything[self.after : self.after + self.size]))

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.everything)

    @property
    def earlier(self) -> int | None:
        """Where the items before these begin, or None if these are the first."""
        return max(0, self.after - self.size) if self.after else None

    @property
    def later(self) -> int | None:
        """Where the items after these begin, or None if these are the last."""
        end = self.after + self.size
        return end if end < self.total else None

    @property
    def last(self) -> int:
        """Where the newest items begin."""
        return max(0, self.total - self.size)

    def has(self, number: int) -> bool:
        """Tell whether the item of this number, from 1, is shown."""
        return self.after < number <= self.after + self.size


PARTS = ("steps", "approvals", "handoffs", "entries")
"""The parts that are paged, by their names in an address: `steps_after` and so on."""


@attrs.frozen
class RunPage:
    """The evidence of one run; `after` says after which item each part of the page begins.

    What its steps keep over a pause may be long and private: it is shown only if `shows_kept`. The
    first of `measures` limits the page; the others are for when it is too large. `detail` is
    unmasked, and only for this class: every value that is shown has passed `sight`.
    """

    detail: RunDetail
    now: datetime
    after: Mapping[str, int]
    shows_kept: bool = False
    measures: Sequence[Measure] = MEASURES
    sight: Sight = attrs.field(factory=Sight)

    def seen_by(self, sight: Sight) -> Self:
        """Return the page as the reader may see it."""
        return attrs.evolve(self, sight=sight)

    @cached_property
    def shown(self) -> RunDetail:
        """The run without the items of its parts, but with the last entry of its journal."""
        return self.sight(_frame(self.detail))

    @property
    def has_masked(self) -> bool:
        """Whether the mask hides a value of this page, even if this reader sees it."""
        parts = [getattr(self, name).items for name in PARTS]
        _ = (self.shown, self.story, self.open_requests, parts)  # to pass all of them to `sight`
        return self.sight.has_masked

    def __getitem__(self, part: str) -> Part[Any]:
        """Return a part by its name."""
        found: Part[Any] = getattr(self, part)
        return found

    def entry(self, sequence: int) -> "EntryPage":
        """Return the page of one entry. Raises `NotFound` if the run has no such entry."""
        if not 1 <= sequence <= len(self.detail.journal):
            raise NotFound
        entry = self.detail.journal[sequence - 1]
        data = self.data_of(entry)
        return EntryPage(_frame(self.detail), attrs.evolve(entry, data=data), self.sight)

    @property
    def smaller(self) -> Self | None:
        """The same page with less on it, or None if it has the least already."""
        less = self.measures[1:]
        return attrs.evolve(self, measures=less) if less else None

    @property
    def measure(self) -> Measure:
        """How much is on the page."""
        return self.measures[0]

    @cached_property
    def steps(self) -> Part[Step]:
        """The steps."""
        return self._part("steps", self.detail.steps)

    @cached_property
    def approvals(self) -> Part[Approval]:
        """The requests for approval."""
        return self._part("approvals", self.detail.approvals)

    @cached_property
    def handoffs(self) -> Part[DelegatedHandoff]:
        """The handoffs."""
        return self._part("handoffs", self.detail.delegated_handoffs)

    @cached_property
    def entries(self) -> Part[JournalEntry]:
        """The entries of the journal."""
        at, size = self.after.get("entries", 0), self.measure.entries
        return Part("entries", self.detail.journal, at, size, self.sight)

    def _part(self, name: str, everything: Sequence[T]) -> Part[T]:
        at, size = self.after.get(name, 0), self.measure.subjects
        return Part(name, everything, at, size, self.sight)

    @cached_property
    def story(self) -> Story:
        """What happened to the steps that are shown."""
        return story(self.detail, self.steps.items, self.now, self.sight)

    @property
    def drawing(self) -> Markup:
        """The lifecycle as a drawing, with the state and the moves of this run highlighted."""
        return lifecycle(self.detail.journal)

    @property
    def path(self) -> list[str]:
        """The statuses that the run went through."""
        return path_of(self.detail.journal)

    @property
    def command(self) -> str:
        """The command that checks the journal."""
        return verify_command(self.detail.summary.run_id)

    def address(self, **changed: int) -> dict[str, Any]:
        """Return the query of this page, with `changed` places at which parts begin."""
        after = {f"{name}_after": at for name, at in {**self.after, **changed}.items() if at}
        shows = {"kept": self.shows_kept, "masked": self.sight.shows_masked}
        return {**after, **{name: "shown" for name, is_shown in shows.items() if is_shown}}

    def entry_of(self, subject_id: str, key: str) -> int | None:
        """Return the number of the entry that last wrote this value of a subject, or None."""
        return self._entry_of.get((subject_id, key))

    @cached_property
    def _entry_of(self) -> Mapping[tuple[str, str], int]:
        shown = {each.step_id for each in self.steps.items}
        shown |= {each.approval_id for each in (*self.approvals.items, *self.open_requests)}
        shown |= {each.handoff_id for each in self.handoffs.items}
        return entries_by_key(self.detail.journal, shown)

    def kept_of(self, keeper: Step | JournalEntry) -> Kept:
        """Return the size and the digest of what a step or an entry keeps, even if it is masked."""
        at = keeper.sequence - 1
        if isinstance(keeper, Step):
            value = self.detail.steps[at].kept
        else:
            value = self.detail.journal[at].data["kept"]
        return Kept(len(compact(value).encode()), digest(value))

    def hides(self, entry: JournalEntry) -> bool:
        """Tell whether an entry has a kept value that the page does not show."""
        return "kept" in entry.data and not self.shows_kept

    def data_of(self, entry: JournalEntry) -> Mapping[str, Any]:
        """Return the data of an entry as it is shown."""
        if not self.hides(entry):
            return entry.data
        return {**entry.data, "kept": attrs.asdict(self.kept_of(entry))}

    @property
    def untaken(self) -> tuple[Step, datetime] | None:
        """Return the step that is due but that nobody has claimed, and since when; or None."""
        turn = next((step for step in self.detail.steps if step.completed_at is None), None)
        if turn is None or turn.status != StepStatus.QUEUED:
            return None
        since = turn.not_before or self._queued_at(turn)
        return (turn, since) if since <= self.now else None

    def _queued_at(self, step: Step) -> datetime:
        entries = (e for e in reversed(self.detail.journal) if e.subject_id == step.step_id)
        return next(entry.at for entry in entries if entry.to_state == StepStatus.QUEUED)

    @property
    def abandoned(self) -> Step | None:
        """Return the running step whose lease has expired, or None."""
        return next(
            (
                step
                for step in self.detail.steps
                if step.status == StepStatus.RUNNING
                and step.lease_expires_at is not None
                and step.lease_expires_at < self.now
            ),
            None,
        )

    @cached_property
    def open_requests(self) -> tuple[Approval, ...]:
        """Return the requests that keep the run waiting: pending, expired or not yet used."""
        waiting = (s for s in self.detail.steps if s.status == StepStatus.WAITING_FOR_APPROVAL)
        return self.sight(next((step.approvals for step in waiting), ()))

    @property
    def outcome(self) -> str:
        """Return the status that all open requests share; else "expired" if one has, or "mixed"."""
        statuses = {str(each.status) for each in self.open_requests}
        if len(statuses) == 1:
            return statuses.pop()
        return "expired" if "expired" in statuses else "mixed"

    @property
    def failed_step(self) -> Step | None:
        """Return the step that failed the run, or None."""
        failed = (step for step in self.detail.steps if step.status == StepStatus.FAILED)
        return self.sight(next(failed, None))

    @property
    def cancelled(self) -> JournalEntry | None:
        """Return the entry with which the run was cancelled or rejected, or None."""
        last = (entry for entry in reversed(self.detail.journal) if entry.subject == "run")
        ended = (entry for entry in last if entry.to_state == RunStatus.CANCELLED)
        return self.sight(next(ended, None))

    def step(self, step_id: str) -> Step:
        """Return the step of an approval or a handoff."""
        return self.sight(self._steps[step_id])

    @cached_property
    def _steps(self) -> Mapping[str, Step]:
        return {step.step_id: step for step in self.detail.steps}

    @cached_property
    def subjects(self) -> Mapping[str, Subject]:
        """What each id of the run refers to."""
        named = {self.detail.summary.run_id: Subject("run", "run", 0)}
        for step in self.detail.steps:
            named[step.step_id] = Subject(f"step {step.sequence}", "steps", step.sequence)
        for i, approval in enumerate(self.detail.approvals, start=1):
            named[approval.approval_id] = Subject(f"approval {i}", "approvals", i)
        for i, handoff in enumerate(self.detail.delegated_handoffs, start=1):
            named[handoff.handoff_id] = Subject(f"handoff {i}", "handoffs", i)
        return named


@attrs.frozen
class EntryPage:
    """One entry of the journal of a run, whole."""

    detail: RunDetail
    entry: JournalEntry
    sight: Sight

    def seen_by(self, sight: Sight) -> Self:
        """Return the page as the reader may see it."""
        detail, entry = sight((self.detail, self.entry))
        return attrs.evolve(self, detail=detail, entry=entry, sight=sight)

    @property
    def command(self) -> str:
        """The command that checks the journal."""
        return verify_command(self.detail.summary.run_id)

    @property
    def has_masked(self) -> bool:
        """Whether the mask hides a value of this page, even if this reader sees it."""
        return self.sight.has_masked


def _frame(detail: RunDetail) -> RunDetail:
    """Return a run without its steps, approvals and handoffs, and with its last entry alone."""
    bare: Mapping[str, Any] = {"steps": (), "approvals": (), "delegated_handoffs": ()}
    return attrs.evolve(detail, **bare, journal=detail.journal[-1:])


def run_page(
    view: Scoria, run_id: str, after: Mapping[str, int], *, shows_kept: bool = False
) -> RunPage:
    """Read a run; raises `RunNotFound`, `StoreCorrupt` or `StoreUnavailable` as the facade does."""
    return RunPage(view.inspect_run(run_id), view.now(), after, shows_kept)


def verify_command(run_id: str) -> str:
    """Return the command that checks the journal of a run, ready for a shell."""
    return f"scoria evidence verify {shlex.quote(run_id)}"
