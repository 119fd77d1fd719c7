"""Handlers that take longer than their step allows."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from scoria_core import Identity, Retry, RunSummary, Scoria, Step, StepSpec, event_loop
from scoria_core.errors import InvalidPayload
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.ports import RunStore
from tests.support.scripted import in_memory, scripted

PATIENCE = 30
"""How many seconds a test waits for what must come."""


def limited(seconds: Any = 0.05, **more: Any) -> StepSpec:
    """Return a step with a time limit."""
    return StepSpec("work", "executor", time_limit=seconds, **more)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what must come."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Return what a handler waits for that hangs; it is let go at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("seconds", [0.05, 0, timedelta(milliseconds=50)])
@in_memory
def test_a_time_limit_is_above_zero(
    scoria: Scoria, start: Callable[..., RunSummary], seconds: Any
) -> None:
    """A limit is seconds or a timedelta, and is kept as seconds; nothing is not a limit."""
    if not seconds:
        with pytest.raises(InvalidPayload, match=r"initial_step\.time_limit is not within"):
            start(step=limited(seconds))
        return
    run = start(step=limited(seconds))
    assert scoria.get_run_detail(run.run_id).steps[0].time_limit == 0.05


@pytest.mark.parametrize("seconds", [-1, True, "1", float("nan"), float("inf"), timedelta(0)])
@in_memory
def test_a_time_limit_that_is_none_is_refused(
    scoria: Scoria, start: Callable[..., RunSummary], seconds: Any
) -> None:
    """What is no length of time is refused, with its path."""
    with pytest.raises(InvalidPayload, match=r"initial_step\.time_limit"):
        start(step=limited(seconds))
    assert not scoria.list_runs()


async def sleeps(*_: object) -> None:
    """Take too long, and let itself be cancelled."""
    await asyncio.sleep(PATIENCE)


async def cleans_up(*_: object) -> None:
    """Take too long, and fail at tidying up."""
    try:
        await asyncio.sleep(PATIENCE)
    finally:
        raise ConnectionError("cannot tidy up")


async def answers_all_the_same(*_: object) -> dict[str, bool]:
    """Take too long, and answer when cancelled."""
    try:
        await asyncio.sleep(PATIENCE)
    except asyncio.CancelledError:
        return {"late": True}
    return {}


@pytest.mark.parametrize("handler", [sleeps, cleans_up, answers_all_the_same])
@in_memory
def test_a_coroutine_is_cancelled_at_its_limit(
    start: Callable[..., RunSummary], handler: Any
) -> None:
    """It counts as one that raised, whatever it does when it is cancelled."""
    run = start(handler, step=limited())
    assert run.status == "failed"
    assert str(run.error) == (
        "TimeLimitExceeded: the handler was still at work after its time limit of 0.05 s"
    )


@in_memory
def test_a_coroutine_that_was_cancelled_is_tried_again(start: Callable[..., RunSummary]) -> None:
    """A retry applies to it as to any exception, and may exclude it."""
    assert start(sleeps, step=limited(retry=Retry(delay=9))).status == "running"
    never = Retry(delay=9, unless=("scoria_core.outcomes.TimeLimitExceeded",))
    assert start(sleeps, step=limited(retry=never)).status == "failed"


@in_memory
def test_a_time_out_of_the_handlers_own_is_its_own(start: Callable[..., RunSummary]) -> None:
    """Only the limit of the step is called so."""

    async def times_out(*_: object) -> None:
        raise TimeoutError("the service")

    error = start(times_out, step=limited(PATIENCE)).error
    assert str(error) == "TimeoutError: the service"


def test_a_step_whose_handler_hangs_fails(
    store: RunStore, identity: Identity, go: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing breaks it off: its step fails meanwhile, is not retried, and its answer is late."""
    scoria = Scoria(store)
    entered = []

    def hangs(step: Step, _: RunSummary) -> dict[str, bool]:
        entered.append(step.attempt)
        go.wait(PATIENCE)
        return {"late": True}

    returned: list[RunSummary] = []

    def call() -> None:
        returned.append(
            scoria.start_run(
                identity,
                root_role_id="r",
                initial_step=limited(retry=Retry(delay=0)),
                handlers={"work": hangs},
            )
        )

    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: [run.status for run in Scoria(store).list_runs()] == ["failed"])
    assert caller.is_alive()
    assert HEARTBEAT.is_active()  # a worker that is told to end still finds it at work
    go.set()
    caller.join(PATIENCE)
    (run,) = returned
    assert (run.status, entered) == ("failed", [1])
    assert run.error is not None
    assert run.error.type == "TimeLimitExceeded"
    assert scoria.get_run_detail(run.run_id).steps[0].result is None
    assert "late result" in caplog.text


@in_memory
def test_a_coroutine_that_blocks_its_loop_fails_too(
    store: RunStore, identity: Identity, go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot be cancelled is waited for a moment longer."""
    monkeypatch.setattr(event_loop, "CANCEL_GRACE", 0.05)
    scoria = Scoria(store)

    async def blocks(*_: object) -> None:
        go.wait(PATIENCE)

    caller = threading.Thread(
        target=lambda: scoria.start_run(
            identity, root_role_id="r", initial_step=limited(), handlers={"work": blocks}
        )
    )
    caller.start()
    until(lambda: [run.status for run in Scoria(store).list_runs()] == ["failed"])
    assert caller.is_alive()
    go.set()
    caller.join(PATIENCE)


@in_memory
def test_a_failure_that_could_not_be_stored_is_tried_again(
    store: RunStore, identity: Identity, go: threading.Event
) -> None:
    """While the store does not answer nothing is lost: the next beat records it."""
    scoria = Scoria(store, lease=0.2)
    refused: list[int] = []

    class Flaky:
        def append(self, *args: Any, **more: Any) -> Any:
            if len(args[1]) and len(refused) < 2:
                refused.append(1)
                raise ConnectionError("no answer")
            return store.append(*args, **more)

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    def waits(*_: object) -> None:
        go.wait(PATIENCE)

    scoria = Scoria(Flaky(), lease=0.2)
    caller = threading.Thread(
        target=lambda: scoria.start_run(
            identity,
            root_role_id="r",
            initial_step=limited(),
            handlers={"work": waits},
        )
    )
    caller.start()
    until(lambda: [run.status for run in Scoria(store).list_runs()] == ["failed"])
    assert len(refused) == 2
    go.set()
    caller.join(PATIENCE)


@in_memory
def test_a_handler_within_its_limit_is_left_alone(start: Callable[..., RunSummary]) -> None:
    """A limit costs nothing who keeps it."""
    assert start(scripted({"ok": True}), step=limited(PATIENCE)).status == "completed"
