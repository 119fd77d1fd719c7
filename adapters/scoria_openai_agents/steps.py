"""An agent of the OpenAI Agents SDK as a step of a run."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from agents import Agent, Runner, RunResult, RunState
from agents.items import ToolApprovalItem
from pydantic import TypeAdapter

from scoria_core import Completed, Handler, HandlerAnswer, NeedsApproval, RunSummary, Step
from scoria_core.errors import InvalidPayload
from scoria_core.payloads import compact, parsed
from scoria_openai_agents.handoffs import HandedOff, check_handoffs
from scoria_openai_agents.tools import approved, is_editable

Asks = Callable[[ToolApprovalItem], NeedsApproval]
"""A function that returns the request to people for a tool call that interrupted the run."""


def request_of(item: ToolApprovalItem) -> NeedsApproval:
    """Return the request for a tool call; people may edit it if the tool is `editable`.

    A rejection goes back to the model. Raises `InvalidPayload` if the model wrote no JSON object.
    """
    name = str(item.name)
    try:
        arguments = parsed(item.arguments or "{}")
    except (ValueError, RecursionError) as error:
        problem = f"is no JSON, as the model called {name}: {error}"
        raise InvalidPayload("arguments", problem) from error
    return NeedsApproval(
        tool_name=name,
        arguments=arguments,
        reason=f"The model of {item.agent.name} calls {name}",
        may_edit=is_editable(item.agent, name),
        on_reject="resume",
    )


def input_of(step: Step) -> Any:
    """Return the `input` of a step; for a delegated step, its projected context as JSON."""
    if step.projected_context is not None:
        return compact(step.projected_context)
    return step.input["input"]


def output_of(ended: RunResult) -> dict[str, Any]:
    """Return the output of an agent as JSON."""
    return {"output": TypeAdapter(Any).dump_python(ended.final_output, mode="json")}


def agent_step(
    agent: Agent[Any],
    *,
    asks: Asks = request_of,
    given: Callable[[Step], Any] = input_of,
    result: Callable[[RunResult], Mapping[str, Any] | None] = output_of,
    context: Callable[[Step, RunSummary], Any] = lambda *_: None,
    **options: Any,
) -> Handler:
    """Return an `async` handler that runs `agent` on what `given` makes of its step.

    `asks` makes a request from each tool call that needs approval, at most 32 at once; the state of
    the run is kept with the requests, at most 64 KiB, without its context. When the agent has
    ended, the step is completed with what `result` makes of that. If the model hands off, by a
    handoff that `delegate` made, the step answers `HandOff`.

    `context` makes the context of the run for each call, and `options` are further arguments of
    `Runner.run`, such as `run_config`. Raises `InvalidHandoff` if the agent has any other handoff.
    """
    check_handoffs(agent)

    async def handler(step: Step, run: RunSummary) -> HandlerAnswer:
        made = context(step, run)
        try:
            if not step.approvals:
                ended = await Runner.run(agent, given(step), context=made, **options)
            else:
                state = await RunState.from_json(agent, step.kept, context_override=made)
                _decide(state, step)
                edits = {str(each.call_id): each.arguments for each in step.approvals}
                with approved(edits):
                    ended = await Runner.run(agent, state, **options)
        except HandedOff as handed:
            return handed.outcome
        if ended.interruptions:
            return _asked(ended, asks)
        return Completed(result(ended))

    return handler


def _asked(ended: RunResult, asks: Asks) -> list[NeedsApproval]:
    requests = []
    for item in ended.interruptions:
        request = attrs.evolve(asks(item), call_id=item.call_id)
        if request.may_edit and not is_editable(item.agent, str(item.name)):
            problem = f"is set for {item.name!r}, which would not see it; wrap it in editable()"
            raise InvalidPayload("may_edit", problem)
        requests.append(request)
    kept = ended.to_state().to_json(context_serializer=lambda _: {})
    return [attrs.evolve(requests[0], keep=kept), *requests[1:]]


def _decide(state: RunState[Any], step: Step) -> None:
    decisions = {each.call_id: each for each in step.approvals}
    for item in state.get_interruptions():
        decision = decisions[item.call_id]
        if decision.status == "approved":
            state.approve(item)
        elif decision.status == "expired":
            state.reject(item, rejection_message="Nobody decided on this call in time.")
        else:
            state.reject(item, rejection_message=decision.note)
