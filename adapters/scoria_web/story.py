"""The story of a run: what happened to each step, one event on each line, with its duration."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import pairwise

import attrs
from markupsafe import Markup

from scoria_core.journal import JournalEntry
from scoria_core.lifecycles import StepStatus, is_terminal
from scoria_core.model import Approval, RunDetail, Step
from scoria_web.display import badge_of, lasted
from scoria_web.masking import Sight

MOST_LINES = 30
"""The most lines about one step: the last ones; the others are only in the journal."""

WIDTH = 1_000
"""How wide the strip of a step is drawn, in its own units."""

NOTICED = timedelta(seconds=1)
"""The shortest duration that is mentioned."""

_LIFECYCLE = files("scoria_web").joinpath("lifecycle.svg").read_text("utf-8")

_TOLD_ELSEWHERE = frozenset(
    {"run_approval_requested", "run_resumed", "run_retried", "step_approval_requested"}
)
"""The entries without a line of their own: another line of the same change says the same."""


@attrs.frozen
class Line:
    """An entry of the journal, the time since the line before it, and the request it is about."""

    entry: JournalEntry
    later: str | None
    approval: Approval | None = None


@attrs.frozen
class Span:
    """One stay of a step in a status: its place in the strip, and its length so far."""

    status: str
    start: int
    width: int
    lasted: timedelta
    is_open: bool


@attrs.frozen
class Chapter:
    """What happened to one step; `children` are the steps that it handed work to.

    `unseen` is the number of earlier lines, which are only in the journal.
    """

    step: Step
    lines: tuple[Line, ...]
    unseen: int
    spans: tuple[Span, ...]
    children: tuple["Chapter", ...]

    @property
    def lengths(self) -> list[tuple[str, str]]:
        """How long the step was in each status; a short time counts only if it has not ended."""
        still = {span.status for span in self.spans if span.is_open}
        statuses = dict.fromkeys(span.status for span in self.spans)
        whole = {
            status: sum((s.lasted for s in self.spans if s.status == status), timedelta())
            for status in statuses
        }
        return [
            (status, lasted(each))
            for status, each in whole.items()
            if status in still or each >= NOTICED
        ]


@attrs.frozen
class Story:
    """The chapters of some steps, between what began the run and what ended it, if it has ended."""

    began: Line | None
    chapters: tuple[Chapter, ...]
    ended: Line | None


def story(detail: RunDetail, steps: Sequence[Step], now: datetime, sight: Sight) -> Story:
    """Return the story of these steps of a run; a child is below its parent if both are shown.

    The contents of its lines have passed `sight`.
    """
    approvals = {each.approval_id: each for each in detail.approvals}
    handoffs = {each.handoff_id: each for each in detail.delegated_handoffs}
    told: dict[str, list[JournalEntry]] = {step.step_id: [] for step in steps}
    moved: dict[str, list[JournalEntry]] = {step.step_id: [] for step in steps}
    for entry in detail.journal:
        step_id = entry.subject_id
        if entry.subject == "approval" and step_id in approvals:
            step_id = approvals[step_id].step_id
        # Only the creation of a handoff: the lines of its child step cover what follows.
        elif entry.subject == "handoff" and entry.trigger is None and step_id in handoffs:
            step_id = handoffs[step_id].parent_step_id
        elif entry.subject == "step" and step_id in moved:
            moved[step_id].append(entry)
        if step_id in told and entry.type not in _TOLD_ELSEWHERE:
            told[step_id].append(entry)
    run_began, run_until = detail.summary.created_at, _until(detail, now)

    def line(entry: JournalEntry, earlier: JournalEntry | None) -> Line:
        passed = timedelta() if earlier is None else entry.at - earlier.at
        seen, asked = sight((entry, approvals.get(entry.subject_id)))
        return Line(seen, lasted(passed) if passed >= NOTICED else None, asked)

    def chapter(step: Step) -> Chapter:
        entries = told[step.step_id]
        unseen = max(0, len(entries) - MOST_LINES)
        lines = map(line, entries[unseen:], [None, *entries][unseen:])
        return Chapter(
            step,
            tuple(lines),
            unseen,
            tuple(_spans(moved[step.step_id], run_began, run_until)),
            tuple(chapter(each) for each in steps if each.parent_step_id == step.step_id),
        )

    top = [step for step in steps if step.parent_step_id not in told]
    journal = detail.journal
    ended = journal[-1] if is_terminal("run", detail.summary.status) else None
    return Story(
        line(journal[0], None) if (steps and steps[0].sequence == 1) or not steps else None,
        tuple(map(chapter, top)),
        line(ended, None) if ended is not None and detail.damage is None else None,
    )


def _until(detail: RunDetail, now: datetime) -> datetime:
    """Return when the run ended, or now; never before its last change, if a clock was set back."""
    last = detail.summary.updated_at
    return last if is_terminal("run", detail.summary.status) else max(now, last)


def _spans(moved: Sequence[JournalEntry], began: datetime, until: datetime) -> Iterator[Span]:
    """Yield each stay of a step in a status, drawn to scale between these two times."""
    whole = max((until - began).total_seconds(), 1e-6)
    times = [*(entry.at for entry in moved), until]
    for entry, (start, end) in zip(moved, pairwise(times), strict=True):
        if is_terminal("step", entry.to_state) or entry.to_state == StepStatus.FAILED:
            continue
        left = round((start - began).total_seconds() / whole * WIDTH)
        right = round((end - began).total_seconds() / whole * WIDTH)
        if width := max(right - left, 1):
            is_open = entry is moved[-1]
            yield Span(entry.to_state, min(left, WIDTH - 1), width, end - start, is_open)


def lifecycle(journal: Sequence[JournalEntry]) -> Markup:
    """Return the lifecycle of a run as a drawing, with its state and its moves highlighted."""
    moves = [entry for entry in journal if entry.subject == "run"]
    lit: dict[str, str] = {"move-start": "edge taken"}
    for entry in moves:
        if entry.trigger is not None:
            lit[f"move-{entry.from_state}-{entry.trigger}"] = "edge taken"
    status = moves[-1].to_state
    lit[f"state-{status}"] = f"node lit {badge_of(status)[0]}"
    drawing = _LIFECYCLE
    for id_, classes in lit.items():
        kind = classes.partition(" ")[0]
        drawing = drawing.replace(f'id="{id_}" class="{kind}"', f'id="{id_}" class="{classes}"', 1)
    return Markup(drawing)  # noqa: S704 - a file of this package; statuses and triggers are ours


def path_of(journal: Sequence[JournalEntry]) -> list[str]:
    """Return the statuses that a run went through; if there are many, only the last ones."""
    passed = [entry.to_state for entry in journal if entry.subject == "run"]
    return passed if len(passed) <= MOST_LINES else ["…", *passed[-MOST_LINES:]]


def entries_by_key(
    journal: Sequence[JournalEntry], subjects: Container[str]
) -> Mapping[tuple[str, str], int]:
    """Return the number of the entry that last wrote each key of these subjects.

    The key "proposed_arguments" leads to the entry in which an approval was requested, and
    "endorsement 1" to that of its first yes, if that was not the last one needed.
    """
    entries = [entry for entry in journal if entry.subject_id in subjects]
    written = {(e.subject_id, key): e.sequence for e in entries for key in e.data}
    yeses: Counter[str] = Counter()
    for entry in entries:
        if entry.type == "approval_requested":
            written[entry.subject_id, "proposed_arguments"] = entry.sequence
        elif entry.type == "approval_endorsed":
            yeses[entry.subject_id] += 1
            written[entry.subject_id, f"endorsement {yeses[entry.subject_id]}"] = entry.sequence
    return written
