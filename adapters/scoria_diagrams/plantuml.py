"""PlantUML state diagrams; several lifecycles are composite states of one diagram."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

from scoria_diagrams.lifecycle import Lifecycle
from scoria_diagrams.names import encoded, ids, label, move_label

_RESERVED = (
    "state|start|end|note|as|hide|show|scale|skinparam|title|header|footer|legend|caption|"
    "left|right|top|bottom|up|down|fork|join|choice|history|h|floating|endnote|of|on|link"
)
_STYLES = {"": "", "terminal": " ##[bold]black", "waiting": " ##[dashed]black"}


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as a state diagram."""
    return _diagram(_lines(lifecycle, ""))


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles one above the other in one state diagram, each in a state of its own."""
    subjects = ids((each.name for each in lifecycles), "lifecycle", _RESERVED)
    blocks = (_composite(each, subjects[each.name]) for each in lifecycles)
    # Side by side they are too wide to read; a hidden arrow puts one above the other.
    column = (f"{above} -[hidden]-> {below}" for above, below in pairwise(subjects.values()))
    return _diagram(chain(*blocks, column))


def _composite(lifecycle: Lifecycle, subject: str) -> Iterator[str]:
    yield f'state "{_text(label(lifecycle.name))}" as {subject} {{'
    yield from (f"    {line}" for line in _lines(lifecycle, f"{subject}_"))
    yield "}"


def _lines(lifecycle: Lifecycle, prefix: str) -> Iterator[str]:
    inner = ids(lifecycle.states, "state", _RESERVED)
    named = {state: f"{prefix}{id_}" for state, id_ in inner.items()}
    for state, id_ in named.items():
        kind = lifecycle.kind(state)
        yield f'state "{_text(label(state))}" as {id_}{_STYLES[kind]}'
        if kind:  # a description; without one, PlantUML ignores the style of the border
            yield f"{id_} : {kind}"
    yield f"[*] --> {named[lifecycle.initial]}"
    for move in lifecycle.transitions:
        yield f"{named[move.source]} --> {named[move.dest]} : {_text(move_label(move))}"
    for state, id_ in named.items():
        if lifecycle.is_terminal(state):
            yield f"{id_} --> [*]"


def _diagram(lines: Iterable[str]) -> str:
    return "\n".join(["@startuml", "hide empty description", *lines, "@enduml"]) + "\n"


def _text(words: str) -> str:
    return encoded(words, lambda codepoint: f"<U+{codepoint:04X}>")
