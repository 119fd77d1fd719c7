"""A queue on a real server; `make queue` is the same with a million finished runs."""

import pytest

from lab.chaos.queueing import Queue, perform

SMALL = Queue(finished=50_000, waiting={"large": 1200, "middle": 240, "small": 60}, workers=2)


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("server_wheel")]


def test_a_queue_is_fair_and_found_by_an_index() -> None:
    """Each handler is entered once, small tenants do not wait for large ones."""
    seen = perform(SMALL)
    assert list(seen.problems()) == []
    assert seen.finished_at("small") < seen.finished_at("middle") < seen.finished_at("large")


def test_a_queue_without_its_indexes_is_found() -> None:
    """Where the server has to look through all runs, that is told."""
    queue = Queue(finished=50_000, waiting={"large": 3}, workers=1, fault=True)
    found = "\n".join(perform(queue).problems())
    assert "one by one" in found
    assert "no plan uses the index" in found
