"""Spans and metrics of runs, and what handlers trace within them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from scoria_core import (
    AsyncScoria,
    Failed,
    HandOff,
    Identity,
    NeedsApproval,
    Retry,
    Scoria,
    StepSpec,
    decisions,
)
from scoria_core.errors import InvalidPayload
from scoria_core.ports import OutboxStore, RunStore
from scoria_core.testing import SettableClock
from scoria_otel import RunMetrics, RunTraces, context_of
from tests.support.scripted import in_memory, needs, scripted

pytestmark = [pytest.mark.slow, in_memory]

SECRET = "4111-1111"  # noqa: S105 - what must not be told
WHO = Identity("user-1", "acme", "session-1")


@pytest.fixture
def told() -> InMemorySpanExporter:
    """Return what keeps the spans that are exported."""
    return InMemorySpanExporter()


@pytest.fixture
def traces(make_scoria: Callable[..., Scoria], told: InMemorySpanExporter) -> RunTraces:
    """Return the traces of the runs of the test's store."""
    return RunTraces(make_scoria(), told)


def shown(spans: Sequence[ReadableSpan]) -> list[tuple[str, str | None, str, str | None]]:
    """Return of each span its name, that of its parent, its outcome and its error."""
    names = {span.context.span_id: span.name for span in spans}
    parents = [None if span.parent is None else names[span.parent.span_id] for span in spans]
    return [
        (
            span.name,
            parent,
            str(span.attributes["scoria.outcome"]),
            span.attributes.get("error.type"),
        )
        for span, parent in zip(spans, parents, strict=True)
    ]


def begin(scoria: Scoria, **more: Any) -> Any:
    """Start a run of one step, and return it."""
    step = StepSpec("work", "planner", {"card": SECRET})
    return scoria.start_run(WHO, root_role_id="planner", initial_step=step, **more)


def test_a_run_is_a_trace_of_its_parts(
    make_scoria: Callable[..., Scoria],
    traces: RunTraces,
    told: InMemorySpanExporter,
    clock: SettableClock,
) -> None:
    """Its steps, its wait and its handoff have its id, their parents and their times."""
    handoff = HandOff(
        delegated_role_id="critic",
        delegated_kind="review",
        handoff_input={"card": SECRET},
        projected_context={"card": SECRET},
    )
    asks = needs(arguments={"card": SECRET}, reason=SECRET, call_id="call-1")
    handlers = {"work": scripted(asks, handoff), "review": scripted({"card": SECRET})}
    scoria = make_scoria(handlers=handlers, listeners={"traces": traces})
    run = begin(scoria, metadata={"payload": SECRET})
    clock.advance(minutes=5)
    approval_id = run.pending_approval.approval_id
    scoria.approve(run.run_id, approval_id=approval_id, decided_by="ada", note=SECRET)
    clock.advance(minutes=1)
    scoria.resume_run(run.run_id)
    scoria.deliver_events()
    spans = told.get_finished_spans()
    assert shown(spans) == [
        ("step work", "invoke_agent planner", "approval_requested", None),
        ("wait_for_decision send", "invoke_agent planner", "approved", None),
        ("execute_tool send", "invoke_agent planner", "completed", None),
        ("step review", "invoke_agent critic", "completed", None),
        ("invoke_agent critic", "execute_tool send", "completed", None),
        ("invoke_agent planner", None, "completed", None),
    ]
    _, wait, tool, _, delegated, whole = spans
    assert whole.context == context_of(run.run_id)
    assert len({span.context.trace_id for span in spans}) == 1
    assert len({span.context.span_id for span in spans}) == len(spans)
    assert wait.end_time - wait.start_time == 300 * 10**9
    assert whole.end_time - whole.start_time == 360 * 10**9
    assert [link.context for link in tool.links] == [wait.context]
    assert tool.attributes["gen_ai.operation.name"] == "execute_tool"
    assert tool.attributes["gen_ai.tool.call.id"] == "call-1"
    assert delegated.attributes["gen_ai.agent.name"] == "critic"
    for span in spans:
        assert span.attributes["gen_ai.conversation.id"] == "session-1"
        assert SECRET not in span.to_json()
        assert "ada" not in span.to_json()


