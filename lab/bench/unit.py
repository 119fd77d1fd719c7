"""The unit of work W: a run that asks for approval, is approved, resumed, completed and read."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

import attrs

ARGUMENTS: Mapping[str, Any] = MappingProxyType({"order": "A-17", "amount": 1250})
"""What the step asks to do, and what it answers that it did."""

REASON = "Refunds over 1,000 need a person"
REVIEWER = "reviewer-7"


class Status(StrEnum):
    """Where a run stands, in the words of every candidate alike."""

    WAITING = "waiting_for_approval"
    COMPLETED = "completed"


@attrs.frozen
class Paused:
    """A run that waits, and the request that it waits for."""

    run_id: str
    request_id: str


@attrs.frozen
class Detail:
    """What a candidate's store says of a run."""

    run_id: str
    status: Status
    asked: Mapping[str, Any]
    decided_by: str | None
    result: Mapping[str, Any] | None


class Candidate(Protocol):
    """One way to do W, opened in one place, called from as many threads as there are flows.

    Every change is durable before the call that makes it returns, where the kind of store is
    durable at all. Where a peer approves and resumes with one call, `approve` makes that call
    and `resume` waits for its end.
    """

    def start(self) -> Paused:
        """Start a run and return it once its request for approval is stored."""
        ...

    def approve(self, paused: Paused) -> None:
        """Store that `REVIEWER` approves the request."""
        ...

    def resume(self, paused: Paused) -> None:
        """Let the run go on, and return once its completion is stored."""
        ...

    def read(self, run_id: str) -> Detail:
        """Return what the store says of the run."""
        ...

    def close(self) -> None:
        """Give back what the candidate holds."""
        ...


class UndoneError(Exception):
    """A candidate called W done, and its store does not say so."""


def work(candidate: Candidate) -> Detail:
    """Do W once, and return the run's detail; raises `UndoneError` where it is not of a done W."""
    paused = candidate.start()
    candidate.approve(paused)
    candidate.resume(paused)
    detail = candidate.read(paused.run_id)
    if detail != completed(paused.run_id):
        raise UndoneError(detail)
    return detail


def waiting(run_id: str) -> Detail:
    """Return what the detail of a run says while it waits."""
    return Detail(run_id, Status.WAITING, dict(ARGUMENTS), None, None)


def completed(run_id: str) -> Detail:
    """Return what the detail of a run says when W is done."""
    done = {"sent": dict(ARGUMENTS)}
    return Detail(run_id, Status.COMPLETED, dict(ARGUMENTS), REVIEWER, done)
