"""The rows of the journal table: one for each write, with the index row of the run after it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from scoria_core.batches import encode_batch
from scoria_core.errors import StoreCorrupt
from scoria_core.payloads import compact
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_duckdb.run_index import is_at_rest

COLUMNS = (
    "run_ids",
    "created_ats",
    "versions",
    "records",
    "statuses",
    "final_statuses",
    "have_ended",
    "sinces",
    "due_ats",
    "labels",
    "tenant_ids",
    "session_ids",
    "actor_ids",
    "root_role_ids",
    "idempotency_keys",
)
"""The parameters of `append.sql`, in column order: each is the list of one column's values."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class Write:
    """Records to append to a run at `version`, and its index row from then on."""

    key: RunKey
    row: IndexRow
    records: Sequence[Record]
    version: int

    @property
    def run(self) -> StoredRun:
        """Return the run after this write, without records."""
        return StoredRun(self.key, self.row, self.version + len(self.records))

    def values(self) -> tuple[str | int | None, ...]:
        """Return the values in column order; most facts of the key are in the first row only."""
        key, row = self.key, self.row
        is_first, is_final = self.version == 0, is_at_rest(row)
        facts = (key.session_id, key.actor_id, key.root_role_id, key.idempotency_key)
        return (
            key.run_id,
            microseconds(key.created_at),
            self.run.version,
            encode_batch(self.records),
            None if is_final else row.status,
            row.status if is_final else None,
            row.has_ended,
            microseconds(row.since),
            None if row.due_at is None else microseconds(row.due_at),
            compact(row.labels) if row.labels else None,
            key.tenant_id if is_first or is_final else None,
            *(facts if is_first else (None,) * len(facts)),
        )


def stored_run(run_id: str, says: Sequence[Any], facts: Sequence[Any]) -> StoredRun:
    """Return a run from the state in its last row, `says`, and the facts in its first row.

    Raises `StoreCorrupt` if a value is missing or wrong.
    """
    version, status, final_status, has_ended, since, due_at, labels = says
    created_at, tenant_id, session_id, actor_id, root_role_id, idempotency_key = facts
    try:
        row = IndexRow(
            status=_text(status if final_status is None else final_status),
            since=time_of(since),
            due_at=None if due_at is None else time_of(due_at),
            labels=() if labels is None else tuple(map(_text, json.loads(labels))),
            has_ended=has_ended,
        )
        key = RunKey(
            run_id=run_id,
            tenant_id=_text(tenant_id),
            session_id=_text(session_id),
            actor_id=_text(actor_id),
            root_role_id=_text(root_role_id),
            created_at=time_of(created_at),
            idempotency_key=idempotency_key,
        )
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        problem = "is of a run of which the store cannot tell where it stands"
        raise StoreCorrupt(run_id, max(version, 1), problem) from error
    return StoredRun(key, row, version)


def key_in_utc(key: RunKey) -> RunKey:
    """Return the key with its time in UTC."""
    return attrs.evolve(key, created_at=key.created_at.astimezone(UTC))


def row_in_utc(row: IndexRow) -> IndexRow:
    """Return the row with its times in UTC."""
    # In Python a time that a zone has twice, as clocks go back, equals no time of another zone.
    due_at = None if row.due_at is None else row.due_at.astimezone(UTC)
    return attrs.evolve(row, since=row.since.astimezone(UTC), due_at=due_at)


def microseconds(at: datetime) -> int:
    """Return a time as the file has it: in microseconds since 1970, in UTC."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def time_of(number: int) -> datetime:
    """Return the time that the file has as this number."""
    return _EPOCH + timedelta(microseconds=number)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
