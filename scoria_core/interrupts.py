"""Tells stops from failures: an exception that a signal handler raised while a step was running.

A stop means that the process was told to end, not that the work failed. The type of the exception
does not tell: a handler may raise `SystemExit` or `KeyboardInterrupt` itself. The traceback does:
Python calls a signal handler on top of whatever the main thread is running, so its frame is in the
traceback. Python handles Ctrl-C in C by default, without a frame; so while a handler runs, it is
handled in Python instead.
"""

# Those of `signal` make an enum of each signal, and take ten times as long for every step.
import _signal  # type: ignore[import-not-found]  # typeshed leaves it out
import functools
import inspect
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

SignalHandlers = frozenset[CodeType]
"""The code of the signal handlers that a process had when a handler was entered."""


def is_stop(raised: BaseException, known: SignalHandlers) -> bool:
    """Tell whether one of the `known` signal handlers raised it.

    A signal handler that the host's handler installed itself, for a timeout of its own, does not
    count.
    """
    frames = {frame.f_code for frame, _ in traceback.walk_tb(raised.__traceback__)}
    return not frames.isdisjoint(known)


@contextmanager
def interrupts_seen() -> Iterator[SignalHandlers]:
    """Make Ctrl-C recognisable to `is_stop` within this block; yield the known signal handlers."""
    if not _is_default():
        yield signal_handlers()
        return
    _signal.signal(_SIGINT, _interrupt)
    try:
        yield signal_handlers()
    finally:
        if _signal.getsignal(_SIGINT) is _interrupt:
            _signal.signal(_SIGINT, signal.default_int_handler)


def is_exiting() -> bool:
    """Tell whether the main thread has ended and the interpreter is waiting for other threads."""
    return not threading.main_thread().is_alive()


def _is_default() -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and _signal.getsignal(_SIGINT) is signal.default_int_handler


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def signal_handlers() -> SignalHandlers:
    """Return the signal handlers that a handler which is entered now can be interrupted by."""
    if threading.current_thread() is not threading.main_thread():
        return frozenset()  # Python calls signal handlers in the main thread only
    found = {_code_of(each) for each in filter(callable, map(_signal.getsignal, _SIGNALS))}
    # The frame of `_interrupt` counts also where its signal has been given to another since.
    return frozenset(code for code in found if code is not None) | {_interrupt.__code__}


_SIGINT = int(signal.SIGINT)
_SIGNALS = tuple(map(int, signal.valid_signals()))


def _code_of(handler: object) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if not inspect.isroutine(handler):
        handler = getattr(handler, "__call__", None)  # noqa: B004 - its method is wanted
    return getattr(getattr(handler, "__func__", handler), "__code__", None)
