"""A clock and ids for a host's own tests: time stands still, and ids count.

clock = SettableClock()
scoria = Scoria.open("memory://", clock=clock, ids=CountedIds())
...
clock.advance(hours=1)  # what expires within the hour has expired
"""

import threading
from datetime import UTC, datetime, timedelta


class SettableClock:
    """A `Clock` that stands still until it is moved; `time` is aware and in UTC."""

    def __init__(self, time: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self.time = time

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.time

    def advance(self, by: timedelta = timedelta(0), /, **duration: float) -> None:
        """Move on by a duration, given as a `timedelta` or in the words that it takes."""
        self.time += by + timedelta(**duration)


class CountedIds:
    """An `IdSource` whose ids are shaped as UUIDv7 and count up from 1, in whatever thread."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def new_id(self) -> str:
        """Return the next id."""
        with self._lock:
            self._last += 1
            return f"01900000-0000-7000-8000-{self._last:012x}"
