"""Steps about processes that die in a handler, and about retries of steps."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.answers import ANSWERS
from scoria_conformance.steps.runs import start
from scoria_conformance.world import KIND, PATIENCE, World, asks, raises
from scoria_core import Retry, RunSummary, Scoria, Step, StepSpec
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import Capability

LEASE = 30
STEP = StepSpec(kind=KIND, role_id="executor")


@attrs.define
class DyingProcess:
    """A host whose process dies in its handler: after that, none of its calls reaches the store."""

    world: World
    _entered: threading.Event = attrs.field(factory=threading.Event)
    _over: threading.Event = attrs.field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def __getattr__(self, name: str) -> Any:
        if self._entered.is_set():
            raise StoreUnavailable("the store", "is out of reach of a process that has died")
        return getattr(self.world.store, name)

    def live(self, call: Callable[[Scoria], object]) -> None:
        """Make a call; from the time its handler is entered, the store is out of its reach."""
        facade = self.world.facade(
            self,
            clock=self.world.clock,
            lease=LEASE,
            handlers={KIND: self._die},
        )

        def run() -> None:
            with suppress(StoreUnavailable):
                call(facade)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        entered = self._entered.wait(PATIENCE)
        assert entered, "its handler was not called"

    def end(self) -> None:
        """Let the thread of the dead process end."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _die(self, *_: object) -> None:
        self._entered.set()
        self._over.wait(PATIENCE)


@pytest.fixture
def processes() -> Iterator[list[DyingProcess]]:
    """Keep the processes that die in a scenario, and end their threads after it."""
    made: list[DyingProcess] = []
    yield made
    for process in made:
        process.end()


def _dies(world: World, processes: list[DyingProcess], call: Callable[[Scoria], object]) -> None:
    processes.append(DyingProcess(world))
    processes[-1].live(call)


def _lease_ends(world: World) -> datetime:
    claimed = [entry for entry in world.detail.journal if entry.type == "step_claimed"]
    return claimed[-1].at + timedelta(seconds=LEASE)


@given("a run whose process died in its handler")
def _a_run_whose_process_died_in_its_handler(world: World, processes: list[DyingProcess]) -> None:
    def begin(scoria: Scoria) -> None:
        scoria.start_run(world.identity(), root_role_id="executor", initial_step=STEP)

    _dies(world, processes, begin)
    (run,) = world.scoria.list_runs()
    world.run_id = run.run_id


@given("its lease was renewed by another process just now")
def _its_lease_was_renewed_by_another_process_just(world: World) -> None:
    renewed = _lease_ends(world) + timedelta(seconds=LEASE)
    (run,) = world.store.read([world.run_id])
    row = attrs.evolve(run.row, due_at=renewed)
    world.store.append(world.run_id, (), expected_version=run.version, row=row)


@when("the lease of its step has almost ended")
def _the_lease_of_its_step_has_almost_ended(world: World) -> None:
    world.clock.advance(_lease_ends(world) - world.clock.now() - timedelta(seconds=1))


@when("the lease of its step has ended")
def _the_lease_of_its_step_has_ended(world: World) -> None:
    world.clock.advance(_lease_ends(world) - world.clock.now())


@when("the process that owns the store recovers it")
def _the_process_that_owns_the_store_recovers_it(
    world: World, processes: list[DyingProcess]
) -> None:
    _recovered_by_its_owner(world, processes)


@when(parsers.parse("its next {count:d} processes own the store, recover it and die as well"))
def _its_next_processes_own_the_store(
    world: World, processes: list[DyingProcess], count: int
) -> None:
    for _ in range(count):
        _recovered_by_its_owner(world, processes)
        _dies(world, processes, lambda scoria: scoria.run_pending())
    _recovered_by_its_owner(world, processes)


def _recovered_by_its_owner(world: World, processes: list[DyingProcess]) -> None:
    for process in processes:
        process.end()
    if Capability.MULTI_PROCESS in world.store.capabilities:
        # Other processes may run steps: `recover` releases nothing, and the lease has to end.
        recovered = world.scoria.recover()
        assert recovered == 0
        world.clock.advance(_lease_ends(world) - world.clock.now())
        world.scoria.run_pending()
    else:
        both = [world.scoria.recover(), world.scoria.recover()]
        assert both == [1, 0]


@then(parsers.parse("its step was released, and is in its attempt {attempt:d}"))
def _its_step_was_released_and_is_in_its_attempt(world: World, attempt: int) -> None:
    (step,) = world.detail.steps
    assert step.attempt == attempt
    assert [entry.type for entry in world.detail.journal].count("step_released") == attempt - 1


