"""One run over two processes and a pause, as a collector sends it on."""

import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from scoria_core import Scoria
from scoria_core.stores import file_url
from tests.support import ROOT
from tests.support.external import library

pytestmark = pytest.mark.slow


@pytest.fixture
def received() -> Iterator[list[Any]]:
    """Return the spans that are sent to the URL which is `received[0]`."""
    found: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        found.append(f"http://127.0.0.1:{server.server_port}")
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def collector(received: list[Any], tmp_path: Path) -> Iterator[str]:
    """Start a collector that sends on what it gets, and return its URL."""
    rotel = library("rotel")
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        http, grpc = free.getsockname()[1], other.getsockname()[1]
    command = [
        str(Path(str(rotel.__file__)).with_name("rotel-agent")),
        *("start", "--otlp-http-endpoint", f"127.0.0.1:{http}"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}"),
        *("--exporter", "otlp", "--otlp-exporter-endpoint", received[0]),
        *("--otlp-exporter-protocol", "http"),
        *("--batch-timeout", "100ms", "--debug-log", "traces"),
        *("--debug-log-verbosity", "detailed"),
    ]
    log = tmp_path / "collector.txt"
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            await_port(http, process)
            yield f"http://127.0.0.1:{http}"
        finally:
            process.terminate()


def await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a process listens on a port."""
    ends = time.monotonic() + 60
    while True:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < ends
            time.sleep(0.05)
        else:
            return


def await_spans(received: list[Any], count: int) -> Sequence[Any]:
    """Wait for so many spans, and return them in the order in which they began."""
    ends = time.monotonic() + 60
    while len(received) <= count and time.monotonic() < ends:
        time.sleep(0.05)
    return sorted(
        received[1:], key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano)
    )


def tree(spans: Sequence[Any]) -> list[str]:
    """Return a line for each span: whose child it is, its name, and where its step was done."""
    names = {span.span_id: span.name for span in spans}
    lines = []
    for span in spans:
        attributes = {each.key: each.value.string_value for each in span.attributes}
        place = attributes.get("scoria.worker.id")
        parent = names[span.parent_span_id] if span.parent_span_id else ""
        lines.append(f"{parent} > {span.name}" + (f" [{place}]" if place else ""))
    return lines


def test_one_run_is_one_trace_over_two_processes_and_a_pause(
    received: list[Any], collector: str, tmp_path: Path
) -> None:
    """Started in a request, decided while nothing runs, and carried on by a worker."""
    url = file_url("sqlite", tmp_path / "runs.db")
    environment = {
        **os.environ,
        "SCORIA_STORE": url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_SERVICE_NAME": "refunds",
    }

    def process(*command: str) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    process("tests.bridges.otel_host")
    with Scoria.open(url) as host:
        (run,) = host.list_runs()
        assert run.pending_approval is not None
        approval_id = run.pending_approval.approval_id
        host.approve(run.run_id, approval_id=approval_id, decided_by="ada", resume=True)
    module = "tests.bridges.otel_host"
    told = ("--handlers", f"{module}:handlers", "--listeners", f"{module}:listeners")
    process("scoria_cli", "worker", *told, "--name", "worker", "--once")

    spans = await_spans(received, 9)
    (request,) = [span for span in spans if span.name == "POST /refunds"]
    of_run = [span for span in spans if span is not request]
    assert len({span.trace_id for span in of_run}) == 1
    assert [link.span_id for link in request.links] == [
        span.span_id for span in of_run if not span.parent_span_id
    ]
    assert sorted(tree(of_run)) == sorted(
        [
            " > invoke_agent planner",
            "invoke_agent planner > step refund [web]",
            "step refund > chat model",
            "invoke_agent planner > wait_for_decision send_refund",
            "invoke_agent planner > execute_tool send_refund [worker]",
            "execute_tool send_refund > chat model",
            "execute_tool send_refund > invoke_agent critic",
            "invoke_agent critic > step review [worker]",
        ]
    )
    assert not any(b"4111" in span.SerializeToString() for span in spans)
