"""Durable AI runs that pause for a human: identity, start, inspect, resume."""

from scoria_core.async_scoria import AsyncScoria
from scoria_core.delivering import Listener, Listeners
from scoria_core.errors import ScoriaError
from scoria_core.events import Event
from scoria_core.handlers import Handler, HandlerAnswer, Handlers
from scoria_core.identity import Identity
from scoria_core.journal import JournalEntry
from scoria_core.leases import Lease
from scoria_core.lifecycles import ApprovalStatus, HandoffStatus, RunStatus, StepStatus
from scoria_core.listing import Count, Page
from scoria_core.model import (
    Approval,
    DamagedRun,
    DelegatedHandoff,
    Endorsement,
    ListedApproval,
    RunDetail,
    RunSummary,
    Step,
    StepError,
)
from scoria_core.outcomes import (
    Completed,
    DoNotRetry,
    Failed,
    HandOff,
    NeedsApproval,
    Outcome,
    Retry,
    StepSpec,
    TimeLimitExceeded,
)
from scoria_core.per_process import PerProcess
from scoria_core.scoria import Scoria, ScoriaOptions

__all__ = [
    "Approval",
    "ApprovalStatus",
    "AsyncScoria",
    "Completed",
    "Count",
    "DamagedRun",
    "DelegatedHandoff",
    "DoNotRetry",
    "Endorsement",
    "Event",
    "Failed",
    "HandOff",
    "Handler",
    "HandlerAnswer",
    "Handlers",
    "HandoffStatus",
    "Identity",
    "JournalEntry",
    "Lease",
    "ListedApproval",
    "Listener",
    "Listeners",
    "NeedsApproval",
    "Outcome",
    "Page",
    "PerProcess",
    "Retry",
    "RunDetail",
    "RunStatus",
    "RunSummary",
    "Scoria",
    "ScoriaError",
    "ScoriaOptions",
    "Step",
    "StepError",
    "StepSpec",
    "StepStatus",
    "TimeLimitExceeded",
]
