"""A run, rebuilt from its journal: each entry is applied in turn, or refused if it cannot follow.

A `Run` is working state, owned by one call at a time, and never handed out: callers get frozen
views of it, whose payloads are copies.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import attrs

from scoria_core.conversion import converter, evolve
from scoria_core.errors import StoreCorrupt
from scoria_core.history import impossible, unfinished
from scoria_core.identity import Identity
from scoria_core.journal import JournalEntry, genesis, unseal
from scoria_core.leases import Lease
from scoria_core.lifecycles import (
    ENTRY_TYPES,
    STATUSES,
    ApprovalStatus,
    RunStatus,
    StepStatus,
    is_terminal,
    reached,
)
from scoria_core.model import (
    Approval,
    DelegatedHandoff,
    Endorsement,
    RunDetail,
    RunSummary,
    Step,
    StepError,
)
from scoria_core.outcomes import REQUESTER
from scoria_core.payloads import copied, digest
from scoria_core.ports import Record

ENTRY_BYTES = 1_024
"""About what an entry takes in memory beside its text and what the text holds."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@attrs.frozen
class RunFacts:
    """What is fixed when a run starts.

    `driven_by` says who completes it: its "steps" (when the last of them completes), or its "host"
    (by `complete_run`).
    """

    identity: Identity
    root_role_id: str
    metadata: Mapping[str, Any]
    driven_by: Literal["steps", "host"] = "steps"
    idempotency_key: str | None = None
    arguments_digest: str | None = None


