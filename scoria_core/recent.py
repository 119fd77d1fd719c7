"""Values that were used last, up to a number of bytes: a few large ones do not fill the memory."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by their keys, of at most `max_bytes` together; those not used for longest go first.

    Whoever uses it holds a lock.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self.bytes = 0

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> T | None:
        """Return a value, which counts as used now, or None where it is not here."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def pop(self, key: str) -> T | None:
        """Take a value out, or return None where it is not here."""
        value, size = self._values.pop(key, (None, 0))
        self.bytes -= size
        return value

    def keep(self, key: str, value: T, size: int) -> list[str]:
        """Put a value of `size` bytes in, and return the keys of those that had to go for it.

        A value that is larger than all may be together is not kept: its own key is returned.
        """
        self.pop(key)
        if size > self._max_bytes:
            return [key]
        self._values[key] = value, size
        self.bytes += size
        gone: list[str] = []
        while self.bytes > self._max_bytes:
            gone.append(next(iter(self._values)))
            self.pop(gone[-1])
        return gone
