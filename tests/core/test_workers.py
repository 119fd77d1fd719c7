"""A worker that carries out several steps at once, in this process."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any, cast

import pytest

from scoria_core import AsyncScoria, Completed, Identity, RunSummary, Scoria, Step, StepSpec
from scoria_core.errors import InvalidPayload, StoreUnavailable
from scoria_core.ports import RunStore, WakingStore
from scoria_memory import MemoryStore
from scoria_worker import Worker
from tests.support.scripted import WORK, approve, in_memory, needs, scripted

PATIENCE = 30
"""How many seconds a test waits for what must come."""

FOR_EVER = 10 * PATIENCE
"""How many seconds a worker may wait that only what wakes it can call back."""


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


@in_memory
@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_worker_that_drains_does_not_retry_a_store_that_is_down(
    store: RunStore, identity: Identity, concurrency: int
) -> None:
    """With several threads too: its caller hears of it, and nothing is tried without a pause."""
    queue(Scoria(store), identity, 1)
    scoria = Scoria(Flaky(store), handlers={"work": scripted(None)})
    with pytest.raises(StoreUnavailable, match="is down"):
        Worker(scoria, concurrency=concurrency).drain()


@in_memory
def test_a_worker_whose_threads_take_no_more_ends(store: RunStore, identity: Identity) -> None:
    """As where the interpreter exits: nothing is waited for that will not come."""
    queue(Scoria(store), identity, 2)
    worker = Worker(Scoria(store, handlers={"work": scripted()}), concurrency=2)
    worker._threads.shutdown()
    assert worker.drain() == 0
    assert worker.stop.is_set()


class Watched(threading.Event):
    """An event that notes which threads wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiters: list[threading.Thread] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, and note who does."""
        self.waiters.append(threading.current_thread())
        return super().wait(timeout)


@in_memory
def test_a_signal_finds_no_lock_held_by_the_thread_that_it_interrupts(
    store: RunStore, identity: Identity
) -> None:
    """A handler of a signal sets `stop`, which would hang if its own thread were waiting for it."""
    queue(Scoria(store), identity, 1)
    scoria = Scoria(Flaky(store), handlers={"work": scripted(None)})
    worker = Worker(scoria, poll=0.01, stop=Watched())

    def end_when_done() -> None:
        until_done(worker, 1)
        worker.end()

    threading.Thread(target=end_when_done).start()
    worker.run()
    assert worker.done == 1
    assert threading.current_thread() not in cast(Watched, worker.stop).waiters


def waits(worker: Worker, scoria: Scoria) -> threading.Thread:
    """Start a worker, and return when the store would wake it."""
    thread = threading.Thread(target=worker.run)
    thread.start()
    while not scoria._runs.store._watches:  # type: ignore[attr-defined]  # it is in memory
        assert not worker.stop.wait(0.01)
    return thread


def until_done(worker: Worker, count: int, wait: float = PATIENCE) -> None:
    """Wait until the worker has worked in so many runs."""
    ends = time.monotonic() + wait
    while worker.done < count:
        assert time.monotonic() < ends
        time.sleep(0.01)


@in_memory
def test_a_worker_is_woken(store: RunStore, identity: Identity) -> None:
    """By a step that is queued, by one of its tenant alone, and by the end: it need not poll."""
    done: list[str] = []

    def handler(_: Step, run: RunSummary) -> None:
        done.append(run.tenant_id)

    scoria = Scoria(store, dispatch="queue", handlers={"work": handler})
    own = scoria.for_tenant(identity.tenant_id)
    worker = Worker(own, poll=FOR_EVER)
    thread = waits(worker, scoria)
    other = scoria.identity(actor_id="a", tenant_id="another", session_id="s")
    for expected in range(1, 4):
        queue(scoria, other, 1)
        queue(scoria, identity, 1)
        until_done(worker, expected)
    looks = own.list_pending()
    worker.end()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert (looks, done) == ([], [identity.tenant_id] * 3)


@in_memory
def test_what_is_queued_during_a_look_wakes_the_worker(store: RunStore, identity: Identity) -> None:
    """Between its look and its wait nothing is lost."""
    host, left = Scoria(store, dispatch="queue"), [1, 1]

    class LooksTooEarly(Scoria):
        def list_pending(self, **asked: Any) -> list[str]:
            due = super().list_pending(**asked)
            if not due and left:
                queue(host, identity, left.pop())
            return due

    worker = Worker(LooksTooEarly(store, handlers={"work": lambda *_: None}), poll=FOR_EVER)
    thread = waits(worker, host)
    until_done(worker, 2)
    worker.end()
    thread.join(PATIENCE)
    assert not left


@in_memory
def test_who_is_woken_looks_again_at_what_it_passed_over(
    store: RunStore, identity: Identity
) -> None:
    """A run had no work of its kinds, and gets some; others that have none are not tried anew."""
    tried: list[str] = []

    class Noted(Scoria):
        def run_pending(self, run_id: Any = None, **more: Any) -> list[RunSummary]:
            tried.append(run_id)
            return super().run_pending(run_id, **more)

    scoria = Scoria(store, dispatch="queue")
    worker = Worker(Noted(store, handlers={"mine": lambda *_: None}), poll=FOR_EVER)
    theirs = [
        scoria.start_run(identity, root_role_id="r", initial_step=StepSpec("theirs", "r")).run_id
        for _ in range(3)
    ]
    thread = waits(worker, scoria)
    while set(tried) < set(theirs):
        time.sleep(0.01)
    then = Completed({}, then=[StepSpec("mine", "r")])
    scoria.run_pending(theirs[0], handlers={"theirs": lambda *_: then})
    until_done(worker, 1)
    worker.end()
    thread.join(PATIENCE)
    assert sorted(tried) == sorted([*theirs, theirs[0]])


class Deaf(Flaky):
    """A store that loses who watches it, twice in a row, and then again later."""

    def __init__(self, store: RunStore) -> None:
        super().__init__(store)
        self._left, self.lost, self.again = 0, 2, threading.Event()

    def watch_due(self, **asked: Any) -> Generator[Sequence[str], None, None]:
        """Watch, but not at first."""
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("memory://", "is down", "wait")
        for answer in self._store.watch_due(**asked):  # type: ignore[attr-defined]  # in memory
            yield answer
            if self.again.is_set():
                self.again.clear()
                raise StoreUnavailable("memory://", "is down again", "wait")


@in_memory
def test_a_worker_that_is_not_woken_polls(
    store: RunStore, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once for each time that it lost its store, and says that it is woken again."""
    host = Scoria(store, dispatch="queue")
    deaf = Deaf(store)
    worker = Worker(Scoria(deaf, handlers={"work": lambda *_: None}), poll=0.01)
    with caplog.at_level(logging.INFO, "scoria.worker"):
        thread = waits(worker, host)
        for expected, is_lost in enumerate((False, True, False), 1):
            if is_lost:
                deaf.again.set()
            queue(host, identity, 1)
            until_done(worker, expected)
        while len(said := [each.message for each in caplog.records]) < 4:
            assert not worker.stop.wait(0.01)
        worker.end()
        thread.join(PATIENCE)
    assert [each.partition(":")[0] for each in said] == [
        "its store does not wake it",
        "its store wakes it again",
    ] * 2


