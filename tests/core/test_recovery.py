"""Steps whose process has died, steps that are tried again, and who carries them out."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from scoria_core import Completed, Failed, NeedsApproval, Retry, RunSummary, Scoria, Step, StepSpec
from scoria_core.errors import InvalidPayload, StoreUnavailable, VersionConflict
from scoria_core.ports import RunStore
from scoria_core.testing import SettableClock

KIND = "work"
WORK = StepSpec(kind=KIND, role_id="executor")


def start(
    scoria: Scoria, step: StepSpec = WORK, tenant_id: str = "tenant-1", **more: Any
) -> RunSummary:
    """Start a run of one step."""
    identity = scoria.identity(actor_id="user-1", tenant_id=tenant_id, session_id="session-1")
    return scoria.start_run(identity, root_role_id="executor", initial_step=step, **more)


@pytest.fixture
def abandoned() -> Iterator[Callable[..., RunSummary]]:
    """Start runs whose process dies in its handler: nothing of it is ever written again."""
    gone = threading.Event()
    lives: list[threading.Thread] = []

    def abandon(
        store: RunStore, clock: SettableClock, step: StepSpec = WORK, **options: Any
    ) -> RunSummary:
        died = threading.Event()

        def handler(*_: object) -> None:
            died.set()
            gone.wait()

        class Dead:
            def __getattr__(self, name: str) -> object:
                if died.is_set():
                    raise StoreUnavailable("the store", "cannot be reached by the dead")
                return getattr(store, name)

        scoria = Scoria(Dead(), clock=clock, handlers={KIND: handler}, **options)  # type: ignore[arg-type]

        def live() -> None:
            with suppress(StoreUnavailable):
                start(scoria, step)

        lives.append(threading.Thread(target=live, daemon=True))
        lives[-1].start()
        assert died.wait(120)
        (run,) = Scoria(store, clock=clock).list_runs()
        return run

    yield abandon
    gone.set()
    for life in lives:
        life.join()


def only_step(scoria: Scoria, run_id: str) -> Step:
    """Return the one step of a run as it is now."""
    (step,) = scoria.get_run_detail(run_id).steps
    return step


def test_a_lease_that_ended_gives_the_step_to_another(
    store: RunStore, clock: SettableClock, abandoned: Callable[..., RunSummary]
) -> None:
    """A step whose process died is carried out by another, once its lease has ended."""
    run = abandoned(store, clock, lease=30)
    scoria = Scoria(store, clock=clock, handlers={KIND: lambda step, _: {"attempt": step.attempt}})
    clock.advance(seconds=29)
    assert scoria.run_pending() == []
    assert scoria.run_pending(run.run_id) == []
    assert only_step(scoria, run.run_id).status == "running"
    clock.advance(seconds=1)
    (worked,) = scoria.run_pending()
    assert worked.status == "completed"
    assert only_step(scoria, run.run_id).result == {"attempt": 2}


def test_a_step_fails_when_its_workers_died_too_often(
    store: RunStore, clock: SettableClock, abandoned: Callable[..., RunSummary]
) -> None:
    """A step that takes its processes with it is not tried for ever."""
    run = abandoned(store, clock, lease=30)
    scoria = Scoria(store, clock=clock, max_attempts=1, handlers={KIND: lambda *_: None})
    clock.advance(seconds=30)
    (worked,) = scoria.run_pending()
    assert worked.status == "failed"
    error = only_step(scoria, run.run_id).error
    assert error is not None
    assert (error.type, error.message) == (
        "LeaseExpired",
        "the lease expired on attempt 1 of 1",
    )
    assert scoria.retry_run(run.run_id).status == "completed"


def test_a_handler_at_work_keeps_its_lease(store: RunStore, clock: SettableClock) -> None:
    """A handler that takes much longer than the lease is entered once."""
    entered = []
    scoria = Scoria(store, clock=clock, lease=0.4)
    other = Scoria(store, clock=clock, handlers={KIND: lambda *_: entered.append("other")})

    def is_renewed() -> bool:
        until = clock.now() + timedelta(seconds=0.39)
        return not store.list_due(tenant_id=None, until=until, limit=1)

    def slow(__: Step, run: RunSummary) -> None:
        entered.append("own")
        for _ in range(5):
            clock.advance(seconds=0.3)
            ends = time.monotonic() + 120
            while not is_renewed():
                assert time.monotonic() < ends, "the lease is not renewed"
                time.sleep(0.01)
            assert other.run_pending() == other.run_pending(run.run_id) == []

    assert start(scoria, handlers={KIND: slow}).status == "completed"
    assert entered == ["own"]


def test_a_late_result_is_refused_and_said_so(
    store: RunStore, clock: SettableClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Who was taken for dead and comes back finds that another attempt has the step."""
    scoria = Scoria(store, clock=clock, lease=30)

    def sleeps_too_long(*_: object) -> dict[str, str]:
        clock.advance(seconds=31)
        scoria.run_pending(handlers={KIND: lambda *_: {"by": "another"}})
        return {"by": "the late one"}

    run = start(scoria, handlers={KIND: sleeps_too_long})
    assert only_step(scoria, run.run_id).result == {"by": "another"}
    assert "late result" in caplog.text


