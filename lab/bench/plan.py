"""What is to be measured, and what was found."""

import attrs


@attrs.frozen
class Plan:
    """Which candidates, under what, how long and how often."""

    names: tuple[str, ...]
    flows: tuple[int, ...] = (1, 8, 32)
    finished: tuple[int, ...] = (0, 10_000, 100_000)
    rounds: int = 5
    seconds: float = 2.0
    count: int | None = None
    counted: int = 500


@attrs.frozen
class Condition:
    """What a candidate was measured under."""

    name: str
    finished: int
    flows: int


@attrs.frozen
class Rate:
    """How often W was done in a second, in one round."""

    condition: Condition
    round: int
    works_per_second: float

    def __str__(self) -> str:
        met = self.condition
        where = f"{met.name}, {met.finished:,} finished, flows: {met.flows}"
        return f"round {self.round}: {where}: {self.works_per_second:,.0f} W/s"


@attrs.frozen
class Cost:
    """What one W costs; None where nothing can be counted."""

    name: str
    commits: float | None
    statements: float | None
    bytes: float | None

    def __str__(self) -> str:
        return (
            f"{self.name}: commits {self.commits}, statements {self.statements}, bytes {self.bytes}"
        )


@attrs.frozen
class Findings:
    """All that a run of the bench found; `skipped` says why, by candidate."""

    plan: Plan
    rates: tuple[Rate, ...]
    costs: tuple[Cost, ...]
    skipped: dict[str, str]
    machine: dict[str, str]
