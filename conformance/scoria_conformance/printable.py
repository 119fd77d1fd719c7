"""Makes foreign text safe to print and to store: shows hidden characters, limits its length.

An adapter's message may hold anything: escapes that a terminal obeys, half of a surrogate pair, a
megabyte.
"""

from scoria_core.visible import visible_block

LIMIT = 4_000
"""How many characters of one text are kept."""


def printable(text: str, limit: int = LIMIT) -> str:
    """Return `text` as `visible_block` shows it, without its middle if it is too long.

    The result can be printed, and written to XML and as UTF-8.
    """
    return visible_block(shortened(text.replace("\r\n", "\n"), limit))


def shortened(text: str, limit: int = LIMIT) -> str:
    """Return `text`, or its beginning and its end with the number of characters left out."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    left_out = f"[... {len(text) - limit:,} characters left out ...]"
    return f"{text[: limit - tail]} {left_out} {text[-tail:]}"
