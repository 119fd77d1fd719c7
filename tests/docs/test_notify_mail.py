"""The example that mails: two of its processes, one killed, and what people find in their box."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.message import Message
from pathlib import Path
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import SMTP, Envelope, Session
from werkzeug.test import Client

from notify_mail import Mailer
from scoria_core import Event, NeedsApproval, Scoria, StepSpec
from scoria_core.stores import file_url
from scoria_web import DecisionLinks, link_app
from tests.support import ROOT

ANN = "ann@host.example"
BASE = "https://host.example/links"
SECRET = "sixteen or more of them"  # noqa: S105 - of no host


class Box(MessageHandler):
    """A mail server that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []
        self.refusals: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd names it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse whom `refusals` names, in its words."""
        del server, session, options
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Message) -> None:
        """Keep a mail."""
        self.mails.append(message)

    def subjects(self) -> Counter[str]:
        """Return how often each mail was sent, by its id and its subject."""
        return Counter(f"{each['Message-ID']} {each['Subject']}" for each in self.mails)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return what ends servers and processes."""
    with ExitStack() as stack:
        yield stack


def serve(box: Box, stack: ExitStack) -> str:
    """Start a mail server for `box`; return its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    stack.callback(server.stop)
    return f"smtp://127.0.0.1:{port}"


def asking(scoria: Scoria, *people: str) -> None:
    """Start a run that asks these people."""
    asks = NeedsApproval(tool_name="refund", arguments={}, reason="r", assigned_to=people)
    scoria.start_run(
        scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s"),
        root_role_id="executor",
        initial_step=StepSpec(kind="work", role_id="executor"),
        handlers={"work": lambda *_: asks},
    )


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until `done()` holds."""
    ends = time.monotonic() + 60
    while not done():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.05)


def link_in(mail: Message) -> str:
    """Return the link in a mail, as the app is asked for it."""
    text = str(mail.get_payload(decode=True), "utf-8") if mail.is_multipart() is False else ""  # type: ignore[arg-type]  # bytes
    (path,) = re.findall(rf"{re.escape(BASE)}(/\S+)", text)
    return str(path)


@pytest.mark.slow
def test_people_are_mailed_once_and_decide_by_their_link(stack: ExitStack, tmp_path: Path) -> None:
    """A mail, its link, a reminder and the end: once each, though one process is killed."""
    box = Box()
    server = serve(box, stack)
    url = file_url("sqlite", tmp_path / "runs.db")

    def mailer() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [
                sys.executable,
                ROOT / "examples" / "notify_mail.py",
                url,
                server,
                BASE,
            ],
            env={**os.environ, "LINK_SECRET": SECRET},
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "mailing\n"
        return process

    def ask(**more: Any) -> str:
        asks = NeedsApproval(
            tool_name="refund",
            arguments={"card": "4111"},
            reason="over 1,000 €\n\n.\nBcc: all@host.example",
            assigned_to=[ANN],
            **more,
        )
        run = scoria.start_run(
            scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s"),
            root_role_id="executor",
            initial_step=StepSpec(kind="work", role_id="executor"),
            handlers={"work": lambda *_: asks},
        )
        return run.run_id

    first = mailer()
    mailer()
    scoria = stack.enter_context(Scoria.open(url))
    decided = ask(remind_after=3600)
    wait_for(lambda: len(box.mails) == 1)
    left = ask(remind_after=0.5, expires_in=3)
    wait_for(lambda: len(box.mails) >= 2)
    first.kill()
    client = Client(link_app(scoria, links=DecisionLinks(BASE, SECRET)))
    path = link_in(box.mails[0])
    (token,) = re.findall(r'name="token" value="([^"]+)"', client.get(path).text)
    assert client.post(path, data={"token": token, "decision": "approve"}).status_code == 200
    (approval,) = scoria.get_run_detail(decided).approvals
    assert (approval.status, approval.decided_by) == ("approved", ANN)
    wait_for(
        lambda: any(
            str(left) in str(each["Message-ID"]) and "in time" in str(each["Subject"])
            for each in box.mails
        )
    )
    told = box.subjects()
    assert sorted(subject.partition("> ")[2] for subject in told) == [
        "Nobody decided in time: refund",
        *["Please decide: refund"] * 2,
        "Still waiting for you: refund",
    ]
    # What the killed process was at may come twice, with one id; nothing else does.
    assert told.total() <= len(told) + 1
    assert {each["To"] for each in box.mails} == {ANN}
    assert not any("4111" in each.as_string() for each in box.mails)


