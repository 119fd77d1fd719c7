"""Tools whose arguments people may edit, which the SDK itself does not offer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import attrs
from agents import Agent, FunctionTool
from agents.tool_context import ToolContext

from scoria_core.payloads import compact

# A context variable: steps that run at once on one event loop do not see each other's arguments.
_approved: ContextVar[Mapping[str, Mapping[str, Any]]] = ContextVar("_approved")


def editable(tool: FunctionTool) -> FunctionTool:
    """Return the same tool, called with the arguments that people approved for its call."""
    return replace(tool, on_invoke_tool=_WithApproved(tool))


def is_editable(agent: Agent[Any], name: str) -> bool:
    """Tell whether the agent's tool of this name takes arguments that people have edited."""
    return any(
        tool.name == name and isinstance(tool.on_invoke_tool, _WithApproved)
        for tool in agent.tools
        if isinstance(tool, FunctionTool)
    )


@contextmanager
def approved(arguments: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Pass these arguments, by call id, to editable tools that are called within this block."""
    before = _approved.set(arguments)
    try:
        yield
    finally:
        _approved.reset(before)


@attrs.frozen
class _WithApproved:
    tool: FunctionTool

    async def __call__(self, context: ToolContext[Any], arguments: str) -> Any:
        edited = _approved.get({}).get(context.tool_call_id)
        return await self.tool.on_invoke_tool(
            context, arguments if edited is None else compact(edited)
        )
