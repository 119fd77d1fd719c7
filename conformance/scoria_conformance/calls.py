"""Calls of a store, each recorded as an operation for the linearizability check."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import cast

import attrs

from scoria_conformance.linearizability import Operation, performed
from scoria_conformance.stored_runs import NOON
from scoria_core.errors import VersionConflict
from scoria_core.ports import PrunableStore, Record, RunKey, RunStore

At = datetime | None
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

    def create(self, run_id: str, key: str | None, records: Sequence[Record], due: At) -> None:
        """Create a run."""
        named = RunKey(run_id, self.tenant_id, self.session_id, key)
        self._ask(
            ("create", run_id, key, tuple(records), due),
            lambda: self.store.create(named, records, due_at=due),
        )

    def append(
        self, run_id: str, version: int, records: Sequence[Record], due: At, due_by: At = None
    ) -> None:
        """Append to a run, or put it off, or take it over."""

        def append() -> str:
            given = {"expected_version": version, "due_at": due, "due_by": due_by}
            self.store.append(run_id, records, **given)  # type: ignore[arg-type]
            return "stored"

        self._ask(("append", run_id, version, tuple(records), due, due_by), append)

    def prune(self, run_id: str, version: int) -> None:
        """Remove a run."""
        store = cast(PrunableStore, self.store)
        self._ask(("prune", run_id, version), lambda: tuple(store.prune({run_id: version})))

    def read(self, run_id: str) -> None:
        """Read a run."""
        self._ask(("read", run_id), lambda: tuple(self.store.read(run_id)))

    def head(self, run_id: str) -> None:
        """Ask what a run is found by."""

        def head() -> Hashable:
            found = self.store.head(run_id)
            return found and (found.key.idempotency_key, found.version, found.due_at)

        self._ask(("head", run_id), head)

    def list_runs(self) -> None:
        """List the runs."""
        named = {"tenant_id": self.tenant_id, "session_id": self.session_id}
        self._ask(
            ("list_runs",),
            lambda: tuple(self.store.list_runs(**named, limit=100, before=None)),
        )

    def list_due(self, until: datetime = LATEST) -> None:
        """List the runs that are due."""
        self._ask(
            ("list_due", until),
            lambda: tuple(self.store.list_due(tenant_id=self.tenant_id, until=until, limit=100)),
        )

    def look(self, run_id: str) -> None:
        """Ask everything that can be asked about a run."""
        self.read(run_id)
        self.head(run_id)
        self.list_runs()
        self.list_due()

    def _ask(self, asked: Hashable, call: Callable[[], Hashable]) -> None:
        self.told.append(performed(asked, lambda: _answered(call)))


def _answered(call: Callable[[], Hashable]) -> Hashable:
    try:
        return call()
    except VersionConflict:
        return "VersionConflict"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
        return f"{type(error).__name__}: {error}"
