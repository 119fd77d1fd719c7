"""Runs the scenarios of the suite with only the suite's steps and fixtures.

pytest-bdd prefers the step that is defined nearest to a test. So a generic step in an adopter's
`conftest.py`, such as `@given(parsers.parse("a {thing}"))`, would replace one of the suite's.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import attrs
import pytest
from pytest_bdd.steps import step_function_context_registry

from scoria_conformance.items import is_of_the_suite

_STEPS = "scoria_conformance.steps."
FIXTURES = (
    *("world", "host", "hosts", "host_target", "relayed_host", "stored", "arranged", "processes"),
)
"""The fixtures of the suite's steps that an adopter must not define."""

_Found = dict[tuple[str, str], list[Any]]
_FOUND = pytest.StashKey[_Found]()
"""Where the configuration keeps the step functions that were found, by type and text."""

_VISIBLE = pytest.StashKey[dict[str, Any]]()
"""Where it keeps the fixtures of each name; those of the suite are visible everywhere."""


@attrs.frozen
class _Remembered:
    """The fixture manager of pytest with a cache: it looks up each name once, not for each step."""

    manager: Any
    visible: dict[str, Any]

    def getfixturedefs(self, name: str, node: Any) -> Any:
        if name not in self.visible:
            self.visible[name] = self.manager.getfixturedefs(name, node)
        return self.visible[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.manager, name)


# Imported by name: a function `scenario` of the package hides the module of that name.
LOOKING: Any = import_module("pytest_bdd.scenario")


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Refuse a fixture that overrides one of the suite's."""
    for item in filter(is_of_the_suite, items):
        for name, module in _foreign(session, item):
            raise pytest.UsageError(
                f"the fixture {name!r} of {module} takes the place of the conformance suite's: "
                "give it another name, or keep the suite in a folder that does not see it"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run a scenario of the suite with only the suite's steps."""
    if not is_of_the_suite(item):
        return (yield)
    with own_steps(item.config):
        return (yield)


def _foreign(session: pytest.Session, item: pytest.Item) -> Iterator[tuple[str, str]]:
    for name in FIXTURES:
        defined = session._fixturemanager.getfixturedefs(name, item)
        module = defined[-1].func.__module__ if defined else ""
        if module and not module.startswith("scoria_conformance."):
            yield name, module


@contextmanager
def own_steps(config: pytest.Config) -> Iterator[None]:
    """Hide the steps of others: pytest-bdd ignores a fixture that is not in its registry of steps.

    Each step is looked up once and cached, because pytest-bdd goes through every fixture to find
    it.
    """
    registry, look_up = step_function_context_registry, LOOKING.find_fixturedefs_for_step
    foreign = {
        marker: step
        for marker, step in registry.items()
        if not step.step_func.__module__.startswith(_STEPS)
    }
    found, visible = config.stash.setdefault(_FOUND, {}), config.stash.setdefault(_VISIBLE, {})

    def remembered(step: Any, fixturemanager: Any, node: Any) -> list[Any]:
        named = (step.type, step.name)
        if named not in found:
            known = _Remembered(fixturemanager, visible)
            found[named] = list(look_up(step=step, fixturemanager=known, node=node))
        return found[named]

    for marker in foreign:
        del registry[marker]
    LOOKING.find_fixturedefs_for_step = remembered
    try:
        yield
    finally:
        LOOKING.find_fixturedefs_for_step = look_up
        registry.update(foreign)
