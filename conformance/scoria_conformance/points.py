"""Points in the code of a store: each line that a caller reaches, and each return.

They come from a trace function, so any store in Python has them without any preparation. Only the
store's own packages are traced: the libraries that it uses are not under test.
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import attrs

from scoria_conformance.observed import Observed
from scoria_core.ports import RunStore

Trace = Callable[[FrameType, str, Any], Any]

NOT_THE_STORES = {*sys.stdlib_module_names, "scoria_core", __name__.partition(".")[0]}
"""The packages that a store may inherit from, and that are not under test."""


def packages(store: RunStore) -> frozenset[str]:
    """Return the packages in which the class of the store and its bases are defined."""
    tested = store.store if isinstance(store, Observed) else store
    made_in = {kind.__module__.partition(".")[0] for kind in type(tested).__mro__}
    return frozenset(made_in - NOT_THE_STORES)


@attrs.frozen
class Place:
    """A line that was reached, or a return from it; in a deep search, one of its instructions."""

    file: str
    function: str
    line: int
    event: str
    instruction: int = 0

    def __str__(self) -> str:
        """Return where it is in the source."""
        return f"{self.event} {self.line} of {self.function} in {self.file}"


@attrs.frozen
class Point:
    """A place, and which visit to it this is, within one call or load."""

    place: Place
    time: int

    def __str__(self) -> str:
        """Return where it is in the source."""
        return f"{self.place}" if self.time == 1 else f"{self.place}, time {self.time}"


@attrs.define
class Trail:
    """Counts the points that are reached, and calls `at` at each of them."""

    packages: Collection[str]
    at: Callable[[Point], object] = lambda _: None
    deep: bool = False
    come_by: Counter[Place] = attrs.field(factory=Counter)

    def trace(self, frame: FrameType, event: str, argument: object) -> Trace | None:
        """Handle a trace event, as `sys.settrace` expects."""
        del argument
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in self.packages:
            return None
        frame.f_trace_opcodes = self.deep
        if event in ("line", "return", "opcode"):
            code, instruction = frame.f_code, frame.f_lasti if event == "opcode" else 0
            place = Place(
                code.co_filename, code.co_qualname, frame.f_lineno or 0, event, instruction
            )
            self.come_by[place] += 1
            self.at(Point(place, self.come_by[place]))
        return self.trace

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow this thread for a while."""
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(before)
