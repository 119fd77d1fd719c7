"""Steps that start runs, change them and continue them."""

from datetime import timedelta
from typing import Any

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.answers import ANSWERS
from scoria_conformance.world import KIND, Answer, World, asks, completed, raises
from scoria_core import Approval, RunStatus, StepSpec

UNSERVED = StepSpec(kind="unserved", role_id="executor")
"""A step that no handler serves."""


def start(world: World, answer: Answer = completed, **arguments: Any) -> None:
    """Start a run of one step, whose handler answers with `answer`."""
    world.answer = answer
    given_arguments = {
        "root_role_id": "executor",
        "initial_step": StepSpec(kind=KIND, role_id="executor", input={"n": 1}),
        "handlers": world.handlers,
        **arguments,
    }
    world.run_id = world.scoria.start_run(world.identity(), **given_arguments).run_id


@when("a run is started")
def _a_run_is_started(world: World) -> None:
    started = world.scoria.start_run(world.identity(), root_role_id="executor")
    world.run_id = started.run_id


@when(parsers.parse('a run is started with a step whose handler answers "{answer}"'))
def _a_run_is_started_with_a_step_whose_handler(world: World, answer: str) -> None:
    start(world, ANSWERS[answer])


@when("a run is started with a step whose handler asks for approval")
@given("a run that waits for approval")
def _a_run_is_started_with_a_step_whose_handler_2(world: World) -> None:
    start(world, asks())


@given(parsers.parse("a run that waits for approval for {seconds:d} seconds"))
def _a_run_that_waits_for_approval_for_seconds(world: World, seconds: int) -> None:
    start(world, asks(expires_in=seconds))


@when("a run is started with a step whose handler raises")
@given("a failed run")
def _a_run_is_started_with_a_step_whose_handler_3(world: World) -> None:
    start(world, raises)


@when("a run is started with a step that has no handler")
@given("a run with a queued step")
def _a_run_is_started_with_a_step_that_has_no(world: World) -> None:
    start(world, handlers=None)


@given("a completed run")
def _a_completed_run(world: World) -> None:
    start(world)


@given("an approved run")
def _an_approved_run(world: World) -> None:
    start(world, asks())
    approve(world)
    world.calls.clear()


@given("a run without a step")
def _a_run_without_a_step(world: World) -> None:
    start(world, initial_step=None)


@given("a run that is about to be")
def _a_run_that_is_about_to_be(world: World) -> None:
    assert list(world.scoria.list_runs()) == []


@given("a run whose first step has no handler")
def _a_run_whose_first_step_has_no_handler(world: World) -> None:
    start(world, initial_step=StepSpec(kind="unserved", role_id="executor"))


@given("a run of the same session that waits for approval", target_fixture="other_run_id")
def _a_run_of_the_same_session_that_waits(world: World) -> str:
    return _other_run(world, asks())


@given("a run of the same session that has completed", target_fixture="other_run_id")
def _a_run_of_the_same_session_that_has_completed(world: World) -> str:
    return _other_run(world, completed)


def _other_run(world: World, answer: Answer) -> str:
    run_id = world.run_id
    start(world, answer)
    other, world.run_id = world.run_id, run_id
    return other


@given("a rejected run")
def _a_rejected_run(world: World) -> None:
    start(world, asks())
    reject(world)


@when("a step is added behind the others")
def _a_step_is_added_behind_the_others(world: World) -> None:
    world.scoria.add_step(world.run_id, UNSERVED)


@given("a resumed run")
def _a_resumed_run(world: World) -> None:
    start(world, asks())
    approve(world)
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


@given("a cancelled run")
def _a_cancelled_run(world: World) -> None:
    start(world, asks())
    world.scoria.cancel_run(world.run_id, reason="no longer wanted")


@given(parsers.parse("{count:d} runs of one session"), target_fixture="turns")
def _runs_of_one_session(world: World, count: int) -> list[str]:
    runs = [world.scoria.start_run(world.identity(), root_role_id="a") for _ in range(count)]
    world.scoria.start_run(world.identity(session_id="session-2"), root_role_id="a")
    return [run.run_id for run in runs]


@when(parsers.parse('a run is started with the idempotency key "{key}"'), target_fixture="key")
def _a_run_is_started_with_the_idempotency_key(world: World, key: str) -> str:
    start(world, idempotency_key=key)
    return key


