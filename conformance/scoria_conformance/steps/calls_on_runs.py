"""Steps in which the host, another tenant or somebody for the host makes any call on a run."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from pytest_bdd import parsers, then, when

from scoria_conformance.answers import HANDED_OVER
from scoria_conformance.world import KIND, OTHER_TENANT, TENANT, World
from scoria_core import (
    Approval,
    Completed,
    Identity,
    RunDetail,
    RunSummary,
    Scoria,
    ScoriaError,
    Step,
    StepSpec,
)

UNKNOWN_RUN = "01900000-0000-7000-8000-000000000000"
STEP = StepSpec(kind=KIND, role_id="executor")


@attrs.frozen
class Asked:
    """One call on a run: its name, the facade, the run, and the actor."""

    call: str
    facade: Scoria
    identity: Identity
    run_id: str
    approval_id: str
    handlers: Mapping[str, Any]
    actor: Mapping[str, str] = MappingProxyType({})

    def make(self) -> object:
        """Make the call."""
        return CALLS[self.call](self)


CALLS: dict[str, Callable[[Asked], object]] = {
    "starts it": lambda asked: asked.facade.start_run(
        asked.identity, root_role_id="executor", initial_step=STEP, handlers=asked.handlers
    ),
    "hands it off": lambda asked: asked.facade.start_handoff_run(
        asked.identity, root_role_id="planner", handlers=asked.handlers, **HANDED_OVER
    ),
    "reads it": lambda asked: asked.facade.get_run(asked.run_id),
    "inspects it": lambda asked: asked.facade.get_run_detail(asked.run_id),
    "approves it": lambda asked: asked.facade.approve(
        asked.run_id, approval_id=asked.approval_id, decided_by="reviewer-7"
    ),
    "rejects it": lambda asked: asked.facade.reject(
        asked.run_id, approval_id=asked.approval_id, decided_by="reviewer-7"
    ),
    "resumes it": lambda asked: asked.facade.resume_run(
        asked.run_id, handlers=asked.handlers, **asked.actor
    ),
    "retries it": lambda asked: asked.facade.retry_run(
        asked.run_id, handlers=asked.handlers, **asked.actor
    ),
    "cancels it": lambda asked: asked.facade.cancel_run(asked.run_id, **asked.actor),
    "completes it": lambda asked: asked.facade.complete_run(asked.run_id, **asked.actor),
    "adds a step to it": lambda asked: asked.facade.add_step(
        asked.run_id, STEP, handlers=asked.handlers, **asked.actor
    ),
    "runs what is queued in it": lambda asked: asked.facade.run_pending(
        asked.run_id, handlers=asked.handlers
    ),
}
"""Every public call on a run, by the words of the features."""

CALL = f"(?P<call>{'|'.join(CALLS)})"


def _attempt(world: World, call: str, **changes: Any) -> Asked:
    approvals: tuple[Approval, ...] = ()
    if world.run_id:
        approvals = world.another_host.get_run_detail(world.run_id).approvals
    asked = Asked(
        call=call,
        facade=world.scoria,
        identity=world.identity(),
        run_id=world.run_id,
        approval_id=approvals[-1].approval_id if approvals else "never-made",
        handlers=world.handlers,
    )
    asked = attrs.evolve(asked, **changes)
    world.attempt(asked.make)
    return asked


@when(parsers.re(f"its host {CALL}"), target_fixture="asked")
def _its_host_2(world: World, call: str) -> Asked:
    return _attempt(world, call)


@when(parsers.re(f"another tenant {CALL}"), target_fixture="asked")
def _another_tenant(world: World, call: str) -> Asked:
    return _attempt(world, call, facade=world.other)


@when(parsers.re(f"its session_id is given where its host {CALL}"), target_fixture="asked")
def _its_session_id_is_given_where_its_host(world: World, call: str) -> Asked:
    return _attempt(world, call, run_id=_session_id(world))


@when(parsers.re(f"its session_id is given where another tenant {CALL}"), target_fixture="asked")
def _its_session_id_is_given_where_another_tenant(world: World, call: str) -> Asked:
    return _attempt(world, call, run_id=_session_id(world), facade=world.other)


def _session_id(world: World) -> str:
    return world.scoria.get_run(world.run_id).session_id


@when(parsers.re(f'on behalf of "(?P<who>[^"]+)" its host {CALL}'))
def _on_behalf_of_its_host(world: World, who: str, call: str) -> None:
    _attempt(world, call, actor={"actor_id": who})
    assert world.error is None, world.error


@when(parsers.re(f"its host {CALL} with the handler (?P<handler>.+)"))
def _its_host(world: World, call: str, handler: str) -> None:
    given: object = int(handler) if handler.isdigit() else handler
    _attempt(world, call, handlers={KIND: given})


@when(
    parsers.re(f"its host {CALL}, and the handler reads the run through a facade of its own"),
    target_fixture="seen",
)
def _its_host_3(world: World, call: str) -> list[RunDetail]:
    seen: list[RunDetail] = []

    def reads(_: Step, run: RunSummary) -> Completed:
        own = world.facade(world.store, clock=world.clock)
        seen.append(own.get_run_detail(run.run_id))
        return Completed()

    world.answer = reads
    _attempt(world, call)
    assert world.error is None, world.error
    return seen


@then(parsers.parse('that read the run as "{run:w}" and the step as "{status:w}"'))
def _that_read_the_run_as_and_the_step(
    world: World, seen: list[RunDetail], run: str, status: str
) -> None:
    assert seen, "no handler was called"
    at_work, _ = world.calls[0]
    steps = {step.step_id: step.status for step in seen[0].steps}
    assert (seen[0].summary.status, steps[at_work.step_id]) == (run, status)


@then("the message is the one for a run that never was")
def _the_message_is_the_one_for_a_run_that_never(world: World, asked: Asked) -> None:
    refused = str(world.error)
    with pytest.raises(ScoriaError) as never_was:
        attrs.evolve(asked, run_id=UNKNOWN_RUN).make()
    assert type(never_was.value) is type(world.error)
    assert str(never_was.value).replace(UNKNOWN_RUN, asked.run_id) == refused


@then(parsers.parse('the entry that begins that call names "{who}"'))
def _the_entry_that_begins_that_call_names(world: World, who: str) -> None:
    before = world.before[world.run_id]
    assert world.detail.journal[len(before)].actor_id == who


@when("another tenant runs all that is queued")
def _another_tenant_runs_all_that_is_queued(world: World) -> None:
    world.attempt(lambda: world.other.run_pending(handlers=world.handlers))
    assert world.error is None, world.error


@when(parsers.parse('another tenant starts a run with the idempotency key "{key}"'))
def _another_tenant_starts_a_run(world: World, key: str) -> None:
    identity = world.identity(tenant_id=OTHER_TENANT)
    world.attempt(
        lambda: world.other.start_run(identity, root_role_id="executor", idempotency_key=key)
    )


@then("each of them has a run of its own")
def _each_of_them_has_a_run_of_its_own(world: World) -> None:
    assert world.error is None, world.error
    own, others = world.scoria.for_tenant(TENANT).list_runs(), world.other.list_runs()
    assert [run.run_id for run in own] == [world.run_id]
    assert [run.run_id for run in others] == [world.returned.run_id]


@when(parsers.parse("a view of another tenant is {turned}"))
def _a_view_of_another_tenant(world: World, turned: str) -> None:
    calls = {
        "asked for a view of the run's tenant": lambda: world.other.for_tenant(TENANT),
        "asked for a view of a tenant in capitals": lambda: world.other.for_tenant(
            OTHER_TENANT.upper()
        ),
        "asked for a view of a tenant that it begins": lambda: world.other.for_tenant(
            f"{OTHER_TENANT}0"
        ),
        "asked to start a run of that tenant": lambda: world.other.start_run(
            world.identity(), root_role_id="executor"
        ),
    }
    world.attempt(calls[turned])
