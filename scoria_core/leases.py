"""Leases: how long a claim on a step lasts before others may take the step over."""

from datetime import timedelta

import attrs

from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.payloads import checked_name

MAX_SECONDS = 86_400
"""The longest lease: one day."""


@attrs.frozen
class Lease:
    """How long a claim lasts unless it is renewed, in seconds, and who holds it.

    `worker_id` is the name of the process, if it has one; `holder` is the id of the call.
    """

    seconds: float = 60.0
    worker_id: str | None = None
    holder: str | None = None

    @property
    def length(self) -> timedelta:
        """How long the claim lasts unless it is renewed."""
        return timedelta(seconds=self.seconds)


def checked_lease(seconds: object, worker_id: object) -> Lease:
    """Return the lease, or raise `InvalidPayload` naming `lease` or `worker_id`."""
    name = None if worker_id is None else checked_name(worker_id, "worker_id")
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 < float(seconds) <= MAX_SECONDS:  # type: ignore[arg-type]
        problem = (
            f"is {safe_repr(seconds)}; pass a number of seconds above 0, at most {MAX_SECONDS}"
        )
        raise InvalidPayload("lease", problem)
    return Lease(float(seconds), name)  # type: ignore[arg-type]
