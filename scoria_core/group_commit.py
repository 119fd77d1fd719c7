"""Writes of several threads in one commit, for stores: whoever comes first commits for all.

A commit costs far more than what it stores. A write that is alone is stored at once; those that
come while a commit is under way are stored together by the next.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import attrs

W = TypeVar("W")
R = TypeVar("R")


@attrs.define(eq=False)
class _Waiting(Generic[W, R]):
    write: W
    outcome: R | BaseException | None = None
    is_done: bool = False


class GroupCommit(Generic[W, R]):
    """Stores writes by `commit`, a list at a time and never two lists at once.

    `commit` returns an outcome for each write, in order: what it is answered, or an exception that
    its caller gets. What it raises, every caller of the list gets.
    """

    def __init__(self, commit: Callable[[list[W]], Sequence[R | BaseException]]) -> None:
        self._commit = commit
        self._arriving = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Waiting[W, R]] = []

    def store(self, write: W) -> R:
        """Return what `write` is answered once it is stored, or raise why it was not."""
        own: _Waiting[W, R] = _Waiting(write)
        with self._arriving:
            self._waiting.append(own)
        with self._turn:
            if not own.is_done:
                self._store_all()
        if isinstance(own.outcome, BaseException):
            raise own.outcome
        return own.outcome  # type: ignore[return-value]  # it is done

    def _store_all(self) -> None:
        with self._arriving:
            together, self._waiting = self._waiting, []
        outcomes: Sequence[R | BaseException]
        try:
            outcomes = self._commit([each.write for each in together])
        except BaseException as raised:  # noqa: BLE001 - every caller of the list is told
            outcomes = [raised] * len(together)
        for each, outcome in zip(together, outcomes, strict=True):
            each.outcome, each.is_done = outcome, True
