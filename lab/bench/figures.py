"""Medians, spreads and ratios of what was measured."""

from collections.abc import Sequence
from statistics import median

import attrs

from lab.bench.catalogue import BY_NAME, ENTRIES, Entry
from lab.bench.plan import Condition, Findings


@attrs.frozen
class Spread:
    """The median of some rounds, with the least and the most."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of some values, of which there is at least one."""
        return cls(median(values), min(values), max(values))


@attrs.frozen
class Figures:
    """What there is to say of one run of the bench."""

    findings: Findings

    def rate(self, name: str, finished: int, flows: int) -> Spread | None:
        """Return how often W was done in a second, or None where it was not measured."""
        rounds = self._by_round(Condition(name, finished, flows))
        return Spread.of(list(rounds.values())) if rounds else None

    def ratio(self, name: str, finished: int, flows: int) -> Spread | None:
        """Return how often Scoria did W while this did it once, both in the same round.

        None where one of them was not measured, and for Scoria itself.
        """
        ours = scoria_beside(BY_NAME[name])
        if ours.name == name:
            return None
        return self.between((ours.name, finished), (name, finished), flows)

    def between(self, one: tuple[str, int], other: tuple[str, int], flows: int) -> Spread | None:
        """Return how often one candidate did W while the other did it once, round by round.

        Each is a name and the number of finished runs there. None where one was not measured.
        """
        ones = self._by_round(Condition(*one, flows))
        others = self._by_round(Condition(*other, flows))
        both = [ones[each] / others[each] for each in ones.keys() & others.keys()]
        return Spread.of(both) if both else None

    def conditions(self) -> list[tuple[Entry, int]]:
        """Return each candidate that was measured with each number of finished runs."""
        met = {(rate.condition.name, rate.condition.finished) for rate in self.findings.rates}
        return [
            (entry, finished)
            for entry in ENTRIES
            for finished in self.findings.plan.finished
            if (entry.name, finished) in met
        ]

    def _by_round(self, condition: Condition) -> dict[int, float]:
        rates = self.findings.rates
        return {each.round: each.works_per_second for each in rates if each.condition == condition}


def scoria_beside(entry: Entry) -> Entry:
    """Return the Scoria that is of the same kind of store."""
    return next(each for each in ENTRIES if each.is_scoria and each.kind is entry.kind)
