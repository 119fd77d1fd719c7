"""The hosts of the examples, each run by the line of its README, with three processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scoria_conformance import Status, verify
from scoria_core import NeedsApproval, Scoria, StepSpec
from tests.hosts.serving import EXAMPLES, serving
from tests.support import ROOT

pytestmark = pytest.mark.slow


def walked(host: Any, store: str) -> None:
    """Go from the login to the evidence of what was approved, and decide what is older."""
    old = _asked_before_the_deploy(store)
    user = host.sign_in(actor_id="ada", tenant_id="acme")
    reviewer = host.sign_in(actor_id="cleo", tenant_id="acme", reviewer=True)
    stranger = host.sign_in(actor_id="dora", tenant_id="umbrella", reviewer=True)
    turn = user.start_turn("A-17")
    for run_id in (turn.run_id, old):
        assert reviewer.read(run_id).status == "waiting_for_approval"
        assert stranger.evidence(run_id).status_code == 404
        reviewer.approve(run_id)
        user.resume(run_id)
        assert user.read(run_id).status == "completed"
    assert user.detail(old)["steps"][0]["result"] == {"refunded": 1_250}
    assert user.stored_run_id() == turn.run_id
    _, review = user.submit_draft("Our policy allows this")
    assert "Delegated Evidence" in user.evidence(review.run_id).text
    assert host.visit().evidence(review.run_id).status_code == 403


def _asked_before_the_deploy(store: str) -> str:
    """Start a run as an older version of the host did, and return its id."""

    def ask(step: Any, _: object) -> NeedsApproval:
        return NeedsApproval(tool_name="send_refund", arguments=step.input, reason="It is due")

    with Scoria.open(store, handlers={"refund": ask}) as scoria:
        run = scoria.start_run(
            scoria.identity(actor_id="ada", tenant_id="acme", session_id="last year"),
            root_role_id="agent",
            initial_step=StepSpec("refund", "agent", input={"order": "A-3", "amount": "12.50"}),
        )
    return run.run_id


WALK = """
import sys
from {driver} import Driver
from tests.hosts.test_served import walked
walked(Driver(sys.argv[1]), sys.argv[2])
"""


def walk(address: str, store: str, folder: Path, driver: str = "host_driver") -> None:
    """Walk through a host by its driver, in a process of its own: it may set up a framework."""
    command = [sys.executable, "-c", WALK.format(driver=driver), address, store]
    told = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{EXAMPLES}:{folder}",
        "DATABASE_URL": store,
        "SECRET_KEY": "of the driver",
    }
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]


def test_the_flask_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite, which each worker opens for itself; what is cheap of the suite holds."""
    with serving("flask_host", tmp_path) as address:
        walk(address, f"sqlite:///{tmp_path / 'refunds.sqlite'}", tmp_path)
        monkeypatch.syspath_prepend(EXAMPLES)
        verdict = verify(address, host="host_driver:Driver", suite="runtime-to-handoff")
        assert [check for check in verdict.checks if check.status != Status.PASSED] == []
        assert verdict.exit_code == 0


def test_the_fastapi_host(tmp_path: Path, postgres_scratch: str) -> None:
    """On PostgreSQL, awaited."""
    with serving("fastapi_host", tmp_path, DATABASE_URL=postgres_scratch) as address:
        walk(address, postgres_scratch, tmp_path)


def test_the_django_host(tmp_path: Path, postgres_scratch: str) -> None:
    """On PostgreSQL, with users that Django knows."""
    with serving("django_host", tmp_path, DATABASE_URL=postgres_scratch) as address:
        walk(address, postgres_scratch, tmp_path, "django_driver")
        assert "ada asks and cleo decides" in (tmp_path / "log.txt").read_text("utf-8")
