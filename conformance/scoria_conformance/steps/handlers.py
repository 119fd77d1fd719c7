"""Steps about handlers: what they answer, where they come from, and in which order they run."""

import asyncio
import json
import time
from typing import Any

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.answers import (
    HANDED_OVER,
    charges,
    completed_later,
    declined,
    ending,
    exits,
    hands_off,
    interrupts,
    layered,
    stopped,
    stopped_later,
    too_long,
)
from scoria_conformance.steps.calls_on_runs import STEP
from scoria_conformance.steps.runs import start
from scoria_conformance.world import KIND, PATIENCE, World, completed, raises
from scoria_core import (
    Completed,
    Handler,
    Retry,
    RunDetail,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
    decisions,
)
from scoria_core.repository import RunRepository
from scoria_core.system import Uuid7Source

NAMED = "scoria_conformance.world:completed"
"""The name of a handler, as a host would write it."""


@when("a run is started whose handler cancels the run before it answers")
def _a_run_is_started_whose_handler_cancels_the_run(world: World) -> None:
    def cancels(_: Step, run: RunSummary) -> Completed:
        world.scoria.cancel_run(run.run_id, reason="changed my mind")
        return Completed({"too": "late"})

    start(world, cancels)


@when(parsers.parse("a run is started with a step whose handler hands off {refused}"))
def _a_run_is_started_with_a_step_whose_handler(world: World, refused: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "a transcript": {"projected_context": {"facts": [{"chatTranscript": "..."}]}},
        "to nobody": {"delegated_role_id": None},
        "no kind": {"delegated_kind": None},
        "no input": {"handoff_input": None},
        "no context": {"projected_context": None},
    }
    start(world, hands_off(**changes[refused]))


@given(parsers.parse("a host whose steps are carried out by {others}"))
def _a_host_whose_steps_are_carried_out_by(world: World, others: str) -> None:
    dispatch = {"a queue": "queue", "threads": "thread"}[others]
    world.scoria = world.facade(world.store, clock=world.clock, dispatch=dispatch)


@when("a run is started with a step whose handler hands on what it picked")
def _a_run_is_started_with_a_step_whose_handler_2(world: World) -> None:
    picks = hands_off(delegated_kind=KIND)
    start(
        world,
        lambda step, run: None if step.parent_step_id else picks(step, run),
        metadata={"not": "picked"},
    )


@when("a run is started with a step whose handler always hands on")
def _a_run_is_started_with_a_step_whose_handler_3(world: World) -> None:
    start(world, hands_off(delegated_kind=KIND))


@when("a run is started whose handler answers after its step was given to another attempt")
def _a_run_is_started_whose_handler_answers_after(world: World) -> None:
    def given_on(step: Step, run: RunSummary) -> Completed:
        runs = RunRepository(world.store, world.clock, Uuid7Source())
        runs.change(run.run_id, lambda change: decisions.release(change, step))
        runs.change(run.run_id, lambda change: decisions.claim_next(change, [KIND]))
        return Completed({"too": "late"})

    start(world, given_on)


@when("a run is started with a step whose handler is stopped from outside")
def _a_run_is_started_with_a_step_whose_handler_4(world: World) -> None:
    with ending(), pytest.raises(SystemExit):
        start(world, handlers={KIND: stopped if world.breaks_off else stopped_later})
    (stopped_run,) = world.scoria.list_runs()
    world.run_id = stopped_run.run_id


@when("a run is started whose host is interrupted once the claim of its step is stored")
def _a_run_is_started_whose_host_is_interrupted(world: World) -> None:
    class Interrupted:
        def create(self, *args: Any, **more: Any) -> str:
            world.store.create(*args, **more)
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    host = world.facade(Interrupted(), clock=world.clock)
    with pytest.raises(KeyboardInterrupt):
        host.start_run(
            world.identity(), root_role_id="executor", initial_step=STEP, handlers=world.handlers
        )
    (interrupted,) = world.scoria.list_runs()
    world.run_id = interrupted.run_id


