"""The clock and the ids of the machine the host runs on."""

from datetime import UTC, datetime, timedelta

import uuid_utils

from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.ports import Clock


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present time in UTC."""
        return datetime.now(UTC)


class SteadyClock:
    """A clock that is in UTC and never goes backwards.

    `now` raises `InvalidPayload` naming `clock` if the clock is naive or in another zone.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the present time, or the latest that was returned if the clock was set back."""
        now = self._clock.now()
        if not isinstance(now, datetime) or now.utcoffset() != timedelta(0):
            problem = f"returned {safe_repr(now)}; return an aware datetime in UTC from now()"
            raise InvalidPayload("clock", problem)
        # Of two threads at once either may write last. What is stored never goes back all the
        # same: an entry is at least as late as the one before it.
        self._latest = latest = max(self._latest, now.astimezone(UTC))
        return latest


PROCESS_CLOCK = SteadyClock(SystemClock())
"""The machine's clock, the same for all facades of a process that bring none."""


class Uuid7Source:
    """UUIDv7 strings, in ascending order within a process."""

    def new_id(self) -> str:
        """Return a new UUIDv7."""
        return str(uuid_utils.uuid7())
