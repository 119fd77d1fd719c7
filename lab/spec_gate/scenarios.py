"""The features, read as Gherkin: every scenario with its tags and every line that it runs."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
from gherkin.errors import CompositeParserException
from gherkin.parser import Parser

from scoria_conformance.clauses import CLAUSE_ID

_KINDS = {"Context": "given", "Action": "when", "Outcome": "then"}
_PLACE = re.compile(r"<([^<>]+)>")


@attrs.frozen
class Line:
    """One line of a scenario, as it is run: `kind` is given, when or then."""

    kind: str
    text: str


@attrs.frozen
class Scenario:
    """One scenario: its own tags and those of its feature, and its lines for every example."""

    feature: str
    name: str
    tags: frozenset[str]
    lines: tuple[Line, ...]
    checks: int
    digest: str = ""
    """Over every line with every example, in order; it changes where what is asked changes."""
    clauses: frozenset[str] = attrs.field(init=False)
    """The clauses that the scenario is tagged with."""

    @clauses.default
    def _tagged_clauses(self) -> frozenset[str]:
        return frozenset(tag for tag in self.tags if CLAUSE_ID.fullmatch(tag))


class NotAFeature(Exception):
    """A file that is no Gherkin, or has what this reader would overlook; says which and what."""


def read_features(directory: Path) -> tuple[Scenario, ...]:
    """Return every scenario of the features in `directory`, in their order.

    Raises `NotAFeature`.
    """
    return tuple(
        scenario
        for path in sorted(directory.glob("*.feature"))
        for scenario in _read(path.name, path.read_text("utf-8"))
    )


@lru_cache(maxsize=64)
def _read(name: str, text: str) -> tuple[Scenario, ...]:
    try:
        feature: Mapping[str, Any] = Parser().parse(text)["feature"]
    except (CompositeParserException, KeyError) as error:
        raise NotAFeature(f"{name} is no feature: {error}") from error
    overlooked = [kind for child in feature["children"] for kind in child if kind != "scenario"]
    if overlooked:
        raise NotAFeature(f"{name} has a {overlooked[0]}; write its lines into each scenario")
    children = (child["scenario"] for child in feature["children"])
    return tuple(_scenario(name, _tags(feature), each) for each in children)


def _scenario(feature: str, tags: frozenset[str], found: Mapping[str, Any]) -> Scenario:
    tables = found["examples"]
    if any(_tags(table) for table in tables):
        raise NotAFeature(f"{feature}: {found['name']} has tags on its examples; tag the scenario")
    examples = [values for table in tables for values in _rows(table)]
    lines = [line for values in examples or [{}] for line in _lines(found["steps"], values)]
    return Scenario(
        feature=feature,
        name=found["name"],
        tags=tags | _tags(found),
        lines=tuple(dict.fromkeys(lines)),
        checks=len(examples) if tables else 1,
        digest=_digest(lines),
    )


def _digest(lines: Iterable[Line]) -> str:
    told = "\n".join(f"{line.kind} {line.text}" for line in lines)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _tags(found: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(tag["name"].removeprefix("@") for tag in found["tags"])


def _rows(table: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    names = [cell["value"] for cell in table["tableHeader"]["cells"]]
    for row in table["tableBody"]:
        yield dict(zip(names, (cell["value"] for cell in row["cells"]), strict=True))


def _lines(steps: list[Mapping[str, Any]], values: Mapping[str, str]) -> Iterator[Line]:
    kind = "given"
    for step in steps:
        kind = _KINDS.get(step["keywordType"], kind)
        yield Line(kind, _PLACE.sub(lambda place: values.get(place[1], place[0]), step["text"]))
