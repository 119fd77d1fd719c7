"""The bench of workers: what it finds, and how it is told."""

import pytest

from lab.bench import workers
from lab.bench.workers import CANDIDATES, OURS, Found, latency, pace, report


@pytest.mark.slow
def test_our_workers_do_what_is_measured(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes share the steps, and each step is entered once, and timed."""
    monkeypatch.setattr(workers, "STEPS", 60)
    monkeypatch.setattr(workers, "SINGLES", 3)
    shared = pace(OURS, postgres_url, 2).values
    assert shared["steps/s"] > 0
    assert shared["steps"] >= 60
    assert shared["writes"] - shared["conflicts"] == 2 * shared["steps"]
    waited = latency(OURS, postgres_url, 1).values
    assert 0 < waited["median"] <= waited["p99"]


def test_ours_is_told_beside_each_peer() -> None:
    """More steps and shorter waits are better, and both are told as above 1."""
    values = {OURS: (30.0, 4.0), "procrastinate": (20.0, 8.0), "pgqueuer": (60.0, 2.0)}
    assert values.keys() == CANDIDATES.keys()
    found = []
    for name, (steps, wait) in values.items():
        more = {"looks": 1.0, "writes": 200.0, "conflicts": 3.0} if name == OURS else {}
        found.append(Found(name, "2 workers", {"steps/s": steps, **more}))
        found.append(Found(name, "1 waiting", {"median": wait, "p99": 2 * wait}))
    told = report(found, 1, "PostgreSQL 18")
    assert "| 2 workers, steps/s | 30.0 | 20.0 | 60.0 | 1.5 | 0.5 |" in told
    assert "| 1 waiting, median ms | 4.0 | 8.0 | 2.0 | 2 | 0.5 |" in told
    assert "| 1 waiting, p99 ms | 8.0 | 16.0 | 4.0 | 2 | 0.5 |" in told
    assert "1.5% with 2" in told
