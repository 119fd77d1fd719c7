"""An agent of pydantic-ai as a step: what it asks, what it is told, and what dies on the way."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import (
    Agent,
    ApprovalRequired,
    CallDeferred,
    DeferredToolRequests,
    ModelMessagesTypeAdapter,
    RunContext,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from scoria_core import Handler, RunSummary, Scoria, StepSpec
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_pydantic_ai import agent_step
from tests.bridges.killed import DEATHS, RAN, REQUESTS, Turns
from tests.support.clocks import noon_clock

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("death", DEATHS[:-1], ids=lambda each: "-".join(map(str, each)))
def test_nothing_runs_twice(
    death: tuple[str, int, str], turns_of: Callable[[str], Turns], tmp_path: Path
) -> None:
    """One call is approved, one edited, one denied; the model hears of each as it was decided."""
    told = turns_of("pydantic_ai").turn(tmp_path, death)
    assert told.requests == REQUESTS
    assert told.ran == RAN
    assert told.status == "completed"
    assert told.result == {"output": "pay did 20 | mail did 'b' | not this one"}


def test_tools_run_again_where_their_end_was_not_recorded(
    turns_of: Callable[[str], Turns], tmp_path: Path
) -> None:
    """The page says so. Where this fails, the bridge has become better than its page."""
    told = turns_of("pydantic_ai").turn(tmp_path, ("resume", 2, "before"))
    assert told.status == "completed"
    assert told.ran == sorted([*RAN, *RAN])


def agent_that_calls(*calls: ToolCallPart) -> Agent[Any, Any]:
    """Return an agent whose model makes these calls, one after another, and then ends."""

    def model(messages: list[ModelMessage], _: Any) -> ModelResponse:
        answers = sum(isinstance(each, ModelResponse) for each in messages)
        if answers < len(calls):
            return ModelResponse(parts=[calls[answers]])
        told = [str(getattr(part, "content", "")) for each in messages for part in each.parts]
        return ModelResponse(parts=[TextPart(" | ".join(filter(None, told)))])

    return Agent(FunctionModel(model), output_type=[str, DeferredToolRequests])


def started(
    handler: Handler, clock: SettableClock | None = None, **given: Any
) -> tuple[Scoria, RunSummary]:
    """Start a run whose step is that handler's."""
    scoria = Scoria(MemoryStore(), handlers={"agent": handler}, clock=clock or noon_clock())
    who = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s")
    step = StepSpec("agent", "assistant", {"prompt": "Go", **given})
    return scoria, scoria.start_run(who, root_role_id="assistant", initial_step=step)


def decided(scoria: Scoria, run: RunSummary, **more: Any) -> RunSummary:
    """Approve all that waits, and resume."""
    for each in run.pending_approvals:
        scoria.approve(run.run_id, approval_id=each.approval_id, decided_by="ada", **more)
    return scoria.resume_run(run.run_id)


def result(scoria: Scoria, run: RunSummary) -> Any:
    """Return the result of the run's only step."""
    return scoria.get_run_detail(run.run_id).steps[0].result


def test_a_tool_may_ask_by_itself_and_say_how() -> None:
    """What its `ApprovalRequired` says of a request is said in the request."""
    agent = agent_that_calls(ToolCallPart("pay", {"n": 5}), ToolCallPart("pay", {"n": 70}))

    @agent.tool
    def pay(ctx: RunContext[Any], n: int) -> str:
        if n > 50 and not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"reason": f"{n} is a lot", "assigned_to": ["ada"]})
        return f"paid {n}"

    scoria, run = started(agent_step(agent))
    (asked,) = run.pending_approvals
    assert (asked.reason, asked.assigned_to) == ("70 is a lot", ("ada",))
    assert decided(scoria, run).status == "completed"
    assert result(scoria, run) == {"output": "Go | paid 5 | paid 70"}


def test_one_asks_after_another() -> None:
    """The conversation is kept over each pause."""
    agent = agent_that_calls(ToolCallPart("pay", {"n": 1}), ToolCallPart("pay", {"n": 2}))

    @agent.tool_plain(requires_approval=True)
    def pay(n: int) -> str:
        return f"paid {n}"

    scoria, run = started(agent_step(agent))
    run = decided(scoria, run)
    assert [each.arguments for each in run.pending_approvals] == [{"n": 2}]
    assert decided(scoria, run).status == "completed"
    assert result(scoria, run) == {"output": "Go | paid 1 | paid 2"}


def test_a_conversation_goes_on_from_its_messages() -> None:
    """As they were dumped by the turn before."""
    first = asyncio.run(agent_that_calls().run("Hello"))
    messages = ModelMessagesTypeAdapter.dump_python(first.all_messages(), mode="json")
    scoria, run = started(agent_step(agent_that_calls()), messages=messages)
    assert result(scoria, run) == {"output": "Hello | Hello | Go"}


def test_a_call_that_nobody_decided_on_in_time_is_denied() -> None:
    """The model hears why."""
    agent = agent_that_calls(ToolCallPart("pay", {"n": 1}))

    @agent.tool_plain
    def pay(n: int) -> str:
        raise ApprovalRequired(metadata={"expires_in": 60, "reason": f"{n} is a lot"})

    clock = noon_clock()
    scoria, run = started(agent_step(agent), clock)
    clock.advance(seconds=61)
    (run,) = scoria.run_pending()
    assert result(scoria, run) == {"output": "Go | Nobody decided on this call in time."}


def test_a_call_that_is_no_approval_fails_the_step() -> None:
    """Nobody would ever answer it."""
    agent = agent_that_calls(ToolCallPart("fetch", {}))

    @agent.tool_plain
    def fetch() -> str:
        raise CallDeferred

    _, run = started(agent_step(agent))
    assert "deferred a call that nobody approves" in str(run.error)


def test_a_conversation_that_is_too_long_to_be_kept_fails_the_step() -> None:
    """With what to do, and nothing of it half kept."""
    agent = agent_that_calls(ToolCallPart("pay", {"n": 1}))

    @agent.tool_plain(requires_approval=True)
    def pay(n: int) -> str:
        return f"paid {n}"

    _, run = started(agent_step(agent), prompt="x" * 70_000)
    assert run.status == "failed"
    assert "keep has more than 65536 bytes" in str(run.error)


def test_its_dependencies_are_made_for_each_call() -> None:
    """Before a pause and after it."""
    agent = agent_that_calls(ToolCallPart("pay", {"n": 1}))

    @agent.tool(requires_approval=True)
    def pay(ctx: RunContext[Any], n: int) -> str:
        return f"paid {n} for {ctx.deps}"

    scoria, run = started(agent_step(agent, deps=lambda _, of: of.tenant_id))
    assert decided(scoria, run).status == "completed"
    assert result(scoria, run) == {"output": "Go | paid 1 for acme"}
