"""Calls that a signal cannot break off half way, for stores.

A signal raises in the main thread, between any two lines: in what holds a lock, or between what is
stored and what is kept of it in memory. So the main thread lets another do such work and waits.
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
    done: threading.Lock = attrs.field(factory=threading.Lock)

    def carry_out(self) -> None:
        try:
            self.answers.append(self.call())
        except BaseException as raised:  # noqa: BLE001 - the caller is told
            self.raised = raised
        finally:
            self.done.release()


def shielded(call: Callable[[], R]) -> R:
    """Return what `call` returns, or raise what it raises.

    It comes to its end also where the main thread, which waits for it, is interrupted: the
    interrupt is raised then. A second one is raised at once, and the call goes on without it.
    Whoever was interrupted does not know its outcome. In another thread it is simply called.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    work = _Work(call)
    work.done.acquire()
    try:
        thread = threading.Thread(target=work.carry_out, name="scoria-shielded")
        thread.start()
    except RuntimeError:
        return call()  # the system gives no thread, or the interpreter is shutting down
    try:
        work.done.acquire()
    except BaseException:
        # What is stored is then to be seen by whoever cleans up. It is a lock that is waited for:
        # an interrupted `Thread.join` takes its thread for ended (CPython 3.11 and 3.12).
        work.done.acquire()
        raise
    thread.join()
    if work.raised is not None:
        raise work.raised
    return work.answers[0]
