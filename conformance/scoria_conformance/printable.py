"""Text that others wrote, made fit to be printed and stored: what it hides is shown, and it ends.

An adapter's message may hold anything: escapes that a terminal obeys, half of a surrogate pair,
a megabyte.
"""

from scoria_core.visible import visible_block

LIMIT = 4_000
"""How many characters of one text are kept."""


def printable(text: str, limit: int = LIMIT) -> str:
    """Return `text` as `visible_block` does, its middle left out if it is long.

    It can be printed, and written to XML and to UTF-8.
    """
    return visible_block(shortened(text.replace("\r\n", "\n"), limit))


def shortened(text: str, limit: int = LIMIT) -> str:
    """Return `text`, or its beginning and its end and how much was left out between them."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    left_out = f"[... {len(text) - limit:,} characters left out ...]"
    return f"{text[: limit - tail]} {left_out} {text[-tail:]}"
