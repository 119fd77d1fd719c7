"""The scenarios of this suite, read from the features that ship with it.

The process that makes the verdict demands an outcome for each of these, whatever pytest collected.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from scoria_conformance.clauses import CLAUSE_ID, FEATURES, specification
from scoria_core.ports import Capability

TAGS = {
    "lifecycles": "every state meets every trigger of its lifecycle",
    "store": "what a store promises, put to it directly",
    "adoption": "the guide's default lane: identity, start, inspect, resume",
    "runtime_to_handoff": "the guide's bounded delegation lane",
    "page": "the evidence page of a run",
    "host": "speaks to a host app, so that a running one can be put under it",
}
"""The suites, by the tag of their features."""

SERVED = "served"

NEEDS = {
    **{each.value: f"applies to a store that declares {each.value}" for each in Capability},
    SERVED: "applies to a host that is served, and not to the one in the process of the suite",
}
"""The needs of a scenario, by the tags that declare them."""

LIMIT = 60.0
"""How many seconds a scenario may take unless a tag says otherwise."""

LIMITED = re.compile(r"seconds-([1-9][0-9]*)")
"""The tag that sets how many seconds a scenario may take."""


@attrs.frozen
class Case:
    """A scenario with one row of its examples.

    `id` is unique; `digest` covers its tags and every line that it runs. `needs` are the tags that
    say what it applies to, and `limit` is the number of seconds it may take.
    """

    id: str
    digest: str
    name: str
    scenario: str
    feature: str
    clauses: tuple[str, ...]
    suites: tuple[str, ...]
    needs: tuple[str, ...]
    limit: float


@cache
def cases(template: Any) -> tuple[tuple[Mapping[str, str], Case], ...]:
    """Return the cases of a scenario of pytest-bdd: one for each row of its examples."""
    tags = template.tags | template.feature.tags
    rows = [
        (row, _case(template, row, tags | table.tags))
        for table in template.examples
        for row in table.as_contexts()
    ]
    return tuple(rows) if template.examples else (({}, _case(template, {}, tags)),)


def _case(template: Any, row: Mapping[str, str], tags: Iterable[str]) -> Case:
    tagged = sorted(tags)
    name = f"{template.name} ({', '.join(row.values())})" if row else str(template.name)
    lines = [f"{each.type} {each.name}" for each in template.render(row).steps]
    told = "\n".join([" ".join(tagged), name, *lines])
    limits = [float(found[1]) for tag in tagged if (found := LIMITED.fullmatch(tag))]
    return Case(
        id=f"{Path(template.feature.filename).stem}: {name}",
        digest=hashlib.sha256(told.encode()).hexdigest()[:16],
        name=name,
        scenario=str(template.name),
        feature=str(template.feature.name),
        clauses=tuple(tag for tag in tagged if CLAUSE_ID.fullmatch(tag)),
        suites=tuple(tag for tag in tagged if tag in TAGS),
        needs=tuple(tag for tag in tagged if tag in NEEDS),
        limit=max(limits, default=LIMIT),
    )


@cache
def catalogue() -> Mapping[str, Case]:
    """Return every case of the suite by its id, in the order of the features."""
    # Imported here: only a process that runs or judges the suite needs pytest-bdd.
    from pytest_bdd.feature import get_features

    found = [
        case
        for feature in get_features([str(FEATURES)])
        for template in feature.scenarios.values()
        for _, case in cases(template)
    ]
    by_id = {case.id: case for case in found}
    if not found or len(by_id) < len(found):
        raise LookupError(f"{FEATURES} has {len(found)} scenarios under {len(by_id)} names")
    return MappingProxyType(by_id)


def chosen(*tags: str) -> tuple[Case, ...]:
    """Return the cases that are in all of these suites; without any suite, all cases."""
    return tuple(case for case in catalogue().values() if {*tags} <= {*case.suites})


def promised() -> tuple[str, ...]:
    """Return the clauses that the whole suite must test."""
    return tuple(each.id for each in specification().clauses if each.untestable is None)
