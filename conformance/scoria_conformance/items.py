"""What a pytest item says of the scenario that it runs."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pytest_bdd.scenario import scenario_wrapper_template_registry
from pytest_bdd.utils import registry_get_safe

from scoria_conformance.clauses import CLAUSE_ID

TAGS = {
    "lifecycles": "every state meets every trigger of its lifecycle",
    "store": "what a store promises, put to it directly",
    "adoption": "the guide's default lane: identity, start, inspect, resume",
    "runtime_to_handoff": "the guide's bounded delegation lane",
    "page": "the evidence page of a run",
    "host": "speaks to a host app, so that a running one can be put under it",
}
"""The suites, by the tag of their features."""

_FEATURES = Path(str(files("scoria_features")))


def feature_of(item: pytest.Item) -> str:
    """Return what the feature of the scenario is called."""
    return str(getattr(getattr(_template(item), "feature", None), "name", ""))


def clauses_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the clauses that the scenario of `item` puts to the test."""
    template = _template(item)
    tags = template.tags | template.feature.tags if template is not None else set()
    return tuple(sorted(tag for tag in tags if CLAUSE_ID.fullmatch(tag)))


def scenario_of(item: pytest.Item) -> str:
    """Return what the scenario is called in its feature."""
    in_words = item.name.partition("[")[0].removeprefix("test_").replace("_", " ").capitalize()
    return str(getattr(_template(item), "name", in_words))


def suites_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the suites that the scenario of `item` is part of, by their tags."""
    return tuple(sorted({mark.name for mark in item.iter_markers() if mark.name in TAGS}))


def is_of_the_suite(item: pytest.Item) -> bool:
    """Tell whether `item` runs a scenario that ships, and none of somebody else's features."""
    feature = getattr(_template(item), "feature", None)
    return feature is not None and Path(feature.filename).parent == _FEATURES


def _template(item: pytest.Item) -> Any:
    function = getattr(item, "function", None)
    return registry_get_safe(scenario_wrapper_template_registry, function)


def name_of(item: pytest.Item) -> str:
    """Return what the check is called: its scenario, with the row of its examples."""
    callspec = getattr(item, "callspec", None)
    example = callspec.params.get("_pytest_bdd_example", {}) if callspec is not None else {}
    name = scenario_of(item)
    return f"{name} ({', '.join(example.values())})" if example else name
