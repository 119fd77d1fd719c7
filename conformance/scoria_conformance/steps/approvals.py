"""Steps in which a person decides, alone or at the same time as another."""

from datetime import timedelta
from typing import Any

from pytest_bdd import parsers, then, when

from scoria_conformance.steps.runs import UNSERVED, pending
from scoria_conformance.world import ARGUMENTS, KIND, World
from scoria_core import RunSummary, ScoriaError, StepSpec
from scoria_core.payloads import digest
from scoria_core.testing import SettableClock


@when(parsers.parse('"{who}" approves it with the note "{note}"'))
def _approves_it_with_the_note(world: World, who: str, note: str) -> None:
    approval_id = pending(world).approval_id
    world.scoria.approve(world.run_id, approval_id=approval_id, decided_by=who, note=note)


@when(parsers.parse('"{who}" rejects it with the note "{note}"'))
def _rejects_it_with_the_note(world: World, who: str, note: str) -> None:
    approval_id = pending(world).approval_id
    world.scoria.reject(world.run_id, approval_id=approval_id, decided_by=who, note=note)


@when("two reviewers approve it at once")
def _two_reviewers_approve_it_at_once(world: World) -> None:
    approval_id = pending(world).approval_id

    def approve(who: str) -> RunSummary:
        return world.scoria.approve(world.run_id, approval_id=approval_id, decided_by=who)

    world.race(lambda: approve("reviewer-7"), lambda: approve("reviewer-8"))


@when("one reviewer approves it and another rejects it at once")
def _one_reviewer_approves_it_and_another_rejects(world: World) -> None:
    approval_id = pending(world).approval_id
    world.race(
        lambda: world.scoria.approve(
            world.run_id, approval_id=approval_id, decided_by="reviewer-7"
        ),
        lambda: world.scoria.reject(world.run_id, approval_id=approval_id, decided_by="reviewer-8"),
    )


@when("two callers resume it at once")
def _two_callers_resume_it_at_once(world: World) -> None:
    def resume() -> RunSummary:
        return world.scoria.resume_run(world.run_id, handlers=world.handlers)

    world.race(resume, resume)


@when(parsers.parse('two callers start a run with the idempotency key "{key}" at once'))
def _two_callers_start_a_run_with_the_idempotency(world: World, key: str) -> None:
    def start_run() -> RunSummary:
        return world.scoria.start_run(
            world.identity(),
            root_role_id="executor",
            initial_step=StepSpec(kind=KIND, role_id="executor"),
            handlers=world.handlers,
            idempotency_key=key,
        )

    world.race(start_run, start_run)


@then("both of them got one run")
def _both_of_them_got_one_run(world: World) -> None:
    (run,) = world.scoria.list_runs()
    assert [isinstance(each, RunSummary) and each.run_id for each in world.raced] == [
        run.run_id,
        run.run_id,
    ], world.raced


@then(parsers.parse('one succeeds and the other is refused with "{error}"'))
def _one_succeeds_and_the_other_is_refused(world: World, error: str) -> None:
    refused = [each for each in world.raced if isinstance(each, ScoriaError)]
    assert [type(each).__name__ for each in refused] == [error]
    assert len(world.raced) == 2


@then(parsers.parse('the approval is "{status}" by "{who}" with the note "{note}"'))
def _the_approval_is_by_with_the_note(world: World, status: str, who: str, note: str) -> None:
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


@then(parsers.parse('the approval is "{status:w}"'))
def _the_approval(world: World, status: str) -> None:
    detail = world.detail
    assert detail.approvals[-1].status == status
    assert [step.approval.status for step in detail.steps if step.approval] == [status]
    assert detail.summary.pending_approval is None


@then("its pending approval names the tool, the arguments, their digest and the reason")
def _its_pending_approval_names_the_tool(world: World) -> None:
    asked = pending(world)
    assert (asked.tool_name, asked.arguments) == ("send_refund", ARGUMENTS)
    assert asked.reason == "Refunds over 1,000 need a person"
    assert asked.arguments_digest == digest(ARGUMENTS)
    assert world.detail.steps[0].approval == asked


@then("its pending approval is a new one")
def _its_pending_approval_is_a_new_one(world: World) -> None:
    expired, asked_anew = world.detail.approvals
    assert expired.status == "expired"
    assert pending(world) == asked_anew


@then(parsers.parse('the handler saw the approval as "{status}"'))
def _the_handler_saw_the_approval(world: World, status: str) -> None:
    approval = world.calls[-1][0].approval
    assert approval is not None
    assert approval.status == status


