"""The steps that handlers of this process are at work on, and the heart that keeps them.

A claim holds for the length of its lease. While its handler runs, the heart renews it; when the
process dies the heart stops with it, and whoever looks after the lease has ended may give the
step to another. A handler that returns within a fraction of its lease is never renewed.
"""

import math
import os
import threading
import time
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


_IDLE_SECONDS = 5.0
"""How long the heart waits for the next step before its thread ends."""


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


@attrs.define(eq=False)
class Hold:
    """A step that a handler of this process is at work on, and what the heart does for it."""

    key: tuple[str, str, int]
    every: float
    renew: Callable[[], bool]
    overdue: Callable[[], bool]
    beat_at: float
    """When to renew next, on the monotonic clock; never where it is infinite."""

    limit_at: float = math.inf
    """When the handler has been at work for too long."""

    @property
    def wakes_at(self) -> float:
        """When the heart has something to do for it."""
        return min(self.beat_at, self.limit_at)

    def put_off(self, seconds: float) -> None:
        """Give the handler so much longer, as something else breaks it off."""
        self.limit_at += seconds

    def let_go(self) -> None:
        """Do nothing more for it: the claim is lost."""
        self.beat_at = self.limit_at = math.inf


class Heart:
    """Renews what is held and ends what takes too long, from one thread.

    The thread runs while steps are carried out, and ends when it finds that none are.
    """

    def __init__(self) -> None:
        self._holds: set[Hold] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._users: set[object] = set()
        self._rests = 0
        self._wakes_at = math.inf

    @contextmanager
    def beating(self, lease: Lease) -> Iterator[bool]:
        """Yield whether the heart beats, and keep it beating meanwhile.

        It does not where the system gives no thread for it. Then nothing may be claimed: nobody
        would renew the claim, and another would carry the step out while its handler is at work.
        """
        user = object()
        try:  # around all of it: an interrupt anywhere leaves nobody behind
            with self._changed:
                self._users.add(user)
                beats = self._wake(time.monotonic() + lease.seconds / BEATS_PER_LEASE)
                if self._rests:
                    self._changed.notify_all()
            yield beats
        finally:
            with self._changed:
                self._users.discard(user)

    @contextmanager
    def holding(
        self,
        key: tuple[str, str, int],
        lease: Lease,
        renew: Callable[[], bool],
        time_limit: float | None = None,
        overdue: Callable[[], bool] = bool,
    ) -> Iterator[Hold]:
        """Renew until left, or until `renew` says False: the claim is lost.

        `key` is the run, the step and its attempt. `overdue` is called after `time_limit` seconds,
        and again until it says that it has ended the step.
        """
        now, every = time.monotonic(), lease.seconds / BEATS_PER_LEASE
        hold = Hold(key, every, renew, overdue, now + every)
        if time_limit is not None:
            hold.limit_at = now + time_limit
        try:
            with self._changed:
                self._holds.add(hold)
                self._wake(hold.wakes_at)
            yield hold
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
        """End the thread now if nothing is carried out."""
        with self._changed:
            thread = self._thread
            if thread is None or thread is threading.current_thread():
                return
            self._rests += 1
            self._changed.notify_all()
            while self._thread is thread and not self._users:
                self._changed.wait()
            self._rests -= 1
            ended = self._thread is not thread
        if ended:
            thread.join()

    def _wake(self, wakes_at: float) -> bool:
        """Have the thread look again no later than that, and tell whether there is one."""
        if self._thread is not None:
            if wakes_at < self._wakes_at:
                self._wakes_at = wakes_at
                self._changed.notify_all()
            return True
        thread = threading.Thread(target=self._beat, name="scoria-heart", daemon=True)
        self._wakes_at = wakes_at
        try:
            thread.start()
        except RuntimeError:
            return False  # the next step tries again
        self._thread = thread
        return True

    def _beat(self) -> None:
        while True:
            with self._changed:
                if not self._rests:
                    self._changed.wait(self._patience())
                if not self._users and not self._holds:
                    self._thread = None
                    self._changed.notify_all()
                    return
                now = time.monotonic()
                due = [hold for hold in self._holds if hold.wakes_at <= now]
            for hold in due:
                self._attend(hold)
            with self._changed:
                self._wakes_at = min(
                    (hold.wakes_at for hold in self._holds), default=now + _IDLE_SECONDS
                )

    def _patience(self) -> float:
        return min(max(self._wakes_at - time.monotonic(), 0.0), threading.TIMEOUT_MAX)

    def _attend(self, hold: Hold) -> None:
        try:
            if hold.limit_at <= time.monotonic() and hold.overdue():
                hold.let_go()
                return
            self._renew(hold)
        except Exception:
            # The store may be back before the lease ends; the next beat tries again.
            logger.warning("the lease of step %s was not renewed", hold.key[1], exc_info=True)
        hold.beat_at = time.monotonic() + hold.every
        if hold.limit_at <= time.monotonic():
            hold.limit_at = hold.beat_at

    def _renew(self, hold: Hold) -> None:
        kept = hold.renew()
        if not kept:
            hold.let_go()


HEART = Heart()
"""The one heart of this process."""


def _after_fork() -> None:
    # The handlers go on in the parent, and so does the thread that renews their leases.
    HEART.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
