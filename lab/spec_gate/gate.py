"""The gate: everything that would let text, Gherkin, code and pictures drift apart, by name."""

import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import attrs

from lab.spec_gate.bindings import Steps, binding_problems, bound_steps
from lab.spec_gate.lifecycle_feature import lifecycle_feature_problems
from lab.spec_gate.pages import NotAClause, read_pages
from lab.spec_gate.scenarios import NotAFeature, Scenario, read_features
from lab.spec_gate.trace import Found, governing, matrix, moves, testing
from scoria_conformance.catalogue import LIMITED, NEEDS, TAGS
from scoria_conformance.clauses import CLAUSE_ID, ClauseSet
from scoria_conformance.verdict import Status
from scoria_core.lifecycles import MACHINES, triggers

_LINK = re.compile(r"\[([A-Z]+-[0-9]+)\]\(([^)]*)\)")


@attrs.frozen
class ProjectPaths:
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


def problems(root: Path, steps: Steps | None = None) -> Iterator[str]:
    """Yield what does not fit together in the project under `root`, each by its name."""
    paths = ProjectPaths(root)
    try:
        clauses, scenarios = read_pages(paths.pages), read_features(paths.features)
        extract = ClauseSet.from_json(paths.extracts[0].read_text("utf-8"))
    except (NotAClause, NotAFeature, OSError, ValueError) as error:
        yield str(error)
        return
    yield from chain(
        _repeated("clause", (clause.id for clause in clauses.clauses)),
        _stale(clauses, extract, paths),
        _governed(clauses),
        _linked(clauses, paths),
        _repeated("scenario", (scenario.name for scenario in scenarios)),
        _tagged(clauses, scenarios),
        _tested(clauses, scenarios),
        binding_problems(scenarios, steps or bound_steps()),
        lifecycle_feature_problems((paths.features / "lifecycles.feature").read_text("utf-8")),
        _traced(clauses, scenarios, paths),
    )


def _repeated(kind: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{kind} {name!r} is there {count} times"


def _linked(clauses: ClauseSet, paths: ProjectPaths) -> Iterator[str]:
    """Yield what the other pages say of clauses and of the version, and is not so."""
    for page in sorted(paths.pages.glob("*.md")):
        for name, target in _LINK.findall(page.read_text("utf-8")):
            clause = clauses.by_id.get(name)
            if clause is None or target != f"{clause.page}#{name.lower()}":
                yield f"{page.name} links {name} to {target}, where it is not"
    told = (paths.pages / "README.md").read_text("utf-8")
    if f"The version of the set is {clauses.version}." not in " ".join(told.split()):
        yield f"README.md does not say that the version of the set is {clauses.version}"


def _stale(clauses: ClauseSet, extract: ClauseSet, paths: ProjectPaths) -> Iterator[str]:
    for clause_id in sorted(clauses.by_id.keys() | extract.by_id.keys()):
        if clauses.by_id.get(clause_id) != extract.by_id.get(clause_id):
            yield f"{paths.extracts[0].name} is stale for {clause_id}: run make spec"
    for path in paths.extracts:
        if not path.exists() or path.read_text("utf-8") != clauses.to_json():
            yield f"{path.relative_to(paths.root)} is stale: run make spec"


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
    if not subject.startswith("scoria_"):
        return False
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def _tagged(clauses: ClauseSet, scenarios: Iterable[Scenario]) -> Iterator[str]:
    for scenario in scenarios:
        known = TAGS.keys() | NEEDS.keys() | clauses.by_id.keys()
        for tag in sorted(tag for tag in scenario.tags - known if not LIMITED.fullmatch(tag)):
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


def _traced(
    clauses: ClauseSet, scenarios: tuple[Scenario, ...], paths: ProjectPaths
) -> Iterator[str]:
    try:
        found = Found.from_json(paths.found.read_text("utf-8"))
        page = paths.matrix.read_text("utf-8")
    except (OSError, ValueError) as error:
        yield f"{error}: run make spec"
        return
    if not found.targets:
        yield f"{paths.found.name} tells of no run: run make spec"
    yield from _run(scenarios, found)
    wanted = matrix(clauses, scenarios, found).splitlines()
    for line in sorted(set(page.splitlines()) ^ set(wanted)):
        yield f"{paths.matrix.name} is stale where it says or should say {line!r}: run make spec"


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
