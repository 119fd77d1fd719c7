"""Reads and changes runs in a store, with a cache of replayed runs.

A replayed run is cached for the next call. A command first decides on the cached run; the store
accepts the result only at that very version. If it does not, the run is read and decided again. A
read always reads the whole journal, and reuses the cached run only as far as both are equal.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar, cast

import attrs

from scoria_core.conflicts import CONFLICTS
from scoria_core.decisions import Change
from scoria_core.errors import RunNotFound, ScoriaError, StoreCorrupt, VersionConflict
from scoria_core.journal import tenant_of, unseal
from scoria_core.logs import about, logger_of
from scoria_core.model import DamagedRun, RunDetail, RunSummary
from scoria_core.payloads import name_problem
from scoria_core.ports import (
    Capability,
    Clock,
    Fact,
    IdSource,
    RunStore,
    StoredRun,
    WakingStore,
    Where,
    checked_port,
)
from scoria_core.recent import Recent
from scoria_core.run import Run, RunFacts
from scoria_core.run_index import key_of, row_of
from scoria_core.visible import visible_line

logger = logger_of("scoria")

T = TypeVar("T")

MAX_CONFLICTS = 100
"""How often a change is tried; each conflict means that another caller's append succeeded."""

MAX_CACHE_BYTES = 32 * 1024 * 1024
"""How much memory all cached runs together may take, in bytes."""


