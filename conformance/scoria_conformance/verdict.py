"""What a verification found: a status per check, and from those one per clause and for the whole.

The order of the statuses is decided here and nowhere else. From best to worst:

    not applicable   nothing was promised, so nothing was tried
    passed           it holds
    excluded         it is known not to hold, and a reason and a date say until when
    partial          it holds, but only a part of the suite was run: never the status of a check
    could not run    what the check needs was not there: a page, a server, a browser
    harness error    the suite itself broke, so nothing is known
    failed           it does not hold

A parent has the status of its worst child; without children it could not run. "Not applicable"
comes first, since a clause with one check that passed and one that did not apply has passed. The
whole is never "not applicable": if nothing passed, it could not run.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import attrs

from scoria_conformance.setting import Setting


class Status(StrEnum):
    """The result of a check, or of all of them; in order, the worst last."""

    NOT_APPLICABLE = "not applicable"
    PASSED = "passed"
    EXCLUDED = "excluded"
    PARTIAL = "partial"
    COULD_NOT_RUN = "could not run"
    HARNESS_ERROR = "harness error"
    FAILED = "failed"

    @property
    def badness(self) -> int:
        """The rank of the status: 0 for the best."""
        return list(Status).index(self)

    @property
    def mark(self) -> str:
        """One character for the status, for readers who do not see colour."""
        return "-✓~◐?!✗"[self.badness]


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status of a parent of these; without any, it could not run."""
    return max(statuses, key=lambda status: status.badness, default=Status.COULD_NOT_RUN)


_EXIT_CODES = {Status.PASSED: 0, Status.EXCLUDED: 0, Status.FAILED: 1}


class Outcome(StrEnum):
    """The result of one step of a scenario."""

    HELD = "held"
    BROKE = "broke"
    NOT_REACHED = "not reached"


@attrs.frozen
class StepSeen:
    """One step with the text of its scenario, and its result."""

    text: str
    outcome: Outcome


@attrs.frozen
class Check:
    """One scenario, with one row of its examples, and its result.

    `reason` says why it did not pass; `clauses` are those it tests, `suites` those it is part of.
    `expected` and `seen` are what the failed step expected and got. `id` names it among all checks.
    `calls` are the calls of the store that led to a failure, as few as are known, each with its
    answer. `blamed` are the clauses that a failure is about, if that is more precise than
    `clauses`.
    """

    name: str
    status: Status
    reason: str = ""
    scenario: str = ""
    clauses: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    feature: str = ""
    seconds: float = 0.0
    steps: tuple[StepSeen, ...] = ()
    expected: str = ""
    seen: str = ""
    id: str = ""
    calls: tuple[str, ...] = ()
    blamed: tuple[str, ...] = ()


@attrs.frozen
class Group:
    """The checks of one clause, or of one suite, and their common status."""

    id: str
    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """The worst status of its checks; without any, it could not run."""
        return worst(check.status for check in self.checks)


@attrs.frozen
class Verdict:
    """All checks of one verification; `problem` is set if the run itself broke off.

    `promised` are the clauses that this run must test: one that no check tested could not run.
    `suite` names the suite if only one was run; `part` says how many of its scenarios were run, if
    not all: "1 of 92".
    """

    target: str
    checks: Sequence[Check]
    problem: str = ""
    promised: tuple[str, ...] = ()
    setting: Setting = attrs.field(factory=Setting)
    suite: str = ""
    part: str = ""

    @property
    def status(self) -> Status:
        """The worst status of checks and clauses; at best "could not run", if none passed."""
        return worst(self._statuses())

    def _statuses(self) -> Iterator[Status]:
        yield from (check.status for check in self.checks)
        yield from (clause.status for clause in self.clauses)
        if self.problem:
            yield Status.HARNESS_ERROR
        if self.part:
            yield Status.PARTIAL
        if not self.count(Status.PASSED):
            yield Status.COULD_NOT_RUN

    @property
    def clauses(self) -> tuple[Group, ...]:
        """Every clause that was tested, or should have been, in the order of the ids."""
        named = {clause for check in self.checks for clause in check.clauses}
        return tuple(self._clause(each) for each in sorted(named | {*self.promised}, key=_numbered))

    @property
    def suites(self) -> tuple[Group, ...]:
        """Every suite that a check is part of."""
        named = sorted({suite for check in self.checks for suite in check.suites})
        return tuple(
            Group(suite, tuple(check for check in self.checks if suite in check.suites))
            for suite in named
        )

    def _clause(self, id_: str) -> Group:
        return Group(id_, tuple(check for check in self.checks if id_ in check.clauses))

    @property
    def exit_code(self) -> int:
        """0 if the target conforms, 1 if it does not, 2 if that is unknown."""
        return _EXIT_CODES.get(self.status, 2)

    @property
    def headline(self) -> str:
        """The status in words that claim no more than was tested."""
        excluded = self.status == Status.EXCLUDED
        said = "passed but for what is excluded" if excluded else self.status.value
        if self.part:
            partial = f"partial: {self.part}"
            return partial if self.status == Status.PARTIAL else f"{said}, {partial}"
        return f"{said}, suite {self.suite}" if self.suite else said

    @property
    def scope(self) -> str:
        """How many checks test the store itself, if others test the kit over it; else ""."""
        own, whole = sum("store" in check.suites for check in self.checks), len(self.checks)
        if not own or own == whole:
            return ""
        return f"{own} of {whole} checks ask the store itself; the others ask the kit over it"

    def count(self, status: Status) -> int:
        """Return how many checks have `status`."""
        return sum(check.status == status for check in self.checks)


def _numbered(clause: str) -> tuple[str, int]:
    page, _, number = clause.rpartition("-")
    return page, int(number) if number.isdigit() else 0
