"""A graph of LangGraph as a step of a run: what it interrupts for, people decide."""

from collections.abc import Callable, Generator, Mapping
from typing import Any

import attrs
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt, StateSnapshot

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
from scoria_core.errors import InvalidPayload
from scoria_core.outcomes import MAX_TOGETHER

Asks = Callable[[Interrupt], NeedsApproval]
"""A function that returns the request to people for an interrupt of the graph."""

Answers = Callable[[Approval], Any]
"""A function that returns, for an approved or rejected request, the value of `interrupt()`."""

_LOOK = object()


def request_of(interrupt: Interrupt) -> NeedsApproval:
    """Return the request in the value of an interrupt: a mapping with fields of `NeedsApproval`.

    A rejection goes back to the graph, unless the value has `"on_reject": "cancel"`. Raises
    `InvalidPayload` if the value is no such mapping.
    """
    value = interrupt.value
    known = {each.name for each in attrs.fields(NeedsApproval)} - {"keep", "call_id"}
    if not isinstance(value, Mapping) or not {"tool_name", "arguments", "reason"} <= set(value):
        problem = "has no tool_name, arguments and reason; interrupt with a mapping that has them"
        raise InvalidPayload("interrupt.value", f"{problem}, or pass asks= to the step")
    if unknown := sorted(map(str, set(value) - known)):
        problem = f"has {unknown[0]!r}, which is no field of NeedsApproval"
        raise InvalidPayload("interrupt.value", f"{problem}; it has {', '.join(sorted(known))}")
    return NeedsApproval(**{"on_reject": "resume", **value})


def decision_of(approval: Approval) -> dict[str, Any]:
    """Return the decision for the graph: its arguments are those that were approved."""
    return {
        "status": str(approval.status),
        "arguments": approval.arguments,
        "answer": approval.answer,
        "note": approval.note,
        "decided_by": approval.decided_by,
    }


def values_of(values: Any) -> Any:
    """Return the values of a graph as JSON, with messages and other models as their fields."""
    if isinstance(values, Mapping):
        return {key: values_of(each) for key, each in values.items()}
    if isinstance(values, list | tuple):
        return [values_of(each) for each in values]
    return values.model_dump(mode="json") if hasattr(values, "model_dump") else values


def graph_step(
    graph: CompiledStateGraph[Any],
    *,
    asks: Asks = request_of,
    answers: Answers = decision_of,
    result: Callable[[Any], Mapping[str, Any] | None] = values_of,
    config: Mapping[str, Any] | None = None,
) -> Handler:
    """Return a handler that runs `graph`, for each step on a LangGraph thread named by the step id.

    The input of the step is the input of the graph. `asks` makes a request for approval from each
    `interrupt()`, which then returns in the graph what `answers` makes of the decision. When the
    graph has ended, the step is completed with what `result` makes of its values. `config` is
    passed to each call, with the thread of the step.

    `graph` needs a checkpointer, such as `ScoriaSaver`, that is as durable as the store of the
    runs. A step that is tried again continues from the last checkpoint. It fails if the graph stops
    without an interrupt, or if somebody else has resumed its thread.
    """
    moves = _Moves(asks, answers, result, {} if config is None else config)

    def handler(step: Step, _: RunSummary) -> HandlerAnswer:
        named = moves.config_of(step)
        course = moves.of(step)
        given = next(course)
        while True:
            if given is not _LOOK:
                # "sync": each checkpoint is stored before the graph goes on.
                graph.invoke(given, named, durability="sync")
            try:
                given = course.send(graph.get_state(named))
            except StopIteration as ended:
                answer: HandlerAnswer = ended.value
                return answer

    return handler


def async_graph_step(
    graph: CompiledStateGraph[Any],
    *,
    asks: Asks = request_of,
    answers: Answers = decision_of,
    result: Callable[[Any], Mapping[str, Any] | None] = values_of,
    config: Mapping[str, Any] | None = None,
) -> Handler:
    """Return an `async` handler like that of `graph_step`, for a graph with `async` nodes."""
    moves = _Moves(asks, answers, result, {} if config is None else config)

    async def handler(step: Step, _: RunSummary) -> HandlerAnswer:
        named = moves.config_of(step)
        course = moves.of(step)
        given = next(course)
        while True:
            if given is not _LOOK:
                await graph.ainvoke(given, named, durability="sync")
            try:
                given = course.send(await graph.aget_state(named))
            except StopIteration as ended:
                answer: HandlerAnswer = ended.value
                return answer

    return handler


@attrs.frozen
class _Moves:
    """The logic of a step, without the calls of its graph, which are plain or async."""

    asks: Asks
    answers: Answers
    result: Callable[[Any], Mapping[str, Any] | None]
    config: Mapping[str, Any]

    def config_of(self, step: Step) -> Any:
        """Return the config of each call, which names the thread of the step."""
        given = self.config.get("configurable", {})
        return {**self.config, "configurable": {**given, "thread_id": step.step_id}}

    def of(self, step: Step) -> Generator[object, StateSnapshot, HandlerAnswer]:
        """Yield each input of the graph, or `_LOOK` for none; receive the state after it."""
        state = yield _LOOK
        if state.created_at is None:
            state = yield dict(step.input)
        elif step.kept != {"attempt": step.attempt}:
            # An earlier attempt ran on after people were asked, or died before they were. The graph
            # may have their answers already, and an answer that it gets twice would be taken for
            # its next question. Run it on without one: it stops at an interrupt that has no answer.
            if state.next:
                state = yield None
        elif gone := {each.call_id for each in step.approvals} - _ids(state):
            return Failed("somebody else has resumed the thread", {"interrupts": sorted(gone)})
        answered: set[str] = set()
        while found := self._answers(step, state, answered):
            answered |= found.keys()
            state = yield Command(resume=found)
        return self._outcome(step, state)

    def _answers(self, step: Step, state: StateSnapshot, answered: set[str]) -> dict[str, Any]:
        waiting = _ids(state) - answered
        return {
            each.call_id: self.answers(each)
            for each in step.approvals
            if each.call_id in waiting and each.status in ("approved", "rejected")
        }

    def _outcome(self, step: Step, state: StateSnapshot) -> HandlerAnswer:
        if not state.next:
            return Completed(self.result(state.values))
        if not state.interrupts:
            problem = "the graph stopped and asks nothing; stop it with interrupt() in a node"
            return Failed(problem, {"next": list(state.next)})
        first, *others = (
            attrs.evolve(self.asks(each), call_id=each.id)
            for each in state.interrupts[:MAX_TOGETHER]
        )
        return [attrs.evolve(first, keep={"attempt": step.attempt}), *others]


def _ids(state: StateSnapshot) -> set[str]:
    return {each.id for each in state.interrupts}