class RunCache:
    """The runs used last; a call checks one out, so that nobody else uses it, and puts it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: Recent[Run] = Recent(MAX_CACHE_BYTES)

    def check_out(self, run_id: str) -> Run | None:
        """Remove and return a run, or return None if it is not cached."""
        with self._lock:
            return self._runs.pop(run_id)

    def put_back(self, run: Run) -> None:
        """Cache a run, unless it is too large; the least recently used runs are dropped for it."""
        with self._lock:
            self._runs.keep(run.run_id, run, run.size)

    @property
    def size(self) -> int:
        """Return about how many bytes of memory the cached runs use."""
        return self._runs.bytes


@attrs.frozen
class RunRepository:
    """The runs of one store, visible to one tenant, or to the host for all (`tenant_id` None)."""

    store: RunStore
    clock: Clock
    ids: IdSource
    tenant_id: str | None = None
    cache: RunCache = attrs.field(factory=RunCache)

    def load(self, run_id: str) -> Run:
        """Read a run. It belongs to the caller until the caller puts it back into `cache`.

        Raises `RunNotFound` if the run is not visible, and `StoreCorrupt` if its journal is
        damaged.
        """
        return self.replayed(self.stored(run_id))

    def stored(self, run_id: str) -> StoredRun:
        """Return a run as it is stored; raises as `load` does where nothing of it can be read."""
        found = self.store.read([run_id]) if name_problem(run_id) is None else ()
        for stored in found:
            if not stored.records and self.tenant_id in (None, stored.key.tenant_id):
                raise StoreCorrupt(run_id, 1, "is missing, and so are all that follow")
            if stored.records and self.tenant_id in (None, tenant_of(stored.records)):
                return stored
        raise RunNotFound(run_id, is_session=self._is_session(run_id))

    def replayed(self, stored: StoredRun) -> Run:
        """Return the run that these records describe; reuse the cached one as far as both agree."""
        run_id, records = stored.key.run_id, stored.records
        cached = self.cache.check_out(run_id)
        if cached is None or not cached.is_prefix_of(records):
            return Run.replay(run_id, records)
        if len(records) > cached.version:
            cached.catch_up(records[cached.version :])
        return cached

    def inspect(self, run_id: str) -> RunDetail:
        """Return everything about a run as far as its journal checks out; share its payloads.

        Raises as `load` does where not even the first change of the run does.
        """
        stored = self.stored(run_id)
        try:
            run = self.replayed(stored)
        except StoreCorrupt as damage:
            return _up_to(damage, stored, self.now())
        detail = run.detail(self.now(), stored.row.due_at, is_shared=True)
        self.cache.put_back(run)
        return detail

    def create(self, run_id: str, facts: RunFacts, decide: Callable[[Change], T]) -> tuple[Run, T]:
        """Store a new run as `decide` starts it; return the run, and what `decide` returned.

        If a run with this idempotency key exists, return that run instead, and store nothing.
        """
        # Decided before it is known whether the key is taken: that spares new runs a read.
        identity = facts.identity
        change = self._change(Run(run_id), identity.actor_id)
        decided = decide(change)
        run = change.run
        key, row = key_of(run), row_of(run, change.at)
        for attempt in range(MAX_CONFLICTS):
            owner = self.store.create(key, change.records, row=row)
            if owner == run_id:
                break
            try:
                return self.load(owner), decided
            except RunNotFound:  # it was pruned meanwhile, and its key is free
                if attempt == MAX_CONFLICTS - 1:
                    raise
        return run, decided

    def change(
        self, run_id: str, decide: Callable[[Change], T], actor_id: str | None = None
    ) -> tuple[Run, T]:
        """Let `decide` change a run, and append the entries that it added.

        Returns the run, which belongs to the caller, and what `decide` returned. If another caller
        appended first, the run is read and decided again. Raises what `decide` raises, with nothing
        appended, and `VersionConflict` if the change is only valid while the run is due, and it is
        not.
        """
        changed = self._change_cached(run_id, decide, actor_id)
        if changed is not None:
            return changed
        refused: tuple[int, int] | None = None
        for attempt in range(MAX_CONFLICTS):
            run = self.load(run_id)
            change, version = self._change(run, actor_id), run.version
            if refused is not None and refused[0] == version != refused[1]:
                problem = f"is the last that was read, and the store says version {refused[1]}"
                raise StoreCorrupt(run_id, version, problem)
            decided = self._decided(change, decide)
            try:
                self._append(change, version)
            except VersionConflict as error:
                is_not_due = change.only_if_due and error.actual == version
                if is_not_due or attempt == MAX_CONFLICTS - 1:
                    raise
                refused = version, error.actual
            else:
                return change.run, decided
        raise AssertionError("no attempt was made")  # MAX_CONFLICTS is not 0

    def _change_cached(
        self, run_id: str, decide: Callable[[Change], T], actor_id: str | None
    ) -> tuple[Run, T] | None:
        """Do the same on the cached run; return None if the stored run must be read.

        The cached run may be out of date, so a refusal, or nothing to do, is never decided on it.
        """
        cached = self.cache.check_out(run_id)
        if cached is None:
            return None
        if self.tenant_id not in (None, cached.tenant_id):
            self.cache.put_back(cached)
            return None
        change, version = self._change(cached, actor_id), cached.version
        try:
            decided = self._decided(change, decide)
            self._append(change, version)
        except VersionConflict as error:
            if change.only_if_due and error.actual == version:
                raise
            return None
        except ScoriaError:
            return None
        if not change.records:
            self.cache.put_back(cached)
            return None
        return change.run, decided

    def _decided(self, change: Change, decide: Callable[[Change], T]) -> T:
        """Let `decide` change a run; one that it refuses to change goes back into the cache."""
        try:
            return decide(change)
        except ScoriaError as refused:
            # After any other error, or damage, an entry may be applied in part.
            if not change.records and not isinstance(refused, StoreCorrupt):
                self.cache.put_back(change.run)
            raise

    def page(
        self, ask: Callable[[bool], Sequence[StoredRun]]
    ) -> list[tuple[StoredRun, Run | DamagedRun | None]]:
        """Return the runs of a page that the store is asked for, with records or without.

        A run with a damaged journal is a `DamagedRun`. One that the store lists for another tenant
        than its own is logged, and None; so is one that was pruned meanwhile. The runs belong to
        the caller as in `load`.
        """
        try:
            found = ask(True)
        except StoreCorrupt as error:
            if not error.sequence:
                raise
            # The store cannot read one of them: each is read by itself.
            return [(each, self._alone(each.key.run_id)) for each in ask(False)]
        return [(each, self._listed(each)) for each in found]

    def summary(self, run: Run, now: datetime) -> RunSummary:
        """Return a summary of a run as it is at `now`, and put the run back into the cache."""
        summary = run.summary(now)
        self.cache.put_back(run)
        return summary

    def renew(self, run_id: str, is_held: Callable[[Run], bool]) -> bool:
        """Extend the lease of a claim; False if the claim is lost."""
        for _ in range(MAX_CONFLICTS):
            run = self.load(run_id)
            held, version, row = is_held(run), run.version, row_of(run, self.now())
            self.cache.put_back(run)  # a renewal has no records, so the cached run stays right
            if not held:
                return False
            with suppress(VersionConflict):
                self.store.append(run_id, (), expected_version=version, row=row)
                return True
        return False

    def due(self, limit: int, until: datetime | None = None, *, fair: bool = False) -> list[str]:
        """Return the ids of the visible runs that have work to do, now or until then."""
        return list(
            self.store.list_due(
                tenant_id=self.tenant_id,
                until=until or self.now(),
                limit=limit,
                fair=fair,
            )
        )

    def watch_due(self, pause: float) -> Generator[Sequence[str], None, None] | None:
        """Watch for visible runs that become due, as a `WakingStore` does; None on another."""
        if Capability.WAKING not in self.store.capabilities:
            return None
        store = cast(WakingStore, checked_port(self.store, WakingStore, "store"))
        return store.watch_due(tenant_id=self.tenant_id, pause=pause)

    def now(self) -> datetime:
        """Return the present time."""
        return self.clock.now()

    def _alone(self, run_id: str) -> Run | DamagedRun | None:
        try:
            found = self.store.read([run_id])
        except StoreCorrupt as error:
            if error.run_id != run_id:
                raise
            return DamagedRun(run_id, error.sequence, error.problem)
        return self._listed(found[0]) if found else None

    def _listed(self, stored: StoredRun) -> Run | DamagedRun | None:
        run_id, records = stored.key.run_id, stored.records
        if not records:
            return DamagedRun(run_id, 1, "is missing")
        if self.tenant_id not in (None, tenant_of(records) or self.tenant_id):
            told = "run %s is listed for a tenant that it is not of"
            logger.error(told, visible_line(run_id), extra=about(run_id=run_id))
            return None
        try:
            return self.replayed(stored)
        except StoreCorrupt as error:
            if error.run_id != run_id:
                raise
            return DamagedRun(run_id, error.sequence, error.problem)

    def _change(self, run: Run, actor_id: str | None) -> Change:
        # Clocks of two machines differ: what is decided is never earlier than what it builds on.
        at = max(self.now(), run.journal[-1].at) if run.journal else self.now()
        return Change(run, at, self.ids.new_id, actor_id)

    def _append(self, change: Change, version: int) -> None:
        if not change.records:
            return
        try:
            self.store.append(
                change.run.run_id,
                change.records,
                expected_version=version,
                row=row_of(change.run, change.at),
                due_by=change.at if change.only_if_due else None,
            )
        except VersionConflict as error:
            if error.actual != version:
                CONFLICTS.add()
            raise

    def _is_session(self, value: str) -> bool:
        if name_problem(value) is not None:
            return False
        of_session = Where(Fact.SESSION, value)
        found = self.store.list_runs(
            tenant_id=self.tenant_id, where=of_session, limit=1, with_records=False
        )
        return bool(found)


def _up_to(damage: StoreCorrupt, stored: StoredRun, now: datetime) -> RunDetail:
    """Return what a run was before the damage; raise it where there is nothing to tell."""
    run_id = stored.key.run_id
    good = stored.records[: max(0, damage.sequence - 1)]
    if damage.run_id == run_id:
        for end in range(len(good), 0, -1):
            with suppress(StoreCorrupt):  # it breaks off within a change
                whole = Run.replay(run_id, good[:end])
                return attrs.evolve(
                    whole.detail(now, None),
                    journal=tuple(unseal(run_id, good)),
                    damage=DamagedRun(run_id, damage.sequence, damage.problem),
                )
    raise damage
