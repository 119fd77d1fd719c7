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
    """A request to a person, and what became of it.

    `arguments` are what is approved, and before that what is proposed; `arguments_digest` is the
    SHA-256 over them. `proposed_arguments` and `proposed_digest` stay what the handler asked for.
    `endorsements` are the yeses before the last one needed. The other fields are those of the
    `NeedsApproval` that asked; `remind_after` is in seconds.
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

    `attempt` is 1 and grows each time the step is retried or released. `approvals` are the requests
    that the step made last, in the order asked, and `approval` is the only one of them: None where
    it asked for several, or for none. `kept` is what the step left with them. `projected_context`
    is None but for a delegated step. `error` is why the step failed, or why its last attempt did
    where it declared a `retry`. `time_limit` is in seconds. `claimed_at`, `lease` and
    `worker_id` are those of the claim while the step runs. Until `lease_expires_at` nobody else
    takes it over; `get_run_detail` returns that as it was last renewed. `not_before` is when the
    step may be tried again.
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
        """The request that the step made last, where it was one."""
        return self.approvals[0] if len(self.approvals) == 1 else None

    @property
    def worker_id(self) -> str | None:
        """The name of the process that is at work on the step, if it has one."""
        return None if self.lease is None else self.lease.worker_id

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of this step, and of no other: for side effects of the host."""
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
    """Where one run stands.

    `pending_approvals` are what a person can decide now, in the order asked; `pending_approval` is
    the first of them, or None. `error` says why a failed run failed.
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

    `damage` is None, but in what `inspect_run` returns of a run whose journal does not check out:
    the journal ends before the damage, and all else is as of the last whole change before it.
    """

    summary: RunSummary
    identity: Identity
    steps: tuple[Step, ...]
    approvals: tuple[Approval, ...]
    delegated_handoffs: tuple[DelegatedHandoff, ...]
    journal: tuple[JournalEntry, ...]
    damage: DamagedRun | None = None