@when("a run is started whose handler takes longer than its lease, and others look for work")
def _a_run_is_started_whose_handler_takes_longer(world: World) -> None:
    lease = 0.5
    facade, other = (world.facade(world.store, lease=lease) for _ in range(2))

    def slow(step: Step, run: RunSummary) -> None:
        world.calls.append((step, run))
        ends = time.monotonic() + 3 * lease
        while time.monotonic() < ends:
            other.run_pending(handlers=world.handlers)
            other.run_pending(run.run_id, handlers=world.handlers)
            other.recover()
            time.sleep(lease / 20)

    identity = world.identity()
    run = facade.start_run(
        identity, root_role_id="executor", initial_step=STEP, handlers={KIND: slow}
    )
    world.run_id = run.run_id


@then("its handler was entered once, and no other took the step")
def _its_handler_was_entered_once_and_no_other_took(world: World) -> None:
    assert len(world.calls) == 1
    assert world.detail.steps[0].attempt == 1


@when("a call that adds a step is interrupted while the first one's handler is at work")
def _a_call_that_adds_a_step_is_interrupted(world: World) -> None:
    class Interrupted:
        def append(self, *args: Any, **more: Any) -> None:
            world.store.append(*args, **more)
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    other = world.facade(Interrupted(), clock=world.clock, handlers=world.handlers)
    behind = attrs.evolve(STEP, kind="behind")

    def adds(_: Step, run: RunSummary) -> None:
        with suppress(KeyboardInterrupt):
            other.add_step(run.run_id, behind)

    start(world, adds)


@then("the handler was entered once, and its step completed in its attempt 1")
def _the_handler_was_entered_once(world: World) -> None:
    first, behind = world.detail.steps
    assert [step.attempt for step, _ in world.calls] == [1]
    assert (first.status, first.attempt, behind.status) == ("completed", 1, "queued")


