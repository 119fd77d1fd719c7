"""Traces and metrics of runs for OpenTelemetry, made from their journals."""

from scoria_otel.metrics import RunMetrics
from scoria_otel.spans import RunSpan, spans_of
from scoria_otel.traces import NotExported, RunTraces, context_of

__all__ = ["NotExported", "RunMetrics", "RunSpan", "RunTraces", "context_of", "spans_of"]
