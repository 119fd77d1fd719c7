"""Text that others wrote, made fit to be printed and stored: what it hides is shown, and it ends.

An adapter's message may hold anything: escapes that a terminal obeys, half of a surrogate pair,
a megabyte.
"""

import re

LIMIT = 4_000
"""How many characters of one text are kept."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def printable(text: str, limit: int = LIMIT) -> str:
    """Return `text` with what cannot be seen written out, and its middle left out if it is long.

    Line feeds and tabs stay. It can be printed, and written to XML and to UTF-8.
    """
    return _UNSEEN.sub(_written_out, shortened(text.replace("\r\n", "\n"), limit))


def shortened(text: str, limit: int = LIMIT) -> str:
    """Return `text`, or its beginning and its end and how much was left out between them."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    left_out = f"[... {len(text) - limit:,} characters left out ...]"
    return f"{text[: limit - tail]} {left_out} {text[-tail:]}"


def _written_out(unseen: re.Match[str]) -> str:
    code = ord(unseen[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
