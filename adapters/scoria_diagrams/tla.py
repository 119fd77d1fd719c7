"""TLA+ modules; several lifecycles are one module with a variable for each.

A guard is not part of the model: a move that has one may happen, or may not.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import attrs

from scoria_diagrams.lifecycle import Lifecycle, Transition
from scoria_diagrams.names import ids

# Words of the language, and the names that every module here defines.
_RESERVED = (
    "assume|assumption|axiom|boolean|case|choose|constant|constants|domain|else|enabled|except|"
    "extends|false|if|in|init|instance|lambda|let|local|module|next|other|proof|sf|spec|state|"
    "states|string|subset|terminal|then|theorem|true|typeok|unchanged|union|variable|variables|"
    r"vars|wf|with|(?:wf|sf)_.*"
)
_NOTE = "\\* A terminal state is an end and no deadlock: run TLC with -deadlock."


@attrs.frozen
class _Part:
    """One lifecycle, as the moves of one variable."""

    lifecycle: Lifecycle
    variable: str
    ids: Mapping[str, str]
    triggers: Mapping[str, str]
    prefix: str = ""
    others: tuple[str, ...] = ()

    def states(self) -> str:
        return _set(self.ids.values())

    def terminal(self) -> str:
        return _set(id_ for state, id_ in self.ids.items() if self.lifecycle.is_terminal(state))

    def initial(self) -> str:
        return f'{self.variable} = "{self.ids[self.lifecycle.initial]}"'

    def actions(self) -> Iterator[str]:
        return (f"{self.prefix}{id_}" for id_ in self.triggers.values())

    def definitions(self) -> Iterator[str]:
        """Yield an action for each trigger."""
        for trigger, id_ in self.triggers.items():
            moves = [move for move in self.lifecycle.transitions if move.trigger == trigger]
            yield "\n".join(
                [f"{self.prefix}{id_} ==", *(f"    \\/ {self._step(move)}" for move in moves)]
            )

    def _step(self, move: Transition) -> str:
        source, dest = self.ids[move.source], self.ids[move.dest]
        step = f'{self.variable} = "{source}" /\\ {self.variable}\' = "{dest}"'
        return f"{step} /\\ UNCHANGED <<{', '.join(self.others)}>>" if self.others else step

    def names(self) -> Iterator[str]:
        """Yield a comment for each name that is not its own id."""
        for name, id_ in chain(self.ids.items(), self.triggers.items()):
            if id_ != name:
                yield f"\\* {id_}: {json.dumps(name)}"


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as a module of its own name, with one variable, `state`.

    TLC needs a module to be in a file of the same name.
    """
    (name,) = ids([lifecycle.name], "lifecycle", _RESERVED).values()
    reserved = f"{_RESERVED}|{name}"
    part = _Part(
        lifecycle,
        variable="state",
        ids=ids(lifecycle.states, "state"),
        triggers=ids(lifecycle.triggers, "trigger", reserved),
    )
    definitions = [
        f"States == {part.states()}",
        f"Terminal == {part.terminal()}",
        "TypeOK == state \\in States",
        f"Init == {part.initial()}",
    ]
    return _module(name, [part], definitions, "state")


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles as the module `lifecycles`, with a variable named for each."""
    subjects = ids((each.name for each in lifecycles), "lifecycle", f"{_RESERVED}|lifecycles")
    parts = [_beside(each, subjects) for each in lifecycles]
    definitions = [
        f"vars == <<{', '.join(subjects.values())}>>",
        _all_of("TypeOK", [f"{part.variable} \\in {part.states()}" for part in parts]),
        _all_of("Init", [part.initial() for part in parts]),
    ]
    return _module("lifecycles", parts, definitions, "vars")


def _beside(lifecycle: Lifecycle, subjects: Mapping[str, str]) -> _Part:
    subject = subjects[lifecycle.name]
    return _Part(
        lifecycle,
        variable=subject,
        ids=ids(lifecycle.states, "state"),
        triggers=ids(lifecycle.triggers, "trigger"),
        prefix=f"{subject}_",
        others=tuple(other for other in subjects.values() if other != subject),
    )


def _module(name: str, parts: Sequence[_Part], definitions: Sequence[str], variables: str) -> str:
    actions = [action for part in parts for action in part.actions()]
    sections = [
        f"---- MODULE {name} ----\n{_NOTE}",
        *("\n".join(names) for part in parts if (names := list(part.names()))),
        f"VARIABLES {', '.join(part.variable for part in parts)}",
        *definitions,
        *(action for part in parts for action in part.definitions()),
        "\n".join(["Next ==", *(f"    \\/ {action}" for action in actions or ["FALSE"])]),
        f"Spec == Init /\\ [][Next]_{variables}",
    ]
    return "\n\n".join(sections) + "\n====\n"


def _all_of(name: str, terms: Sequence[str]) -> str:
    return "\n".join([f"{name} ==", *(f"    /\\ {term}" for term in terms)])


def _set(strings: Iterable[str]) -> str:
    return "{" + ", ".join(f'"{each}"' for each in strings) + "}"
