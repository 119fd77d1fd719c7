"""What traces to what: clauses, the scenarios that test them, the transitions they govern."""

import json
from collections.abc import Iterable, Iterator, Mapping

import attrs

from lab.spec_gate.scenarios import Scenario
from scoria_conformance.clauses import Clause, ClauseSet
from scoria_conformance.verdict import Status, Verdict, worst
from scoria_core.lifecycles import MACHINES, transitions

Counts = Mapping[str, int]
"""How many checks of a scenario have each status."""


@attrs.frozen
class Found:
    """What an actual run found: per target, each scenario's checks by status."""

    targets: Mapping[str, Mapping[str, Counts]]

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> "Found":
        """Count the checks of these verdicts."""
        return cls({each.target: _counted(each) for each in sorted(verdicts, key=_target)})

    @classmethod
    def from_json(cls, text: str) -> "Found":
        """Read what `to_json` wrote."""
        return cls(json.loads(text))

    def to_json(self) -> str:
        """Return it as JSON text, one way to say it."""
        return json.dumps(self.targets, indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    def status(self, target: str, scenarios: Iterable[str]) -> Status:
        """Return the worst that `scenarios` came to; one that was not run could not run."""
        seen = {each for name in scenarios for each in self._statuses(target, name)}
        return worst(seen)

    def _statuses(self, target: str, scenario: str) -> Iterator[Status]:
        counts = self.targets[target].get(scenario, {})
        return (Status(status) for status in counts or [Status.COULD_NOT_RUN])


def _target(verdict: Verdict) -> str:
    return verdict.target


def _counted(verdict: Verdict) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for check in verdict.checks:
        counts = counted.setdefault(check.scenario, {})
        counts[check.status.value] = counts.get(check.status.value, 0) + 1
    return counted


def moves() -> Iterator[tuple[str, str]]:
    """Yield every declared transition: in words, and as a clause names it."""
    for subject in MACHINES:
        for (source, trigger), dest in transitions(subject).items():
            yield f"{subject}: {source} -{trigger}-> {dest}", f"{subject}.{trigger}"


def testing(clause: Clause, scenarios: Iterable[Scenario]) -> list[Scenario]:
    """Return the scenarios that test `clause`."""
    return [scenario for scenario in scenarios if clause.id in scenario.clauses]


def governing(name: str, clauses: ClauseSet) -> list[Clause]:
    """Return the clauses that govern the transition of this name."""
    return [clause for clause in clauses.clauses if name in clause.governs]


def matrix(clauses: ClauseSet, scenarios: Iterable[Scenario], found: Found) -> str:
    """Return the page that shows what traces to what, and what the run found."""
    every = list(scenarios)
    parts = [
        _HEAD,
        *_rows(["clause", "tested by", *found.targets], _clause_rows(clauses, every, found)),
        "\n## Scenarios\n",
        *_rows(["scenario", "feature", "checks", "lines", "tags"], _scenario_rows(every)),
        "\n## Transitions\n",
        *_rows(["transition", "clauses"], _move_rows(clauses)),
    ]
    return "\n".join(parts) + "\n"


_HEAD = """# Traceability

Made by `make spec`, which puts each store through the suite and writes down what it found. A clause
has the worst status of its scenarios; `not applicable` is what a store did not declare. `lines` is
a digest of what a scenario said, with all its examples, when it was run.

## Clauses
"""


def _rows(heads: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    for row in [heads, ["---"] * len(heads), *rows]:
        yield f"| {' | '.join(row)} |"


def _clause_rows(
    clauses: ClauseSet, scenarios: list[Scenario], found: Found
) -> Iterator[list[str]]:
    for clause in clauses.clauses:
        names = [scenario.name for scenario in testing(clause, scenarios)]
        if clause.untestable is not None:
            told = [f"*untestable: {clause.untestable}*", *("" for _ in found.targets)]
        else:
            statuses = [found.status(target, names).value for target in found.targets]
            told = ["<br>".join(names), *statuses]
        yield [_link(clause), *told]


def _scenario_rows(scenarios: list[Scenario]) -> Iterator[list[str]]:
    for each in scenarios:
        tags = ", ".join(sorted(each.tags))
        yield [each.name, each.feature, str(each.checks), each.digest, tags]


def _move_rows(clauses: ClauseSet) -> Iterator[list[str]]:
    for words, name in moves():
        yield [words, ", ".join(_link(clause) for clause in governing(name, clauses))]


def _link(clause: Clause) -> str:
    return f"[{clause.id}]({clause.page}#{clause.id.lower()})"
