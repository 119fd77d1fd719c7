"""Steps in which a person decides, alone or at the same time as another."""

from pytest_bdd import parsers, then, when

from scoria_conformance.world import ARGUMENTS, World
from scoria_core import Approval, RunSummary, ScoriaError


def _pending(world: World) -> Approval:
    pending = world.scoria.get_run(world.run_id).pending_approval
    assert pending is not None
    return pending


@when(parsers.parse('"{who}" approves it with the note "{note}"'))
def _(world: World, who: str, note: str) -> None:
    approval_id = _pending(world).approval_id
    world.scoria.approve(world.run_id, approval_id=approval_id, decided_by=who, note=note)


@when(parsers.parse('"{who}" rejects it with the note "{note}"'))
def _(world: World, who: str, note: str) -> None:
    approval_id = _pending(world).approval_id
    world.scoria.reject(world.run_id, approval_id=approval_id, decided_by=who, note=note)


@when("two reviewers approve it at once")
def _(world: World) -> None:
    approval_id = _pending(world).approval_id

    def approve(who: str) -> RunSummary:
        return world.scoria.approve(world.run_id, approval_id=approval_id, decided_by=who)

    world.race(lambda: approve("reviewer-7"), lambda: approve("reviewer-8"))


@when("two callers resume it at once")
def _(world: World) -> None:
    def resume() -> RunSummary:
        return world.scoria.resume_run(world.run_id, handlers=world.handlers)

    world.race(resume, resume)


@then(parsers.parse('one succeeds and the other is refused with "{error}"'))
def _(world: World, error: str) -> None:
    refused = [each for each in world.raced if isinstance(each, ScoriaError)]
    assert [type(each).__name__ for each in refused] == [error]
    assert len(world.raced) == 2


@then(parsers.parse('the approval is "{status}" by "{who}" with the note "{note}"'))
def _(world: World, status: str, who: str, note: str) -> None:
    (approval,) = world.detail.approvals
    assert (approval.status, approval.decided_by, approval.note) == (status, who, note)
    assert approval.decided_at == world.clock.now()
    decided = world.detail.journal[approval_entry(world)]
    assert decided.actor_id == who
    assert decided.data["arguments_digest"] == approval.arguments_digest


def approval_entry(world: World) -> int:
    """Return the place in the journal of the last entry about an approval."""
    subjects = [entry.subject for entry in world.detail.journal]
    return len(subjects) - 1 - subjects[::-1].index("approval")


@then(parsers.parse('the approval is "{status}"'))
def _(world: World, status: str) -> None:
    detail = world.detail
    assert detail.approvals[-1].status == status
    assert [step.approval.status for step in detail.steps if step.approval] == [status]
    assert detail.summary.pending_approval is None


@then("its pending approval names the tool, the arguments, their digest and the reason")
def _(world: World) -> None:
    pending = _pending(world)
    assert (pending.tool_name, pending.arguments) == ("send_refund", ARGUMENTS)
    assert pending.reason == "Refunds over 1,000 need a person"
    assert pending.arguments_digest
    assert world.detail.steps[0].approval == pending


@then("its pending approval is a new one")
def _(world: World) -> None:
    expired, pending = world.detail.approvals
    assert expired.status == "expired"
    assert _pending(world) == pending


@then(parsers.parse('the handler saw the approval as "{status}"'))
def _(world: World, status: str) -> None:
    approval = world.calls[-1][0].approval
    assert approval is not None
    assert approval.status == status


@then("the handler got the arguments that were approved")
def _(world: World) -> None:
    approval = world.calls[-1][0].approval
    assert approval is not None
    assert (approval.status, approval.arguments) == ("approved", ARGUMENTS)
    assert world.detail.steps[0].result == {"sent": ARGUMENTS}
