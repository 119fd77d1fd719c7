"""What Scoria is to reach beside peers and raw stores, and how near it came."""

from collections.abc import Iterator, Mapping

import attrs

from lab.bench.catalogue import BY_NAME
from lab.bench.figures import Figures, Spread

FINISHED_ALREADY = 100_000
"""Among how many finished runs a store is to be nearly as fast as an empty one."""


@attrs.frozen
class Aim:
    """How many times what `theirs` does `ours` is to do, by the number of flows."""

    ours: str
    theirs: str
    least: Mapping[int, float]


@attrs.frozen
class Met:
    """An aim, or that a store does not slow down, and what was measured."""

    label: str
    flows: int
    least: float
    found: Spread

    @property
    def is_met(self) -> bool:
        """Whether the median reaches it."""
        return self.found.middle >= self.least


AIMS = (
    Aim("scoria-memory", "langgraph-memory", {1: 20, 8: 20}),
    Aim("scoria-sqlite", "dbos-sqlite", {1: 20, 8: 20}),
    Aim("scoria-sqlite", "langgraph-sqlite", {1: 6, 8: 6}),
    Aim("scoria-sqlite", "eventsourcing-sqlite", {1: 1, 8: 1}),
    Aim("scoria-sqlite", "raw-sqlite", {1: 0.5, 8: 0.5}),
    Aim("scoria-duckdb", "dbos-sqlite", {1: 5, 8: 15}),
    Aim("scoria-duckdb", "langgraph-sqlite", {1: 1.5, 8: 4}),
    Aim("scoria-duckdb", "raw-duckdb", {1: 0.7, 8: 0.7}),
    Aim("scoria-postgresql", "dbos-postgresql", {1: 10, 8: 10}),
    Aim("scoria-postgresql", "langgraph-postgresql", {1: 3, 8: 3}),
    Aim("scoria-postgresql", "raw-postgresql", {1: 0.7, 8: 0.7}),
)
"""The aims of the project, each a ratio of W a second on empty stores."""


def met(figures: Figures) -> list[Met]:
    """Return each aim that was measured, then how much speed finished runs leave each store."""
    return [*_beside_others(figures), *_among_finished_runs(figures)]


def _beside_others(figures: Figures) -> Iterator[Met]:
    for aim in AIMS:
        for flows, least in aim.least.items():
            found = figures.between((aim.ours, 0), (aim.theirs, 0), flows)
            if found is not None:
                label = f"{BY_NAME[aim.ours].label} beside {BY_NAME[aim.theirs].label}"
                yield Met(label, flows, least, found)


def _among_finished_runs(figures: Figures) -> Iterator[Met]:
    for entry in BY_NAME.values():
        for flows in figures.findings.plan.flows:
            name = entry.name
            found = figures.between((name, FINISHED_ALREADY), (name, 0), flows)
            if entry.is_scoria and found is not None:
                label = f"{entry.label} among {FINISHED_ALREADY:,} finished runs, beside none"
                yield Met(label, flows, 0.9, found)