@attrs.define
class Run:
    """The state of a run; only `apply` changes it."""

    run_id: str
    journal: list[JournalEntry] = attrs.field(factory=list)
    records: list[Record] = attrs.field(factory=list, eq=False)
    status: RunStatus = RunStatus.RUNNING
    steps: dict[str, Step] = attrs.field(factory=dict)
    approvals: dict[str, Approval] = attrs.field(factory=dict)
    handoffs: dict[str, DelegatedHandoff] = attrs.field(factory=dict)
    size: int = attrs.field(default=0, init=False, eq=False)
    """About how many bytes of memory the run takes."""
    since: datetime = attrs.field(init=False, default=_NEVER, eq=False)
    """When the run came to its status."""
    facts: RunFacts = attrs.field(init=False, eq=False)
    """What the run was started with; unset before its first entry."""
    _tables: Mapping[str, dict[str, Any]] = attrs.field(init=False, eq=False)
    # Indexes, so that applying an entry is O(1): a long journal costs no more than a short one.
    _uncompleted: dict[str, None] = attrs.field(init=False, factory=dict, eq=False)
    _active: dict[str, None] = attrs.field(init=False, factory=dict, eq=False)
    _requests_of: dict[str, list[str]] = attrs.field(init=False, factory=dict, eq=False)
    _without_yes: dict[str, int] = attrs.field(init=False, factory=dict, eq=False)
    _handoff_to: dict[str, str] = attrs.field(init=False, factory=dict, eq=False)
    _expired_last: bool = attrs.field(init=False, default=False, eq=False)

    def __attrs_post_init__(self) -> None:
        self._tables = {"step": self.steps, "approval": self.approvals, "handoff": self.handoffs}
        for entry in self.journal:
            self._index(entry)

    @classmethod
    def replay(cls, run_id: str, records: Sequence[Record]) -> "Run":
        """Build the run from its records.

        Raises `StoreCorrupt` naming the first entry that is changed, missing or impossible.
        """
        run = cls(run_id)
        run.catch_up(records)
        return run

    def catch_up(self, records: Sequence[Record]) -> None:
        """Apply the records that follow those the run already has; raises as `replay` does."""
        entries = unseal(self.run_id, records, self.version, self.head_digest)
        for entry, record in zip(entries, records, strict=True):  # none is read after a wrong one
            self._check_history(entry)
            self.apply(entry, record)
        if not self.journal:
            raise StoreCorrupt(self.run_id, 1, "does not start the run")
        if (change := unfinished(self)) is not None:
            problem = f"is missing: the journal breaks off in {change}"
            raise StoreCorrupt(self.run_id, self.version + 1, problem)

    def is_prefix_of(self, records: Sequence[Record]) -> bool:
        """Tell whether `records` begin with exactly those of this run."""
        return list(records[: len(self.records)]) == self.records

    def apply(self, entry: JournalEntry, record: Record) -> None:
        """Apply `entry`, or raise `StoreCorrupt` if it cannot follow the entries before it."""
        try:
            self._check(entry)
            if entry.trigger is None:
                self._create(entry)
            else:
                self._move(entry)
            self._index(entry)
        except Exception as error:  # whatever it makes of a reader, it does not follow
            raise StoreCorrupt(
                self.run_id, entry.sequence, "does not follow from the entries before it"
            ) from error
        self.journal.append(entry)
        self.records.append(record)
        self.size += ENTRY_BYTES + 2 * sys.getsizeof(record.body)

    def _check_history(self, entry: JournalEntry) -> None:
        try:
            problem = impossible(self, entry)
        except (AttributeError, KeyError, TypeError, ValueError):
            return  # `apply` says that the entry does not follow
        if problem is not None:
            raise StoreCorrupt(self.run_id, entry.sequence, problem)

    @property
    def version(self) -> int:
        """How many entries the journal has."""
        return len(self.journal)

    @property
    def head_digest(self) -> str:
        """What the next entry builds on."""
        return self.journal[-1].digest if self.journal else genesis(self.run_id)

    @property
    def tenant_id(self) -> str:
        """The tenant the run belongs to."""
        return self.facts.identity.tenant_id

    def state(self, subject: str, subject_id: str) -> str:
        """Return the state of a run, step, approval or handoff of this run."""
        if subject == "run" and subject_id == self.run_id:
            return self.status
        status: str = self._tables[subject][subject_id].status
        return status

    def uncompleted_steps(self) -> Iterator[Step]:
        """Return an iterator of the steps that have not completed, in their order."""
        return map(self.steps.__getitem__, self._uncompleted)

    def first_queued_step(self) -> Step | None:
        """Return the step that is to be claimed next, or None."""
        for step in self.uncompleted_steps():
            if step.status == StepStatus.QUEUED:
                return step
        return None

    def due_at(self, since: datetime) -> datetime | None:
        """Return when the run next has work, if nothing happens after `since`; None for never.

        A queued step is due at once, or when its next attempt may begin. A running step is due when
        its lease ends. A step that waits for people is due when one of its requests expires, or is
        to be reminded of, and at once when the last of them has expired.
        """
        if self.status == RunStatus.WAITING_FOR_APPROVAL:
            if pending := self.open_requests():
                return min(filter(None, map(_due_at, pending)), default=None)
            return since if self._expired_last else None
        if self.status != RunStatus.RUNNING:
            return None
        if (step := self.active_step()) is not None:
            return since + (step.lease or Lease()).length
        queued = self.first_queued_step()
        return None if queued is None else queued.not_before or since

    def active_step(self) -> Step | None:
        """Return the one step that is running or waits for approval, or None."""
        for step_id in self._active:
            return self.steps[step_id]
        return None

    def requests_of(self, step_id: str) -> list[Approval]:
        """Return the requests that a step made last, in the order asked."""
        return list(map(self.approvals.__getitem__, self._requests_of.get(step_id, ())))

    def requests_without_yes(self, step_id: str) -> int:
        """Return how many requests a step has made since the last yes, or since it was retried."""
        return self._without_yes.get(step_id, 0)

    def open_requests(self) -> list[Approval]:
        """Return the requests that nobody has decided, withdrawn or found expired."""
        step = self.active_step()
        if step is None or step.status != StepStatus.WAITING_FOR_APPROVAL:
            return []
        asked = self.requests_of(step.step_id)
        return [each for each in asked if each.status == ApprovalStatus.PENDING]

    def barred_from(self, approval: Approval) -> list[str]:
        """Return the ids of those who may not decide a request."""
        requester = self.facts.identity.actor_id
        return [requester if who == REQUESTER else who for who in approval.not_by]

    def last_request_expired(self, now: datetime) -> bool:
        """Tell whether no request is pending at `now`, and the last one expired undecided."""
        pending = self.open_requests()
        if not pending:
            return self._expired_last
        return all(self.as_of(each, now).status == ApprovalStatus.EXPIRED for each in pending)

    def as_of(self, approval: Approval, now: datetime) -> Approval:
        """Return the approval as it is at `now`: expired after its time, recorded or not.

        An approved request counts as expired only until its step runs with it. One that was used in
        time stays approved.
        """
        if approval.expires_at is None or approval.expires_at > max(now, self.journal[-1].at):
            return approval
        if approval.status == ApprovalStatus.PENDING or (
            approval.status == ApprovalStatus.APPROVED
            and approval.approval_id in self._requests_of[approval.step_id]
            and self.steps[approval.step_id].status in _YET_TO_RUN
        ):
            return evolve(approval, status=ApprovalStatus.EXPIRED)
        return approval

    def handoff_to(self, step_id: str) -> DelegatedHandoff | None:
        """Return the handoff whose child the step is, or None."""
        handoff_id = self._handoff_to.get(step_id)
        return None if handoff_id is None else self.handoffs[handoff_id]

    def summary(self, now: datetime) -> RunSummary:
        """Return a summary of the run as it is at `now`."""
        facts, journal = self.facts, self.journal
        is_waiting = self.status == RunStatus.WAITING_FOR_APPROVAL
        return RunSummary(
            run_id=self.run_id,
            session_id=facts.identity.session_id,
            tenant_id=facts.identity.tenant_id,
            actor_id=facts.identity.actor_id,
            root_role_id=facts.root_role_id,
            status=self.status,
            metadata=copied(facts.metadata),
            pending_approvals=self._pending_approvals(now) if is_waiting else (),
            error=self._failure() if self.status == RunStatus.FAILED else None,
            created_at=journal[0].at,
            updated_at=journal[-1].at,
            version=len(journal),
        )

    def detail(
        self, now: datetime, due_at: datetime | None, *, is_shared: bool = False
    ) -> RunDetail:
        """Return everything about the run at `now`; payloads are not copied, so it is used up.

        Those of its steps are, unless the detail `is_shared` with others, who change nothing.
        `due_at` is what its index row says: a step at work has its lease until then.
        """
        view = self._shared_step if is_shared else self.step_view
        return RunDetail(
            summary=self.summary(now),
            identity=self.facts.identity,
            steps=tuple(self._with_lease(view(each, now), due_at) for each in self.steps),
            approvals=tuple(self.as_of(approval, now) for approval in self.approvals.values()),
            delegated_handoffs=tuple(
                evolve(handoff, child_status=self.steps[handoff.child_step_id].status)
                for handoff in self.handoffs.values()
            ),
            journal=tuple(self.journal),
        )

    def step_view(self, step_id: str, now: datetime) -> Step:
        """Return a step with the requests that it made last as they are at `now`."""
        step = self.steps[step_id]
        asked = self.requests_of(step_id)
        return evolve(
            step,
            input=copied(step.input),
            projected_context=copied(step.projected_context),
            error=_copied_error(step.error),
            approvals=tuple([handed_out(self.as_of(each, now)) for each in asked]) if asked else (),
            kept=copied(step.kept),
        )

    def _shared_step(self, step_id: str, now: datetime) -> Step:
        step, asked = self.steps[step_id], self.requests_of(step_id)
        if not asked:
            return step
        return evolve(step, approvals=tuple([self.as_of(each, now) for each in asked]))

    def _with_lease(self, step: Step, due_at: datetime | None) -> Step:
        # A renewal is not journalled: it moves nothing but the due time of the run.
        if step.lease_expires_at is None or due_at is None or due_at <= step.lease_expires_at:
            return step
        return evolve(step, lease_expires_at=due_at)

    def _failure(self) -> StepError | None:
        failed = (step for step in self.uncompleted_steps() if step.status == StepStatus.FAILED)
        return next((_copied_error(step.error) for step in failed), None)

    def _pending_approvals(self, now: datetime) -> tuple[Approval, ...]:
        is_pending = ApprovalStatus.PENDING
        asked = [
            each for each in self.open_requests() if self.as_of(each, now).status == is_pending
        ]
        return tuple(map(handed_out, asked))

    def _check(self, entry: JournalEntry) -> None:
        if self.status in _ENDED or entry.type != ENTRY_TYPES[entry.subject, entry.trigger]:
            raise ValueError(entry.type)
        if entry.to_state != reached(entry.subject, entry.from_state, entry.trigger):
            raise ValueError(entry.to_state)
        if entry.sequence != len(self.journal) + 1:
            raise ValueError(entry.sequence)
        if entry.subject == "run" and entry.subject_id != self.run_id:
            raise ValueError(entry.subject_id)
        starts_the_run = entry.subject == "run" and entry.trigger is None
        is_first = not self.journal
        if starts_the_run != is_first:
            raise ValueError(entry.type)

    def _create(self, entry: JournalEntry) -> None:
        if entry.subject == "run":
            self.facts = converter.structure(entry.data, RunFacts)
            return
        table = self._tables[entry.subject]
        if entry.subject_id in table:
            raise ValueError(entry.subject_id)
        table[entry.subject_id] = _CREATE[entry.subject](self.run_id, entry)

    def _move(self, entry: JournalEntry) -> None:
        if entry.subject == "run":
            if entry.from_state != self.status:
                raise ValueError(entry.from_state)
            self.status = RunStatus(entry.to_state)
            return
        table = self._tables[entry.subject]
        moved = table[entry.subject_id]
        if entry.from_state != moved.status:
            raise ValueError(entry.from_state)
        status = STATUSES[entry.subject][entry.to_state]
        changes = _CHANGE[entry.subject](moved, entry)
        table[entry.subject_id] = evolve(moved, status=status, **changes)

    def _index(self, entry: JournalEntry) -> None:
        """Keep what is looked up of what `entry` created or moved."""
        if entry.subject == "run":
            self.since = entry.at
        elif entry.subject == "step":
            step_id, trigger = entry.subject_id, entry.trigger
            if entry.to_state in _ACTIVE:
                self._active[step_id] = None
            else:
                self._active.pop(step_id, None)
            if trigger is None:
                self._uncompleted[step_id] = None
            elif trigger == "complete":
                del self._uncompleted[step_id]
            elif trigger == "request_approval":
                self._requests_of[step_id] = []
                self._expired_last = False
            elif trigger == "retry":
                self._without_yes.pop(step_id, None)
        elif entry.subject == "approval":
            self._index_approval(entry)
        elif entry.subject == "handoff" and entry.trigger is None:
            self._handoff_to[entry.data["child_step_id"]] = entry.subject_id

    def _index_approval(self, entry: JournalEntry) -> None:
        step_id = self.approvals[entry.subject_id].step_id
        if entry.trigger is None:
            self._requests_of[step_id].append(entry.subject_id)
            self._without_yes[step_id] = self.requests_without_yes(step_id) + 1
        elif entry.trigger == "approve":
            self._without_yes.pop(step_id, None)
        if entry.from_state == ApprovalStatus.PENDING != entry.to_state:
            self._expired_last = entry.to_state == ApprovalStatus.EXPIRED


