"""Two workers tell a listener, one is killed with SIGKILL, and nothing is lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from werkzeug.test import Client

from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_core.ports import OutboxStore
from scoria_core.stores import file_url
from scoria_web import DecisionLinks, link_app

pytestmark = pytest.mark.slow

TYPES = ["approval.requested", "approval.reminded", "approval.expired"]
LINKS = DecisionLinks("https://host.example", "sixteen or more of them")

WORKER = """
import json, os, sys, threading, time
from datetime import timedelta
from pathlib import Path
from scoria_core import Scoria, delivering
from scoria_web import DecisionLinks
from scoria_worker import Worker

url, told, name = sys.argv[1:]
delivering.LEASE = timedelta(seconds=2)  # what the killed one had is told soon after
log = os.open(told, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
links = DecisionLinks("https://host.example", "sixteen or more of them")

def mail(event):
    if event.type.startswith("approval."):
        link = links.link(event, "ann") if event.type == "approval.requested" else ""
        line = json.dumps([event.event_id, event.type, link])
        os.write(log, f"{line}\\n".encode())
        if name == "dies" and event.type == "approval.requested":
            print("told", flush=True)
            time.sleep(3600)

with Scoria.open(url, listeners={"mail": mail}) as scoria:
    print("ready", flush=True)
    Worker(scoria, poll=0.05).run()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store that several processes share."""
    if request.param == "sqlite":
        return file_url("sqlite", tmp_path / "runs.db")
    scratch: str = request.getfixturevalue("postgres_scratch")
    return scratch


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return what ends the processes of a test."""
    with ExitStack() as stack:
        yield stack


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until `done()` holds."""
    ends = time.monotonic() + 60
    while not done():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.05)


def decide_by(scoria: Scoria, link: str) -> None:
    """Open a link, and press the button of its form that approves."""
    client, path = Client(link_app(scoria, links=LINKS)), link.removeprefix(LINKS.base_url)
    (token,) = re.findall(r'name="token" value="([^"]+)"', client.get(path).text)
    answer = client.post(path, data={"token": token, "decision": "approve"})
    assert answer.status_code == 200


def test_a_mail_its_link_a_reminder_and_an_expiry_come_once_though_a_worker_is_killed(
    url: str, tmp_path: Path, stack: ExitStack
) -> None:
    """Each of them for each run; only what the killed one was at comes again, with its id."""
    told = tmp_path / "told.jsonl"

    def lines() -> list[list[str]]:
        return [json.loads(line) for line in told.read_text().splitlines()]

    def worker(name: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", WORKER, url, str(told), name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        stack.enter_context(process)
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    asks = NeedsApproval(
        tool_name="send", arguments={}, reason="it costs", remind_after=1, expires_in=3
    )
    patient = NeedsApproval(tool_name="send", arguments={}, reason="it costs")
    dies = worker("dies")
    with Scoria.open(url, handlers={"work": lambda *_: asks}) as scoria:
        identity = scoria.identity(actor_id="user-1", tenant_id="t", session_id="s")
        step = StepSpec(kind="work", role_id="executor")
        for _ in range(4):
            scoria.start_run(identity, root_role_id="executor", initial_step=step)
    assert dies.stdout is not None
    assert dies.stdout.readline() == "told\n"
    # It tells the first run, and the other takes the rest while it does.
    worker("lives")
    os.kill(dies.pid, signal.SIGKILL)
    wait_for(lambda: len({each[0] for each in lines()}) == 4 * len(TYPES))
    with Scoria.open(url, handlers={"work": lambda *_: patient}) as scoria:
        by_link = scoria.start_run(identity, root_role_id="executor", initial_step=step).run_id
        wait_for(lambda: any(each[0].startswith(by_link) for each in lines()))
        (mail,) = [each for each in lines() if each[0].startswith(by_link)]
        decide_by(scoria, mail[2])
        store = cast(OutboxStore, scoria._runs.store)
        wait_for(lambda: not store.list_deliveries("mail", limit=1))
    stack.close()
    told_of_it = [each[1] for each in lines() if each[0].startswith(by_link)]
    assert told_of_it == ["approval.requested", "approval.approved"]
    by_run: dict[str, list[list[str]]] = {}
    for line in lines():
        if not line[0].startswith(by_link):
            by_run.setdefault(line[0].partition("/")[0], []).append(line)
    twice = [line for found in by_run.values() for line in found[len(TYPES) :]]
    assert len(by_run) == 4
    assert len(twice) == 1, "what the killed one was at, and nothing else"
    for found in by_run.values():
        first_times = list(dict.fromkeys((event_id, type_) for event_id, type_, _ in found))
        assert [type_ for _, type_ in first_times] == TYPES
        assert len({event_id for event_id, *_ in found}) == len(TYPES)
        again = [type_ for _, type_, _ in found].count("approval.requested") == 2
        assert len(found) == len(TYPES) + again
