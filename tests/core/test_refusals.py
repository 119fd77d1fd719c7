"""What the suite does not say of a call that is refused, or comes too late: also its words."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from scoria_conformance.arrangements import REACH, WHILE_HANDLED, Arrangement
from scoria_conformance.world import World
from scoria_core import (
    Completed,
    Failed,
    NeedsApproval,
    Outcome,
    RunSummary,
    Scoria,
    Step,
    decisions,
)
from scoria_core.decisions import Change
from scoria_core.errors import ApprovalNotPending, TransitionRefused
from scoria_core.lifecycles import MACHINES, states
from scoria_core.ports import RunStore
from scoria_core.repository import RunRepository
from scoria_core.system import Uuid7Source
from tests.support.scripted import WORK, approval_id_of, approve, in_memory, needs, scripted


def test_every_state_has_its_scene() -> None:
    """No state of any machine is without a way to it, and none has two."""
    reachable = {pair for subject in MACHINES for pair in product([subject], states(subject))}
    assert set(REACH) | set(WHILE_HANDLED) == reachable
    assert not set(REACH) & set(WHILE_HANDLED)


ANSWERS: dict[str, Outcome] = {
    "complete": Completed(),
    "fail": Failed("no"),
    "request_approval": NeedsApproval(tool_name="send", arguments={}, reason="goes out"),
}


@pytest.mark.parametrize("trigger", [*ANSWERS, "cancel", "release"])
def test_a_handler_whose_step_moved_on_is_too_late(
    make_store: Callable[[], RunStore], tmp_path: Path, trigger: str
) -> None:
    """What a handler answers after its step was moved by another is not recorded."""
    arranged = Arrangement(World(lambda _: make_store(), tmp_path))
    arranged.reach("step", "running")
    (step,) = arranged.world.detail.steps
    moves: dict[str, Callable[[Change], object]] = {
        "cancel": lambda change: decisions.cancel(change, None),
        "release": lambda change: decisions.release(change, step),
    }
    move = moves.get(trigger) or (lambda change: decisions.conclude(change, step, ANSWERS[trigger]))
    another = RunRepository(arranged.world.store, arranged.world.clock, Uuid7Source())
    another.change(step.run_id, move)
    before = arranged.seen()
    arranged.leave()
    assert arranged.seen() == before


@in_memory
def test_a_decision_that_comes_too_late_says_what_is_left(
    scoria: Scoria, start: Callable[..., RunSummary], clock: Any
) -> None:
    """After the request expired its step may ask again; after a decision there is only to read."""
    run = start(scripted(needs(expires_in=60)))
    clock.advance(seconds=60)
    asked = approval_id_of(run)
    with pytest.raises(ApprovalNotPending, match="resume_run lets its step ask again"):
        scoria.approve(run.run_id, approval_id=asked, decided_by="reviewer-7")
    decided = start(scripted(needs()))
    approve(scoria, decided)
    asked = approval_id_of(decided)
    with pytest.raises(ApprovalNotPending, match="a request is decided once"):
        scoria.reject(decided.run_id, approval_id=asked, decided_by="reviewer-7")


@in_memory
def test_a_run_that_is_completed_too_soon_says_what_is_open(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """The first open step, and how it ends: by running it, or with the handler at work on it."""
    run = start()
    scoria.add_step(run.run_id, WORK)
    first, _ = scoria.get_run_detail(run.run_id).steps
    with pytest.raises(TransitionRefused, match=f"with step {first.step_id} queued") as refused:
        scoria.complete_run(run.run_id)
    assert "run its steps with run_pending" in str(refused.value)
    said: list[str] = []

    def completes(_: Step, run: RunSummary) -> None:
        with pytest.raises(TransitionRefused) as at_work:
            scoria.complete_run(run.run_id)
        said.append(str(at_work.value))

    start(completes)
    (told,) = said
    assert "a handler is at work on its step" in told
