"""A worker that carries out several steps at once, in this process."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from scoria_core import Identity, RunSummary, Scoria, Step
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import RunStore
from scoria_worker import Worker
from tests.support.scripted import WORK, in_memory, scripted

PATIENCE = 30
"""How many seconds a test waits for what must come."""


def queue(scoria: Scoria, identity: Identity, count: int) -> None:
    """Queue runs of one step."""
    for _ in range(count):
        scoria.start_run(identity, root_role_id="r", initial_step=WORK)


def meeting(parties: int) -> Callable[..., Any]:
    """Make a plain handler that waits until so many are at work."""
    barrier = threading.Barrier(parties)

    def handler(*_: object) -> None:
        barrier.wait(PATIENCE)

    return handler


def meeting_later(parties: int) -> Callable[..., Any]:
    """Make an async handler that waits until so many are at work, on one loop."""
    barrier = asyncio.Barrier(parties)

    async def handler(*_: object) -> None:
        async with asyncio.timeout(PATIENCE):
            await barrier.wait()

    return handler


@pytest.mark.parametrize("meet", [meeting, meeting_later])
def test_a_worker_works_at_once(store: RunStore, identity: Identity, meet: Any) -> None:
    """So many steps are at work as it may, and all are done; each has a claim of its own."""
    scoria = Scoria(store, dispatch="queue", handlers={"work": meet(4)})
    queue(scoria, identity, 12)
    assert Worker(scoria, concurrency=4).drain() == 12
    runs = scoria.list_runs()
    assert {run.status for run in runs} == {"completed"}
    holders = {
        entry.data["lease"]["holder"]
        for run in runs
        for entry in scoria.get_run_detail(run.run_id).journal
        if entry.type == "step_claimed"
    }
    assert len(holders) == 12


@in_memory
def test_no_more_are_at_work_than_may_be(store: RunStore, identity: Identity) -> None:
    """The limit holds, however much is due."""
    most, at_work, lock = 0, 0, threading.Lock()

    def handler(*_: object) -> None:
        nonlocal most, at_work
        with lock:
            at_work += 1
            most = max(most, at_work)
        threading.Event().wait(0.002)
        with lock:
            at_work -= 1

    scoria = Scoria(store, dispatch="queue", handlers={"work": handler})
    queue(scoria, identity, 20)
    assert Worker(scoria, concurrency=3).drain() == 20
    assert most == 3


@in_memory
def test_a_step_that_takes_long_keeps_no_other_waiting(store: RunStore, identity: Identity) -> None:
    """While one is at work, all that comes is done beside it, by one tenant or another."""
    go = threading.Event()

    def handler(_: Step, run: RunSummary) -> None:
        if run.tenant_id == "slow":
            assert go.wait(PATIENCE)

    scoria = Scoria(store, dispatch="queue", handlers={"work": handler})
    slow = scoria.identity(actor_id="a", tenant_id="slow", session_id="s")
    queue(scoria, slow, 1)
    worker = Worker(scoria, poll=0.01, concurrency=2)
    thread = threading.Thread(target=worker.run)
    thread.start()
    for expected in range(1, 6):
        queue(scoria, identity, 1)
        while worker.done < expected:
            assert not worker.stop.wait(0.01)
    go.set()
    worker.end()
    thread.join(PATIENCE)
    assert worker.done == 6
    assert {run.status for run in scoria.list_runs()} == {"completed"}


@in_memory
def test_what_has_no_handler_is_passed_over(store: RunStore, identity: Identity) -> None:
    """It stays queued, and a worker that works once comes to an end."""
    scoria = Scoria(store, dispatch="queue", handlers={"other": scripted()})
    queue(scoria, identity, 3)
    assert Worker(scoria, concurrency=2).drain() == 0


class Flaky:
    """A store that does not answer the first claim."""

    def __init__(self, store: RunStore) -> None:
        self._store, self._left = store, 1

    def append(self, *args: Any, **more: Any) -> Any:
        """Append, but not the first time."""
        self._left -= 1
        if self._left == 0:
            raise StoreUnavailable("memory://", "is down", "wait")
        return self._store.append(*args, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@in_memory
def test_a_worker_waits_for_its_store(
    store: RunStore, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """What a thread finds out is heard by the worker: it waits, and goes on."""
    queue(Scoria(store), identity, 3)
    scoria = Scoria(Flaky(store), handlers={"work": scripted(*[None] * 3)})
    worker = Worker(scoria, poll=0.01, concurrency=2)
    with caplog.at_level(logging.WARNING, "scoria.worker"):
        thread = threading.Thread(target=worker.run)
        thread.start()
        while worker.done < 3:
            assert not worker.stop.wait(0.01)
        worker.end()
        thread.join(PATIENCE)
    assert any(each.message.startswith("waiting 0.0 s") for each in caplog.records)
