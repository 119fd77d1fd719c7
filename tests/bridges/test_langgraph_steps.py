"""A graph as a step: what it asks, what it is told, and what LangGraph would let through."""

import itertools
import operator
import threading
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from scoria_core import Handler, RunSummary, Scoria, StepSpec
from scoria_core.errors import ApprovalNotPending, RunNotFound, RunNotResumable, StoreUnavailable
from scoria_langgraph import ScoriaSaver, async_graph_step, graph_step
from scoria_memory import MemoryStore

pytestmark = pytest.mark.slow


class State(TypedDict, total=False):
    """What the graphs of these tests have."""

    done: Annotated[list[Any], operator.add]


def asked(tool: str, **more: Any) -> Any:
    """Interrupt for a tool, and return the decision."""
    return interrupt({"tool_name": tool, "arguments": {"n": 1}, "reason": "a test", **more})


def compiled(*nodes: Callable[[Any], Any], **options: Any) -> Any:
    """Return a graph of these nodes, one after another."""
    graph = StateGraph(State)
    names = [START, *(node.__name__ for node in nodes)]
    for node in nodes:
        graph.add_node(node.__name__, node)
    for before, after in itertools.pairwise(names):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=ScoriaSaver(MemoryStore()), **options)


def started(handler: Handler) -> tuple[Scoria, RunSummary]:
    """Start a run whose step is that handler's."""
    scoria = Scoria(MemoryStore(), handlers={"graph": handler})
    who = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s")
    step = StepSpec("graph", "agent", {"done": []})
    return scoria, scoria.start_run(who, root_role_id="agent", initial_step=step)


def decided(scoria: Scoria, run: RunSummary, **more: Any) -> RunSummary:
    """Approve all that waits, and resume."""
    for each in run.pending_approvals:
        scoria.approve(run.run_id, approval_id=each.approval_id, decided_by="ada", **more)
    return scoria.resume_run(run.run_id)


def result(scoria: Scoria, run: RunSummary) -> Any:
    """Return the result of the run's only step."""
    return scoria.get_run_detail(run.run_id).steps[0].result


def test_a_node_that_asks_twice_is_answered_twice() -> None:
    """Each question is a request of its own, though they are of one node."""

    def node(_: Any) -> Any:
        return {"done": [[asked(tool)["decided_by"], tool] for tool in ("pay", "mail")]}

    scoria, run = started(graph_step(compiled(node)))
    run = decided(scoria, run)
    assert [each.tool_name for each in run.pending_approvals] == ["mail"]
    assert decided(scoria, run).status == "completed"
    assert result(scoria, run) == {"done": [["ada", "pay"], ["ada", "mail"]]}


def test_an_answer_is_never_taken_for_that_of_another_question() -> None:
    """A node fails after its first answer. Tried again, it has that answer and asks the second."""
    fails = [True]

    def node(_: Any) -> Any:
        first = asked("pay")["note"]
        if fails.pop() if fails else False:
            raise RuntimeError("the network is down")
        return {"done": [first, asked("mail")["note"]]}

    scoria, run = started(graph_step(compiled(node)))
    run = decided(scoria, run, note="to the first")
    assert run.status == "failed"
    run = scoria.retry_run(run.run_id)
    assert [each.tool_name for each in run.pending_approvals] == ["mail"]
    assert decided(scoria, run, note="to the second").status == "completed"
    assert result(scoria, run) == {"done": ["to the first", "to the second"]}


def test_a_node_that_failed_before_it_had_its_answer_gets_it() -> None:
    """Nobody is asked again."""
    fails: list[bool] = [False, True, False, False]

    def node(_: Any) -> Any:
        if fails.pop(0):
            raise RuntimeError("the network is down")
        return {"done": [asked("pay")["note"]]}

    scoria, run = started(graph_step(compiled(node)))
    assert decided(scoria, run, note="yes").status == "failed"
    assert scoria.retry_run(run.run_id).status == "completed"
    assert result(scoria, run) == {"done": ["yes"]}