_RAISING: dict[str, Any] = {
    "leaves the process": exits,
    "raises what Ctrl-C does": interrupts,
    "answers what cannot be stored": charges,
    "says that it is not to be tried again": declined,
    "raises what its step excludes": raises,
    "raises two exceptions at once": layered,
}


@when(parsers.parse("a run is started with a step that is retried, and its handler {does}"))
def _a_run_is_started_with_a_step_that_is_retried(world: World, does: str) -> None:
    retry = Retry(max_attempts=5, delay=60, unless=(LookupError,))
    start(world, _RAISING[does], initial_step=attrs.evolve(STEP, retry=retry))


@when(parsers.parse("a run is started, and the handler of its step {does}"))
def _a_run_is_started_and_the_handler_of_its_step(world: World, does: str) -> None:
    start(world, _RAISING[does])


@when("a run is started with a step of a time limit whose coroutine takes longer")
def _a_run_is_started_with_a_step_of_a_time_limit(world: World) -> None:
    start(world, handlers={KIND: too_long}, initial_step=attrs.evolve(STEP, time_limit=0.05))


@when("a run is started with a step of a time limit whose handler returns after it was failed")
def _a_run_is_started_with_a_step_of_a_time_limit_2(world: World) -> None:
    def takes_longer(_: Step, run: RunSummary) -> Completed:
        ends = time.monotonic() + PATIENCE
        while world.another_host.get_run(run.run_id).status == "running":
            assert time.monotonic() < ends, "its step is still running"
            time.sleep(0.01)
        return Completed({"too": "late"})

    retry = Retry(delay=0)
    start(world, takes_longer, initial_step=attrs.evolve(STEP, time_limit=0.05, retry=retry))


@when("a run is started with a step whose handler answers with two steps that follow")
def _a_run_is_started_with_a_step_whose_handler_5(world: World) -> None:
    def follows(step: Step, _: RunSummary) -> Completed:
        return Completed({"answer": 42}, then=[STEP, STEP] if step.sequence == 1 else ())

    start(world, follows)


@then("the steps that follow were queued in the commit of that answer")
def _the_steps_that_follow_were_queued(world: World) -> None:
    types = [entry.type for entry in world.detail.journal]
    at = types.index("step_completed")
    assert types[at : at + 3] == ["step_completed", "step_queued", "step_queued"]
    # A claim that comes next comes after both of them.
    assert types[at + 3] == "step_claimed"


@then(parsers.parse('its error is a "{kind}" whose cause names {causes}'))
def _its_error_is_a_whose_cause_names(world: World, kind: str, causes: str) -> None:
    error = world.detail.steps[0].error
    assert error is not None
    assert error.type == kind
    for cause in json.loads(f"[{causes}]"):
        assert cause in (error.cause or "")


@then("the run shows the error of its step")
def _the_run_shows_the_error_of_its_step(world: World) -> None:
    summary = world.scoria.get_run(world.run_id)
    assert summary.error is not None
    assert summary.error == world.detail.steps[0].error


@then("the run shows no error")
def _the_run_shows_no_error(world: World) -> None:
    assert world.scoria.get_run(world.run_id).error is None


@then(parsers.parse('its first entry says that it is driven by "{whom}"'))
def _its_first_entry_says_that_it_is_driven(world: World, whom: str) -> None:
    assert world.detail.journal[0].data["driven_by"] == whom


@when(
    "a run is started whose handler adds a step and runs what is queued",
    target_fixture="overlaps",
)
def _a_run_is_started_whose_handler_adds_a_step(world: World) -> list[int]:
    at_work: list[int] = []
    overlaps: list[int] = []

    def answer(step: Step, run: RunSummary) -> None:
        overlaps.extend(at_work)
        at_work.append(step.sequence)
        if step.sequence == 1:
            more = StepSpec(kind=KIND, role_id="executor")
            world.scoria.add_step(run.run_id, more, handlers=world.handlers)
            world.scoria.run_pending(run.run_id, handlers=world.handlers)
        at_work.remove(step.sequence)

    start(world, answer)
    return overlaps


