"""The pages of the specification, read: each `### RUN-3` with its promise and its reason."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import attrs
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from scoria_conformance.clauses import CLAUSE_ID, VERSION, Clause, ClauseSet

_LEVEL = re.compile(r"\b(MUST|SHOULD|MAY)\b")
_SAID = ("Why", "Governs", "Untestable")
_ALMOST = re.compile(r"[A-Za-z]+[-_ ]?[0-9]+\b")


class NotAClause(Exception):
    """A part of a page that is headed like a clause and is none; says what is wrong with it."""


@attrs.define
class _Found:
    """What stands under one heading."""

    id: str
    page: str
    text: str = ""
    said: dict[str, str] = attrs.field(factory=dict)


def read_pages(directory: Path) -> ClauseSet:
    """Return the clauses of all pages in `directory`, by page and in the order of each.

    Raises `NotAClause` naming the page, the clause and what is wrong.
    """
    pages = sorted(directory.glob("*.md"))
    read = (_read_page(page.name, page.read_text("utf-8")) for page in pages)
    return ClauseSet(VERSION, tuple(clause for clauses in read for clause in clauses))


@lru_cache(maxsize=64)
def _read_page(page: str, text: str) -> tuple[Clause, ...]:
    return tuple(_checked(found) for found in _found(page, text))


def _checked(found: _Found) -> Clause:
    try:
        return _clause(found)
    except NotAClause as error:
        raise NotAClause(f"{found.page}: {found.id} {error}") from None


def _found(page: str, text: str) -> Iterator[_Found]:
    found: _Found | None = None
    for node in SyntaxTreeNode(MarkdownIt().parse(text)).children:
        if node.type == "heading":
            if found is not None:
                yield found
            found = _headed(page, node)
        elif found is not None:
            _take(found, node)
    if found is not None:
        yield found


def _headed(page: str, node: SyntaxTreeNode) -> _Found | None:
    title = _words(node)
    if node.tag == "h3" and CLAUSE_ID.fullmatch(title):
        return _Found(title, page)
    if _ALMOST.match(title):
        raise NotAClause(f"{page}: {title!r} is no clause: head it '### ' and an id as RUN-3 is")
    return None


def _take(found: _Found, node: SyntaxTreeNode) -> None:
    if node.type == "bullet_list" and not found.said:
        for item in node.children:
            name, _, text = _words(item.children[0]).partition(": ")
            if len(item.children) > 1 or name in found.said:
                raise NotAClause(f"{found.page}: {found.id} says {name!r} in more than one line")
            found.said[name] = text
    elif node.type == "paragraph" and not (found.text or found.said):
        found.text = _words(node)
    else:
        raise NotAClause(
            f"{found.page}: {found.id} has a {node.type} that nobody would read: a clause is one "
            "paragraph and one list"
        )


def _words(node: SyntaxTreeNode) -> str:
    return " ".join(node.children[0].content.split()) if node.children else ""


def _clause(found: _Found) -> Clause:
    levels = _LEVEL.findall(found.text)
    _demand(len(levels) == 1, "says MUST, SHOULD or MAY once, in the promise itself")
    unknown = ", ".join(found.said.keys() - set(_SAID))
    _demand(not unknown, f"says {unknown!r}; what can be said is {', '.join(_SAID)}")
    _demand(bool(found.said.get("Why")), "says why, in a line that begins with '- Why: '")
    governs = tuple(name.strip().strip("`") for name in found.said.get("Governs", "").split(","))
    _demand(all(governs), "says what it governs, in a line that begins with '- Governs: '")
    return Clause(
        id=found.id,
        level=levels[0],
        text=found.text,
        why=found.said["Why"],
        governs=governs,
        untestable=found.said.get("Untestable"),
        page=found.page,
    )


def _demand(holds: bool, rule: str) -> None:
    if not holds:
        raise NotAClause(f"is not as a clause is: it {rule}")
