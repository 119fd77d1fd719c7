"""The one loop of a process: what its async handlers share, who may call from a loop, its end."""

import asyncio
import contextvars
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from scoria_core import Identity, RunSummary, Scoria
from scoria_core.errors import AsyncHandlerRefused
from scoria_core.event_loop import ProcessLoop
from tests.support.scripted import WORK, in_memory

PATIENCE = 30
"""How many seconds a test waits for what must come."""

WHO = contextvars.ContextVar("WHO", default="nobody")


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what must come."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


def at_once(*calls: Callable[[], object]) -> None:
    """Make calls at once, a thread each."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)


class Client:
    """A client of one server, whose connection belongs to the loop that opened it."""

    def __init__(self) -> None:
        self.connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, server: asyncio.Server) -> str:
        """Send a line and return the answer."""
        if self.connection is None:
            host, port = server.sockets[0].getsockname()
            self.connection = await asyncio.open_connection(host, port)
        reader, writer = self.connection
        writer.write(b"ping\n")
        return (await reader.readline()).decode().strip()


@in_memory
def test_handlers_share_a_client(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """What one call opened, the next one uses: a connection, and the task that serves it."""
    client, servers = Client(), list[asyncio.Server]()

    async def serves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.replace(b"i", b"o"))
        writer.close()

    async def handler(*_: object) -> dict[str, str]:
        if not servers:
            servers.append(await asyncio.start_server(serves, "127.0.0.1", 0))
        return {"said": await client.ask(servers[0])}

    async def tidies(*_: object) -> None:
        assert client.connection is not None
        client.connection[1].close()
        servers[0].close()

    runs = [start(handler), start(handler), start(handler), start(tidies)]
    assert [run.status for run in runs] == ["completed"] * 4
    assert scoria.get_run_detail(runs[2].run_id).steps[0].result == {"said": "pong"}


@in_memory
def test_handlers_contend_for_a_lock(start: Callable[..., RunSummary]) -> None:
    """Calls of several threads, and a task that a handler left behind, take turns."""
    lock, most, at_work, left = asyncio.Lock(), 0, 0, list[asyncio.Task[None]]()

    async def works() -> None:
        nonlocal most, at_work
        async with lock:
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0.01)
            at_work -= 1

    async def handler(*_: object) -> None:
        left.append(asyncio.get_running_loop().create_task(works()))
        await works()

    async def waits(*_: object) -> None:
        await asyncio.gather(*left)

    at_once(*[lambda: start(handler)] * 5)
    assert start(waits).status == "completed"
    assert most == 1


@in_memory
def test_a_handler_sees_what_its_caller_set(start: Callable[..., RunSummary]) -> None:
    """The context variables of the call are those of its handler, and stay the caller's own."""
    seen: list[str] = []

    async def handler(*_: object) -> None:
        seen.append(WHO.get())
        WHO.set("the handler")

    token = WHO.set("the caller")
    start(handler)
    assert (seen, WHO.get()) == (["the caller"], "the caller")
    WHO.reset(token)


async def never_called(*_: object) -> None:
    """Be called nonetheless."""
    raise AssertionError


class Called:
    """A handler that is an object."""

    async def __call__(self, *_: object) -> None:
        """Be called nonetheless."""
        raise AssertionError


@pytest.mark.parametrize("handler", [never_called, Called()])
@pytest.mark.parametrize("call", ["start_run", "add_step", "run_pending", "resume_run"])
@in_memory
def test_an_async_handler_is_refused_within_a_loop(
    scoria: Scoria, identity: Identity, handler: Any, call: str
) -> None:
    """Every call that may carry out steps refuses it, changes nothing, and names the way on."""
    run = scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    before = scoria.get_run_detail(run.run_id)
    arguments: tuple[Any, ...] = (run.run_id, WORK) if call == "add_step" else (run.run_id,)
    more: dict[str, Any] = {}
    if call == "start_run":
        arguments, more = (identity,), {"root_role_id": "r", "initial_step": WORK}

    async def host() -> None:
        with pytest.raises(AsyncHandlerRefused) as refused:
            getattr(scoria, call)(*arguments, handlers={"work": handler}, **more)
        assert str(refused.value) == (
            "handlers['work'] is async, and this call blocks the event loop that is running here; "
            "await the call of an AsyncScoria, or make this one in a thread: asyncio.to_thread"
        )

    asyncio.run(host())
    assert len(scoria.list_runs()) == 1
    assert scoria.get_run_detail(run.run_id) == before


@in_memory
def test_what_turns_out_to_be_async_within_a_loop_fails_its_step(
    start: Callable[..., RunSummary],
) -> None:
    """A plain function that returns a coroutine cannot be told before; the loop is not blocked."""

    async def host() -> RunSummary:
        return start(lambda *_: never_called())

    run = asyncio.run(host())
    assert run.error is not None
    assert run.error.type == "AsyncHandlerRefused"


