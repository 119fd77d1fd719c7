"""`AsyncScoria`: what `Scoria` does, awaited; what is cancelled, and what blocks nothing."""

import asyncio
import contextvars
import inspect
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from scoria_core import (
    AsyncScoria,
    Failed,
    Identity,
    NeedsApproval,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import (
    AsyncHandlerRefused,
    CloseRefused,
    DecisionRefused,
    RunNotFound,
    StoreUnavailable,
)
from scoria_core.host_loop import PARTS_AT_ONCE
from scoria_core.ports import RunStore
from tests.support.scripted import WORK, in_memory, needs, scripted

PATIENCE = 30
"""How many seconds a test waits for what must come."""

NOT_AWAITED = {"for_tenant", "identity", "now", "stop"}
"""What asks no store."""

WHO = contextvars.ContextVar("WHO", default="nobody")


def surface(facade: type) -> dict[str, Any]:
    """Return the public methods of a facade."""
    return {
        name: getattr(facade, name)
        for name, value in vars(facade).items()
        if not name.startswith("_") and callable(getattr(facade, name)) and value is not None
    }


def test_both_facades_have_the_same_surface() -> None:
    """Each method is there twice, with the same parameters, results and words."""
    sync, awaited = surface(Scoria), surface(AsyncScoria)
    assert list(sync) == list(awaited)
    for name, method in sync.items():
        other = awaited[name]
        assert inspect.signature(other) == inspect.signature(method), name
        assert inspect.getdoc(other) == inspect.getdoc(method), name
        assert get_type_hints(other) == get_type_hints(method), name
        assert inspect.iscoroutinefunction(other) == (name not in NOT_AWAITED), name


def test_what_scoria_does_not_have_is_refused(store: RunStore) -> None:
    """The options are those of `Scoria`."""
    with pytest.raises(TypeError, match="did you mean 'dispatch'"):
        AsyncScoria(store, dispach="thread")  # type: ignore[call-arg]


@pytest.fixture
def facade(store: RunStore) -> AsyncScoria:
    """Return a facade over the store of the test."""
    return AsyncScoria(store)


Start = Callable[..., Awaitable[RunSummary]]


@pytest.fixture
def begin(facade: AsyncScoria, identity: Identity) -> Start:
    """Start a run with a step for a handler."""

    def start(handler: Any, step: StepSpec = WORK, **more: Any) -> Awaitable[RunSummary]:
        return facade.start_run(
            identity, root_role_id="r", initial_step=step, handlers={"work": handler}, **more
        )

    return start


async def ends(task: "asyncio.Task[Any]") -> bool:
    """Wait for a task; tell whether it was cancelled."""
    await asyncio.wait([task], timeout=PATIENCE)
    return task.cancelled()


async def only_step(facade: AsyncScoria) -> Step:
    """Return the only step of the only run."""
    (run,) = await facade.list_runs()
    (step,) = (await facade.get_run_detail(run.run_id)).steps
    return step


def test_a_run_is_started_decided_and_resumed(facade: AsyncScoria, begin: Start) -> None:
    """The order of things is that of `Scoria`, and so are the results."""

    async def asks(step: Step, _: RunSummary) -> NeedsApproval | dict[str, Any]:
        await asyncio.sleep(0)
        return needs() if step.approval is None else dict(step.approval.arguments)

    async def host() -> None:
        run = await begin(asks)
        assert run.pending_approval is not None
        assert (await facade.count_approvals()).number == 1
        approval_id = run.pending_approval.approval_id
        await facade.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
        resumed = await facade.resume_run(run.run_id, handlers={"work": asks})
        assert resumed.status == "completed"
        assert (await only_step(facade)).result == {"to": "all"}
        with pytest.raises(RunNotFound):
            await facade.for_tenant("another").get_run(run.run_id)
        host_driven = await facade.start_run(
            facade.identity(actor_id=1, tenant_id=2, session_id=3), root_role_id="r"
        )
        step = StepSpec("work", "r")
        plain = {"work": scripted(Failed("no"), None)}
        failed = await facade.add_step(host_driven.run_id, step, handlers=plain)
        assert failed.status == "failed"
        assert (await facade.retry_run(host_driven.run_id, handlers=plain)).status == "running"
        assert (await facade.complete_run(host_driven.run_id)).status == "completed"

    asyncio.run(host())


@in_memory
def test_as_many_handlers_wait_as_there_are(begin: Start) -> None:
    """No thread waits for a handler that waits: 200 are at work at once."""
    most, at_work, all_there = 200, 0, asyncio.Event()
    before = threading.active_count()

    async def handler(*_: object) -> None:
        nonlocal at_work
        at_work += 1
        if at_work == most:
            assert threading.active_count() - before <= PARTS_AT_ONCE + 1  # and the heartbeat
            all_there.set()
        await all_there.wait()

    async def host() -> list[RunSummary]:
        return await asyncio.gather(*[begin(handler) for _ in range(most)])

    assert {run.status for run in asyncio.run(host())} == {"completed"}


@in_memory
def test_handlers_run_on_the_loop_of_the_host(begin: Start) -> None:
    """They share its locks, clients and tasks with the host, each as a task of its own."""
    seen: list[object] = []

    async def handler(*_: object) -> None:
        async with lock:
            seen.append((asyncio.get_running_loop(), WHO.get()))
        WHO.set("the handler")
        tasks.append(asyncio.current_task())

    async def host() -> None:
        WHO.set("the host")
        async with lock:
            calls = [asyncio.ensure_future(begin(handler)) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert seen == []
        await asyncio.gather(*calls)
        assert seen == [(asyncio.get_running_loop(), "the host")] * 3
        assert WHO.get() == "the host"
        assert len({*tasks, asyncio.current_task()}) == 4

    lock, tasks = asyncio.Lock(), list[Any]()
    asyncio.run(host())


@pytest.mark.parametrize("raised", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("is_async", [True, False])
@in_memory
def test_what_a_handler_raises_fails_its_step(
    begin: Start, raised: type[BaseException], *, is_async: bool
) -> None:
    """The loop of the host goes on."""

    async def awaited(*_: object) -> None:
        raise raised("bad input")

    async def host() -> RunSummary:
        return await begin(awaited if is_async else scripted(raised("bad input")))

    assert str(asyncio.run(host()).error) == f"{raised.__name__}: bad input"


@in_memory
def test_a_handler_that_is_called_wrongly_fails_its_step(begin: Start) -> None:
    """One argument too few is an error of the handler, and so is an answer that is none."""

    async def takes_none() -> None:
        raise AssertionError

    async def answers_none(*_: object) -> int:
        return 7

    async def host() -> list[str]:
        return [str((await begin(each)).error) for each in (takes_none, answers_none)]

    first, second = asyncio.run(host())
    assert first.startswith("TypeError")
    assert second.startswith("InvalidPayload")


@in_memory
def test_a_coroutine_is_cancelled_at_its_limit(begin: Start) -> None:
    """Its time limit is that of any handler."""

    async def sleeps(*_: object) -> None:
        await asyncio.sleep(PATIENCE)

    async def host() -> RunSummary:
        return await begin(sleeps, step=StepSpec("work", "r", time_limit=0.05))

    assert str(asyncio.run(host()).error).startswith("TimeLimitExceeded")


@in_memory
def test_a_plain_function_that_returns_a_coroutine_is_awaited_on_the_loop(begin: Start) -> None:
    """It is called in a thread, and its coroutine awaited where the host's are."""

    async def told() -> dict[str, bool]:
        return {"here": asyncio.get_running_loop() is loops[0]}

    loops: list[asyncio.AbstractEventLoop] = []

    async def host() -> RunSummary:
        loops.append(asyncio.get_running_loop())
        return await begin(lambda *_: told())

    assert asyncio.run(host()).status == "completed"


def test_a_cancelled_handler_releases_its_step(facade: AsyncScoria, begin: Start) -> None:
    """The handler ends first; then the step is there for another, and the call is cancelled."""
    events: list[str] = []

    async def handler(*_: object) -> None:
        entered.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            events.append("tidied")
            await asyncio.sleep(0)

    async def host() -> None:
        call = asyncio.ensure_future(begin(handler))
        await entered.wait()
        call.cancel()
        assert await ends(call)
        assert events == ["tidied"]
        step = await only_step(facade)
        assert (step.status, step.attempt) == ("queued", 2)
        again = await facade.run_pending(handlers={"work": scripted(None)})
        assert [run.status for run in again] == ["completed"]

    entered = asyncio.Event()
    asyncio.run(host())


@in_memory
def test_a_cancelled_handler_that_answers_is_heard(facade: AsyncScoria, begin: Start) -> None:
    """It has done its work, and would do it twice."""

    async def handler(*_: object) -> dict[str, bool]:
        entered.set()
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            return {"all the same": True}
        return {}

    async def host() -> None:
        call = asyncio.ensure_future(begin(handler))
        await entered.wait()
        call.cancel()
        assert await ends(call)
        assert (await only_step(facade)).result == {"all the same": True}

    entered = asyncio.Event()
    asyncio.run(host())


@in_memory
def test_a_plain_handler_is_waited_for(facade: AsyncScoria, begin: Start) -> None:
    """Nothing breaks it off: its answer is recorded, and then the call is cancelled."""
    entered, go = threading.Event(), threading.Event()

    def handler(*_: object) -> dict[str, bool]:
        entered.set()
        go.wait(PATIENCE)
        return {"done": True}

    async def host() -> None:
        call = asyncio.ensure_future(begin(handler))
        await asyncio.to_thread(entered.wait, PATIENCE)
        call.cancel()
        await asyncio.sleep(0.05)
        assert not call.done()
        go.set()
        assert await ends(call)
        assert (await only_step(facade)).result == {"done": True}

    asyncio.run(host())


@in_memory
def test_who_cancels_twice_does_not_wait(facade: AsyncScoria, begin: Start) -> None:
    """The call ends at once; what is under way is recorded when it has ended."""
    entered, go = threading.Event(), threading.Event()

    def handler(*_: object) -> dict[str, bool]:
        entered.set()
        go.wait(PATIENCE)
        return {"done": True}

    async def host() -> None:
        call = asyncio.ensure_future(begin(handler))
        await asyncio.to_thread(entered.wait, PATIENCE)
        call.cancel()
        await asyncio.sleep(0)
        call.cancel()
        assert await ends(call)
        assert (await only_step(facade)).status == "running"
        go.set()
        while (await only_step(facade)).status == "running":
            await asyncio.sleep(0.01)
        assert (await only_step(facade)).result == {"done": True}

    asyncio.run(host())


class SlowStore:
    """A store whose next write waits until it is let go."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self.entered, self.go = threading.Event(), threading.Event()

    def create(self, *args: Any, **more: Any) -> Any:
        """Create a run, in due time."""
        self.entered.set()
        self.go.wait(PATIENCE)
        return self._store.create(*args, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@in_memory
def test_a_cancelled_call_finishes_the_commit_under_way(
    store: RunStore, identity: Identity
) -> None:
    """What is being stored is stored, no handler is called, and what was claimed is released."""
    slow, handler = SlowStore(store), scripted()
    facade = AsyncScoria(slow)

    async def host() -> None:
        more: Any = {"root_role_id": "r", "initial_step": WORK, "handlers": {"work": handler}}
        call = asyncio.ensure_future(facade.start_run(identity, **more))
        await asyncio.to_thread(slow.entered.wait, PATIENCE)
        call.cancel()
        await asyncio.sleep(0.05)
        assert not call.done()
        slow.go.set()
        assert await ends(call)
        assert (await only_step(facade)).status == "queued"

    asyncio.run(host())
    assert handler.steps == []


@in_memory
def test_a_call_that_is_cancelled_before_it_begins_stores_nothing(
    facade: AsyncScoria, begin: Start
) -> None:
    """It leaves no trace."""

    async def host() -> None:
        call = asyncio.ensure_future(begin(scripted()))
        call.cancel()
        assert await ends(call)
        assert not await facade.list_runs()

    asyncio.run(host())


@in_memory
def test_a_handler_decides_nothing_and_closes_nothing(
    facade: AsyncScoria, begin: Start, identity: Identity
) -> None:
    """What a handler may not do on `Scoria` it may not do here."""
    refused: list[type] = []

    async def handler(_: Step, run: RunSummary) -> None:
        for call in (
            facade.close(),
            facade.approve(run.run_id, approval_id="a", decided_by="me"),
        ):
            try:
                await call
            except (CloseRefused, DecisionRefused) as error:
                refused.append(type(error))
        nested = {"work": scripted(None)}
        more: Any = {"root_role_id": "r", "initial_step": WORK, "handlers": nested}
        assert (await facade.start_run(identity, **more)).status == "completed"

    async def host() -> RunSummary:
        return await begin(handler)

    assert asyncio.run(host()).status == "completed"
    assert refused == [CloseRefused, DecisionRefused]


def test_closing_waits_for_what_calls_that_are_cancelled_give_back(
    identity: Identity, tmp_path: Path
) -> None:
    """A server that stops cancels all of its requests, and closes the store in the same moment."""
    url, count = f"sqlite:///{tmp_path / 'stopped.sqlite'}", 2 * PARTS_AT_ONCE

    async def stop() -> None:
        at_work = asyncio.Semaphore(0)

        async def hangs(_: Step, __: RunSummary) -> None:
            at_work.release()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.1)  # says goodbye to a service

        scoria = await AsyncScoria.open(url, handlers={"work": hangs})
        calls = [
            asyncio.ensure_future(
                scoria.start_run(identity, root_role_id="executor", initial_step=WORK)
            )
            for _ in range(count)
        ]
        for _ in calls:
            await asyncio.wait_for(at_work.acquire(), PATIENCE)
        for call in calls:
            call.cancel()
        await scoria.close()
        assert all(call.cancelled() for call in calls)

    asyncio.run(stop())
    with Scoria.open(url) as reopened:
        assert len(reopened.list_pending(limit=2 * count)) == count


def test_a_store_is_opened_and_closed_without_blocking(identity: Identity) -> None:
    """`open` and `close` are awaited, and after that there is nothing to ask."""

    async def host() -> None:
        async with await AsyncScoria.open("memory://") as facade:
            await facade.for_tenant(identity.tenant_id).close()
            assert await facade.start_run(identity, root_role_id="r")
        with pytest.raises(StoreUnavailable, match="AsyncScoria is closed"):
            await facade.list_runs()
        with pytest.raises(StoreUnavailable):
            await AsyncScoria.open("nonsense://")
        with pytest.raises(TypeError, match="did you mean 'lease'"):
            await AsyncScoria.open("memory://", leese=3)  # type: ignore[call-arg]

    asyncio.run(host())


@in_memory
def test_steps_of_threads_run_async_handlers_on_the_loop(
    store: RunStore, identity: Identity
) -> None:
    """With `dispatch="thread"` the call is answered first, and close waits for the rest."""
    seen: list[asyncio.AbstractEventLoop] = []

    async def handler(*_: object) -> None:
        await go.wait()
        seen.append(asyncio.get_running_loop())

    facade = AsyncScoria(store, dispatch="thread", handlers={"work": handler})

    async def host() -> asyncio.AbstractEventLoop:
        run = await facade.start_run(identity, root_role_id="r", initial_step=WORK)
        assert run.status == "running"
        go.set()
        while (await facade.get_run(run.run_id)).status != "completed":
            await asyncio.sleep(0.01)
        return asyncio.get_running_loop()

    go = asyncio.Event()
    assert [asyncio.run(host())] == seen


@in_memory
def test_a_host_whose_loop_ends_leaves_its_steps_to_others(
    store: RunStore, identity: Identity
) -> None:
    """A handler that a thread waits for is broken off with the loop, and its step released."""

    async def handler(*_: object) -> None:
        entered.set()
        await asyncio.sleep(PATIENCE)

    facade = AsyncScoria(store, dispatch="thread", handlers={"work": handler})

    async def host() -> None:
        await facade.start_run(identity, root_role_id="r", initial_step=WORK)
        await entered.wait()
        facade.stop()

    entered = asyncio.Event()
    asyncio.run(host())
    assert facade.sync._scheduler.threads.shutdown(PATIENCE) == 0
    (run,) = facade.sync.list_runs()
    assert facade.sync.get_run_detail(run.run_id).steps[0].status == "queued"


@in_memory
def test_the_sync_facade_of_the_same_runs(
    facade: AsyncScoria, identity: Identity, begin: Start
) -> None:
    """In a thread it runs async handlers on the loop; on the loop itself it refuses them."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def handler(*_: object) -> None:
        loops.append(asyncio.get_running_loop())

    more: Any = {"root_role_id": "r", "initial_step": WORK, "handlers": {"work": handler}}
    early = facade.sync.start_run(identity, **more)
    assert "await a call of the AsyncScoria first" in str(early.error)

    async def host() -> None:
        await begin(handler)
        run = await asyncio.to_thread(facade.sync.start_run, identity, **more)
        assert run.status == "completed"
        with pytest.raises(AsyncHandlerRefused):
            facade.sync.start_run(identity, **more)
        assert loops == [asyncio.get_running_loop()] * 2

    asyncio.run(host())


def test_ctrl_c_releases_the_step_of_an_async_host(tmp_path: Any) -> None:
    """`asyncio.run` cancels the call, and the step is there for another."""
    program = textwrap.dedent("""
        import asyncio, os, signal, sys
        from scoria_core import AsyncScoria, StepSpec
        async def handler(step, run):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(30)
        async def main():
            async with await AsyncScoria.open(sys.argv[1]) as scoria:
                who = scoria.identity(actor_id=1, tenant_id=1, session_id=1)
                await scoria.start_run(
                    who, root_role_id="r", initial_step=StepSpec("work", "r"),
                    handlers={"work": handler},
                )
        asyncio.run(main())
    """)
    url = f"sqlite:///{tmp_path}/store"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, url],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert ended.stderr.rstrip().endswith("KeyboardInterrupt")
    assert ended.returncode in (-signal.SIGINT, 128 + signal.SIGINT, 1)
    with Scoria.open(url) as scoria:
        (run,) = scoria.list_runs()
        assert scoria.get_run_detail(run.run_id).steps[0].attempt == 2
        assert scoria.get_run_detail(run.run_id).journal[-1].type == "step_released"
