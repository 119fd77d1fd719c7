"""LangGraph: a checkpointer over a store of ours, and a graph as a step that people approve."""

from scoria_langgraph.saver import ScoriaSaver
from scoria_langgraph.steps import (
    Answers,
    Asks,
    async_graph_step,
    decision_of,
    graph_step,
    request_of,
    values_of,
)

__all__ = [
    "Answers",
    "Asks",
    "ScoriaSaver",
    "async_graph_step",
    "decision_of",
    "graph_step",
    "request_of",
    "values_of",
]