@then("the handler got the arguments that were approved")
def _the_handler_got_the_arguments_that_were(world: World) -> None:
    approval = world.calls[-1][0].approval
    assert approval is not None
    assert (approval.status, approval.arguments) == ("approved", ARGUMENTS)
    assert world.detail.steps[0].result == {"sent": ARGUMENTS}


@then("one decision is on record")
def _one_decision_is_on_record(world: World) -> None:
    (approval,) = world.detail.approvals
    about = [entry for entry in world.detail.journal if entry.subject == "approval"]
    (decided,) = (entry for entry in about if entry.trigger is not None)
    assert (approval.decided_by, approval.status) == (decided.actor_id, decided.to_state)


@then("the run and one step wait for one approval")
def _the_run_and_one_step_wait_for_one_approval(world: World) -> None:
    detail = world.detail
    assert detail.summary.status == "waiting_for_approval"
    (waiting,) = (step for step in detail.steps if step.status == "waiting_for_approval")
    asked = [entry.subject_id for entry in detail.journal if entry.type == "approval_requested"]
    resumed = [entry for entry in detail.journal if entry.type == "step_resumed"]
    (unused,) = asked[len(resumed) :]
    assert waiting.approval is not None
    assert (waiting.approval.approval_id, waiting.approval.step_id) == (unused, waiting.step_id)


@then("neither the run nor a step waits")
def _neither_the_run_nor_a_step_waits(world: World) -> None:
    detail = world.detail
    statuses = [detail.summary.status, *(step.status for step in detail.steps)]
    assert "waiting_for_approval" not in statuses
    assert detail.summary.pending_approval is None


@when(parsers.parse("it is {decided:w} by nobody: {name}"))
def _it_is_by_nobody(world: World, decided: str, name: str) -> None:
    nobody = {"missing": None, "blank": " \t", "true": True, "a list": ["reviewer-7"]}[name]
    approval_id = pending(world).approval_id
    world.attempt(lambda: _decide(world, decided, approval_id, nobody))


@when(
    parsers.parse("it is {decided:w} with the approval_id of the other run"),
    target_fixture="misnamed",
)
def _it_is_with_the_approval_id_of_the_other_run(
    world: World, other_run_id: str, decided: str
) -> tuple[str, str]:
    asked = world.scoria.get_run(other_run_id).pending_approval
    assert asked is not None
    world.attempt(lambda: _decide(world, decided, asked.approval_id, "reviewer-7"))
    return decided, asked.approval_id


@then("the message is the one for an approval that was never made")
def _the_message_is_the_one_for_an_approval(world: World, misnamed: tuple[str, str]) -> None:
    decided, approval_id = misnamed
    refused = str(world.error)
    world.attempt(lambda: _decide(world, decided, "never-made", "reviewer-7"))
    assert str(world.error).replace("never-made", approval_id) == refused


def _decide(world: World, decided: str, approval_id: str, who: Any) -> RunSummary:
    decide = {"approved": world.scoria.approve, "rejected": world.scoria.reject}[decided]
    return decide(world.run_id, approval_id=approval_id, decided_by=who)


@then(parsers.parse('its journal tells that the approval expired after "{who}" had approved it'))
def _its_journal_tells_that_the_approval_expired(world: World, who: str) -> None:
    first = world.detail.approvals[0]
    told = [entry for entry in world.detail.journal if entry.subject_id == first.approval_id]
    assert [entry.to_state for entry in told] == ["pending", "approved", "expired"]
    assert (first.status, first.decided_by, first.decided_at) == ("expired", who, told[1].at)


@when(parsers.parse("a host whose clock is {seconds:d} seconds ahead adds a step to it"))
def _a_host_whose_clock_is_seconds_ahead_adds(world: World, seconds: int) -> None:
    clock = SettableClock()
    clock.advance(world.clock.now() - clock.now() + timedelta(seconds=seconds))
    host = world.facade(world.store, clock=clock)
    host.add_step(world.run_id, UNSERVED)


@when(parsers.parse("the clock is set back by {seconds:d} seconds"))
def _the_clock_is_set_back_by_seconds(world: World, seconds: int) -> None:
    world.clock.advance(timedelta(seconds=-seconds))
    world.scoria = world.another_host  # one that has not read the clock before


@then("it was approved at the time of the entry before")
def _it_was_approved_at_the_time_of_the_entry(world: World) -> None:
    *_, before, decided = world.detail.journal
    (approval,) = world.detail.approvals
    assert approval.decided_at == decided.at == before.at > world.clock.now()


@then("no entry is earlier than the one before it")
def _no_entry_is_earlier_than_the_one_before_it(world: World) -> None:
    times = [entry.at for entry in world.detail.journal]
    assert times == sorted(times)
