"""Who carries out the steps of a facade, and the threads that do it where it is they."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from scoria_core.errors import InvalidPayload, shown


class Dispatch(StrEnum):
    """Who carries out a step, and when."""

    INLINE = "inline"
    """The caller, before the call returns."""

    THREAD = "thread"
    """A thread of the process, after the call has returned."""

    QUEUE = "queue"
    """Whoever calls `run_pending`, in this process or another."""


def checked_dispatch(value: object) -> Dispatch:
    """Return the mode, or raise `InvalidPayload` naming `dispatch`."""
    try:
        return Dispatch(value)  # type: ignore[arg-type]
    except ValueError:
        problem = f"is {shown(value)}; pass one of {', '.join(Dispatch)}"
        raise InvalidPayload("dispatch", problem) from None


class Threads:
    """The threads of one facade, started with the first work they are given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._timers: set[threading.Timer] = set()
        self._finished = False

    def give(self, work: Callable[[], object], wait: float = 0.0) -> None:
        """Have `work` done, now or after `wait` seconds; after `finish` it is left undone."""
        with self._lock:
            if self._finished:
                return
            if wait:
                self._timers = {timer for timer in self._timers if timer.is_alive()}
                timer = threading.Timer(wait, self.give, [work])
                timer.daemon = True
                self._timers.add(timer)
                timer.start()
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(thread_name_prefix="scoria")
            self._pool.submit(work)

    def finish(self) -> None:
        """Return when all that was given has been done; what waits for its time stays queued."""
        with self._lock:
            self._finished = True
            for timer in self._timers:
                timer.cancel()
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
