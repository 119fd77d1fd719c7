"""What the kits of this batch share: how a function is replaced, and stores that get in the way."""

from collections.abc import Callable, Sequence
from typing import Any

from lab.first_contact.wrong import Wrong
from scoria_core import Identity, Scoria
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import Record
from scoria_memory import MemoryStore

WHO = Identity("user-1", "acme", "chat-1")


def right() -> None:
    """Leave the kit as it is."""


def replace(owner: object, name: str, function: object) -> None:
    """Replace what a module or a class has under a name."""
    setattr(owner, name, function)


def kit(name: str, clause: str, make: Callable[[], None], show: Callable[..., None]) -> Wrong:
    """Return a wrong kit of this batch."""
    return Wrong(name, clause, "kit", make=make, show=show, right=right)


def queueing(store: MemoryStore) -> Scoria:
    """Return a facade of another process, which only queues."""
    return Scoria(store, dispatch="queue")


class Hooked(MemoryStore):
    """Makes each of `first` once, before an append of records by who is hindered."""

    def __init__(self) -> None:
        """Have nothing to make first."""
        super().__init__()
        self.first: list[Callable[[], Any]] = []

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append the records, after what comes first."""
        if records and self.first:
            now, later = self.first[0], self.first[1:]
            self.first = []
            try:
                now()
            finally:
                self.first = later
        super().append(run_id, records, **asked)


def down() -> None:
    """Be a store that does not answer."""
    raise StoreUnavailable("memory://", "is down")


def interrupted() -> None:
    """Be interrupted, as by Ctrl-C."""
    raise KeyboardInterrupt
