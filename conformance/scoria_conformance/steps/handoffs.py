"""Steps that hand a slice of work from one role to another."""

import json
import re
from string import ascii_lowercase
from typing import Any

import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.answers import ending, hands_off, stopped, stopped_later
from scoria_conformance.world import KIND, Answer, World, asks, completed, raises
from scoria_core import DelegatedHandoff, RunSummary, ScoriaError

INPUT = {"brief": "Review the draft answer for policy and accuracy"}
CONTEXT = {"task": "policy-and-accuracy review", "draft_answer": "Refunds take 5 days"}


def _start(world: World, *, answer: Answer = completed, **changes: Any) -> RunSummary:
    world.answer = answer
    arguments = {
        "delegated_role_id": "critic",
        "root_role_id": "planner",
        "delegated_kind": "review",
        "handoff_input": INPUT,
        "projected_context": CONTEXT,
        "capability_tags": ("policy", "tone"),
        "handlers": world.handlers,
        **changes,
    }
    started = world.scoria.start_handoff_run(world.identity(), **arguments)
    world.run_id = started.run_id
    return started


def _handoff(world: World) -> DelegatedHandoff:
    (handoff,) = world.detail.delegated_handoffs
    return handoff


@when("a handoff run is started")
def _a_handoff_run_is_started(world: World) -> None:
    _start(world)


@when("a handoff run is started without a handler")
def _a_handoff_run_is_started_without_a_handler(world: World) -> None:
    _start(world, handlers=None)


@when("a handoff run is started whose child hands on what it picked")
def _a_handoff_run_is_started_whose_child_hands_on(world: World) -> None:
    picks = hands_off(delegated_kind=KIND)
    _start(
        world,
        answer=lambda step, run: None if step.kind == KIND else picks(step, run),
        handoff_input={"not": "picked"},
        projected_context={"neither": "this"},
    )


@when("a handoff run is started whose child asks for approval")
def _a_handoff_run_is_started_whose_child_asks(world: World) -> None:
    _start(world, answer=asks())


@when("a handoff run is started whose child raises")
def _a_handoff_run_is_started_whose_child_raises(world: World) -> None:
    _start(world, answer=raises)


@when("a handoff run is started whose child is stopped from outside")
def _a_handoff_run_is_started_whose_child(world: World) -> None:
    handler = stopped if world.breaks_off else stopped_later
    with ending(), pytest.raises(SystemExit):
        _start(world, handlers={"review": handler})
    (stopped_run,) = world.scoria.list_runs()
    world.run_id = stopped_run.run_id


@when(
    parsers.parse('a handoff run is started with the idempotency key "{key}"'),
    target_fixture="key",
)
def _a_handoff_run_is_started_with_the_idempotency(world: World, key: str) -> str:
    _start(world, idempotency_key=key)
    return key


@when("the same handoff run is started again")
def _the_same_handoff_run_is_started_again(world: World, key: str) -> None:
    world.attempt(lambda: _start(world, idempotency_key=key))


@when("the handoff run is started again with another context")
def _the_handoff_run_is_started_again_with_another(world: World, key: str) -> None:
    world.attempt(lambda: _start(world, idempotency_key=key, projected_context={}))


@given(parsers.parse('a host that adds "{name}" to the names that are not projected'))
def _a_host_that_adds_to_the_names_that_are_not(world: World, name: str) -> None:
    world.scoria = world.facade(world.store, clock=world.clock, unsafe_context_names=[name])


@when(parsers.parse("a handoff run is started without its {field}"))
def _a_handoff_run_is_started_without_its(world: World, field: str) -> None:
    missing: dict[str, Any] = {field: None}
    world.attempt(lambda: _start(world, **missing))


@when(parsers.parse("a handoff run is started with the context {context}"))
def _a_handoff_run_is_started_with_the_context(world: World, context: str) -> None:
    world.attempt(lambda: _start(world, projected_context=json.loads(context)))


@when(
    "each of these is in the context of a handoff run, in every spelling and at every depth",
    target_fixture="refusals",
)
def start_with_each_spelling(world: World, docstring: str) -> dict[str, ScoriaError | None]:
    """Start a run for each spelling and depth; return the refusals, by the path of the key."""
    world.before = world.journals()
    refusals: dict[str, ScoriaError | None] = {}
    for key in (key for name in re.findall(r"\w+", docstring) for key in spellings(name)):
        here = f".{key}" if key.isidentifier() else f"[{key!r}]"
        for context, path in (
            ({key: 1}, here),
            ({"task": {"more": {key: None}}}, f".task.more{here}"),
            ({"facts": [[], [{"amount": 1}, {"of": "it", key: {}}]]}, f".facts[1][1]{here}"),
        ):
            try:
                _start(world, projected_context=context)
                refusals[f"projected_context{path}"] = None
            except ScoriaError as error:
                refusals[f"projected_context{path}"] = error
    return refusals


