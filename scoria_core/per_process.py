"""Makes an object once in each process, so that a store is opened after a fork and not before."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from scoria_core.errors import InvalidPayload

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A callable that calls `make` once in each process, and returns what it made there.

    A server that forks its workers may import the host before the fork (gunicorn with `--preload`):
    the store is then opened in each worker, by its first request. All threads of a process get the
    same object. If `make` raises, the caller gets the exception, and the next call tries again.
    Raises `InvalidPayload` if `make` is not callable.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        if not callable(make):
            problem = f"is {type(make).__name__}; pass what opens it: lambda: Scoria.open(URL)"
            raise InvalidPayload("make", problem)
        self._make = make
        # What the parent made is kept: dropping it could close a connection that the parent uses.
        self._made: dict[int, T] = {}
        self._locks: dict[int, threading.Lock] = {}

    def __call__(self) -> T:
        """Return what this process made."""
        process = os.getpid()
        # A lock for each process: one from before the fork may be held by a thread of the parent.
        with self._locks.setdefault(process, threading.Lock()):
            if process not in self._made:
                self._made[process] = self._make()
            return self._made[process]
