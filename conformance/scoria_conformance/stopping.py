"""A caller that is stopped at a point of its call, while another makes its own.

Whatever one call does in two parts, another fits in between: with a stop at each point of the one
there is no luck in whether it does.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs

from scoria_conformance.points import Point, Trail
from scoria_conformance.world import PATIENCE

R = TypeVar("R")
Work = Callable[[], R]

SILENCE = 2e-3
"""For how many seconds a caller is silent at least before it is taken to wait for the other."""

TIMES_AS_SILENT = 4
"""How much longer it is silent then than ever when it is alone."""


@attrs.define
class _Stop:
    """Where the first caller waits for the second."""

    point: Point
    comes: threading.Event = attrs.field(factory=threading.Event)
    may_go: threading.Event = attrs.field(factory=threading.Event)

    def at(self, point: Point) -> None:
        if point == self.point:
            self.comes.set()
            self.may_go.wait(PATIENCE)


@attrs.define
class _Pulse:
    """When a caller was last heard of, and for how long it was silent."""

    heard: float = attrs.field(factory=time.monotonic)
    longest: float = 0.0

    def at(self, _: Point | None) -> None:
        now = time.monotonic()
        self.longest, self.heard = max(self.longest, now - self.heard), now


@attrs.define
class Pair:
    """Two callers, a thread each, whose points are those of `packages`."""

    packages: Collection[str]
    deep: bool
    first: ThreadPoolExecutor
    second: ThreadPoolExecutor
    silence: float = SILENCE

    def points(self, work: Work[Any]) -> list[Point]:
        """Have the first work; return the points it comes by, of each place the first and last."""
        trail = Trail(self.packages, deep=self.deep)
        _begun(self.first, trail, work).result(PATIENCE)
        come_by = trail.come_by.items()
        return [Point(place, each) for place, times in come_by for each in sorted({1, times})]

    def listen(self, work: Work[Any]) -> None:
        """Have the second work, and learn for how long it is silent."""
        pulse = _Pulse()
        _begun(self.second, Trail(self.packages, pulse.at), work).result(PATIENCE)
        pulse.at(None)
        self.silence = max(self.silence, TIMES_AS_SILENT * pulse.longest)

    def meet(self, point: Point, first: Work[R], second: Work[R]) -> tuple[R, R]:
        """Have the first stop at the point until the second is done, or waits for the first."""
        stop, pulse = _Stop(point), _Pulse()
        trail = Trail(self.packages, stop.at, self.deep)
        begun = _begun(self.first, trail, first)
        begun.add_done_callback(lambda _: stop.comes.set())
        try:
            stop.comes.wait(PATIENCE)
            other = _begun(self.second, Trail(self.packages, pulse.at), second)
            self._wait(other, pulse)
        finally:
            stop.may_go.set()
        return begun.result(PATIENCE), other.result(PATIENCE)

    def _wait(self, other: "Future[Any]", pulse: _Pulse) -> None:
        done = threading.Event()
        other.add_done_callback(lambda _: done.set())
        while not done.wait(self.silence / 4):
            if time.monotonic() - pulse.heard > self.silence:
                return


def _begun(caller: ThreadPoolExecutor, trail: Trail, work: Work[R]) -> "Future[R]":
    def followed() -> R:
        with trail.followed():
            return work()

    return caller.submit(followed)


@contextmanager
def pair(packages: Collection[str], *, deep: bool) -> Iterator[Pair]:
    """Have two callers for a while; each keeps its thread."""
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        yield Pair(packages, deep, first, second)

