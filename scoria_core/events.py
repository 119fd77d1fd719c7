"""Events for listeners: one for each entry of a journal, without its payloads."""

from collections.abc import Iterator
from datetime import datetime

import attrs

from scoria_core.lifecycles import ENTRY_TYPES, MACHINES, triggers
from scoria_core.model import Approval
from scoria_core.run import Run


def _type(subject: str, entry_type: str) -> str:
    return f"{subject}.{entry_type.removeprefix(f'{subject}_')}"


EVENT_TYPES = tuple(
    _type(subject, ENTRY_TYPES[subject, trigger])
    for subject in MACHINES
    for trigger in (None, *triggers(subject))
)
"""Every type that an event can have."""


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened in a run, as its journal says.

    `event_id` is `RUN_ID/SEQUENCE`, the same in every delivery of the event. `type` is the subject
    and what happened, such as `approval.requested`, `step.completed` or `run.cancelled`;
    `subject_id` is the id of that approval, step, handoff or run, and `status` its new status.
    `actor_id` is who did it, or None for the host, or if a time was reached.

    The other fields describe an approval; for any other subject they are None or empty. Arguments,
    answers, notes and results are never in an event.
    """

    event_id: str
    type: str
    at: datetime
    run_id: str
    sequence: int
    tenant_id: str
    session_id: str
    subject: str
    subject_id: str
    status: str
    actor_id: str | None = None
    step_id: str | None = None
    tool_name: str | None = None
    reason: str | None = None
    requested_at: datetime | None = None
    expires_at: datetime | None = None
    proposed_digest: str | None = None
    assigned_to: tuple[str, ...] = ()


def events_after(run: Run, sequence: int) -> Iterator[Event]:
    """Yield the events of a run after the entry with this sequence, in order."""
    identity = run.facts.identity
    for entry in run.journal[sequence:]:
        approval = run.approvals.get(entry.subject_id) if entry.subject == "approval" else None
        event = Event(
            event_id=f"{run.run_id}/{entry.sequence}",
            type=_type(entry.subject, entry.type),
            at=entry.at,
            run_id=run.run_id,
            sequence=entry.sequence,
            tenant_id=identity.tenant_id,
            session_id=identity.session_id,
            subject=entry.subject,
            subject_id=entry.subject_id,
            status=str(entry.to_state),
            actor_id=entry.actor_id,
        )
        yield event if approval is None else _of_request(event, approval)


def _of_request(event: Event, approval: Approval) -> Event:
    """Return the event with the facts of the request; none of them changes once it was made."""
    return attrs.evolve(
        event,
        step_id=approval.step_id,
        tool_name=approval.tool_name,
        reason=approval.reason,
        requested_at=approval.requested_at,
        expires_at=approval.expires_at,
        proposed_digest=approval.proposed_digest,
        assigned_to=approval.assigned_to,
    )
