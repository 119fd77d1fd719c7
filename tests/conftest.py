"""A store of every kind, and a clock and ids that make every run reproducible."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scoria_core import Identity, RunSummary, Scoria, StepSpec
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.ports import RunStore
from scoria_core.testing import CountedIds, SettableClock
from scoria_duckdb.journal_file import JournalFile
from tests.support.clocks import noon_clock
from tests.support.postgres import postgres_scratch as postgres_scratch  # fixtures of all tests
from tests.support.postgres import postgres_url as postgres_url
from tests.support.postgres import server_wheel as server_wheel
from tests.support.scripted import WORK, needs, scripted
from tests.support.stores import STORES

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts what runs in the background so. Tests send Ctrl-C, to themselves and to others.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _leaves_the_process_alone() -> Iterator[None]:
    """Fail a test that leaves the process other than it found it: the next one would pay for it."""
    before = _process()
    yield
    ends = time.monotonic() + 60
    while (HEARTBEAT.is_active() or HEARTBEAT._users) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not HEARTBEAT.is_active(), "a handler of this test is still at work"
    assert not HEARTBEAT._users, "a call of this test has not ended"
    assert _process() == before


def _process() -> Mapping[str, object]:
    """Return what every test of the process shares."""
    return {
        "directory": Path.cwd(),
        "environment": {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        "log level": logging.getLogger().level,
        "path": list(sys.path),
        "switch interval": sys.getswitchinterval(),
        "time zone": time.tzname,
    }


@pytest.fixture
def make_clock() -> Callable[[], SettableClock]:
    """Make clocks, for a test that needs one per example."""
    return noon_clock


@pytest.fixture
def clock() -> SettableClock:
    """Return the clock of the test."""
    return noon_clock()


@pytest.fixture
def ids() -> CountedIds:
    """Return the ids of the test."""
    return CountedIds()


@pytest.fixture(params=sorted(STORES))
def scheme(request: pytest.FixtureRequest) -> str:
    """Name one kind of store."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _leaves_no_file_open() -> Iterator[None]:
    """Fail the test that leaves a DuckDB file open, not one that comes after it."""
    before = set(JournalFile._shared)
    yield
    assert JournalFile._shared.keys() <= before, "a DuckDB file was left open"


@pytest.fixture
def make_store_of(tmp_path: Path) -> Iterator[Callable[[str], RunStore]]:
    """Make empty stores of a kind; all are closed afterwards."""
    made: list[RunStore] = []

    def make(scheme: str) -> RunStore:
        made.append(STORES[scheme](tmp_path / f"{len(made)}.{scheme}"))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def make_store(scheme: str, make_store_of: Callable[[str], RunStore]) -> Callable[[], RunStore]:
    """Make empty stores of the kind that the test runs on."""
    return lambda: make_store_of(scheme)


@pytest.fixture
def store(make_store: Callable[[], RunStore]) -> RunStore:
    """Return an empty store."""
    return make_store()


@pytest.fixture
def make_scoria_of(make_store_of: Callable[[str], RunStore]) -> Callable[..., Scoria]:
    """Make facades over a new store of a kind, each with a clock and ids of its own."""

    def make(scheme: str, **options: Any) -> Scoria:
        return Scoria(
            make_store_of(scheme), **{"clock": noon_clock(), "ids": CountedIds(), **options}
        )

    return make


@pytest.fixture
def make_scoria(store: RunStore, clock: SettableClock, ids: CountedIds) -> Callable[..., Scoria]:
    """Make facades over the one store of the test, with its clock and its ids."""

    def make(**options: Any) -> Scoria:
        return Scoria(**{"store": store, "clock": clock, "ids": ids, **options})

    return make


@pytest.fixture
def scoria(make_scoria: Callable[..., Scoria]) -> Scoria:
    """Return a facade over an empty store."""
    return make_scoria()


@pytest.fixture
def identity() -> Identity:
    """Return who acts in most tests."""
    return Identity("user-1", "acme", "session-1")


@pytest.fixture
def start(scoria: Scoria, identity: Identity) -> Callable[..., RunSummary]:
    """Start a run of one step, by default without a handler for it."""

    def start(handler: Any = None, step: StepSpec | None = WORK, **more: Any) -> RunSummary:
        handlers = None if handler is None else {"work": handler}
        arguments = {"root_role_id": "executor", "initial_step": step, "handlers": handlers, **more}
        return scoria.start_run(identity, **arguments)

    return start


@pytest.fixture
def waiting(start: Callable[..., RunSummary]) -> RunSummary:
    """Return a run that waits for an approval which expires after a minute."""
    return start(scripted(needs(expires_in=60)))


@pytest.fixture
def _as_a_process() -> Iterator[None]:
    """Put back what a command changes of its process: streams, hooks, logging and signals."""
    root, streams = logging.getLogger(), (sys.stdout, sys.stderr)
    hooks = (sys.excepthook, threading.excepthook)
    level, handlers, path = root.level, list(root.handlers), list(sys.path)
    terminates = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, terminates)
    logging.captureWarnings(False)
    root.setLevel(level)
    root.handlers[:], sys.path[:] = handlers, path
    sys.excepthook, threading.excepthook = hooks
    sys.stdout, sys.stderr = streams
