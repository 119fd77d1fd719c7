"""The nine invariants of the contract, each one function that tells what breaks it.

Each takes what was observed of one call, or of one reading where nothing was called, and yields
a problem per breach. The numbers and the sentences are those of section 4 of the contract.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

import attrs

from scoria_core import Approval, JournalEntry, RunDetail, Step
from scoria_core.errors import StoreCorrupt
from scoria_core.journal import genesis, seal
from scoria_core.payloads import digest
from scoria_core.ports import Record
from scoria_core.run import Run


@attrs.frozen
class Observed:
    """A run as a call left it, what it was before, and the step whose handler is entered next.

    `before` is None for a run that was only read, or that the call started.
    """

    after: RunDetail
    before: RunDetail | None = None
    is_refused: bool = False
    entered: Step | None = None


@attrs.frozen
class Breach:
    """An invariant that does not hold, by its number, and what was seen."""

    number: int
    problem: str

    def __str__(self) -> str:
        return f"invariant {self.number}: {self.problem}"


Problems = Iterator[str]

_ACTIVE = ("running", "waiting_for_approval")
_ENDED = ("completed", "cancelled")
_MIRRORED = {
    "queued": ("pending", "running"),  # a child that goes on after its approval keeps `running`
    "running": ("running",),
    "waiting_for_approval": ("running",),
    "completed": ("completed",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}


def one_step_is_active(seen: Observed) -> Problems:
    """1: At most one step of a run is `running` or `waiting_for_approval`."""
    active = [step.sequence for step in seen.after.steps if step.status in _ACTIVE]
    if len(active) > 1:
        yield f"steps {active} are active at once"
    if [step.sequence for step in seen.after.steps] != list(range(1, len(seen.after.steps) + 1)):
        yield "the steps are not in the order of their numbers"
    # A failed step stops those after it, so it counts as the one the run stands at.
    failed = [step.sequence for step in seen.after.steps if step.status == "failed"]
    if bool(failed) != (seen.after.summary.status == "failed"):
        yield f"the run is {seen.after.summary.status} and the failed steps are {failed}"


def waits_for_its_requests(seen: Observed) -> Problems:
    """2: A run is `waiting_for_approval` exactly while one of its steps is.

    The requests of that step's latest asking, and no others, are unused. None is pending elsewhere.
    """
    run = seen.after
    waiting = {step.step_id for step in run.steps if step.status == "waiting_for_approval"}
    if (run.summary.status == "waiting_for_approval") != (len(waiting) == 1):
        yield f"the run is {run.summary.status} and {len(waiting)} of its steps wait"
    for step in run.steps:
        unused = _unused_askings(run, step)
        if step.status != "cancelled" and unused != (step.step_id in waiting):
            yield f"step {step.sequence} is {step.status} and has asked {unused} times in vain"
        shown = [approval.approval_id for approval in step.approvals]
        if shown != _asked_last(run, step):
            yield f"step {step.sequence} shows other requests than it made last"
    if run.summary.status not in _ENDED:
        yield from _pending_elsewhere(run, waiting)


def _unused_askings(run: RunDetail, step: Step) -> int:
    moves = [entry.trigger for entry in run.journal if entry.subject_id == step.step_id]
    return moves.count("request_approval") - moves.count("resume")


def _asked_last(run: RunDetail, step: Step) -> list[str]:
    """Return the ids of the requests that the journal names after the step asked last."""
    asked: list[str] = []
    for entry in run.journal:
        if entry.subject_id == step.step_id and entry.trigger == "request_approval":
            asked = []
        elif entry.type == "approval_requested" and entry.data["step_id"] == step.step_id:
            asked.append(entry.subject_id)
    return asked


def _pending_elsewhere(run: RunDetail, waiting: set[str]) -> Problems:
    pending = tuple(approval for approval in run.approvals if approval.status == "pending")
    if run.summary.pending_approvals != pending:
        yield f"{len(pending)} approvals are pending, and the run shows others"
    if {approval.step_id for approval in pending} - waiting:
        yield "an approval is pending, and its step does not wait"


def ended_is_ended(seen: Observed) -> Problems:
    """3: A `completed` or `cancelled` run has no step that could still run.

    It has no pending approval, and nothing changes it again.
    """
    run, status = seen.after, seen.after.summary.status
    if seen.before is not None and seen.before.summary.status in _ENDED and run != seen.before:
        yield f"the run was {seen.before.summary.status} and has changed"
    if status not in _ENDED:
        return
    allowed = ("completed",) if status == "completed" else _ENDED
    for step in run.steps:
        if step.status not in allowed:
            yield f"the run is {status} and step {step.sequence} is {step.status}"
    if any(approval.status == "pending" for approval in run.approvals):
        yield f"the run is {status} and an approval is pending"
    if run.journal[-1].subject != "run":
        yield f"the run is {status} and an entry follows its end"


def completes_by_itself(seen: Observed) -> Problems:
    """4: A run started with a step completes by itself when all of its steps have completed.

    One started without waits for its host.
    """
    run, before = seen.after, seen.before
    done = bool(run.steps) and all(step.status == "completed" for step in run.steps)
    driven_by = run.journal[0].data["driven_by"]
    if done and driven_by == "steps" and run.summary.status != "completed":
        yield f"all steps have completed and the run is {run.summary.status}"
    new = run.journal[0 if before is None else len(before.journal) :]
    completed = {entry.subject for entry in new if entry.trigger == "complete"}
    if before is not None and driven_by == "host" and completed >= {"run", "step"}:
        yield "the host drives the run, and it has completed by itself"


def handoff_mirrors_child(seen: Observed) -> Problems:
    """5: A handoff and its child step belong to the same run.

    Its status mirrors the child's; the root role keeps the run.
    """
    run = seen.after
    steps = {step.step_id: step for step in run.steps}
    for number, handoff in enumerate(run.delegated_handoffs, 1):
        child, parent = steps.get(handoff.child_step_id), steps.get(handoff.parent_step_id)
        if child is None or parent is None:
            yield f"handoff {number} is between steps of which the run has not both"
            continue
        if child.parent_step_id != parent.step_id or parent.status != "completed":
            yield f"handoff {number} has a parent that is {parent.status} or no parent of its child"
        if handoff.status not in _MIRRORED[child.status] or handoff.child_status != child.status:
            yield f"handoff {number} is {handoff.status} and its child is {child.status}"
        asked = (handoff.delegated_kind, handoff.delegated_role_id, handoff.handoff_input)
        if (child.kind, child.role_id, child.input) != asked:
            yield f"handoff {number} asks for another step than its child"
        if child.projected_context != handoff.projected_context:
            yield f"handoff {number} has another context than its child"
    root = run.journal[0].data["root_role_id"]
    if run.summary.root_role_id != root:
        yield f"the root role is {run.summary.root_role_id}, and was {root} at the start"


def identity_stays(seen: Observed) -> Problems:
    """6: `run_id`, `session_id`, `tenant_id` and `actor_id` of a run never change."""
    run, first = seen.after, seen.after.journal[0]
    started = first.data["identity"]
    for name in ("session_id", "tenant_id", "actor_id"):
        shown = {getattr(run.summary, name), getattr(run.identity, name)}
        if shown != {started[name]}:
            yield f"{name} is {sorted(shown)}, and was {started[name]} at the start"
    if run.summary.run_id != first.subject_id:
        yield f"run_id is {run.summary.run_id}, and was {first.subject_id} at the start"
    if seen.before is not None and seen.before.identity != run.identity:
        yield "the identity is not the one before the call"


def journal_is_whole(seen: Observed) -> Problems:
    """7: The journal of a run is numbered 1..n without gaps.

    Each entry's from-state is the to-state before it. Each builds on the digest before it, and
    the run that the journal tells is the run.
    """
    run = seen.after
    if [entry.sequence for entry in run.journal] != list(range(1, len(run.journal) + 1)):
        yield f"the entries are numbered {[entry.sequence for entry in run.journal]}"
    if run.summary.version != len(run.journal):
        yield f"the run is at version {run.summary.version} of {len(run.journal)} entries"
    states: dict[tuple[str, str], str] = {}
    for entry in run.journal:
        before = states.get((entry.subject, entry.subject_id))
        if entry.from_state != before:
            yield f"entry {entry.sequence} goes on from {entry.from_state}, not from {before}"
        states[entry.subject, entry.subject_id] = entry.to_state
    kept = () if seen.before is None else seen.before.journal
    if run.journal[: len(kept)] != kept:
        yield "an entry of before is gone or changed"
    records = _resealed(run, len(kept))
    for entry, record in zip(run.journal[len(kept) :], records, strict=True):
        if entry.digest != record.digest:
            yield f"entry {entry.sequence} does not build on the one before it"
    if seen.before is None:
        yield from _retold(run, records)


def _resealed(run: RunDetail, known: int) -> list[Record]:
    """Seal the entries anew after the first ones, which are `known` to be good."""
    last = run.journal[known - 1 : known]
    previous = last[0].digest if last else genesis(run.summary.run_id)
    records = []
    for entry in run.journal[known:]:
        records.append(seal(attrs.evolve(entry, digest=""), previous)[1])
        previous = entry.digest
    return records


def _retold(run: RunDetail, records: list[Record]) -> Problems:
    try:
        told = Run.replay(run.summary.run_id, records)
    except StoreCorrupt as corrupt:
        yield f"the journal cannot be read: {corrupt}"
        return
    if told.detail(_read_at(run), _renewed_to(run)) != run:
        yield "the journal tells another run"


def _renewed_to(run: RunDetail) -> datetime | None:
    """Return when the lease of a step at work ends: a renewal is not journalled."""
    ends = (step.lease_expires_at for step in run.steps)
    return next((each for each in ends if each is not None), None)


def _read_at(run: RunDetail) -> datetime:
    """Return a time at which what is shown as expired had expired, and nothing else."""
    expired = [approval.expires_at for approval in run.approvals if approval.status == "expired"]
    return max([run.journal[-1].at, *filter(None, expired)])


def approval_is_decided_once(seen: Observed) -> Problems:
    """8: An approval is decided at most once; a decision names who made it.

    It carries the digest of the arguments it was made on; what the handler gets is what was
    approved. Where several people are needed each counts once, and nobody who may not decide does.
    """
    for number, approval in enumerate(seen.after.approvals, 1):
        entries = [e for e in seen.after.journal if e.subject_id == approval.approval_id]
        for problem in _decision_problems(approval, entries):
            yield f"approval {number} {problem}"
        for problem in _people_problems(approval, entries, seen.after.identity.actor_id):
            yield f"approval {number} {problem}"
    for handed in () if seen.entered is None else seen.entered.approvals:
        if handed not in seen.after.approvals:
            yield "the handler gets another approval than the run has"


def _decision_problems(approval: Approval, entries: list[JournalEntry]) -> Problems:
    if approval.arguments_digest != digest(approval.arguments):
        yield "has another digest than its arguments"
    if approval.proposed_arguments != entries[0].data["arguments"]:
        yield "has other arguments than were asked for"
    decisions = [entry for entry in entries if entry.trigger in ("approve", "reject")]
    if len(decisions) > 1:
        yield f"was decided {len(decisions)} times"
    decided = (approval.decided_by, approval.decided_at)
    if decided != ((decisions[-1].actor_id, decisions[-1].at) if decisions else (None, None)):
        yield f"is {approval.status} and does not say as its journal does who decided and when"
    for decision in decisions:
        if decision.actor_id is None:
            yield f"is {approval.status} and does not name who decided"
        if decision.data.get("arguments_digest") != approval.arguments_digest:
            yield "was decided on another digest"
        if approval.arguments != decision.data.get("arguments", approval.proposed_arguments):
            yield "has other arguments than were approved"
        if approval.answer != decision.data.get("answer"):
            yield "has another answer than was given"


def _people_problems(approval: Approval, entries: list[JournalEntry], requester: str) -> Problems:
    yeses = [entry.actor_id for entry in entries if entry.trigger in ("endorse", "approve")]
    if len(set(yeses)) < len(yeses):
        yield f"counts one person twice, of {yeses}"
    is_approved = any(entry.trigger == "approve" for entry in entries)
    if is_approved and len(yeses) != approval.approvals_needed:
        yield f"is approved by {len(yeses)} people, and needs {approval.approvals_needed}"
    barred = {requester if each == "requester" else each for each in approval.not_by}
    if barred & {*yeses, *(entry.actor_id for entry in entries if entry.trigger == "reject")}:
        yield "was decided by one who may not"


def refusal_changes_nothing(seen: Observed) -> Problems:
    """9: A refused call changes nothing: same state, same journal, no handler called."""
    if not seen.is_refused:
        return
    if seen.after != seen.before:
        yield "the call was refused and has changed the run"
    if seen.entered is not None:
        yield "the call was refused and enters a handler"


INVARIANTS: Mapping[int, Callable[[Observed], Problems]] = MappingProxyType(
    {
        1: one_step_is_active,
        2: waits_for_its_requests,
        3: ended_is_ended,
        4: completes_by_itself,
        5: handoff_mirrors_child,
        6: identity_stays,
        7: journal_is_whole,
        8: approval_is_decided_once,
        9: refusal_changes_nothing,
    }
)
"""The invariants by their numbers in the contract."""


def breaches(seen: Observed, numbers: Iterable[int] = INVARIANTS) -> tuple[Breach, ...]:
    """Return every breach of these invariants in what was observed."""
    return tuple(
        Breach(number, problem) for number in numbers for problem in INVARIANTS[number](seen)
    )
