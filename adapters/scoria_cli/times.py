"""Times and durations for a person to read."""

from datetime import UTC, datetime, timedelta

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def length(time: timedelta) -> str:
    """Return a duration in its two largest units: `2 h 5 min`; below a minute, `40 s`."""
    left, told = max(int(time.total_seconds()), 0), []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            told.append(f"{count} {unit}")
        elif told:
            break
    return " ".join(told[:2]) or "0 s"


def moment(at: datetime) -> str:
    """Return a time in UTC, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