@then("no step began while another was at work")
def _no_step_began_while_another_was_at_work(overlaps: list[int]) -> None:
    assert overlaps == []


@when(parsers.parse("a run is started with a handler given {where}"))
def _a_run_is_started_with_a_handler_given(world: World, where: str) -> None:
    to_call, to_facade = {
        "to the call": (completed, None),
        "to the call by its name": (NAMED, None),
        "to the facade": (None, completed),
        "to the facade by its name": (None, NAMED),
        "to the call, and one that raises to the facade": (completed, raises),
    }[where]
    world.scoria = world.facade(world.store, clock=world.clock, handlers=_for_kind(to_facade))
    start(world, handlers=_for_kind(to_call))


def _for_kind(handler: Any) -> dict[str, Any] | None:
    return None if handler is None else {KIND: handler}


@when("a run is started with a step whose handler is a coroutine function")
def _a_run_is_started_with_a_coroutine_function(world: World) -> None:
    start(world, handlers={KIND: completed_later})


@when(parsers.parse("its host starts it within an event loop with a handler that is a {kind}"))
def _its_host_starts_it_within_an_event_loop(world: World, kind: str) -> None:
    handlers: dict[str, Handler] = {
        "coroutine function": completed_later,
        "plain function": completed,
    }
    host = Scoria(world.store, clock=world.clock)

    async def within() -> RunSummary:
        return host.start_run(
            world.identity(),
            root_role_id="executor",
            initial_step=STEP,
            handlers={KIND: handlers[kind]},
        )

    world.attempt(lambda: asyncio.run(within()))


@then(parsers.parse('its host was answered that the run is "{status:w}"'))
def _its_host_was_answered(world: World, status: str) -> None:
    assert world.error is None, world.error
    assert world.returned.status == status


@then(parsers.parse("what the handler said is on record as {record}"))
def _what_the_handler_said_is_on_record(world: World, record: str) -> None:
    assert _recorded(world.detail) == record


def _recorded(detail: RunDetail) -> str:
    step = detail.steps[0]
    if step.error is not None:
        return f'the error "{step.error}"'
    if detail.approvals:
        return f'the request for "{detail.approvals[0].tool_name}"'
    if detail.delegated_handoffs:
        return f'the handoff to "{detail.delegated_handoffs[0].delegated_role_id}"'
    return "no result" if step.result is None else f"the result {json.dumps(step.result)}"


@then("the error names what a handler may answer")
def _the_error_names_what_a_handler_may_answer(world: World) -> None:
    error = world.detail.steps[0].error
    assert error is not None
    for answer in ("Completed", "NeedsApproval", "HandOff", "Failed", "mapping", "None"):
        assert answer in error.message


@then("no handler was called")
def _no_handler_was_called(world: World) -> None:
    assert len(world.calls) == world.calls_before


@then("the handler was called once")
def _the_handler_was_called_once(world: World) -> None:
    assert len(world.calls) == 1


@then(parsers.parse("the handler was called {count:d} times"))
def _the_handler_was_called_times(world: World, count: int) -> None:
    assert len(world.calls) == count


@then("it was called for the steps in their order")
def _it_was_called_for_the_steps_in_their_order(world: World) -> None:
    called = [step.step_id for step, _ in world.calls]
    assert called == [step.step_id for step in world.detail.steps]
    assert [step.sequence for step in world.detail.steps] == list(range(1, len(called) + 1))


@then(parsers.parse('the run was "{status:w}" at each of those'))
def _the_run_was_at_each_of_those(world: World, status: str) -> None:
    assert {run.status for _, run in world.calls} == {status}


@then("the child got what was picked and nothing else of the run")
def _the_child_got_what_was_picked_and_nothing_else(world: World) -> None:
    child, _ = world.calls[-1]
    got = {"handoff_input": child.input, "projected_context": child.projected_context}
    assert got == {name: HANDED_OVER[name] for name in got}
    assert (child.result, child.error, child.approval) == (None, None, None)