def test_a_renewed_lease_is_not_taken(
    store: RunStore, clock: SettableClock, abandoned: Callable[..., RunSummary]
) -> None:
    """The store refuses a take-over that was decided before the lease was renewed."""
    run = abandoned(store, clock, lease=30)
    version = Scoria(store, clock=clock).get_run(run.run_id).version
    renewed = clock.now() + timedelta(seconds=60)
    row = attrs.evolve(store.read([run.run_id])[0].row, due_at=renewed)
    store.append(run.run_id, (), expected_version=version, row=row)
    clock.advance(seconds=31)
    scoria = Scoria(store, clock=clock, handlers={KIND: lambda *_: None})
    assert scoria.run_pending(run.run_id) == []
    assert only_step(scoria, run.run_id).status == "running"
    with pytest.raises(VersionConflict):
        store.append(run.run_id, (), expected_version=version, row=row, due_by=clock.now())


def test_another_change_does_not_shorten_a_lease(
    store: RunStore, clock: SettableClock, abandoned: Callable[..., RunSummary]
) -> None:
    """A step added while a handler is at work does not make its claim look abandoned."""
    run = abandoned(store, clock, lease=30)
    scoria = Scoria(store, clock=clock, lease=1, handlers={KIND: lambda *_: None})
    clock.advance(seconds=29)
    scoria.add_step(run.run_id, WORK)
    clock.advance(seconds=29)
    assert scoria.run_pending() == []
    clock.advance(seconds=1)
    assert [each.status for each in scoria.run_pending()] == ["completed"]


def test_the_name_of_a_worker_is_in_the_journal(store: RunStore) -> None:
    """A claim says who made it, and for how long."""
    scoria = Scoria(store, worker_id="worker-1", lease=5, handlers={KIND: lambda *_: None})
    run = start(scoria)
    journal = scoria.get_run_detail(run.run_id).journal
    (claim,) = [entry for entry in journal if entry.type == "step_claimed"]
    lease = claim.data["lease"]
    assert (lease["seconds"], lease["worker_id"]) == (5.0, "worker-1")
    assert lease["holder"] not in (None, run.run_id)


def test_an_exception_is_tried_again_after_a_while(store: RunStore, clock: SettableClock) -> None:
    """A step that declares it is tried again with growing waits, under one idempotency key."""
    keys = []

    def flaky(step: Step, _: RunSummary) -> Completed:
        keys.append((step.attempt, step.idempotency_key, str(step.error)))
        if step.attempt < 3:
            raise ConnectionError(f"no answer {step.attempt}")
        return Completed({"attempt": step.attempt})

    scoria = Scoria(store, clock=clock, handlers={KIND: flaky})
    step = StepSpec(KIND, "executor", retry=Retry(max_attempts=3, delay=10, factor=3))
    run = start(scoria, step)
    assert run.status == "running"
    for wait in (10, 30):
        clock.advance(seconds=wait - 1)
        assert scoria.run_pending() == scoria.run_pending(run.run_id) == []
        clock.advance(seconds=1)
        (run,) = scoria.run_pending()
    assert run.status == "completed"
    key = only_step(scoria, run.run_id).idempotency_key
    assert keys == [
        (1, key, "None"),
        (2, key, "ConnectionError: no answer 1"),
        (3, key, "ConnectionError: no answer 2"),
    ]


def test_the_last_attempt_fails_the_step(store: RunStore, clock: SettableClock) -> None:
    """After its last attempt the step fails, and its run."""

    def broken(*_: object) -> None:
        raise ConnectionError("no answer")

    scoria = Scoria(store, clock=clock, handlers={KIND: broken})
    run = start(scoria, StepSpec(KIND, "executor", retry=Retry(max_attempts=2, delay=1)))
    clock.advance(seconds=1)
    (run,) = scoria.run_pending()
    assert run.status == "failed"
    assert only_step(scoria, run.run_id).attempt == 2


