"""One run and the callers that work on it at once, over the decisions of the core as they are.

What a caller does falls into the commits of `RunRepository` and `Execution`: it reads and
decides, commits at the version it read, and is in a handler in between. Anything of another
caller may come between two of these; so may a crash, and the time at which a request expires.
"""

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from types import MappingProxyType

import attrs

from lab.model.invariants import INVARIANTS, Breach, Observed, breaches
from lab.model.vocabulary import ANSWERS, CALLS, SEARCHES, STARTS, TICK, Claim, Command, Words
from scoria_core import Approval, RunDetail, ScoriaError, Step
from scoria_core.decisions import Change
from scoria_core.errors import StoreCorrupt
from scoria_core.lifecycles import is_terminal
from scoria_core.ports import Record
from scoria_core.run import Run

RUN_ID = "00000000-0000-7000-8000-000000000001"
COMMIT, CRASH, TIME_PASSES = "commit", "crash", "time passes"

_BEGINNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@attrs.frozen
class Bounds:
    """How far a run may grow; what would go beyond does not happen."""

    callers: int = 2
    steps: int = 3
    approvals: int = 2
    attempts: int = 2
    search: str = "lifecycles"

    @property
    def words(self) -> Words:
        """What callers do in this search; in none, everything."""
        return SEARCHES.get(self.search, Words(tuple(STARTS), tuple(CALLS), tuple(ANSWERS)))

    def admit(self, run: Run) -> bool:
        """Tell whether the run is within the bounds."""
        return (
            len(run.steps) <= self.steps
            and len(run.approvals) <= self.approvals
            and all(step.attempt <= self.attempts for step in run.steps.values())
        )


_BY_SEARCH: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "together": {"steps": 1, "approvals": 4},
        "quorum": {"steps": 1},
        "edits": {"steps": 1},
    }
)


def within(search: str, **bounds: int) -> Bounds:
    """Return the bounds of a search: those given, but one step where it is about decisions."""
    return Bounds(**{**bounds, **_BY_SEARCH.get(search, {})}, search=search)


UNBOUNDED = Bounds(steps=sys.maxsize, approvals=sys.maxsize, attempts=sys.maxsize, search="")
"""For one walk, which ends where its script does, in the words of all searches."""


