"""What is shielded comes to its end, whoever is interrupted."""

import signal
import threading
from collections.abc import Iterator

import pytest

from scoria_core.shield import shielded


class StoppedError(BaseException):
    """What a signal raises."""


@pytest.fixture
def _stopping() -> Iterator[None]:
    """Have a signal raise."""

    def stop(*_: object) -> None:
        raise StoppedError

    before = signal.signal(signal.SIGUSR1, stop)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("_stopping")
def test_an_interrupted_call_comes_to_its_end() -> None:
    """The main thread goes on at once; the work goes on without it."""
    may_end, done = threading.Event(), threading.Event()

    def work() -> None:
        signal.pthread_kill(main.ident, signal.SIGUSR1)
        may_end.wait(120)
        done.set()

    main = threading.main_thread()
    assert main.ident is not None
    with pytest.raises(StoppedError):
        shielded(work)
    assert not done.is_set()
    may_end.set()
    assert done.wait(120)


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
