"""The lines of the features, held against the steps that bind them."""

import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module

import attrs
from pytest_bdd.steps import StepFunctionContext, step_function_context_registry

from lab.spec_gate.scenarios import Line, Scenario
from scoria_conformance.steps import STEPS


@attrs.frozen(eq=False)
class Steps:
    """The steps of a suite, and which of them bind a line."""

    steps: tuple[StepFunctionContext, ...]
    _binding: dict[Line, tuple[StepFunctionContext, ...]] = attrs.field(factory=dict)

    def binding(self, line: Line) -> tuple[StepFunctionContext, ...]:
        """Return the steps that bind `line`: one, where all is well."""
        if line not in self._binding:
            self._binding[line] = tuple(step for step in self.steps if _binds(step, line))
        return self._binding[line]


@cache
def bound_steps() -> Steps:
    """Return every step that the suite binds."""
    for module in STEPS:
        import_module(module)
    registered = step_function_context_registry.values()
    return Steps(tuple(each for each in registered if each.step_func.__module__ in STEPS))


def binding_problems(scenarios: Iterable[Scenario], steps: Steps) -> Iterator[str]:
    """Yield what is wrong between the lines of the features and the steps.

    A line that no step binds, or more than one; a step that is a coroutine, which nothing would
    await; and one that no line asks for.
    """
    used = set()
    for scenario in scenarios:
        for line in scenario.lines:
            binding = steps.binding(line)
            used |= {id(step) for step in binding}
            if len(binding) != 1:
                told = f"{len(binding)} steps bind" if binding else "no step binds"
                yield f"{scenario.feature}: {scenario.name}: {told} {line.kind} {line.text!r}"
    for step in steps.steps:
        if inspect.iscoroutinefunction(step.step_func):
            yield f"{_place(step)} is a coroutine, which is never awaited"
        if id(step) not in used:
            yield f"{_place(step)} is a step that no scenario asks for"


def _binds(step: StepFunctionContext, line: Line) -> bool:
    return step.type in (None, line.kind) and step.parser.is_matching(line.text)


def _place(step: StepFunctionContext) -> str:
    return f"{step.step_func.__module__}: {step.type} {step.parser.name!r}"