def test_who_answers_failed_is_not_tried_again(store: RunStore) -> None:
    """`Failed` is the handler's last word; only exceptions are tried again."""
    scoria = Scoria(store, handlers={KIND: lambda *_: Failed("no such account")})
    assert start(scoria, StepSpec(KIND, "executor", retry=Retry())).status == "failed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_attempts", 0),
        ("max_attempts", True),
        ("delay", -1),
        ("delay", float("nan")),
        ("factor", 0.5),
        ("max_delay", "1 s"),
    ],
)
def test_a_retry_that_cannot_be_is_refused(store: RunStore, field: str, value: object) -> None:
    """A retry that makes no sense is refused, with its path, before anything is written."""
    scoria = Scoria(store)
    step = StepSpec(KIND, "executor", retry=Retry(**{field: value}))  # type: ignore[arg-type]
    with pytest.raises(InvalidPayload, match=f"initial_step.retry.{field}"):
        start(scoria, step)
    assert not scoria.list_runs()


def test_an_expired_request_is_asked_anew(store: RunStore, clock: SettableClock) -> None:
    """Who has a handler for it runs a step again whose request has expired; nobody else does."""

    def asks(step: Step, _: RunSummary) -> NeedsApproval:
        seen.append(step.approval and step.approval.status)
        return NeedsApproval(tool_name="send", arguments={}, reason="to send", expires_in=10)

    seen: list[object] = []
    scoria = Scoria(store, clock=clock, handlers={KIND: asks})
    run = start(scoria)
    clock.advance(seconds=9)
    assert scoria.run_pending() == []
    clock.advance(seconds=1)
    assert Scoria(store, clock=clock).run_pending() == []
    assert [each.status for each in scoria.run_pending()] == ["waiting_for_approval"]
    assert seen == [None, "expired"]
    statuses = [each.status for each in scoria.get_run_detail(run.run_id).approvals]
    assert statuses == ["expired", "pending"]


def test_the_queue_waits_for_a_worker(store: RunStore) -> None:
    """With `queue` the call only records; whoever runs what is pending does the work."""
    scoria = Scoria(store, dispatch="queue", handlers={KIND: lambda *_: None})
    run = start(scoria)
    assert only_step(scoria, run.run_id).status == "queued"
    assert scoria.list_pending() == [run.run_id]
    assert [each.status for each in scoria.run_pending()] == ["completed"]


def test_threads_carry_on_after_the_call(store: RunStore) -> None:
    """The call returns before the handler is entered; closing waits for it."""
    go = threading.Event()

    def handler(step: Step, _: RunSummary) -> None:
        if step.attempt == 1:
            go.wait(120)
            raise ConnectionError

    scoria = Scoria(store, dispatch="thread", handlers={KIND: handler})
    retry = Retry(max_attempts=2, delay=0.05)
    run = start(scoria, StepSpec(KIND, "executor", retry=retry))
    assert run.status == "running"
    go.set()
    ends = time.monotonic() + 120
    while scoria.get_run(run.run_id).status == "running" and time.monotonic() < ends:
        time.sleep(0.01)
    assert scoria.get_run(run.run_id).status == "completed"


def test_closing_waits_for_the_threads(tmp_path: Path) -> None:
    """What a thread was given is done before the store is closed."""
    url = f"duckdb:///{tmp_path}/store"
    with Scoria.open(url, dispatch="thread", handlers={KIND: lambda *_: time.sleep(0.2)}) as scoria:
        run = start(scoria)
    with Scoria.open(url) as scoria:
        assert scoria.get_run(run.run_id).status == "completed"


@pytest.mark.parametrize(
    ("option", "value"), [("dispatch", "later"), ("lease", 0), ("lease", "1"), ("max_attempts", 0)]
)
def test_an_option_that_cannot_be_is_refused(option: str, value: Any) -> None:
    """An option that makes no sense is refused by name."""
    with pytest.raises(InvalidPayload, match=option):
        Scoria.open("memory://", **{option: value})


def test_tenants_take_turns(store: RunStore, clock: SettableClock) -> None:
    """A tenant with much to do does not keep the others waiting."""
    scoria = Scoria(store, clock=clock, dispatch="queue")
    runs = []
    for tenant_id in ("tenant-1", "tenant-1", "tenant-1", "tenant-2", "tenant-2", "tenant-3"):
        runs.append(start(scoria, tenant_id=tenant_id).run_id)
        clock.advance(seconds=1)
    fair = [runs[each] for each in (0, 3, 5, 1, 4, 2)]
    assert scoria.list_pending() == fair
    assert scoria.list_pending(limit=4) == fair[:4]
    assert scoria.for_tenant("tenant-2").list_pending() == runs[3:5]


def test_opening_again_leaves_a_handler_of_this_process_alone(tmp_path: Path) -> None:
    """Only what a dead process left is recovered, and this one is alive."""
    url = f"duckdb:///{tmp_path}/store"

    def handler(_: Step, run: RunSummary) -> None:
        with Scoria.open(url) as again:
            assert only_step(again, run.run_id).status == "running"

    with Scoria.open(url) as scoria:
        assert start(scoria, handlers={KIND: handler}).status == "completed"
