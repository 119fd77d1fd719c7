"""Clocks that stand still."""

from datetime import UTC, datetime

from scoria_core.testing import SettableClock


def noon_clock() -> SettableClock:
    """Return a clock that stands at noon until a test moves it."""
    return SettableClock(datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
