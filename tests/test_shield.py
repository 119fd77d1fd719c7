"""What is shielded comes to its end, whoever is interrupted."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from scoria_core.shield import shielded


class StoppedError(BaseException):
    """What a signal raises."""


@pytest.fixture
def _stopping() -> Iterator[None]:
    """Have an alarm raise."""

    def stop(*_: object) -> None:
        raise StoppedError

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_stopping")
def test_an_interrupted_call_comes_to_its_end() -> None:
    """The interrupt goes up once the work is done, so that who cleans up sees all of it."""
    done = threading.Event()

    def work() -> None:
        time.sleep(0.2)
        done.set()

    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(StoppedError):
        shielded(work)
    assert done.is_set()


@pytest.mark.usefixtures("_stopping")
def test_a_second_interrupt_does_not_wait() -> None:
    """A store that does not answer does not keep its process from ending."""
    go, done = threading.Event(), threading.Event()

    def work() -> None:
        go.wait(30)
        done.set()

    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    with pytest.raises(StoppedError):
        shielded(work)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert not done.is_set()
    go.set()
    assert done.wait(10)


def test_its_answer_and_its_error_are_the_callers() -> None:
    """From the main thread and from another."""
    assert shielded(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        shielded(lambda: 1 / 0)
    found: list[str] = []
    other = threading.Thread(
        target=lambda: found.append(shielded(lambda: threading.current_thread().name)), name="other"
    )
    other.start()
    other.join()
    assert found == ["other"]


def test_without_another_thread_it_is_called_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that shuts down starts none, and what is to be stored is stored."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert shielded(lambda: 7) == 7
