"""The gate: everything that would let text, Gherkin, code and pictures drift apart, by name."""

import pkgutil
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import attrs

from scoria_conformance.clauses import CLAUSE_ID, Clause, ClauseSet, ordered
from scoria_conformance.plugin import TAGS
from scoria_conformance.spec.bindings import Steps, binding_problems, bound_steps
from scoria_conformance.spec.lifecycle_feature import lifecycle_feature_problems
from scoria_conformance.spec.pages import FIRST_VERSION, NotAClause, read_pages
from scoria_conformance.spec.scenarios import NotAFeature, Scenario, read_features
from scoria_conformance.spec.trace import Found, governing, matrix, moves, testing
from scoria_conformance.verdict import Status
from scoria_core.lifecycles import MACHINES, triggers


@attrs.frozen
class House:
    """Where things are under the root of the project."""

    root: Path

    @property
    def pages(self) -> Path:
        """The text of the specification."""
        return self.root / "spec"

    @property
    def features(self) -> Path:
        """The Gherkin."""
        return self.root / "features" / "scoria_features"

    @property
    def extracts(self) -> tuple[Path, Path]:
        """The clauses as JSON: beside the text, and where they ship."""
        return self.pages / "clauses.json", self.features / "clauses.json"

    @property
    def found(self) -> Path:
        """What the last run found."""
        return self.pages / "traceability.json"

    @property
    def matrix(self) -> Path:
        """The same, with everything it traces to."""
        return self.pages / "traceability.md"

    def frozen(self) -> dict[str, ClauseSet]:
        """Return the sets of clauses that were published, by their version."""
        paths = (self.pages / "frozen").glob("*.json")
        return {path.stem: ClauseSet.from_json(path.read_text("utf-8")) for path in paths}


def problems(root: Path, steps: Steps | None = None) -> Iterator[str]:
    """Yield what does not fit together in the project under `root`, each by its name."""
    house = House(root)
    try:
        clauses, scenarios = read_pages(house.pages), read_features(house.features)
        extract = ClauseSet.from_json(house.extracts[0].read_text("utf-8"))
    except (NotAClause, NotAFeature, OSError, ValueError) as error:
        yield str(error)
        return
    yield from chain(
        _repeated("clause", (clause.id for clause in clauses.clauses)),
        _frozen(clauses, house.frozen()),
        _stale(clauses, extract, house),
        _governed(clauses),
        _repeated("scenario", (scenario.name for scenario in scenarios)),
        _tagged(clauses, scenarios),
        _tested(clauses, scenarios),
        binding_problems(scenarios, steps or bound_steps()),
        lifecycle_feature_problems((house.features / "lifecycles.feature").read_text("utf-8")),
        _traced(clauses, scenarios, house),
    )


def _repeated(kind: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{kind} {name!r} is there {count} times"


def _frozen(clauses: ClauseSet, published: dict[str, ClauseSet]) -> Iterator[str]:
    now = clauses.by_id
    if FIRST_VERSION not in published:
        yield f"spec/frozen/{FIRST_VERSION}.json is missing: what was published stays"
    for version, frozen in published.items():
        for old in frozen.clauses:
            if old.id not in now:
                yield f"{old.id} is part of {version} and in no page: an id is never taken away"
            elif ordered(now[old.id].since) <= ordered(version) and _says(now[old.id]) != _says(
                old
            ):
                yield f"{old.id} does not say what it said in {version}: mark it with a later Since"
        for clause in clauses.clauses:
            if clause.id not in frozen.by_id and ordered(clause.since) <= ordered(version):
                yield f"{clause.id} is not part of {version}: mark it with a later Since"


def _says(clause: Clause) -> tuple[str, bool]:
    return clause.text, clause.untestable is None


def _stale(clauses: ClauseSet, extract: ClauseSet, house: House) -> Iterator[str]:
    for clause_id in sorted(clauses.by_id.keys() | extract.by_id.keys()):
        if clauses.by_id.get(clause_id) != extract.by_id.get(clause_id):
            yield f"{house.extracts[0].name} is stale for {clause_id}: run make spec"
    for path in house.extracts:
        if not path.exists() or path.read_text("utf-8") != clauses.to_json():
            yield f"{path.relative_to(house.root)} is stale: run make spec"


def _governed(clauses: ClauseSet) -> Iterator[str]:
    for clause in clauses.clauses:
        for name in clause.governs:
            if not _is_there(name):
                yield f"{clause.id} governs {name}, which is not there"
    for words, name in moves():
        if not governing(name, clauses):
            yield f"no clause governs the transition {words}"


def _is_there(name: str) -> bool:
    subject, _, trigger = name.partition(".")
    if subject in MACHINES:
        return trigger in triggers(subject)
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def _tagged(clauses: ClauseSet, scenarios: Iterable[Scenario]) -> Iterator[str]:
    for scenario in scenarios:
        for tag in sorted(scenario.tags - TAGS.keys() - clauses.by_id.keys()):
            kind = "clause" if CLAUSE_ID.fullmatch(tag) else "tag"
            yield f"{scenario.feature}: {scenario.name}: @{tag} is no {kind}"
        if not scenario.clauses:
            yield f"{scenario.feature}: {scenario.name}: says no clause that it tests"


def _tested(clauses: ClauseSet, scenarios: Iterable[Scenario]) -> Iterator[str]:
    for clause in clauses.clauses:
        tested = testing(clause, scenarios)
        if not tested and clause.untestable is None:
            yield f"{clause.id} has no scenario, and is not listed as untestable"
        if tested and clause.untestable is not None:
            yield f"{clause.id} is listed as untestable, and {tested[0].name!r} tests it"


def _traced(clauses: ClauseSet, scenarios: tuple[Scenario, ...], house: House) -> Iterator[str]:
    try:
        found = Found.from_json(house.found.read_text("utf-8"))
        page = house.matrix.read_text("utf-8")
    except (OSError, ValueError) as error:
        yield f"{error}: run make spec"
        return
    yield from _run(scenarios, found)
    wanted = matrix(clauses, scenarios, found).splitlines()
    for line in sorted(set(page.splitlines()) ^ set(wanted)):
        yield f"{house.matrix.name} is stale where it says or should say {line!r}: run make spec"


def _run(scenarios: tuple[Scenario, ...], found: Found) -> Iterator[str]:
    names = {scenario.name: scenario for scenario in scenarios}
    for target, run in found.targets.items():
        for name in sorted(run.keys() - names.keys()):
            yield f"scenario {name!r} was run on {target} and is gone: run make spec"
        for name in names:
            checks = sum(run.get(name, {}).values())
            if checks != names[name].checks:
                yield f"scenario {name!r} ran {checks} checks on {target}: run make spec"
            if run.get(name, {}).keys() & {Status.FAILED.value, Status.COULD_NOT_RUN.value}:
                yield f"scenario {name!r} did not hold on {target}"
