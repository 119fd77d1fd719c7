"""Writes of several threads in one commit: whoever comes first stores what has come since."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

W = TypeVar("W")


@attrs.define(eq=False)
class _Waiting(Generic[W]):
    write: W
    is_done: bool = False
    error: BaseException | None = None


class GroupCommit(Generic[W]):
    """Stores writes by `commit`, a list at a time and never two lists at once.

    A write that is alone is stored at once. Those that come while another commit is under way are
    stored together by the next.
    """

    def __init__(self, commit: Callable[[list[W]], None]) -> None:
        self._commit = commit
        self._arriving = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Waiting[W]] = []

    def store(self, write: W) -> None:
        """Return when `write` is stored, or raise what `commit` raised for the list it was in."""
        own = _Waiting(write)
        with self._arriving:
            self._waiting.append(own)
        with self._turn:
            if not own.is_done:
                self._store_all()
        if own.error is not None:
            raise own.error

    def _store_all(self) -> None:
        with self._arriving:
            together, self._waiting = self._waiting, []
        error: BaseException | None = None
        try:
            self._commit([each.write for each in together])
        except BaseException as raised:  # noqa: BLE001 - every caller of the list is told
            error = raised
        for each in together:
            each.is_done, each.error = True, error
