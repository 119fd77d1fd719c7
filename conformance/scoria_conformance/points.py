"""Points in the code of a store: each line that a caller comes to, and each return.

A trace tells of them, so any store in Python has them and none has to know. Only its own package
is watched: what it is built on keeps its own promises.
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
    """Return the packages that the class of the store is made in."""
    tested = store.store if isinstance(store, Observed) else store
    made_in = {kind.__module__.partition(".")[0] for kind in type(tested).__mro__}
    return frozenset(made_in - NOT_THE_STORES)


@attrs.frozen
class Place:
    """A line that is come to, or a return from it; in a deep search an instruction of it."""

    file: str
    function: str
    line: int
    event: str
    instruction: int = 0

    def __str__(self) -> str:
        """Tell where it is, as an author finds it."""
        return f"{self.event} {self.line} of {self.function} in {self.file}"


@attrs.frozen
class Point:
    """A place, and which of the times that it is come by within one call or load."""

    place: Place
    time: int

    def __str__(self) -> str:
        """Tell where it is, as an author finds it."""
        return f"{self.place}" if self.time == 1 else f"{self.place}, time {self.time}"


@attrs.define
class Trail:
    """The points that are come by, counted; `at` is called at each of them."""

    packages: Collection[str]
    at: Callable[[Point], object] = lambda _: None
    deep: bool = False
    come_by: Counter[Place] = attrs.field(factory=Counter)

    def trace(self, frame: FrameType, event: str, argument: object) -> Trace | None:
        """Be told of an event, as `sys.settrace` has it."""
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
