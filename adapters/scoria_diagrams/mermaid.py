"""Mermaid state diagrams; several lifecycles are composite states of one diagram."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import attrs

from scoria_diagrams.lifecycle import Lifecycle
from scoria_diagrams.names import encoded, ids, label, move_label

_HEADER = (
    "stateDiagram-v2",
    "    classDef terminal stroke-width:4px",
    "    classDef waiting stroke-dasharray:6 4",
)
# Words of the grammar, ids of its own start and end states, and names that every JavaScript
# object has.
_RESERVED = (
    "state|start|end|note|class|classdef|style|direction|click|href|default|fork|join|choice|as|"
    "hide|scale|acctitle|accdescr|root|left|right|of|tb|bt|lr|rl|statediagram|"
    r"constructor|prototype|tostring|valueof|hasownproperty|.*_(?:start|end)"
)


@attrs.frozen
class _Drawn:
    """One lifecycle, with the ids that its states have in the diagram."""

    lifecycle: Lifecycle
    ids: dict[str, str]

    def lines(self) -> Iterator[str]:
        yield from chain(self._states(), self._moves(), self._ends())

    def classes(self) -> Iterator[str]:
        for state, id_ in self.ids.items():
            if kind := self.lifecycle.kind(state):
                yield f"class {id_} {kind}"

    def _states(self) -> Iterator[str]:
        for state, id_ in self.ids.items():
            kind = self.lifecycle.kind(state)
            word = f"<br/>({kind})" if kind else ""
            yield f'state "{_text(label(state))}{word}" as {id_}'

    def _moves(self) -> Iterator[str]:
        yield f"[*] --> {self.ids[self.lifecycle.initial]}"
        # Of several arrows from a state to itself, Mermaid draws only the last.
        arrows: dict[tuple[str, str, str], list[str]] = {}
        for move in self.lifecycle.transitions:
            source, dest = self.ids[move.source], self.ids[move.dest]
            text = _text(move_label(move))
            arrows.setdefault((source, dest, "" if source == dest else text), []).append(text)
        for (source, dest, _), texts in arrows.items():
            yield f"{source} --> {dest} : {'<br/>'.join(texts)}"

    def _ends(self) -> Iterator[str]:
        for state, id_ in self.ids.items():
            if self.lifecycle.is_terminal(state):
                yield f"{id_} --> [*]"


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as a state diagram."""
    drawn = _Drawn(lifecycle, ids(lifecycle.states, "state", _RESERVED))
    return _diagram(chain(drawn.lines(), drawn.classes()))


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles one above the other in one state diagram, each in a state of its own."""
    subjects = ids((each.name for each in lifecycles), "lifecycle", _RESERVED)
    drawn = {each.name: _inside(each, subjects[each.name]) for each in lifecycles}
    blocks = (_composite(subjects[name], name, each) for name, each in drawn.items())
    classes = (each.classes() for each in drawn.values())
    # With direction LR Mermaid puts them in a column; side by side they are too small to read.
    return _diagram(chain(["direction LR"], *blocks, *classes))


def _inside(lifecycle: Lifecycle, subject: str) -> _Drawn:
    inner = ids(lifecycle.states, "state", _RESERVED)
    return _Drawn(lifecycle, {state: f"{subject}_{id_}" for state, id_ in inner.items()})


def _composite(subject: str, name: str, drawn: _Drawn) -> Iterator[str]:
    yield f'state "{_text(label(name))}" as {subject} {{'
    yield "    direction TB"
    yield from (f"    {line}" for line in drawn.lines())
    yield "}"


def _diagram(lines: Iterable[str]) -> str:
    return "\n".join([*_HEADER, *(f"    {line}" for line in lines)]) + "\n"


def _text(words: str) -> str:
    return encoded(words, lambda codepoint: f"#{codepoint};")
