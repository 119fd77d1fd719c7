"""The command `scoria` in a process of its own, and what there is for it to work on."""

import os
import subprocess
import sys
from pathlib import Path

from scoria_core import NeedsApproval, Scoria, StepSpec

HANDLERS = """
import asyncio
import pathlib
import time

def work(step, run):
    pathlib.Path(f"entered-{run.run_id}").touch()
    time.sleep(step.input.get("seconds", 0))
    return {"attempt": step.attempt}

def breaks(step, run):
    raise LookupError("no such customer")

async def later(step, run):
    pathlib.Path(f"entered-{run.run_id}").touch()
    await asyncio.sleep(step.input.get("seconds", 0))
    return {"attempt": step.attempt}

registry = {"work": work, "break": breaks, "later": later}
empty = {}

def make_registry():
    return registry
"""


def scoria(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "scoria_cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def queued(url: str, kind: str = "work", tenant_id: str = "tenant-1", seconds: float = 0) -> str:
    """Queue a run of one step, and return its id."""
    with Scoria.open(url, dispatch="queue") as host:
        run = host.start_run(
            host.identity(actor_id="user-1", tenant_id=tenant_id, session_id="session-1"),
            root_role_id="executor",
            initial_step=StepSpec(kind, "executor", {"seconds": seconds}),
        )
    return run.run_id


def waiting(url: str) -> str:
    """Start a run that waits for a person, and return its id."""
    with Scoria.open(url) as host:
        needs = NeedsApproval(tool_name="send", arguments={"to": "x"}, reason="outbound")
        run = host.start_run(
            host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1"),
            root_role_id="executor",
            initial_step=StepSpec("ask", "executor"),
            handlers={"ask": lambda *_: needs},
        )
    return run.run_id
