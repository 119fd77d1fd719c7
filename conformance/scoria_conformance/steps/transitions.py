"""Steps that move a run, step, approval or handoff, both as its lifecycle allows and otherwise."""

from collections.abc import Callable, Iterator

import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.arrangements import Arrangement
from scoria_conformance.world import Answer, World
from scoria_core.errors import TransitionRefused

Handlers = dict[str, Answer] | None


def _first_approval(world: World) -> str:
    approvals = world.detail.approvals
    return approvals[0].approval_id if approvals else "no-such-approval"


def _approve(world: World, _: Handlers) -> object:
    named = _first_approval(world)
    return world.scoria.approve(world.run_id, approval_id=named, decided_by="reviewer-7")


def _reject(world: World, _: Handlers) -> object:
    named = _first_approval(world)
    return world.scoria.reject(world.run_id, approval_id=named, decided_by="reviewer-7")


def _resume(world: World, handlers: Handlers) -> object:
    return world.scoria.resume_run(world.run_id, handlers=handlers)


def _approve_and_resume(world: World, handlers: Handlers) -> object:
    _approve(world, handlers)
    return _resume(world, handlers)


CALLS: dict[str, Callable[[World, Handlers], object]] = {
    "approve": _approve,
    "reject": _reject,
    "resume_run": _resume,
    "approve and resume_run": _approve_and_resume,
    "retry_run": lambda world, handlers: world.scoria.retry_run(world.run_id, handlers=handlers),
    "complete_run": lambda world, _: world.scoria.complete_run(world.run_id),
    "cancel_run": lambda world, _: world.scoria.cancel_run(world.run_id),
}
"""The public calls by the words of the features."""


@pytest.fixture
def arranged(world: World) -> Iterator[Arrangement]:
    """Return the arrangement of a scenario, and free its held handler at the end."""
    arranged = Arrangement(world)
    yield arranged
    arranged.leave()


@given(parsers.parse('a run that is "{state}"'))
def _a_run_that_is(arranged: Arrangement, state: str) -> None:
    arranged.reach("run", state)


@given(parsers.parse('a run whose approval by two people is "{state}"'))
def _a_run_whose_approval_by_two_people_is(arranged: Arrangement, state: str) -> None:
    arranged.reach("approval", state, people=2)


@given(parsers.parse('a run whose {subject:w} is "{state}"'))
def _a_run_whose(arranged: Arrangement, subject: str, state: str) -> None:
    arranged.reach(subject, state)


@when(parsers.parse("the {subject} is told to {trigger}"), target_fixture="told")
def _the_is_told(arranged: Arrangement, subject: str, trigger: str) -> tuple[str, ...]:
    told = (subject, arranged.subject_id, arranged.state, trigger)
    arranged.attempt(lambda: arranged.move(trigger))
    return told


@when(parsers.parse("the host calls {call} with its handlers"))
def _the_host_calls_with_its_handlers(arranged: Arrangement, world: World, call: str) -> None:
    arranged.attempt(lambda: CALLS[call](world, world.handlers))


@when(parsers.parse("the host calls {call} without a handler"))
def _the_host_calls_without_a_handler(arranged: Arrangement, world: World, call: str) -> None:
    arranged.attempt(lambda: CALLS[call](world, None))


@then(parsers.parse('the first entry about the {subject} has it "{state}", from no state'))
def _the_first_entry_about_the_has_it_from_no_state(world: World, subject: str, state: str) -> None:
    first = next(entry for entry in world.detail.journal if entry.subject == subject)
    assert (first.trigger, first.from_state, first.to_state) == (None, None, state)


@then(parsers.parse('the {subject} is "{reached}" by one entry of the journal'))
def _the_is_by_one_entry_of_the_journal(
    world: World, arranged: Arrangement, told: tuple[str, ...], subject: str, reached: str
) -> None:
    assert world.error is None, str(world.error)
    assert told[0] == subject
    arranged.check_decided(told[3], told[2], reached)


@then(parsers.parse('the {subject} was told to {trigger} once, and is "{reached}"'))
def _the_was_told_to_once(
    world: World, arranged: Arrangement, subject: str, trigger: str, reached: str
) -> None:
    assert world.error is None, str(world.error)
    moves = [entry.trigger for entry in arranged.added() if entry.subject_id == arranged.subject_id]
    assert (arranged.subject, moves) == (subject, [trigger])
    arranged.check(reached)


@then("the refusal names the subject, its state and the trigger")
def _the_refusal_names_the_subject_its_state(world: World, told: tuple[str, ...]) -> None:
    error = world.error
    assert isinstance(error, TransitionRefused)
    assert (error.subject, error.subject_id, error.state, error.trigger) == told


@then("what is read, stored and listed is what it was")
def _what_is_read_stored_and_listed_is_what_it_was(arranged: Arrangement) -> None:
    assert arranged.seen() == arranged.before
