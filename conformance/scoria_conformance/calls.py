"""Calls of a store, each recorded as an operation for the linearizability check."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import cast

import attrs

from scoria_conformance.linearizability import Operation, performed
from scoria_conformance.stored_runs import NOON, run_key
from scoria_core.errors import VersionConflict
from scoria_core.ports import Fact, IndexRow, PrunableStore, Record, RunStore, StoredRun, Where

LATEST = NOON.replace(year=9000)


@attrs.frozen
class Calls:
    """Makes calls for one tenant and session, and records what the store answered.

    An answer of the wrong type is recorded as one that no correct store would give.
    """

    store: RunStore
    tenant_id: str
    session_id: str = "session-1"
    told: list[Operation] = attrs.field(factory=list)

    def create(
        self, run_id: str, key: str | None, records: Sequence[Record], row: IndexRow
    ) -> None:
        """Create a run."""
        named = run_key(
            run_id, tenant_id=self.tenant_id, session_id=self.session_id, idempotency_key=key
        )
        self._ask(
            ("create", run_id, key, tuple(records), row),
            lambda: self.store.create(named, records, row=row),
        )

    def append(
        self,
        run_id: str,
        version: int,
        records: Sequence[Record],
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append to a run; this may also postpone it or take it over."""

        def append() -> str:
            self.store.append(run_id, records, expected_version=version, row=row, due_by=due_by)
            return "stored"

        self._ask(("append", run_id, version, tuple(records), row, due_by), append)

    def prune(self, run_id: str, version: int) -> None:
        """Remove a run."""
        store = cast(PrunableStore, self.store)
        self._ask(("prune", run_id, version), lambda: tuple(store.prune({run_id: version})))

    def read(self, *run_ids: str) -> None:
        """Read runs."""
        self._ask(("read", run_ids), lambda: seen(self.store.read(run_ids)))

    def list_runs(self) -> None:
        """List the runs."""
        where = Where(Fact.SESSION, self.session_id)
        self._ask(
            ("list_runs",),
            lambda: seen(self.store.list_runs(tenant_id=self.tenant_id, where=where, limit=100)),
        )

    def list_labelled(self, label: str | None = None) -> None:
        """List the runs that have this label, or any label."""
        tenant_id = self.tenant_id
        self._ask(
            ("list_labelled", label),
            lambda: seen(self.store.list_labelled(tenant_id=tenant_id, label=label, limit=100)),
        )

    def list_due(self, until: datetime = LATEST) -> None:
        """List the runs that are due."""
        self._ask(
            ("list_due", until),
            lambda: tuple(self.store.list_due(tenant_id=self.tenant_id, until=until, limit=100)),
        )

    def count_runs(self, *statuses: str) -> None:
        """Count the runs."""

        def count() -> Hashable:
            found = self.store.count_runs(tenant_id=self.tenant_id, statuses=statuses, limit=100)
            return tuple(sorted(found.items()))

        self._ask(("count_runs", statuses), count)

    def look(self, run_id: str, *statuses: str) -> None:
        """Make every read that can show this run."""
        self.read(run_id)
        self.list_runs()
        self.list_labelled()
        self.list_due()
        self.count_runs(*statuses)

    def _ask(self, asked: Hashable, call: Callable[[], Hashable]) -> None:
        self.told.append(performed(asked, lambda: _answered(call)))


def seen(runs: Sequence[StoredRun]) -> tuple[Hashable, ...]:
    """Return what a store says about runs, except for facts that never change."""
    return tuple(
        (run.key.run_id, run.key.idempotency_key, run.row, run.version, run.records) for run in runs
    )


def _answered(call: Callable[[], Hashable]) -> Hashable:
    try:
        return call()
    except VersionConflict:
        return "VersionConflict"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
        return f"{type(error).__name__}: {error}"
