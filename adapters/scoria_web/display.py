"""How values look on the page: every character seen for what it is, and none of them markup."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

LONG_JSON = 12
"""How many lines of JSON are shown before the rest waits behind a click."""

MAX_INDENTED = 1_000_000
"""How many characters indented JSON may have; deep nesting turns more of it into white space."""

# Characters that are not seen, or that change how their neighbours are seen: controls but for
# tab and newline, format and bidi characters, separators, fillers, variation selectors and tags.
_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]"
)
_ESCAPED = Markup('<span class="unseen">{}</span>')

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
    }
)


def environment() -> Environment:
    """Return the templates of the page: every value escaped, every name required."""
    templates = Environment(
        loader=PackageLoader("scoria_web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(visible=visible, pretty=pretty, short=short, moment=moment, iso=iso)
    templates.globals.update(badge_of=badge_of, is_long=is_long)
    return templates


def visible(value: object) -> Markup:
    """Return text as markup in which unseen characters stand as their JSON escapes."""
    text = str(value)
    shown = Markup()
    end = 0
    for match in _UNSEEN.finditer(text):
        shown += escape(text[end : match.start()]) + _ESCAPED.format(_code_units(match[0]))
        end = match.end()
    return shown + escape(text[end:])


def pretty(value: Any) -> str:
    """Return a JSON value as text, indented unless that would be mostly white space."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if len(text) <= MAX_INDENTED else json.dumps(value, ensure_ascii=False)


def is_long(text: str) -> bool:
    """Tell whether text takes more room than a page should give it unasked."""
    return text.count("\n") >= LONG_JSON or len(text) > LONG_JSON * 100


def short(identifier: str) -> str:
    """Return the end of a long id, where ids that were made together differ."""
    return identifier if len(identifier) <= 12 else f"…{identifier[-8:]}"


def moment(at: datetime, precision: str = "milliseconds") -> str:
    """Return a time for reading, in UTC, as precise as `datetime.isoformat` can be told to be."""
    return at.astimezone(UTC).isoformat(" ", precision).removesuffix("+00:00")


def iso(at: datetime) -> str:
    """Return a time for a machine, in UTC; HTML allows at most three digits of a second."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def badge_of(status: str) -> tuple[str, str]:
    """Return the tone and the symbol of a status, so that it never rests on colour alone."""
    return _BADGES.get(status, ("idle", "·"))


def _code_units(character: str) -> str:
    """Return the character as JSON would escape it, which can be copied back."""
    return json.dumps(character)[1:-1] if character > "\x7f" else f"\\u{ord(character):04x}"
