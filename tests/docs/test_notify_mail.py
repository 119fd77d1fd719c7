"""The example that mails: two of its processes, one killed, and what people find in their box."""

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from werkzeug.test import Client

from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_core.stores import file_url
from scoria_web import DecisionLinks, link_app
from tests.support import ROOT

pytestmark = pytest.mark.slow

ANN = "ann@host.example"
BASE = "https://host.example/links"
SECRET = "sixteen or more of them"  # noqa: S105 - of no host


class Box(MessageHandler):
    """A mail server that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

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


def test_people_are_mailed_once_and_decide_by_their_link(stack: ExitStack, tmp_path: Path) -> None:
    """A mail, its link, a reminder and the end: once each, though one process is killed."""
    box = Box()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    stack.callback(server.stop)
    url = file_url("sqlite", tmp_path / "runs.db")

    def mailer() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [
                sys.executable,
                ROOT / "examples" / "notify_mail.py",
                url,
                f"smtp://127.0.0.1:{port}",
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
