"""Steps that read runs, journals, listings and pages."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.steps.payloads import parts
from scoria_conformance.world import TENANT, World
from scoria_core import Page, RunSummary
from scoria_core.ports import RunStore


@then(parsers.parse('the run is "{status}"'))
def _the_run(world: World, status: str) -> None:
    assert world.scoria.get_run(world.run_id).status == status


@then(parsers.parse('its step is "{status}"'))
def _its_step(world: World, status: str) -> None:
    (step,) = world.detail.steps
    assert step.status == status


@then(parsers.parse('its step is "{status:w}" at attempt {attempt:d}'))
def _its_step_is_at_attempt(world: World, status: str, attempt: int) -> None:
    (step,) = world.detail.steps
    assert (step.status, step.attempt) == (status, attempt)


@then(parsers.parse('its first step is "{status:w}"'))
def _its_first_step(world: World, status: str) -> None:
    assert world.detail.steps[0].status == status


@then(parsers.parse('its last step is "{status:w}"'))
def _its_last_step(world: World, status: str) -> None:
    assert world.detail.steps[-1].status == status


@then(parsers.parse('every step is "{status:w}"'))
def _every_step(world: World, status: str) -> None:
    assert {step.status for step in world.detail.steps} == {status}


@then(parsers.parse('the other run of the session is "{status:w}"'))
def _the_other_run_of_the_session(world: World, other_run_id: str, status: str) -> None:
    assert world.scoria.get_run(other_run_id).status == status


@then("nothing of it is open")
def _nothing_of_it_is_open(world: World) -> None:
    detail = world.detail
    assert detail.summary.pending_approval is None
    assert {step.status for step in detail.steps} <= {"completed", "cancelled"}
    assert {handoff.status for handoff in detail.delegated_handoffs} <= {"completed", "cancelled"}
    assert "pending" not in [approval.status for approval in detail.approvals]


@then('its step is "completed" with the result of the handler')
def _its_step_is_completed_with_the_result(world: World) -> None:
    (step,) = world.detail.steps
    assert (step.status, step.result) == ("completed", {"answer": 42})
    assert step.completed_at == world.clock.now()


@then('its step is "failed" with the type and message of the error')
def _its_step_is_failed_with_the_type_and_message(world: World) -> None:
    (step,) = world.detail.steps
    assert step.status == "failed"
    assert step.error is not None
    assert (step.error.type, step.error.message) == ("LookupError", "no such customer")


@then(parsers.parse('its step failed with "{kind}"'))
def _its_step_failed(world: World, kind: str) -> None:
    (step,) = world.detail.steps
    assert step.error is not None
    assert step.error.type == kind


@then(parsers.parse('its last step failed with "{kind}"'))
def _its_last_step_failed(world: World, kind: str) -> None:
    error = world.detail.steps[-1].error
    assert error is not None
    assert error.type == kind


@then("the session lists its runs newest first")
def _the_session_lists_its_runs_newest_first(world: World, turns: list[str]) -> None:
    listed = world.scoria.list_runs_for_session("session-1")
    assert [run.run_id for run in listed] == turns[::-1]


@then(parsers.parse("pages of {size:d} list each of them once"))
def _pages_of_list_each_of_them_once(world: World, turns: list[str], size: int) -> None:
    listed = partial(world.scoria.list_runs_for_session, "session-1")
    assert paged(listed, len(turns), size) == turns[::-1]


@then(parsers.parse("pages of {size:d} of all runs list each of them once"))
def _pages_of_of_all_runs_list_each_of_them_once(world: World, turns: list[str], size: int) -> None:
    seen = paged(world.scoria.list_runs, len(turns) + 1, size)
    assert seen == sorted(seen, reverse=True)
    assert [run_id for run_id in seen if run_id in turns] == turns[::-1]
    assert len(seen) == len(turns) + 1


def paged(listed: Callable[..., Page[RunSummary]], most: int, size: int) -> list[str]:
    """Return the ids of the runs on all pages of a listing, each begun at the `next` before it."""
    seen: list[str] = []
    before: str | None = None
    # A bound, since a store that ignores where a page starts would never end.
    for _ in range(most):
        runs = listed(limit=size, before=before)
        assert len(runs) <= size
        seen += [run.run_id for run in runs]
        before = runs.next
        if before is None:
            break
    return seen


@then("a page of any length costs one call of the store")
def _a_page_of_any_length_costs_one_call(world: World, turns: list[str]) -> None:
    for size in (1, 7, len(turns), 1_000):
        host = world.another_host  # it has nothing in memory yet
        for listed in (host.list_runs, partial(host.list_runs_for_session, "session-1")):
            before = world.ledger.count
            assert len(listed(limit=size)) == min(size, len(turns))
            cost = world.ledger.count - before
            assert cost == 1, f"a page of {size} runs cost {cost} calls"


@then("the session lists the run with nothing to decide")
def _the_session_lists_the_run_with_nothing(world: World) -> None:
    for listed in (world.scoria.list_runs_for_session("session-1"), world.scoria.list_runs()):
        (run,) = listed
        assert run.run_id == world.run_id
        assert run.pending_approval is None


@then("another tenant finds no run in the same session")
def _another_tenant_finds_no_run_in_the_same(world: World) -> None:
    assert list(world.other.list_runs_for_session("session-1")) == []
    assert len(world.scoria.for_tenant(TENANT).list_runs_for_session("session-1")) == 1


@then("another tenant finds no run at all")
def _another_tenant_finds_no_run_at_all(world: World) -> None:
    assert list(world.other.list_runs()) == []
    assert len(world.scoria.for_tenant(TENANT).list_runs()) == 1


@then("what is read of the run is where it stands now")
def _what_is_read_of_the_run_is_where_it_stands_now(world: World) -> None:
    summary, detail = world.scoria.get_run(world.run_id), world.detail
    assert summary == detail.summary
    assert (summary.status, summary.root_role_id) == ("waiting_for_approval", "planner")
    assert summary.version == len(detail.journal)
    assert (summary.created_at, summary.updated_at) == (detail.journal[0].at, detail.journal[-1].at)
    assert summary.pending_approval == detail.approvals[0]


@then("its detail has its steps, approvals, handoffs and journal")
def _its_detail_has_its_steps_approvals_handoffs(world: World) -> None:
    detail = world.detail
    assert (len(detail.approvals), len(detail.delegated_handoffs)) == (1, 1)
    parent, child = detail.steps
    approval, handoff = detail.approvals[0], detail.delegated_handoffs[0]
    assert (parent.kind, child.kind) == ("handoff", "review")
    assert (approval.step_id, handoff.child_step_id) == (child.step_id, child.step_id)
    told = {entry.subject_id for entry in detail.journal}
    made = {parent.step_id, child.step_id, approval.approval_id, handoff.handoff_id}
    assert told == made | {world.run_id}
    assert detail.identity == world.identity()


@then("every time of it is aware and in UTC")
def _every_time_of_it_is_aware_and_in_utc(world: World) -> None:
    times = [each for each in parts(world.detail) if isinstance(each, datetime)]
    assert times
    assert {each.utcoffset() for each in times} == {timedelta(0)}


@then("every status of it equals its plain word")
def _every_status_of_it_equals_its_plain_word(world: World) -> None:
    statuses = [each for each in parts(world.detail) if isinstance(each, Enum)]
    assert {"completed", "approved"} <= set(statuses)
    assert all(each == each.value for each in statuses)


@attrs.frozen
class WatchedStore:
    """A store that records which calls wrote to it."""

    store: RunStore
    written: list[str] = attrs.field(factory=list)

    def create(self, *arguments: Any, **named: Any) -> str:
        """Store a run, and record the call."""
        self.written.append("create")
        return self.store.create(*arguments, **named)

    def append(self, *arguments: Any, **named: Any) -> None:
        """Append to a run, and record the call."""
        self.written.append("append")
        self.store.append(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@when("everything about it is read", target_fixture="watched")
def _everything_about_it_is_read(world: World) -> WatchedStore:
    watched = WatchedStore(world.store)
    world.before = list(world.store.read([world.run_id]))
    scoria = world.facade(watched, clock=world.clock)
    for facade in (scoria, scoria.for_tenant(TENANT)):
        facade.get_run(world.run_id)
        facade.get_run_detail(world.run_id)
        facade.list_runs_for_session("session-1")
        facade.list_runs()
    return watched


@then("nothing was written to the store")
def _nothing_was_written_to_the_store(world: World, watched: WatchedStore) -> None:
    assert watched.written == []
    assert list(world.store.read([world.run_id])) == world.before


@when(parsers.parse("{count:d} runs are started one after the other"), target_fixture="turns")
def _runs_are_started_one_after_the_other(world: World, count: int) -> list[str]:
    started = (world.scoria.start_run(world.identity(), root_role_id="a") for _ in range(count))
    return [run.run_id for run in started]


@then("their ids are UUIDs of version 7, each greater than the one before")
def _their_ids_are_uuids_of_version_7_each_greater(turns: list[str]) -> None:
    assert {UUID(run_id).version for run_id in turns} == {7}
    assert [str(UUID(run_id)) for run_id in turns] == turns == sorted(set(turns))
