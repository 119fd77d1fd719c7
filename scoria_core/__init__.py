"""Durable AI runs that pause for a human: identity, start, inspect, resume."""

from scoria_core.errors import ScoriaError
from scoria_core.identity import Identity
from scoria_core.journal import JournalEntry
from scoria_core.model import (
    Approval,
    DelegatedHandoff,
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
    Retry,
    StepSpec,
    TimeLimitExceeded,
)
from scoria_core.scoria import Scoria

__all__ = [
    "Approval",
    "Completed",
    "DelegatedHandoff",
    "DoNotRetry",
    "Failed",
    "HandOff",
    "Identity",
    "JournalEntry",
    "NeedsApproval",
    "Retry",
    "RunDetail",
    "RunSummary",
    "Scoria",
    "ScoriaError",
    "Step",
    "StepError",
    "StepSpec",
    "TimeLimitExceeded",
]
