"""Flows that do W at once, for so long or so often."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Lock
from time import perf_counter

import attrs

from lab.bench.unit import Candidate, work


@attrs.define
class Flows:
    """So many threads, each doing W on one candidate, one after another."""

    candidate: Candidate
    flows: int
    seconds: float
    count: int | None = None
    _began: float = 0.0

    def run(self) -> tuple[int, float]:
        """Return how often W was done, and in how many seconds.

        Each flow does W once before the clock starts, so that what it opens is open. Raises an
        `ExceptionGroup` of what failed.
        """
        together = Barrier(self.flows, self._begin)
        left, lock = iter(range(self.count or 0)), Lock()
        with ThreadPoolExecutor(self.flows) as pool:
            flows = [pool.submit(self._flow, together, left, lock) for _ in range(self.flows)]
        return _total(flows), perf_counter() - self._began

    def _begin(self) -> None:
        self._began = perf_counter()

    def _flow(self, together: Barrier, left: Iterator[int], lock: Lock) -> int:
        try:
            work(self.candidate)
        except BaseException:
            together.abort()
            raise
        together.wait()
        works = 0
        while self._goes_on(left, lock):
            work(self.candidate)
            works += 1
        return works

    def _goes_on(self, left: Iterator[int], lock: Lock) -> bool:
        if self.count is None:
            return perf_counter() < self._began + self.seconds
        with lock:
            return next(left, None) is not None


def _total(flows: list[Future[int]]) -> int:
    failed = [error for flow in flows if isinstance(error := flow.exception(), Exception)]
    if failed:
        raise ExceptionGroup("flows failed", failed)
    return sum(flow.result() for flow in flows)
