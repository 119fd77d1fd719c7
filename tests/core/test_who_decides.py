"""Who may decide, as the host says it."""

import pytest

from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_core.errors import DecisionRefused
from scoria_memory import MemoryStore


def test_the_no_of_the_host_is_its_last_word() -> None:
    """It is asked once where it says no, so that what would say yes by then is not heard."""
    answers = [False, True]
    asked = NeedsApproval(tool_name="pay", arguments={}, reason="It pays")
    scoria = Scoria(
        MemoryStore(), handlers={"ask": lambda *_: asked}, may_decide=lambda *_: answers.pop(0)
    )
    who = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    run = scoria.start_run(who, root_role_id="root", initial_step=StepSpec("ask", "root"))
    assert run.pending_approval is not None
    approval_id = run.pending_approval.approval_id
    with pytest.raises(DecisionRefused) as refused:
        scoria.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
    assert (refused.value.rule, answers) == ("host", [True])
    scoria.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
    assert scoria.get_run_detail(run.run_id).approvals[0].status == "approved"
