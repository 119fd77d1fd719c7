"""What listeners are told of a run: an event for each entry of its journal, without payloads."""

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
"""What the type of an event can be."""


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened in a run, as its journal says.

    `event_id` is `RUN_ID/SEQUENCE`: the same however often it is told. `type` is its subject and
    what happened, such as `approval.requested`, `step.completed` or `run.cancelled`; `subject_id`
    is the id of that approval, step, handoff or run, and `status` the one it has since then.
    `actor_id` is who did it, or None for the host or time itself.

    The rest is of an approval, and None or empty for any other subject. Arguments, answers, notes
    and results are never in an event.
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
    """Yield the events of a run after the entry of that sequence, in their order."""
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
    """Return the event with what was asked for; none of this changes after the asking."""
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