def test_a_run_that_fails_and_is_retried_stays_one_trace(
    make_scoria: Callable[..., Scoria], traces: RunTraces, told: InMemorySpanExporter
) -> None:
    """Each attempt is a span of its own; what an error says is not told, only its type."""
    answers = scripted(ValueError(SECRET), Failed(SECRET), None)
    scoria = make_scoria(handlers={"work": answers}, listeners={"traces": traces})
    step = StepSpec("work", "planner", retry=Retry(max_attempts=2, delay=0))
    run = scoria.start_run(WHO, root_role_id="planner", initial_step=step)
    scoria.run_pending(run.run_id)
    scoria.retry_run(run.run_id)
    scoria.deliver_events()
    spans = told.get_finished_spans()
    assert shown(spans) == [
        ("step work", "invoke_agent planner", "released", "ValueError"),
        ("step work", "invoke_agent planner", "failed", "Failed"),
        ("invoke_agent planner", None, "failed", "Failed"),
        ("step work", "invoke_agent planner", "completed", None),
        ("invoke_agent planner", "invoke_agent planner", "completed", None),
    ]
    assert [span.attributes.get("scoria.step.attempt") for span in spans] == [1, 2, None, 3, None]
    assert len({span.context.span_id for span in spans}) == len(spans)
    assert [span.status.is_ok for span in spans] == [False, False, False, True, True]
    assert not any(SECRET in span.to_json() for span in spans)


def test_what_was_not_taken_is_told_again_and_is_the_same(
    make_scoria: Callable[..., Scoria], clock: SettableClock
) -> None:
    """The exporter fails once; another process, with other memory, makes the same spans."""

    class Once(InMemorySpanExporter):
        fails = True

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            super().export(spans)
            failed, self.fails = self.fails, False
            return SpanExportResult.FAILURE if failed else SpanExportResult.SUCCESS

    told, other = Once(), InMemorySpanExporter()
    listeners = {
        "traces": RunTraces(make_scoria(), told),
        "others": RunTraces(make_scoria(), other),
    }
    scoria = make_scoria(handlers={"work": scripted(None)}, listeners=listeners)
    begin(scoria)
    scoria.deliver_events()
    clock.advance(seconds=5)
    scoria.deliver_events()
    first, again, whole = told.get_finished_spans()
    assert first.to_json() == again.to_json()
    assert [span.to_json() for span in other.get_finished_spans()] == [
        first.to_json(),
        whole.to_json(),
    ]


def test_what_cannot_read_runs_is_refused(
    make_store: Callable[[], RunStore], told: InMemorySpanExporter
) -> None:
    """Before anything is told."""
    wrong: Any
    asynchronous = AsyncScoria(make_store())
    for wrong in ("memory://", make_store(), Scoria, asynchronous):
        for make in (RunMetrics, partial(RunTraces, exporter=told)):
            with pytest.raises(
                InvalidPayload, match=r"scoria is .*; .*pass (what Scoria|its \.sync)"
            ):
                make(wrong)


def test_what_opens_a_facade_that_is_awaited_is_told_what_to_pass(
    make_store: Callable[[], RunStore], told: InMemorySpanExporter
) -> None:
    """It is told when a listener is, as the facade is opened only then."""
    store = make_store()
    asynchronous: Any = AsyncScoria(store)
    traces = RunTraces(lambda: asynchronous, told)
    with Scoria(store, listeners={"traces": traces}) as scoria:
        begin(scoria)
        assert scoria.deliver_events() == 0
        (untold,) = cast(OutboxStore, store).list_deliveries("traces", limit=2)
    assert untold.problem == (
        "InvalidPayload: scoria returned AsyncScoria; of an AsyncScoria pass its .sync"
    )


