"""Steps that pass payloads in, wherever a call takes one, and look at what is read back."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.answers import HANDED_OVER
from scoria_conformance.steps.runs import start
from scoria_conformance.world import KIND, World
from scoria_core import (
    Completed,
    Failed,
    NeedsApproval,
    RunDetail,
    RunSummary,
    Step,
    StepSpec,
)

Payload = dict[str, Any]

EVERY_KIND: Payload = {
    "zulu": "Zürich \u2603 \U0001f30b \u0000 \u202e end",
    "alpha": [1, -1, 0, 2**63, -(2**200), 1.5, 1e-300, -0.0],
    "empty": [{}, [], "", None],
    "nested": {"b": {"a": [{"z": 1, "y": [True, False, None]}]}},
    "": "a blank key",
}


def _start(world: World, **changes: Any) -> None:
    """Start a run of one step whose handler answers None."""
    start(world, lambda *_: None, **changes)


def _hand_off(world: World, **changes: Any) -> None:
    started = world.scoria.start_handoff_run(
        world.identity(), root_role_id="planner", **{**HANDED_OVER, **changes}
    )
    world.run_id = started.run_id


def _asks_for(arguments: Payload) -> NeedsApproval:
    return NeedsApproval(tool_name="send_refund", arguments=arguments, reason="large")


def _queue(world: World, payload: Payload) -> object:
    step = StepSpec(kind=KIND, role_id="executor", input=payload)
    return world.scoria.add_step(world.run_id, step, handlers=world.handlers)


@attrs.frozen
class Place:
    """A place where a payload is passed in, and all places where it is read back."""

    give: Callable[[World, Payload], object]
    found: Callable[[RunDetail], list[Any]] = lambda _: []


PLACES: dict[str, Place] = {
    "the metadata of its identity": Place(
        lambda world, payload: world.scoria.start_run(
            world.identity(metadata=payload), root_role_id="executor"
        ),
        lambda detail: [detail.identity.metadata],
    ),
    "metadata": Place(
        lambda world, payload: _start(world, metadata=payload),
        lambda detail: [detail.summary.metadata],
    ),
    "the input of its step": Place(
        lambda world, payload: _start(world, initial_step=StepSpec(KIND, "executor", payload)),
        lambda detail: [detail.steps[0].input],
    ),
    "the result of its handler": Place(
        lambda world, payload: start(world, lambda *_: Completed(payload)),
        lambda detail: [detail.steps[0].result],
    ),
    "the arguments of its request": Place(
        lambda world, payload: start(world, lambda *_: _asks_for(payload)),
        lambda detail: [
            detail.approvals[0].arguments,
            detail.summary.pending_approval and detail.summary.pending_approval.arguments,
        ],
    ),
    "the input of its handoff": Place(
        lambda world, payload: _hand_off(world, handoff_input=payload),
        lambda detail: [detail.delegated_handoffs[0].handoff_input, detail.steps[1].input],
    ),
    "the context of its handoff": Place(
        lambda world, payload: _hand_off(world, projected_context=payload),
        lambda detail: [
            detail.delegated_handoffs[0].projected_context,
            detail.steps[1].projected_context,
        ],
    ),
    "the input of another step": Place(_queue),
}
"""Every payload of a run, by the words of the features."""


@attrs.frozen
class Given:
    """The payload that was passed in, the place, and a copy from before the call."""

    place: Place
    payload: Payload
    was: Payload


@when(
    parsers.parse("a run is started with {place} of every kind of JSON value"),
    target_fixture="handed_over",
)
def _a_run_is_started_with_of_every_kind_of_json(world: World, place: str) -> Given:
    return _give(world, place, EVERY_KIND)


def _give(world: World, place: str, payload: Payload) -> Given:
    handed_over = Given(PLACES[place], payload, copy.deepcopy(payload))
    handed_over.place.give(world, payload)
    (run,) = world.scoria.list_runs()
    world.run_id = run.run_id
    return handed_over


@then("that reads back equal and in its order")
def _that_reads_back_equal_and_in_its_order(world: World, handed_over: Given) -> None:
    for detail in (world.detail, _read_by_another_host(world)):
        for found in handed_over.place.found(detail):
            assert found == handed_over.was
            assert repr(found) == repr(handed_over.was), "the order or the kind of a value changed"


@when(parsers.parse("a run is started, and {place} is changed afterwards"), target_fixture="kept")
def _a_run_is_started_and_is_changed_afterwards(world: World, place: str) -> RunDetail:
    handed_over = _give(world, place, {"list": [1], "object": {"key": "value"}})
    kept = _read_by_another_host(world)
    assert handed_over.place.found(kept)[0] == handed_over.was
    _change(handed_over.payload)
    return kept


@when("everything that was read of it is changed", target_fixture="kept")
def _everything_that_was_read_of_it_is_changed(world: World) -> RunDetail:
    kept = copy.deepcopy(world.detail)
    _change([world.detail, world.scoria.get_run(world.run_id), world.scoria.list_runs()])
    return kept


@when(
    "a run is started whose handler changes all that it was given, and asks for approval",
    target_fixture="kept",
)
def _a_run_is_started_whose_handler_changes_all(world: World) -> RunDetail:
    payload = {"list": [1], "object": {"key": "value"}}

    def answer(step: Step, run: RunSummary) -> NeedsApproval:
        _change([step, run])
        return _asks_for(payload)

    spec = StepSpec(KIND, "executor", copy.deepcopy(payload))
    start(world, answer, initial_step=spec, metadata=payload)
    kept = _read_by_another_host(world)
    assert (kept.steps[0].input, kept.summary.metadata) == (payload, payload)
    return kept


def _read_by_another_host(world: World) -> RunDetail:
    return world.another_host.get_run_detail(world.run_id)


@then("what is stored of it has not changed")
def _what_is_stored_of_it_has_not_changed(world: World, kept: RunDetail) -> None:
    assert world.detail == kept
    assert list(world.scoria.list_runs()) == [kept.summary]


def _change(value: object) -> None:
    """Change everything in `value` that can be."""
    for each in list(parts(value)):
        if isinstance(each, dict):
            each["changed"] = True
        elif isinstance(each, list):
            each.append("changed")
        elif attrs.has(type(each)):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                each.status = "changed"  # type: ignore[attr-defined]


def parts(value: Any) -> Iterator[object]:
    """Yield `value` and everything in it."""
    yield value
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif attrs.has(type(value)):
        inner = [getattr(value, name) for name in attrs.fields_dict(type(value))]
    for each in inner:
        yield from parts(each)


@when(parsers.parse("a run is started with metadata that holds {value}"))
def _a_run_is_started_with_metadata_that_holds(world: World, value: str) -> None:
    itself: Payload = {}
    itself["value"] = itself
    payloads: dict[str, Any] = {
        "bytes": {"value": b"raw"},
        "not a number": {"value": float("nan")},
        "infinity": {"value": float("inf")},
        "a number as a key": {"value": {1: "one"}},
        "itself": itself,
        "a set, deep in": {"value": {"a": [1, {2}]}},
        "a list in place of an object": [{"value": 1}],
    }
    world.attempt(lambda: start(world, metadata=payloads[value]))


@when(parsers.parse("bytes are handed over as {payload}"))
def _bytes_are_handed_over(world: World, payload: str) -> None:
    place = PLACES[payload.replace(" its first ", " its ").replace(" a handoff", " its handoff")]
    world.attempt(lambda: place.give(world, {"value": b"raw"}))


@when(parsers.parse("a run is started with a step whose handler answers bytes as {payload}"))
def _a_run_is_started_with_a_step_whose_handler(world: World, payload: str) -> None:
    raw: Payload = {"value": b"raw"}
    answers = {
        "the result": Completed(raw),
        "the details": Failed("no stock", raw),
        "the arguments": _asks_for(raw),
    }
    start(world, lambda *_: answers[payload])


@given(parsers.parse("a host that allows payloads of {limit} bytes"))
def _a_host_that_allows_payloads_of_bytes(world: World, limit: str) -> None:
    if limit != "the default":
        world.scoria = world.facade(world.store, clock=world.clock, max_payload_bytes=int(limit))


@when(parsers.parse("a run is started with metadata of {size:d} bytes"))
def _a_run_is_started_with_metadata_of_bytes(world: World, size: int) -> None:
    # {"value":"é..."} takes 12 bytes without the letters, and two bytes for each é; an e takes one.
    odd, letters = (size - 12) % 2, (size - 12) // 2
    world.attempt(lambda: start(world, metadata={"value": "e" * odd + "é" * letters}))


@then("it is accepted")
def _it_is_accepted(world: World) -> None:
    assert world.error is None, world.error
    assert len(world.scoria.list_runs()) == 1