def _copied_error(error: StepError | None) -> StepError | None:
    return error and evolve(error, details=copied(error.details))


def handed_out(approval: Approval) -> Approval:
    """Return an approval whose payloads are copies, for who may do with them what they like."""
    arguments = copied(approval.arguments)
    is_edited = approval.proposed_arguments is not approval.arguments
    proposed = copied(approval.proposed_arguments) if is_edited else arguments
    if approval.may_edit is False and approval.answer_schema is None:
        return evolve(approval, arguments=arguments, proposed_arguments=proposed)
    return evolve(
        approval,
        arguments=arguments,
        proposed_arguments=proposed,
        may_edit=copied(approval.may_edit),
        answer_schema=copied(approval.answer_schema),
        answer=copied(approval.answer),
    )


def _due_at(approval: Approval) -> datetime | None:
    """Return when a pending request expires or is to be reminded of, whichever is first."""
    if approval.remind_after is None or approval.reminded_at is not None:
        return approval.expires_at
    remind_at = approval.requested_at + timedelta(seconds=approval.remind_after)
    return remind_at if approval.expires_at is None else min(remind_at, approval.expires_at)


def _new_step(run_id: str, entry: JournalEntry) -> Step:
    made = {"step_id": entry.subject_id, "run_id": run_id, "status": entry.to_state}
    return converter.structure({**entry.data, **made}, Step)


