"""One history, action by action: over the model alone, or with its journal in a real store."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import attrs

from lab.model.composition import (
    COMMIT,
    CRASH,
    RUN_ID,
    Action,
    CannotHappen,
    Composition,
    Decided,
    Situation,
)
from lab.model.invariants import Observed, breaches
from lab.model.script import Line, NotAScript
from scoria_conformance.world import StoreFactory
from scoria_core import ScoriaError
from scoria_core.errors import VersionConflict, safe_repr
from scoria_core.ports import Capability, IndexRow, OutboxStore, Record, RunStore
from scoria_core.run import Run
from scoria_core.run_index import key_of, row_of

_ANOTHER_RUN_ID = RUN_ID[:-1] + "f"
_LISTENER = "mail"
_LATER = datetime(9000, 1, 1, tzinfo=UTC)


@attrs.frozen
class Held:
    """What a caller has decided, and keeps until it commits: records, and what they build on.

    `run` is how they leave the run.
    """

    records: tuple[Record, ...]
    version: int
    run: Run


@attrs.define
class StoredRun:
    """The run of a walk in a real store, where its callers commit as `RunRepository` does.

    A listener is told all there is whenever the run has an even number of entries.
    """

    factory: StoreFactory
    directory: Path
    held: dict[int, Held] = attrs.field(factory=dict)
    told: int = 0
    store: RunStore = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.store = self.factory(self.directory)
        if Capability.OUTBOX in self.store.capabilities:
            cast(OutboxStore, self.store).add_listener(_LISTENER)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def hold(self, caller: int, held: Held) -> None:
        """Have a caller keep what it decided."""
        self.held[caller] = held

    def commit(self, caller: int) -> bool:
        """Commit what a caller holds, and tell whether the store took it."""
        held = self.held.pop(caller)
        try:
            return self._create(held) if held.version == 0 else self._append(held)
        except VersionConflict:
            return False

    def crash(self, caller: int) -> None:
        """Lose what a caller holds, and with it the process that had a durable store open."""
        self.held.pop(caller, None)
        if Capability.DURABLE in self.store.capabilities:
            self.store.close()
            self.store = self.factory(self.directory)

    def differences(self, situation: Situation) -> Iterator[str]:
        """Yield what differs, read back, from the run of the model, or breaks an invariant."""
        moment = situation.moment
        try:
            found = self.store.read([RUN_ID])
            records = [record for each in found for record in each.records]
            run = Run.replay(RUN_ID, records) if records else Run(RUN_ID)
        except ScoriaError as error:
            yield f"the store cannot tell the run: {error}"
            return
        if run != moment.run:
            yield f"the store has {run.version} entries, and {moment.run.version} were committed"
        elif moment.has_started:
            yield from map(str, breaches(Observed(run.detail(moment.now, None))))
            if found[0].row != _row_of(run):
                yield f"the store has the row {found[0].row}, and the run has {_row_of(run)}"

        if Capability.OUTBOX in self.store.capabilities:
            yield from self._untold(cast(OutboxStore, self.store), moment.run.version)

    def _untold(self, store: OutboxStore, version: int) -> Iterator[str]:
        """Yield what differs of what the listener has yet to be told, and tell it now and then."""
        found = [
            (each.run_id, each.delivered, each.version)
            for each in store.list_deliveries(_LISTENER, limit=9)
        ]
        expected = [(RUN_ID, self.told, version)] if self.told < version else []
        if found != expected:
            yield f"the store has {found} to tell, and {expected} is to be told"
        if expected and version % 2 == 0:
            claimed = store.claim_delivery(_LISTENER, now=_LATER, until=_LATER)
            if claimed is None or (claimed.delivered, claimed.version) != (self.told, version):
                yield f"the store has {claimed} claimed, and {expected} is to be told"
            elif not store.settle_delivery(claimed, attrs.evolve(claimed, delivered=version)):
                yield "the store does not settle what nobody else has claimed"
            self.told = version

    def _create(self, held: Held) -> bool:
        # Two starts with one key draw an id each; the run that is there is known by the other.
        run_id = _ANOTHER_RUN_ID if self.store.read([RUN_ID]) else RUN_ID
        key = attrs.evolve(key_of(held.run), run_id=run_id)
        return self.store.create(key, held.records, row=_row_of(held.run)) == run_id

    def _append(self, held: Held) -> bool:
        self.store.append(
            RUN_ID, held.records, expected_version=held.version, row=_row_of(held.run)
        )
        return True


def _row_of(run: Run) -> IndexRow:
    return row_of(run, run.journal[-1].at)


@attrs.define
class Walk:
    """A situation after another, from the first on; nothing is merged, so this is one history."""

    composition: Composition
    stored: StoredRun | None = None
    situation: Situation = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.situation = self.composition.initial()

    def take(self, action: Action) -> list[str]:
        """Let `action` happen, and return every breach, and every difference of the store.

        Raises `CannotHappen` where it cannot happen.
        """
        before = self.situation
        self.situation, found = self.composition.step(before, action)
        problems = [*map(str, found)]
        if self.stored is not None:
            try:
                problems += self._follow(self.stored, before, action)
            except Exception as error:  # noqa: BLE001 - whatever a store raises, it did not keep the run
                problems.append(f"the store raised {safe_repr(error, 200)}")
        return problems

    def _follow(self, stored: StoredRun, before: Situation, action: Action) -> Iterator[str]:
        if action.caller is not None:
            yield from self._acts(stored, before, action.deed, action.caller)
        yield from stored.differences(self.situation)

    def _acts(self, stored: StoredRun, before: Situation, deed: str, caller: int) -> Iterator[str]:
        was, phase = before.callers[caller - 1], self.situation.callers[caller - 1]
        if deed == CRASH:
            stored.crash(caller)
        elif deed == COMMIT and isinstance(was, Decided):
            is_due = was.result is not None
            if stored.commit(caller) != is_due:
                did = (
                    "refused a commit that nothing came before" if is_due else "took a late commit"
                )
                yield f"the store {did}"
        if isinstance(phase, Decided) and phase.result is not None:
            decision = self.composition.decide(self.situation.moment, phase.command)
            version = self.situation.moment.run.version
            stored.hold(caller, Held(decision.records, version, phase.result.run))


def replay(walk: Walk, script: Iterable[Line]) -> tuple[Line, list[str]] | None:
    """Walk a script, and return the first line with problems, and these; None without any.

    Raises `NotAScript` for a line that cannot happen where it stands.
    """
    for line in script:
        try:
            problems = walk.take(line.action)
        except CannotHappen as error:
            raise NotAScript(line.number, str(line.action), "cannot happen here") from error
        if problems:
            return line, problems
    return None
