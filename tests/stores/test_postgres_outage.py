"""A worker that is told to stop, and a server that is gone: a call is done whole, or not at all."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import scoria_postgres.store
from lab.chaos import crew
from lab.chaos.crew import Member
from lab.chaos.ledger import Ledger
from lab.chaos.server import Server, serving
from lab.model.invariants import Observed, breaches
from scoria_core import RunDetail, RunSummary, Scoria, StepSpec
from scoria_core.errors import StoreUnavailable

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def crashing(server_wheel: None) -> Iterator[Server]:  # noqa: ARG001 - where there is none, skip
    """Return a server that these tests may crash."""
    with serving(fsync="off") as server:
        yield server


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoria_postgres.store, "PATIENCE", 1)


def start(scoria: Scoria, key: str | None = None, kind: str = "work", **more: Any) -> RunSummary:
    """Start a run of one step."""
    identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    step = StepSpec(kind, "executor")
    return scoria.start_run(
        identity, root_role_id="executor", initial_step=step, idempotency_key=key, **more
    )


def until(look: Callable[[], object]) -> None:
    """Wait for something to be so."""
    ends = time.monotonic() + 30
    while not look():
        assert time.monotonic() < ends
        time.sleep(0.05)


def moves(run: RunDetail) -> list[str]:
    """Return what happened to the steps of a run, which must be whole."""
    assert breaches(Observed(run)) == ()
    return [entry.type for entry in run.journal if entry.subject == "step"]


@pytest.fixture
def at_work(postgres_scratch: str, tmp_path: Path) -> Iterator[Callable[[float], Member]]:
    """Start a worker with that grace, and return it when it is in mid-handler."""
    ledger = Ledger(tmp_path, "director")
    members: list[Member] = []

    def enter(grace: float) -> Member:
        plain = crew.worker(1, postgres_scratch, ledger, 60.0, "lab.chaos.handlers:waiting")
        members.append(attrs.evolve(plain, command=[*plain.command, "--grace", str(grace)]))
        members[0].start()
        until(lambda: ledger.read("handlers"))
        return members[0]

    yield enter
    for member in members:
        if member.is_alive():
            member.kill()


def test_a_worker_told_to_stop_lets_its_step_end(
    postgres_scratch: str, tmp_path: Path, at_work: Callable[[float], Member]
) -> None:
    """SIGTERM in mid-handler: the step ends within the grace, and is recorded."""
    with Scoria.open(postgres_scratch, dispatch="queue") as scoria:
        run = start(scoria, kind="wait")
        worker = at_work(30)
        threading.Timer(0.5, (tmp_path / "go").touch).start()
        assert worker.end(signal.SIGTERM) == 0
        detail = scoria.get_run_detail(run.run_id)
    assert moves(detail) == ["step_queued", "step_claimed", "step_completed"]


def test_a_worker_told_to_stop_gives_back_what_takes_too_long(
    postgres_scratch: str, at_work: Callable[[float], Member]
) -> None:
    """SIGTERM in mid-handler: past the grace the step is queued again, and another does it."""
    with Scoria.open(postgres_scratch, dispatch="queue") as scoria:
        run = start(scoria, kind="wait")
        assert at_work(0.2).end(signal.SIGTERM) == 0
        assert moves(scoria.get_run_detail(run.run_id))[-1] == "step_released"
        scoria.run_pending(handlers={"wait": lambda *_: None})
        assert moves(scoria.get_run_detail(run.run_id))[-2:] == ["step_claimed", "step_completed"]


def test_a_server_that_is_down_at_start_is_told(crashing: Server) -> None:
    """Who opens the store gets `StoreUnavailable`, and a worker one line and exit code 2."""
    crashing.crash()
    try:
        with pytest.raises(StoreUnavailable):
            Scoria.open(crashing.url)
        options = ["--store", crashing.url, "--handlers", "os:environ"]
        command = [sys.executable, "-m", "scoria_cli", "worker", *options]
        worker = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        crashing.start()
    assert worker.returncode == 2
    assert worker.stderr.endswith("[store_unavailable]\n")
    assert worker.stderr.count("\n") == 1
    Scoria.open(crashing.url).close()


def test_a_server_that_comes_back_in_mid_handler_is_not_noticed(crashing: Server) -> None:
    """The outcome is recorded when the server is back, and the call returns it."""
    back = threading.Timer(1, crashing.start)

    def crash(*_: object) -> dict[str, str]:
        crashing.crash()
        back.start()
        return {"kept": "yes"}

    with Scoria.open(crashing.url, handlers={"work": crash}) as scoria:
        run = start(scoria)
        assert run.status == "completed"
        detail = scoria.get_run_detail(run.run_id)
    back.join()
    assert detail.steps[0].result == {"kept": "yes"}
    assert moves(detail) == ["step_queued", "step_claimed", "step_completed"]


@pytest.mark.usefixtures("_impatient")
def test_a_server_that_stays_away_leaves_the_claim_on_record(crashing: Server) -> None:
    """The call raises `StoreUnavailable`; when the lease has ended another does the step."""

    def crash(*_: object) -> None:
        crashing.crash()

    with Scoria.open(crashing.url, lease=1) as scoria:
        try:
            with pytest.raises(StoreUnavailable):
                start(scoria, "stays-away", handlers={"work": crash})
        finally:
            crashing.start()
        run = start(scoria, "stays-away")
        assert moves(scoria.get_run_detail(run.run_id)) == ["step_queued", "step_claimed"]
        time.sleep(1)
        (run,) = scoria.run_pending(handlers={"work": lambda *_: None})
        assert run.status == "completed"


@pytest.mark.usefixtures("_impatient")
def test_a_call_in_an_outage_is_done_whole_or_not_at_all(crashing: Server) -> None:
    """Of many calls while the server crashes and comes back, none is half done, nor done twice."""
    over = threading.Event()
    told: dict[str, str | None] = {}

    def call_on(number: int) -> None:
        done = 0
        while not over.is_set():
            key, done = f"outage-{number}-{done}", done + 1
            try:
                told[key] = start(scoria, key).run_id
            except StoreUnavailable:
                told[key] = None

    with Scoria.open(crashing.url, handlers={"work": lambda *_: None}) as scoria:
        callers = [threading.Thread(target=call_on, args=[number]) for number in range(4)]
        for caller in callers:
            caller.start()
        for away in (0, 2.5, 0):
            time.sleep(0.5)
            crashing.crash()
            time.sleep(away)
            crashing.start()
        time.sleep(0.5)
        over.set()
        for caller in callers:
            caller.join()
        assert None in told.values()
        until(lambda: answers(scoria))
        for key, run_id in told.items():
            run = start(scoria, key)
            assert run_id in (None, run.run_id)
            claimed = ["step_queued", "step_claimed"]
            done = [*claimed, "step_completed"]
            wholes = (claimed, done) if run_id is None else (done,)
            assert moves(scoria.get_run_detail(run.run_id)) in wholes


@pytest.mark.usefixtures("_impatient")
def test_a_server_that_was_long_away_is_found_at_once(crashing: Server) -> None:
    """How long a store takes to answer again does not grow with how long it was away."""
    with Scoria.open(crashing.url) as scoria:
        crashing.crash()
        ends = time.monotonic() + 8
        while time.monotonic() < ends:
            assert not answers(scoria)
        crashing.start()
        back = time.monotonic()
        until(lambda: answers(scoria))
        assert time.monotonic() - back < 3


def answers(scoria: Scoria) -> bool:
    """Tell whether the store answers."""
    try:
        scoria.list_pending()
    except StoreUnavailable:
        return False
    return True
