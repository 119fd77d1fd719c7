"""Steps that try what must be refused, and look at the refusal and at what it left."""

from collections.abc import Callable
from typing import Any

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.steps.starting import start
from scoria_conformance.world import KIND, World
from scoria_core import ScoriaError, StepSpec
from scoria_core.ports import Record

UNKNOWN_RUN = "01900000-0000-7000-8000-000000000000"


def _approval_id(world: World) -> str:
    return world.detail.approvals[-1].approval_id


@when("it is resumed")
def _(world: World) -> None:
    world.attempt(lambda: world.scoria.resume_run(world.run_id, handlers=world.handlers))


@when("it is resumed by its session_id")
def _(world: World) -> None:
    session_id = world.scoria.get_run(world.run_id).session_id
    world.attempt(lambda: world.scoria.resume_run(session_id, handlers=world.handlers))


@when("a run that never was is resumed")
def _(world: World) -> None:
    world.attempt(lambda: world.scoria.resume_run(UNKNOWN_RUN, handlers=world.handlers))


@when("it is approved")
def _(world: World) -> None:
    approval_id = _approval_id(world)
    world.attempt(
        lambda: world.scoria.approve(world.run_id, approval_id=approval_id, decided_by="reviewer-7")
    )


@when("it is rejected")
def _(world: World) -> None:
    approval_id = _approval_id(world)
    world.attempt(
        lambda: world.scoria.reject(world.run_id, approval_id=approval_id, decided_by="reviewer-8")
    )


OTHER_TENANTS_CALLS: dict[str, Callable[[World, str, str], object]] = {
    "reads it": lambda world, run, _: world.other.get_run(run),
    "inspects it": lambda world, run, _: world.other.get_run_detail(run),
    "approves it": lambda world, run, approval: world.other.approve(
        run, approval_id=approval, decided_by="reviewer-7"
    ),
    "rejects it": lambda world, run, approval: world.other.reject(
        run, approval_id=approval, decided_by="reviewer-7"
    ),
    "resumes it": lambda world, run, _: world.other.resume_run(run, handlers=world.handlers),
    "retries it": lambda world, run, _: world.other.retry_run(run, handlers=world.handlers),
    "cancels it": lambda world, run, _: world.other.cancel_run(run),
    "completes it": lambda world, run, _: world.other.complete_run(run),
    "adds a step to it": lambda world, run, _: world.other.add_step(
        run, StepSpec(kind=KIND, role_id="executor"), handlers=world.handlers
    ),
    "runs what is queued in it": lambda world, run, _: world.other.run_pending(
        run, handlers=world.handlers
    ),
}


@when(parsers.parse("another tenant {call}"), target_fixture="others_call")
def _(world: World, call: str) -> Callable[[str], object]:
    approvals = world.detail.approvals
    approval_id = approvals[-1].approval_id if approvals else ""

    def others_call(run_id: str) -> object:
        return OTHER_TENANTS_CALLS[call](world, run_id, approval_id)

    world.attempt(lambda: others_call(world.run_id))
    return others_call


@when(parsers.parse("an identity is made with {field} {value}"))
def _(world: World, field: str, value: str) -> None:
    values: dict[str, Any] = {"missing": None, "blank": " \t", "a list": ["a"], "true": True}
    world.attempt(lambda: world.identity(**{field: values[value]}))


@when(parsers.parse("a run is started with metadata that holds {value}"))
def _(world: World, value: str) -> None:
    itself: dict[str, Any] = {}
    itself["value"] = itself
    payloads: dict[str, Any] = {
        "bytes": {"value": b"raw"},
        "not a number": {"value": float("nan")},
        "a number as a key": {"value": {1: "one"}},
        "itself": itself,
        "more than 256 KiB": {"value": "x" * 256 * 1024},
    }
    world.attempt(lambda: start(world, metadata=payloads[value]))


@when("it is started again with the same arguments")
def _(world: World, key: str) -> None:
    _start_again(world, key, {})


@when("it is started again with other arguments")
def _(world: World, key: str) -> None:
    _start_again(world, key, {"other": True})


def _start_again(world: World, key: str, metadata: dict[str, Any]) -> None:
    step = StepSpec(kind=KIND, role_id="executor", input={"n": 1})
    world.attempt(
        lambda: world.scoria.start_run(
            world.identity(),
            root_role_id="executor",
            initial_step=step,
            metadata=metadata,
            handlers=world.handlers,
            idempotency_key=key,
        )
    )


@when("it is read")
def _(world: World) -> None:
    world.attempt(lambda: world.scoria.get_run(world.run_id), damaged=True)


@when(parsers.parse("entry {number:d} of its journal is changed in the store"))
def _(world: World, number: int) -> None:
    def change(records: list[Record]) -> list[Record]:
        changed = records[number - 1]
        body = changed.body.replace("executor", "executer").replace("2026", "2025")
        records[number - 1] = attrs.evolve(changed, body=body)
        return records

    world.damage(change)


@when(parsers.parse("entry {number:d} of its journal is lost by the store"))
def _(world: World, number: int) -> None:
    world.damage(lambda records: [*records[: number - 1], *records[number:]])


@when(parsers.parse("a record is appended to it at version {version:d}"))
def _(world: World, version: int) -> None:
    assert world.scoria.get_run(world.run_id).version == 5
    record = Record(version + 1, "digest", "body")
    world.attempt(
        lambda: world.store.append(world.run_id, [record], expected_version=version, due_at=None)
    )


@then(parsers.parse('it is refused with "{error}"'))
def _(world: World, error: str) -> None:
    assert type(world.error).__name__ == error, world.error or world.returned


@then(parsers.parse('it is refused with "{error}" naming "{field}"'))
def _(world: World, error: str, field: str) -> None:
    assert type(world.error).__name__ == error, world.error or world.returned
    assert isinstance(world.error, ScoriaError)
    assert world.error.field == field
    assert world.error.code
    assert "\n" not in str(world.error)


@then("nothing changed")
def _(world: World) -> None:
    assert world.journals() == world.before


@then("no handler was called")
def _(world: World) -> None:
    assert len(world.calls) == world.calls_before


@then("the handler was called once")
def _(world: World) -> None:
    assert len(world.calls) == 1


@then(parsers.parse('the message names "{word}"'))
def _(world: World, word: str) -> None:
    assert word in str(world.error)


@then("the message is the one for a run that never was")
def _(world: World, others_call: Callable[[str], object]) -> None:
    refused = str(world.error)
    world.attempt(lambda: others_call(UNKNOWN_RUN))
    assert str(world.error).replace(UNKNOWN_RUN, world.run_id) == refused
