"""Steps: in their order, retried, cancelled, carried out later."""

import logging
import signal
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest

from scoria_core import (
    Failed,
    HandOff,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import (
    RunNotFound,
    TransitionRefused,
)
from scoria_core.ports import StoredRun
from tests.support.scripted import WORK, approve, needs, scripted


def test_a_retry_runs_the_failed_step_anew(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A retried step keeps its id and input, counts its attempts, and forgets its error."""
    handler = scripted(Failed("no"), ValueError("no"), {"ok": True})
    run = start(handler)
    assert scoria.retry_run(run.run_id, handlers={"work": handler}).status == "failed"
    assert scoria.retry_run(run.run_id, handlers={"work": handler}).status == "completed"
    (step,) = scoria.get_run_detail(run.run_id).steps
    assert (step.attempt, step.error, step.result) == (3, None, {"ok": True})
    assert {(each.step_id, each.input["n"]) for each in handler.steps} == {(step.step_id, 1)}
    with pytest.raises(TransitionRefused):
        scoria.retry_run(run.run_id)


def test_a_cancellation_ends_everything(scoria: Scoria, waiting: RunSummary) -> None:
    """A cancelled run has no open step and no pending approval, and says who ended it and why."""
    run = scoria.cancel_run(waiting.run_id, reason="changed my mind", actor_id="user-1")
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, run.pending_approval) == ("cancelled", None)
    assert (detail.steps[0].status, detail.approvals[0].status) == ("cancelled", "withdrawn")
    last = detail.journal[-1]
    assert (last.type, last.actor_id) == ("run_cancelled", "user-1")
    assert last.data == {"reason": "changed my mind"}


@pytest.mark.parametrize("answer", [None, Failed("no"), needs(), ValueError("no")])
def test_a_late_answer_is_not_recorded(
    scoria: Scoria,
    start: Callable[..., RunSummary],
    answer: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run that was cancelled while its handler was at work stays as it was cancelled."""
    cancelled = []

    def cancels(step: Step, run: RunSummary) -> Any:
        cancelled.append(scoria.cancel_run(run.run_id))
        return scripted(answer)(step, run)

    with caplog.at_level(logging.WARNING, "scoria"):
        run = start(cancels)
    assert run == cancelled[0] == scoria.get_run(run.run_id)
    assert run.status == "cancelled"
    assert "late result" in caplog.text


def test_an_interruption_after_a_cancellation_goes_up(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """There is nothing to release in a cancelled run; the interruption is not swallowed."""

    def cancels(_: Step, run: RunSummary) -> None:
        scoria.cancel_run(run.run_id)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        start(cancels)
    assert scoria.list_runs()[0].status == "cancelled"


def test_steps_run_in_their_order(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Steps are carried out one after the other; the run completes with the last."""
    run = start()
    kinds: list[str] = []
    handlers = {kind: lambda step, _: kinds.append(step.kind) for kind in ("work", "b", "c")}
    scoria.add_step(run.run_id, StepSpec("b", "r"))
    assert scoria.add_step(run.run_id, StepSpec("c", "r"), handlers=handlers).status == "completed"
    assert kinds == ["work", "b", "c"]
    steps = scoria.get_run_detail(run.run_id).steps
    assert [step.sequence for step in steps] == [1, 2, 3]


def test_a_step_does_not_overtake_one_without_handler(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A step that could run waits for the one before it."""
    run = start()
    handler = scripted()
    added = scoria.add_step(run.run_id, StepSpec("b", "r"), handlers={"b": handler})
    assert (added.status, handler.steps) == ("running", [])
    assert scoria.run_pending(handlers={"b": handler}) == []


def test_later_steps_wait_while_a_person_decides(scoria: Scoria, waiting: RunSummary) -> None:
    """A step added to a paused run does not run before the paused one is done."""
    handler = scripted(None, None)
    added = scoria.add_step(waiting.run_id, StepSpec("b", "r"), handlers={"b": handler})
    assert (added.status, handler.steps) == ("waiting_for_approval", [])
    approve(scoria, waiting)
    done = scoria.resume_run(waiting.run_id, handlers={"work": handler, "b": handler})
    assert done.status == "completed"
    assert [step.kind for step in handler.steps] == ["work", "b"]


def test_a_failure_stops_the_steps_after_it(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A run fails with its step; a retry goes on from there."""
    run = start()
    handler = scripted(Failed("no"), None, None)
    handlers = {"work": handler, "b": handler}
    assert scoria.add_step(run.run_id, StepSpec("b", "r"), handlers=handlers).status == "failed"
    with pytest.raises(TransitionRefused) as refusal:
        scoria.add_step(run.run_id, StepSpec("c", "r"))
    assert (refusal.value.state, refusal.value.trigger) == ("failed", "add_step")
    assert scoria.retry_run(run.run_id, handlers=handlers).status == "completed"
    assert [step.kind for step in handler.steps] == ["work", "work", "b"]


def test_a_handler_adds_a_step(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A step added by a handler is queued behind its own and carried out by the same call."""
    later = scripted({"later": True})

    def adds(_: Step, run: RunSummary) -> None:
        added = scoria.add_step(run.run_id, StepSpec("later", "r"), handlers={"later": later})
        assert (added.status, later.steps) == ("running", [])

    run = start(step=StepSpec("adds", "r"), handlers={"adds": adds, "later": later})
    assert run.status == "completed"
    assert len(later.steps) == 1
    assert scoria.get_run_detail(run.run_id).steps[1].result == {"later": True}


def test_a_run_without_steps_is_completed_by_its_host(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A host that drives a run itself says when it is done; then nothing changes it again."""
    run = start(step=None)
    assert run.status == "running"
    done = scoria.complete_run(run.run_id, actor_id="user-1")
    assert done.status == "completed"
    assert scoria.get_run_detail(run.run_id).journal[-1].actor_id == "user-1"
    for call in (scoria.complete_run, scoria.cancel_run, scoria.retry_run, scoria.resume_run):
        with pytest.raises(TransitionRefused):
            call(run.run_id)
    with pytest.raises(TransitionRefused):
        scoria.add_step(run.run_id, WORK)
    assert scoria.get_run(run.run_id) == done


def test_a_run_that_its_host_drives_does_not_end_with_a_step(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """Each step it adds completes and the run goes on, until the host says that it is done."""
    run = start(step=None)
    handlers = {"work": scripted(*[{"n": n} for n in range(30)])}
    for _ in range(30):
        assert scoria.add_step(run.run_id, WORK, handlers=handlers).status == "running"
    assert scoria.complete_run(run.run_id).status == "completed"
    detail = scoria.get_run_detail(run.run_id)
    assert [step.result for step in detail.steps] == [{"n": n} for n in range(30)]
    assert detail.journal[0].data["driven_by"] == "host"


def test_a_run_that_its_host_drives_hands_off_and_waits(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """Neither a handoff, nor an approval, nor a retry makes it complete by itself."""
    run = start(step=None)
    asked = scoria.add_step(run.run_id, WORK, handlers={"work": scripted(needs())})
    approve(scoria, asked)
    handed = HandOff(
        delegated_role_id="critic", delegated_kind="b", handoff_input={}, projected_context={}
    )
    handlers = {"work": scripted(handed), "b": scripted(Failed("no"), None)}
    assert scoria.resume_run(run.run_id, handlers=handlers).status == "failed"
    assert scoria.retry_run(run.run_id, handlers=handlers).status == "running"
    assert scoria.complete_run(run.run_id).status == "completed"


def test_a_run_with_an_open_step_cannot_be_completed(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A run is not done while a step of it waits; the refusal names the step."""
    run = start()
    with pytest.raises(TransitionRefused) as refusal:
        scoria.complete_run(run.run_id)
    assert scoria.get_run_detail(run.run_id).steps[0].step_id in str(refusal.value)
    assert scoria.get_run(run.run_id) == run


def test_pending_work_is_carried_out_once(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Queued steps of all runs are carried out, oldest run first, and only those."""
    queued = [start() for _ in range(3)]
    start(scripted(needs()))
    start(scripted(None))
    handler = scripted(None, None, None)
    done = scoria.run_pending(handlers={"work": handler})
    assert [run.run_id for run in done] == [run.run_id for run in queued]
    assert {run.status for run in done} == {"completed"}
    assert scoria.run_pending(handlers={"work": handler}) == []
    assert len(handler.steps) == 3


def test_pending_work_of_one_run(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Naming a run carries out that run's steps and no other's."""
    one, other = start(), start()
    done = scoria.run_pending(one.run_id, handlers={"work": scripted(None)})
    assert [run.run_id for run in done] == [one.run_id]
    assert scoria.get_run(other.run_id) == other
    with pytest.raises(RunNotFound):
        scoria.run_pending("nobody-has-this")


def test_pending_work_has_a_limit(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """No more runs are looked at than the caller allows."""
    for _ in range(3):
        start()
    assert len(scoria.run_pending(limit=2, handlers={"work": scripted(None, None)})) == 2


def test_a_damaged_run_does_not_keep_the_others_waiting(
    make_scoria: Callable[..., Scoria], caplog: pytest.LogCaptureFixture
) -> None:
    """Of several runs with queued steps, one that does not check out is logged and passed over."""
    facade = make_scoria()
    identity = facade.identity(actor_id=1, tenant_id=1, session_id=1)
    step = StepSpec(kind="work", role_id="a")
    damaged, whole = (
        facade.start_run(identity, root_role_id="a", initial_step=step).run_id for _ in range(2)
    )
    store = facade._runs.store
    read = store.read

    def lossy(run_ids: Sequence[str]) -> Sequence[StoredRun]:
        found = read(run_ids)
        return [
            attrs.evolve(run, records=run.records[1:]) if run.key.run_id == damaged else run
            for run in found
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "read", lossy)
        done = make_scoria().run_pending(handlers={"work": lambda *_: None})
    assert [run.run_id for run in done] == [whole]
    assert damaged in caplog.text
