"""What comes out of a handler: a stop releases its step, and all else fails it."""

import asyncio
import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from scoria_core import Failed, Identity, RunSummary, Scoria, Step, event_loop
from scoria_core.ports import RunStore
from scoria_worker import Worker
from tests.support.scripted import WORK, approve, in_memory, needs, scripted


class Stopped(BaseException):
    """What a host's signal handler raises."""


def at_once(raised: BaseException) -> Callable[..., Any]:
    """Make a plain handler that raises."""
    handler: Callable[..., Any] = scripted(*[raised] * 9)
    return handler


def awaited(raised: BaseException) -> Callable[..., Any]:
    """Make a handler that raises once it is awaited."""

    async def handler(_: Step, __: RunSummary) -> None:
        await asyncio.sleep(0)
        raise raised

    return handler


def plainly(call: Callable[[], Any]) -> Any:
    """Call as a script does."""
    return call()


def within_a_loop(call: Callable[[], Any]) -> Any:
    """Call as a host does that has an event loop of its own."""

    async def host() -> Any:
        return call()

    return asyncio.run(host())


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, GeneratorExit, Stopped])
@pytest.mark.parametrize(
    ("make", "called"), [(at_once, plainly), (awaited, plainly), (at_once, within_a_loop)]
)
@in_memory
def test_what_a_handler_raises_fails_its_step(
    scoria: Scoria,
    start: Callable[..., RunSummary],
    raised: type[BaseException],
    make: Callable[[BaseException], Any],
    called: Callable[[Callable[[], Any]], Any],
) -> None:
    """`sys.exit` in a handler is its failure: the caller gets the run, and nothing is requeued."""
    run = called(lambda: start(make(raised("bad input"))))
    assert run.status == "failed"
    (step,) = scoria.get_run_detail(run.run_id).steps
    assert (step.status, step.attempt, str(step.error)) == (
        "failed",
        1,
        f"{raised.__name__}: bad input",
    )


@in_memory
def test_a_worker_lives_on(make_scoria: Callable[..., Scoria], identity: Identity) -> None:
    """A handler that ends its process ends its step, and the worker goes on with the next run."""
    scoria = make_scoria(dispatch="queue", handlers={"work": at_once(SystemExit("bad input"))})
    for _ in range(3):
        scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    assert Worker(scoria).drain() == 3
    assert [run.status for run in scoria.list_runs()] == ["failed"] * 3


