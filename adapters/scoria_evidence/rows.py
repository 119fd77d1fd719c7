"""A row of an export: one journal entry in columns, with the text that its digest covers."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from types import MappingProxyType
from typing import Any

from scoria_core.run import Run

Row = dict[str, Any]

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "run_id": "VARCHAR",
        "tenant_id": "VARCHAR",
        "session_id": "VARCHAR",
        "sequence": "INTEGER",
        "at": "TIMESTAMPTZ",
        "type": "VARCHAR",
        "subject": "VARCHAR",
        "subject_id": "VARCHAR",
        "trigger": "VARCHAR",
        "from_state": "VARCHAR",
        "to_state": "VARCHAR",
        "actor_id": "VARCHAR",
        "data": "JSON",
        "digest": "VARCHAR",
        "body": "VARCHAR",
    }
)
"""The columns of an export, with the type that each has in DuckDB."""


def rows(run: Run) -> Iterator[Row]:
    """Yield the rows of a run, in the order of its journal."""
    identity = run.facts.identity
    for entry, record in zip(run.journal, run.records, strict=True):
        yield {
            "run_id": run.run_id,
            "tenant_id": identity.tenant_id,
            "session_id": identity.session_id,
            "sequence": entry.sequence,
            "at": entry.at.astimezone(UTC).isoformat(),
            "type": entry.type,
            "subject": entry.subject,
            "subject_id": entry.subject_id,
            "trigger": entry.trigger,
            "from_state": entry.from_state,
            "to_state": entry.to_state,
            "actor_id": entry.actor_id,
            "data": entry.data,
            "digest": record.digest,
            "body": record.body,
        }
