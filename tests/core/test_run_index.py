"""What a run is found by, at each stage that it goes through."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from scoria_core import Failed, Identity, Retry, RunSummary, Scoria, StepSpec
from scoria_core.ports import IndexRow, RunKey, RunStore
from scoria_core.run import Run
from scoria_core.run_index import key_of, row_of
from scoria_core.testing import SettableClock
from tests.support.scripted import in_memory, needs, scripted
from tests.support.stores import records_of

pytestmark = in_memory


@pytest.fixture
def row(store: RunStore) -> Callable[[RunSummary], IndexRow]:
    """Return the row that the store has of a run, which is what the journal implies."""

    def row(run: RunSummary) -> IndexRow:
        (stored,) = store.read([run.run_id])
        replayed = Run.replay(run.run_id, stored.records)
        assert stored.row == row_of(replayed, replayed.journal[-1].at)
        assert stored.key == key_of(replayed)
        assert stored.version == replayed.version
        return stored.row

    return row


def decided(scoria: Scoria, run: RunSummary, decision: str = "approve", **more: Any) -> RunSummary:
    """Have a person decide what a run waits for."""
    approval_id = run.pending_approvals[0].approval_id
    told: RunSummary = getattr(scoria, decision)(
        run.run_id, approval_id=approval_id, decided_by="reviewer-7", **more
    )
    return told


def test_the_key_is_what_never_changes(
    store: RunStore, scoria: Scoria, clock: SettableClock
) -> None:
    """Who started the run and in which role, when, and under which key."""
    began = clock.now()
    run = scoria.start_run(
        Identity("user-1", "acme", "session-1"), root_role_id="planner", idempotency_key="order-7"
    )
    (stored,) = store.read([run.run_id])
    facts = ("acme", "session-1", "user-1", "planner", began, "order-7")
    assert stored.key == RunKey(run.run_id, *facts)
    clock.advance(hours=1)
    scoria.add_step(run.run_id, StepSpec("work", "another"), actor_id="user-2")
    scoria.complete_run(scoria.start_run(stored_identity(), root_role_id="r").run_id)
    (again,) = store.read([run.run_id])
    assert again.key == stored.key
    assert key_of(Run.replay(run.run_id, records_of(store, run.run_id))) == stored.key


def stored_identity() -> Identity:
    """Return somebody else."""
    return Identity("user-2", "globex", "session-2")


def test_a_run_without_work_is_never_due(
    row: Callable[[RunSummary], IndexRow], start: Callable[..., RunSummary], clock: SettableClock
) -> None:
    """It runs since it began, and has no labels."""
    assert row(start(step=None)) == IndexRow("running", clock.now())


def test_a_queued_step_is_due_at_once_or_when_it_may_be_tried(
    row: Callable[[RunSummary], IndexRow],
    start: Callable[..., RunSummary],
    scoria: Scoria,
    clock: SettableClock,
) -> None:
    """The run has been running all the time."""
    began = clock.now()
    run = start(step=StepSpec("work", "executor", retry=Retry(delay=5)))
    assert row(run) == IndexRow("running", began, began)
    clock.advance(seconds=7)
    scoria.run_pending(handlers={"work": scripted(ValueError("no"))})
    assert row(run) == IndexRow("running", began, clock.now() + timedelta(seconds=5))


def test_a_step_at_work_is_due_when_its_lease_ends(
    row: Callable[[RunSummary], IndexRow],
    start: Callable[..., RunSummary],
    scoria: Scoria,
    clock: SettableClock,
) -> None:
    """A renewal moves that and nothing else, and is told with the step."""
    seen = []

    def work(step: Any, run: RunSummary) -> None:
        assert step.lease_expires_at == step.claimed_at + step.lease.length
        seen.append(row(run))
        clock.advance(seconds=5)
        assert scoria._runs.renew(run.run_id, lambda _: True)
        (stored,) = scoria._runs.store.read([run.run_id])
        seen.append(stored.row)
        (told,) = scoria.get_run_detail(run.run_id).steps
        assert told.lease_expires_at == stored.row.due_at
        assert told == attrs.evolve(step, lease_expires_at=stored.row.due_at)

    run = start(work)
    assert run.status == "completed", run.error
    claimed, renewed = seen
    assert (claimed.status, claimed.labels, claimed.has_ended) == ("running", (), False)
    assert claimed.due_at is not None
    assert renewed == attrs.evolve(claimed, due_at=claimed.due_at + timedelta(seconds=5))


def test_a_run_that_waits_has_labels(
    row: Callable[[RunSummary], IndexRow], start: Callable[..., RunSummary], clock: SettableClock
) -> None:
    """Each once: its session, its requests, their tools, and whom they are assigned to."""
    start()
    clock.advance(seconds=3)
    team = needs(assigned_to=["ann", "bob"], expires_in=60)
    run = start(scripted([team, needs(tool_name="pay", assigned_to=["bob"]), needs()]))
    first, second, third = (each.approval_id for each in run.pending_approvals)
    found = row(run)
    assert attrs.evolve(found, labels=()) == IndexRow(
        "waiting_for_approval", clock.now(), clock.now() + timedelta(seconds=60)
    )
    assert sorted(found.labels) == sorted(
        [
            *(f"approval:{each}" for each in (first, second, third)),
            *("assigned:ann", "assigned:bob", "session:session-1", "tool:pay", "tool:send"),
        ]
    )


def test_the_labels_are_those_of_what_is_still_pending(
    row: Callable[[RunSummary], IndexRow],
    start: Callable[..., RunSummary],
    scoria: Scoria,
    clock: SettableClock,
) -> None:
    """A decided request takes its own along; the run waits since it asked."""
    asked = clock.now()
    run = start(scripted([needs(tool_name="pay", assigned_to=["ann"]), needs()]))
    left = run.pending_approvals[1].approval_id
    clock.advance(seconds=3)
    run = decided(scoria, run, resume=False)
    labels = ("session:session-1", f"approval:{left}", "tool:send")
    assert row(run) == IndexRow("waiting_for_approval", asked, labels=labels)
    clock.advance(seconds=3)
    run = decided(scoria, run, resume=False)
    assert row(run).labels == ()
    clock.advance(seconds=3)
    run = scoria.resume_run(run.run_id, handlers={"work": scripted(None)})
    assert row(run) == IndexRow("completed", clock.now(), has_ended=True)


def test_an_endorsed_request_is_still_pending(
    row: Callable[[RunSummary], IndexRow], start: Callable[..., RunSummary], scoria: Scoria
) -> None:
    """One yes of two changes nothing of what the run is found by."""
    run = start(scripted(needs(approvals_needed=2)))
    before = row(run)
    assert before.labels
    assert row(decided(scoria, run)) == before


def test_an_expired_request_is_due_until_it_is_recorded(
    row: Callable[[RunSummary], IndexRow], waiting: RunSummary, scoria: Scoria, clock: SettableClock
) -> None:
    """Time alone writes nothing: the labels stay until somebody records that it has passed."""
    before = row(waiting)
    assert before.due_at == clock.now() + timedelta(seconds=60)
    clock.advance(seconds=61)
    assert row(waiting) == before
    scoria.recover()
    scoria.run_pending()
    after = row(waiting)
    assert (after.status, after.since) == (before.status, before.since)
    assert after.labels == ()


@pytest.mark.parametrize(
    ("answer", "ends", "status", "has_ended"),
    [
        (None, None, "completed", True),
        (Failed("no"), None, "failed", False),  # it can be retried
        (Failed("no"), "cancel_run", "cancelled", True),
        (needs(), "cancel_run", "cancelled", True),
    ],
)
def test_a_run_that_is_over_has_neither_work_nor_labels(
    row: Callable[[RunSummary], IndexRow],
    start: Callable[..., RunSummary],
    scoria: Scoria,
    clock: SettableClock,
    answer: object,
    ends: str | None,
    status: str,
    has_ended: bool,
) -> None:
    """It has been so since it ended."""
    run = start(scripted(answer))
    if ends is not None:
        clock.advance(seconds=3)
        run = getattr(scoria, ends)(run.run_id)
    assert row(run) == IndexRow(status, clock.now(), has_ended=has_ended)


def test_a_rejected_run_is_found_by_nothing_more(
    row: Callable[[RunSummary], IndexRow], waiting: RunSummary, scoria: Scoria, clock: SettableClock
) -> None:
    """A no that cancels ends it."""
    clock.advance(seconds=3)
    run = decided(scoria, waiting, "reject")
    assert row(run) == IndexRow("cancelled", clock.now(), has_ended=True)
