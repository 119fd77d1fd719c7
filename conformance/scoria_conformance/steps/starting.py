"""Steps that start runs and let them go on."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.verdict import NOT_APPLICABLE
from scoria_conformance.world import KIND, Answer, World, asks, completed, raises
from scoria_core import Completed, HandOff, RunSummary, Step, StepSpec
from scoria_core.ports import Capability

EVERY_KIND = {
    "zulu": "Zürich \u2603 \U0001f30b \u0000 \u202e end",
    "alpha": [1, -1, 0, 2**63, -(2**200), 1.5, 1e-300, -0.0],
    "empty": [{}, [], "", None],
    "nested": {"b": {"a": [{"z": 1, "y": [True, False, None]}]}},
    "": "a blank key",
}


def _hands_off(context: dict[str, Any], kind: str = "review-by-hand") -> Answer:
    """Answer with a handoff, by default to a kind that has no handler, so that it waits there."""
    return lambda *_: HandOff(
        delegated_role_id="critic",
        delegated_kind=kind,
        handoff_input={"brief": "look at it"},
        projected_context=context,
    )


ANSWERS: dict[str, Answer] = {"Completed": completed, "HandOff": _hands_off({})}


def start(world: World, answer: Answer = completed, **arguments: Any) -> None:
    """Start a run of one step that a handler answers."""
    world.answer = answer
    given_arguments = {
        "root_role_id": "executor",
        "initial_step": StepSpec(kind=KIND, role_id="executor", input={"n": 1}),
        "handlers": world.handlers,
        **arguments,
    }
    world.run_id = world.scoria.start_run(world.identity(), **given_arguments).run_id


@when("a run is started")
def _(world: World) -> None:
    started = world.scoria.start_run(world.identity(), root_role_id="executor")
    world.run_id = started.run_id


@when(parsers.parse('a run is started with a step whose handler answers "{answer}"'))
def _(world: World, answer: str) -> None:
    start(world, ANSWERS[answer])


@when("a run is started with a step whose handler asks for approval")
@given("a run that waits for approval")
def _(world: World) -> None:
    start(world, asks())


@given(parsers.parse("a run that waits for approval for {seconds:d} seconds"))
def _(world: World, seconds: int) -> None:
    start(world, asks(expires_in=seconds))


@when("a run is started with a step whose handler raises")
@given("a failed run")
def _(world: World) -> None:
    start(world, raises)


@when("a run is started whose handler cancels the run before it answers")
def _(world: World) -> None:
    def cancels(_: Step, run: RunSummary) -> Completed:
        world.scoria.cancel_run(run.run_id, reason="changed my mind")
        return Completed({"too": "late"})

    start(world, cancels)


@when("a run is started with a step whose handler hands off a transcript")
def _(world: World) -> None:
    start(world, _hands_off({"facts": [{"chatTranscript": "..."}]}))


@when("a run is started with a step whose handler always hands on")
def _(world: World) -> None:
    hands_on = _hands_off({}, kind=KIND)

    def answer(step: Step, run: RunSummary) -> object:
        assert step.sequence < 100, "the roles hand to each other without end"
        return hands_on(step, run)

    start(world, answer)


@when("a run is started with a step that has no handler")
@given("a run with a queued step")
def _(world: World) -> None:
    start(world, handlers=None)


@given("a completed run")
def _(world: World) -> None:
    start(world)


@given("an approved run")
def _(world: World) -> None:
    start(world, asks())
    approve(world)
    world.calls.clear()


@given("a resumed run")
def _(world: World) -> None:
    start(world, asks())
    approve(world)
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


@given("a cancelled run")
def _(world: World) -> None:
    start(world, asks())
    world.scoria.cancel_run(world.run_id, reason="no longer wanted")


@given(parsers.parse("{count:d} runs of one session"), target_fixture="turns")
def _(world: World, count: int) -> list[str]:
    runs = [world.scoria.start_run(world.identity(), root_role_id="a") for _ in range(count)]
    world.scoria.start_run(world.identity(session_id="session-2"), root_role_id="a")
    return [run.run_id for run in runs]


@when("a run is started with metadata of every kind of JSON value")
def _(world: World) -> None:
    start(world, metadata=EVERY_KIND)


@when(parsers.parse("a run is started whose payloads hold {quoted}"), target_fixture="hostile")
def _(world: World, quoted: str) -> str:
    hostile = quoted.strip('"')
    world.answer = lambda *_: {"result": hostile}
    world.run_id = world.scoria.start_run(
        world.identity(session_id=hostile, metadata={hostile: hostile}),
        root_role_id=hostile,
        initial_step=StepSpec(kind=KIND, role_id=hostile, input={hostile: hostile}),
        metadata={hostile: [hostile]},
        handlers=world.handlers,
    ).run_id
    return hostile


@when(parsers.parse('a run is started with the idempotency key "{key}"'), target_fixture="key")
def _(world: World, key: str) -> str:
    start(world, idempotency_key=key)
    return key


@when("the host completes the run")
def _(world: World) -> None:
    world.scoria.complete_run(world.run_id)


@when("the run is cancelled")
def _(world: World) -> None:
    world.scoria.cancel_run(world.run_id)


@when("the run is resumed")
def _(world: World) -> None:
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


@when(parsers.parse('the run is retried with a handler that answers "{answer}"'))
def _(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    world.scoria.retry_run(world.run_id, handlers=world.handlers)


@when(parsers.parse('what is queued is run with a handler that answers "{answer}"'))
def _(world: World, answer: str) -> None:
    world.answer = ANSWERS[answer]
    world.scoria.run_pending(handlers=world.handlers)


@when(parsers.parse("{seconds:d} seconds pass"))
def _(world: World, seconds: int) -> None:
    world.clock.advance(timedelta(seconds=seconds))


@when("the store is closed and opened again", target_fixture="journal_before")
def _(world: World) -> Any:
    if Capability.DURABLE not in world.store.capabilities:
        pytest.skip(f"{NOT_APPLICABLE}the store does not declare {Capability.DURABLE}")
    journal = world.detail.journal
    world.close()
    world.open()
    return journal


def approve(world: World) -> None:
    """Approve what the run waits for."""
    pending = world.scoria.get_run(world.run_id).pending_approval
    assert pending is not None
    world.scoria.approve(world.run_id, approval_id=pending.approval_id, decided_by="reviewer-7")


@then("both calls returned one run")
def _(world: World) -> None:
    assert world.error is None
    assert world.returned.run_id == world.run_id
    assert len(world.scoria.list_runs()) == 1
