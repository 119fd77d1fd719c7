"""What the installed distributions offer by entry points."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@cache
def installed(group: str) -> "tuple[EntryPoint, ...]":
    """Return the entry points of a group, as they were when they were first asked for.

    To look them up takes longer than to open a store.
    """
    from importlib.metadata import entry_points  # a tenth of the time of importing the kit

    return tuple(entry_points(group=group))
