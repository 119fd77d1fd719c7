"""Bugs to be found: for each invariant, one planted in what guards it in the core."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import attrs

from scoria_core import Identity, JournalEntry, Step, StepSpec, decisions
from scoria_core import run as run_module
from scoria_core.conversion import converter
from scoria_core.decisions import Change, Decision
from scoria_core.errors import RunNotResumable, ScoriaError
from scoria_core.lifecycles import RunStatus, next_state
from scoria_core.model import Approval, StepError
from scoria_core.run import Run

Guard = tuple[object, str]
Where = tuple[str, int]


@attrs.frozen
class Bug:
    """A wrong function in the place of a right one, and what is wrong with it."""

    words: str
    evolve: Mapping[Guard, object]


def _claims_beside_another(change: Change, kinds: Any) -> Step | None:
    step = change.run.first_queued_step()
    if step is None or step.kind not in kinds or change.run.status != RunStatus.RUNNING:
        return None
    decisions._move_step(change, step.step_id, "claim")
    return change.run.step_view(step.step_id, change.at)


def _resumes_undecided(change: Change) -> None:
    run = change.run
    step = run.active_step()
    if run.status != RunStatus.WAITING_FOR_APPROVAL or step is None:
        raise RunNotResumable("run", run.run_id, run.status, "resume")
    change.move("run", run.run_id, "resume")
    decisions._move_step(change, step.step_id, "resume")


def _cancels_without_withdrawing(change: Change, reason: str | None) -> None:
    run = change.run
    next_state("run", run.run_id, run.status, "cancel")
    decisions._expire_overdue(change)
    decisions._cancel_steps(change)
    change.move("run", run.run_id, "cancel", reason=reason)


def _completes_the_step_alone(change: Change, step_id: str, result: object, _: object = ()) -> None:
    decisions._move_step(change, step_id, "complete", result=result)


def _fails_without_its_handoff(change: Change, step_id: str, error: StepError) -> None:
    change.move("step", step_id, "fail", error=converter.unstructure(error))
    change.move("run", change.run.run_id, "fail")


_moved = Run._move


def _moves_to_another_actor(run: Run, entry: JournalEntry) -> None:
    _moved(run, entry)
    if entry.subject == "approval" and entry.actor_id is not None:
        taken = Identity(entry.actor_id, run.tenant_id, run.facts.identity.session_id)
        run.facts = attrs.evolve(run.facts, identity=taken)


_added = Change._add


def _adds_from_elsewhere(
    change: Change,
    subject: str,
    subject_id: str,
    trigger: str | None,
    from_state: str | None,
    *rest: Any,
) -> None:
    _added(change, subject, subject_id, trigger, "failed" if from_state else None, *rest)


def _checks_nothing(_: Run, __: JournalEntry) -> None:
    return


_decided = decisions.decide


def _decides_for_nobody(change: Change, decision: Decision, approval: Approval) -> None:
    change.actor_id = None
    _decided(change, decision, approval)


_looked_up = decisions._pending


def _is_refused_after_an_entry(change: Change, decision: Decision) -> Approval:
    try:
        return _looked_up(change, decision)
    except ScoriaError:
        if change.run.steps:
            decisions._queue(change, change.new_id(), StepSpec("served", "executor"))
        raise


def _withdraws_nothing(_: Change) -> None:
    return


def _counts_each_yes(change: Change, decision: Decision) -> Approval:
    approval = _looked_up(change, decision)
    return attrs.evolve(
        approval,
        endorsements=tuple(attrs.evolve(each, by="") for each in approval.endorsements),
    )


_changed = run_module._approval_changes


def _loses_the_edit(approval: Approval, entry: JournalEntry) -> dict[str, Any]:
    changes = _changed(approval, entry)
    return {
        name: value
        for name, value in changes.items()
        if name not in ("arguments", "arguments_digest")
    }


BUGS: Mapping[Where, Bug] = MappingProxyType(
    {
        ("lifecycles", 1): Bug(
            "claim_next does not look whether another step is active",
            {(decisions, "claim_next"): _claims_beside_another},
        ),
        ("lifecycles", 2): Bug(
            "resume does not look whether the approval is decided",
            {(decisions, "resume"): _resumes_undecided},
        ),
        ("lifecycles", 3): Bug(
            "cancel does not withdraw what is pending",
            {(decisions, "cancel"): _cancels_without_withdrawing},
        ),
        ("lifecycles", 4): Bug(
            "the last step completes without its run",
            {(decisions, "_complete_step"): _completes_the_step_alone},
        ),
        ("lifecycles", 5): Bug(
            "a child step fails without its handoff",
            {(decisions, "_fail_step"): _fails_without_its_handoff},
        ),
        ("lifecycles", 6): Bug(
            "a decision makes the run that of who decided",
            {(Run, "_move"): _moves_to_another_actor},
        ),
        ("lifecycles", 7): Bug(
            "an entry goes on from a state its subject was not in",
            {(Change, "_add"): _adds_from_elsewhere, (Run, "_check"): _checks_nothing},
        ),
        ("lifecycles", 8): Bug(
            "a decision does not say who decided",
            {(decisions, "decide"): _decides_for_nobody},
        ),
        ("lifecycles", 9): Bug(
            "a decision that comes too late is refused after an entry was added",
            {(decisions, "_pending"): _is_refused_after_an_entry},
        ),
        ("together", 3): Bug(
            "a no withdraws nothing of what else is pending",
            {(decisions, "_withdraw_requests"): _withdraws_nothing},
        ),
        ("quorum", 8): Bug(
            "the second yes of one person counts",
            {(decisions, "_pending"): _counts_each_yes},
        ),
        ("edits", 8): Bug(
            "what was edited is lost",
            {(run_module, "_CHANGE"): {**run_module._CHANGE, "approval": _loses_the_edit}},
        ),
    }
)
"""The bugs by the search that finds them, and the invariant whose guard they are planted in."""


@contextmanager
def planted(search: str, number: int) -> Iterator[None]:
    """Have the core run with a bug."""
    with ExitStack() as stack:
        for (owner, name), wrong in BUGS[search, number].evolve.items():
            stack.enter_context(patch.object(owner, name, wrong))
        yield