def test_parts_that_export_nothing_are_refused(
    make_scoria: Callable[..., Scoria], told: InMemorySpanExporter
) -> None:
    """At once, by the name of the argument."""
    scoria, wrong = make_scoria(), cast(Any, None)
    with pytest.raises(InvalidPayload, match="exporter is NoneType; pass a SpanExporter"):
        RunTraces(scoria, wrong)
    with pytest.raises(InvalidPayload, match="sampler is NoneType; pass a Sampler"):
        RunTraces(scoria, told, sampler=wrong)
    with pytest.raises(InvalidPayload, match="resource is NoneType; pass a Resource"):
        RunTraces(scoria, told, resource=wrong)
    with pytest.raises(InvalidPayload, match="provider is NoneType; pass a MeterProvider"):
        RunMetrics(scoria, wrong)


def nested(told: InMemorySpanExporter) -> Callable[[], None]:
    """Return what makes a span of the host's own, as its HTTP client or model would."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(told))

    def call() -> None:
        with provider.get_tracer("host").start_as_current_span("chat"):
            pass

    return call


def parents_of_chats(told: InMemorySpanExporter) -> list[tuple[str, str]]:
    """Return the name and the outcome of the span that each span of the host is within."""
    spans = {span.context.span_id: span for span in told.get_finished_spans()}
    chats = [span for span in spans.values() if span.name == "chat"]
    parents = [spans[span.parent.span_id] for span in chats]
    for chat, parent in zip(chats, parents, strict=True):
        assert chat.context.trace_id == parent.context.trace_id
    return [(span.name, str(span.attributes["scoria.outcome"])) for span in parents]


def test_what_a_handler_traces_is_within_its_step(
    make_scoria: Callable[..., Scoria], traces: RunTraces, told: InMemorySpanExporter
) -> None:
    """Before the pause, after it, and in each attempt, though the clock stands still."""
    chat = nested(told)
    answers = iter([needs(), ValueError("no"), None])

    def work(_: Any, __: Any) -> Any:
        chat()
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    scoria = make_scoria(handlers=traces.handlers({"work": work}), listeners={"traces": traces})
    run = begin(scoria)
    scoria.approve(run.run_id, approval_id=run.pending_approval.approval_id, decided_by="ada")
    scoria.resume_run(run.run_id)
    scoria.retry_run(run.run_id)
    assert trace.get_current_span() is trace.INVALID_SPAN
    scoria.deliver_events()
    assert parents_of_chats(told) == [
        ("step work", "approval_requested"),
        ("execute_tool send", "failed"),
        ("execute_tool send", "completed"),
    ]


@pytest.mark.parametrize("facade", ["sync", "async"])
def test_an_async_handler_is_within_its_step_too(
    facade: str, make_store: Callable[[], RunStore], told: InMemorySpanExporter
) -> None:
    """On the loop of the host, and on that of the process."""
    chat, store = nested(told), make_store()
    host: list[AsyncScoria] = []
    traces = RunTraces(lambda: host[0].sync if host else Scoria(store), told)

    async def work(_: Any, __: Any) -> None:
        await asyncio.sleep(0)
        chat()

    options: dict[str, Any] = {
        "handlers": traces.handlers({"work": work}),
        "listeners": {"traces": traces},
    }

    async def start() -> None:
        scoria = AsyncScoria(store, **options)
        host.append(scoria)
        step = StepSpec("work", "planner")
        await scoria.start_run(WHO, root_role_id="planner", initial_step=step)
        await scoria.deliver_events()

    if facade == "async":
        asyncio.run(start())
    else:
        scoria = Scoria(store, **options)
        begin(scoria)
        scoria.deliver_events()
    assert parents_of_chats(told) == [("step work", "completed")]


def test_a_run_is_sampled_whole_or_not_at_all(
    make_scoria: Callable[..., Scoria], told: InMemorySpanExporter
) -> None:
    """By the id of its trace alone, about as often as was asked for; its handlers follow."""
    sampler = ParentBased(TraceIdRatioBased(0.5))
    traces = RunTraces(make_scoria(), told, sampler=sampler)
    sampled: dict[str, bool] = {}

    def work(_: Any, run: Any) -> None:
        context = trace.get_current_span().get_span_context()
        sampled[run.run_id] = context.trace_flags.sampled

    handlers = traces.handlers({"work": work})
    scoria = make_scoria(handlers=handlers, listeners={"traces": traces})
    with TracerProvider().get_tracer("host").start_as_current_span("POST /"):
        for _ in range(60):
            begin(scoria)
    scoria.deliver_events()
    spans = [str(span.attributes["scoria.run.id"]) for span in told.get_finished_spans()]
    assert {run_id: spans.count(run_id) for run_id in sampled} == {
        run_id: 2 if is_sampled else 0 for run_id, is_sampled in sampled.items()
    }
    assert 15 < len(set(spans)) < 45


def test_what_a_host_named_is_shown_as_it_is(
    make_scoria: Callable[..., Scoria], traces: RunTraces, told: InMemorySpanExporter
) -> None:
    """What cannot be seen is escaped, and a long name cut."""
    asks = NeedsApproval(tool_name="se\u202end" + "d" * 240, arguments={}, reason="r")
    scoria = make_scoria(handlers={"work": scripted(asks)}, listeners={"traces": traces})
    run = begin(scoria)
    scoria.cancel_run(run.run_id)
    scoria.deliver_events()
    (_, wait, whole) = told.get_finished_spans()
    assert wait.name.startswith("wait_for_decision se\\u202end")
    assert len(wait.name) == 200
    assert shown([whole]) == [("invoke_agent planner", None, "cancelled", None)]


def measured(reader: InMemoryMetricReader) -> Mapping[str, list[tuple[dict[str, Any], Any]]]:
    """Return of each metric the attributes and values: the sum, of what has many."""
    data = reader.get_metrics_data()
    return {
        metric.name: [
            (dict(point.attributes), getattr(point, "sum", getattr(point, "value", None)))
            for point in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.mark.parametrize("by_tenant", [False, True])
def test_metrics_say_how_long_and_how_many(
    by_tenant: bool, make_scoria: Callable[..., Scoria], clock: SettableClock
) -> None:
    """No attribute is an id, and none is a tenant unless that was asked for."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    metrics = RunMetrics(make_scoria(), provider, by_tenant=by_tenant)

    def work(step: Any, _: Any) -> Any:
        clock.advance(seconds=2)
        return None if step.approval else needs(arguments={"card": SECRET})

    scoria = make_scoria(handlers={"work": work}, listeners={"metrics": metrics}, max_attempts=1)
    waits = [begin(scoria), begin(scoria)]
    clock.advance(minutes=10)
    scoria.deliver_events()
    before = measured(reader)
    assert before["scoria.approval.pending"] == [({}, 2)]
    assert before["scoria.approval.oldest_age"] == [({}, 602)]
    for run in waits:
        scoria.approve(run.run_id, approval_id=run.pending_approval.approval_id, decided_by="ada")
    scoria.resume_run(waits[0].run_id)
    dead(make_scoria, begin(make_scoria(dispatch="queue")).run_id, clock)
    scoria.recover()
    scoria.deliver_events()
    tenant = {"scoria.tenant.id": "acme"} if by_tenant else {}
    work_of = {"scoria.step.kind": "work", **tenant}
    tool_of = {"gen_ai.tool.name": "send", **tenant}
    lost = {**work_of, "scoria.outcome": "failed", "error.type": "LeaseExpired"}
    after = measured(reader)
    assert after["scoria.approval.pending"] == [({}, 0)]
    assert after["scoria.approval.oldest_age"] == [({}, 0)]
    assert after["scoria.approval.duration"] == [({**tool_of, "scoria.outcome": "approved"}, 1202)]
    assert after["scoria.step.recoveries"] == [(lost, 1)]
    assert after["scoria.step.duration"] == [
        ({**work_of, "scoria.outcome": "approval_requested"}, 4),
        ({**work_of, **tool_of, "scoria.outcome": "completed"}, 2),
        (lost, 3600),
    ]
    assert len(after["scoria.conflicts"]) == 1
    provider.shutdown()


def dead(make_scoria: Callable[..., Scoria], run_id: str, clock: SettableClock) -> None:
    """Claim the step of a run as a process does that dies an hour later without an answer."""
    runs = make_scoria()._runs
    runs.change(run_id, lambda change: decisions.claim_next(change, ["work"]))
    clock.advance(timedelta(hours=1))
