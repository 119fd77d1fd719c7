"""The runs that a scenario puts into a store itself."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from scoria_conformance.attribution import SuiteBroken
from scoria_conformance.world import TENANT, World
from scoria_core import ScoriaError
from scoria_core.ports import Capability, Fact, IndexRow, Record, RunKey, StoredRun, Where

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def record(sequence: int, body: str = "{}") -> Record:
    """Return a record with plausible content."""
    return Record(sequence, f"{sequence:064x}", f"{body} {sequence}")


def numbered(number: int) -> str:
    """Return the id of a run; ids ascend with their number."""
    return f"01900000-0000-7000-8000-{number:012x}"


def run_key(run_id: str, **facts: Any) -> RunKey:
    """Return a key with usual values, except for these facts."""
    usual = {
        "tenant_id": TENANT,
        "session_id": "session-1",
        "actor_id": "user-1",
        "root_role_id": "executor",
        "created_at": NOON,
    }
    return RunKey(run_id, **{**usual, **facts})


def index_row(due_at: datetime | None = None, **facts: Any) -> IndexRow:
    """Return a row with usual values, except for these facts."""
    return IndexRow(**{"status": "running", "since": NOON, "due_at": due_at, **facts})


def run_ids(runs: Sequence[StoredRun]) -> list[str]:
    """Return the ids of runs, in their order."""
    return [run.key.run_id for run in runs]


def after(seconds: float) -> datetime:
    """Return the time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


@attrs.define
class StoredRuns:
    """The runs that a scenario put into a store, with what each should hold."""

    world: World
    journals: dict[str, list[Record]] = attrs.field(factory=dict)
    due: dict[str, int] = attrs.field(factory=dict)
    keys: dict[str, RunKey] = attrs.field(factory=dict)
    rows: dict[str, IndexRow] = attrs.field(factory=dict)
    labels: set[str] = attrs.field(factory=set)
    statuses: set[str] = attrs.field(factory=set)
    """Every label and every status that a run has, or had."""
    owner: str = ""

    def create(
        self,
        records: list[Record],
        *,
        due_in: float | None = None,
        number: int | None = None,
        row: IndexRow | None = None,
        **key: Any,
    ) -> str:
        """Create the run of this number, by default the next one; ids ascend with them."""
        run_id = numbered(number or len(self.journals) + 1)
        named, stands = run_key(run_id, **key), row or _row(due_in)
        self.journals[run_id], self.keys[run_id] = list(records), named
        self.stands(run_id, stands)
        self.owner = self.world.store.create(named, records, row=stands)
        return run_id

    def append(
        self, run_id: str, count: int, due_in: int | None = None, row: IndexRow | None = None
    ) -> None:
        """Append so many records at the present version of the run."""
        version, stands = len(self.journals[run_id]), row or _row(due_in)
        new = [record(version + number) for number in range(1, count + 1)]
        self.world.store.append(run_id, new, expected_version=version, row=stands)
        self.journals[run_id] += new
        self.stands(run_id, stands)

    def forget(self, run_id: str) -> None:
        """Expect the store to have nothing of the run any more."""
        for kept in (self.journals, self.keys, self.rows):
            kept.pop(run_id)

    def stands(self, run_id: str, row: IndexRow) -> None:
        """Expect the run to have this index row from now on."""
        self.rows[run_id] = row
        self.labels.update(row.labels)
        self.statuses.add(row.status)

    def told(self, run_id: str, *, with_records: bool = True) -> StoredRun:
        """Return the run as the store should return it."""
        records = tuple(self.journals[run_id])
        version = len(records)
        return StoredRun(
            self.keys[run_id], self.rows[run_id], version, records if with_records else ()
        )

    def due_at(self, seconds: float, limit: int = 100, tenant_id: str | None = None) -> list[str]:
        """Return the ids of the runs that the store lists as due so many seconds after noon."""
        store = self.world.store
        return list(store.list_due(tenant_id=tenant_id, until=after(seconds), limit=limit))

    def listed(
        self,
        tenant_id: str | None = None,
        session_id: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[str]:
        """Return the ids of the runs that the store lists."""
        where = None if session_id is None else Where(Fact.SESSION, session_id)
        found = self.world.store.list_runs(
            tenant_id=tenant_id, where=where, limit=limit, before=before, with_records=False
        )
        return run_ids(found)

    def labelled(
        self,
        label: str | None = None,
        tenant_id: str | None = None,
        limit: int = 100,
        start: tuple[datetime, str] | None = None,
    ) -> list[str]:
        """Return the ids of the runs that the store lists under a label, or under any."""
        found = self.world.store.list_labelled(
            tenant_id=tenant_id, label=label, limit=limit, start=start, with_records=False
        )
        return run_ids(found)

    def attempt(self, call: Callable[[], object]) -> None:
        """Make a call that may be refused."""
        self.world.error = None
        try:
            self.world.returned = call()
        except ScoriaError as error:
            self.world.error = error

    def need(self, capability: Capability) -> None:
        """Raise `SuiteBroken` if the store lacks a capability that the tags did not ask for."""
        if capability not in self.world.store.capabilities:
            raise SuiteBroken(f"a scenario that needs {capability} is not tagged @{capability}")


def _row(due_in: float | None) -> IndexRow:
    return index_row(None if due_in is None else after(due_in))
