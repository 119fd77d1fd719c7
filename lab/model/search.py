"""Every situation that can be reached, breadth first: what is found is found by a shortest way."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import attrs

from lab.model.composition import (
    IDLE,
    Action,
    Bounds,
    Composition,
    Handling,
    Moment,
    Phase,
    Situation,
    clashes,
    stale,
)
from lab.model.invariants import Breach

State = tuple[int, ...]
"""A situation by numbers: that of its moment, then those of where its callers stand, sorted."""

Way = tuple[int, int, bool]
"""Where one caller gets: the moment, where it then stands, and whether it committed."""


@attrs.frozen
class CounterExample:
    """What breaks an invariant, and a shortest way there."""

    breaches: tuple[Breach, ...]
    script: tuple[Action, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the invariants that are broken."""
        return tuple(sorted({breach.number for breach in self.breaches}))


@attrs.frozen
class Report:
    """What a search found, and how much it looked at.

    `states` counts situations, in which it does not matter which caller is which; `runs` the
    runs that stand in them. `moves` are (subject, from, trigger, to). From a dead end no call
    leads to the end of the run.
    """

    bounds: Bounds
    states: int
    runs: int
    transitions: int
    refusals: int
    depth: int
    seconds: float
    checked: Mapping[int, int]
    moves: frozenset[tuple[str, str | None, str | None, str]]
    dead_ends: int
    counter_example: CounterExample | None = None


def search(bounds: Bounds) -> Report:
    """Explore all that can be reached within `bounds`, up to the first broken invariant."""
    return _Search(Composition(bounds, merges=True)).run()


class _Found(Exception):
    """An invariant is broken in what follows from the situation that is being looked at."""


