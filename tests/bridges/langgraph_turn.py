"""An agent of LangGraph: its model calls three tools at once, and each asks before it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Send, interrupt

from scoria_core import Handler
from scoria_core.stores import open_store
from scoria_langgraph import ScoriaSaver, graph_step
from tests.bridges.turn import ran
from tests.support.turn import TOOLS

INPUT = {"messages": ["Tidy up"]}
REPLIES = (
    AIMessage(
        "", tool_calls=[{"id": call, "name": tool, "args": args} for call, tool, args in TOOLS]
    ),
    AIMessage("That is all."),
)


def graph_of(saver: Any, folder: Path) -> Any:
    """Return the agent."""

    def model(state: Any) -> Any:
        said = sum(isinstance(each, AIMessage) for each in state["messages"])
        fake = GenericFakeChatModel(messages=iter([REPLIES[said]]))
        return {"messages": [fake.invoke(state["messages"])]}

    def calls(state: Any) -> Any:
        return [Send("tool", each) for each in state["messages"][-1].tool_calls]

    def tool(call: Any) -> Any:
        decision = interrupt(
            {
                "tool_name": call["name"],
                "arguments": call["args"],
                "reason": f"The model calls {call['name']}",
                "may_edit": True,
            }
        )
        if decision["status"] == "rejected":
            return {"messages": [ToolMessage(decision["note"], tool_call_id=call["id"])]}
        text = ran(folder, call["name"], decision["arguments"]["n"])
        return {"messages": [ToolMessage(text, tool_call_id=call["id"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tool", tool)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", calls, ["tool"])
    graph.add_edge("tool", "model")
    return graph.compile(checkpointer=saver)


def said(values: Any) -> dict[str, Any]:
    """Return what was said, in order."""
    return {"said": [each.content for each in values["messages"]]}


@contextmanager
def handler(folder: Path) -> Iterator[Handler]:
    """Open the checkpoints of the folder, and make the handler of the turn."""
    store = open_store(f"sqlite:///{folder / 'checkpoints.db'}")
    step = graph_step(graph_of(ScoriaSaver(store), folder), result=said)
    yield step
    store.close()
