"""Stops a caller at a point of its call, while another caller makes its own calls.

If a call does in two parts what must be one, another call may fit between them. A stop at each
point of the call finds this without luck.
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
"""The least silence, in seconds, after which a caller is taken to wait for the other."""

TIMES_AS_SILENT = 4
"""The silence that counts as waiting, as a multiple of the longest at that place when alone."""

FIRST_WORD = 20e-3
"""How many seconds a caller may be silent before it reaches its first point."""


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
    """When and where a caller reached its last point, and its longest silence after each place."""

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
    """Two callers, each with a thread; their points are in the code of `packages`."""

    packages: Collection[str]
    deep: bool
    first: ThreadPoolExecutor
    second: ThreadPoolExecutor
    silences: dict[Place | None, float] = attrs.field(factory=dict)

    def points(self, work: Work) -> list[Point]:
        """Let the first work alone; return the first and last point at each place it reaches."""
        trail = Trail(self.packages, deep=self.deep)
        _begun(self.first, trail, work).result(PATIENCE)
        come_by = trail.come_by.items()
        return [Point(place, each) for place, times in come_by for each in sorted({1, times})]

    def listen(self, work: Work) -> None:
        """Let the second work alone, and learn how long it is silent after each place."""
        pulse = _Pulse()
        _begun(self.second, Trail(self.packages, pulse.at), work).result(PATIENCE)
        pulse.at(None)
        self.silences = pulse.silences

    def meet(self, point: Point, first: Work, second: Work, told: Sized) -> int:
        """Let the first stop at the point until the second is done, or waits for the first.

        Returns how much the second was `told` by then.
        """
        stop, pulse = _Stop(point), _Pulse()
        begun = _begun(self.first, Trail(self.packages, stop.at, self.deep), first)
        # The first may end without reaching the point: do not wait for it in vain.
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
    """Give two callers, each with its own thread."""
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        yield Pair(packages, deep, first, second)
