"""Metrics of runs: how long steps and people took, what waits now, what was recovered."""

from collections.abc import Iterable

import attrs
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, MeterProvider, Observation

from scoria_core import Event
from scoria_core.conflicts import CONFLICTS
from scoria_core.facades import Facade, opened
from scoria_otel.spans import Attributes, EndedSpans, RunSpan, check_kind

STEP_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)
DECISION_SECONDS = (10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400, 3 * 86400, 7 * 86400)


@attrs.define(eq=False)
class RunMetrics:
    """A listener that measures steps and decisions as they end, and observes requests that wait.

    `scoria` is a facade that reads these runs, or a callable that returns it. No attribute of a
    metric is an id, except that `by_tenant` adds the tenant to what is measured. An event that is
    delivered again after a crash is measured again. Raises `InvalidPayload` naming the argument
    that is wrong.
    """

    scoria: Facade
    provider: MeterProvider = attrs.field(factory=metrics.get_meter_provider)
    by_tenant: bool = False
    _ended: EndedSpans = attrs.field(
        init=False, default=attrs.Factory(lambda self: EndedSpans(self.scoria), takes_self=True)
    )
    _steps: Histogram = attrs.field(init=False)
    _decisions: Histogram = attrs.field(init=False)
    _recoveries: Counter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        check_kind(self.provider, MeterProvider, "provider")
        meter = self.provider.get_meter("scoria")
        self._steps = meter.create_histogram(
            "scoria.step.duration",
            unit="s",
            description="How long a handler was at work, until it answered, asked or failed.",
            explicit_bucket_boundaries_advisory=STEP_SECONDS,
        )
        self._decisions = meter.create_histogram(
            "scoria.approval.duration",
            unit="s",
            description="How long a request waited for its decision, or for its end without one.",
            explicit_bucket_boundaries_advisory=DECISION_SECONDS,
        )
        self._recoveries = meter.create_counter(
            "scoria.step.recoveries",
            unit="{step}",
            description="Steps whose handler gave no answer: it died, or was broken off.",
        )
        meter.create_observable_gauge(
            "scoria.approval.pending",
            [self._pending],
            unit="{request}",
            description="Requests that wait for a person now, exactly up to 1,000.",
        )
        meter.create_observable_gauge(
            "scoria.approval.oldest_age",
            [self._oldest_age],
            unit="s",
            description="How long the oldest of them has waited; 0 where none waits.",
        )
        meter.create_observable_counter(
            "scoria.conflicts",
            [_conflicts],
            unit="{conflict}",
            description="Changes of this process that came second, and were decided again.",
        )

    def __call__(self, event: Event) -> None:
        """Measure the step or the wait that ended with an event."""
        span = self._ended.by(event)
        if span is None:
            return
        labels = {**_labels(span), **self._tenant(event)}
        if span.subject == "step":
            self._steps.record(span.seconds, labels)
        if span.subject == "approval":
            self._decisions.record(span.seconds, labels)
        if span.is_recovery:
            self._recoveries.add(1, labels)

    def _tenant(self, event: Event) -> Attributes:
        return {"scoria.tenant.id": event.tenant_id} if self.by_tenant else {}

    def _pending(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(int(opened(self.scoria).count_approvals()))]

    def _oldest_age(self, _: CallbackOptions) -> Iterable[Observation]:
        scoria = opened(self.scoria)
        now, oldest = scoria.now(), scoria.list_approvals(limit=1)
        ages = [(now - each.requested_at).total_seconds() for each in oldest]
        return [Observation(max(ages, default=0.0))]


_NAMES = ("scoria.step.kind", "scoria.outcome", "gen_ai.tool.name", "error.type")


def _labels(span: RunSpan) -> Attributes:
    return {name: span.attributes[name] for name in _NAMES if name in span.attributes}


def _conflicts(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(CONFLICTS.count)]
