"""A least-recently-used cache that is limited by size in bytes, not by number of values."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by key, at most `max_bytes` in all; the least recently used are dropped first.

    It is not thread-safe: the caller holds a lock.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self.bytes = 0

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> T | None:
        """Return a value and mark it as used, or return None if it is not here."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def pop(self, key: str) -> T | None:
        """Remove and return a value, or return None if it is not here."""
        value, size = self._values.pop(key, (None, 0))
        self.bytes -= size
        return value

    def keep(self, key: str, value: T, size: int) -> list[str]:
        """Store a value of `size` bytes, and return the keys of the values dropped for it.

        A value larger than `max_bytes` is not stored: its own key is returned.
        """
        _, before = self._values.pop(key, (None, 0))
        self.bytes -= before
        if size > self._max_bytes:
            return [key]
        self._values[key] = value, size
        self.bytes += size
        gone: list[str] = []
        while self.bytes > self._max_bytes:
            gone.append(next(iter(self._values)))
            self.pop(gone[-1])
        return gone
