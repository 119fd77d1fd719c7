"""The frozen values that describe a run; none is shared with a store."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from scoria_core.identity import Identity
from scoria_core.journal import JournalEntry
from scoria_core.leases import Lease
from scoria_core.lifecycles import ApprovalStatus, HandoffStatus, RunStatus, StepStatus
from scoria_core.outcomes import Retry


@attrs.frozen
class StepError:
    """Why a step failed: the type of the exception (or `Failed`), its message, and details.

    `cause` is a text of several lines, or None: the notes of the exception, the exceptions that
    led to it, and those of a group.
    """

    type: str
    message: str
    details: Mapping[str, Any] | None = None
    cause: str | None = None

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


@attrs.frozen
class Endorsement:
    """A yes that was not the last one needed: who gave it, when, and the note."""

    by: str
    at: datetime
    note: str | None = None


@attrs.frozen
class Approval:
    """A request to a person, and its decision.

    `arguments` are the approved arguments, or the proposed ones until it is approved;
    `arguments_digest` is their SHA-256. `proposed_arguments` and `proposed_digest` are always those
    that the handler asked for. `endorsements` are the yeses before the last one that was needed.
    The other fields are those of the `NeedsApproval`; `remind_after` is in seconds.
    """

    approval_id: str
    run_id: str
    step_id: str
    status: ApprovalStatus
    tool_name: str
    arguments: Mapping[str, Any]
    arguments_digest: str
    proposed_arguments: Mapping[str, Any]
    proposed_digest: str
    reason: str
    requested_at: datetime
    expires_at: datetime | None = None
    may_edit: bool | Mapping[str, Any] = False
    answer_schema: Mapping[str, Any] | None = None
    on_reject: Literal["cancel", "resume"] = "cancel"
    approvals_needed: int = 1
    not_by: tuple[str, ...] = ()
    assigned_to: tuple[str, ...] = ()
    remind_after: float | None = None
    call_id: str | None = None
    reminded_at: datetime | None = None
    endorsements: tuple[Endorsement, ...] = ()
    answer: Mapping[str, Any] | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str | None = None


@attrs.frozen
class Step:
    """One piece of work of a run.

    `attempt` starts at 1 and grows each time the step is retried or released. `approvals` are the
    requests that the step made last, in order. `approval` is the only one of them, or None if there
    are several or none. `kept` is what the step kept with these requests. `projected_context` is
    None unless the step was delegated. `error` is why the step failed; or, if it declared a
    `retry`, why its last attempt did. `time_limit` is in seconds. `claimed_at`, `lease` and
    `worker_id` are those of the claim while the step runs. Until `lease_expires_at` no other
    process takes it over; `get_run_detail` returns the time of the last renewal. `not_before` is
    when the step may be tried again.
    """

    step_id: str
    run_id: str
    sequence: int
    kind: str
    role_id: str
    status: StepStatus
    parent_step_id: str | None = None
    attempt: int = 1
    input: Mapping[str, Any] = attrs.field(factory=dict)
    projected_context: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: StepError | None = None
    approvals: tuple[Approval, ...] = ()
    kept: Any = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    retry: Retry | None = None
    time_limit: float | None = None
    claimed_at: datetime | None = None
    lease: Lease | None = None
    lease_expires_at: datetime | None = None
    not_before: datetime | None = None
    max_requests: int = 10

    @property
    def approval(self) -> Approval | None:
        """The only request that the step made last; None if it made several or none."""
        return self.approvals[0] if len(self.approvals) == 1 else None

    @property
    def worker_id(self) -> str | None:
        """The name of the process that carries out the step, if it has one."""
        return None if self.lease is None else self.lease.worker_id

    @property
    def idempotency_key(self) -> str:
        """A key for the services that a handler calls: unique to the step, in all its attempts."""
        return self.step_id


@attrs.frozen
class DelegatedHandoff:
    """A narrow piece of work that one role gave to another within a run."""

    handoff_id: str
    parent_role_id: str
    delegated_role_id: str
    delegated_kind: str
    handoff_input: Mapping[str, Any]
    projected_context: Mapping[str, Any]
    capability_tags: tuple[str, ...]
    parent_step_id: str
    child_step_id: str
    status: HandoffStatus
    child_status: StepStatus = StepStatus.QUEUED


@attrs.frozen
class RunSummary:
    """The present state of one run.

    `pending_approvals` are the requests that a person can decide now, in order; `pending_approval`
    is the first of them, or None. `error` says why a failed run failed.
    """

    run_id: str
    session_id: str
    tenant_id: str
    actor_id: str
    root_role_id: str
    status: RunStatus
    metadata: Mapping[str, Any]
    pending_approvals: tuple[Approval, ...]
    error: StepError | None
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def pending_approval(self) -> Approval | None:
        """The first request that a person can decide now, or None."""
        return self.pending_approvals[0] if self.pending_approvals else None


@attrs.frozen(kw_only=True)
class ListedApproval(Approval):
    """A request that waits for a person, with the summary of its run."""

    run: RunSummary


@attrs.frozen
class DamagedRun:
    """A run whose journal does not check out: `problem` says what is wrong at entry `sequence`."""

    run_id: str
    sequence: int
    problem: str


@attrs.frozen
class RunDetail:
    """Everything about one run, as evidence.

    `damage` is None, except in what `inspect_run` returns of a run with a damaged journal: then the
    journal ends before the damage, and everything else is as of the last whole change before it.
    """

    summary: RunSummary
    identity: Identity
    steps: tuple[Step, ...]
    approvals: tuple[Approval, ...]
    delegated_handoffs: tuple[DelegatedHandoff, ...]
    journal: tuple[JournalEntry, ...]
    damage: DamagedRun | None = None