@attrs.frozen(eq=False)
class Moment:
    """A run at a time, which nothing changes.

    What is wrong with it is looked for when it is asked for: most of what could be done is not.
    """

    run: Run
    now: datetime
    look: Callable[[], tuple[Breach, ...]] = tuple

    @cached_property
    def breaches(self) -> tuple[Breach, ...]:
        """What breaks an invariant in the run, or in how it came to be."""
        return self.look()

    @property
    def has_started(self) -> bool:
        """Tell whether there is a run at all."""
        return self.run.version > 0

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing can happen to the run any more."""
        return is_terminal("run", self.run.status)

    @cached_property
    def detail(self) -> RunDetail:
        """The run as it is shown at this time."""
        return self.run.detail(self.now, None)


@attrs.frozen
class Idle:
    """The caller has nothing under way."""


@attrs.frozen
class Decided:
    """The caller has read the run and decided, and has yet to commit.

    `result` is None where another caller has committed since: the commit will conflict.
    """

    command: Command
    result: Moment | None
    claim: Claim | None


@attrs.frozen
class Handling:
    """The caller has committed a claim, and is in the handler."""

    claim: Claim


Phase = Idle | Decided | Handling
IDLE = Idle()


@attrs.frozen
class Situation:
    """A run, and where each caller stands."""

    moment: Moment
    callers: tuple[Phase, ...]


@attrs.frozen
class Action:
    """What happens next: something that a caller does or meets, or that time passes."""

    deed: str
    caller: int | None = None

    def __str__(self) -> str:
        return self.deed if self.caller is None else f"caller {self.caller}: {self.deed}"


class CannotHappen(Exception):
    """An action is not possible in the situation it was to happen in."""


@attrs.frozen(eq=False)
class Decision:
    """What a command yields: records to commit, or none where it has nothing to do.

    `result` is the run with them, or as a refused call has left it.
    """

    result: Moment
    records: tuple[Record, ...] = ()
    claim: Claim | None = None
    is_refused: bool = False
    is_beyond: bool = False


@attrs.frozen(eq=False)
class Deed:
    """What one caller can do, and where that leaves the run and the caller."""

    text: str
    moment: Moment
    phase: Phase
    commits: bool = False
    is_refused: bool = False
    judged: Moment | None = None

    @property
    def breaches(self) -> tuple[Breach, ...]:
        """What breaks an invariant in a commit, or in a refusal."""
        return () if self.judged is None else self.judged.breaches


@attrs.define
class Composition:
    """What can happen within the bounds, and what follows.

    With `merges`, runs that no decision can tell apart are one, whatever their journals. What can
    be reached is the same; what was reached is then no longer one history.
    """

    bounds: Bounds = attrs.field(factory=Bounds)
    merges: bool = False
    checked: Counter[int] = attrs.field(factory=Counter)
    moves: set[tuple[str, str | None, str | None, str]] = attrs.field(factory=set)
    _decisions: dict[tuple[Moment, Command], Decision] = attrs.field(factory=dict)
    _moments: dict[object, Moment] = attrs.field(factory=dict)
    _later: dict[Moment, Moment] = attrs.field(factory=dict)

    def initial(self) -> Situation:
        """Return the situation before anything was called."""
        return Situation(
            self._merged(Moment(Run(RUN_ID), _BEGINNING)), (IDLE,) * self.bounds.callers
        )

    def actions(self, situation: Situation) -> Iterator[Action]:
        """Yield everything that can happen."""
        yield Action(TIME_PASSES)
        for number, phase in enumerate(situation.callers, 1):
            for deed in self.deeds(situation.moment, phase):
                yield Action(deed.text, number)

    def step(self, situation: Situation, action: Action) -> tuple[Situation, tuple[Breach, ...]]:
        """Return what follows, and what breaks an invariant in it.

        Raises `CannotHappen` for what is not among `actions`.
        """
        if action.caller is None:
            return self._time_passes(situation)
        at = action.caller - 1
        moment, phase = situation.moment, situation.callers[at]
        deed = (
            self._deed(action.deed, moment, phase)
            if action.deed in self._said(moment, phase)
            else None
        )
        if deed is None:
            raise CannotHappen(str(action))
        callers = list(map(stale, situation.callers) if deed.commits else situation.callers)
        callers[at] = deed.phase
        return self._checked(Situation(deed.moment, tuple(callers)), deed.breaches)

    def deeds(self, moment: Moment, phase: Phase) -> Iterator[Deed]:
        """Yield what a caller can do that stands at `phase`."""
        deeds = (self._deed(text, moment, phase) for text in self._said(moment, phase))
        return (deed for deed in deeds if deed is not None)

    def decide(self, moment: Moment, command: Command) -> Decision:
        """Return what a command yields on a run; the same each time, so it is decided once."""
        known = self._decisions.get((moment, command))
        if known is None:
            known = self._decisions[moment, command] = self._decide(moment, command)
        return known

    def later(self, moment: Moment) -> Moment:
        """Return the same run a tick later."""
        known = self._later.get(moment)
        if known is None:
            known = self._later[moment] = self._merged(Moment(moment.run, moment.now + TICK))
        return known

    def _time_passes(self, situation: Situation) -> tuple[Situation, tuple[Breach, ...]]:
        callers = tuple(self.aged(phase) for phase in situation.callers)
        moment = self.later(situation.moment)
        return self._checked(Situation(moment, callers), moment.breaches)

    def aged(self, phase: Phase) -> Phase:
        """Return where a caller stands a tick later: what it decided was decided before."""
        if isinstance(phase, Decided) and phase.result is not None:
            return attrs.evolve(phase, result=self.later(phase.result))
        return phase

    def _checked(
        self, situation: Situation, found: tuple[Breach, ...]
    ) -> tuple[Situation, tuple[Breach, ...]]:
        return situation, (*found, *clashes(situation.moment, situation.callers))

    def _deed(self, text: str, moment: Moment, phase: Phase) -> Deed | None:
        """Return what a deed leads to, or None where it cannot be, or goes beyond the bounds."""
        if text not in self._said(moment, phase):
            return None
        if text == CRASH:
            return Deed(text, moment, IDLE)
        if isinstance(phase, Decided) and phase.result is not None:
            entered = IDLE if phase.claim is None else Handling(phase.claim)
            return Deed(text, phase.result, entered, commits=True, judged=phase.result)
        return self._decides(text, moment, _command(text, phase))

    def _decides(self, text: str, moment: Moment, command: Command) -> Deed | None:
        decision = self.decide(moment, command)
        if decision.is_beyond:
            return None
        if decision.is_refused:
            return Deed(text, moment, IDLE, is_refused=True, judged=decision.result)
        if not decision.records:
            return Deed(text, moment, IDLE)
        return Deed(text, moment, Decided(command, decision.result, decision.claim))

    def _decide(self, moment: Moment, command: Command) -> Decision:
        change = Change(_copied(moment.run), moment.now, _ids_after(moment.run))
        claimed: Step | None = None
        refused: ScoriaError | None = None
        try:
            claimed = command.decide(change)
        except ScoriaError as error:
            refused = error
        if refused is None and not change.records:
            return Decision(moment)
        if not self.bounds.admit(change.run):
            return Decision(moment, is_beyond=True)
        look = partial(self._look, moment, change, claimed, refused)
        result = Moment(change.run, moment.now, look)
        if refused is not None:
            unchanged = self.merges and not result.breaches
            return Decision(moment if unchanged else result, is_refused=True)
        for entry in change.run.journal[moment.run.version :]:
            self.moves.add((entry.subject, entry.from_state, entry.trigger, entry.to_state))
        return Decision(self._merged(result), tuple(change.records), Claim.of(claimed))

    def _look(
        self, moment: Moment, change: Change, claimed: Step | None, refused: ScoriaError | None
    ) -> tuple[Breach, ...]:
        """Hold a decision to the invariants.

        A refused one is held to having added nothing, though nobody would commit it.
        """
        if isinstance(refused, StoreCorrupt):
            return (Breach(7, str(refused)),)
        if not change.run.version:
            return ()
        before = moment.detail if moment.has_started else None
        after = change.run.detail(moment.now, None)
        seen = Observed(after, before, is_refused=refused is not None, entered=claimed)
        return self._observed(seen, INVARIANTS if refused is None else (9,))

    def _read(self, run: Run, now: datetime) -> tuple[Breach, ...]:
        return self._observed(Observed(run.detail(now, None)), INVARIANTS) if run.version else ()

    def _observed(self, seen: Observed, numbers: Collection[int]) -> tuple[Breach, ...]:
        self.checked.update(list(numbers))
        return breaches(seen, numbers)

    def _said(self, moment: Moment, phase: Phase) -> Iterable[str]:
        """Return the words of what a caller may do that stands at `phase`."""
        words = self.bounds.words
        match phase:
            case Idle():
                return words.calls if moment.has_started else words.starts
            case Handling():
                return (*words.answers, CRASH)
            case Decided():
                return (COMMIT, CRASH)

    def _merged(self, moment: Moment) -> Moment:
        """Return the moment that stands for all like it; a broken one stands for itself."""
        read = partial(self._read, moment.run, moment.now)
        if not self.merges:
            return Moment(moment.run, moment.now, lambda: moment.breaches or read())
        if moment.breaches:
            return moment
        return self._moments.setdefault(told_apart(moment), Moment(moment.run, moment.now, read))


def _command(text: str, phase: Phase) -> Command:
    """Return what a caller has yet to decide; where its commit conflicts, that is decided anew."""
    match phase:
        case Idle():
            return Command(text)
        case Handling(claim):
            return Command(text, claim)
        case Decided(command):
            return command


def stale(phase: Phase) -> Phase:
    """Return where a caller stands once another has committed."""
    return Decided(phase.command, None, None) if isinstance(phase, Decided) else phase


def clashes(moment: Moment, callers: Iterable[Phase]) -> tuple[Breach, ...]:
    """Return the breach of two callers that are both in the handler of one step, each in its right.

    The journal would show one active step, and the handler would run twice.
    """
    claims = Counter(phase.claim for phase in callers if isinstance(phase, Handling))
    return tuple(
        Breach(1, f"{number} handlers are at work on step {claim.step}")
        for claim, number in claims.items()
        if number > 1 and claim.stands(moment.run)
    )


def _copied(run: Run) -> Run:
    copy = Run(
        run.run_id,
        journal=list(run.journal),
        status=run.status,
        steps=dict(run.steps),
        approvals=dict(run.approvals),
        handoffs=dict(run.handoffs),
    )
    if run.journal:
        copy.facts = run.facts
    return copy


def _ids_after(run: Run) -> Callable[[], str]:
    """Give ids that follow from the run alone, so that a decision is the same each time."""
    made = len(run.steps) + len(run.approvals) + len(run.handoffs)
    numbers = itertools.count(made + 2)
    return lambda: f"00000000-0000-7000-8000-{next(numbers):012x}"


def told_apart(moment: Moment) -> object:
    """Return all that a decision reads of a run: its subjects by number, and what is yet to come.

    Names, payloads and the time of what happened are checked by the invariants as they are
    written, and no decision asks for them.
    """
    run = moment.run
    number: dict[str | None, int] = {step_id: at for at, step_id in enumerate(run.steps)}
    return (
        moment.has_started,
        moment.has_started and run.facts.driven_by,
        run.status,
        tuple(
            (step.status, step.kind, step.role_id, step.attempt, number.get(step.parent_step_id))
            for step in run.steps.values()
        ),
        tuple(
            (
                number[approval.step_id],
                approval in run.requests_of(approval.step_id),
                approval.status,
                approval.on_reject,
                approval.approvals_needed,
                tuple(sorted(each.by for each in approval.endorsements)),
                approval.may_edit,
                _ticks_left(run, approval, moment.now),
                _ticks_to_reminder(approval, moment.now),
            )
            for approval in run.approvals.values()
        ),
        run.status == "waiting_for_approval" and run.last_request_expired(moment.now),
        tuple(
            (number[each.parent_step_id], number[each.child_step_id], each.status)
            for each in run.handoffs.values()
        ),
    )


def _ticks_left(run: Run, approval: Approval, now: datetime) -> int | None:
    """Return how long a request may still be decided or used; None where that counts no more."""
    step = run.steps[approval.step_id]
    may_be_used = (
        approval.status == "approved"
        and not is_terminal("step", step.status)
        and approval in run.requests_of(step.step_id)
    )
    if approval.expires_at is None or not (may_be_used or approval.status == "pending"):
        return None
    return max(0, (approval.expires_at - now) // TICK)


def _ticks_to_reminder(approval: Approval, now: datetime) -> int | None:
    """Return when a reminder is due; None where none is to come."""
    is_open = approval.status == "pending" and approval.reminded_at is None
    if approval.remind_after is None or not is_open:
        return None
    remind_at = approval.requested_at + timedelta(seconds=approval.remind_after)
    return max(0, (remind_at - now) // TICK)
