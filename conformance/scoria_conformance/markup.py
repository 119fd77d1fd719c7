"""A page parsed as by a browser: the text that a reader sees, and everything else."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import attrs

_INLINE = frozenset(
    {
        *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "i", "kbd", "mark"),
        *("q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"),
    }
)
"""Inline elements; any other element separates words."""

_UNSEEN = frozenset(
    {
        *("head", "iframe", "noscript", "object", "script", "select", "style", "template"),
        *("textarea", "title"),
    }
)
"""Elements whose text a reader does not see."""

_VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr"),
    }
)
"""Elements without content and without an end tag."""

_HEADING = re.compile("h[1-6]")


@attrs.frozen
class Heading:
    """A heading, and its place in the text."""

    rank: int
    begin: int
    end: int


@attrs.frozen
class Seen:
    """The content of a page: the text that a reader sees, the rest with its place, the links."""

    text: str
    rest: tuple[tuple[str, str], ...]
    links: tuple[str, ...]
    next: tuple[str, ...]
    """The links with rel="next"."""

    headings: tuple[Heading, ...]
    elements: tuple[tuple[int, int], ...]
    """Where in the text each element begins and ends, except inline elements."""

    def section(self, title: str) -> str:
        """Return the text under the first heading that contains `title`, or ""."""
        for number, heading in enumerate(self.headings):
            if title in self.text[heading.begin : heading.end]:
                after = (e.begin for e in self.headings[number + 1 :] if e.rank <= heading.rank)
                return self.text[heading.end : next(after, len(self.text))]
        return ""


def seen(page: str) -> Seen:
    """Parse a page."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return Seen(
        "".join(reader.text),
        tuple(reader.rest),
        tuple(reader.links),
        tuple(reader.next),
        tuple(reader.found),
        tuple(reader.elements),
    )


class _Reader(HTMLParser):
    """Separates the text that a reader sees from everything else."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.rest: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.next: list[str] = []
        self.found: list[Heading] = []
        self.elements: list[tuple[int, int]] = []
        self._at = 0
        self._unseen: list[str] = []
        self._headed: list[tuple[str, int]] = []
        self._open: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._space(tag)
        self.rest.append(("a tag", tag))
        for name, value in attributes:
            if (tag, name) == ("a", "href"):
                self.links.append(value or "")
                self.next += [value or ""] if ("rel", "next") in attributes else []
            else:
                self.rest.append((f"the attribute {name} of <{tag}>", f"{name}={value or ''}"))
        if tag in _VOID:
            return
        if tag not in _INLINE:
            self._open.append((tag, self._at))
        hidden = tag in _UNSEEN or any(name == "hidden" for name, _ in attributes)
        if hidden or tag in self._unseen:
            self._unseen.append(tag)
        if _HEADING.fullmatch(tag):
            self._headed.append((tag, self._at))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._headed and self._headed[-1][0] == tag:
            _, begin = self._headed.pop()
            self.found.append(Heading(int(tag[1]), begin, self._at))
        if any(each == tag for each, _ in self._open):
            opened = ""
            while opened != tag:  # an element that was not closed ends with its parent
                opened, begin = self._open.pop()
                self.elements.append((begin, self._at))
        self._space(tag)
        self.rest.append(("a tag", tag))
        if tag in self._unseen:
            del self._unseen[max(i for i, each in enumerate(self._unseen) if each == tag) :]

    def handle_data(self, data: str) -> None:
        if self._unseen:
            self.rest.append((f"what <{self._unseen[0]}> holds", data))
        else:
            self._say(data)

    def handle_comment(self, data: str) -> None:
        self.rest.append(("a comment", data))

    def handle_decl(self, decl: str) -> None:
        self.rest.append(("a declaration", decl))

    def handle_pi(self, data: str) -> None:
        self.rest.append(("an instruction", data))

    def unknown_decl(self, data: str) -> None:
        self.rest.append(("a declaration", data))

    def _space(self, tag: str) -> None:
        if tag not in _INLINE and not self._unseen:
            self._say("\n")

    def _say(self, text: str) -> None:
        self.text.append(text)
        self._at += len(text)


def words(text: str, known: Iterator[str] | frozenset[str]) -> Iterator[str]:
    """Yield each of the `known` words in `text`, in the order in which they stand there."""
    wanted = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
    for found in re.finditer(rf"(?<!\w)(?:{wanted})(?!\w)", text):
        yield found[0]
