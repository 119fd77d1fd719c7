"""W as an event-sourced aggregate, saved after each change."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from lab.bench.place import Place
from lab.bench.unit import ARGUMENTS, REASON, REVIEWER, Detail, Paused, Status


class Refund(Aggregate):
    """A run of one step."""

    @event("Claimed")
    def __init__(self, tenant_id: str, actor_id: str) -> None:
        self.tenant_id, self.actor_id = tenant_id, actor_id
        self.status = Status.WAITING.value
        self.asked: dict[str, Any] = {}
        self.decided_by: str | None = None
        self.result: dict[str, Any] | None = None

    @event("ApprovalRequested")
    def request_approval(self, arguments: dict[str, Any], reason: str) -> None:
        """Ask for approval of these arguments."""
        self.asked, self.reason = arguments, reason

    @event("Approved")
    def approve(self, decided_by: str) -> None:
        """Take in the decision."""
        self.decided_by = decided_by

    @event("Resumed")
    def resume(self) -> None:
        """Claim the step again."""
        self.status = "running"

    @event("Completed")
    def complete(self, result: dict[str, Any]) -> None:
        """Take in the result."""
        self.status, self.result = Status.COMPLETED.value, result


class EventSourcingRuns:
    """W on an application with a recorder."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._application = Application[UUID](env=env)

    def start(self) -> Paused:
        """Save the claim, then the request."""
        run = Refund("tenant-1", "user-1")
        self._application.save(run)
        run.request_approval(dict(ARGUMENTS), REASON)
        self._application.save(run)
        return Paused(str(run.id), str(run.id))

    def approve(self, paused: Paused) -> None:
        """Save the decision."""
        run = self._load(paused.run_id)
        run.approve(REVIEWER)
        self._application.save(run)

    def resume(self, paused: Paused) -> None:
        """Save the second claim, then the result."""
        run = self._load(paused.run_id)
        run.resume()
        self._application.save(run)
        run.complete({"sent": run.asked})
        self._application.save(run)

    def read(self, run_id: str) -> Detail:
        """Replay the aggregate."""
        run = self._load(run_id)
        return Detail(run_id, Status(run.status), run.asked, run.decided_by, run.result)

    def close(self) -> None:
        """Close the recorder."""
        self._application.close()

    def _load(self, run_id: str) -> Refund:
        run: Refund = self._application.repository.get(UUID(run_id))
        return run


def open_candidate(place: Place) -> EventSourcingRuns:
    """Open W on the file of the place."""
    return EventSourcingRuns(
        {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(place.file),
            "SQLITE_LOCK_TIMEOUT": "30",
        }
    )
