"""Runs the scenarios of the suite with only the suite's steps and fixtures.

pytest-bdd prefers the step that is defined nearest to a test. So a generic step in an adopter's
`conftest.py`, such as `@given(parsers.parse("a {thing}"))`, would replace one of the suite's.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from pytest_bdd.steps import step_function_context_registry

from scoria_conformance.items import is_of_the_suite

_STEPS = "scoria_conformance.steps."
FIXTURES = ("world", "host", "host_target", "relayed_host", "stored", "arranged", "processes")
"""What the steps of the suite ask for, and no adopter defines."""


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
    with _own_steps():
        return (yield)


def _foreign(session: pytest.Session, item: pytest.Item) -> Iterator[tuple[str, str]]:
    for name in FIXTURES:
        defined = session._fixturemanager.getfixturedefs(name, item)
        module = defined[-1].func.__module__ if defined else ""
        if module and not module.startswith("scoria_conformance."):
            yield name, module


@contextmanager
def _own_steps() -> Iterator[None]:
    """Hide the steps of others: pytest-bdd passes over a fixture that it knows no step for."""
    registry = step_function_context_registry
    foreign = {
        marker: step
        for marker, step in registry.items()
        if not step.step_func.__module__.startswith(_STEPS)
    }
    for marker in foreign:
        del registry[marker]
    try:
        yield
    finally:
        registry.update(foreign)