def spellings(name: str) -> list[str]:
    """Return spellings of a name that spec/forms.md folds to it."""
    words = name.split("_")
    capitals = [word.capitalize() for word in words]
    # Unicode has further letters a to z: wide ones for Asian text, and bold ones for mathematics.
    wide = name.translate({ord(each): ord(each) + 0xFEE0 for each in ascii_lowercase})
    bold = name.translate({ord(each): ord(each) - ord("a") + 0x1D41A for each in ascii_lowercase})
    joined = f"{words[0]}_" if words[0] == "my" else words[0]
    found = [name, name.upper(), "".join(capitals), words[0] + "".join(capitals[1:])]
    found += ["-".join(words), " ".join(capitals), ".".join(words), f"_{name}__", f"?{name}"]
    found += [wide, bold, f"{words[0]}__{'__'.join(words[1:])}".rstrip("_")]
    # A key that only begins with an unsafe name must have an underscore after it.
    if words[-1] != "x":
        found.append(joined + "".join(words[1:]))
    return list(dict.fromkeys(found))


@then(parsers.parse('each time it is refused with "{error:w}", naming where it is'))
def each_spelling_is_refused(error: str, refusals: dict[str, ScoriaError | None]) -> None:
    """Compare the kind of each refusal, and the path that it names."""
    wrong = {
        path: refused
        for path, refused in refusals.items()
        if type(refused).__name__ != error or getattr(refused, "path", "") != path
    }
    assert wrong == {}


@when("a handoff run is started with its context as scoped_context")
def _a_handoff_run_is_started_with_its_context(world: World) -> None:
    _start(world, projected_context=None, scoped_context=CONTEXT)


@when("a handoff run is started with both names of the context")
def _a_handoff_run_is_started_with_both_names(world: World) -> None:
    world.attempt(lambda: _start(world, scoped_context=CONTEXT))


@then(parsers.parse('its first step is a completed "{kind}" of "{role}"'))
def _its_first_step_is_a_completed(world: World, kind: str, role: str) -> None:
    first = world.detail.steps[0]
    assert (first.status, first.kind, first.role_id) == ("completed", kind, role)
    assert first.parent_step_id is None


@then(
    parsers.parse('its second step is a "{status}" "{kind}" of "{role}" whose parent is the first')
)
def _its_second_step_is_a_of_whose_parent(world: World, status: str, kind: str, role: str) -> None:
    first, second = world.detail.steps
    assert (second.status, second.kind, second.role_id) == (status, kind, role)
    assert second.parent_step_id == first.step_id


@then("the detail shows the handoff with its input, context and tags")
def _the_detail_shows_the_handoff_with_its_input(world: World) -> None:
    handoff = _handoff(world)
    first, second = world.detail.steps
    assert (handoff.parent_step_id, handoff.child_step_id) == (first.step_id, second.step_id)
    assert (handoff.parent_role_id, handoff.delegated_role_id) == ("planner", "critic")
    assert handoff.delegated_kind == "review"
    assert (handoff.handoff_input, handoff.projected_context) == (INPUT, CONTEXT)
    assert handoff.capability_tags == ("policy", "tone")
    assert world.detail.summary.root_role_id == "planner"


@then(parsers.parse('the handoff is "{status}" and its child "{child_status}"'))
def _the_handoff_is_and_its_child(world: World, status: str, child_status: str) -> None:
    handoff = _handoff(world)
    assert (handoff.status, handoff.child_status) == (status, child_status)
    steps = {step.step_id: step.status for step in world.detail.steps}
    assert steps[handoff.child_step_id] == child_status


@then("the handler got the input and the projected context of the handoff")
def _the_handler_got_the_input_and_the_projected(world: World) -> None:
    step, _ = world.calls[-1]
    assert (step.input, step.projected_context) == (INPUT, CONTEXT)


@then("the parent of the child is the step that handed off")
def _the_parent_of_the_child_is_the_step(world: World) -> None:
    parent, child = world.detail.steps
    assert child.parent_step_id == parent.step_id == _handoff(world).parent_step_id
    assert (parent.status, _handoff(world).parent_role_id) == ("completed", parent.role_id)


@then(parsers.parse('the run is still that of "{role}"'))
def _the_run_is_still(world: World, role: str) -> None:
    assert world.detail.summary.root_role_id == role


@then("the handler got an empty context")
def _the_handler_got_an_empty_context(world: World) -> None:
    step, _ = world.calls[-1]
    assert step.projected_context == {}


@then(parsers.parse("{count:d} handoffs stand in a row"))
def _handoffs_stand_in_a_row(world: World, count: int) -> None:
    steps, handoffs = world.detail.steps, world.detail.delegated_handoffs
    assert [handoff.parent_step_id for handoff in handoffs] == [each.step_id for each in steps[:-1]]
    assert len(handoffs) == count
