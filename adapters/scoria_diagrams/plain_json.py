"""JSON with every name as it is; several lifecycles are one object, by their names."""

import json
from collections.abc import Sequence
from typing import Any

from scoria_diagrams.lifecycle import Lifecycle, Transition


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as a JSON object."""
    return _text(_object(lifecycle))


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles as one JSON object, by their names."""
    return _text({each.name: _object(each) for each in lifecycles})


def _object(lifecycle: Lifecycle) -> dict[str, Any]:
    states = lifecycle.states
    return {
        "name": lifecycle.name,
        "initial": lifecycle.initial,
        "states": list(states),
        "terminal": [state for state in states if lifecycle.is_terminal(state)],
        "waiting": [state for state in states if lifecycle.kind(state) == "waiting"],
        "transitions": [_move(move) for move in lifecycle.transitions],
    }


def _move(move: Transition) -> dict[str, Any]:
    written: dict[str, Any] = {"trigger": move.trigger, "source": move.source, "dest": move.dest}
    if move.guard:
        written["guard"] = move.guard
    if move.internal:
        written["internal"] = True
    return written


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