def _new_approval(run_id: str, entry: JournalEntry) -> Approval:
    data = dict(entry.data)
    if data["arguments_digest"] != digest(data["arguments"]):
        raise ValueError(data["arguments_digest"])
    expires_at = data.pop("expires_at")
    return Approval(
        approval_id=entry.subject_id,
        run_id=run_id,
        status=ApprovalStatus(entry.to_state),
        proposed_arguments=data["arguments"],
        proposed_digest=data["arguments_digest"],
        requested_at=entry.at,
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        not_by=tuple(data.pop("not_by", ())),
        assigned_to=tuple(data.pop("assigned_to", ())),
        **data,
    )


def _new_handoff(_: str, entry: JournalEntry) -> DelegatedHandoff:
    made = {"handoff_id": entry.subject_id, "status": entry.to_state}
    return converter.structure({**entry.data, **made}, DelegatedHandoff)


def _step_changes(step: Step, entry: JournalEntry) -> dict[str, Any]:
    data = entry.data
    match entry.trigger:
        case "claim":
            lease = Lease(**data["lease"]) if "lease" in data else None
            return {
                "started_at": step.started_at or entry.at,
                "claimed_at": entry.at,
                "lease": lease,
                "lease_expires_at": entry.at + (lease or Lease()).length,
                "not_before": None,
            }
        case "complete":
            return {"result": data["result"], "completed_at": entry.at, **_NOT_CLAIMED}
        case "fail":
            return {"error": _error(data["error"]), "completed_at": entry.at, **_NOT_CLAIMED}
        case "cancel":
            return {"completed_at": entry.at, "not_before": None, **_NOT_CLAIMED}
        case "request_approval":
            return {"kept": data.get("kept"), **_NOT_CLAIMED}
        case "retry" | "release":
            not_before = data.get("not_before")
            return {
                "attempt": step.attempt + 1,
                "started_at": None,
                "completed_at": None,
                "error": _error(data.get("error")),
                "not_before": None if not_before is None else datetime.fromisoformat(not_before),
                **_NOT_CLAIMED,
            }
    return {}


