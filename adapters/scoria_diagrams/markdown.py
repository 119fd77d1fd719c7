"""Markdown: a table of the moves, as `spec/lifecycles.md` shows it; several are sections."""

import re
from collections.abc import Iterable, Iterator, Sequence

from scoria_diagrams.lifecycle import Lifecycle, Transition
from scoria_diagrams.names import label

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_ ]*[A-Za-z0-9])?", re.ASCII)
_MARKUP = re.compile(r"[!-/:-@\[-`{-~]")


def one(lifecycle: Lifecycle) -> str:
    """Return where a lifecycle starts, waits and ends, and the table of its moves."""
    header = ["| trigger | from | to |", "|---|---|---|"]
    return "\n".join([_summary(lifecycle), "", *header, *_rows(lifecycle)]) + "\n"


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return a section with a table for each lifecycle."""
    return "\n".join(f"## {heading(each.name)}\n\n{one(each)}" for each in lifecycles)


def heading(name: str) -> str:
    """Return the heading of the section about a lifecycle."""
    return _text(name[:1].upper() + name[1:])


def _summary(lifecycle: Lifecycle) -> str:
    told = [f"Starts {_code(lifecycle.initial)}."]
    for word, kind in (("Waits", "waiting"), ("Ends", "terminal")):
        if states := [state for state in lifecycle.states if lifecycle.kind(state) == kind]:
            told.append(f"{word} {', '.join(map(_code, states))}.")
    return " ".join(told)


def _rows(lifecycle: Lifecycle) -> Iterator[str]:
    rows: dict[tuple[str, str], list[str]] = {}
    for move in lifecycle.transitions:
        rows.setdefault((_trigger(move), _dest(move)), []).append(move.source)
    for (trigger, dest), sources in rows.items():
        yield f"| {trigger} | {_listed(sources)} | {dest} |"


def _trigger(move: Transition) -> str:
    guard = f" \\[{_text(move.guard)}\\]" if move.guard else ""
    return f"{_text(move.trigger)}{guard}"


def _dest(move: Transition) -> str:
    return "(stays)" if move.internal else _text(move.dest)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{_text(name)}"' if "," in name else _text(name) for name in names)


def _code(name: str) -> str:
    return f"`{name}`" if _PLAIN.fullmatch(name) else _text(name)


def _text(name: str) -> str:
    shown = label(name)
    return shown if _PLAIN.fullmatch(shown) else _MARKUP.sub(r"\\\g<0>", shown)
