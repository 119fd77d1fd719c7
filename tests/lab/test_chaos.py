"""Real processes on a real server, killed and restarted; `make chaos` is the same for longer."""

import pytest

from lab.chaos.kills import Play, perform

SHORT = Play(seconds=12, workers=2, hosts=2, lease=2, restart_every=5)


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("server_wheel")]


def test_nothing_acknowledged_is_lost_and_nothing_done_twice() -> None:
    """Workers and hosts die every second and the server crashes; the stories still agree."""
    outcome = perform(SHORT)
    assert outcome.problems == []
    assert outcome.counts["kills"] >= SHORT.seconds / 2
    assert outcome.counts["restarts of the server"] >= 1
    for what in ("runs acknowledged", "steps taken from a worker", "side effects"):
        assert outcome.counts[what] > 0, what


def test_a_worker_that_ignores_leases_is_found() -> None:
    """Where one worker takes over what another is at work on, two handlers at once are seen."""
    play = Play(seconds=6, workers=2, hosts=2, lease=2, kill_every=2, fault=True)
    found = "\n".join(perform(play).problems)
    assert "whose lease had not ended" in found
    assert "before its lease had ended" in found
