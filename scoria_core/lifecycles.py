"""The four lifecycles, declared once: the only place that says what may happen next.

Each machine is a table that can be read aloud: a trigger moves its subject from a state to a
state, and what is not in the table is refused. Diagrams, tables and generated scenarios are
read from these machines, and so is every decision, through `next_state`.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from transitions import Machine

from scoria_core.errors import TransitionRefused


class RunStatus(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    """Where a step stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ApprovalStatus(StrEnum):
    """What became of a request for approval."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class HandoffStatus(StrEnum):
    """Where a handoff stands; it mirrors its child step."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def _declare(
    statuses: type[StrEnum], initial: StrEnum, *rows: tuple[str, str | list[str], str]
) -> Machine:
    """Declare a machine without a model; `auto_transitions` would jump over an approval."""
    return Machine(
        model=None,
        states=[status.value for status in statuses],
        initial=initial.value,
        transitions=[
            {"trigger": trigger, "source": source, "dest": dest} for trigger, source, dest in rows
        ],
        auto_transitions=False,
    )


RUN = _declare(
    RunStatus,
    RunStatus.RUNNING,
    ("request_approval", "running", "waiting_for_approval"),
    ("resume", "waiting_for_approval", "running"),
    ("reject", "waiting_for_approval", "cancelled"),
    ("complete", "running", "completed"),
    ("fail", "running", "failed"),
    ("retry", "failed", "running"),
    ("cancel", ["running", "waiting_for_approval", "failed"], "cancelled"),
)

STEP = _declare(
    StepStatus,
    StepStatus.QUEUED,
    ("claim", "queued", "running"),
    ("complete", "running", "completed"),
    ("fail", "running", "failed"),
    ("request_approval", "running", "waiting_for_approval"),
    ("resume", "waiting_for_approval", "queued"),
    ("release", "running", "queued"),
    ("retry", "failed", "queued"),
    ("cancel", ["queued", "running", "waiting_for_approval", "failed"], "cancelled"),
)

APPROVAL = _declare(
    ApprovalStatus,
    ApprovalStatus.PENDING,
    ("endorse", "pending", "pending"),
    ("remind", "pending", "pending"),
    ("approve", "pending", "approved"),
    ("reject", "pending", "rejected"),
    ("expire", ["pending", "approved"], "expired"),
    ("withdraw", "pending", "withdrawn"),
)

HANDOFF = _declare(
    HandoffStatus,
    HandoffStatus.PENDING,
    ("start", "pending", "running"),
    ("complete", "running", "completed"),
    ("fail", "running", "failed"),
    ("release", "running", "pending"),
    ("retry", "failed", "pending"),
    ("cancel", ["pending", "running", "failed"], "cancelled"),
)

MACHINES: Mapping[str, Machine] = MappingProxyType(
    {"run": RUN, "step": STEP, "approval": APPROVAL, "handoff": HANDOFF}
)
"""The machines by the name of their subject."""


STATUSES: Mapping[str, Mapping[str, StrEnum]] = MappingProxyType(
    {
        subject: {status.value: status for status in statuses}
        for subject, statuses in (
            ("run", RunStatus),
            ("step", StepStatus),
            ("approval", ApprovalStatus),
            ("handoff", HandoffStatus),
        )
    }
)
"""The statuses by the name of their subject, and by their plain words."""


_CREATED = {"run": "started", "step": "queued", "approval": "requested", "handoff": "requested"}
_MOVED = {
    "approve": "approved",
    "cancel": "cancelled",
    "claim": "claimed",
    "complete": "completed",
    "endorse": "endorsed",
    "expire": "expired",
    "fail": "failed",
    "reject": "rejected",
    "release": "released",
    "remind": "reminded",
    "request_approval": "approval_requested",
    "resume": "resumed",
    "retry": "retried",
    "start": "started",
    "withdraw": "withdrawn",
}


ENTRY_TYPES: Mapping[tuple[str, str | None], str] = MappingProxyType(
    {(subject, None): f"{subject}_{past}" for subject, past in _CREATED.items()}
    | {
        (subject, trigger): f"{subject}_{_MOVED[trigger]}"
        for subject, machine in MACHINES.items()
        for trigger in machine.events
    }
)
"""The type of an entry, by its subject and trigger; the entry of a creation has no trigger."""


def states(subject: str) -> tuple[str, ...]:
    """Return the states of `subject` in the order they are declared."""
    return tuple(MACHINES[subject].states)


def triggers(subject: str) -> tuple[str, ...]:
    """Return the triggers of `subject` in the order they are declared."""
    return tuple(MACHINES[subject].events)


def initial(subject: str) -> str:
    """Return the state in which a `subject` is created."""
    return _INITIAL[subject]


def transitions(subject: str) -> dict[tuple[str, str], str]:
    """Return the whole table of `subject`: (state, trigger) to state."""
    return {
        (row.source, trigger): str(row.dest)
        for trigger, event in MACHINES[subject].events.items()
        for rows in event.transitions.values()
        for row in rows
    }


# A look-up on a machine costs far more than one in a table that was read from it once.
_INITIAL = MappingProxyType({subject: str(each.initial) for subject, each in MACHINES.items()})
_TABLES = MappingProxyType({subject: transitions(subject) for subject in MACHINES})


_LEAVING = MappingProxyType(
    {subject: frozenset(source for source, _ in table) for subject, table in _TABLES.items()}
)


def is_terminal(subject: str, state: str) -> bool:
    """Tell whether nothing leads out of `state`."""
    return state not in _LEAVING[subject]


def next_state(subject: str, subject_id: str, state: str, trigger: str) -> str:
    """Return the state that `trigger` leads to from `state`.

    Raises `TransitionRefused` where the machine of `subject` declares no such transition.
    """
    try:
        return _TABLES[subject][state, trigger]
    except KeyError:
        raise TransitionRefused(subject, subject_id, state, trigger) from None


def reached(subject: str, from_state: str | None, trigger: str | None) -> str | None:
    """Return the state that `trigger` leads to, or the first one where both are None.

    None where the machine of `subject` declares no such transition.
    """
    if trigger is None:
        return initial(subject) if from_state is None else None
    return _TABLES[subject].get((from_state or "", trigger))
