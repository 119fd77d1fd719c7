"""An agent of the OpenAI Agents SDK as a step: approvals, edits, handoffs, and what dies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from agents import Agent, RunContextWrapper, function_tool, handoff
from agents.testing import ScriptedModel, assistant_message, function_call
from pydantic import BaseModel

from scoria_core import Handler, RunSummary, Scoria, StepSpec
from scoria_core.errors import InvalidHandoff
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_openai_agents import agent_step, delegate, editable, request_of
from tests.bridges.agents_turn import QUIET
from tests.bridges.killed import DEATHS, RAN, REQUESTS, Turns
from tests.support.clocks import noon_clock

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("death", DEATHS[:-1], ids=lambda each: "-".join(map(str, each)))
def test_nothing_runs_twice(
    death: tuple[str, int, str], turns_of: Callable[[str], Turns], tmp_path: Path
) -> None:
    """One call is approved, one edited, one denied; the model hears of each as it was decided."""
    told = turns_of("agents").turn(tmp_path, death)
    assert told.requests == REQUESTS
    assert told.ran == RAN
    assert told.status == "completed"
    assert set(told.result["output"].split(" | ")) == {"pay did 20", "mail did 'b'", "not this one"}


def test_tools_run_again_where_their_end_was_not_recorded(
    turns_of: Callable[[str], Turns], tmp_path: Path
) -> None:
    """The page says so. Where this fails, the bridge has become better than its page."""
    told = turns_of("agents").turn(tmp_path, ("resume", 2, "before"))
    assert told.status == "completed"
    assert told.ran == sorted([*RAN, *RAN])


def started(
    handlers: dict[str, Handler], clock: SettableClock | None = None
) -> tuple[Scoria, RunSummary]:
    """Start a run whose first step is that of the handler `agent`."""
    scoria = Scoria(MemoryStore(), handlers=handlers, clock=clock or noon_clock())
    who = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s")
    step = StepSpec("agent", "assistant", {"input": "Go"})
    return scoria, scoria.start_run(who, root_role_id="assistant", initial_step=step)


def scripted(*steps: Any, **options: Any) -> Agent[Any]:
    """Return an agent whose model gives these answers."""
    return Agent(name="assistant", model=ScriptedModel([[each] for each in steps]), **options)


def step_of(agent: Agent[Any], **options: Any) -> dict[str, Handler]:
    """Return the handlers that run one agent."""
    return {"agent": agent_step(agent, run_config=QUIET, **options)}


@function_tool(needs_approval=True)
def pay(context: RunContextWrapper[Any], n: int) -> str:
    """Pay."""
    return f"paid {n} for {context.context}"


CALL = function_call("pay", {"n": 1}, call_id="call-1")


def test_its_context_is_made_for_each_call() -> None:
    """It is not kept: what is kept can be read by whoever has the store."""
    agent = scripted(CALL, assistant_message("done"), tools=[pay])
    secret = "the context of acme"  # noqa: S105 - it stands for one
    seen: list[Any] = []

    def told(ended: Any) -> dict[str, Any]:
        seen.extend(each.output for each in ended.new_items if hasattr(each, "output"))
        return {}

    scoria, run = started(step_of(agent, context=lambda *_: secret, result=told))
    (step,) = scoria.get_run_detail(run.run_id).steps
    assert secret not in str(step.kept)
    (asked,) = run.pending_approvals
    scoria.approve(run.run_id, approval_id=asked.approval_id, decided_by="ada")
    assert scoria.resume_run(run.run_id).status == "completed"
    assert seen == [f"paid 1 for {secret}"]


def test_only_an_editable_tool_may_be_edited() -> None:
    """The SDK would call another with what the model wrote."""
    _, run = started(step_of(scripted(CALL, tools=[pay])))
    assert [each.may_edit for each in run.pending_approvals] == [False]
    _, run = started(step_of(scripted(CALL, tools=[editable(pay)])))
    assert [each.may_edit for each in run.pending_approvals] == [True]
    _, run = started(
        step_of(
            scripted(CALL, tools=[pay]),
            asks=lambda item: attrs.evolve(request_of(item), may_edit=True),
        )
    )
    assert "wrap it in editable()" in str(run.error)


@pytest.mark.parametrize("arguments", ['{"n": 1', '{"n": 1, "n": 1000}', "[1]"])
def test_arguments_that_read_two_ways_are_never_asked_about(arguments: str) -> None:
    """A person would approve one thing, and the tool do another."""
    call = function_call("pay", arguments, call_id="call-1")
    _, run = started(step_of(scripted(call, tools=[pay])))
    assert run.status == "failed"
    assert "arguments is" in str(run.error)


def test_a_call_that_nobody_decided_on_in_time_is_denied() -> None:
    """The model hears why."""
    agent = scripted(CALL, assistant_message("done"), tools=[pay])
    clock = noon_clock()
    scoria, run = started(
        step_of(
            agent,
            asks=lambda item: attrs.evolve(request_of(item), expires_in=60),
            result=lambda ended: {"told": str(ended.to_input_list())},
        ),
        clock,
    )
    clock.advance(seconds=61)
    (run,) = scoria.run_pending()
    result = scoria.get_run_detail(run.run_id).steps[0].result
    assert "Nobody decided on this call in time." in str(result)


class Draft(BaseModel):
    """What a critic gets."""

    task: str
    draft: str


class Leak(BaseModel):
    """What no critic may get."""

    task: str
    message_history: list[str]


def handed_off(context: type[BaseModel], projected: dict[str, Any]) -> tuple[Scoria, RunSummary]:
    """Start a run whose model hands off with this context."""
    critic = Agent(name="critic", model=ScriptedModel([[assistant_message("It is fine.")]]))
    call = function_call("transfer_to_critic", projected, call_id="call-1")
    agent = scripted(call, handoffs=[delegate(critic, kind="review", context=context)])
    return started({**step_of(agent), "review": agent_step(critic, run_config=QUIET)})


def test_a_handoff_is_shown_with_what_was_projected() -> None:
    """The other agent runs as a step of its own, and gets that and nothing more."""
    given = {"task": "policy review", "draft": "We refund it."}
    scoria, run = handed_off(Draft, given)
    detail = scoria.get_run_detail(run.run_id)
    (handoff_,) = detail.delegated_handoffs
    assert (handoff_.parent_role_id, handoff_.delegated_role_id) == ("assistant", "critic")
    assert (handoff_.delegated_kind, handoff_.projected_context) == ("review", given)
    assert (handoff_.status, run.status) == ("completed", "completed")
    assert detail.steps[-1].result == {"output": "It is fine."}


def test_a_context_that_carries_the_conversation_is_refused() -> None:
    """Before anything of the handoff is written."""
    scoria, run = handed_off(Leak, {"task": "review", "message_history": ["all of it"]})
    assert run.status == "failed"
    assert "projected_context.message_history" in str(run.error)
    assert scoria.get_run_detail(run.run_id).delegated_handoffs == ()


def test_the_delegated_agent_gets_nothing_of_the_conversation() -> None:
    """Its model sees the projected context alone."""
    critic = Agent(name="critic", model=ScriptedModel([[assistant_message("Fine.")]]))
    call = function_call("transfer_to_critic", {"task": "t", "draft": "d"}, call_id="call-1")
    agent = scripted(call, handoffs=[delegate(critic, kind="review", context=Draft)])
    started({**step_of(agent), "review": agent_step(critic, run_config=QUIET)})
    assert isinstance(critic.model, ScriptedModel)
    (seen,) = critic.model.calls
    assert "Go" not in str(seen.input)
    assert '{"task":"t","draft":"d"}' in str(seen.input)


def test_a_handoff_of_the_sdk_is_refused() -> None:
    """It passes the whole conversation on, where nobody sees it."""
    critic = Agent(name="critic")
    for each in (critic, handoff(critic)):
        with pytest.raises(InvalidHandoff, match="make it with delegate"):
            agent_step(Agent(name="assistant", handoffs=[each]))
