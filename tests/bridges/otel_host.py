"""A host whose runs are traced: what its processes share, and the process that starts a run.

The store is `SCORIA_STORE`. Spans go to `OTEL_EXPORTER_OTLP_ENDPOINT`.
"""

import os
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from scoria_core import HandOff, NeedsApproval, PerProcess, Scoria, StepSpec
from scoria_otel import RunTraces, context_of

STORE = os.environ["SCORIA_STORE"]
EXPORTER = OTLPSpanExporter()
TRACES = RunTraces(PerProcess(lambda: Scoria.open(STORE)), EXPORTER)

provider = TracerProvider(resource=TRACES.resource)
provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
tracer = provider.get_tracer("host")


def refund(step: Any, _: Any) -> Any:
    """Ask a model, then people, and have what was done reviewed."""
    with tracer.start_as_current_span("chat model"):
        if step.approval is None:
            amount = {"amount": 1250, "card": "4111-1111"}
            return NeedsApproval(tool_name="send_refund", arguments=amount, reason="over 1,000")
    return HandOff(
        delegated_role_id="critic",
        delegated_kind="review",
        handoff_input={"sent": "4111-1111"},
        projected_context={},
    )


handlers = TRACES.handlers({"refund": refund, "review": lambda *_: {"card": "4111-1111"}})
listeners = {"traces": TRACES}


def main() -> None:
    """Start a run as a request does, and end while it waits; the request's span links to it."""
    with (
        Scoria.open(STORE, handlers=handlers, listeners=listeners, worker_id="web") as scoria,
        tracer.start_as_current_span("POST /refunds") as request,
    ):
        run = scoria.start_run(
            scoria.identity(actor_id="user-1", tenant_id="acme", session_id="chat-1"),
            root_role_id="planner",
            initial_step=StepSpec("refund", "planner"),
        )
        request.add_link(context_of(run.run_id))
        scoria.deliver_events()


if __name__ == "__main__":
    main()
