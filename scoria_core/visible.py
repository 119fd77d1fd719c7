"""Makes text of a host or a model safe to show: invisible characters are escaped.

A terminal obeys control characters, a bidi override reorders what a person reads, and an unusual
space makes two names look alike. Every place that shows such text (a page, a terminal, a log line,
a report) passes it through this module.
"""

import json
import re
from collections.abc import Iterator
from functools import cache

# Controls, format and bidi characters, all spaces but the ordinary one, separators of lines and
# paragraphs, fillers, variation selectors, tags, halves of surrogate pairs and noncharacters.
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800"
    "\u3000\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
)
_UNSEEN_BEYOND = (
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000)
    )
)
# U+FE0F after one of these asks for its picture; elsewhere it changes nothing that is seen.
_PICTURED = (
    "\xa9\xae\u203c\u2049\u2100-\u27ff\u2801-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
# A set that lists characters beyond U+FFFF is tried range by range for every character, which takes
# forty times as long: they are all found first, and looked at once more.
_MEANT = f"(?<![{_PICTURED}]\ufe0f)(?<=[\x00-\uffff{_UNSEEN_BEYOND}])"
_IN_BLOCK = f"([{_UNSEEN}\ufe0f\U00010000-\U0010ffff]{_MEANT})"
_IN_LINE = f"([{_UNSEEN}\t\n\ufe0f\U00010000-\U0010ffff]{_MEANT})"


def visible_line(text: object, limit: int | None = None) -> str:
    """Return `text` as one line of visible characters, cut to `limit` characters.

    A character that is invisible, or that moves or hides its neighbours, becomes its JSON escape.
    So do tabs and line feeds.
    """
    # Each character becomes at least one, so the first `limit` characters are enough.
    begin = text if limit is None else str(text)[: limit + 1]
    line = "".join(
        piece if not unseen else escaped(piece) for piece, unseen in _split(_IN_LINE, begin)
    )
    return line if limit is None or len(line) <= limit else f"{line[: limit - 1]}…"


def visible_pieces(text: object) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of `text` in order, and whether each is an escape, for a page to mark up.

    Line feeds and tabs are kept.
    """
    for piece, unseen in _split(_IN_BLOCK, text):
        yield (escaped(piece), True) if unseen else (piece, False)


def visible_block(text: object) -> str:
    """Return `text` with invisible characters escaped; line feeds and tabs are kept."""
    return "".join(piece for piece, _ in visible_pieces(text))


def escaped(character: str) -> str:
    """Return the JSON escape of a character, which can be copied back."""
    return json.dumps(character)[1:-1] if character > "\x7f" else f"\\u{ord(character):04x}"


_compiled = cache(re.compile)
"""Compiles a pattern when it is first needed: that takes a twentieth of the time of an import."""


def _split(pattern: str, text: object) -> Iterator[tuple[str, bool]]:
    # The pattern has one group, so every second piece is a character that it matched.
    for number, piece in enumerate(_compiled(pattern).split(str(text))):
        if piece:
            yield piece, number % 2 == 1
