"""Runs in a store: read and replayed, changed at the version they were read at."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import attrs

from scoria_core.decisions import Change
from scoria_core.errors import RunNotFound, StoreCorrupt, VersionConflict
from scoria_core.journal import tenant_of
from scoria_core.payloads import name_problem
from scoria_core.ports import Clock, IdSource, RunKey, RunStore
from scoria_core.run import Run, RunFacts

T = TypeVar("T")

MAX_CONFLICTS = 100
"""How often a change is decided anew; each conflict means that another caller got on."""


@attrs.frozen
class RunRepository:
    """The runs of one store, seen by one tenant, or by the host for all (`tenant_id` None)."""

    store: RunStore
    clock: Clock
    ids: IdSource
    tenant_id: str | None = None

    def load(self, run_id: str) -> Run:
        """Read a run.

        Raises `RunNotFound` for a run that is not in view, and `StoreCorrupt` for one whose
        journal does not check out.
        """
        records = self.store.read(run_id) if name_problem(run_id) is None else ()
        if not records or self.tenant_id not in (None, tenant_of(records)):
            raise RunNotFound(run_id, is_session=self._is_session(run_id))
        return Run.replay(run_id, records)

    def create(self, facts: RunFacts, decide: Callable[[Change], object]) -> tuple[Run, bool]:
        """Store a new run as `decide` starts it.

        Returns the run and True, or the run that has the idempotency key already and False.
        """
        identity = facts.identity
        change = self._change(Run(self.ids.new_id()), identity.actor_id)
        decide(change)
        run = change.run
        key = RunKey(run.run_id, identity.tenant_id, identity.session_id, facts.idempotency_key)
        owner = self.store.create(key, change.records, due_at=run.due_at(change.at))
        return (run, True) if owner == run.run_id else (self.load(owner), False)

    def change(
        self, run_id: str, decide: Callable[[Change], T], actor_id: str | None = None
    ) -> tuple[Run, T]:
        """Read a run, let `decide` change it, and append what it decided.

        Returns the run as it then is, and what `decide` returned. Where another caller appended
        first, the run is read and decided again. Raises what `decide` raises, with nothing
        appended, and `VersionConflict` where the change stands only while the run is due, and it
        is not.
        """
        for _ in range(MAX_CONFLICTS):
            change = self._change(self.load(run_id), actor_id)
            version = change.run.version
            decided = decide(change)
            try:
                self._append(change, version)
            except VersionConflict as error:
                if change.only_if_due and error.actual == version:
                    raise
                conflict = error
            else:
                return change.run, decided
        raise conflict

    def listed(self, session_id: str | None, limit: int, before: str | None) -> list[Run]:
        """Read the runs in view, of one session or all, newest first.

        Raises `StoreCorrupt` for a run whose journal does not check out, or that the store lists
        for another tenant than its own.
        """
        run_ids = self.store.list_runs(
            tenant_id=self.tenant_id, session_id=session_id, limit=limit, before=before
        )
        return [self._listed_run(run_id) for run_id in run_ids]

    def renew(self, run_id: str, is_held: Callable[[Run], bool]) -> bool:
        """Put off when the run is due, for a claim that goes on; False where it is not held."""
        for _ in range(MAX_CONFLICTS):
            run = self.load(run_id)
            if not is_held(run):
                return False
            due_at = run.due_at(self.now())
            with suppress(VersionConflict):
                self.store.append(run_id, (), expected_version=run.version, due_at=due_at)
                return True
        return False

    def due(
        self, limit: int, until: datetime | None = None, *, in_turns: bool = False
    ) -> list[str]:
        """Return the ids of the runs in view that have work to do, now or until then."""
        return list(
            self.store.list_due(
                tenant_id=self.tenant_id,
                until=until or self.now(),
                limit=limit,
                **({"in_turns": True} if in_turns else {}),
            )
        )

    def now(self) -> datetime:
        """Return the present time."""
        return self.clock.now()

    def _listed_run(self, run_id: str) -> Run:
        run = Run.replay(run_id, self.store.read(run_id))
        if self.tenant_id not in (None, run.tenant_id):
            raise StoreCorrupt("the store", 0, "lists a run for another tenant than its own")
        return run

    def _change(self, run: Run, actor_id: str | None) -> Change:
        return Change(run, self.now(), self.ids.new_id, actor_id)

    def _append(self, change: Change, version: int) -> None:
        if change.records:
            self.store.append(
                change.run.run_id,
                change.records,
                expected_version=version,
                due_at=change.run.due_at(change.at),
                **({"due_by": change.at} if change.only_if_due else {}),
            )

    def _is_session(self, value: str) -> bool:
        if name_problem(value) is not None:
            return False
        return bool(
            self.store.list_runs(tenant_id=self.tenant_id, session_id=value, limit=1, before=None)
        )
