"""The threads that carry out steps, and the one that keeps their claims."""

import contextvars
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scoria_core import Identity, Retry, RunSummary, Scoria, Step, StepSpec
from scoria_core.dispatch import Threads
from scoria_core.errors import CloseRefused, InvalidPayload
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.ports import RunStore
from scoria_core.testing import SettableClock
from tests.support.scripted import WORK, in_memory, scripted

PATIENCE = 30
"""How many seconds a test waits for what must come."""


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what must come."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Return what a handler waits for; it is let go at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def begin(scoria: Scoria, step: StepSpec | None = WORK, **more: Any) -> RunSummary:
    """Start a run."""
    identity = Identity("user-1", "acme", "session-1")
    return scoria.start_run(identity, root_role_id="r", initial_step=step, **more)


def status(url: str, run_id: str) -> str:
    """Return the status of a run in a store that nobody has open."""
    with Scoria.open(url) as scoria:
        return str(scoria.get_run(run_id).status)


class NoThreads:
    """A system that gives no thread for a while, of some name."""

    def __init__(self, name: str, times: int) -> None:
        self.name, self.left, self.start = name, times, threading.Thread.start

    def __call__(self, thread: threading.Thread) -> None:
        """Start a thread, or refuse to."""
        if self.left and thread.name.startswith(self.name):
            self.left -= 1
            raise RuntimeError("can't start new thread")
        self.start(thread)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Have the next threads of a name not start."""

    def refuse(name: str, times: int) -> None:
        HEARTBEAT.stop_if_idle()  # a thread that is there need not be started
        refusing = NoThreads(name, times)
        monkeypatch.setattr(threading.Thread, "start", lambda thread: refusing(thread))

    return refuse


def test_without_a_thread_to_renew_its_claim_a_step_stays_queued(
    store: RunStore, no_threads: Callable[[str, int], None], caplog: pytest.LogCaptureFixture
) -> None:
    """A claim that nobody renews would be given to another while its handler is at work."""
    handler = scripted(None)
    scoria = Scoria(store, handlers={"work": handler})
    no_threads("scoria-heartbeat", 1)
    run = begin(scoria)
    assert (run.status, handler.steps) == ("running", [])
    assert scoria.get_run_detail(run.run_id).steps[0].status == "queued"
    assert "steps stay queued" in caplog.text
    assert [each.status for each in scoria.run_pending()] == ["completed"]


def test_a_thread_that_did_not_start_once_is_started_later(
    store: RunStore, clock: SettableClock, no_threads: Callable[[str, int], None]
) -> None:
    """After that leases are renewed as ever, and a long step runs once."""
    entered = []
    scoria = Scoria(store, clock=clock, lease=0.4)
    other = Scoria(store, clock=clock, handlers={"work": lambda *_: entered.append("other")})

    def is_renewed() -> bool:
        renewed = clock.now() + timedelta(seconds=0.39)
        return not store.list_due(tenant_id=None, until=renewed, limit=1)

    def slow(*__: object) -> None:
        entered.append("own")
        for _ in range(3):
            clock.advance(seconds=0.3)
            until(is_renewed)
            assert other.run_pending() == []

    no_threads("scoria-heartbeat", 1)
    begin(scoria, handlers={"work": slow})
    assert entered == []
    assert [run.status for run in scoria.run_pending(handlers={"work": slow})] == ["completed"]
    assert entered == ["own"]


@in_memory
def test_work_that_found_no_thread_is_done_with_the_next(
    store: RunStore, no_threads: Callable[[str, int], None]
) -> None:
    """Nothing that was given is lost for a thread that did not start."""
    scoria = Scoria(store, dispatch="thread", handlers={"work": lambda *_: None})
    no_threads("scoria-step", 1)
    runs = [begin(scoria), begin(scoria)]
    until(lambda: all(scoria.get_run(run.run_id).status == "completed" for run in runs))
    scoria.close()


@in_memory
def test_closing_does_not_wait_for_threads_that_never_were(
    store: RunStore, no_threads: Callable[[str, int], None]
) -> None:
    """A step that found no thread stays queued in the store."""
    scoria = Scoria(store, dispatch="thread", handlers={"work": lambda *_: None})
    no_threads("scoria-step", 9)
    run = begin(scoria)
    assert scoria._scheduler.threads.shutdown(PATIENCE) == 0
    assert scoria.get_run_detail(run.run_id).steps[0].status == "queued"


@pytest.mark.parametrize("threads", [1, 3])
@in_memory
def test_the_number_of_threads_is_set(store: RunStore, go: threading.Event, threads: int) -> None:
    """As many steps are at work as there may be threads, and no more."""
    at_work = []

    def handler(*_: object) -> None:
        at_work.append(threading.current_thread().name)
        go.wait(PATIENCE)

    scoria = Scoria(store, dispatch="thread", threads=threads, handlers={"work": handler})
    for _ in range(threads + 2):
        begin(scoria)
    until(lambda: len(at_work) == threads)
    assert len(scoria._scheduler.threads._threads) == threads
    go.set()
    scoria._scheduler.threads.shutdown()
    assert len(at_work) == threads + 2


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "8", None, 10**6])
def test_a_number_of_threads_that_is_none_is_refused(threads: Any) -> None:
    """An option that makes no sense is refused by name."""
    with pytest.raises(InvalidPayload, match=r"^threads is"):
        Scoria.open("memory://", threads=threads)


@in_memory
def test_a_step_is_carried_out_in_the_context_it_was_given_in(store: RunStore) -> None:
    """What a host keeps in context variables is there, in a later attempt too."""
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    seen = []

    def handler(step: Step, _: RunSummary) -> None:
        seen.append(user.get())
        if step.attempt == 1:
            raise ConnectionError

    scoria = Scoria(store, dispatch="thread", handlers={"work": handler})
    user.set("user-7")
    run = begin(scoria, StepSpec("work", "r", retry=Retry(delay=0.01)))
    user.set("another")
    until(lambda: scoria.get_run(run.run_id).status == "completed")
    assert seen == ["user-7", "user-7"]
    scoria.close()


def test_what_is_queued_is_carried_on_when_a_store_is_opened(tmp_path: Path) -> None:
    """A process that starts again takes up what was queued, due or yet to be."""
    url = f"duckdb:///{tmp_path}/store"
    later = StepSpec("work", "r", retry=Retry(delay=0.3))
    with Scoria.open(url) as scoria:
        queued = begin(scoria)
        retried = begin(scoria, later, handlers={"work": scripted(ConnectionError())})
        other = begin(scoria, StepSpec("other", "r"))
    handlers = {"work": lambda *_: None}
    with Scoria.open(url, dispatch="thread", handlers=handlers) as scoria:
        until(lambda: scoria.get_run(queued.run_id).status == "completed")
        until(lambda: scoria.get_run(retried.run_id).status == "completed")
        assert scoria.get_run(other.run_id).status == "running"


def test_what_a_dead_process_left_is_carried_on_when_its_lease_has_ended(tmp_path: Path) -> None:
    """Where nobody else looks, a host does that was started anew."""
    url = f"sqlite:///{tmp_path}/store"
    dies = textwrap.dedent("""
        import os, sys
        from scoria_core import Scoria, StepSpec
        scoria = Scoria.open(sys.argv[1], lease=0.5)
        scoria.start_run(
            scoria.identity(actor_id=1, tenant_id=1, session_id=1), root_role_id="r",
            initial_step=StepSpec("work", "r"), handlers={"work": lambda *_: os._exit(7)})
    """)
    assert subprocess.run([sys.executable, "-c", dies, url], check=False).returncode == 7
    with Scoria.open(url, dispatch="thread", lease=0.2, handlers={"work": lambda *_: None}) as host:
        (run,) = host.list_runs()
        until(lambda: host.get_run(run.run_id).status == "completed")


def at_exit(tmp_path: Path, handler: str, then: str) -> subprocess.CompletedProcess[str]:
    """Run a host that starts two runs with one thread and ends without closing."""
    program = textwrap.dedent("""
        import asyncio, logging, pathlib, sys, threading, time
        from scoria_core import Scoria, StepSpec
        logging.basicConfig()
        entered = threading.Event()
        def handler(step, run):
            entered.set()
            HANDLER
        scoria = Scoria.open(sys.argv[1], dispatch="thread", threads=1, handlers={"work": handler})
        who = scoria.identity(actor_id=1, tenant_id=1, session_id=1)
        for _ in range(2):
            scoria.start_run(who, root_role_id="r", initial_step=StepSpec("work", "r"))
        entered.wait(30)
        THEN
    """)
    program = program.replace("HANDLER", handler).replace("THEN", then)
    return subprocess.run(
        [sys.executable, "-c", program, f"duckdb:///{tmp_path}/store"],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )


def steps_after(tmp_path: Path) -> list[tuple[str, int]]:
    """Return the steps that a host left, oldest first."""
    with Scoria.open(f"duckdb:///{tmp_path}/store") as scoria:
        runs = [scoria.get_run_detail(run.run_id) for run in scoria.list_runs()]
        return [(str(run.steps[0].status), run.steps[0].attempt) for run in reversed(runs)]


@pytest.mark.parametrize("ends", ["pass", "sys.exit(3)", "raise ValueError"])
def test_an_interpreter_that_exits_begins_nothing(tmp_path: Path, ends: str) -> None:
    """The step at work ends and is recorded; what had not begun stays queued."""
    ended = at_exit(tmp_path, "time.sleep(0.5)", ends)
    assert ended.returncode == {"pass": 0, "sys.exit(3)": 3}.get(ends, 1)
    assert steps_after(tmp_path) == [("completed", 1), ("queued", 1)]
    assert "ERROR" not in ended.stderr


def test_an_interpreter_that_exits_fails_nothing(tmp_path: Path) -> None:
    """What a handler uses may be gone by then: that is no failure of its step."""
    handler = "time.sleep(0.5); asyncio.run(asyncio.to_thread(print))"
    ended = at_exit(tmp_path, handler, "pass")
    assert ended.returncode == 0
    assert steps_after(tmp_path) == [("queued", 2), ("queued", 1)]


def test_a_handler_that_hangs_does_not_keep_its_process_once_closing_gave_up(
    tmp_path: Path,
) -> None:
    """`close(timeout)` ends, and so does the process; the step is left as of a dead process."""
    ended = at_exit(tmp_path, "time.sleep(300)", "scoria.close(timeout=0.2)")
    assert ended.returncode == 0
    assert "closed with 1 steps at work" in ended.stderr
    assert steps_after(tmp_path) == [("queued", 2), ("queued", 1)]


@in_memory
def test_closing_waits_no_longer_than_it_is_told(
    store: RunStore, go: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """What has not begun by then never does."""
    entered = []

    def hangs(*_: object) -> None:
        entered.append(1)
        go.wait(PATIENCE)

    scoria = Scoria(store, dispatch="thread", threads=1, handlers={"work": hangs})
    begin(scoria)
    begin(scoria)
    until(lambda: bool(entered))
    scoria.close(timeout=0.05)
    assert "closed with 1 steps at work" in caplog.text
    go.set()
    until(lambda: not scoria._scheduler.threads._threads)
    assert entered == [1]


@pytest.mark.parametrize("timeout", [-1, True, "1", float("nan"), float("inf")])
@in_memory
def test_a_time_that_is_none_is_refused(scoria: Scoria, timeout: Any) -> None:
    """A timeout that makes no sense is refused by name, and nothing is closed."""
    with pytest.raises(InvalidPayload, match=r"^timeout is"):
        scoria.close(timeout)
    assert not scoria.list_runs()


@pytest.mark.parametrize("dispatch", ["inline", "thread"])
def test_a_handler_cannot_close_the_store_under_its_step(
    make_scoria: Callable[..., Scoria], dispatch: str
) -> None:
    """It would wait for itself, or lose its own answer: it is refused, and the step is recorded."""
    refused: list[CloseRefused] = []

    def closes(_: Step, run: RunSummary) -> dict[str, bool]:
        with pytest.raises(CloseRefused) as caught:
            scoria.close()
        refused.append(caught.value)
        scoria.for_tenant(run.tenant_id).close()
        return {"done": True}

    scoria = make_scoria(dispatch=dispatch, handlers={"work": closes})
    run = begin(scoria)
    until(lambda: scoria.get_run(run.run_id).status == "completed")
    (step,) = scoria.get_run_detail(run.run_id).steps
    assert [(each.run_id, each.step_id) for each in refused] == [(run.run_id, step.step_id)]
    scoria.close()


@in_memory
def test_a_handler_closes_another_facade(
    make_store_of: Callable[[str], RunStore], scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A facade of its own is the handler's to close, and so is any once it has returned."""
    kept: list[contextvars.Context] = []

    def closes(*_: object) -> None:
        with Scoria(make_store_of("memory")) as own:
            assert not own.list_runs()
        kept.append(contextvars.copy_context())

    assert start(closes).status == "completed"
    kept[0].run(scoria.close)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_carries_out_what_it_is_given(tmp_path: Path) -> None:
    """Threads do not cross a fork: the child has its own, and leaves the parent's work alone."""
    program = textwrap.dedent("""
        import os, sys, threading, time
        from scoria_core import Scoria, StepSpec
        go = threading.Event()
        def handler(step, run):
            if step.kind == "first":
                go.wait(30)
            return {"pid": os.getpid()}
        handlers = {"first": handler, "second": handler}
        scoria = Scoria.open(sys.argv[1], dispatch="thread", threads=1, handlers=handlers)
        who = scoria.identity(actor_id=1, tenant_id=1, session_id=1)
        def start(kind):
            step = StepSpec(kind, "r")
            return scoria.start_run(who, root_role_id="r", initial_step=step).run_id
        first = start("first")
        child = os.fork()
        if child == 0:
            run_id = start("second")
            ends = time.monotonic() + 30
            while scoria.get_run(run_id).status == "running" and time.monotonic() < ends:
                time.sleep(0.01)
            (step,) = scoria.get_run_detail(run_id).steps
            os._exit(0 if step.result == {"pid": os.getpid()} else 1)
        _, ended = os.waitpid(child, 0)
        go.set()
        scoria.close()
        sys.exit(os.waitstatus_to_exitcode(ended))
    """)
    url = f"sqlite:///{tmp_path}/store"
    assert (
        subprocess.run([sys.executable, "-c", program, url], check=False, timeout=90).returncode
        == 0
    )
    with Scoria.open(url) as scoria:
        assert [run.status for run in scoria.list_runs()] == ["completed", "completed"]


