"""Two workers tell a listener, one is killed with SIGKILL, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_core.ports import OutboxStore
from scoria_core.stores import file_url

pytestmark = pytest.mark.slow

TYPES = ["approval.requested", "approval.reminded", "approval.expired"]

WORKER = """
import json, os, sys, threading, time
from datetime import timedelta
from pathlib import Path
from scoria_core import Scoria, delivering
from scoria_worker import Worker

url, told, name = sys.argv[1:]
delivering.LEASE = timedelta(seconds=2)  # what the killed one had is told soon after
log = os.open(told, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

def mail(event):
    if event.type.startswith("approval."):
        line = json.dumps([event.event_id, event.type, name])
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


def test_a_mail_a_reminder_and_an_expiry_come_once_though_a_worker_is_killed(
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
    dies = worker("dies")
    with Scoria.open(url, handlers={"work": lambda *_: asks}) as scoria:
        identity = scoria.identity(actor_id="user-1", tenant_id="t", session_id="s")
        for _ in range(4):
            scoria.start_run(
                identity,
                root_role_id="executor",
                initial_step=StepSpec(kind="work", role_id="executor"),
            )
    assert dies.stdout is not None
    assert dies.stdout.readline() == "told\n"
    # It tells the first run, and the other takes the rest while it does.
    worker("lives")
    os.kill(dies.pid, signal.SIGKILL)
    wait_for(lambda: len({each[0] for each in lines()}) == 4 * len(TYPES))
    with Scoria.open(url) as scoria:
        store = cast(OutboxStore, scoria._runs.store)
        wait_for(lambda: not store.list_deliveries("mail", limit=1))
    stack.close()
    by_run: dict[str, list[list[str]]] = {}
    for line in lines():
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
