"""Renews the claims of the steps that handlers of this process work on.

A claim lasts for its lease. While its handler runs, one thread renews it; when the process dies,
nothing renews it, and after the lease another may take the step. A handler that returns within a
fraction of its lease is never renewed.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import attrs

from scoria_core.leases import Lease
from scoria_core.logs import about, logger_of

logger = logger_of("scoria")

RENEWALS_PER_LEASE = 4
"""How often a lease is renewed within its length: one or two renewals may be late."""

LIMIT_RETRY = 1.0
"""How many seconds pass, at most, before the store is asked again to fail a step past its limit."""

_IDLE_SECONDS = 5.0
"""How many seconds the thread waits at most while steps are carried out and none is renewed."""


@attrs.define(eq=False)
class Renewal:
    """One attempt of a step in this process: when to renew its claim, and when it is overdue."""

    key: tuple[str, str, int]
    every: float
    renew: Callable[[], bool]
    overdue: Callable[[], bool]
    renew_at: float
    """When to renew next, on the monotonic clock; never where it is infinite."""

    limit_at: float = math.inf
    """When the handler has been at work for too long."""

    @property
    def wakes_at(self) -> float:
        """When the heartbeat has something to do for it."""
        return min(self.renew_at, self.limit_at)

    def extend_limit(self, seconds: float) -> None:
        """Extend the time limit: the event loop is already cancelling the handler."""
        self.limit_at += seconds

    def stop(self) -> None:
        """Stop renewing: the claim is lost."""
        self.renew_at = self.limit_at = math.inf


class Heartbeat:
    """One thread that renews claims, and fails steps that exceed their time limit.

    The thread runs while steps are carried out, and ends when none is.
    """

    def __init__(self) -> None:
        self._renewals: set[Renewal] = set()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._users: dict[object, Callable[[], object]] = {}
        self._stops = 0
        self._wakes_at = math.inf

    @contextmanager
    def running(self, lease: Lease, give_back: Callable[[], object] = bool) -> Iterator[None]:
        """Keep the thread running within this block, if the system can start one.

        `give_back` releases what is claimed within it.
        """
        user = object()
        try:  # around all of it: an interrupt after add() still removes the user
            with self._lock:
                self._users[user] = give_back
                self._wake(time.monotonic() + lease.seconds / RENEWALS_PER_LEASE)
                if self._stops:
                    self._changed.notify_all()
            yield
        finally:
            with self._lock:
                self._users.pop(user, None)

    @contextmanager
    def renewing(
        self,
        key: tuple[str, str, int],
        lease: Lease,
        renew: Callable[[], bool],
        time_limit: float | None = None,
        overdue: Callable[[], bool] = bool,
    ) -> Iterator[Renewal]:
        """Renew a claim within this block, until `renew` returns False because the claim is lost.

        `key` is the run, the step and its attempt. `overdue` is called after `time_limit` seconds,
        and repeatedly until it returns True because it has failed the step.
        """
        now, every = time.monotonic(), lease.seconds / RENEWALS_PER_LEASE
        renewal = Renewal(key, every, renew, overdue, now + every)
        if time_limit is not None:
            renewal.limit_at = now + time_limit
        try:
            with self._lock:
                self._renewals.add(renewal)
                self._wake(renewal.wakes_at)
            yield renewal
        finally:
            with self._lock:
                self._renewals.discard(renewal)

    def is_renewing(self, key: tuple[str, str, int]) -> bool:
        """Tell whether a handler of this process is running that attempt of a step."""
        with self._lock:
            return any(renewal.key == key for renewal in self._renewals)

    def is_running(self) -> bool:
        """Tell whether there is a thread to renew claims.

        Without one nothing may be claimed: nobody would renew the claim, and another would carry
        the step out while its handler is at work.
        """
        return self._thread is not None

    def give_back(self) -> None:
        """Release every step that this process has claimed, though its handler may be at work.

        The process must end at once: another may take the step.
        """
        with self._lock:
            claims = [*self._users.values()]
        for give_back in claims:
            give_back()

    def is_active(self) -> bool:
        """Tell whether a handler of this process is running."""
        return bool(self._renewals)

    def stop_if_idle(self) -> None:
        """End the thread now if no step is being carried out."""
        with self._lock:
            thread = self._thread
            if thread is None or thread is threading.current_thread():
                return
            # While this is set the thread does not sleep, so that it soon sees that it is idle.
            self._stops += 1
            self._changed.notify_all()
            while self._thread is thread and not self._users:
                self._changed.wait()
            self._stops -= 1
            ended = self._thread is not thread
        if ended:
            thread.join()

    def _wake(self, wakes_at: float) -> None:
        """Make the thread wake up no later than `wakes_at`; start it if it is not running."""
        if self._thread is not None:
            if wakes_at < self._wakes_at:
                self._wakes_at = wakes_at
                self._changed.notify_all()
            return
        # The caller holds the lock, so the new thread waits in `_is_needed` until this returns.
        thread = threading.Thread(target=self._beat, name="scoria-heartbeat", daemon=True)
        self._wakes_at = wakes_at
        try:
            thread.start()
        except RuntimeError:
            return  # the next step tries again
        self._thread = thread

    def _beat(self) -> None:
        try:
            while self._is_needed():
                self._attend_all()
        finally:
            # Whatever ended it: the next claim starts another thread, which renews what is left.
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None
                    self._changed.notify_all()

    def _is_needed(self) -> bool:
        """Wait for something to do; return False when nobody needs the thread any more."""
        with self._lock:
            if not self._stops:
                self._changed.wait(self._patience())
            if self._users or self._renewals:
                return True
            self._thread = None
            self._changed.notify_all()
            return False

    def _attend_all(self) -> None:
        with self._lock:
            now = time.monotonic()
            due = [renewal for renewal in self._renewals if renewal.wakes_at <= now]
        # Not under the lock: a slow store must not keep steps from starting and ending.
        for renewal in due:
            self._attend(renewal)
        with self._lock:
            self._wakes_at = min(
                (renewal.wakes_at for renewal in self._renewals), default=now + _IDLE_SECONDS
            )

    def _patience(self) -> float:
        return min(max(self._wakes_at - time.monotonic(), 0.0), threading.TIMEOUT_MAX)

    def _attend(self, renewal: Renewal) -> None:
        """Fail a step that exceeds its time limit; otherwise renew its claim if that is due."""
        now = time.monotonic()
        if renewal.limit_at <= now:
            if self._answer(renewal, renewal.overdue, otherwise=False):
                renewal.stop()
                return
            renewal.limit_at = now + min(renewal.every, LIMIT_RETRY)
        if renewal.renew_at > now:
            return
        if self._answer(renewal, renewal.renew, otherwise=True):
            renewal.renew_at = time.monotonic() + renewal.every
            return
        renewal.stop()
        with self._lock:
            is_at_work = renewal in self._renewals
        if is_at_work:  # a handler that has returned meanwhile may have recorded its result
            logger.warning(
                "step %s of run %s was taken from its handler, which is still at work: its "
                "result will not be recorded",
                renewal.key[1],
                renewal.key[0],
                extra=_about(renewal),
            )

    def _answer(self, renewal: Renewal, call: Callable[[], bool], *, otherwise: bool) -> bool:
        """Return the result of a call to the store, or `otherwise` if it raises."""
        try:
            return call()
        except BaseException:
            # The store may be back before the lease ends. Nothing may end this thread.
            logger.warning(
                "the store failed while step %s of run %s was to be renewed or ended",
                renewal.key[1],
                renewal.key[0],
                exc_info=True,
                extra=_about(renewal),
            )
            return otherwise


def _about(renewal: Renewal) -> Mapping[str, object]:
    run_id, step_id, attempt = renewal.key
    return about(run_id=run_id, step_id=step_id, attempt=attempt)


HEARTBEAT = Heartbeat()
"""The heartbeat of this process; there is one."""


def _after_fork() -> None:
    # The handlers go on in the parent, and so does the thread that renews their leases.
    HEARTBEAT.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