@when(
    parsers.parse('a run that becomes "{status}" is started with the idempotency key "{key}"'),
    target_fixture="key",
)
def _a_run_is_started_with_the_idempotency_key_2(world: World, key: str, status: str) -> str:
    answers = {RunStatus.WAITING_FOR_APPROVAL: asks(), RunStatus.FAILED: raises}
    handlers = world.handlers if status in answers else None
    start(world, answers.get(RunStatus(status), completed), handlers=handlers, idempotency_key=key)
    if status == RunStatus.CANCELLED:
        world.scoria.cancel_run(world.run_id)
    assert world.scoria.get_run(world.run_id).status == status
    return key


@when("the host completes the run")
def _the_host_completes_the_run(world: World) -> None:
    world.scoria.complete_run(world.run_id)


@when("the run is cancelled")
def _the_run_is_cancelled(world: World) -> None:
    world.scoria.cancel_run(world.run_id)


@when("the run is resumed")
def _the_run_is_resumed(world: World) -> None:
    world.returned = world.scoria.resume_run(world.run_id, handlers=world.handlers)


@when("the run is resumed without a handler")
def _the_run_is_resumed_without_a_handler(world: World) -> None:
    world.scoria.resume_run(world.run_id)


@when("the run is resumed by a handler that asks again")
def _the_run_is_resumed_by_a_handler_that_asks(world: World) -> None:
    world.answer = lambda step, run: asks(expires_in=60)(attrs.evolve(step, approvals=()), run)
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


@when(parsers.parse('the run is resumed by a handler that answers "{answer}"'))
def _the_run_is_resumed_by_a_handler_that_answers(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


@when(parsers.parse('the run is retried with a handler that answers "{answer}"'))
def _the_run_is_retried_with_a_handler_that_answers(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    world.scoria.retry_run(world.run_id, handlers=world.handlers)


@when("the run is retried without a handler")
def _the_run_is_retried_without_a_handler(world: World) -> None:
    world.scoria.retry_run(world.run_id)


@when("another step is queued in it")
def _another_step_is_queued_in_it(world: World) -> None:
    world.scoria.add_step(world.run_id, StepSpec(kind=KIND, role_id="executor"))


@when(parsers.parse('the host adds a step whose handler answers "{answer}"'))
def _the_host_adds_a_step_whose_handler_answers(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    step = StepSpec(kind=KIND, role_id="executor")
    world.scoria.add_step(world.run_id, step, handlers=world.handlers)


@when(parsers.parse('what is queued is run with a handler that answers "{answer}"'))
def _what_is_queued_is_run_with_a_handler(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    world.scoria.run_pending(handlers=world.handlers)


@when("what is queued is run without a handler")
def _what_is_queued_is_run_without_a_handler(world: World) -> None:
    world.scoria.run_pending()


@when("another host queues a step in it")
def _another_host_queues_a_step_in_it(world: World) -> None:
    world.another_host.add_step(world.run_id, StepSpec(kind=KIND, role_id="executor"))


@when(parsers.parse('another host runs its step with a handler that answers "{answer}"'))
def _another_host_runs_its_step_with_a_handler(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    world.another_host.run_pending(world.run_id, handlers=world.handlers)


@when(parsers.parse("{seconds:d} seconds pass"))
def _seconds_pass(world: World, seconds: int) -> None:
    world.clock.advance(timedelta(seconds=seconds))


@when("the store is closed and opened again", target_fixture="journal_before")
def _the_store_is_closed_and_opened_again(world: World) -> Any:
    journal = world.detail.journal
    world.close()
    world.open()
    return journal


def pending(world: World) -> Approval:
    """Return the request that the run waits for."""
    found = world.scoria.get_run(world.run_id).pending_approval
    assert found is not None
    return found


def approve(world: World, decided_by: str = "reviewer-7", note: str | None = None) -> None:
    """Approve the request that the run waits for."""
    asked = pending(world)
    world.scoria.approve(
        world.run_id, approval_id=asked.approval_id, decided_by=decided_by, note=note
    )


def reject(world: World) -> None:
    """Reject the request that the run waits for."""
    asked = pending(world)
    world.scoria.reject(world.run_id, approval_id=asked.approval_id, decided_by="reviewer-7")


@then("both calls returned one run")
def _both_calls_returned_one_run(world: World) -> None:
    assert world.error is None
    assert world.returned.run_id == world.run_id
    assert len(world.scoria.list_runs()) == 1
