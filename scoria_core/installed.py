"""What the installed distributions offer by entry points."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points


@cache
def installed(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group, as they were when they were first asked for.

    To look them up takes longer than to open a store.
    """
    return tuple(entry_points(group=group))