_NOT_CLAIMED: dict[str, Any] = {"claimed_at": None, "lease": None, "lease_expires_at": None}


def _error(error: Mapping[str, Any] | None) -> StepError | None:
    return None if error is None else converter.structure(error, StepError)


def _approval_changes(approval: Approval, entry: JournalEntry) -> dict[str, Any]:
    data = entry.data
    match entry.trigger:
        case "approve" if "arguments" in data:
            if data["proposed_digest"] != approval.proposed_digest:
                raise ValueError(data["proposed_digest"])
            if data["arguments_digest"] != digest(data["arguments"]):
                raise ValueError(data["arguments_digest"])
            edited = {name: data[name] for name in ("arguments", "arguments_digest")}
            return {**_decided(entry), **edited, "answer": data.get("answer")}
        case "approve" | "reject" | "endorse":
            if data["arguments_digest"] != approval.arguments_digest:
                raise ValueError(data["arguments_digest"])
            if entry.trigger == "endorse":
                vote = Endorsement(str(entry.actor_id), entry.at, data["note"])
                return {"endorsements": (*approval.endorsements, vote)}
            return {**_decided(entry), "answer": data.get("answer")}
        case "remind":
            return {"reminded_at": entry.at}
    return {}


def _decided(entry: JournalEntry) -> dict[str, Any]:
    return {"decided_by": entry.actor_id, "decided_at": entry.at, "note": entry.data["note"]}


def _handoff_changes(_: DelegatedHandoff, __: JournalEntry) -> dict[str, Any]:
    return {}


_ENDED = frozenset(status for status in RunStatus if is_terminal("run", status))
_ACTIVE = (StepStatus.RUNNING, StepStatus.WAITING_FOR_APPROVAL)
_YET_TO_RUN = (StepStatus.WAITING_FOR_APPROVAL, StepStatus.QUEUED, StepStatus.FAILED)
_CREATE: Mapping[str, Callable[[str, JournalEntry], Step | Approval | DelegatedHandoff]] = {
    "step": _new_step,
    "approval": _new_approval,
    "handoff": _new_handoff,
}
_CHANGE: Mapping[str, Callable[[Any, JournalEntry], dict[str, Any]]] = {
    "step": _step_changes,
    "approval": _approval_changes,
    "handoff": _handoff_changes,
}
