"""An uninterruptible call always finishes, even if a signal interrupts its caller."""

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from scoria_core.uninterruptible import uninterruptible


class StoppedError(BaseException):
    """What a signal raises."""


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Interrupt the main thread, and return once it was."""
    waits, interrupted = threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        if waits.is_set():
            waits.clear()
            interrupted.set()
            raise StoppedError

    def send() -> None:
        interrupted.clear()
        waits.set()
        main = threading.main_thread().ident
        assert main is not None
        # A signal just before the main thread waits for a lock is seen with the next one only.
        while not interrupted.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)
            interrupted.wait(0.05)

    before = signal.signal(signal.SIGUSR1, stop)
    yield send
    signal.signal(signal.SIGUSR1, before)


def test_an_interrupted_call_comes_to_its_end(interrupt: Callable[[], None]) -> None:
    """The interrupt goes up once the work is done, so that who cleans up sees all of it."""
    done = threading.Event()

    def work() -> None:
        interrupt()
        done.set()

    with pytest.raises(StoppedError):
        uninterruptible(work)
    assert done.is_set()


def test_a_second_interrupt_does_not_wait(interrupt: Callable[[], None]) -> None:
    """A store that does not answer does not keep its process from ending."""
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        interrupt()
        interrupt()
        go.wait(120)
        done.set()

    with pytest.raises(StoppedError):
        uninterruptible(work)
    assert not done.is_set()
    go.set()
    assert done.wait(120)


def test_its_answer_and_its_error_are_the_callers() -> None:
    """From the main thread and from another."""
    assert uninterruptible(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        uninterruptible(lambda: 1 / 0)
    found: list[str] = []
    other = threading.Thread(
        target=lambda: found.append(uninterruptible(lambda: threading.current_thread().name)),
        name="other",
    )
    other.start()
    other.join()
    assert found == ["other"]


def test_without_another_thread_it_is_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that shuts down starts none, and what is to be stored is stored."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert uninterruptible(lambda: 7) == 7
