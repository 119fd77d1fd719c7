"""Where a candidate keeps what it stores."""

from enum import StrEnum
from pathlib import Path

import attrs


class Kind(StrEnum):
    """The kind of store: only candidates of one kind are beside each other."""

    MEMORY = "memory"
    SQLITE = "sqlite"
    DUCKDB = "duckdb"
    POSTGRESQL = "postgresql"

    @property
    def lasts(self) -> bool:
        """Whether what is stored outlives the process."""
        return self is not Kind.MEMORY


@attrs.frozen
class Place:
    """A directory, a database of its own where the kind wants one, and how many flows will come."""

    kind: Kind
    directory: Path
    flows: int
    database: str = ""

    @property
    def file(self) -> Path:
        """Name the database file of an embedded store."""
        return self.directory / f"runs.{self.kind}"
