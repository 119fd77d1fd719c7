"""Actions as text, one a line: what a search or a test found, to be read, kept and replayed.

    caller 1: start_run served
    caller 1: commit
    caller 1: handler answers Completed
    caller 2: cancel_run
    caller 1: commit
    time passes

A blank line, and what follows a `#`, says nothing.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

import attrs

from lab.model.composition import COMMIT, CRASH, TIME_PASSES, Action
from lab.model.vocabulary import ANSWERS, CALLS, STARTS
from scoria_core.errors import safe_repr


@attrs.frozen
class NotAScript(ValueError):
    """A line says nothing that a caller does, or nothing that can happen where it stands."""

    line: int
    text: str
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}, {safe_repr(self.text)}, {self.problem}"


def _vocabulary(callers: int) -> dict[str, Action]:
    deeds = (*STARTS, *CALLS, *ANSWERS, COMMIT, CRASH)
    actions = [Action(deed, caller) for caller in range(1, callers + 1) for deed in deeds]
    return {str(action): action for action in (*actions, Action(TIME_PASSES))}


VOCABULARY: Mapping[str, Action] = MappingProxyType(_vocabulary(2))
"""Everything that can be said of two callers."""


@attrs.frozen
class Line:
    """One action of a script, and where it stands."""

    number: int
    action: Action


def written(actions: Iterable[Action]) -> str:
    """Return a script of these actions."""
    return "".join(f"{action}\n" for action in actions)


def read(text: str) -> list[Line]:
    """Return the actions of a script; raises `NotAScript` naming the first line that is none."""
    lines = enumerate(text.splitlines(), 1)
    said = [(number, " ".join(line.partition("#")[0].split())) for number, line in lines]
    return [Line(number, _action(number, words)) for number, words in said if words]


def _action(number: int, words: str) -> Action:
    try:
        return VOCABULARY[words]
    except KeyError:
        near = get_close_matches(words, VOCABULARY, n=1)
        meant = f"is '{near[0]}' meant?" if near else f"write one as '{next(iter(VOCABULARY))}'"
        raise NotAScript(number, words, f"is no action; {meant}") from None
