"""The generated scenarios say what the machines declare, and a difference is named."""

from collections.abc import Callable
from importlib.resources import files

import pytest

from lab.spec_gate.lifecycle_feature import lifecycle_feature, lifecycle_feature_problems

MADE = lifecycle_feature()
ROW = "      | failed               | cancel           | cancelled            |\n"


def test_the_committed_text_is_what_the_machines_make() -> None:
    """The suite runs what is declared now."""
    committed = (files("scoria_features") / "lifecycles.feature").read_text("utf-8")
    assert committed == MADE
    assert list(lifecycle_feature_problems(committed)) == []


@pytest.mark.parametrize(
    ("edit", "problems"),
    [
        (
            lambda text: text.replace(ROW, "", 1),
            ["lifecycles.feature does not have run: failed -cancel-> cancelled"],
        ),
        (
            lambda text: text.replace(ROW, ROW.replace("| failed   ", "| completed"), 1),
            [
                "lifecycles.feature does not have run: failed -cancel-> cancelled",
                "lifecycles.feature has run: completed -cancel-> cancelled, "
                "which no machine declares",
            ],
        ),
        (
            lambda text: text.replace("A step begins queued", "A step begins running"),
            [
                "lifecycles.feature does not have A step begins queued",
                "lifecycles.feature has A step begins running, which no machine declares",
            ],
        ),
        (
            lambda text: text.replace("And nothing changed", "And the run is lost", 1),
            ["lifecycles.feature is not as it is made: run make spec"],
        ),
        (
            lambda text: text.replace(ROW, ROW + ROW, 1),
            ["lifecycles.feature is not as it is made: run make spec"],
        ),
    ],
)
def test_a_difference_is_named(edit: Callable[[str], str], problems: list[str]) -> None:
    """A missing or foreign transition is told by its subject, states and trigger."""
    assert list(lifecycle_feature_problems(edit(MADE))) == problems


def test_every_line_that_is_missing_is_told() -> None:
    """Without the file's text, all that the machines declare is missing."""
    told = list(lifecycle_feature_problems(""))
    rows = sum(line.lstrip().startswith("| ") for line in MADE.splitlines())
    headers, beginnings = MADE.count("Examples:"), MADE.count("Scenario:")
    assert len(told) == rows - headers + beginnings