@pytest.mark.parametrize("refusal", ["550 no such user", "451 not now"])
def test_one_refused_person_costs_the_others_nothing(
    refusal: str, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    """Who is reached is mailed once; the refusal is logged, and the event is told."""
    box = Box()
    box.refusals["gone@host.example"] = refusal
    mailer = Mailer(serve(box, stack), DecisionLinks(BASE, SECRET))
    scoria = stack.enter_context(Scoria.open("memory://", listeners={"mail": mailer}))
    asking(scoria, ANN, "gone@host.example", "no address@", "bob@host.example")
    scoria.deliver_events()
    assert [each["To"] for each in box.mails] == [ANN, "bob@host.example"]
    assert "'gone@host.example' got no mail" in caplog.text
    assert scoria.deliver_events("mail") == 0


@pytest.mark.parametrize("refusal", ["550 no such user", "451 not now"])
def test_an_event_by_which_nobody_was_reached_is_told_again(refusal: str, stack: ExitStack) -> None:
    """The listener raises, and the store keeps the event for the next try."""
    box = Box()
    box.refusals[ANN] = refusal
    mailer = Mailer(serve(box, stack), DecisionLinks(BASE, SECRET))
    events: list[Event] = []
    scoria = stack.enter_context(Scoria.open("memory://", listeners={"test": events.append}))
    asking(scoria, ANN)
    scoria.deliver_events()
    (requested,) = [each for each in events if each.type == "approval.requested"]
    with pytest.raises(SMTPRecipientsRefused):
        mailer(requested)
    box.refusals.clear()
    mailer(requested)
    assert [each["To"] for each in box.mails] == [ANN]


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:1025", "smtp://localhost", "smtp://:25", "http://h:25", "smtp://[:25"),
        *("smtp://u:p@h:25", "smtp://h:25/x", "smtp://h:25?x", "smtp://h:99999"),
    ],
)
def test_a_server_that_is_no_smtp_url_is_refused(url: str) -> None:
    """No mail goes to a server that nobody named."""
    with pytest.raises(ValueError, match=r"smtp://HOST:PORT|Port|IPv6"):
        Mailer(url, DecisionLinks(BASE, SECRET))


@pytest.mark.slow
def test_the_command_speaks_to_people(tmp_path: Path) -> None:
    """Usage without arguments, a sentence for a bad one, and silence at Ctrl-C."""
    script = [sys.executable, str(ROOT / "examples" / "notify_mail.py")]
    url = file_url("sqlite", tmp_path / "runs.db")

    def said(*arguments: str, secret: str) -> str:
        ended = subprocess.run(
            [*script, *arguments],
            env={**os.environ, "LINK_SECRET": secret},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        return ended.stderr

    usage = said(secret=SECRET)
    assert "LINK_SECRET" in usage
    assert "smtp://HOST:PORT" in usage
    assert said(url, "localhost:25", BASE, secret=SECRET).startswith("notify_mail: the mail server")
    assert said(url, "smtp://localhost:25", BASE, secret="").startswith("notify_mail: ")
    assert said(url, "smtp://localhost:25", "foo", secret=SECRET).startswith("notify_mail: ")
    with subprocess.Popen(
        [*script, url, "smtp://localhost:25", BASE],
        env={**os.environ, "LINK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mailing\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
