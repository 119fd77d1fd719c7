"""A shelf of finished runs, made once for all who want some.

A digest chains on the id of its run, so no run can be copied under another id: each of them was
really started, approved, resumed and completed, in memory and on every core.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from lab.bench.candidates.scoria import ScoriaRuns
from lab.bench.finished import FinishedRun, to_line
from lab.bench.unit import work
from scoria_core import Scoria
from scoria_core.ports import RunKey
from scoria_memory import MemoryStore

RUNS_A_SESSION = 10


def make_shelf(shelf: Path, runs: int) -> None:
    """Write `runs` finished runs, ten of them to a session."""
    sessions = range(-(-runs // RUNS_A_SESSION))
    with (
        shelf.open("w", encoding="utf-8") as file,
        ProcessPoolExecutor(mp_context=get_context("spawn")) as pool,
    ):
        for lines in pool.map(_session, sessions, chunksize=10):
            file.writelines(lines)


def _session(number: int) -> list[str]:
    return [to_line(run) for run in _finished(f"session-{number}")]


def _finished(session_id: str) -> Iterator[FinishedRun]:
    store = MemoryStore()
    candidate = ScoriaRuns(Scoria(store), session_id)
    for _ in range(RUNS_A_SESSION):
        run_id = work(candidate).run_id
        yield FinishedRun(RunKey(run_id, "tenant-1", session_id), tuple(store.read(run_id)))
