"""Looks up once what hundreds of mutants would look up again: the steps, and the installed stores.

Neither depends on a mutant. Without this more than half of the time goes there.
"""

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import pytest
from pytest_bdd.scenario import scenario_wrapper_template_registry
from pytest_bdd.utils import registry_get_safe

from scoria_core import stores


def hurry(items: Iterable[pytest.Item]) -> None:
    """Find the steps of these items, for this process and those that it forks."""
    found: dict[tuple[str, str], list[Any]] = {}
    module: Any = import_module("pytest_bdd.scenario")
    look_up = module.find_fixturedefs_for_step

    def remembered(step: Any, **where: Any) -> list[Any]:
        named = (step.type, step.name)
        if named not in found:
            found[named] = list(look_up(step=step, **where))
        return found[named]

    module.find_fixturedefs_for_step = remembered
    vars(stores).update(entry_points=cache(entry_points))
    for item in items:
        for step in _steps(item):
            remembered(step, fixturemanager=item.session._fixturemanager, node=item)


def _steps(item: pytest.Item) -> Iterable[Any]:
    function = getattr(item, "function", None)
    template = registry_get_safe(scenario_wrapper_template_registry, function)
    if template is None:
        return ()
    callspec = getattr(item, "callspec", None)
    example = callspec.params.get("_pytest_bdd_example", {}) if callspec is not None else {}
    steps: Iterable[Any] = template.render(example).steps
    return steps
