"""Runs to fill a store with before it is measured: copies of two that were really worked.

A digest chains on the id of its run, so each copy is sealed anew. It has ids, a session and a time
of its own; what it says is otherwise the same.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import attrs

from lab.bench.candidates.scoria import ScoriaRuns
from lab.bench.unit import work
from scoria_core import Scoria
from scoria_core.journal import genesis
from scoria_core.ports import Record, StoredRun
from scoria_core.testing import CountedIds, SettableClock
from scoria_memory import MemoryStore

RUNS_A_SESSION = 10

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_SESSION = "the-session-of-the-first"


def finished(runs: int) -> Iterator[StoredRun]:
    """Yield so many runs that have ended, a second apart and ten to a session, oldest first."""
    return _copies(_worked(to_its_end=True), range(runs))


def waiting(runs: int, after: int) -> Iterator[StoredRun]:
    """Yield so many runs that wait for a person, begun when so many others had been."""
    return _copies(_worked(to_its_end=False), range(after, after + runs))


def session_of(number: int) -> str:
    """Return the session of the run of that number."""
    return f"session-{number // RUNS_A_SESSION}"


def _worked(*, to_its_end: bool) -> StoredRun:
    store = MemoryStore()
    scoria = Scoria(store, clock=SettableClock(_BEGIN), ids=CountedIds())
    candidate = ScoriaRuns(scoria, _SESSION)
    run_id = (work(candidate) if to_its_end else candidate.start()).run_id
    return store.read([run_id])[0]


def _copies(run: StoredRun, numbers: range) -> Iterator[StoredRun]:
    bodies = "\n".join(record.body for record in run.records)
    counted = run.key.run_id.partition("-")[0]  # what all ids begin with that were counted
    for number in numbers:
        session_id, at = session_of(number), _BEGIN + timedelta(seconds=number)

        def own(
            text: str, number: int = number, session_id: str = session_id, at: datetime = at
        ) -> str:
            text = text.replace(f"{counted}-", f"{number:08x}-").replace(_SESSION, session_id)
            return text.replace(_BEGIN.isoformat(), at.isoformat())

        run_id = own(run.key.run_id)
        key = attrs.evolve(run.key, run_id=run_id, session_id=session_id, created_at=at)
        row = attrs.evolve(run.row, since=at, labels=tuple(map(own, run.row.labels)))
        yield StoredRun(key, row, run.version, _sealed(run_id, own(bodies).split("\n")))


def _sealed(run_id: str, bodies: list[str]) -> tuple[Record, ...]:
    records, digest = [], genesis(run_id)
    for sequence, body in enumerate(bodies, start=1):
        digest = hashlib.sha256(f"{digest}\n{body}".encode()).hexdigest()
        records.append(Record(sequence, digest, body))
    return tuple(records)
