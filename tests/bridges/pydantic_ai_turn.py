"""An agent of pydantic-ai: its model calls three tools at once, and each needs approval."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from scoria_core import Handler
from scoria_pydantic_ai import agent_step, request_of
from tests.bridges.turn import ran
from tests.support.turn import TOOLS

INPUT = {"prompt": "Tidy up"}


def model(messages: list[ModelMessage], _: Any) -> ModelResponse:
    """Call the tools, and then tell what came back of each."""
    if len(messages) == 1:
        calls = [ToolCallPart(tool, args, tool_call_id=call) for call, tool, args in TOOLS]
        return ModelResponse(parts=calls)
    answers = [str(getattr(part, "content", "")) for part in messages[-1].parts]
    return ModelResponse(parts=[TextPart(" | ".join(answers))])


def agent_of(folder: Path) -> Agent[None, Any]:
    """Return the agent."""
    agent = Agent(FunctionModel(model), output_type=[str, DeferredToolRequests])

    @agent.tool_plain(requires_approval=True)
    def pay(n: int) -> str:
        return ran(folder, "pay", n)

    @agent.tool_plain(requires_approval=True)
    def mail(n: str) -> str:
        return ran(folder, "mail", n)

    @agent.tool_plain(requires_approval=True)
    def drop(n: int) -> str:
        return ran(folder, "drop", n)

    return agent


@contextmanager
def handler(folder: Path) -> Iterator[Handler]:
    """Make the handler of the turn."""
    yield agent_step(
        agent_of(folder), asks=lambda *call: attrs.evolve(request_of(*call), may_edit=True)
    )