@attrs.define
class _Search:
    """The situations known so far, each with the one it was reached from.

    There are a million of them and few different runs and phases, so they are kept as numbers.
    """

    composition: Composition
    moments: list[Moment] = attrs.field(factory=list)
    phases: list[Phase] = attrs.field(factory=list)
    came_from: dict[State, State | None] = attrs.field(factory=dict)
    transitions: int = 0
    refusals: int = 0
    _moment_numbers: dict[Moment, int] = attrs.field(factory=dict)
    _phase_numbers: dict[Phase, int] = attrs.field(factory=dict)
    _ways: dict[tuple[int, int], tuple[Way, ...]] = attrs.field(factory=dict)
    _stale: dict[int, int] = attrs.field(factory=dict)
    _aged: dict[int, int] = attrs.field(factory=dict)
    _later: dict[int, int] = attrs.field(factory=dict)

    def run(self) -> Report:
        """Search, and tell what was found."""
        began = time.perf_counter()
        level = [self._state(self.composition.initial())]
        self.came_from[level[0]] = None
        depth, found = 0, None
        while level and found is None:
            level, found = self._next_level(level)
            depth += bool(level)
        reached = {state[0] for state in self.came_from}
        dead_ends = 0 if found else len(self._dead_ends(reached))
        return Report(
            bounds=self.composition.bounds,
            states=len(self.came_from),
            runs=len(reached),
            transitions=self.transitions,
            refusals=self.refusals,
            depth=depth,
            seconds=time.perf_counter() - began,
            checked=dict(self.composition.checked),
            moves=frozenset(self.composition.moves),
            dead_ends=dead_ends,
            counter_example=found,
        )

    def _next_level(self, level: list[State]) -> tuple[list[State], CounterExample | None]:
        following: list[State] = []
        for state in level:
            try:
                for successor in self._successors(state):
                    self.transitions += 1
                    if successor not in self.came_from:
                        self._check(successor)
                        self.came_from[successor] = state
                        following.append(successor)
            except _Found:
                return [], self._counter_example(state)
        return following, None

    def _successors(self, state: State) -> Iterator[State]:
        moment, *phases = state
        for at, phase in enumerate(phases):
            others = phases[:at] + phases[at + 1 :]
            for then, stands, commits in self._ways_of(moment, phase):
                rest = map(self._stale_of, others) if commits else others
                yield (then, *sorted((stands, *rest)))
        yield (self._later_than(moment), *sorted(map(self._aged_of, phases)))

    def _ways_of(self, moment: int, phase: int) -> tuple[Way, ...]:
        """Return where one caller gets from here, whatever the others do."""
        known = self._ways.get((moment, phase))
        if known is None:
            deeds = list(self.composition.deeds(self.moments[moment], self.phases[phase]))
            if any(deed.breaches for deed in deeds):
                raise _Found
            self.refusals += sum(deed.is_refused for deed in deeds)
            known = self._ways[moment, phase] = tuple(
                (self._moment(deed.moment), self._phase(deed.phase), deed.commits)
                for deed in deeds
                if not deed.is_refused or deed.phase != self.phases[phase]
            )
        return known

    def _check(self, state: State) -> None:
        moment, *phases = state
        at_work = [each for each in phases if isinstance(self.phases[each], Handling)]
        if len(at_work) > len(set(at_work)) and clashes(
            self.moments[moment], map(self.phases.__getitem__, at_work)
        ):
            raise _Found

    def _later_than(self, moment: int) -> int:
        if moment not in self._later:
            later = self.composition.later(self.moments[moment])
            if later.breaches:
                raise _Found
            self._later[moment] = self._moment(later)
        return self._later[moment]

    def _stale_of(self, phase: int) -> int:
        if phase not in self._stale:
            self._stale[phase] = self._phase(stale(self.phases[phase]))
        return self._stale[phase]

    def _aged_of(self, phase: int) -> int:
        if phase not in self._aged:
            self._aged[phase] = self._phase(self.composition.aged(self.phases[phase]))
        return self._aged[phase]

    def _state(self, situation: Situation) -> State:
        phases = sorted(map(self._phase, situation.callers))
        return (self._moment(situation.moment), *phases)

    def _moment(self, moment: Moment) -> int:
        return _numbered(moment, self._moment_numbers, self.moments)

    def _phase(self, phase: Phase) -> int:
        return _numbered(phase, self._phase_numbers, self.phases)

    def _counter_example(self, state: State) -> CounterExample:
        """Walk to `state` with each caller under its own number, and one action further."""
        composition, situation = self.composition, self.composition.initial()
        script: list[Action] = []
        for reached in self._way_to(state)[1:]:
            for action in composition.actions(situation):
                followed, _ = composition.step(situation, action)
                if self._state(followed) == reached:
                    break
            situation = followed
            script.append(action)
        for action in composition.actions(situation):
            _, found = composition.step(situation, action)
            if found:
                return CounterExample(found, (*script, action))
        raise AssertionError("what was found is not found again")

    def _way_to(self, state: State) -> list[State]:
        way: list[State] = []
        at: State | None = state
        while at is not None:
            way.append(at)
            at = self.came_from[at]
        return way[::-1]

    def _dead_ends(self, reached: Iterable[int]) -> set[int]:
        """Return the moments from which one caller cannot bring the run to an end.

        All callers may crash, so from every situation there is a way to the one of the same
        moment in which all are idle: it is enough to look at those, and at one caller.
        """
        dead = {each for each in reached if not self.moments[each].has_ended}
        idle = self._phase(IDLE)
        while True:
            saved = {each for each in dead if not self._after_one_call(each, idle) <= dead}
            if not saved:
                return dead
            dead -= saved

    def _after_one_call(self, moment: int, idle: int) -> set[int]:
        return {
            then
            for _, decided, _ in self._ways_of(moment, idle)
            for then, _, commits in self._ways_of(moment, decided)
            if commits
        }


T = TypeVar("T")


def _numbered(value: T, numbers: dict[T, int], values: list[T]) -> int:
    number = numbers.setdefault(value, len(values))
    if number == len(values):
        values.append(value)
    return number
