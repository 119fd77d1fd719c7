"""Makes calls of the sync facade from the event loop of a host, without blocking it.

A call is made in parts, each in a thread; between them its handlers are called. A plain handler
runs in a thread too; an async handler is awaited on the loop, and no thread waits for it.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, Never, TypeVar

import attrs

from scoria_core.dispatch import Threads
from scoria_core.errors import StoreUnavailable
from scoria_core.execution import Work, interrupt
from scoria_core.handler_call import HandlerCall
from scoria_core.handlers import is_async

T = TypeVar("T")

PARTS_AT_ONCE = 4
"""How many parts of calls run at once.

They compete with the loop for the interpreter lock: more threads would answer no sooner, and delay
the loop.
"""


class Unfinished(BaseException):
    """Raised by a call when it may have to call handlers; `work` is the rest of the call."""

    def __init__(self, work: Work[Any]) -> None:
        super().__init__()
        self.work = work


def handed_over(work: Work[T]) -> Never:
    """Raise `Unfinished`, which hands the work to whoever made the call."""
    raise Unfinished(work)


class HostLoop:
    """The event loop of a host, and the threads for what would block it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()
        self._threads = Threads(PARTS_AT_ONCE)
        self._under_way: dict[asyncio.Future[None], asyncio.Task[Any] | None] = {}

    def running(self) -> asyncio.AbstractEventLoop:
        """Return the loop that made the latest call."""
        if self._loop is None:
            raise RuntimeError("there is no loop yet: await a call of the AsyncScoria first")
        return self._loop

    def close(self, timeout: float) -> None:
        """Wait, for at most `timeout` seconds, until the parts that have begun are done."""
        self._threads.shutdown(timeout)

    async def done(self, call: Callable[[], T], plain: Threads) -> T:
        """Return what a call of the sync facade returns; `plain` are threads for plain handlers.

        If this is cancelled, it first waits until the present part is done and the claim is
        released. If it is cancelled again, it does not wait.
        """
        self._loop = asyncio.get_running_loop()
        ended = self._loop.create_future()
        self._under_way[ended] = asyncio.current_task()
        try:
            return await _InParts(call, self._threads, plain).done()
        finally:
            del self._under_way[ended]
            ended.set_result(None)

    async def cancelled_ended(self, timeout: float) -> None:
        """Wait until the calls that are being cancelled have released their claims."""
        cancelled = [ended for ended, task in self._under_way.items() if task and task.cancelling()]
        if cancelled:
            await asyncio.wait(cancelled, timeout=timeout)

    async def done_alone(self, call: Callable[[], T]) -> T:
        """Return what a long call without handlers returns; it has a thread of its own."""
        self._loop = asyncio.get_running_loop()
        return await in_a_thread(call)


async def in_a_thread(call: Callable[[], T]) -> T:
    """Return what `call` returns, in a thread of its own; if cancelled, wait until it is done."""
    thread, answers = Threads(1), list[T]()
    future = _future(thread, lambda: answers.append(call()))
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
    finally:
        thread.shutdown(0)
    future.result()
    return answers[0]


@attrs.define(eq=False)
class _InParts(Generic[T]):
    """A call that is made in parts; `_work` is the rest of it, once it has begun."""

    call: Callable[[], T]
    threads: Threads
    plain: Threads
    _work: Work[T] | None = None
    _handler_call: HandlerCall | None = None
    _answers: list[T] = attrs.field(factory=list)
    _part: "asyncio.Future[None] | None" = None
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _is_at_work: bool = False
    _given_up: BaseException | None = None

    async def done(self) -> T:
        """Make the call, and return its answer."""
        try:
            while not self._answers:
                await self._in_thread(self.threads, self._advance)
                if (call := self._handler_call) is None:
                    continue
                if is_async(call.handler):
                    await call.make_async()
                else:
                    await self._in_thread(self.plain, call.make)
        except asyncio.CancelledError as error:
            await self._give_up(error)
            raise
        except StoreUnavailable as error:  # the facade may have been closed between two parts
            self._given_up = error
            self._clean_up()
            raise
        return self._answers[0]

    async def _in_thread(self, threads: Threads, do: Callable[[], None]) -> None:
        self._part = part = _future(threads, lambda: self._do(do))
        await asyncio.wait([part])
        part.result()

    async def _give_up(self, error: BaseException) -> None:
        # Under the lock, so that exactly one of two cleans up: the part, if it is at work, and
        # otherwise this. A part that has not begun then does nothing.
        with self._lock:
            self._given_up, part = error, self._part
            is_at_work = self._is_at_work
        if part is None or not is_at_work:
            part = _future(self.threads, self._clean_up)
        await asyncio.wait([part])

    def _do(self, part: Callable[[], None]) -> None:
        with self._lock:
            if self._given_up is not None:
                return
            self._is_at_work = True
        try:
            part()
        finally:
            with self._lock:
                self._is_at_work = False
                is_given_up = self._given_up is not None
            if is_given_up:
                self._clean_up()

    def _advance(self) -> None:
        if self._work is None:
            try:
                self._answers.append(self.call())
            except Unfinished as unfinished:
                self._work = unfinished.work
            else:
                return
        call, self._handler_call = self._handler_call, None
        try:
            if call is not None:
                call.take()
            self._handler_call = next(self._work)
        except StopIteration as ended:
            self._answers.append(ended.value)
        except BaseException as error:
            interrupt(self._work, error)
            raise

    def _clean_up(self) -> None:
        """Record what its handler has answered, or release the claim."""
        if self._work is None or self._given_up is None:
            return
        with suppress(BaseException):  # the error that it was given up for is raised instead
            if self._handler_call is not None:
                self._handler_call.take()
            interrupt(self._work, self._given_up)


def _future(threads: Threads, call: Callable[[], None]) -> "asyncio.Future[None]":
    future: Future[None] = Future()

    def do() -> None:
        future.set_running_or_notify_cancel()
        try:
            call()
            future.set_result(None)
        except BaseException as error:  # noqa: BLE001 - who waits for it is told
            future.set_exception(error)

    if not threads.submit(do):
        next_move = "open it again; nothing of this call was stored"
        raise StoreUnavailable("AsyncScoria", "is closed", next_move)
    waited = asyncio.wrap_future(future)
    # Reads the exception also if nobody awaits this any more: asyncio would log it as never read.
    waited.add_done_callback(lambda done: done.cancelled() or done.exception())
    return waited
