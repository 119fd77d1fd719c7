"""The event loops on which async handlers run.

What handlers share, such as an HTTP client or a lock, belongs to one event loop. So a process has
one loop for all of its facades, on a thread of its own; with `AsyncScoria` it is the host's loop.
"""

import asyncio
import atexit
import inspect
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

import attrs

CANCEL_GRACE = 5.0
"""How many seconds a coroutine has to end after it was cancelled.

After that it counts as a handler that cannot be interrupted.
"""

_LOOK_EVERY = 1.0
"""How many seconds a thread waits for a coroutine before it checks that the loop still runs."""


class BrokenOff(BaseException):
    """A coroutine was cancelled from outside, or its loop has ended."""


def is_in_a_loop() -> bool:
    """Tell whether an event loop is running in this thread, which the caller would block."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether this thread runs the loop, so that waiting for the loop would never end."""
    return is_in_a_loop() and asyncio.get_running_loop() is loop


@attrs.define(eq=False)
class Awaited:
    """An awaitable that runs as a task, and its outcome; `ended` is set when it has one."""

    awaitable: Awaitable[object]
    ended: threading.Event = attrs.field(factory=threading.Event)
    _answers: list[object] = attrs.field(factory=list)
    _raised: BaseException | None = None
    _task: asyncio.Task[None] | None = None
    _is_cancelled: bool = False

    def begin(self) -> asyncio.Task[None]:
        """Start the task on the running loop; the task itself never raises."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    def cancel(self) -> None:
        """Cancel the task, in the thread of its loop; if it has not started, it never does."""
        self._is_cancelled = True
        if self._task is not None:
            self._task.cancel()

    def result(self) -> object:
        """Return its answer, or raise what it raised; `BrokenOff` if it was cancelled instead."""
        if self._answers:
            return self._answers[0]
        if self._raised is None or self._is_cancelled:
            raise BrokenOff
        raise self._raised

    async def _run(self) -> None:
        try:
            if self._is_cancelled:
                leave(self.awaitable)
            else:
                self._answers.append(await self.awaitable)
        except BaseException as raised:  # noqa: BLE001 - a SystemExit in a task ends its loop
            self._raised = raised
        finally:
            task = asyncio.current_task()
            self._is_cancelled |= task is not None and task.cancelling() > 0
            self.ended.set()


def awaited_on(loop: asyncio.AbstractEventLoop, awaitable: Awaitable[object]) -> object:
    """Await it on the loop of another thread, and return or raise what it does.

    If the caller is interrupted, the awaitable is cancelled and has `CANCEL_GRACE` seconds to end.
    Raises `BrokenOff` if somebody else cancels it, or if the loop ends.
    """
    awaited = Awaited(awaitable)
    try:
        is_told = _tell(loop, awaited.begin)
        while is_told and not awaited.ended.wait(_LOOK_EVERY) and loop.is_running():
            pass
    except BaseException:
        if _tell(loop, awaited.cancel):
            awaited.ended.wait(CANCEL_GRACE)
        raise
    if not awaited.ended.is_set() and not _tell(loop, awaited.cancel):
        leave(awaitable)
    return awaited.result()


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], object]) -> bool:
    """Schedule a call on a loop; return False if the loop is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(what)
        return True
    return False


def leave(awaitable: Awaitable[object]) -> None:
    """Close a coroutine that nobody will await."""
    if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) == "CORO_CREATED":
        awaitable.close()  # or Python warns that nobody has awaited it


class HandlersLoop(Protocol):
    """Where the async handlers of a facade run."""

    def running(self) -> asyncio.AbstractEventLoop:
        """Return the loop, which another thread runs."""
        ...

    def close(self, timeout: float) -> None:
        """End the loop if no other facade uses it, waiting for at most `timeout` seconds."""
        ...


class _Thread:
    """A thread that runs an event loop until `end` is called."""

    def __init__(self) -> None:
        begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(_until_ended(begun)), name="scoria-loop", daemon=True
        )
        self._thread.start()
        self.loop, self._ended = begun.result()

    def is_alive(self) -> bool:
        return self._thread.is_alive() and self.loop.is_running()

    def end(self, timeout: float) -> None:
        """End the loop: its tasks are cancelled, and its asynchronous generators are closed."""
        _tell(self.loop, self._ended.set)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)


async def _until_ended(begun: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
    ended = asyncio.Event()
    begun.set_result((asyncio.get_running_loop(), ended))
    await ended.wait()


class ProcessLoop:
    """The loop of this process, for as long as one of the facades that used it is open.

    Each facade has an object of this class; they share the loop. It starts with the first async
    handler.
    """

    _lock = threading.Lock()
    _users: "WeakSet[ProcessLoop]" = WeakSet()
    _thread: _Thread | None = None

    def running(self) -> asyncio.AbstractEventLoop:
        """Return the loop; start it if no facade has yet."""
        shared = ProcessLoop
        with shared._lock:
            shared._users.add(self)
            if shared._thread is None or not shared._thread.is_alive():
                shared._thread = _Thread()
            return shared._thread.loop

    def close(self, timeout: float = CANCEL_GRACE) -> None:
        """End the loop if no other facade uses it, waiting for at most `timeout` seconds."""
        shared = ProcessLoop
        with shared._lock:
            shared._users.discard(self)
            if shared._users or shared._thread is None:
                return
            thread, shared._thread = shared._thread, None
        thread.end(timeout)


def end_process_loop() -> None:
    """End the loop of this process, also while facades use it: running handlers are cancelled."""
    with ProcessLoop._lock:
        thread, ProcessLoop._thread = ProcessLoop._thread, None
    if thread is not None:
        thread.end(CANCEL_GRACE)


_OF_PARENTS: list[_Thread] = []


def _after_fork() -> None:
    # The loop goes on in the parent. Here nothing may close it: both have the same selector.
    if ProcessLoop._thread is not None:
        _OF_PARENTS.append(ProcessLoop._thread)
    ProcessLoop._lock, ProcessLoop._thread = threading.Lock(), None


atexit.register(end_process_loop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
