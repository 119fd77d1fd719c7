"""What a wrong implementation is: what it breaks, how to make it, and what shows it."""

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import attrs

from scoria_cli.page import DECISIONS, MOUNT

BATCH, NAME, SIDE = "SCORIA_BATCH", "SCORIA_WRONG", "SCORIA_SIDE"
"""What names the implementation to the processes of its suite: `SIDE` is `make` or `right`."""

HOST: Any = MappingProxyType({"decisions": f"{MOUNT}{DECISIONS}", "mask": None})
"""What the host of each page tells it: where requests are decided, and that nothing is masked."""

KINDS = ("store", "page", "host", "kit")


@attrs.frozen
class Wrong:
    """One implementation that breaks the promise of `clause`.

    `make` makes the wrong one and `right` the same without the fault: a store in a directory, a
    page of a facade, a host, or the kit of this process. `show` takes either of them, with a
    directory for a store, and raises AssertionError where the promise is broken. `connect` is the
    driver of a host.
    """

    name: str
    clause: str
    kind: str
    make: Callable[..., Any]
    show: Callable[..., None]
    right: Callable[..., Any]
    connect: Callable[[str], Any] | None = None


def batch(name: str) -> Iterator[Wrong]:
    """Yield what a batch declares, in the order of its modules."""
    modules = [f"lab.first_contact.{name}.{kind}s" for kind in KINDS]
    for module in filter(find_spec, modules):
        yield from import_module(module).WRONG


def named(batch_name: str, name: str) -> Wrong:
    """Return the one of that name."""
    (found,) = [wrong for wrong in batch(batch_name) if wrong.name == name]
    return found
