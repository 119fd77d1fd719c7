"""The clock and the ids of the machine the host runs on."""

from datetime import UTC, datetime

import uuid_utils


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present time in UTC."""
        return datetime.now(UTC)


class Uuid7Source:
    """UUIDv7 strings, in ascending order within a process."""

    def new_id(self) -> str:
        """Return a new UUIDv7."""
        return str(uuid_utils.uuid7())
