"""Posts to a URL: what is sent, and what a receiver cannot do."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import standardwebhooks
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from scoria_core import Event
from scoria_core.errors import InvalidPayload
from scoria_core.events import EVENT_TYPES
from scoria_notify import NotDelivered, Webhook
from scoria_notify.addresses import is_public

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105 - of nobody
RUN_ID = "01900000-0000-7000-8000-000000000001"
EVENT = Event(
    event_id=f"{RUN_ID}/5",
    type="approval.requested",
    at=datetime(2026, 1, 5, 9, tzinfo=UTC),
    run_id=RUN_ID,
    sequence=5,
    tenant_id="tenant-1",
    session_id="session-1",
    subject="approval",
    subject_id="approval-1",
    status="pending",
    step_id="step-1",
    tool_name="send_refund",
    reason="Über 1,000 🌋",
    requested_at=datetime(2026, 1, 5, 9, tzinfo=UTC),
)

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def receiver(answer: Answer) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Serve what answers each post; yield its URL and what was posted."""
    posted: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    with ExitStack() as stack:
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        yield f"http://127.0.0.1:{server.server_port}/hook?key=1", posted


def answering(status: int, **headers: str) -> Answer:
    """Return an answer without a body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def post(url: str, **options: object) -> None:
    """Post the event to a receiver on this machine."""
    webhook = Webhook(url, SECRET, allow_inner=True, **options)  # type: ignore[arg-type]  # options
    asyncio.run(webhook(EVENT))


def test_an_event_is_posted_as_a_signed_cloud_event() -> None:
    """Libraries of others read the event and check who sent it."""
    with receiver(answering(204)) as (url, posted):
        post(url)
    ((headers, body),) = posted
    told = standardwebhooks.Webhook(SECRET).verify(body, headers)
    assert headers["webhook-id"] == EVENT.event_id
    event = from_http_event(HTTPMessage(headers, body))
    assert (event.get_id(), event.get_type()) == (EVENT.event_id, "scoria.approval.requested")
    assert (event.get_subject(), event.get_time()) == (RUN_ID, EVENT.at)
    assert told["data"] == {
        "event_id": EVENT.event_id,
        "type": "approval.requested",
        "at": "2026-01-05T09:00:00+00:00",
        "run_id": RUN_ID,
        "sequence": 5,
        "tenant_id": "tenant-1",
        "session_id": "session-1",
        "subject": "approval",
        "subject_id": "approval-1",
        "status": "pending",
        "step_id": "step-1",
        "tool_name": "send_refund",
        "reason": "Über 1,000 🌋",
        "requested_at": "2026-01-05T09:00:00+00:00",
    }
    assert json.loads(body) == told


def test_an_event_of_another_type_is_taken_without_a_post() -> None:
    """Who asks for some types is not told of others, and they do not come again."""
    with receiver(answering(500)) as (url, posted):
        post(url, types=["run.completed"])
    assert posted == []


@pytest.mark.parametrize("status", [199 + 101, 301, 302, 307, 308, 400, 410, 500, 503])
def test_an_answer_that_is_no_2xx_is_no_delivery(status: int) -> None:
    """It is told with its status."""
    with receiver(answering(status)) as (url, _), pytest.raises(NotDelivered) as refused:
        post(url)
    assert str(refused.value) == f"answered {status}"


def test_a_redirect_is_not_followed() -> None:
    """Whoever receives events cannot have the sender ask for something inside."""
    with receiver(answering(200)) as (inside, reached):
        redirect = answering(307, location=inside)
        with receiver(redirect) as (url, _), pytest.raises(NotDelivered, match="answered 307"):
            post(url)
    assert reached == []


def test_an_answer_without_end_is_not_read() -> None:
    """Of a gigabyte no more is taken than the buffers of the connection hold."""
    sent = 0

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("content-length", str(10**9))
        handler.end_headers()
        try:
            while sent < 10**9:
                sent += handler.wfile.write(b"x" * 100_000)
        except OSError:
            return

    begun = time.monotonic()
    with receiver(flood) as (url, _):
        post(url)
    assert time.monotonic() - begun < 10
    assert sent < 10**8


def test_headers_without_end_are_refused() -> None:
    """A receiver that never ends its headers fills no memory."""

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers = lambda: None  # type: ignore[method-assign]  # they have no end
        try:
            for number in range(100_000):
                handler.wfile.write(f"x-{number}: {'x' * 1_000}\r\n".encode())
        except OSError:
            return

    with receiver(flood) as (url, _), pytest.raises(NotDelivered, match="Protocol"):
        post(url)


@pytest.mark.parametrize("drips", [False, True], ids=["says nothing", "a byte at a time"])
def test_a_receiver_that_hangs_is_left_after_its_time(drips: bool) -> None:
    """All of a post has one time: a byte now and then does not make it longer."""
    over = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        while not over.wait(0.05):
            if drips:
                try:
                    handler.wfile.write(b"H")
                    handler.wfile.flush()
                except OSError:
                    return

    with receiver(hang) as (url, _):
        begun = time.monotonic()
        with pytest.raises(NotDelivered, match=r"no answer within 0\.4 s"):
            post(url, timeout=0.4)
        assert time.monotonic() - begun < 5
        over.set()


def test_nobody_there_is_no_delivery() -> None:
    """A closed port, and a name that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for host in (f"127.0.0.1:{port}", "no-such-host.invalid"):
        with pytest.raises(NotDelivered, match="ConnectError"):
            post(f"http://{host}/")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "10.0.0.8", "2130706433"],  # noqa: S104 - nothing is bound
)
def test_an_inner_address_is_refused_unless_it_is_allowed(host: str) -> None:
    """Also one behind a name, or written as a number; nothing is sent there."""
    with pytest.raises(NotDelivered, match=r"is inside|has no address"):
        asyncio.run(Webhook(f"https://{host}/", SECRET)(EVENT))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("::ffff:93.184.216.34", True),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:0:1::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("fec0::1", False),
        ("::10.0.0.1", False),
        ("192.88.99.1", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("ff0e::1", False),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    """What leads inside by way of IPv6 counts as inside."""
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "options", "name"),
    [
        ("http://example.org/", {}, "url"),
        ("ftp://example.org/", {"allow_inner": True}, "url"),
        ("https://", {}, "url"),
        ("https://user:SECRET@example.org/", {}, "url"),
        ("https://exa mple.org/", {}, "url"),
        ("https://example.org:70000/", {}, "url"),
        ("https://example.org/\r\nx: y", {}, "url"),
        ("https://example.org/", {"secret": "whsec_c2hvcnQ="}, "secret"),
        ("https://example.org/", {"secret": ""}, "secret"),
        ("https://example.org/", {"secret": SECRET[6:]}, "secret"),
        ("https://example.org/", {"secret": "whsec_" + "!" * 40}, "secret"),
        ("https://example.org/", {"timeout": 0}, "timeout"),
        ("https://example.org/", {"timeout": 60}, "timeout"),
        (None, {}, "url"),
        (1, {}, "url"),
        (b"https://example.org/", {}, "url"),
        ("https://example.org/", {"secret": None}, "secret"),
        ("https://example.org/", {"secret": SECRET.encode()}, "secret"),
        ("https://example.org/", {"source": None}, "source"),
        ("https://example.org/", {"source": ""}, "source"),
        ("http://example.org/", {"allow_inner": "no"}, "allow_inner"),
        ("https://example.org/", {"timeout": None}, "timeout"),
        ("https://example.org/", {"timeout": "5"}, "timeout"),
        ("https://example.org/", {"timeout": True}, "timeout"),
        ("https://example.org/", {"timeout": float("nan")}, "timeout"),
        ("https://example.org/", {"types": "approval"}, "types"),
        ("https://example.org/", {"types": 5}, "types"),
        ("https://example.org/", {"types": None}, "types"),
        ("https://example.org/", {"types": [None]}, "types"),
        ("https://example.org/", {"types": [""]}, "types"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(
    url: Any, options: dict[str, object], name: str
) -> None:
    """By its name, and without telling a secret."""
    given: dict[str, object] = {"secret": SECRET, **options}
    with pytest.raises(InvalidPayload) as refused:
        Webhook(url, **given)  # type: ignore[arg-type]  # options
    assert refused.value.path == name
    assert "SECRET" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_type_that_no_event_has_is_refused_with_the_nearest() -> None:
    """A typo would lose every event, and nobody would know."""
    with pytest.raises(InvalidPayload, match=r"type; did you mean 'approval\.requested'"):
        Webhook("https://example.org/", SECRET, types=["approval.requestd"])
    with pytest.raises(InvalidPayload, match=r"x1b'.*; pass some of run\.started"):
        Webhook("https://example.org/", SECRET, types=["\x1b"])
    assert Webhook("https://example.org/", SECRET, types=iter(EVENT_TYPES)).types == {*EVENT_TYPES}


def test_neither_its_name_nor_its_text_tells_a_secret() -> None:
    """The path of a webhook is often one."""
    webhook = Webhook("https://hooks.example.org/T0/B0/XYZ", SECRET)
    assert webhook.name.startswith("hooks.example.org-")
    assert "XYZ" not in f"{webhook.name} {webhook!r}"
    assert SECRET not in repr(webhook)
