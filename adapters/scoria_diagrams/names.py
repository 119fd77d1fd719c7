"""Fits the names that hosts chose to formats that allow fewer characters."""

import re
from collections.abc import Callable, Iterable

from scoria_core.visible import visible_line
from scoria_diagrams.lifecycle import Transition

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def ids(names: Iterable[str], kind: str, reserved: str = "") -> dict[str, str]:
    """Return an id for each name: the name itself if it is safe, else `kind` and a number.

    A safe name has ASCII letters, digits and underscores, begins with a letter, and does not match
    the pattern `reserved` in any case. All ids are different.
    """
    known = tuple(names)
    unfit = re.compile(reserved, re.IGNORECASE)
    return {
        name: name
        if _SAFE.fullmatch(name) and not unfit.fullmatch(name)
        else _free(f"{kind}_{number}", known)
        for number, name in enumerate(known, 1)
    }


def _free(candidate: str, taken: tuple[str, ...]) -> str:
    while candidate in taken:
        candidate += "_"
    return candidate


def label(name: str) -> str:
    """Return `name` as one line of visible characters.

    A name that starts or ends in spaces, or is empty, is put in quotes.
    """
    text = visible_line(name)
    return text if text and text == text.strip() else f'"{text}"'


def move_label(move: Transition) -> str:
    """Return what is written on the arrow of a transition: its trigger, its guard."""
    guard = f" [{label(move.guard)}]" if move.guard else ""
    return f"{label(move.trigger)}{guard}{' (internal)' if move.internal else ''}"


def encoded(text: str, entity: Callable[[int], str]) -> str:
    """Return `text` with all but letters, digits, spaces and `_.,()-` as entities."""
    return "".join(
        each if each.isalnum() or each in " _.,()-" else entity(ord(each)) for each in text
    )
