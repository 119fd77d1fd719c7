"""Many callers' rows in one commit, with no thread in between."""

from collections.abc import Callable, Sequence
from threading import Lock

import attrs

Row = tuple[str, int, str]
"""The run, the number of its change, and the change as text."""


@attrs.define(eq=False)
class _Waiting:
    row: Row
    is_done: bool = False
    error: BaseException | None = None


class GroupCommit:
    """Passes rows to `commit`: whoever gets the turn takes along all who wait for it."""

    def __init__(self, commit: Callable[[Sequence[Row]], object]) -> None:
        self._commit = commit
        self._waiting: list[_Waiting] = []
        self._joining = Lock()
        self._turn = Lock()

    def write(self, row: Row) -> None:
        """Return once `row` is committed; raises what `commit` raised for it."""
        mine = _Waiting(row)
        with self._joining:
            self._waiting.append(mine)
        with self._turn:
            if not mine.is_done:
                self._take_all()
        if mine.error is not None:
            raise mine.error

    def _take_all(self) -> None:
        with self._joining:
            batch, self._waiting = self._waiting, []
        error = self._failed(batch)
        for each in batch:
            each.is_done, each.error = True, error

    def _failed(self, batch: list[_Waiting]) -> BaseException | None:
        try:
            self._commit([each.row for each in batch])
        except BaseException as error:  # noqa: BLE001 - raised again to each who waits
            return error
        return None
