"""Hostile text for every field that somebody else may write, and where it was found.

Each text contains a mark, a few letters that occur nowhere else: found in a page, it says whose
text that is. Around the mark the text becomes markup, a link or a script if a page lets it, changes
the direction of reading, or is invisible.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from scoria_core.visible import visible_block, visible_line

MADE_BY_THE_KIT = frozenset(
    {
        *("RunSummary.run_id", "Step.run_id", "Step.step_id", "Step.parent_step_id"),
        *("Approval.approval_id", "Approval.run_id", "Approval.step_id"),
        *("Approval.arguments_digest", "Approval.proposed_digest", "Approval.on_reject"),
        *("DelegatedHandoff.handoff_id", "DelegatedHandoff.parent_step_id"),
        "DelegatedHandoff.child_step_id",
        *("JournalEntry.type", "JournalEntry.subject", "JournalEntry.subject_id"),
        *("JournalEntry.trigger", "JournalEntry.from_state", "JournalEntry.to_state"),
        "JournalEntry.digest",
        "DamagedRun.run_id",
        *("Lease.worker_id", "Lease.holder"),
    }
)
"""The text fields of the views that only the kit writes: ids, digests, states, process names."""

UNSEEN = "\u202e\u2067\u200b\xad"
"""Characters that are not seen, or that turn the direction of reading."""

UNSEEN_OF_TEXT = "\x1b\x85\u2028\u2029"
"""Further such characters that are legal in a text, but not in a name."""

_LETTERS = re.compile("zq[0-9]{3,}qz")
_NAME = (
    "{m}<b id={m} onclick='{m}'>\"'></pre></style></title><script>{m}</script><!--{m}-->"
    "&lt;i&gt;&amp;{{7*7}}" + UNSEEN + "javascript:{m} https://{m}.invalid [{m}](/{m})"
    "../?{m}#{m}=%22;{m}."
)
_TEXT = _NAME + "\n\r\n\t" + UNSEEN_OF_TEXT + "[31m  {m}   end  "
_FILLER = " and so on"


@attrs.frozen
class Mark:
    """The letters of a mark, the whole text around them, its owner, and what text it is."""

    letters: str
    text: str
    owner: str
    what: str

    @property
    def written(self) -> frozenset[str]:
        """The forms in which a page may write the text: plain or JSON, hidden characters shown."""
        forms = {self.text, _json(self.text, ascii_only=False), _json(self.text, ascii_only=True)}
        return frozenset(
            show(form) for form in forms for show in (str, visible_block, visible_line)
        )

    def __str__(self) -> str:
        return f"{self.what} of {self.owner}"


@attrs.define
class Marks:
    """The marks that were made, by their letters."""

    made: dict[str, Mark] = attrs.field(factory=dict)

    def pen(self, owner: str, length: int = 0) -> "Pen":
        """Return a pen for the texts of one owner, each of at least this length."""
        return Pen(self, owner, length)

    def make(self, form: str, owner: str, what: str) -> str:
        """Return a text with a new mark in place of each `{m}`."""
        letters = f"zq{len(self.made):03d}qz"
        self.made[letters] = Mark(letters, form.replace("{m}", letters), owner, what)
        return self.made[letters].text

    def within(self, text: str) -> list[Mark]:
        """Return the marks that are in `text`."""
        return [self.made[letters] for letters in dict.fromkeys(_LETTERS.findall(text))]

    def of(self, view: object) -> list[Mark]:
        """Return the marks in the texts of a view, or of a part of one."""
        return [mark for _, text in texts_of(view) for mark in self.within(text)]


@attrs.frozen
class Pen:
    """Marks the texts of one owner."""

    marks: Marks
    owner: str
    length: int = 0
    known: tuple[str, ...] = ("brief", "password", "max_tokens")
    """Names of fields that a page may treat specially."""

    def name(self, what: str) -> str:
        """Return a name or an id."""
        return self.marks.make(_NAME, self.owner, what)

    def text(self, what: str) -> str:
        """Return a text of several lines, with a mark at its end too."""
        filler = _FILLER * (self.length // len(_FILLER))
        return self.marks.make(f"{_TEXT}{filler} {{m}}.", self.owner, what)

    def payload(self, what: str) -> dict[str, Any]:
        """Return a payload with marks in a key, deep in a value, and under known names."""
        key, deep = self.text(f"a key of the {what}"), self.text(f"the {what}")
        known = {name: self.text(f"the {name} of the {what}") for name in self.known}
        return {key: ["so", {"it": deep}], **known}


def texts_of(view: object, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text that a view holds, with the class and the field that hold it."""
    kind: type = type(view)
    if attrs.has(kind):
        for each in attrs.fields(kind):
            yield from texts_of(getattr(view, each.name), f"{kind.__name__}.{each.name}")
    elif isinstance(view, str) and not isinstance(view, Enum):
        yield field, view
    elif isinstance(view, Mapping):
        for key, value in view.items():
            yield field, key
            yield from texts_of(value, field)
    elif isinstance(view, list | tuple):
        for value in view:
            yield from texts_of(value, field)


def text_fields(view: type) -> frozenset[str]:
    """Return the fields of a class, and of the classes of its fields, that may hold a text."""
    return frozenset(_text_fields(view, set()))


def _text_fields(view: type, met: set[type]) -> Iterator[str]:
    if view in met:
        return
    met.add(view)
    hints = get_type_hints(view)
    for each in attrs.fields(view):
        for kind in _kinds(hints[each.name]):
            if attrs.has(kind):
                yield from _text_fields(kind, met)
            elif not _is_textless(kind):
                yield f"{view.__name__}.{each.name}"


def _kinds(hint: Any) -> Iterator[Any]:
    """Yield the types that a hint consists of: of a tuple its items, a mapping as it is."""
    if get_origin(hint) in (Union, UnionType, tuple):
        for each in get_args(hint):
            yield from _kinds(each)
    elif hint not in (type(None), Ellipsis):
        yield hint


def _is_textless(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, int | float | datetime | Enum)


def _json(text: str, *, ascii_only: bool) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]
