"""Calls that a signal cannot interrupt half way, for stores.

A signal raises its exception in the main thread, between any two lines: while a lock is held, or
between a write and what is remembered of it. So the main thread lets another thread make such a
call, and waits.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

R = TypeVar("R")


@attrs.define(eq=False)
class _Work(Generic[R]):
    call: Callable[[], R]
    answers: list[R] = attrs.field(factory=list)
    raised: BaseException | None = None
    begun: threading.Lock = attrs.field(factory=threading.Lock)
    done: threading.Lock = attrs.field(factory=threading.Lock)

    def carry_out(self) -> None:
        if not self.begun.acquire(blocking=False):
            return
        try:
            self.answers.append(self.call())
        except BaseException as raised:  # noqa: BLE001 - the caller is told
            self.raised = raised
        finally:
            self.done.release()


def uninterruptible(call: Callable[[], R]) -> R:
    """Return what `call` returns, or raise what it raises.

    If a signal interrupts the main thread while it waits, the call either never starts or always
    finishes; then the interrupt is raised, and the caller does not know the outcome. A second
    interrupt is raised at once, and the call goes on. Any other thread simply makes the call.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    work = _Work(call)
    work.done.acquire()
    thread = threading.Thread(target=work.carry_out, name="scoria-uninterruptible")
    try:
        try:
            thread.start()
        except RuntimeError:
            return call()  # the system gives no thread, or the interpreter is shutting down
        work.done.acquire()
    except BaseException:
        # What is stored is then to be seen by whoever cleans up. It is a lock that is waited for:
        # an interrupted `Thread.join` takes its thread for ended (CPython 3.11 and 3.12).
        if not work.begun.acquire(blocking=False):
            work.done.acquire()
        raise
    thread.join()
    if work.raised is not None:
        raise work.raised
    return work.answers[0]
