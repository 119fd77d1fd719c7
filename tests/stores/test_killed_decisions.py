"""A model turn with three tool calls, each decided in a process that may be killed."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from scoria_core import Scoria

TURN = '''
import os, signal, sys, time
from scoria_core import Completed, NeedsApproval, Scoria, StepSpec
from scoria_core.errors import ApprovalNotPending, RunNotResumable

url, call, dies = sys.argv[1:]
CALLS = [("call-1", "pay", {"n": 20}), ("call-2", "mail", {"n": "a"}), ("call-3", "drop", {"n": 7})]


def turn(step, run):
    if not step.approvals:
        return [
            NeedsApproval(
                tool_name=tool, arguments=arguments, reason=tool, call_id=call_id, may_edit=True,
                on_reject="resume", keep={"messages": [1, 2]} if tool == "pay" else None,
            )
            for call_id, tool, arguments in CALLS
        ]
    seen = [[each.call_id, each.status, each.arguments, each.note] for each in step.approvals]
    return Completed({"seen": seen, "kept": step.kept})


class Mortal:
    """A store whose process is killed before, or after, its next write with records."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store, name)

    def create(self, *given, **named):
        return self.write("create", given, named)

    def append(self, *given, **named):
        return self.write("append", given, named)

    def write(self, name, given, named):
        if dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        written = getattr(self.store, name)(*given, **named)
        if dies == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return written


from scoria_core.stores import open_store
store = open_store(url)
host = Scoria(Mortal(store) if dies != "never" else store, handlers={"turn": turn}, lease=0.5)
host.recover()
who = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")


def asked(number):
    (run,) = host.list_runs()
    approvals = host.get_run_detail(run.run_id).approvals
    return run.run_id, {"approval_id": approvals[number - 1].approval_id}


def once(decide, number, by, **said):
    run_id, named = asked(number)
    try:
        decide(run_id, decided_by=by, **named, **said)
    except ApprovalNotPending as told:
        assert told.decided_by == by, told


if call == "start":
    step = StepSpec("turn", "root")
    host.start_run(who, root_role_id="root", initial_step=step, idempotency_key="turn-1")
elif call == "approve":
    once(host.approve, 1, "reviewer-7")
elif call == "edit":
    once(host.approve, 2, "reviewer-8", arguments={"n": "b"})
elif call == "reject":
    once(host.reject, 3, "reviewer-9", note="not this one")
else:
    try:
        host.resume_run(asked(1)[0])
    except RunNotResumable:
        pass
while any(run.status == "running" for run in host.list_runs()):  # the lease of who died
    host.run_pending()
    time.sleep(0.05)
'''
CALLS = ("start", "approve", "edit", "reject", "resume")


def made(url: str, call: str, dies: str, cwd: Path) -> int:
    """Make one call in a process of its own, and return how that ended."""
    command = [sys.executable, str(cwd / "turn.py"), url, call, dies]
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


@pytest.fixture(params=["sqlite", "duckdb", pytest.param("postgresql", marks=pytest.mark.slow)])
def make_url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return what names an empty store of each kind that outlives its process."""
    (tmp_path / "turn.py").write_text(TURN)
    if request.param == "postgresql":
        scratch = request.getfixturevalue("postgres_scratch")
        return lambda: scratch
    return lambda: f"{request.param}:///{tmp_path / 'turn'}.{request.param}"


@pytest.mark.parametrize("dies", ["before", "after"])
@pytest.mark.parametrize("killed", CALLS)
def test_a_call_that_was_cut_off_is_repeated_and_ends_the_same(
    make_url: Any, tmp_path: Path, killed: str, dies: str
) -> None:
    """Whichever call its process dies in, the handler sees each decision as it was made, once."""
    url = make_url()
    for call in CALLS:
        if call == killed:
            assert made(url, call, dies, tmp_path) == -signal.SIGKILL
        assert made(url, call, "never", tmp_path) == 0
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
