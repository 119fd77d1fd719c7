"""The example that the contract gives, as it is written there, on every kind of store."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from scoria_core import Completed, NeedsApproval, RunSummary, Scoria, Step, StepSpec


def wait_for_approval(_: Step, run: RunSummary) -> NeedsApproval:
    """Ask for what the prompt asks for."""
    arguments = {"prompt": run.metadata["payload"]["prompt"]}
    return NeedsApproval(tool_name="send", arguments=arguments, reason="it goes out")


def succeed(step: Step, _: RunSummary) -> Completed:
    """Do what was approved."""
    assert step.approval is not None
    return Completed({"sent": step.approval.arguments})


def review(step: Step, _: RunSummary) -> Completed:
    """Look at the draft that was projected."""
    return Completed({"read": (step.projected_context or {})["draft_answer"]})


@pytest.mark.parametrize("url", ["memory://", "duckdb:///scoria.duckdb", "sqlite:///scoria.db"])
def test_the_example_runs_as_written(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Identity, start, inspect, approve, resume and a handoff, by the names of the contract."""
    monkeypatch.chdir(tmp_path)
    user, account = SimpleNamespace(id=7), SimpleNamespace(id="acme")
    session = {"assistant_session_id": "chat-7"}
    prompt, draft = "Is the kettle blue?", "It is."

    scoria = Scoria.open(url)
    identity = scoria.identity(
        actor_id=user.id,
        tenant_id=account.id,
        session_id=session["assistant_session_id"],
        metadata={"channel": "web"},
    )
    started = scoria.start_run(
        identity,
        root_role_id="executor",
        initial_step=StepSpec(kind="approval", role_id="executor"),
        metadata={"payload": {"prompt": prompt}},
        handlers={"approval": wait_for_approval},
    )
    session["last_scoria_run_id"] = run_id = started.run_id

    summary = scoria.get_run(run_id)
    turns = scoria.list_runs_for_session("chat-7")
    pending = summary.pending_approval
    assert pending is not None
    assert (summary.status, list(turns)) == ("waiting_for_approval", [summary])
    scoria.approve(run_id, approval_id=pending.approval_id, decided_by="reviewer-7", note="ok")
    resumed = scoria.resume_run(run_id, handlers={"approval": succeed})
    assert (resumed.run_id, resumed.status) == (run_id, "completed")
    assert scoria.get_run_detail(run_id).steps[0].result == {"sent": {"prompt": prompt}}

    handoff_run = scoria.start_handoff_run(
        identity,
        "critic",
        root_role_id="planner",
        delegated_kind="review",
        handoff_input={"brief": "look at it"},
        projected_context={"task": "policy-and-accuracy review", "draft_answer": draft},
        handlers={"review": review},
    )
    detail = scoria.get_run_detail(handoff_run.run_id)
    (handoff,) = detail.delegated_handoffs
    assert (handoff.delegated_role_id, handoff.status) == ("critic", "completed")
    assert detail.steps[1].result == {"read": draft}
    scoria.close()
