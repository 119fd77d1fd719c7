"""An agent of pydantic-ai as a step of a run: people decide on the tool calls that it defers."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from pydantic import TypeAdapter
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied
from pydantic_ai.messages import ModelMessagesTypeAdapter, ToolCallPart
from pydantic_ai.run import AgentRunResult

from scoria_core import (
    Approval,
    Completed,
    Failed,
    Handler,
    HandlerAnswer,
    NeedsApproval,
    RunSummary,
    Step,
)

Asks = Callable[[ToolCallPart, Mapping[str, Any]], NeedsApproval]
"""A function that returns the request for a tool call and its `ApprovalRequired` metadata."""

_FIELDS = {each.name for each in attrs.fields(NeedsApproval)} - {"keep", "call_id"}


def request_of(call: ToolCallPart, metadata: Mapping[str, Any]) -> NeedsApproval:
    """Return the request for a tool call; a rejection goes back to the model.

    Metadata with the name of a field of `NeedsApproval`, such as `reason`, sets that field.
    """
    facts = {
        "tool_name": call.tool_name,
        "arguments": call.args_as_dict(),
        "reason": f"The model calls {call.tool_name}",
        "on_reject": "resume",
    }
    said = {name: value for name, value in metadata.items() if name in _FIELDS}
    return NeedsApproval(**{**facts, **said})


def output_of(ended: AgentRunResult[Any]) -> dict[str, Any]:
    """Return the output of an agent as JSON."""
    return {"output": TypeAdapter(Any).dump_python(ended.output, mode="json")}


def agent_step(
    agent: Agent[Any, Any],
    *,
    asks: Asks = request_of,
    result: Callable[[AgentRunResult[Any]], Mapping[str, Any] | None] = output_of,
    deps: Callable[[Step, RunSummary], Any] = lambda *_: None,
    **options: Any,
) -> Handler:
    """Return an `async` handler that runs `agent` on the prompt of its step.

    The input of a step is `prompt`, and `messages` if it continues a conversation: those that
    `ModelMessagesTypeAdapter` dumped in mode "json". `asks` makes a request from each tool call
    that needs approval, at most 32 at once. The messages so far are kept with the requests, at most
    64 KiB. An approved tool is called with the approved arguments; after a rejection the model gets
    the note. When the agent has ended, the step is completed with what `result` makes of that.

    `agent` has `DeferredToolRequests` among its output types. `deps` makes its dependencies for
    each call, and `options` are further arguments of `Agent.run`. A step fails if the agent defers
    a call for another purpose than approval.
    """

    async def handler(step: Step, run: RunSummary) -> HandlerAnswer:
        if step.approvals:
            ended = await agent.run(
                message_history=ModelMessagesTypeAdapter.validate_python(step.kept["messages"]),
                deferred_tool_results=_decided(step),
                deps=deps(step, run),
                **options,
            )
        else:
            messages = ModelMessagesTypeAdapter.validate_python(step.input.get("messages", []))
            ended = await agent.run(
                step.input["prompt"], message_history=messages, deps=deps(step, run), **options
            )
        if isinstance(ended.output, DeferredToolRequests):
            return _asked(ended, asks)
        return Completed(result(ended))

    return handler


def _asked(ended: AgentRunResult[DeferredToolRequests], asks: Asks) -> HandlerAnswer:
    asked = ended.output
    if asked.calls:
        problem = "the agent deferred a call that nobody approves; run that tool in the agent"
        return Failed(problem, {"tools": [each.tool_name for each in asked.calls]})
    kept = {"messages": ModelMessagesTypeAdapter.dump_python(ended.all_messages(), mode="json")}
    first, *others = (
        attrs.evolve(
            asks(each, asked.metadata.get(each.tool_call_id, {})), call_id=each.tool_call_id
        )
        for each in asked.approvals
    )
    return [attrs.evolve(first, keep=kept), *others]


def _decided(step: Step) -> DeferredToolResults:
    return DeferredToolResults(
        approvals={str(each.call_id): _decision_on(each) for each in step.approvals}
    )


def _decision_on(approval: Approval) -> ToolApproved | ToolDenied:
    if approval.status == "approved":
        return ToolApproved(override_args=dict(approval.arguments))
    if approval.status == "expired":
        return ToolDenied("Nobody decided on this call in time.")
    return ToolDenied(approval.note) if approval.note else ToolDenied()
