"""The steps that handlers of this process are at work on, and the heart that keeps them.

A claim holds for the length of its lease. While its handler runs, the heart renews it; when the
process dies the heart stops with it, and whoever looks after the lease has ended may give the
step to another. A handler that returns within a fraction of its lease is never renewed.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import attrs

from scoria_core.errors import InvalidPayload, shown
from scoria_core.logs import logger_of
from scoria_core.payloads import checked_name

logger = logger_of("scoria")

MAX_SECONDS = 86_400
"""The longest lease: one day."""

BEATS_PER_LEASE = 4
"""How often a lease is renewed within its length: one or two beats may be late."""


@attrs.frozen
class Lease:
    """For how many seconds a claim holds without a word, and who holds it, where it has a name."""

    seconds: float = 60.0
    worker_id: str | None = None

    @property
    def length(self) -> timedelta:
        """How long the claim holds without a word."""
        return timedelta(seconds=self.seconds)


def checked_lease(seconds: object, worker_id: object) -> Lease:
    """Return the lease, or raise `InvalidPayload` naming `lease` or `worker_id`."""
    name = None if worker_id is None else checked_name(worker_id, "worker_id")
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 < float(seconds) <= MAX_SECONDS:  # type: ignore[arg-type]
        problem = f"is {shown(seconds)}; pass a number of seconds above 0, at most {MAX_SECONDS}"
        raise InvalidPayload("lease", problem)
    return Lease(float(seconds), name)  # type: ignore[arg-type]


@attrs.frozen(eq=False)
class _Hold:
    key: tuple[str, str, int]
    seconds: float
    renew: Callable[[], bool]


class Heart:
    """Renews what is held, from one thread that ends when there is nothing left to renew."""

    def __init__(self) -> None:
        self._holds: set[_Hold] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._every = 0.0

    @contextmanager
    def holding(
        self, key: tuple[str, str, int], lease: Lease, renew: Callable[[], bool]
    ) -> Iterator[None]:
        """Renew until left, or until `renew` says False: the claim is lost.

        `key` is the run, the step and its attempt.
        """
        hold = _Hold(key, lease.seconds, renew)
        with self._changed:
            self._holds.add(hold)
            self._wake(hold.seconds / BEATS_PER_LEASE)
        try:
            yield
        finally:
            with self._changed:
                self._holds.discard(hold)

    def holds(self, key: tuple[str, str, int]) -> bool:
        """Tell whether a handler of this process is at work on that attempt of a step."""
        with self._changed:
            return any(hold.key == key for hold in self._holds)

    def is_beating(self) -> bool:
        """Tell whether a handler of this process is at work."""
        return bool(self._holds)

    def rest(self) -> None:
        """End the thread now if nothing is held."""
        with self._changed:
            self._changed.notify_all()
            thread = self._thread if not self._holds else None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _wake(self, every: float) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name="scoria-heart", daemon=True)
            self._thread.start()
        elif every < self._every:
            self._changed.notify_all()

    def _beat(self) -> None:
        seen: set[_Hold] = set()
        while True:
            with self._changed:
                if not self._holds:
                    self._thread = None
                    return
                self._every = min(hold.seconds for hold in self._holds) / BEATS_PER_LEASE
                self._changed.wait(self._every)
                # One that came in since the last beat was claimed or renewed a moment ago.
                due, seen = seen & self._holds, set(self._holds)
            for hold in due:
                self._renew(hold)

    def _renew(self, hold: _Hold) -> None:
        try:
            kept = hold.renew()
        except Exception:
            # The store may be back before the lease ends; the next beat tries again.
            logger.warning("the lease of step %s was not renewed", hold.key[1], exc_info=True)
            return
        if not kept:
            with self._changed:
                self._holds.discard(hold)


HEART = Heart()
"""The one heart of this process."""


def _after_fork() -> None:
    # The handlers go on in the parent, and so does the thread that renews their leases.
    HEART.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
