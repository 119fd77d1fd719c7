"""What a candidate needs to be measured among runs that ended before."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar, runtime_checkable

from scoria_core.ports import StoredRun

T = TypeVar("T")


@runtime_checkable
class Fillable(Protocol):
    """A candidate that can take over runs."""

    def fill(self, runs: Iterable[StoredRun]) -> None:
        """Store runs as if they had been worked here."""
        ...


def in_parts(many: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size`, so that no more than one is in memory."""
    iterator = iter(many)
    while some := list(islice(iterator, size)):
        yield some
