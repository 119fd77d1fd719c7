"""The scenario that a pytest item runs."""

from pathlib import Path
from typing import Any

import pytest
from pytest_bdd.scenario import scenario_wrapper_template_registry
from pytest_bdd.utils import registry_get_safe

from scoria_conformance.catalogue import LIMIT, TAGS, Case, cases
from scoria_conformance.clauses import FEATURES


def case_of(item: pytest.Item) -> Case:
    """Return the case that `item` runs; for other tests, one made of its name and marks.

    Its needs come from its feature, not from marks that somebody added.
    """
    template = _template(item)
    if template is None:
        return _of_no_feature(item)
    callspec = getattr(item, "callspec", None)
    row = callspec.params.get("_pytest_bdd_example", {}) if callspec is not None else {}
    return next(case for each, case in cases(template) if each == row)


def suites_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the suites that `item` is part of, by their tags."""
    return tuple(sorted({mark.name for mark in item.iter_markers() if mark.name in TAGS}))


def is_of_the_suite(item: pytest.Item) -> bool:
    """Tell whether `item` runs a scenario that ships with the suite."""
    template = _template(item)
    return template is not None and Path(template.feature.filename).resolve().parent == FEATURES


def _of_no_feature(item: pytest.Item) -> Case:
    words = item.name.partition("[")[0].removeprefix("test_").replace("_", " ").capitalize()
    return Case(item.nodeid, "", words, words, "", (), suites_of(item), (), LIMIT)


def _template(item: pytest.Item) -> Any:
    function = getattr(item, "function", None)
    return registry_get_safe(scenario_wrapper_template_registry, function)
