"""Who carries out the steps of a facade, and the thread pool for dispatch "thread"."""

import atexit
import contextvars
import heapq
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable
from enum import StrEnum

import attrs

from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.interrupts import is_exiting
from scoria_core.logs import logger_of

logger = logger_of("scoria")

MAX_THREADS = 1_000
"""The most threads that one facade may have."""


class Dispatch(StrEnum):
    """Who carries out a step, and when."""

    INLINE = "inline"
    """The caller, before the call returns."""

    THREAD = "thread"
    """A thread of the process, after the call has returned."""

    QUEUE = "queue"
    """Whoever calls `run_pending`, in this process or another."""


def checked_dispatch(value: object) -> Dispatch:
    """Return the dispatch mode, or raise `InvalidPayload` naming `dispatch`."""
    try:
        return Dispatch(value)  # type: ignore[arg-type]
    except ValueError:
        problem = f"is {safe_repr(value)}; pass one of {', '.join(Dispatch)}"
        raise InvalidPayload("dispatch", problem) from None


def checked_threads(value: object, name: str = "threads") -> int:
    """Return a number of threads, or raise `InvalidPayload` naming the argument."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_THREADS:
        raise InvalidPayload(name, f"is {safe_repr(value)}; pass an int from 1 to {MAX_THREADS}")
    return value


@attrs.define(order=True)
class _Work:
    """A scheduled call: when to make it (monotonic clock), and in which context."""

    at: float
    number: int
    call: Callable[[], object] = attrs.field(order=False)
    context: contextvars.Context = attrs.field(order=False, factory=contextvars.copy_context)


class Threads:
    """The thread pool of one facade: at most `most` threads, started when there is work.

    The threads are daemons, so a handler that never returns does not keep the process alive. When
    the interpreter exits, no further call is started and running ones are waited for, unless
    `shutdown` has given up on them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._finished = False
        self._start_anew()
        _ALL.add(self)

    def _start_anew(self) -> None:
        self._changed = threading.Condition()
        self._left: list[_Work] = []
        self._numbers = itertools.count()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._at_work = 0

    def submit(self, call: Callable[[], object], wait: float = 0.0) -> bool:
        """Schedule `call`, now or after `wait` seconds.

        Returns False, and does nothing, after `shutdown` or when the interpreter exits.
        """
        with self._changed:
            if self._finished or is_exiting():
                return False
            heapq.heappush(self._left, _Work(time.monotonic() + wait, next(self._numbers), call))
            if len(self._left) > self._idle and len(self._threads) < self._most:
                self._start_one()
            self._changed.notify()
            return True

    def shutdown(self, timeout: float | None = None, *, drain: bool = True) -> int:
        """Wait until the submitted calls are done, and return how many are still running.

        Calls that wait for their time are dropped; without `drain` so is every call that has not
        started. After `timeout` seconds this returns anyway.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._finished = True
            self._drop(drain=drain)
            self._changed.notify_all()
            while self._at_work or self._left:
                patience = None if until is None else until - time.monotonic()
                if (patience is not None and patience <= 0) or not self._threads:
                    break
                self._changed.wait(patience)
            self._drop(drain=False)
            left, self._at_work = self._at_work, 0
            return left

    def _drop(self, *, drain: bool) -> None:
        now = time.monotonic()
        self._left = [work for work in self._left if drain and work.at <= now]
        heapq.heapify(self._left)

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._live, name="scoria-step", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            if not self._threads:
                # The step is queued in the store; the next work that is given tries again.
                logger.warning("no thread could be started: steps stay queued", exc_info=True)

    def _live(self) -> None:
        changed = self._changed  # another after a fork
        while True:
            with changed:
                work = self._next()
                if work is None:
                    self._threads.discard(threading.current_thread())
                    changed.notify_all()
                    return
                self._at_work += 1
            try:
                work.context.run(work.call)
            except BaseException:
                logger.exception("a thread could not carry out its work")
            finally:
                del work  # what the call refers to must not live until the next one comes
                with changed:
                    self._at_work = max(self._at_work - 1, 0)
                    changed.notify_all()

    def _next(self) -> _Work | None:
        while True:
            wait = self._left[0].at - time.monotonic() if self._left else None
            if is_exiting():
                return None
            if wait is not None and wait <= 0:
                return heapq.heappop(self._left)
            if self._finished:
                return None
            # An idle thread counts as one for the next call, so that `submit` starts no other.
            self._idle += 1
            self._changed.wait(None if wait is None else min(wait, threading.TIMEOUT_MAX))
            self._idle -= 1


_ALL: "weakref.WeakSet[Threads]" = weakref.WeakSet()


def _after_fork() -> None:
    # What the parent was given, the threads of the parent do.
    for threads in list(_ALL):
        threads._start_anew()


def _at_exit() -> None:
    for threads in list(_ALL):
        threads.shutdown(drain=False)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