@in_memory
def test_a_thread_says_so(
    make_scoria: Callable[..., Scoria], identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """On a thread, too, the step fails, and the log has where it was raised."""
    scoria = make_scoria(dispatch="thread", handlers={"work": at_once(SystemExit("bad input"))})
    run = scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    scoria._scheduler.threads.shutdown()
    assert scoria.get_run(run.run_id).status == "failed"
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.exc_info is not None
    assert record.exc_info[0] is SystemExit


def stop(*_: object) -> None:
    """Raise, as the signal handler of a host does."""
    raise Stopped("told to end")


class Host:
    """A host whose signal handler is a method, or it itself."""

    def on_signal(self, _: int, __: FrameType | None) -> None:
        """Stop, by a call of its own."""
        stop()

    __call__ = on_signal


class Unhashable(Host):
    """A host that compares by value, so that no set can hold it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        """Equal any other of its kind."""
        return isinstance(other, Unhashable)


@pytest.fixture
def alarm() -> Iterator[Callable[[Any], None]]:
    """Have a signal handler called in the main thread a moment later, and put things back."""
    before = signal.getsignal(signal.SIGALRM)

    def set_alarm(handler: Any) -> None:
        signal.signal(signal.SIGALRM, handler)

    yield set_alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def blocks(number: int) -> Callable[..., Any]:
    """Make a handler that is at work when the signal comes."""

    def handler(*_: object) -> None:
        threading.Timer(0.05, os.kill, [os.getpid(), number]).start()
        time.sleep(30)

    return handler


def computes(number: int) -> Callable[..., Any]:
    """Make a handler that calls nothing when the signal comes."""

    def handler(*_: object) -> None:
        threading.Timer(0.05, os.kill, [os.getpid(), number]).start()
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            pass

    return handler


def signals_itself(number: int) -> Callable[..., Any]:
    """Make a handler that signals its own process."""
    return lambda *_: signal.raise_signal(number)


def sleeps(number: int) -> Callable[..., Any]:
    """Make a coroutine that waits when the signal comes."""

    async def handler(*_: object) -> None:
        threading.Timer(0.05, os.kill, [os.getpid(), number]).start()
        await asyncio.sleep(30)

    return handler


def assert_released(scoria: Scoria) -> None:
    """Check that the only step is there for another."""
    (run,) = scoria.list_runs()
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, detail.steps[0].status, detail.steps[0].attempt) == ("running", "queued", 2)
    assert [entry.type for entry in detail.journal][-2:] == ["step_claimed", "step_released"]
    assert scoria.run_pending(handlers={"work": scripted(None)})[0].status == "completed"


@pytest.mark.parametrize("make", [blocks, computes, signals_itself, sleeps])
@in_memory
def test_ctrl_c_releases_the_step(
    scoria: Scoria, start: Callable[..., RunSummary], make: Callable[[int], Any]
) -> None:
    """Python's own answer to Ctrl-C goes up, and the step is there for another."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        start(make(signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_released(scoria)


@pytest.mark.parametrize(
    "handler", [stop, Host().on_signal, Host(), Unhashable(), functools.partial(stop, 1)]
)
@pytest.mark.parametrize("make", [blocks, sleeps])
@in_memory
def test_what_a_signal_handler_raises_releases_the_step(
    scoria: Scoria,
    start: Callable[..., RunSummary],
    alarm: Callable[[Any], None],
    handler: Any,
    make: Callable[[int], Any],
) -> None:
    """A host that is told to end raises as it likes; that goes up."""
    alarm(handler)
    with pytest.raises(Stopped):
        start(make(signal.SIGALRM))
    assert_released(scoria)


@in_memory
def test_a_stop_may_be_any_exception(
    scoria: Scoria, start: Callable[..., RunSummary], alarm: Callable[[Any], None]
) -> None:
    """What counts is who raised it: a job queue's time-out is no failure of the work."""

    def time_out(*_: object) -> None:
        raise TimeoutError("the job took too long")

    alarm(time_out)
    with pytest.raises(TimeoutError):
        start(blocks(signal.SIGALRM))
    assert_released(scoria)


@in_memory
def test_an_alarm_that_a_handler_leaves_behind_fails_its_step_too(
    start: Callable[..., RunSummary], alarm: Callable[[Any], None]
) -> None:
    """It was not there when the handler was entered, so nobody told the process to end."""
    alarm(signal.SIG_DFL)

    def limits_itself(*_: object) -> None:
        def time_out(*_: object) -> None:
            raise TimeoutError("too slow")

        signal.signal(signal.SIGALRM, time_out)
        signal.raise_signal(signal.SIGALRM)

    error = start(limits_itself).error
    assert error is not None
    assert error.type == "TimeoutError"


@in_memory
def test_an_alarm_of_the_handler_itself_fails_its_step(
    start: Callable[..., RunSummary], alarm: Callable[[Any], None]
) -> None:
    """A handler that limits itself by a signal, and puts it back, has failed."""
    alarm(signal.SIG_DFL)

    def limits_itself(*_: object) -> None:
        def time_out(*_: object) -> None:
            raise TimeoutError("too slow")

        before = signal.signal(signal.SIGALRM, time_out)
        try:
            signal.raise_signal(signal.SIGALRM)
        finally:
            signal.signal(signal.SIGALRM, before)

    run = start(limits_itself)
    assert run.status == "failed"


@in_memory
def test_a_second_ctrl_c_within_asyncio(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """The first Ctrl-C is asyncio's, which cancels the task later; the second stops the handler."""

    def handler(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        within_a_loop(lambda: start(handler))
    assert_released(scoria)


@in_memory
def test_a_coroutine_that_blocks_its_loop_is_waited_for_a_moment(
    scoria: Scoria, start: Callable[..., RunSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing breaks it off: the process is told to end, and its step is there for another."""
    monkeypatch.setattr(event_loop, "CANCEL_GRACE", 0.05)
    go = threading.Event()

    async def handler(*_: object) -> None:
        blocked = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT])
        blocked.start()
        go.wait(30)

    with pytest.raises(KeyboardInterrupt):
        start(handler)
    go.set()
    assert_released(scoria)


class InterruptingStore:
    """A store whose caller is interrupted when a write has been stored, or just before."""

    def __init__(self, store: RunStore, at_write: int, *, stores: bool) -> None:
        self._store, self._left, self._stores = store, at_write, stores

    def _write(self, call: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._stores:
            raise KeyboardInterrupt
        answer = call(*args, **more)
        if self._left == 0:
            raise KeyboardInterrupt
        return answer

    def create(self, *args: Any, **more: Any) -> Any:
        """Create a run."""
        return self._write(self._store.create, *args, **more)

    def append(self, *args: Any, **more: Any) -> Any:
        """Append to a run."""
        return self._write(self._store.append, *args, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def statuses(scoria: Scoria) -> list[str]:
    """Return the status of each step of the only run."""
    (run,) = scoria.list_runs()
    return [str(step.status) for step in scoria.get_run_detail(run.run_id).steps]


def test_an_interrupt_between_claim_and_handler_releases_the_step(
    store: RunStore, identity: Identity
) -> None:
    """Once the claim is stored, whoever is interrupted gives it back."""
    handler = scripted()
    scoria = Scoria(InterruptingStore(store, 1, stores=True), handlers={"work": handler})
    with pytest.raises(KeyboardInterrupt):
        scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    assert handler.steps == []
    assert_released(Scoria(store))


@pytest.mark.parametrize("call", ["add_step", "run_pending", "resume_run", "retry_run"])
@in_memory
def test_each_call_gives_back_what_it_claimed(
    store: RunStore, identity: Identity, call: str
) -> None:
    """Every call that claims releases, not only the start."""
    answers: dict[str, Any] = {"resume_run": needs(), "retry_run": Failed("no")}
    host = Scoria(store)
    answer = answers.get(call)
    handlers = None if answer is None else {"work": scripted(answer)}
    step = None if call == "add_step" else WORK
    run = host.start_run(identity, root_role_id="r", initial_step=step, handlers=handlers)
    if call == "resume_run":
        approve(host, run)
    scoria = Scoria(InterruptingStore(store, 1, stores=True), handlers={"work": scripted()})
    arguments = (run.run_id, WORK) if call == "add_step" else (run.run_id,)
    with pytest.raises(KeyboardInterrupt):
        getattr(scoria, call)(*arguments)
    assert statuses(host) == ["queued"]
    assert host.get_run_detail(run.run_id).journal[-1].type == "step_released"


@in_memory
def test_an_interrupt_before_the_claim_is_stored_releases_nothing(
    store: RunStore, identity: Identity
) -> None:
    """A claim that was not stored is not given back: another may have made one since."""
    host = Scoria(store)
    run = host.start_run(identity, root_role_id="r", initial_step=WORK)

    class Overtaken(InterruptingStore):
        def append(self, *args: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                rival.start()
                assert at_work.wait(10)
                raise KeyboardInterrupt
            return self._store.append(*args, **more)

    at_work, go = threading.Event(), threading.Event()

    def handler(*_: object) -> None:
        at_work.set()
        go.wait(10)

    rival = threading.Thread(target=lambda: host.run_pending(handlers={"work": handler}))
    scoria = Scoria(Overtaken(store, 1, stores=False), handlers={"work": scripted()})
    with pytest.raises(KeyboardInterrupt):
        scoria.run_pending(run.run_id)
    assert statuses(host) == ["running"]
    go.set()
    rival.join()


@pytest.mark.parametrize("stores", [True, False])
def test_an_interrupt_after_the_handler_records_its_answer(
    store: RunStore, identity: Identity, *, stores: bool
) -> None:
    """The work is done: it is recorded, not repeated."""
    handler = scripted({"done": True})
    scoria = Scoria(InterruptingStore(store, 2, stores=stores), handlers={"work": handler})
    with pytest.raises(KeyboardInterrupt):
        scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    (run,) = Scoria(store).list_runs()
    assert run.status == "completed"


@pytest.mark.parametrize("stores", [True, False])
@in_memory
def test_an_interrupt_between_two_steps_keeps_the_first_and_releases_the_second(
    store: RunStore, identity: Identity, *, stores: bool
) -> None:
    """One commit records an answer and claims the next step; an interrupt loses neither."""
    host = Scoria(store)
    run = host.start_run(identity, root_role_id="r", initial_step=WORK)
    host.add_step(run.run_id, WORK)
    handler = scripted({"n": 1})
    scoria = Scoria(InterruptingStore(store, 2, stores=stores), handlers={"work": handler})
    with pytest.raises(KeyboardInterrupt):
        scoria.run_pending(run.run_id)
    assert statuses(host) == ["completed", "queued"]


@in_memory
def test_a_stop_between_claim_and_handler_enters_nothing(
    store: RunStore, identity: Identity
) -> None:
    """A facade that was told to stop while it claimed gives the step back."""
    handler = scripted()

    class Stopping(InterruptingStore):
        def create(self, *args: Any, **more: Any) -> Any:
            scoria.stop()
            return self._store.create(*args, **more)

    scoria = Scoria(Stopping(store, 9, stores=True), handlers={"work": handler})
    scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    assert (handler.steps, statuses(scoria)) == ([], ["queued"])
