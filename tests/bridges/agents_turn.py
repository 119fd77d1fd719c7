"""An agent of the OpenAI Agents SDK: its model calls three tools, and each needs approval."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents import Agent, RunConfig, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call

from scoria_core import Handler
from scoria_openai_agents import agent_step, editable
from tests.bridges.turn import ran
from tests.support.turn import TOOLS

INPUT = {"input": "Tidy up"}
QUIET = RunConfig(tracing_disabled=True)


class Model(ScriptedModel):
    """Calls the tools, and then tells what came back of each; it goes by the conversation."""

    async def get_response(self, *given: Any, **named: Any) -> Any:
        """Answer the conversation."""
        said = named["input"] if "input" in named else given[1]
        answers = [] if isinstance(said, str) else [x for x in said if "output" in x]
        told = [assistant_message(" | ".join(str(each["output"]) for each in answers))]
        calls = [function_call(tool, args, call_id=call) for call, tool, args in TOOLS]
        answering = ScriptedModel([told if answers else calls])
        return await answering.get_response(*given, **named)


def agent_of(folder: Path) -> Agent[Any]:
    """Return the agent."""

    @function_tool(needs_approval=True)
    def pay(n: int) -> str:
        return ran(folder, "pay", n)

    @function_tool(needs_approval=True)
    def mail(n: str) -> str:
        return ran(folder, "mail", n)

    @function_tool(needs_approval=True)
    def drop(n: int) -> str:
        return ran(folder, "drop", n)

    tools: list[Any] = [editable(each) for each in (pay, mail, drop)]
    return Agent(name="assistant", model=Model(), tools=tools)


@contextmanager
def handler(folder: Path) -> Iterator[Handler]:
    """Make the handler of the turn."""
    yield agent_step(agent_of(folder), run_config=QUIET)
