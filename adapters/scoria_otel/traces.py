"""Sends the spans of runs to an exporter, and lets handlers work within the span of their step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, cast

import attrs
from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from scoria_core import Event, Handler, Handlers, RunSummary, Step
from scoria_core.facades import Facade
from scoria_core.handlers import is_async, resolve
from scoria_otel.spans import (
    EndedSpans,
    RunSpan,
    check_kind,
    run_span_id,
    step_span_id,
    trace_id_of,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SCOPE = InstrumentationScope("scoria")


class NotExported(Exception):
    """The exporter did not take a span; the event is delivered again later."""


def context_of(run_id: str) -> SpanContext:
    """Return the context of the span of a run, for a link to it from a trace of the host."""
    return _context(run_id, run_span_id(run_id), is_sampled=True)


@attrs.frozen
class RunTraces:
    """A listener that exports the spans of runs, each when it has ended, at least once.

    Each run is one trace, whichever processes work on it. A span that is exported again has the
    same ids. `scoria` is a facade that reads these runs, or a callable that returns it, such as a
    `PerProcess`. `sampler` is called without a parent, wherever a span of a run is made, and must
    decide by the trace id alone, as `TraceIdRatioBased` does. `exporter` must return within 30
    seconds. Raises `InvalidPayload` naming the argument that is wrong.
    """

    scoria: Facade
    exporter: SpanExporter
    sampler: Sampler = ALWAYS_ON
    resource: Resource = attrs.field(factory=Resource.create)
    _ended: EndedSpans = attrs.field(
        init=False, default=attrs.Factory(lambda self: EndedSpans(self.scoria), takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        check_kind(self.exporter, SpanExporter, "exporter")
        check_kind(self.sampler, Sampler, "sampler")
        check_kind(self.resource, Resource, "resource")

    def __call__(self, event: Event) -> None:
        """Export the span that ended with an event. Raises `NotExported`."""
        if not self._is_sampled(event.run_id):
            return
        span = self._ended.by(event)
        if span is None:
            return
        with _not_instrumented():
            result = self.exporter.export([self._readable(event.run_id, span)])
        if result is not SpanExportResult.SUCCESS:
            raise NotExported(f"{type(self.exporter).__name__} did not take {span.name!r}")

    def handlers(self, handlers: Handlers) -> Mapping[str, Handler]:
        """Return the same handlers, wrapped: spans that they make are within their step's span.

        Raises `UnknownHandler` for a value that is no handler.
        """
        return {kind: self._within(handler) for kind, handler in resolve(handlers).items()}

    def _within(self, handler: Handler) -> Handler:
        @wraps(handler)
        def plain(step: Step, run: RunSummary) -> Any:
            with self._in_span_of(step):
                return handler(step, run)

        @wraps(handler)
        async def awaited(step: Step, run: RunSummary) -> Any:
            with self._in_span_of(step):
                return await cast(Any, handler(step, run))

        return awaited if is_async(handler) else plain

    @contextmanager
    def _in_span_of(self, step: Step) -> Iterator[None]:
        is_sampled = self._is_sampled(step.run_id)
        span_context = _context(step.run_id, step_span_id(step), is_sampled=is_sampled)
        with trace.use_span(NonRecordingSpan(span_context)):
            yield

    def _is_sampled(self, run_id: str) -> bool:
        # Without an empty context, the span of the host's request would be taken for the parent.
        nowhere = context.Context()
        sampled = self.sampler.should_sample(nowhere, trace_id_of(run_id), "invoke_agent")
        return bool(sampled.decision.is_sampled())

    def _readable(self, run_id: str, span: RunSpan) -> ReadableSpan:
        parent = span.parent_id
        return ReadableSpan(
            name=span.name,
            context=_context(run_id, span.span_id, is_sampled=True),
            parent=None if parent is None else _context(run_id, parent, is_sampled=True),
            resource=self.resource,
            attributes=span.attributes,
            links=[Link(_context(run_id, each, is_sampled=True)) for each in span.links],
            status=Status(StatusCode.UNSET if span.error is None else StatusCode.ERROR),
            start_time=_nanoseconds(span.began_at),
            end_time=_nanoseconds(span.ended_at),
            instrumentation_scope=_SCOPE,
        )


def _context(run_id: str, span_id: int, *, is_sampled: bool) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT)
    # Remote, as the span may be made by another process than the one that uses this context.
    return SpanContext(trace_id_of(run_id), span_id, is_remote=True, trace_flags=flags)


@contextmanager
def _not_instrumented() -> Iterator[None]:
    """Suppress spans of the exporter's own requests, whose export would make spans in turn."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    try:
        yield
    finally:
        context.detach(token)


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND * 1_000
