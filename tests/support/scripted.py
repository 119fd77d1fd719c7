"""Runs to a script: the step, the handlers and the decision that tests of the facade share."""

from typing import Any

import pytest

from scoria_core import (
    NeedsApproval,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)

WORK = StepSpec("work", "executor", {"n": 1})

HANDOFF: dict[str, Any] = {
    "delegated_role_id": "critic",
    "root_role_id": "planner",
    "delegated_kind": "review",
    "handoff_input": {"brief": "b"},
    "projected_context": {"task": "t", "draft_answer": "d"},
}


in_memory = pytest.mark.parametrize("scheme", ["memory"], indirect=True)
"""What is settled before or without a store need not be tried on each."""


def needs(**changes: Any) -> NeedsApproval:
    """Return a request for approval."""
    facts = {"tool_name": "send", "arguments": {"to": "all"}, "reason": "goes out"}
    return NeedsApproval(**{**facts, **changes})


def scripted(*answers: Any) -> Any:
    """Return a handler that gives these answers in turn, and keeps the steps it was called with."""
    left = iter(answers)

    def handler(step: Step, _: RunSummary) -> Any:
        handler.steps.append(step)  # type: ignore[attr-defined]
        answer = next(left)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    handler.steps = []  # type: ignore[attr-defined]
    return handler


def approve(scoria: Scoria, run: RunSummary) -> RunSummary:
    """Approve what a run waits for."""
    assert run.pending_approval is not None
    return scoria.approve(
        run.run_id, approval_id=run.pending_approval.approval_id, decided_by="reviewer-7"
    )


def approval_id_of(run: RunSummary) -> str:
    """Return what a run waits for, or an id that nothing has."""
    return run.pending_approval.approval_id if run.pending_approval else "none"
