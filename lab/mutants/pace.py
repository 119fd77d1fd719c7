"""Looks up once what hundreds of mutants would look up again: the steps of the suite."""

from collections.abc import Iterable
from typing import Any

import pytest
from pytest_bdd.scenario import scenario_wrapper_template_registry
from pytest_bdd.utils import registry_get_safe

from scoria_conformance.isolation import LOOKING, own_steps


def hurry(items: Iterable[pytest.Item]) -> None:
    """Find the steps of these items, for this process and those that it forks."""
    for item in items:
        with own_steps(item.config):
            for step in _steps(item):
                where = {"fixturemanager": item.session._fixturemanager, "node": item}
                LOOKING.find_fixturedefs_for_step(step=step, **where)


def _steps(item: pytest.Item) -> Iterable[Any]:
    function = getattr(item, "function", None)
    template = registry_get_safe(scenario_wrapper_template_registry, function)
    if template is None:
        return ()
    callspec = getattr(item, "callspec", None)
    example = callspec.params.get("_pytest_bdd_example", {}) if callspec is not None else {}
    steps: Iterable[Any] = template.render(example).steps
    return steps