class Failing(ScoriaSaver):
    """A saver whose store is down from some write on, until it is mended."""

    left = 10_000

    def _write(self, *given: Any, **named: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreUnavailable("memory://", "is down")
        super()._write(*given, **named)


@pytest.mark.parametrize("write", range(12))
@pytest.mark.parametrize("is_nested", [False, True])
def test_wherever_a_resumption_breaks_off_each_question_gets_its_own_answer(
    write: int, is_nested: bool
) -> None:
    """A graph in a graph stores its pause before the outer one does; either may be lost."""

    def node(_: Any) -> Any:
        return {"done": [asked("pay")["note"], asked("mail")["note"], asked("drop")["note"]]}

    inner = StateGraph(State)
    inner.add_node("node", node)
    inner.add_edge(START, "node")
    outer = StateGraph(State)
    outer.add_node("inner", inner.compile() if is_nested else node)
    outer.add_edge(START, "inner")
    saver = Failing(MemoryStore())
    scoria, run = started(graph_step(outer.compile(checkpointer=saver)))
    saver.left = write
    requests = []
    for _ in range(5):  # each question, a failure, and no more
        if run.status == "failed":
            saver.left = 10_000
            run = scoria.retry_run(run.run_id)
        elif run.status == "waiting_for_approval":
            (waits,) = run.pending_approvals
            requests.append(waits.tool_name)
            run = decided(scoria, run, note=f"to {waits.tool_name}")
    assert requests == ["pay", "mail", "drop"]
    assert result(scoria, run)["done"][-3:] == ["to pay", "to mail", "to drop"]


def test_a_graph_in_a_graph_asks_too() -> None:
    """Its interrupt is found and answered like any other."""

    def node(_: Any) -> Any:
        return {"done": [asked("pay")["status"], asked("mail")["status"]]}

    inner = StateGraph(State)
    inner.add_node("node", node)
    inner.add_edge(START, "node")
    outer = StateGraph(State)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    scoria, run = started(graph_step(outer.compile(checkpointer=ScoriaSaver(MemoryStore()))))
    run = decided(scoria, decided(scoria, run))
    assert result(scoria, run)["done"][-2:] == ["approved", "approved"]


def test_one_of_two_resumers_runs_the_graph() -> None:
    """LangGraph alone lets both run it."""
    entered, leaves = threading.Event(), threading.Event()
    ran: list[int] = []

    def node(_: Any) -> Any:
        asked("pay")
        ran.append(1)
        entered.set()
        assert leaves.wait(60)
        return {}

    scoria, run = started(graph_step(compiled(node)))
    scoria.approve(run.run_id, approval_id=run.pending_approvals[0].approval_id, decided_by="ada")
    first = threading.Thread(target=scoria.resume_run, args=[run.run_id])
    first.start()
    assert entered.wait(60)
    with pytest.raises(RunNotResumable):
        scoria.resume_run(run.run_id)
    leaves.set()
    first.join(60)
    assert (len(ran), scoria.get_run(run.run_id).status) == (1, "completed")


def test_langgraph_alone_lets_two_resumers_run_it() -> None:
    """Where this fails, LangGraph has mended it, and the page can say so."""
    both = threading.Barrier(2, timeout=60)
    ran: list[int] = []

    def node(_: Any) -> Any:
        asked("pay")
        both.wait()
        ran.append(1)
        return {}

    graph, config = compiled(node), {"configurable": {"thread_id": "t"}}
    graph.invoke({"done": []}, config)
    resumers = [
        threading.Thread(target=graph.invoke, args=[Command(resume={"status": "approved"}), config])
        for _ in range(2)
    ]
    for each in resumers:
        each.start()
    for each in resumers:
        each.join(60)
    assert len(ran) == 2


def test_an_unknown_id_is_refused() -> None:
    """LangGraph takes a thread it has never seen, and an answer to what it never asked."""

    def node(_: Any) -> Any:
        return {"done": [asked("pay")["status"]]}

    graph = compiled(node)
    graph.invoke(Command(resume={"0" * 32: "yes"}), {"configurable": {"thread_id": "unknown"}})
    scoria, run = started(graph_step(graph))
    with pytest.raises(RunNotFound):
        scoria.resume_run("unknown")
    with pytest.raises(ApprovalNotPending) as told:
        scoria.approve(run.run_id, approval_id="unknown", decided_by="ada")
    assert told.value.status == "unknown"


def test_a_thread_that_somebody_else_resumed_fails_the_step() -> None:
    """What people decided is not what the graph went on with."""

    def node(_: Any) -> Any:
        return {"done": [asked("pay")]}

    graph = compiled(node)
    scoria, run = started(graph_step(graph))
    step_id = scoria.get_run_detail(run.run_id).steps[0].step_id
    graph.invoke(Command(resume="mine"), {"configurable": {"thread_id": step_id}})
    run = decided(scoria, run)
    assert run.status == "failed"
    assert "somebody else has resumed the thread" in str(run.error)


def test_an_expired_request_is_asked_anew() -> None:
    """The graph is not told; it waits where it was."""
    from tests.support.clocks import noon_clock

    def node(_: Any) -> Any:
        return {"done": [asked("pay", expires_in=60)["status"]]}

    clock = noon_clock()
    scoria = Scoria(MemoryStore(), handlers={"graph": graph_step(compiled(node))}, clock=clock)
    who = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s")
    step = StepSpec("graph", "agent", {"done": []})
    run = scoria.start_run(who, root_role_id="agent", initial_step=step)
    clock.advance(seconds=61)
    (run,) = scoria.run_pending()
    assert decided(scoria, run).status == "completed"
    statuses = [str(each.status) for each in scoria.get_run_detail(run.run_id).approvals]
    assert statuses == ["expired", "approved"]


def test_more_questions_than_one_step_may_ask_come_in_turns() -> None:
    """Thirty-two first, and the others after these."""
    from langgraph.types import Send

    graph = StateGraph(State)
    graph.add_node("fan", lambda _: {})
    graph.add_node("node", lambda each: {"done": [[each, asked("pay")["status"]]]})
    graph.add_edge(START, "fan")
    graph.add_conditional_edges("fan", lambda _: [Send("node", n) for n in range(40)], ["node"])
    scoria, run = started(graph_step(graph.compile(checkpointer=ScoriaSaver(MemoryStore()))))
    assert len(run.pending_approvals) == 32
    run = decided(scoria, run)
    assert len(run.pending_approvals) == 8
    assert decided(scoria, run).status == "completed"
    assert result(scoria, run)["done"] == [[n, "approved"] for n in range(40)]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("how old are you?", "interrupt.value has no tool_name"),
        ({"tool_name": "pay", "arguments": {}}, "interrupt.value has no tool_name"),
        (
            {"tool_name": "p", "arguments": {}, "reason": "r", "keep": 1},
            "'keep', which is no field",
        ),
        ({"tool_name": "p", "arguments": {"n": {1}}, "reason": "r"}, "is set"),
    ],
)
def test_an_interrupt_that_is_no_request_is_told(value: Any, told: str) -> None:
    """The step fails and says why; with other `asks` it is tried again from where it was."""
    ran: list[int] = []

    def node(_: Any) -> Any:
        ran.append(1)
        return {"done": [interrupt(value)]}

    _scoria, run = started(graph_step(compiled(node)))
    assert run.status == "failed"
    assert told in str(run.error)


def test_a_graph_that_stops_and_asks_nothing_fails() -> None:
    """A breakpoint of LangGraph has no question in it."""

    def node(_: Any) -> Any:
        return {}

    _, run = started(graph_step(compiled(node, interrupt_before=["node"])))
    assert "stop it with interrupt()" in str(run.error)


def test_async_nodes_ask_too() -> None:
    """With the async handler."""

    async def node(_: Any) -> Any:
        return {"done": [asked("pay")["status"]]}

    scoria, run = started(async_graph_step(compiled(node)))
    assert decided(scoria, run).status == "completed"
    assert result(scoria, run) == {"done": ["approved"]}
