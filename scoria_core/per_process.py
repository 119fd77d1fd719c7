"""What each process of a host makes for itself: a store is opened after a fork, and not before."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from scoria_core.errors import InvalidPayload

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Calls `make` in each process that asks, the first time it does, and returns what it made.

    A server that forks its workers may import the host before it does (gunicorn with `--preload`):
    the store is then opened in each worker, by its first request. Threads that ask at once get the
    same. What `make` raises goes to who asked, and the next who asks tries again. Raises
    `InvalidPayload` where `make` cannot be called.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        if not callable(make):
            problem = f"is {type(make).__name__}; pass what opens it: lambda: Scoria.open(URL)"
            raise InvalidPayload("make", problem)
        self._make = make
        # What the parent made is kept: to drop it could close what the parent still uses.
        self._made: dict[int, T] = {}
        self._locks: dict[int, threading.Lock] = {}

    def __call__(self) -> T:
        """Return what this process made."""
        process = os.getpid()
        # A lock of the process itself: one that was forked may be held by a thread that is gone.
        with self._locks.setdefault(process, threading.Lock()):
            if process not in self._made:
                self._made[process] = self._make()
            return self._made[process]
