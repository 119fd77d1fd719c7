"""A lifecycle as a value, read from a declared machine."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import attrs
from transitions import Machine
from transitions.extensions.nesting import HierarchicalMachine

from scoria_core.errors import ScoriaError, safe_repr
from scoria_core.lifecycles import MACHINES


@attrs.define
class NotDrawable(ScoriaError):
    """The object is no machine, or a machine whose states are not a flat list."""

    code: ClassVar[str] = "not_drawable"
    name: str
    problem: str
    next_move: str = "give a transitions.Machine with flat states"

    @property
    def message(self) -> str:
        """Name the machine, what is wrong with it and what to do."""
        return f"{safe_repr(self.name)} {self.problem}; {self.next_move}"


@attrs.frozen
class Transition:
    """One move: `trigger` leads from `source` to `dest`; if there is a `guard`, it must hold.

    An internal transition is accepted and stays in its state without leaving it.
    """

    trigger: str
    source: str
    dest: str
    guard: str = ""
    internal: bool = False


@attrs.frozen
class Lifecycle:
    """States, where it starts, and every move, in the order of their declaration."""

    name: str
    states: tuple[str, ...]
    initial: str
    transitions: tuple[Transition, ...]

    @property
    def triggers(self) -> tuple[str, ...]:
        """Return the triggers in the order of their declaration."""
        return tuple(dict.fromkeys(move.trigger for move in self.transitions))

    def leaving(self, state: str) -> tuple[Transition, ...]:
        """Return the moves from `state`; of one trigger, the first move whose guard holds wins."""
        return tuple(move for move in self.transitions if move.source == state)

    def is_terminal(self, state: str) -> bool:
        """Tell whether nothing leads out of `state`."""
        return not self.leaving(state)

    def is_waiting(self, state: str) -> bool:
        """Tell whether the name of `state` says that it waits for somebody."""
        return state == "pending" or state.startswith("waiting_")

    def kind(self, state: str) -> str:
        """Return "terminal" or "waiting" if `state` is one of these, else an empty text."""
        if self.is_terminal(state):
            return "terminal"
        return "waiting" if self.is_waiting(state) else ""


def ours() -> tuple[Lifecycle, ...]:
    """Return the four lifecycles of the core."""
    return tuple(lifecycle_of(subject, machine) for subject, machine in MACHINES.items())


def lifecycle_of(name: str, machine: object) -> Lifecycle:
    """Return the lifecycle that `machine` declares, under `name`.

    Moves that can never happen, because another always wins, are left out; so is every
    `to_<state>` that `transitions` adds by itself. Raises `NotDrawable` if `machine` is no
    `Machine`, is hierarchical, has no initial state, or leads to a state that it does not declare.
    """
    flat = _flat(name, machine)
    lifecycle = Lifecycle(
        name=name,
        states=tuple(flat.states),
        initial=str(flat.initial),
        transitions=tuple(_first_come(_declared(flat))),
    )
    _check(lifecycle)
    return lifecycle


def _flat(name: str, machine: object) -> Machine:
    if not isinstance(machine, Machine):
        raise NotDrawable(name, f"is no machine but {safe_repr(machine)}")
    if isinstance(machine, HierarchicalMachine):
        raise NotDrawable(name, "is hierarchical")
    if machine.initial is None:
        raise NotDrawable(name, "has no initial state", "declare one: Machine(initial=...)")
    return machine


def _check(lifecycle: Lifecycle) -> None:
    for move in lifecycle.transitions:
        for state in (move.source, move.dest):
            if state not in lifecycle.states:
                problem = (
                    f"has a transition {safe_repr(move.trigger)} with no state {safe_repr(state)}"
                )
                raise NotDrawable(lifecycle.name, problem, "declare the state")


def _declared(machine: Machine) -> Iterator[Transition]:
    for trigger, event in machine.events.items():
        if _is_automatic(machine, trigger):
            continue
        for rows in event.transitions.values():
            for row in rows:
                yield _transition(trigger, row)


def _transition(trigger: str, row: Any) -> Transition:
    internal = row.dest is None
    dest = row.source if internal else row.dest
    return Transition(trigger, row.source, dest, guard=_guard(row.conditions), internal=internal)


def _is_automatic(machine: Machine, trigger: str) -> bool:
    """Tell whether `transitions` added `trigger` by itself: a jump from every state to one."""
    attribute = machine.model_attribute
    prefix = "to_" if attribute == "state" else f"to_{attribute}_"
    rows = machine.events[trigger].transitions
    return (
        bool(machine.auto_transitions)
        and trigger.removeprefix(prefix) in machine.states
        and trigger.startswith(prefix)
        and set(rows) == set(machine.states)
    )


def _first_come(moves: Iterable[Transition]) -> Iterator[Transition]:
    settled = set()
    for move in moves:
        if (move.source, move.trigger) in settled:
            continue
        if not move.guard:  # it always wins over later moves with its trigger
            settled.add((move.source, move.trigger))
        yield move


def _guard(conditions: Iterable[Any]) -> str:
    return " and ".join(
        f"{'' if condition.target else 'not '}{_callable_name(condition.func)}"
        for condition in conditions
    )


def _callable_name(func: object) -> str:
    return func if isinstance(func, str) else getattr(func, "__name__", type(func).__name__)
