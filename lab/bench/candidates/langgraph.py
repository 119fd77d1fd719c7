"""W as a LangGraph node that interrupts, and a `Command` that resumes it."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any, TypeAlias, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from uuid_utils import uuid7

from lab.bench.place import Kind, Place
from lab.bench.unit import ARGUMENTS, REASON, REVIEWER, Detail, Paused, Status

Saver: TypeAlias = "BaseCheckpointSaver[Any]"


class Refund(TypedDict, total=False):
    """The state of the graph."""

    arguments: dict[str, Any]
    decided_by: str
    result: dict[str, Any]


def send_refund(state: Refund) -> Refund:
    """Ask, and once approved answer what was sent."""
    decision = interrupt({"arguments": state["arguments"], "reason": REASON})
    return {"decided_by": decision["decided_by"], "result": {"sent": state["arguments"]}}


class LangGraphRuns:
    """W on a graph that each flow compiles with a saver."""

    def __init__(self, saver: Callable[[], Saver], opened: ExitStack) -> None:
        self._saver = saver
        self._opened = opened
        self._mine = threading.local()

    def start(self) -> Paused:
        """Invoke the graph until it interrupts."""
        run_id = str(uuid7())
        answer = self._graph.invoke(
            {"arguments": dict(ARGUMENTS)}, _thread(run_id), durability="sync"
        )
        (asked,) = answer["__interrupt__"]
        return Paused(run_id, asked.id)

    def approve(self, paused: Paused) -> None:
        """Hand in the decision, with which the graph runs to its end."""
        decision = Command(resume={paused.request_id: {"decided_by": REVIEWER}})
        self._graph.invoke(decision, _thread(paused.run_id), durability="sync")

    def resume(self, paused: Paused) -> None:
        """Do nothing: the decision resumed the graph."""

    def read(self, run_id: str) -> Detail:
        """Read the last checkpoint."""
        snapshot = self._graph.get_state(_thread(run_id))
        values = snapshot.values
        status = Status.WAITING if snapshot.interrupts else Status.COMPLETED
        return Detail(
            run_id, status, values["arguments"], values.get("decided_by"), values.get("result")
        )

    def close(self) -> None:
        """Close what the saver writes to."""
        self._opened.close()

    @property
    def _graph(self) -> Any:
        if not hasattr(self._mine, "graph"):
            graph = StateGraph(Refund)
            graph.add_node("send_refund", send_refund)
            graph.add_edge(START, "send_refund")
            graph.add_edge("send_refund", END)
            self._mine.graph = graph.compile(checkpointer=self._saver())
        return self._mine.graph


def open_candidate(place: Place) -> LangGraphRuns:
    """Open W with the checkpointer of the place's kind."""
    with ExitStack() as opened:
        saver = SAVERS[place.kind](place, opened)
        return LangGraphRuns(saver, opened.pop_all())


def _memory(_: Place, __: ExitStack) -> Callable[[], Saver]:
    saver = InMemorySaver()
    return lambda: saver


def _sqlite(place: Place, opened: ExitStack) -> Callable[[], Saver]:
    connection = sqlite3.connect(place.file, check_same_thread=False)
    saver = SqliteSaver(opened.enter_context(closing(connection)))
    saver.setup()
    return lambda: saver


def _postgresql(place: Place, opened: ExitStack) -> Callable[[], Saver]:
    how = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    size = place.flows + 1
    pool: ConnectionPool[Any] = ConnectionPool(
        place.database, kwargs=how, min_size=size, max_size=size, open=False
    )
    opened.enter_context(pool)
    PostgresSaver(pool).setup()
    return lambda: PostgresSaver(pool)  # a saver lets one caller at a time through


SAVERS: dict[Kind, Callable[[Place, ExitStack], Callable[[], Saver]]] = {
    Kind.MEMORY: _memory,
    Kind.SQLITE: _sqlite,
    Kind.POSTGRESQL: _postgresql,
}


def _thread(run_id: str) -> Any:
    return {"configurable": {"thread_id": run_id}}
