"""The clock that a facade reads: in UTC, and never earlier than it was."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from scoria_core import Scoria
from scoria_core.errors import InvalidPayload
from scoria_core.system import PROCESS_CLOCK, SteadyClock
from scoria_memory import MemoryStore

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that says what it is told."""

    def __init__(self, *times: Any) -> None:
        self.times = list(times)

    def now(self) -> Any:
        """Return the next time, and the last one from then on."""
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]


@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 1, 1, 12, 0),
        NOON.astimezone(timezone(timedelta(hours=1))),
        "2026-01-01T12:00:00+00:00",
        1_767_268_800.0,
        None,
    ],
    ids=["naive", "another zone", "text", "seconds", "nothing"],
)
def test_a_clock_that_is_not_in_utc_is_refused(time: Any) -> None:
    """It is refused when the facade is made, by its name, with what to do."""
    with pytest.raises(InvalidPayload, match="aware datetime in UTC") as refused:
        Scoria(MemoryStore(), clock=Clock(time))
    assert refused.value.field == "clock"


def test_a_clock_never_goes_back() -> None:
    """A clock that is set back stands still until it has caught up."""
    hour = timedelta(hours=1)
    clock = SteadyClock(Clock(NOON, NOON + hour, NOON - hour, NOON + 2 * hour))
    assert [clock.now() for _ in range(4)] == [NOON, NOON + hour, NOON + hour, NOON + 2 * hour]


def test_facades_of_a_process_share_its_clock() -> None:
    """What one has seen of the time, another that is made later does not fall behind."""
    assert Scoria(MemoryStore())._runs.clock is Scoria(MemoryStore())._runs.clock is PROCESS_CLOCK
