"""A caller that is stopped at a point of its call, while another makes its own.

Whatever one call does in two parts, another fits in between: with a stop at each point of the one
there is no luck in whether it does.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import attrs

from scoria_conformance.points import Place, Point, Trail
from scoria_conformance.world import PATIENCE

Work = Callable[[], object]

SILENCE = 1e-3
"""For how many seconds a caller is silent at least before it is taken to wait for the other."""

TIMES_AS_SILENT = 4
"""How much longer it is silent then than at the same place when it is alone."""

FIRST_WORD = 20e-3
"""For how many seconds it may be silent before it comes to a place at all."""


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
    """Where and when a caller was last heard of, and for how long it was silent at each place."""

    heard: float = attrs.field(factory=time.monotonic)
    place: Place | None = None
    silences: dict[Place | None, float] = attrs.field(factory=dict)

    def at(self, point: Point | None) -> None:
        now = time.monotonic()
        longest = self.silences.get(self.place, 0.0)
        self.silences[self.place] = max(longest, now - self.heard)
        self.heard, self.place = now, point.place if point else None


@attrs.define
class Pair:
    """Two callers, a thread each, whose points are those of `packages`."""

    packages: Collection[str]
    deep: bool
    first: ThreadPoolExecutor
    second: ThreadPoolExecutor
    silences: dict[Place | None, float] = attrs.field(factory=dict)

    def points(self, work: Work) -> list[Point]:
        """Have the first work; return the points it comes by, of each place the first and last."""
        trail = Trail(self.packages, deep=self.deep)
        _begun(self.first, trail, work).result(PATIENCE)
        come_by = trail.come_by.items()
        return [Point(place, each) for place, times in come_by for each in sorted({1, times})]

    def listen(self, work: Work) -> None:
        """Have the second work, and learn for how long it is silent at each place."""
        pulse = _Pulse()
        _begun(self.second, Trail(self.packages, pulse.at), work).result(PATIENCE)
        pulse.at(None)
        self.silences = pulse.silences

    def meet(self, point: Point, first: Work, second: Work, told: Sized) -> int:
        """Have the first stop at the point until the second is done, or waits for the first.

        Returns how much the second was `told` until then.
        """
        stop, pulse = _Stop(point), _Pulse()
        begun = _begun(self.first, Trail(self.packages, stop.at, self.deep), first)
        begun.add_done_callback(lambda _: stop.comes.set())
        try:
            stop.comes.wait(PATIENCE)
            other = _begun(self.second, Trail(self.packages, pulse.at), second)
            self._wait(other, pulse)
            until_then = len(told)
        finally:
            stop.may_go.set()
        begun.result(PATIENCE)
        other.result(PATIENCE)
        return until_then

    def _wait(self, other: "Future[object]", pulse: _Pulse) -> None:
        done = threading.Event()
        other.add_done_callback(lambda _: done.set())
        while not done.wait(SILENCE / 4):
            if time.monotonic() - pulse.heard > self._silence_at(pulse.place):
                return

    def _silence_at(self, place: Place | None) -> float:
        if place is None:
            return FIRST_WORD
        longest = self.silences.get(place, max(self.silences.values()))
        return max(SILENCE, TIMES_AS_SILENT * longest)


def _begun(caller: ThreadPoolExecutor, trail: Trail, work: Work) -> "Future[object]":
    def followed() -> object:
        with trail.followed():
            return work()

    return caller.submit(followed)


@contextmanager
def pair(packages: Collection[str], *, deep: bool) -> Iterator[Pair]:
    """Have two callers for a while; each keeps its thread."""
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        yield Pair(packages, deep, first, second)
