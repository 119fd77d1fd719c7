"""The loops of a worker: look for what is due, carry it out, wait if there is nothing.

Each listener is told in a thread of its own, so that one that hangs holds up nothing else.
"""

import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import attrs

from scoria_core import Scoria
from scoria_core.errors import ScoriaError, StoreUnavailable
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.logs import logger_of

logger = logger_of("scoria.worker")

PAGE = 64
"""How many runs a worker takes notice of at a time."""

MAX_PAGE = 1_000
MAX_PAUSE = 30.0
"""The longest that a worker waits, in seconds, for a store that does not answer."""


@attrs.define
class Worker:
    """Carries out the steps that are due, one at a time, and tells the listeners of `scoria`.

    Any number of workers may share a store for several processes. Each takes the runs of a page in
    random order, so that they seldom collide. `poll` is how many seconds it waits when nothing is
    due.
    """

    scoria: Scoria
    poll: float = 1.0
    stop: threading.Event = attrs.field(factory=threading.Event)
    shuffle: Callable[[list[str]], None] = random.shuffle
    done: int = 0
    _passed_over: set[str] = attrs.field(factory=set)

    def run(self) -> int:
        """Work until `stop` is set, and return in how many runs a step was carried out.

        If the store does not answer, wait for it, longer each time.
        """
        for name in self.scoria.listeners:
            threading.Thread(target=self._tell_in_thread, args=(name,), daemon=True).start()
        self._loop(self.work)
        return self.done

    def work(self) -> int:
        """Look once at what is due, and return in how many runs a step was carried out.

        Raises `StoreUnavailable` if the store does not answer.
        """
        return self._carry_out(self._due())

    def drain(self) -> int:
        """Work until nothing is due that there is a handler for; return as `run` does.

        Then tell each listener once what it has yet to be told.
        """
        while not self.stop.is_set() and (due := self._due()):
            self._carry_out(due)
        if self.scoria.listeners:
            self.scoria.deliver_events()
        return self.done

    def end(self) -> None:
        """Start nothing more; a running step may end."""
        self.stop.set()
        self.scoria.stop()

    def tell(self, listener: str) -> None:
        """Tell one listener what is stored, until `stop` is set."""
        self._loop(lambda: self.scoria.deliver_events(listener))

    def _tell_in_thread(self, name: str) -> None:
        try:
            self.tell(name)
        except ScoriaError:
            logger.exception("listener %s is told no more", name)

    def _loop(self, look: Callable[[], int]) -> None:
        """Look until `stop` is set; wait where there was nothing, or the store does not answer."""
        pause = self.poll
        while not self.stop.is_set():
            try:
                found = look()
            except StoreUnavailable as error:
                logger.warning("waiting %.1f s: %s", pause, error)
                self.stop.wait(pause)
                pause = min(2 * pause, MAX_PAUSE)
                continue
            pause = self.poll
            if not found:
                self.stop.wait(self.poll)

    def _carry_out(self, due: Sequence[str]) -> int:
        before = self.done
        for run_id in due:
            if self.stop.is_set():
                break
            self.done += self._carry_on(run_id)
        return self.done - before

    def _due(self) -> Sequence[str]:
        limit = min(PAGE + len(self._passed_over), MAX_PAGE)
        due = self.scoria.list_pending(limit=limit)
        # What is still due after a look at it has no handler here. It comes last and must not hide
        # what this worker could do.
        self._passed_over &= set(due)
        fresh = [run_id for run_id in due if run_id not in self._passed_over]
        if not fresh:
            if len(due) == MAX_PAGE:
                logger.warning("%s due runs hide all others: none has a handler here", MAX_PAGE)
            self._passed_over.clear()
        self.shuffle(fresh)
        return fresh

    def _carry_on(self, run_id: str) -> bool:
        try:
            worked = self.scoria.run_pending(run_id)
        except StoreUnavailable:
            raise
        except ScoriaError:
            logger.exception("run %s is passed over", run_id)
            worked = []
        if not worked:
            self._passed_over.add(run_id)
        return bool(worked)


@contextmanager
def stopping(worker: Worker, grace: float) -> Iterator[None]:
    """Stop `worker` at SIGTERM or Ctrl-C; interrupt a handler that takes longer than `grace`.

    The step of an interrupted handler goes back to the queue. A second signal interrupts it at
    once. Only for the main thread.
    """

    def on_signal(number: int, _: FrameType | None) -> None:
        if worker.stop.is_set():
            break_off()
        logger.info("%s: the step at work has %.0f s to end", signal.Signals(number).name, grace)
        worker.end()
        signal.setitimer(signal.ITIMER_REAL, max(grace, 0.001))

    def break_off(*_: object) -> None:
        if HEARTBEAT.is_active():
            raise SystemExit(0)

    handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
        signal.SIGTERM: on_signal,
        signal.SIGINT: on_signal,
        signal.SIGALRM: break_off,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
