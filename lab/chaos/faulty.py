"""A worker that is wrong on purpose: it takes running steps over, whatever their lease says."""

from collections.abc import Mapping
from datetime import UTC, datetime

from lab.chaos import handlers
from scoria_core import decisions
from scoria_core.decisions import Change
from scoria_core.handlers import Handler
from scoria_core.repository import RunRepository


def registry() -> Mapping[str, Handler]:
    """Plant the fault in this process, and return the handlers."""
    list_due = RunRepository.due

    def list_whatever_runs(
        self: RunRepository, limit: int, until: datetime | None = None, *, fair: bool = False
    ) -> list[str]:
        return list_due(self, limit, until or datetime.max.replace(tzinfo=UTC), fair=fair)

    def take_over(change: Change, max_attempts: int) -> bool:
        decisions.recover(change, max_attempts)
        return False  # and so the store is not asked whether the lease has ended

    RunRepository.due = list_whatever_runs  # type: ignore[method-assign]
    decisions.recover_overdue = take_over
    return handlers.registry()
