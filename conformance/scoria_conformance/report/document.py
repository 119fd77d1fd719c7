"""The content of `report.json`, which the other formats show. These classes document its shape.

A new field leaves `schema` as it is; a field that is removed, or changes its meaning, increments
it. Every text in it is printable and no longer than a page.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from scoria_conformance.clauses import Clause, specification
from scoria_conformance.explaining import alike, causes, first
from scoria_conformance.printable import printable
from scoria_conformance.setting import Adapter
from scoria_conformance.verdict import Check, Group, Status, Verdict
from scoria_core.conversion import converter

SCHEMA = 1
"""The version of the shape."""

Counts = dict[str, int]
"""How many checks have each status; a status that none has is left out."""


@attrs.frozen
class SuiteRow:
    """A suite, the worst status of its checks, and how many checks have each status."""

    id: str
    status: Status
    counts: Counts


@attrs.frozen
class ClauseRow:
    """A clause of the specification and the worst of its checks; `checks` are their names."""

    id: str
    status: Status
    level: str
    text: str
    why: str
    page: str
    seconds: float
    checks: tuple[str, ...]


@attrs.frozen
class Untested:
    """A clause that no check of this run tested, and why."""

    id: str
    text: str
    reason: str


@attrs.frozen
class Document:
    """One verification.

    `clauses` has those that were tested, `untested` the rest of the specification. `checks` has a
    row per scenario and example, with its evidence. `exit_code` is 0 if the target conforms, 1 if
    it does not, 2 if that is unknown; `problem` says why a run broke off. `started_at` is UTC in
    ISO 8601, and empty if it is not known. `suite` names the suite if only one was run; `part` says
    how many of its scenarios were run, if not all: "1 of 92". `scope` says how many checks test the
    store itself, if others test the kit over it.
    """

    schema: int
    target: str
    adapter: Adapter
    specification: str
    kit: str
    seed: int
    python: str
    platform: str
    started_at: str
    seconds: float
    status: Status
    headline: str
    exit_code: int
    problem: str
    counts: Counts
    suites: tuple[SuiteRow, ...]
    clauses: tuple[ClauseRow, ...]
    untested: tuple[Untested, ...]
    checks: tuple[Check, ...]
    suite: str = ""
    part: str = ""
    scope: str = ""

    @classmethod
    def of(cls, verdict: Verdict) -> "Document":
        """Return the report of `verdict`."""
        setting = verdict.setting
        document = cls(
            schema=SCHEMA,
            target=verdict.target,
            adapter=setting.adapter,
            specification=setting.specification or specification().version,
            kit=setting.kit,
            seed=setting.seed,
            python=setting.python,
            platform=setting.platform,
            started_at="" if setting.started_at is None else setting.started_at.isoformat(),
            seconds=setting.seconds,
            status=verdict.status,
            headline=verdict.headline,
            exit_code=verdict.exit_code,
            problem=verdict.problem,
            counts=counted(verdict.checks),
            suites=tuple(SuiteRow(s.id, s.status, counted(s.checks)) for s in verdict.suites),
            clauses=tuple(_row(clause) for clause in verdict.clauses),
            untested=tuple(_untested(verdict)),
            checks=tuple(verdict.checks),
            suite=verdict.suite,
            part=verdict.part,
            scope=verdict.scope,
        )
        return converter.structure(_printable(converter.unstructure(document)), cls)

    @property
    def worst_first(self) -> tuple[ClauseRow, ...]:
        """The clauses, the worst first; among equals, first the one whose failure explains most."""
        place = {check.id or check.name: number for number, check in enumerate(self.telling)}
        last = len(place)

        def rank(clause: ClauseRow) -> tuple[int, int]:
            own = [each for each in self.checks if clause.id in each.clauses]
            places = [place.get(each.id or each.name, last) for each in own]
            return -clause.status.badness, min(places, default=last)

        return tuple(sorted(self.clauses, key=rank))

    @property
    def marked(self) -> tuple[tuple[Status, int], ...]:
        """The counts, the worst first."""
        return tuple(
            (status, self.counts[status]) for status in reversed(Status) if status in self.counts
        )

    @property
    def telling(self) -> tuple[Check, ...]:
        """The checks that failed or have no result; the one that explains most comes first."""
        settled = (Status.PASSED, Status.NOT_APPLICABLE, Status.EXCLUDED)
        left = [check for check in self.checks if check.status not in settled]
        return first(left)

    @property
    def begin_with(self) -> tuple[tuple[Check, int], ...]:
        """The failure that explains most, if any, and how many others have the same reason."""
        failed = self.with_status(Status.FAILED)
        return tuple((check, alike(check, failed)) for check in first(failed)[:1])

    def causes(self, check: Check) -> tuple[str, ...]:
        """Return the common causes for the clauses of a check."""
        return causes(check)

    def with_status(self, status: str) -> tuple[Check, ...]:
        """Return the checks with this status."""
        return tuple(check for check in self.checks if check.status == status)

    def scenarios(self, clause: ClauseRow) -> tuple[Group, ...]:
        """Return the checks of a clause by their scenario, the worst first."""
        return _by_scenario(check for check in self.checks if clause.id in check.clauses)

    @property
    def unclaimed(self) -> tuple[Group, ...]:
        """The checks that belong to no clause, by their scenario, the worst first."""
        return _by_scenario(check for check in self.checks if not check.clauses)


def _by_scenario(checks: Iterable[Check]) -> tuple[Group, ...]:
    by_name: dict[str, list[Check]] = {}
    for check in checks:
        by_name.setdefault(check.scenario or check.name, []).append(check)
    groups = (Group(name, first(found)) for name, found in by_name.items())
    return tuple(sorted(groups, key=lambda group: -group.status.badness))


def counted(checks: Iterable[Check]) -> Counts:
    """Count the checks by their status."""
    statuses = [check.status for check in checks]
    return {status.value: statuses.count(status) for status in Status if status in statuses}


_UNKNOWN = "not a clause of this specification"


def _row(group: Group) -> ClauseRow:
    known = specification().by_id.get(group.id)
    clause = known or Clause(group.id, "", _UNKNOWN, "", (), None, "")
    seconds = round(sum(check.seconds for check in group.checks), 6)
    names = tuple(check.name for check in group.checks)
    told = (clause.level, clause.text, clause.why, clause.page)
    return ClauseRow(group.id, group.status, *told, seconds, names)


def _untested(verdict: Verdict) -> Iterator[Untested]:
    tested = {clause.id for clause in verdict.clauses}
    for clause in specification().clauses:
        if clause.id not in tested:
            reason = clause.untestable or "no scenario of this run puts it to the test"
            yield Untested(clause.id, clause.text, reason)


def _printable(value: Any) -> Any:
    """Return unstructured data with every text in it made printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _printable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    return value
