"""The heartbeat: what it renews, what it lets go, and that nothing ends its thread."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from scoria_core.heartbeat import LIMIT_RETRY, Heartbeat, Renewal
from scoria_core.leases import Lease

PATIENCE = 30
"""How many seconds a test waits for what must come."""

LEASE = Lease(0.1)
KEY, OTHER = ("run-1", "step-1", 1), ("run-2", "step-2", 1)
TAKEN = "was taken from its handler"


class Panic(BaseException):
    """What an extension of Python may raise."""


def until(is_so: Callable[[], object]) -> None:
    """Wait for what must come."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.005)


@pytest.fixture
def heartbeat() -> Iterator[Heartbeat]:
    """Return a heartbeat of the test's own."""
    heartbeat = Heartbeat()
    yield heartbeat
    heartbeat.stop_if_idle()


def beats(heartbeat: Heartbeat, count: int = 3) -> None:
    """Wait until another claim has been renewed so often."""
    renewed: list[bool] = []

    def renew() -> bool:
        renewed.append(True)
        return True

    with heartbeat.renewing(OTHER, LEASE, renew):
        until(lambda: len(renewed) >= count)


def test_a_lost_claim_is_told_of_once_and_renewed_no_more(
    heartbeat: Heartbeat, caplog: pytest.LogCaptureFixture
) -> None:
    """Its handler may be at work for hours yet."""
    asked: list[bool] = []

    def renew() -> bool:
        asked.append(True)
        return False

    with heartbeat.running(LEASE), heartbeat.renewing(KEY, LEASE, renew):
        until(lambda: asked)
        beats(heartbeat)
    assert len(asked) == 1
    assert caplog.text.count(TAKEN) == 1


def test_a_claim_whose_handler_has_returned_is_not_told_of(
    heartbeat: Heartbeat, caplog: pytest.LogCaptureFixture
) -> None:
    """Its result was recorded while its claim was looked for."""
    looking, left = threading.Event(), threading.Event()

    def renew() -> bool:
        looking.set()
        left.wait(PATIENCE)
        return False

    with heartbeat.running(LEASE):
        with heartbeat.renewing(KEY, LEASE, renew):
            assert looking.wait(PATIENCE)
        left.set()
        beats(heartbeat)
    assert TAKEN not in caplog.text


@pytest.mark.parametrize("error", [OSError, Panic])
def test_whatever_a_store_raises_the_next_renewal_comes(
    heartbeat: Heartbeat, error: type[BaseException]
) -> None:
    """The store may be back before the lease ends."""
    asked: list[bool] = []

    def renew() -> bool:
        asked.append(True)
        if len(asked) < 3:
            raise error
        return True

    with heartbeat.running(LEASE), heartbeat.renewing(KEY, LEASE, renew):
        until(lambda: len(asked) > 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_noticed_and_started_again(heartbeat: Heartbeat) -> None:
    """A filter of the host's log may raise; without a thread nothing is claimed."""
    renewed = threading.Event()

    class Raises(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise RuntimeError(record.msg)

    def renew() -> bool:
        if broken in logger.filters:
            raise OSError
        renewed.set()
        return True

    logger, broken = logging.getLogger("scoria"), Raises()
    logger.addFilter(broken)
    try:
        with heartbeat.running(LEASE), heartbeat.renewing(KEY, LEASE, renew):
            until(lambda: not heartbeat.is_running())
            logger.removeFilter(broken)
            with heartbeat.running(LEASE):
                assert heartbeat.is_running()
                assert renewed.wait(PATIENCE)
    finally:
        logger.removeFilter(broken)


def test_a_limit_that_passes_during_a_renewal_is_attended_to_next(heartbeat: Heartbeat) -> None:
    """It is put off only where the step could not be failed."""

    def renew() -> bool:
        until(lambda: time.monotonic() > limit_at)
        return True

    limit_at = time.monotonic() + 0.01
    renewal = Renewal(KEY, 900.0, renew, bool, 0.0, limit_at)
    heartbeat._attend(renewal)
    assert renewal.limit_at == limit_at == renewal.wakes_at


@pytest.mark.parametrize("raises", [True, False])
def test_a_step_that_could_not_be_failed_is_renewed_and_tried_again_soon(
    heartbeat: Heartbeat, *, raises: bool
) -> None:
    """A lease of an hour does not put the limit off by a quarter of an hour."""

    def overdue() -> bool:
        if raises:
            raise OSError
        return False

    renewal = Renewal(KEY, 900.0, lambda: True, overdue, 0.0, 0.0)
    before = time.monotonic()
    heartbeat._attend(renewal)
    assert before < renewal.limit_at <= time.monotonic() + LIMIT_RETRY
    assert before + 900 <= renewal.renew_at < math.inf
