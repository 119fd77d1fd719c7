"""XState: the JSON that `createMachine` of version 5 takes.

Several lifecycles are the regions of one parallel machine, their events `run.complete`. A guard
is only a name: the program that runs the machine provides its function. Names that cannot be ids
are kept as descriptions.
"""

import json
from collections.abc import Sequence
from typing import Any

from scoria_diagrams.lifecycle import Lifecycle, Transition
from scoria_diagrams.names import ids

# XState's own events begin with `xstate`; every JavaScript object has the other names.
_RESERVED = "xstate|constructor|prototype|tostring|valueof|hasownproperty"


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as the configuration of a machine."""
    (name,) = ids([lifecycle.name], "lifecycle", _RESERVED).values()
    return _text({"id": name} | _machine(lifecycle, ""))


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles as the configuration of one machine that runs them side by side."""
    subjects = ids((each.name for each in lifecycles), "lifecycle", _RESERVED)
    regions = {
        subjects[each.name]: _machine(each, f"{subjects[each.name]}.") for each in lifecycles
    }
    return _text({"id": "lifecycles", "type": "parallel", "states": regions})


def _machine(lifecycle: Lifecycle, prefix: str) -> dict[str, Any]:
    named = ids(lifecycle.states, "state", _RESERVED)
    events = ids(lifecycle.triggers, "trigger", _RESERVED)
    told = {trigger: f"{prefix}{id_}" for trigger, id_ in events.items()}
    states = {id_: _state(lifecycle, state, named, told) for state, id_ in named.items()}
    return {"initial": named[lifecycle.initial], "states": states}


def _state(
    lifecycle: Lifecycle, state: str, named: dict[str, str], events: dict[str, str]
) -> dict[str, Any]:
    said = {} if named[state] == state else {"description": state}
    if lifecycle.is_terminal(state):
        return {**said, "type": "final"}
    on: dict[str, list[dict[str, Any]]] = {}
    for move in lifecycle.leaving(state):
        on.setdefault(events[move.trigger], []).append(_transition(move, named, events))
    return {**said, "on": {event: _alone(moves) for event, moves in on.items()}}


def _alone(moves: list[dict[str, Any]]) -> Any:
    return moves[0] if len(moves) == 1 else moves


def _transition(move: Transition, named: dict[str, str], events: dict[str, str]) -> dict[str, Any]:
    # XState takes an event without a target for a refused one.
    written: dict[str, Any] = {"target": named[move.dest]}
    if move.source == move.dest and not move.internal:
        written["reenter"] = True
    if move.guard:
        written["guard"] = move.guard
    if events[move.trigger].rpartition(".")[2] != move.trigger:
        written["description"] = move.trigger
    return written


def _text(machine: dict[str, Any]) -> str:
    return json.dumps(machine, indent=2) + "\n"
