"""How values are shown on the page: every character visible, and none of them markup."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import SequenceMatcher
from functools import cache
from itertools import groupby
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import attrs
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from scoria_core.masking import Marks
from scoria_core.payloads import compact
from scoria_core.visible import escaped, visible_pieces

LONG_JSON = 12
"""JSON with more lines than this is shown only after a click."""

MAX_INDENTED = 1_000_000
"""The most characters of indented JSON; a longer text, often mostly spaces, is not indented."""

MOST_COMPARED = 400
"""The most lines of JSON, on both sides together, that are compared with each other."""

BRIEF = 120
"""How many characters of arguments a list shows."""

MARKS = Marks(hidden="\udc00", edited="\udc01")
"""The placeholders of masked values, which `visible` turns into markup.

Each is half of a surrogate pair, which no payload can contain.
"""

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

_ESCAPED = Markup('<span class="unseen">{}</span>')
_MASKED = MappingProxyType(
    {
        escaped(MARKS.hidden): Markup(
            '<span class="masked" role="img" aria-label="masked">••••••</span>'
        ),
        escaped(MARKS.edited): Markup(
            '<span class="masked" role="img" aria-label="masked, and edited">•••••• edited</span>'
        ),
    }
)
_MARKED = MappingProxyType(
    {"del": Markup("<del>{}</del>"), "ins": Markup("<ins>{}</ins>")},
)

_BADGES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "queued": ("idle", "○"),
        "pending": ("wait", "◔"),
        "waiting_for_approval": ("wait", "◔"),
        "running": ("live", "▶"),
        "completed": ("good", "✓"),
        "approved": ("good", "✓"),
        "failed": ("bad", "✕"),
        "rejected": ("bad", "✕"),
        "expired": ("bad", "⊗"),
        "cancelled": ("idle", "⊘"),
        "withdrawn": ("idle", "↩"),
        "mixed": ("idle", "◑"),
    }
)


@cache
def environment() -> Environment:
    """Return the templates of the page: every value is escaped, every name must be defined.

    They are shared by all apps, and compiled once.
    """
    templates = Environment(
        loader=PackageLoader("scoria_web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        visible=visible,
        pretty=pretty,
        brief=brief,
        short=short,
        moment=moment,
        iso=iso,
        ago=ago,
        cut=cut,
        begin=begin,
        brief_text=brief_text,
    )
    templates.globals.update(badge_of=badge_of, is_long=is_long, compared=compared)
    return templates


def visible(value: object) -> Markup:
    """Return text as markup in which invisible characters are replaced by their JSON escapes.

    A placeholder of `MARKS` becomes the symbol of a masked value.
    """
    runs = groupby(visible_pieces(value), key=itemgetter(1))
    texts = ((is_escape, "".join(piece for piece, _ in pieces)) for is_escape, pieces in runs)
    return Markup().join(
        _MASKED.get(text) or _ESCAPED.format(text) if is_escape else escape(text)
        for is_escape, text in texts
    )


def pretty(value: Any) -> str:
    """Return a JSON value as text, indented unless most of that would be white space."""
    text = _marked(json.dumps(value, indent=2, ensure_ascii=False))
    return text if len(text) <= MAX_INDENTED else _marked(json.dumps(value, ensure_ascii=False))


def brief(value: Any) -> str:
    """Return the beginning of a JSON value, on one line."""
    return brief_text(_marked(json.dumps(value, ensure_ascii=False)))


def _marked(text: str) -> str:
    """Return JSON with its marks unquoted, so that no value of a payload can look like one."""
    for mark in attrs.astuple(MARKS):
        text = text.replace(f'"{mark}"', mark)
    return text


def brief_text(text: str, limit: int = BRIEF) -> str:
    """Return the beginning of a text; the whole text is on the page with the details."""
    return text if len(text) <= limit else f"{text[:limit]}…"


@attrs.frozen
class Shown:
    """The text of a value; `is_cut` if it leaves something out."""

    text: str
    is_cut: bool = False


MOST_TEXTS = 20
"""A value that is longer than so many texts of the greatest length is cut as a whole."""


def cut(value: Any, limit: int | None) -> Shown:
    """Return a JSON value for reading, with each text in it that has more than `limit` cut."""
    if limit is None:
        return Shown(pretty(value))
    text = compact(value)
    if len(text) <= limit:
        return Shown(pretty(value))
    shorter = _shorter(value, limit)
    if len(text := _marked(compact(shorter))) <= MOST_TEXTS * limit:
        return Shown(pretty(shorter), is_cut=shorter != value)
    return Shown(f"{text[: MOST_TEXTS * limit]}…", is_cut=True)


def begin(text: str, limit: int | None) -> Shown:
    """Return a text, or the beginning of one that has more than `limit` characters."""
    if limit is None or len(text) <= limit:
        return Shown(text)
    return Shown(f"{text[:limit]}… ({len(text):,} characters)", is_cut=True)


def _shorter(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return begin(value, limit).text
    if isinstance(value, list | tuple):
        return [_shorter(each, limit) for each in value]
    if isinstance(value, Mapping):
        # The number keeps two keys different that have the same beginning.
        names = (begin(key, limit) for key in value)
        named = [f"{n.text} {i}" if n.is_cut else n.text for i, n in enumerate(names, start=1)]
        return dict(zip(named, (_shorter(each, limit) for each in value.values()), strict=True))
    return value


def compared(proposed: Any, approved: Any) -> tuple[Markup, Markup]:
    """Return both values as markup, with the lines that differ marked on either side.

    If the values are too long to compare, no line is marked.
    """
    before, after = pretty(proposed).split("\n"), pretty(approved).split("\n")
    if len(before) + len(after) > MOST_COMPARED:
        return visible("\n".join(before)), visible("\n".join(after))
    left, right = list[Markup](), list[Markup]()
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        is_same = tag == "equal"
        left += (_line(each, None if is_same else "del") for each in before[i:j])
        right += (_line(each, None if is_same else "ins") for each in after[k:m])
    return Markup("\n").join(left), Markup("\n").join(right)


def _line(text: str, tag: str | None) -> Markup:
    if tag is None:
        return visible(text)
    said = text.lstrip(" ")
    return Markup(" " * (len(text) - len(said))) + _MARKED[tag].format(visible(said))  # noqa: S704


def is_long(text: str) -> bool:
    """Tell whether text is so long that it is shown only after a click."""
    return text.count("\n") >= LONG_JSON or len(text) > LONG_JSON * 100


def short(identifier: str) -> str:
    """Return the end of a long id: ids that were made together differ there."""
    return identifier if len(identifier) <= 12 else f"…{identifier[-8:]}"


@pass_context
def moment(page: Context, at: datetime, precision: str = "milliseconds") -> str:
    """Return a time in the zone of the reader; `precision` is a `timespec` of `isoformat`.

    A time in UTC has no offset, as the foot of the page names the zone; any other has its offset.
    """
    zone: tzinfo = page["time_zone"]
    return at.astimezone(zone).isoformat(" ", precision).removesuffix("+00:00")


def ago(at: datetime, now: datetime) -> str:
    """Return how long before or after `now` a time is, in the largest unit."""
    length = lasted(now - at)
    return f"{length} ago" if at <= now else f"in {length}"


def lasted(length: timedelta) -> str:
    """Return a length of time in the largest unit that fits."""
    seconds = int(abs(length.total_seconds()))
    unit, size = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    return f"{seconds // size} {unit}" if seconds >= size else "less than 1 s"


def iso(at: datetime) -> str:
    """Return a time for a machine, in UTC; HTML allows at most milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def badge_of(status: str) -> tuple[str, str]:
    """Return the tone and the symbol of a status; the symbol tells it without colour."""
    return _BADGES.get(status, ("idle", "·"))
