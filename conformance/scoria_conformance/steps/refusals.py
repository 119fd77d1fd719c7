"""Steps that try calls that must be refused, and check the refusal and that nothing changed."""

import re
from collections.abc import Callable
from typing import Any

from pytest_bdd import parsers, then, when

from scoria_conformance.answers import HANDED_OVER
from scoria_conformance.steps.calls_on_runs import UNKNOWN_RUN
from scoria_conformance.steps.runs import start
from scoria_conformance.world import KIND, World
from scoria_core import ScoriaError, StepSpec
from scoria_core.stores import open_store


def _approval_id(world: World) -> str:
    return world.detail.approvals[-1].approval_id


@when("it is resumed")
def _it_is_resumed(world: World) -> None:
    world.attempt(lambda: world.scoria.resume_run(world.run_id, handlers=world.handlers))


@when("a run that never was is resumed")
def _a_run_that_never_was_is_resumed(world: World) -> None:
    world.attempt(lambda: world.scoria.resume_run(UNKNOWN_RUN, handlers=world.handlers))


@when("it is approved")
def _it_is_approved(world: World) -> None:
    approval_id = _approval_id(world)
    world.attempt(
        lambda: world.scoria.approve(world.run_id, approval_id=approval_id, decided_by="reviewer-7")
    )


@when("it is rejected")
def _it_is_rejected(world: World) -> None:
    approval_id = _approval_id(world)
    world.attempt(
        lambda: world.scoria.reject(world.run_id, approval_id=approval_id, decided_by="reviewer-8")
    )


@when(parsers.parse("it is started again with {something_else}"))
def _it_is_started_again(world: World, key: str, something_else: str) -> None:
    _start_again(world, key, **OTHER_ARGUMENTS[something_else])


OTHER_ARGUMENTS: dict[str, dict[str, Any]] = {
    "the same arguments": {},
    "other metadata": {"metadata": {"other": True}},
    "another step": {"initial_step": StepSpec(kind=KIND, role_id="executor", input={"n": 2})},
    "no step": {"initial_step": None},
    "another root role": {"root_role_id": "planner"},
    "another actor": {"identity": {"actor_id": "user-2"}},
    "another session": {"identity": {"session_id": "session-2"}},
}


def _start_again(world: World, key: str, *, identity: Any = None, **changes: Any) -> None:
    arguments = {
        "root_role_id": "executor",
        "initial_step": StepSpec(kind=KIND, role_id="executor", input={"n": 1}),
        "handlers": world.handlers,
        "idempotency_key": key,
        **changes,
    }
    world.attempt(lambda: world.scoria.start_run(world.identity(**(identity or {})), **arguments))


TWO_LINES = "one\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029two"

TWO_LINES_AS: dict[str, Callable[[World], object]] = {
    "the run_id": lambda world: world.scoria.get_run(TWO_LINES),
    "the approval_id": lambda world: world.scoria.approve(
        world.run_id, approval_id=TWO_LINES, decided_by="reviewer-7"
    ),
    "the actor_id": lambda world: world.identity(actor_id=TWO_LINES),
    "the root role": lambda world: start(world, root_role_id=TWO_LINES),
    "the kind of a step": lambda world: start(
        world, initial_step=StepSpec(kind=TWO_LINES, role_id="executor")
    ),
    "the handler": lambda world: start(world, handlers={KIND: TWO_LINES}),
    "a key of metadata": lambda world: start(world, metadata={TWO_LINES: b"raw"}),
    "a key of a context": lambda world: world.scoria.start_handoff_run(
        world.identity(),
        root_role_id="planner",
        **{**HANDED_OVER, "projected_context": {f"{TWO_LINES}_token": 1}},
    ),
    "the idempotency key": lambda world: start(world, idempotency_key=TWO_LINES),
    "the place of a page": lambda world: world.scoria.list_runs(before=TWO_LINES),
}
"""Calls that are refused, each with a text of two lines in one place."""


@when(parsers.parse("a text of two lines is handed over as {what}"))
def _a_text_of_two_lines_is_handed_over(world: World, what: str) -> None:
    world.attempt(lambda: TWO_LINES_AS[what](world))


@when("it is read")
def _it_is_read(world: World) -> None:
    world.attempt(lambda: world.scoria.get_run(world.run_id), damaged=True)


@then(parsers.parse('it is refused with "{error:w}"'))
def _it_is_refused(world: World, error: str) -> None:
    check_refusal(world, error)


def check_refusal(world: World, error: str) -> None:
    """Assert that the last call was refused with this error, and that its code fits its name."""
    assert type(world.error).__name__ == error, world.error or world.returned
    assert isinstance(world.error, ScoriaError)
    assert world.error.code == re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error).lower()


@then(parsers.parse('it is refused with "{error:w}" naming "{field}"'))
def _it_is_refused_2(world: World, error: str, field: str) -> None:
    check_refusal(world, error)
    assert isinstance(world.error, ScoriaError)
    assert world.error.field == field
    assert "\n" not in str(world.error)


@then(parsers.parse('it is refused with the code "{code}" naming "{field}"'))
def _it_is_refused_with_the_code(world: World, code: str, field: str) -> None:
    assert isinstance(world.error, ScoriaError), world.returned
    assert (world.error.code, world.error.field) == (code, field)
    assert re.fullmatch("[a-z]+(_[a-z]+)*", code)
    assert len(str(world.error).splitlines()) == 1


@then("it is refused in one line")
def _it_is_refused_in_one_line(world: World) -> None:
    assert isinstance(world.error, ScoriaError), world.returned
    assert len(str(world.error).splitlines()) == 1


@then("nothing changed")
def _nothing_changed(world: World) -> None:
    assert world.journals() == world.before


@when(parsers.parse("a store is opened by the URL {url}"))
def _a_store_is_opened_by_the_url(world: World, url: str) -> None:
    world.attempt(lambda: open_store(url).close())


@then(parsers.parse('the message does not have "{word}"'))
def _the_message_does_not_have(world: World, word: str) -> None:
    assert word not in str(world.error)


@then(parsers.parse('the message names "{word}"'))
def _the_message_names(world: World, word: str) -> None:
    assert word in str(world.error)
