"""Makes exactly one outcome for each required case; a missing one counts as "could not run".

The case says what was tested, whatever a reported check says about itself.
"""

from collections.abc import Iterable, Iterator

import attrs

from scoria_conformance.catalogue import Case, catalogue
from scoria_conformance.printable import printable
from scoria_conformance.verdict import Check, Status

NO_OUTCOME = "no outcome of it was reported"

_OF_A_CHECK = frozenset(Status) - {Status.EXCLUDED, Status.PARTIAL}
"""The statuses that one scenario can have by itself."""


def outcome(case: Case, check: Check | None, declared: frozenset[str]) -> Check:
    """Return the check of a case, given what was reported and what the target declares."""
    blank = named_by(case)
    if check is None:
        return blank
    known = {name: getattr(blank, name) for name in _NAMES}
    if problem := _impossible(case, check, declared):
        return attrs.evolve(check, **known, status=Status.HARNESS_ERROR, reason=problem)
    return attrs.evolve(check, **known)


def named_by(case: Case) -> Check:
    """Return the check of a case before anything is known about its outcome."""
    return Check(
        printable(case.name),
        Status.COULD_NOT_RUN,
        NO_OUTCOME,
        scenario=printable(case.scenario),
        clauses=case.clauses,
        suites=case.suites,
        feature=printable(case.feature),
        id=printable(case.id),
    )


_NAMES = ("name", "scenario", "clauses", "suites", "feature", "id")
"""The fields that a check takes from its case."""


def _impossible(case: Case, check: Check, declared: frozenset[str]) -> str:
    if check.status not in _OF_A_CHECK:
        return f"it was reported as {check.status}, which no scenario can come to"
    if check.status == Status.NOT_APPLICABLE and {*case.needs} <= declared:
        return "it was reported as not applicable, and what is under test has all that it needs"
    return ""


def part(ids: Iterable[str]) -> str:
    """Return "" for all scenarios of their suites, else how many these are, as in "1 of 92".

    Without any scenario of the suite, they are counted against the whole catalogue.
    """
    taken = frozenset(ids)
    suites = {suite for each in taken for suite in catalogue()[each].suites}
    whole = [suite for suite in suites if _of({suite}) <= taken]
    if taken and taken == _of(whole):
        return ""
    return f"{len(taken)} of {len(_of(suites)) or len(catalogue())}"


def is_whole(ids: Iterable[str]) -> bool:
    """Tell whether these are all scenarios of the catalogue."""
    return catalogue().keys() == {*ids}


def _of(suites: Iterable[str]) -> frozenset[str]:
    wanted = {*suites}
    return frozenset(each.id for each in catalogue().values() if wanted & {*each.suites})


def suite_of(ids: Iterable[str]) -> Iterator[str]:
    """Yield each suite whose scenarios are exactly these; none if these are all scenarios."""
    taken = frozenset(ids)
    if not is_whole(taken):
        yield from sorted(
            {s for each in taken for s in catalogue()[each].suites if _of({s}) == taken}
        )
