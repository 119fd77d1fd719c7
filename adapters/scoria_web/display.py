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
"""How many lines of JSON are shown before the rest waits behind a click."""

MAX_INDENTED = 1_000_000
"""How many characters indented JSON may have; deep nesting turns more of it into white space."""

MOST_COMPARED = 400
"""How many lines of JSON are compared with each other, on both sides together."""

BRIEF = 120
"""How many characters of arguments a list shows."""

MARKS = Marks(hidden="\udc00", edited="\udc01")
"""What stands for a masked value until it is markup: half a surrogate pair is in no payload."""

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

    A mark is replaced by what stands for a masked value.
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
    """Return JSON in which a mark has no quotation marks: no value of a payload looks like it."""
    for mark in attrs.astuple(MARKS):
        text = text.replace(f'"{mark}"', mark)
    return text


def brief_text(text: str, limit: int = BRIEF) -> str:
    """Return the beginning of a text; all of it stands with the details."""
    return text if len(text) <= limit else f"{text[:limit]}…"


@attrs.frozen
class Shown:
    """The text of a value; `is_cut` where it is the beginning of what is longer."""

    text: str
    is_cut: bool = False


MOST_TEXTS = 20
"""How many texts of the greatest length a value may come to, before it is cut as a whole."""


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
        # Two keys that begin alike stay two.
        names = (begin(key, limit) for key in value)
        named = [f"{n.text} {i}" if n.is_cut else n.text for i, n in enumerate(names, start=1)]
        return dict(zip(named, (_shorter(each, limit) for each in value.values()), strict=True))
    return value


def compared(proposed: Any, approved: Any) -> tuple[Markup, Markup]:
    """Return both values as markup, the lines in which they differ marked on either side.

    Of values that are too long to compare no line is marked.
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
    """Tell whether text is too long to be shown before it is asked for."""
    return text.count("\n") >= LONG_JSON or len(text) > LONG_JSON * 100


def short(identifier: str) -> str:
    """Return the end of a long id: ids that were made together differ there."""
    return identifier if len(identifier) <= 12 else f"…{identifier[-8:]}"


@pass_context
def moment(page: Context, at: datetime, precision: str = "milliseconds") -> str:
    """Return a time for its reader, as precise as `datetime.isoformat` can be told to be.

    In UTC it is bare, as the foot of the page says; in another zone it has its offset.
    """
    zone: tzinfo = page["time_zone"]
    return at.astimezone(zone).isoformat(" ", precision).removesuffix("+00:00")


def ago(at: datetime, now: datetime) -> str:
    """Return how long before `now` a time was, or how long after it will be, in round words."""
    length = lasted(now - at)
    return f"{length} ago" if at <= now else f"in {length}"


def lasted(length: timedelta) -> str:
    """Return a length of time in round words."""
    seconds = int(abs(length.total_seconds()))
    unit, size = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    return f"{seconds // size} {unit}" if seconds >= size else "less than 1 s"


def iso(at: datetime) -> str:
    """Return a time for a machine, in UTC; HTML allows at most three digits of a second."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def badge_of(status: str) -> tuple[str, str]:
    """Return the tone and the symbol of a status, so that colour alone never tells it."""
    return _BADGES.get(status, ("idle", "·"))