@when(parsers.parse('its step is run with a handler that answers "{answer}"'))
def _its_step_is_run_with_a_handler_that_answers(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    world.scoria.run_pending(world.run_id, handlers=world.handlers)


@when("another host adds a step")
def _another_host_adds_a_step(world: World) -> None:
    world.facade(world.store, clock=world.clock, lease=1).add_step(world.run_id, STEP)
    world.clock.advance(timedelta(seconds=LEASE - 1))


@when(parsers.parse("its next {count:d} processes die as well"))
def _its_next_processes_die_as_well(
    world: World, processes: list[DyingProcess], count: int
) -> None:
    for _ in range(count):
        world.clock.advance(_lease_ends(world) - world.clock.now())
        _dies(world, processes, lambda scoria: scoria.run_pending())
    world.clock.advance(_lease_ends(world) - world.clock.now())
    world.scoria.run_pending(handlers=world.handlers)


@then(parsers.parse("its step failed as its worker was silent, in its attempt {attempt:d}"))
def _its_step_failed_as_its_worker_was_silent(world: World, attempt: int) -> None:
    (step,) = world.detail.steps
    assert step.attempt == attempt
    assert step.error is not None
    assert step.error.type == "LeaseExpired"
    assert f"expired on attempt {attempt} of {attempt}" in step.error.message
    assert world.calls == []


@when(
    parsers.parse(
        "a run is started with a step retried after {first:d} seconds, and then after {later:d}"
    ),
    target_fixture="step",
)
def _a_run_is_started_with_a_step_retried_after(first: int, later: int) -> StepSpec:
    return attrs.evolve(STEP, retry=Retry(max_attempts=3, delay=first, factor=later / first))


@when(
    parsers.parse("its handler raises an exception the first {count:d} times"),
    target_fixture="entered_at",
)
def _its_handler_raises_an_exception_the_first(
    world: World, step: StepSpec, count: int
) -> list[float]:
    start(world, handlers=None, initial_step=step)
    return _entered_at(world, count)


@when(
    parsers.parse(
        "its handler raises an exception the first {count:d} times, while another step waits "
        "behind it"
    )
)
def _its_handler_raises_an_exception_the_first_2(world: World, step: StepSpec, count: int) -> None:
    start(world, handlers=None, initial_step=step)
    world.scoria.add_step(world.run_id, STEP)
    _entered_at(world, count)


def _entered_at(world: World, count: int) -> list[float]:
    """Return after how many seconds the handler was entered each time."""
    begin = world.clock.now()
    entered_at: list[float] = []

    def answer(step: Step, run: RunSummary) -> object:
        entered_at.append((world.clock.now() - begin).total_seconds())
        if len(entered_at) <= count:
            raises(step, run)
        return None

    world.answer = answer
    for _ in range(60):
        world.scoria.run_pending(world.run_id, handlers=world.handlers)
        assert world.scoria.list_pending() == []
        world.clock.advance(timedelta(seconds=1))
        world.scoria.run_pending(handlers=world.handlers)
    return entered_at


@then(parsers.parse("its handler was entered at {told} seconds"))
def _its_handler_was_entered_at_seconds(entered_at: list[float], told: str) -> None:
    assert entered_at == [int(each) for each in told.replace(" and ", ", ").split(", ")]


@then("the attempts of the first step had one idempotency key, and each other step its own")
def _the_attempts_of_the_first_step_had_one(world: World) -> None:
    assert [step.attempt for step, _ in world.calls] == [1, 2, 3, 1, 1]
    keys = [step.idempotency_key for step, _ in world.calls]
    assert [keys.index(key) for key in keys] == [0, 0, 0, 3, 4]


@then("each step had an idempotency key of its own")
def _each_step_had_an_idempotency_key_of_its_own(world: World) -> None:
    keys = {step.step_id: step.idempotency_key for step, _ in world.calls}
    assert len(keys) == 2
    assert len(set(keys.values())) == 2
    assert (
        keys.items() <= {step.step_id: step.idempotency_key for step in world.detail.steps}.items()
    )


@when("a run is started by a host that queues its steps")
def _a_run_is_started_by_a_host_that_queues_its(world: World) -> None:
    host = world.facade(world.store, clock=world.clock, dispatch="queue")
    run = host.start_run(
        world.identity(), root_role_id="executor", initial_step=STEP, handlers=world.handlers
    )
    world.run_id = run.run_id


@then("its handler was not entered")
def _its_handler_was_not_entered(world: World) -> None:
    assert world.calls == []


@when(
    "a run is started by a host that carries out steps on threads",
    target_fixture="returned_first",
)
def _a_run_is_started_by_a_host_that_carries_out(world: World) -> bool:
    returned, done = threading.Event(), threading.Event()
    seen: list[bool] = []

    def handler(*_: object) -> None:
        seen.append(returned.wait(PATIENCE))
        done.set()

    host = world.facade(world.store, dispatch="thread")
    run = host.start_run(
        world.identity(), root_role_id="executor", initial_step=STEP, handlers={KIND: handler}
    )
    returned.set()
    world.run_id = run.run_id
    ended = done.wait(PATIENCE)
    assert ended, "its handler was not called"
    return seen == [True]


@then("the call returned before its handler did")
def _the_call_returned_before_its_handler_did(returned_first: bool) -> None:
    assert returned_first


@then(parsers.parse('the run is "{status}" soon after'))
def _the_run_is_soon_after(world: World, status: str) -> None:
    ends = time.monotonic() + PATIENCE
    while world.scoria.get_run(world.run_id).status != status and time.monotonic() < ends:
        time.sleep(0.01)
    assert world.scoria.get_run(world.run_id).status == status


@given(
    parsers.parse('{a:d} queued runs of "{x}", {b:d} of "{y}" and {c:d} of "{z}", in that order'),
    target_fixture="queued",
)
def _queued_runs_of_of_and_of_in_that_order(
    world: World, a: int, x: str, b: int, y: str, c: int, z: str
) -> list[list[str]]:
    """Return the runs of each tenant."""

    def queue(tenant_id: str) -> str:
        world.clock.advance(timedelta(seconds=1))
        identity = world.identity(tenant_id=tenant_id)
        run = world.scoria.start_run(identity, root_role_id="executor", initial_step=STEP)
        return run.run_id

    return [[queue(name) for _ in range(count)] for count, name in ((a, x), (b, y), (c, z))]


@then("pending runs are listed with the tenants in turns, and any limit returns the first of them")
def _what_is_pending_is_listed_with_the_tenants(world: World, queued: list[list[str]]) -> None:
    turns = range(max(map(len, queued)))
    expected = [runs[turn] for turn in turns for runs in queued if turn < len(runs)]
    for limit in range(1, len(expected) + 2):
        assert world.scoria.list_pending(limit=limit) == expected[:limit]


@given(parsers.parse("a run that waits for an approval which expires after {seconds:d} seconds"))
def _a_run_that_waits_for_an_approval_which_expires(world: World, seconds: int) -> None:
    start(world, asks(expires_in=seconds))


@when("what is queued is run with a handler that asks for approval")
def _what_is_queued_is_run_with_a_handler_that_asks(world: World) -> None:
    world.answer = asks()
    world.scoria.run_pending(handlers=world.handlers)


@then("its first request is expired, and it has made another")
def _its_first_request_is_expired_and_it_has_made(world: World) -> None:
    assert [each.status for each in world.detail.approvals] == ["expired", "pending"]
    assert [step.approval and step.approval.status for step, _ in world.calls] == [None, "expired"]
