"""A model turn with three tool calls, each decided in a process that may be killed."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from scoria_core import Scoria
from tests.support import ROOT

TURN = ROOT / "tests" / "support" / "turn.py"
CALLS = ("start", "approve", "edit", "reject", "resume")


def made(url: str, call: str, dies: str) -> int:
    """Make one call in a process of its own, and return how that ended."""
    command = [sys.executable, str(TURN), url, call, dies]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode in (0, -signal.SIGKILL), process.stderr
    return process.returncode


def told(url: str) -> Any:
    """Return all that a run tells of itself, but for its ids, times and attempts."""
    with Scoria.open(url) as host:
        (run,) = host.list_runs()
        detail = host.get_run_detail(run.run_id)
    approvals = [
        (
            each.call_id,
            each.status,
            each.arguments,
            each.proposed_arguments,
            each.decided_by,
            each.note,
        )
        for each in detail.approvals
    ]
    decisions = [
        (entry.type, entry.actor_id) for entry in detail.journal if entry.subject == "approval"
    ]
    return run.status, attrs.asdict(detail.steps[0])["result"], approvals, decisions


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("duckdb", "postgresql")),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return what names an empty store of each kind that outlives its process."""
    if request.param == "postgresql":
        scratch: str = request.getfixturevalue("postgres_scratch")
        return scratch
    return f"{request.param}:///{tmp_path / 'turn'}.{request.param}"


@pytest.mark.parametrize("dies", ["before", "after"])
@pytest.mark.parametrize("killed", CALLS)
def test_a_call_that_was_cut_off_is_repeated_and_ends_the_same(
    url: str, killed: str, dies: str
) -> None:
    """Whichever call its process dies in, the handler sees each decision as it was made, once."""
    for call in CALLS:
        if call == killed:
            assert made(url, call, dies) == -signal.SIGKILL
        assert made(url, call, "never") == 0
    status, result, approvals, decisions = told(url)
    assert status == "completed"
    assert result == {
        "seen": [
            ["call-1", "approved", {"n": 20}, None],
            ["call-2", "approved", {"n": "b"}, None],
            ["call-3", "rejected", {"n": 7}, "not this one"],
        ],
        "kept": {"messages": [1, 2]},
    }
    assert [each[4] for each in approvals] == ["reviewer-7", "reviewer-8", "reviewer-9"]
    assert decisions == [("approval_requested", None)] * 3 + [
        ("approval_approved", "reviewer-7"),
        ("approval_approved", "reviewer-8"),
        ("approval_rejected", "reviewer-9"),
    ]