@in_memory
def test_what_its_caller_carries_out_wakes_nobody(store: RunStore, identity: Identity) -> None:
    """Each commit of it leaves the run at work, waiting for a person, or done."""
    scoria = Scoria(store, handlers={"work": scripted(needs(), None)})
    with closing(cast(WakingStore, store).watch_due(tenant_id=None, pause=0)) as watch:
        assert list(next(watch)) == []
        run = scoria.start_run(identity, root_role_id="r", initial_step=WORK)
        approve(scoria, run)
        assert scoria.resume_run(run.run_id).status == "completed"
        assert list(next(watch)) == []
        queue(Scoria(store, dispatch="queue"), identity, 1)
        assert len(next(watch)) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"concurrency": 0}, "concurrency is 0; pass an int from 1 to"),
        ({"concurrency": "4"}, "concurrency is '4'; pass an int from 1 to"),
        ({"poll": 0}, "poll is 0; pass a number of seconds, above 0"),
        ({"poll": "1"}, "poll is '1'; pass a number of seconds, above 0"),
        ({"stop": None}, "stop is NoneType; pass a threading.Event"),
        ({"scoria": None}, r"scoria is NoneType; pass what Scoria\.open returned"),
        ({"scoria": AsyncScoria(MemoryStore())}, r"of an AsyncScoria pass its \.sync"),
    ],
)
def test_what_a_worker_cannot_work_with_is_refused(options: dict[str, Any], told: str) -> None:
    """When it is made: later it would hang, look without a pause or end with a traceback."""
    with pytest.raises(InvalidPayload, match=told):
        Worker(**{"scoria": Scoria(MemoryStore()), **options})
