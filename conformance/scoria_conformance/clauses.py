"""The clauses of the specification, as they ship beside the features that test them."""

import json
import re
from functools import cache
from pathlib import Path

import attrs

from scoria_core.conversion import converter


def _folder() -> Path:
    """Return the folder of the features that were installed with this module."""
    beside = Path(__file__).resolve().parent.parent
    places = (beside / "scoria_features", beside.parent / "features" / "scoria_features")
    return next((place for place in places if place.is_dir()), places[0])


FEATURES = _folder()
"""The folder of the features. It is not imported: `sys.path` may find another one first."""

VERSION = "1.0-draft"
"""The version of the specification: until it is published, a clause may still change."""

CLAUSE_ID = re.compile(r"[A-Z]+-[1-9][0-9]*")
"""The id of a clause, in the text and as the tag of a scenario."""


@attrs.frozen
class Clause:
    """One promise. `level` is MUST, SHOULD or MAY.

    `governs` names the code that keeps it: `run.resume` for a transition, else a module or a name
    in one. `untestable` says why no scenario can test it, or is None.
    """

    id: str
    level: str
    text: str
    why: str
    governs: tuple[str, ...]
    untestable: str | None
    page: str


@attrs.frozen
class ClauseSet:
    """All clauses of a version of the specification, in the order of their pages."""

    version: str
    clauses: tuple[Clause, ...]

    @classmethod
    def from_json(cls, text: str) -> "ClauseSet":
        """Read the set from what `to_json` wrote."""
        return converter.structure(json.loads(text), cls)

    def to_json(self) -> str:
        """Return the set as JSON text; equal sets give equal text."""
        return json.dumps(converter.unstructure(self), indent=1, ensure_ascii=False) + "\n"

    @property
    def by_id(self) -> dict[str, Clause]:
        """The clauses by id."""
        return {clause.id: clause for clause in self.clauses}


@cache
def specification() -> ClauseSet:
    """Return the clauses that this kit ships."""
    return ClauseSet.from_json((FEATURES / "clauses.json").read_text("utf-8"))
