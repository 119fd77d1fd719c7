"""One call of a model turn with three tool calls, as a program: `turn.py URL CALL DIES`.

`DIES` says when this process is killed: "before" its next write, "after" it, or "never".
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from scoria_core import (
    Completed,
    HandlerAnswer,
    NeedsApproval,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import ApprovalNotPending, RunNotResumable
from scoria_core.stores import open_store

TOOLS: list[tuple[str, str, dict[str, Any]]] = [
    ("call-1", "pay", {"n": 20}),
    ("call-2", "mail", {"n": "a"}),
    ("call-3", "drop", {"n": 7}),
]


EMPTY: Mapping[str, Any] = MappingProxyType({})


class Mortal:
    """A store whose process is killed before, or after, its next write of records."""

    def __init__(self, store: Any, dies: str) -> None:
        self.store, self.dies = store, dies

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def create(self, *given: Any, **named: Any) -> Any:
        """Begin a run."""
        return self._write(self.store.create, given, named)

    def append(self, *given: Any, **named: Any) -> Any:
        """Add to a run."""
        return self._write(self.store.append, given, named)

    def _write(self, write: Any, given: Any, named: Any) -> Any:
        if self.dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        written = write(*given, **named)
        if self.dies == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return written


def turn(step: Step, _: RunSummary) -> HandlerAnswer:
    """Ask for all three calls at once, and tell what was decided on each."""
    if step.approvals:
        seen = [[each.call_id, each.status, each.arguments, each.note] for each in step.approvals]
        return Completed({"seen": seen, "kept": step.kept})
    return [
        NeedsApproval(
            tool_name=tool,
            arguments=arguments,
            reason=f"The model calls {tool}",
            call_id=call_id,
            may_edit=True,
            on_reject="resume",
            keep={"messages": [1, 2]} if tool == "pay" else None,
        )
        for call_id, tool, arguments in TOOLS
    ]


def make(host: Scoria, call: str, given: Mapping[str, Any] = EMPTY) -> None:
    """Make one call, the first with an input; what the same person has done, or does, is done."""
    if call == "start":
        host.start_run(
            host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1"),
            root_role_id="root",
            initial_step=StepSpec("turn", "root", given),
            idempotency_key="turn-1",
        )
        return
    (run,) = host.list_runs()
    pay, mail, drop = (each.approval_id for each in host.get_run_detail(run.run_id).approvals)
    decided_by = {"approve": "reviewer-7", "edit": "reviewer-8", "reject": "reviewer-9"}.get(call)
    try:
        match call:
            case "approve":
                host.approve(run.run_id, approval_id=pay, decided_by=decided_by)
            case "edit":
                edited = {"n": "b"}
                host.approve(run.run_id, approval_id=mail, decided_by=decided_by, arguments=edited)
            case "reject":
                host.reject(
                    run.run_id, approval_id=drop, decided_by=decided_by, note="not this one"
                )
            case "resume":
                host.resume_run(run.run_id)
    except ApprovalNotPending as told:
        if told.decided_by != decided_by:
            raise
    except RunNotResumable:
        pass


if __name__ == "__main__":
    url, asked, dies = sys.argv[1:]
    store: Any = Mortal(open_store(url), dies)
    with Scoria(store, handlers={"turn": turn}, lease=0.5) as scoria:
        scoria.recover()
        make(scoria, asked)
        while any(run.status == "running" for run in scoria.list_runs()):
            scoria.run_pending()  # what the dead process had claimed, once its lease has ended
            time.sleep(0.05)
