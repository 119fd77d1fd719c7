"""A conversation with three tool calls, whose process is killed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bridges.killed import DEATHS, RAN, REQUESTS, Turns

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("death", DEATHS, ids=lambda each: "-".join(map(str, each)))
def test_nothing_runs_twice(
    death: tuple[str, int, str], turns_of: Callable[[str], Turns], tmp_path: Path
) -> None:
    """One is approved, one edited, one denied; the model hears of each as it was decided."""
    told = turns_of("langgraph").turn(tmp_path, death)
    assert told.requests == REQUESTS
    assert told.ran == RAN
    assert told.status == "completed"
    assert told.result == {
        "said": ["Tidy up", "", "pay did 20", "mail did 'b'", "not this one", "That is all."]
    }
