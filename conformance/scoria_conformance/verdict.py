"""What a verification found: a status per check, and one for the whole."""

from collections.abc import Sequence
from enum import StrEnum

import attrs


class Status(StrEnum):
    """What became of a check, or of all of them; the worst of a group is the group's."""

    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"
    COULD_NOT_RUN = "could not run"
    FAILED = "failed"


NOT_APPLICABLE = "not applicable: "
"""How a skip says that the adapter did not declare what the scenario is about."""

_EXIT_CODES = {Status.PASSED: 0, Status.FAILED: 1, Status.COULD_NOT_RUN: 2}


@attrs.frozen
class Check:
    """One scenario, with one row of its examples, and what became of it.

    `reason` says why it did not pass; `clauses` are those it puts to the test.
    """

    name: str
    status: Status
    reason: str = ""
    scenario: str = ""
    clauses: tuple[str, ...] = ()


@attrs.frozen
class Verdict:
    """All checks of one verification; `problem` is set where the run itself broke off."""

    target: str
    checks: Sequence[Check]
    problem: str = ""

    @property
    def status(self) -> Status:
        """The worst of the checks; with none that passed, nothing was verified."""
        statuses = {check.status for check in self.checks}
        if Status.FAILED in statuses:
            return Status.FAILED
        if self.problem or Status.COULD_NOT_RUN in statuses or Status.PASSED not in statuses:
            return Status.COULD_NOT_RUN
        return Status.PASSED

    @property
    def exit_code(self) -> int:
        """0 where it holds, 1 where it does not, 2 where that could not be told."""
        return _EXIT_CODES[self.status]

    def count(self, status: Status) -> int:
        """Return how many checks have `status`."""
        return sum(check.status == status for check in self.checks)
