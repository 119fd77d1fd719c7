"""The filter of text that others wrote: nothing hides, nothing moves, nothing forges a line."""

import io
import json
import logging
import re
import sys
import unicodedata

import pytest

from scoria_core.errors import ScoriaError, StoreCorrupt, TransitionRefused, safe_repr
from scoria_core.logs import VisibleFormatter, logger_of
from scoria_core.visible import visible_block, visible_line, visible_pieces

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]
UNSEEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}

# Default_Ignorable_Code_Point of Unicode 16 that is in none of those categories, U+FE0F apart.
IGNORABLE = [
    *("\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180c", "\u180d", "\u180f"),
    *("\u2065", "\u3164", "\uffa0"),
    *map(chr, range(0xFE00, 0xFE0F)),
    *map(chr, range(0xFFF0, 0xFFF9)),
    *map(chr, range(0xE0000, 0xE1000)),
]
NONCHARACTERS = [
    *map(chr, range(0xFDD0, 0xFDF0)),
    *(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF)),
]
HOSTILE = "a\x1b[1A\x1b[2K\x9b2J\r\n✓ nothing is stuck\n\u202eb\u2066\xa0\u3000\ufdd0\U000e0041\x7f"


def unseen() -> list[str]:
    """Return every character that a reader does not see for what it is."""
    named = [each for each in EVERY if unicodedata.category(each) in UNSEEN_CATEGORIES - {"Zs"}]
    spaces = [each for each in EVERY if unicodedata.category(each) == "Zs" and each != " "]
    return [*named, *spaces, *IGNORABLE, *NONCHARACTERS]


def test_every_unseen_character_stands_as_its_escape() -> None:
    """Controls, format characters, spaces, separators, surrogates, fillers and noncharacters."""
    kept = [each for each in unseen() if not re.fullmatch(r"(\\u[0-9a-f]{4})+", visible_line(each))]
    assert kept == []


def test_what_is_seen_stays_as_it_is() -> None:
    """Letters, marks, digits, punctuation and symbols of every script are not touched."""
    hidden = {*unseen(), "\u2800", "\ufe0f"}
    seen = [each for each in EVERY if each not in hidden and unicodedata.category(each) != "Cn"]
    assert [each for each in seen if visible_line(each) != each] == []


def test_an_escape_can_be_copied_back() -> None:
    """It is the escape of JSON, so a text in quotes reads back as it was written."""
    assert json.loads(f'"{visible_line(HOSTILE)}"') == HOSTILE


def test_a_line_is_one_line_and_a_block_keeps_its_own() -> None:
    """A block keeps line feeds and tabs; a line shows them."""
    assert visible_line("a\tb\nc") == r"a\u0009b\u000ac"
    assert visible_block("a\tb\nc\r") == "a\tb\nc\\u000d"
    assert list(visible_pieces("a\u202eb")) == [("a", False), ("\\u202e", True), ("b", False)]


def test_an_emoji_keeps_its_picture_and_a_letter_has_none() -> None:
    """U+FE0F stays after a symbol, where it is seen, and nowhere else."""
    assert visible_line("\u2764\ufe0f") == "\u2764\ufe0f"
    assert visible_line("admin\ufe0f \u2764\ufe0f\ufe0f") == "admin\\ufe0f \u2764\ufe0f\\ufe0f"


@pytest.mark.parametrize("text", [HOSTILE, "a" * 90, "\u202e" * 90])
def test_a_limit_counts_what_is_shown(text: str) -> None:
    """A text is cut to the limit, and says so."""
    cut = visible_line(text, 20)
    assert len(cut) == 20
    assert cut.endswith("…")


def test_twice_is_once() -> None:
    """What went through the filter is not changed by it again."""
    assert visible_line(visible_line(HOSTILE)) == visible_line(HOSTILE)


class Speaks:
    """Its repr forges."""

    def __repr__(self) -> str:
        return HOSTILE


@pytest.mark.parametrize("value", [Speaks(), HOSTILE, {HOSTILE: HOSTILE}])
def test_a_value_in_a_message_is_one_visible_line(value: object) -> None:
    """Also where its own repr writes escapes and lines."""
    assert safe_repr(value, 500) == visible_line(safe_repr(value, 500))


@pytest.mark.parametrize(
    "error",
    [
        TransitionRefused("run", HOSTILE, HOSTILE, "resume"),
        StoreCorrupt(HOSTILE, 3, f"says {HOSTILE}"),
    ],
)
def test_an_error_says_what_others_wrote_in_one_visible_line(error: ScoriaError) -> None:
    """Whatever a fact of it holds, its text can be printed; the fact itself is kept."""
    assert str(error) == visible_line(error.message)
    assert "✓ nothing is stuck" in str(error)


def logged(formatter: logging.Formatter, name: str, *arguments: object) -> str:
    """Return what a host's own handler writes of a record with a hostile traceback."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    logger.propagate = False  # pytest's own handler raises where a format is wrong
    try:
        dict[object, object]()[Speaks()]
    except LookupError:
        logger.warning(*arguments, exc_info=True)
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
    return written.getvalue()


def assert_one_record(text: str) -> None:
    """Nothing unseen is in it, and each line after the first is indented."""
    assert visible_block(text) == text
    _, *more = text.splitlines()
    assert more
    assert all(line.startswith("    ") for line in more)
    assert "nothing is stuck" in text


def test_a_log_line_of_ours_is_visible_in_a_log_of_the_host() -> None:
    """Arguments and traceback are filtered before the host's formatter sees the record."""
    logger_of("scoria.test")
    text = logged(logging.Formatter("%(message)s"), "scoria.test", "run %s, %d, %s", HOSTILE, 3, [])
    assert_one_record(text)
    assert text.startswith(f"run {visible_line(HOSTILE)}, 3, []\n")


@pytest.mark.parametrize("arguments", [("%s", HOSTILE), (HOSTILE,), ("%d", HOSTILE)])
def test_the_log_of_a_command_is_visible_whoever_logs(arguments: tuple[str, ...]) -> None:
    """The commands' own formatter filters the records of any library, and survives a wrong one."""
    assert_one_record(logged(VisibleFormatter("%(message)s"), "library", *arguments))
