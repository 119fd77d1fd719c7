"""Group commit, for stores: concurrent writes of several threads are stored in one commit.

A commit costs far more than the writes in it. A single write is committed at once; writes that
arrive during a commit are stored together by the next one. Threads that write in a loop would split
into two groups that take turns. So the thread that is about to commit waits for as many writes as
the last commit had, but no longer than half the time that it took.
"""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Generic, TypeVar

import attrs

from scoria_core.uninterruptible import uninterruptible

PATIENCE = 0.5
"""How long to wait for other writers, as a share of the time of the last commit."""

W = TypeVar("W")
R = TypeVar("R")


def _closed_gate() -> threading.Lock:
    # A lock wakes exactly one thread, without the Python code of an Event or a Condition.
    gate = threading.Lock()
    gate.acquire()
    return gate


@attrs.define(eq=False)
class _Waiting(Generic[W, R]):
    """A write, and the gate at which its caller waits until it is stored or must commit itself."""

    write: W
    gate: threading.Lock
    # What its caller raises if it stops waiting before there is an outcome.
    outcome: R | BaseException = attrs.field(factory=InterruptedError)
    leads: bool = False


class GroupCommit(Generic[W, R]):
    """Stores writes by `commit`, one list at a time.

    `commit` returns an outcome for each write, in order: its result, or an exception for its
    caller. An exception that `commit` raises goes to every caller of the list.
    """

    def __init__(self, commit: Callable[[list[W]], Sequence[R | BaseException]]) -> None:
        self._commit = commit
        self._arriving = threading.Lock()
        self._waiting: list[_Waiting[W, R]] = []
        self._is_led = False
        self._expected = 1
        self._patience = 0.0
        self._gathering: _Waiting[W, R] | None = None
        _GROUPS.add(self)

    def store(self, write: W) -> R:
        """Store `write` and return its result, or raise why it was not stored.

        If the main thread is interrupted while it waits, the write is stored anyway.
        """
        return uninterruptible(lambda: self._store(_Waiting(write, _closed_gate())))

    def _store(self, own: _Waiting[W, R]) -> R:
        with self._arriving:
            self._waiting.append(own)
            own.leads, self._is_led = not self._is_led, True
            self._stop_gathering_if_all_came()
        try:
            if not own.leads:
                own.gate.acquire()
            if own.leads:
                self._store_all(own)
        finally:
            self._leave(own)
        if isinstance(own.outcome, BaseException):
            raise own.outcome
        return own.outcome

    def _store_all(self, own: _Waiting[W, R]) -> None:
        together = self._gathered(own)
        start = perf_counter()
        try:
            self._answer(together)
        finally:
            self._patience = PATIENCE * (perf_counter() - start)
            with self._arriving:
                self._expected = len(together) + len(self._waiting)
            for each in together:
                if each is not own:
                    each.gate.release()

    def _gathered(self, own: _Waiting[W, R]) -> list[_Waiting[W, R]]:
        """Take the waiting writes; if more are expected, wait a moment for them first."""
        with self._arriving:
            if len(self._waiting) < self._expected:
                self._gathering = own
        # Whoever completes the group opens this gate; otherwise the patience ends the wait.
        if self._gathering is own:
            own.gate.acquire(timeout=self._patience)
        with self._arriving:
            self._gathering = None
            together, self._waiting = self._waiting, []
            return together

    def _stop_gathering_if_all_came(self) -> None:
        if self._gathering is not None and len(self._waiting) >= self._expected:
            self._gathering.gate.release()
            self._gathering = None

    def _leave(self, own: _Waiting[W, R]) -> None:
        """Let the first waiting caller commit next; an interrupted caller stops waiting."""
        with self._arriving:
            if own in self._waiting:
                self._waiting.remove(own)
            if not own.leads:
                return
            # Passed on under the lock: a write that arrives now finds the lead taken or free.
            self._is_led = bool(self._waiting)
            if self._is_led:
                self._waiting[0].leads = True
                self._waiting[0].gate.release()

    def _answer(self, together: list[_Waiting[W, R]]) -> None:
        outcomes: Sequence[R | BaseException]
        try:
            outcomes = self._commit([each.write for each in together])
        except BaseException as raised:  # noqa: BLE001 - every caller of the list is told
            outcomes = [raised] * len(together)
        for each, outcome in zip(together, outcomes, strict=True):
            each.outcome = outcome


_GROUPS: "weakref.WeakSet[GroupCommit[Any, Any]]" = weakref.WeakSet()


def _after_fork() -> None:
    # A thread that was committing goes on in the parent, and nobody here may wait for it.
    for group in list(_GROUPS):
        group.__init__(group._commit)  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
