"""Counts the version conflicts of this process, which no journal records."""

import os
import threading


class Conflicts:
    """How many appends of this process a store refused because another caller's came first.

    After each, the change was decided again on the run as it then was.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self._count += 1

    @property
    def count(self) -> int:
        """How many there were since the process began."""
        return self._count


CONFLICTS = Conflicts()
"""The conflicts of this process."""


def _after_fork() -> None:
    # Another thread of the parent may hold the lock; and the child starts from 0.
    CONFLICTS.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