@in_memory
def test_a_call_in_a_thread_of_an_async_host_awaits(start: Callable[..., RunSummary]) -> None:
    """Nothing is blocked but that thread."""

    async def handler(*_: object) -> None:
        await asyncio.sleep(0)

    async def host() -> RunSummary:
        return await asyncio.to_thread(start, handler)

    assert asyncio.run(host()).status == "completed"


@pytest.mark.parametrize("dispatch", ["queue", "thread"])
@in_memory
def test_who_only_queues_within_a_loop_is_not_refused(
    make_scoria: Callable[..., Scoria], identity: Identity, dispatch: str
) -> None:
    """The handler does not run in that call."""

    async def handler(*_: object) -> None:
        await asyncio.sleep(0)

    scoria = make_scoria(dispatch=dispatch, handlers={"work": handler})

    async def host() -> RunSummary:
        return scoria.start_run(identity, root_role_id="r", initial_step=WORK)

    run_id = asyncio.run(host()).run_id
    if dispatch == "queue":
        scoria.run_pending(run_id)
    until(lambda: scoria.get_run(run_id).status == "completed")


def loops() -> list[threading.Thread]:
    """Return the threads that run a loop of the kit."""
    return [thread for thread in threading.enumerate() if thread.name == "scoria-loop"]


def test_the_loop_ends_with_the_last_facade_that_used_it(identity: Identity) -> None:
    """There is one for all facades of a process; what handlers left on it is cancelled."""
    ProcessLoop._users.clear()
    ProcessLoop().close()
    ended: list[str] = []

    async def stays() -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.append("cancelled")

    async def handler(*_: object) -> None:
        tasks.append(asyncio.get_running_loop().create_task(stays()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    first, second, unused = (Scoria.open("memory://") for _ in range(3))
    assert loops() == []
    for facade in (first, second, first.for_tenant(identity.tenant_id)):
        facade.start_run(identity, root_role_id="r", initial_step=WORK, handlers={"work": handler})
    assert len(loops()) == 1
    for facade in (first.for_tenant(identity.tenant_id), first, unused):
        facade.close()
    assert (len(loops()), ended) == (1, [])
    second.close()
    assert (loops(), ended) == ([], ["cancelled"] * 3)
    with Scoria.open("memory://") as third:
        more: Any = {"root_role_id": "r", "initial_step": WORK, "handlers": {"work": handler}}
        assert third.start_run(identity, **more).status == "completed"
    assert loops() == []


@in_memory
def test_a_task_that_ends_the_loop_ends_no_process(
    start: Callable[..., RunSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stray `SystemExit` ends the loop: who is at work is released, and the next has another."""
    raised: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda of: raised.append(of.exc_type))

    async def exits() -> None:
        raise SystemExit("a stray task")

    async def handler(*_: object) -> None:
        strays.append(asyncio.get_running_loop().create_task(exits()))
        await asyncio.sleep(PATIENCE)

    strays: list[asyncio.Task[None]] = []
    assert start(handler).status == "running"
    until(lambda: raised == [SystemExit])
    assert isinstance(strays[0].exception(), SystemExit)

    async def works(*_: object) -> None:
        await asyncio.sleep(0)

    assert start(works).status == "completed"


def script(program: str) -> subprocess.CompletedProcess[str]:
    """Run a host that handles a step with `handler`, as a process of its own."""
    head = textwrap.dedent("""
        import asyncio, os, sys, threading, time
        from scoria_core import Scoria, StepSpec
        async def handler(step, run):
            await asyncio.sleep(0)
        def begin(scoria):
            who = scoria.identity(actor_id=1, tenant_id=1, session_id=1)
            return scoria.start_run(who, root_role_id="r", initial_step=StepSpec("work", "r"))
    """)
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", head + textwrap.dedent(program)],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_a_loop_of_its_own() -> None:
    """Both go on, and neither takes anything from the other."""
    ended = script("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork, from 3.12 on
        scoria = Scoria.open("memory://", handlers={"work": handler})
        assert begin(scoria).status == "completed"
        child = os.fork()
        assert begin(scoria).status == "completed"
        scoria.close()
        if not child:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_process_that_ends_without_closing_says_nothing() -> None:
    """The loop is closed when the interpreter exits."""
    ended = script("""
        scoria = Scoria.open("memory://", handlers={"work": handler})
        assert begin(scoria).status == "completed"
    """)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_handler_that_waits_does_not_keep_its_process_once_closing_gave_up() -> None:
    """`close(timeout)` ends the loop, too: who waits on it is broken off."""
    ended = script("""
        entered = threading.Event()
        async def waits(step, run):
            entered.set()
            await asyncio.sleep(300)
        scoria = Scoria.open("memory://", dispatch="thread", handlers={"work": waits})
        begin(scoria)
        entered.wait(30)
        scoria.close(timeout=0.1)
    """)
    assert ended.returncode == 0
    assert "closed with 1 steps at work" in ended.stderr
