"""The loops of a worker: look for what is due, carry it out, wait if there is nothing.

A store that declares `waking` ends that wait when a run becomes due; one thread watches it. Each
listener is called in a thread of its own, so that one that hangs delays nothing else.
"""

import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

import attrs

from scoria_core import Scoria
from scoria_core.dispatch import Threads, checked_threads
from scoria_core.errors import InvalidPayload, ScoriaError, StoreUnavailable
from scoria_core.event_loop import end_process_loop
from scoria_core.facades import checked_scoria
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.logs import about, logger_of
from scoria_core.validation import checked_seconds
from scoria_core.waking import watch_pending

logger = logger_of("scoria.worker")

PAGE = 64
"""How many due runs a worker lists at a time, besides those it has passed over."""

MAX_PAGE = 1_000
MAX_PAUSE = 30.0
"""The longest that a worker waits, in seconds, for a store that does not answer."""

WATCH = 1.0
"""How often, in seconds, the watching thread checks whether to stop if nothing becomes due."""


@attrs.define
class Worker:
    """Carries out the steps that are due, at most `concurrency` at once, and calls the listeners.

    Handlers and listeners are those of `scoria`.

    Any number of workers may share a store for several processes. Each takes the runs of a page in
    random order, so that they seldom collide. `poll` is the longest wait, in seconds, when nothing
    is due. A store that declares `waking` ends that wait as soon as a step is queued; a step that
    becomes due because time passes, such as after its delay, waits for the next look.
    With a `concurrency` of 1 a step is carried out in the calling thread, where a signal can
    interrupt its handler; with more, steps have threads of their own. Async handlers share the loop
    of the process. Raises `InvalidPayload` naming the argument that is wrong.
    """

    scoria: Scoria
    poll: float = 1.0
    concurrency: int = 1
    stop: threading.Event = attrs.field(factory=threading.Event)
    shuffle: Callable[[list[str]], None] = random.shuffle
    done: int = 0
    _passed_over: set[str] = attrs.field(factory=set)
    _in_hand: set[str] = attrs.field(factory=set)
    _changed: threading.Condition = attrs.field(factory=threading.Condition)
    # A signal handler calls `end`, maybe while the interrupted code holds a lock. A put into a
    # SimpleQueue never waits for one, unlike a Condition.
    _wakes: SimpleQueue[None] = attrs.field(factory=SimpleQueue)
    _failed: StoreUnavailable | None = None
    _threads: Threads = attrs.field(
        init=False, default=attrs.Factory(lambda self: Threads(self.concurrency), takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        checked_scoria(self.scoria)
        checked_threads(self.concurrency, "concurrency")
        checked_seconds(self.poll, "poll", may_be_0=False)
        if not isinstance(self.stop, threading.Event):
            problem = f"is {type(self.stop).__name__}; pass a threading.Event, or leave it out"
            raise InvalidPayload("stop", problem)

    def run(self) -> int:
        """Work until `stop` is set, and return in how many runs a step was carried out.

        If the store does not answer, wait for it, longer each time.
        """
        for name in self.scoria.listeners:
            threading.Thread(target=self._tell_in_thread, args=(name,), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        with self._ending():
            self._loop(self.work, self._wait)
        return self.done

    def work(self) -> int:
        """Look once at what is due; return in how many runs a step was carried out, or begun.

        Raises `StoreUnavailable` if the store does not answer.
        """
        while not self._wakes.empty():
            self._wakes.get()  # emptied before the look, which may miss what becomes due after it
        return self._carry_out(self._due())

    def drain(self) -> int:
        """Work until no due step has a handler here; return as `run` does.

        At the end, deliver to each listener once what it has yet to receive.
        """
        with self._ending():
            while not self.stop.is_set():
                if due := self._due():
                    self._carry_out(due)
                elif not self._wait_for_one():
                    self._look_at_all_again()
                    break
        if self.scoria.listeners:
            self.scoria.deliver_events()
        return self.done

    def end(self) -> None:
        """Start nothing more; running steps may end."""
        self.stop.set()
        self._wakes.put(None)
        self.scoria.stop()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Wait at the end for running steps; if an exception interrupts, release their claims."""
        try:
            yield
            self._threads.shutdown()
        except BaseException:
            # Async handlers are cancelled. A plain one in a thread cannot be: its step is released
            # while it runs, as the process is about to end.
            end_process_loop()
            HEARTBEAT.give_back()
            self._threads.shutdown(0)
            raise

    def tell(self, listener: str) -> None:
        """Deliver to one listener, until `stop` is set."""
        self._loop(lambda: self.scoria.deliver_events(listener), self.stop.wait)

    def _tell_in_thread(self, name: str) -> None:
        while not self.stop.is_set():
            try:
                self.tell(name)
            except ScoriaError:
                logger.exception("listener %s is told no more", name, extra=about(listener=name))
                return
            except BaseException:  # a listener may raise SystemExit; its event is tried again
                logger.exception("listener %s was not told", name, extra=about(listener=name))

    def _watch(self) -> None:
        """Wake the worker when a run becomes due, until `stop` is set, if its store can wake."""
        is_woken, pause = True, self.poll
        while not self.stop.is_set():
            try:
                if (watch := watch_pending(self.scoria, WATCH)) is None:
                    return
                with closing(watch):
                    for number, due in enumerate(watch):
                        if self.stop.is_set():
                            return
                        # The first answer is empty: a look now finds what became due before it.
                        if number == 0 or due:
                            self._wake(due)
                        if not is_woken:
                            logger.info("its store wakes it again")
                        is_woken, pause = True, self.poll
            except StoreUnavailable as error:
                if is_woken and not self.stop.is_set():
                    told = "its store does not wake it: it looks every %.1f s: %s"
                    logger.warning(told, self.poll, error)
                is_woken = False
                self.stop.wait(pause)
                pause = min(2 * pause, MAX_PAUSE)

    def _wake(self, due: Sequence[str]) -> None:
        """Make the worker look now, also at these runs if it has passed them over."""
        with self._changed:
            self._passed_over.difference_update(due)
        self._wakes.put(None)

    def _wait(self, seconds: float) -> None:
        """Wait until something is due; if nothing is, the next look is at passed-over runs too."""
        if self.stop.is_set():
            return
        try:
            self._wakes.get(timeout=seconds)
        except Empty:
            self._look_at_all_again()

    def _look_at_all_again(self) -> None:
        with self._changed:
            if len(self._passed_over) == MAX_PAGE:
                logger.warning("%s due runs hide all others: none has a handler here", MAX_PAGE)
            self._passed_over.clear()

    def _loop(self, look: Callable[[], int], wait: Callable[[float], object]) -> None:
        """Look until `stop` is set; wait if nothing was found, or the store does not answer."""
        pause = self.poll
        while not self.stop.is_set():
            try:
                found = look()
            except StoreUnavailable as error:
                logger.warning("waiting %.1f s: %s", pause, error)
                wait(pause)
                pause = min(2 * pause, MAX_PAUSE)
                continue
            pause = self.poll
            if not found:
                wait(self.poll)

    def _carry_out(self, due: Sequence[str]) -> int:
        worked = 0
        for run_id in due:
            if self.stop.is_set():
                break
            worked += self._begin(run_id)
        return worked

    def _begin(self, run_id: str) -> bool:
        if self.concurrency == 1:
            return self._carry_on(run_id)
        with self._changed:
            self._changed.wait_for(lambda: len(self._in_hand) < self.concurrency)
            if self.stop.is_set():
                return False
            self._in_hand.add(run_id)
        if self._threads.submit(lambda: self._carry_on_in_thread(run_id)):
            return True
        with self._changed:
            self._in_hand.discard(run_id)
        self.end()  # the interpreter exits, and starts no more work
        return False

    def _carry_on_in_thread(self, run_id: str) -> None:
        try:
            self._carry_on(run_id)
        except StoreUnavailable as error:
            self._failed = error
        finally:
            with self._changed:
                self._in_hand.discard(run_id)
                self._changed.notify_all()

    def _wait_for_one(self) -> bool:
        """Wait until one more run is finished; return False if none is being worked on."""
        with self._changed:
            in_hand = len(self._in_hand)
            return bool(in_hand) and self._changed.wait_for(lambda: len(self._in_hand) < in_hand)

    def _due(self) -> Sequence[str]:
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed
        limit = min(PAGE + len(self._passed_over), MAX_PAGE)
        due = self.scoria.list_pending(limit=limit)
        # A run that is still due after it was carried on has no handler here. It is passed over,
        # and the limit grows by it: so it does not hide runs that this worker can carry on.
        with self._changed:
            self._passed_over &= set(due)
            known = self._passed_over | self._in_hand
        fresh = [run_id for run_id in due if run_id not in known]
        self.shuffle(fresh)
        return fresh

    def _carry_on(self, run_id: str) -> bool:
        try:
            worked = self.scoria.run_pending(run_id)
        except StoreUnavailable:
            raise
        except ScoriaError:
            logger.exception("run %s is passed over", run_id, extra=about(run_id=run_id))
            worked = []
        with self._changed:
            self.done += bool(worked)
            if not worked:
                self._passed_over.add(run_id)
        return bool(worked)


@contextmanager
def stopping(worker: Worker, grace: float) -> Iterator[None]:
    """Stop `worker` at SIGTERM or Ctrl-C; interrupt handlers that take longer than `grace`.

    The steps of interrupted handlers go back to the queue. A second signal interrupts them at
    once. Only for the main thread. A plain handler in another thread ends with the process.
    """
    is_signalled = False

    def on_signal(number: int, _: FrameType | None) -> None:
        nonlocal is_signalled
        if is_signalled or worker.stop.is_set():
            break_off()
        if is_signalled:
            return  # the first may be setting `stop`, and holds its lock
        is_signalled = True
        logger.info("%s: what is at work has %.0f s to end", signal.Signals(number).name, grace)
        worker.end()
        signal.setitimer(signal.ITIMER_REAL, max(grace, 0.001))  # 0 would set no timer

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