@in_memory
def test_a_facade_that_stopped_does_not_look_again(store: RunStore) -> None:
    """What is queued stays so, and no thread turns round and round."""
    looks = []

    class Looking:
        def read(self, run_ids: Sequence[str]) -> Any:
            looks.append(run_ids)
            return store.read(run_ids)

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    scoria = Scoria(Looking(), dispatch="thread", handlers={"work": lambda *_: None})
    scoria.stop()
    begin(scoria)
    scoria._scheduler.threads.shutdown()
    assert looks == []


def test_threads_survive_what_they_are_given(caplog: pytest.LogCaptureFixture) -> None:
    """Work that raises is logged, and the thread goes on with the next."""
    threads, done = Threads(1), threading.Event()

    def raises() -> None:
        raise SystemExit("no")

    with caplog.at_level(logging.ERROR, "scoria"):
        threads.submit(raises)
        threads.submit(done.set)
        assert done.wait(PATIENCE)
    assert threads.shutdown(PATIENCE) == 0
    assert "SystemExit" in caplog.text


def test_closing_ends_the_heart_at_once(make_store_of: Callable[[str], RunStore]) -> None:
    """A thread that has hardly begun is not waited for until its first beat."""
    for _ in range(50):
        with Scoria(make_store_of("memory"), handlers={"work": lambda *_: None}) as scoria:
            begin(scoria)
        assert "scoria-heartbeat" not in [thread.name for thread in threading.enumerate()]
