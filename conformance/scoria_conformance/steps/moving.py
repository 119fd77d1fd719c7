"""Steps that tell a run, step, approval or handoff to move, as its lifecycle has it or not."""

from collections.abc import Callable, Iterator

import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.scenes import Scene
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
def scene(world: World) -> Iterator[Scene]:
    """Set what a scenario moves, and let go of it afterwards."""
    scene = Scene(world)
    yield scene
    scene.leave()


@given(parsers.parse('a run whose {subject} is "{state}"'))
def _(scene: Scene, subject: str, state: str) -> None:
    scene.reach(subject, state)


@when(parsers.parse("the {subject} is told to {trigger}"), target_fixture="told")
def _(scene: Scene, subject: str, trigger: str) -> tuple[str, ...]:
    told = (subject, scene.subject_id, scene.state, trigger)
    scene.attempt(lambda: scene.move(trigger))
    return told


@when(parsers.parse("the host calls {call} with its handlers"))
def _(scene: Scene, world: World, call: str) -> None:
    scene.attempt(lambda: CALLS[call](world, world.handlers))


@when(parsers.parse("the host calls {call} without a handler"))
def _(scene: Scene, world: World, call: str) -> None:
    scene.attempt(lambda: CALLS[call](world, None))


@then(parsers.parse('the first entry about the {subject} has it "{state}", from no state'))
def _(world: World, subject: str, state: str) -> None:
    first = next(entry for entry in world.detail.journal if entry.subject == subject)
    assert (first.trigger, first.from_state, first.to_state) == (None, None, state)


@then(parsers.parse('the {subject} is "{reached}" by one entry of the journal'))
def _(world: World, scene: Scene, told: tuple[str, ...], subject: str, reached: str) -> None:
    assert world.error is None, str(world.error)
    assert told[0] == subject
    scene.check_decided(told[3], told[2], reached)


@then(parsers.parse('the {subject} was told to {trigger} once, and is "{reached}"'))
def _(world: World, scene: Scene, subject: str, trigger: str, reached: str) -> None:
    assert world.error is None, str(world.error)
    moves = [entry.trigger for entry in scene.added() if entry.subject_id == scene.subject_id]
    assert (scene.subject, moves) == (subject, [trigger])
    scene.check(reached)


@then("the refusal names the subject, its state and the trigger")
def _(world: World, told: tuple[str, ...]) -> None:
    error = world.error
    assert isinstance(error, TransitionRefused)
    assert (error.subject, error.subject_id, error.state, error.trigger) == told


@then("what is read, stored and listed is what it was")
def _(scene: Scene) -> None:
    assert scene.seen() == scene.before
