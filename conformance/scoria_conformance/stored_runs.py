"""The runs that a scenario puts into a store itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs

from scoria_conformance.attribution import SuiteBroken
from scoria_conformance.world import TENANT, World
from scoria_core import ScoriaError
from scoria_core.ports import Capability, Record, RunKey

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def record(sequence: int, body: str = "{}") -> Record:
    """Return a record as one might be."""
    return Record(sequence, f"{sequence:064x}", f"{body} {sequence}")


def numbered(number: int) -> str:
    """Return the id of a run; ids ascend with their number."""
    return f"01900000-0000-7000-8000-{number:012x}"


@attrs.define
class StoredRuns:
    """The runs that a scenario put into a store, with what each should hold."""

    world: World
    journals: dict[str, list[Record]] = attrs.field(factory=dict)
    due: dict[str, int] = attrs.field(factory=dict)
    keys: dict[str, RunKey] = attrs.field(factory=dict)
    owner: str = ""

    def create(
        self,
        records: list[Record],
        *,
        due_in: float | None = None,
        number: int | None = None,
        **key: str,
    ) -> str:
        """Create the run of this number, by default the next one; ids ascend with them."""
        run_id = numbered(number or len(self.journals) + 1)
        named = RunKey(run_id, **{"tenant_id": TENANT, "session_id": "session-1", **key})
        due_at = None if due_in is None else NOON + timedelta(seconds=due_in)
        self.journals[run_id], self.keys[run_id] = list(records), named
        self.owner = self.world.store.create(named, records, due_at=due_at)
        return run_id

    def append(self, run_id: str, count: int, due_in: int | None = None) -> None:
        """Append records at the version the run is at."""
        version = len(self.journals[run_id])
        new = [record(version + number) for number in range(1, count + 1)]
        due_at = None if due_in is None else NOON + timedelta(seconds=due_in)
        self.world.store.append(run_id, new, expected_version=version, due_at=due_at)
        self.journals[run_id] += new

    def due_at(self, seconds: float, limit: int = 100, tenant_id: str | None = None) -> list[str]:
        """Return what is due so many seconds after noon."""
        until = NOON + timedelta(seconds=seconds)
        return list(self.world.store.list_due(tenant_id=tenant_id, until=until, limit=limit))

    def listed(
        self,
        tenant_id: str | None = None,
        session_id: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[str]:
        """Return what the store lists."""
        store = self.world.store
        return list(
            store.list_runs(tenant_id=tenant_id, session_id=session_id, limit=limit, before=before)
        )

    def attempt(self, call: Callable[[], object]) -> None:
        """Make a call that may be refused."""
        self.world.error = None
        try:
            self.world.returned = call()
        except ScoriaError as error:
            self.world.error = error

    def need(self, capability: Capability) -> None:
        """Raise `SuiteBroken` where a scenario goes on without what its tags must ask for."""
        if capability not in self.world.store.capabilities:
            raise SuiteBroken(f"a scenario that needs {capability} is not tagged @{capability}")
