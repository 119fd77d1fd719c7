"""The clauses of the specification, as they ship beside the features that test them."""

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import attrs

from scoria_core.conversion import converter

CLAUSE_ID = re.compile(r"[A-Z]+-[1-9][0-9]*")
"""How a clause is called, in the text and as the tag of a scenario."""


@attrs.frozen
class Clause:
    """One promise. `level` is MUST, SHOULD or MAY, and `since` the version that says it so.

    `governs` names what keeps it: `run.resume` for a transition, else a module or what is in one.
    `untestable` says why no scenario can test it, or is None.
    """

    id: str
    level: str
    text: str
    why: str
    governs: tuple[str, ...]
    since: str
    untestable: str | None
    page: str


@attrs.frozen
class ClauseSet:
    """All clauses, in the order of their pages, at the latest version that any of them has."""

    version: str
    clauses: tuple[Clause, ...]

    @classmethod
    def of(cls, clauses: Sequence[Clause]) -> "ClauseSet":
        """Return the set of these clauses."""
        latest = max((clause.since for clause in clauses), key=ordered, default="0")
        return cls(latest, tuple(clauses))

    @classmethod
    def from_json(cls, text: str) -> "ClauseSet":
        """Read the set from what `to_json` wrote."""
        return converter.structure(json.loads(text), cls)

    def to_json(self) -> str:
        """Return the set as JSON text, one way to say it."""
        return json.dumps(converter.unstructure(self), indent=1, ensure_ascii=False) + "\n"

    def at(self, version: str) -> "ClauseSet":
        """Return the clauses that `version` had already, as they are now."""
        kept = (clause for clause in self.clauses if ordered(clause.since) <= ordered(version))
        return ClauseSet.of(tuple(kept))

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that a clause is since, the latest last."""
        return tuple(sorted({clause.since for clause in self.clauses}, key=ordered))

    @property
    def by_id(self) -> dict[str, Clause]:
        """The clauses by what they are called."""
        return {clause.id: clause for clause in self.clauses}


def ordered(version: str) -> tuple[int, ...]:
    """Return `version` as what it compares by: 1.10 comes after 1.9."""
    return tuple(int(part) for part in version.split("."))


@cache
def specification() -> ClauseSet:
    """Return the clauses that this kit ships."""
    return ClauseSet.from_json((files("scoria_features") / "clauses.json").read_text("utf-8"))
