"""What a call costs as a store grows: `python -m lab.bench.growth` fills stores and times calls.

Each store is filled and measured in a process of its own, so that its memory is its own.
"""

import resource
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar

import attrs
import click

from lab.bench.__main__ import numbers
from lab.bench.candidates.scoria import FillableRuns, open_candidate
from lab.bench.copies import RUNS_A_SESSION, finished, session_of, waiting
from lab.bench.finished import in_parts
from lab.bench.markdown import rendered
from lab.bench.place import Kind, Place
from lab.bench.rounds import server
from scoria_core import StepSpec
from scoria_core.lifecycles import RunStatus
from scoria_core.ports import StoredRun
from scoria_duckdb.journal_rows import Write

T = TypeVar("T")

RUNS_A_STATEMENT = 5_000

WAITING = 10_000
"""How many runs wait for a person beside the finished ones, where there are as many of these."""

A_PAGE = 50

MOST_IN_MEMORY = 10_000
"""With how many finished runs the store in memory is measured at most: a million take 8 GB."""

TIMES = 40
"""How often each call is timed; the median counts."""

KINDS = [kind.value for kind in Kind]


@attrs.frozen
class Calls:
    """What an opened store took: milliseconds of each call, by name, and what opening it cost."""

    milliseconds: dict[str, float]
    pages: dict[str, float]
    open_seconds: float
    open_megabytes: float
    megabytes: float


@attrs.frozen
class Grown:
    """What was found in a store with so many finished runs."""

    kind: Kind
    runs: int
    calls: Calls


def fill(place: Place, runs: int) -> None:
    """Put finished runs in a store, and those that wait."""
    with opened(place) as candidate:
        if place.kind is Kind.DUCKDB:
            _fill_duckdb(candidate.store, _filling(runs))
        else:
            candidate.fill(_filling(runs))


def _filling(runs: int) -> Iterator[StoredRun]:
    yield from finished(runs)
    yield from waiting(min(runs, WAITING), after=runs)


def _fill_duckdb(store: Any, runs: Iterable[StoredRun]) -> None:
    """Store many runs with each statement, and checkpoint once: else a million take an hour."""
    writer = store._file._writer
    writer.execute("SET wal_autocheckpoint = '100GB'; SET memory_limit = '4GB'")
    for some in in_parts(runs, RUNS_A_STATEMENT):
        store._file._commit([Write(run.key, run.row, run.records, 0) for run in some])
    writer.execute("CHECKPOINT")


def measure(place: Place, runs: int) -> Calls:
    """Open a store and time its calls."""
    start = perf_counter()
    with opened(place) as candidate:
        open_seconds, open_megabytes = perf_counter() - start, _megabytes()
        if not place.kind.lasts:
            candidate.fill(_filling(runs))
        pages = {name: timed(call) for name, call in _pages(candidate, runs)}
        calls = {name: timed(call) for name, call in _calls(candidate, runs)}
        return Calls(calls, pages, open_seconds, open_megabytes, _megabytes())


def long_run(place: Place, entries: Sequence[int]) -> dict[int, float]:
    """Return the milliseconds of an append to a run, by how many entries it has."""
    with opened(place) as candidate:
        scoria = candidate.scoria
        identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="long")
        run_id = scoria.start_run(
            identity, root_role_id="executor", initial_step=_NOTE, handlers={}
        ).run_id
        found: dict[int, float] = {}
        for many in entries:
            while scoria.add_step(run_id, _NOTE, handlers={}).version < many:
                pass
            found[many] = timed(lambda: scoria.add_step(run_id, _NOTE, handlers={}))
        return found


@contextmanager
def opened(place: Place) -> Iterator[FillableRuns]:
    """Open the store of a place."""
    candidate = open_candidate(place)
    try:
        yield candidate
    finally:
        candidate.close()


def timed(call: Callable[[], object]) -> float:
    """Return the median milliseconds of a call."""
    call()
    spent = []
    for _ in range(TIMES):
        start = perf_counter()
        call()
        spent.append(perf_counter() - start)
    return 1_000 * median(spent)


_NOTE = StepSpec(kind="note", role_id="executor")


def _calls(candidate: FillableRuns, runs: int) -> Iterator[tuple[str, Callable[[], object]]]:
    scoria = candidate.scoria
    paused = iter([candidate.start() for _ in range(2 * TIMES + 2)])
    approved = []

    def approve() -> None:
        approved.append(next(paused))
        candidate.approve(approved[-1])

    yield "start", candidate.start
    yield "approve", approve
    yield "resume", lambda: candidate.resume(approved.pop())
    turns = iter(_some_of_the_old(candidate, runs) * (TIMES + 1))
    yield "page of an old run", lambda: scoria.get_run_detail(next(turns))


def _pages(candidate: FillableRuns, runs: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what lists runs or requests for a tenant, a page of 50 where nothing else is said."""
    view = candidate.scoria.for_tenant("tenant-1")
    yield "inbox", view.list_approvals
    yield "of a tool", lambda: view.list_approvals(tool_name="send_refund")
    after = _hundredth(lambda at: view.list_approvals(limit=99 * A_PAGE // 5, after=at).next)
    yield "100th", lambda: view.list_approvals(after=after)
    yield "count", view.count_approvals
    for status in (RunStatus.WAITING_FOR_APPROVAL, RunStatus.COMPLETED, RunStatus.FAILED):
        yield status, lambda status=status: view.list_runs(status=status)  # type: ignore[misc]
    yield "counts", view.count_runs
    sessions = iter(_sessions(runs, first=1) * (TIMES + 1))
    yield "session", lambda: view.list_runs_for_session(next(sessions))
    yield "tenant", view.list_runs
    before = _hundredth(lambda at: view.list_runs(limit=99 * A_PAGE // 5, before=at).next)
    yield "100th of the tenant", lambda: view.list_runs(before=before)
    by_two = {"actor_id": "user-1", "status": "waiting_for_approval"}
    yield "by two facts", lambda: view.list_runs(**by_two)  # type: ignore[arg-type]


def _hundredth(next_of: Callable[[str | None], str | None]) -> str | None:
    """Return where the hundredth page begins, or the last fifth of what comes before it."""
    at: str | None = None
    for _ in range(5):
        at = next_of(at) or at
    return at


def _some_of_the_old(candidate: FillableRuns, runs: int) -> list[str]:
    """Return runs that were there before, each of another session, and none of them read yet."""
    return [
        run.run_id
        for session_id in _sessions(runs)
        for run in candidate.scoria.list_runs_for_session(session_id, limit=1)
    ]


def _sessions(runs: int, first: int = 0) -> list[str]:
    """Return sessions far apart, or that of the candidate where no run was there before."""
    if not runs:
        return ["session-1"]
    sessions = runs // RUNS_A_SESSION
    step = sessions // TIMES or 1
    return [session_of(RUNS_A_SESSION * number) for number in range(first, sessions, step)]


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(work: Callable[..., T], *arguments: object) -> T:
    """Do one piece of work in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def grown(kind: Kind, sizes: Sequence[int], root: Path, url: str) -> Iterator[Grown]:
    """Yield what was found at each size of one kind of store."""
    for runs in (each for each in sizes if kind.lasts or each <= MOST_IN_MEMORY):
        with _place(kind, root, url) as place:
            if kind.lasts and runs:
                in_a_process(fill, place, runs)
            yield Grown(kind, runs, in_a_process(measure, place, runs))


def report(found: Sequence[Grown], long: Mapping[Kind, Mapping[int, float]]) -> str:
    """Return the findings as Markdown."""
    told = {"times": TIMES, "waiting": WAITING, "page": A_PAGE}
    return rendered("GROWTH.md", found=found, long=long, **told)


@contextmanager
def _place(kind: Kind, root: Path, url: str) -> Iterator[Place]:
    directory = root / kind
    directory.mkdir()
    name = f"{root.name}_{kind}"
    try:
        yield Place(kind, directory, 1, server().database(url, name) if url else "")
    finally:
        shutil.rmtree(directory)
        if url:
            server().drop(url, name)


@contextmanager
def _serving(kind: Kind) -> Iterator[str]:
    if kind is not Kind.POSTGRESQL:
        yield ""
        return
    with server().serving() as url:
        yield url


@click.command(context_settings={"max_content_width": 100})
@click.option("--only", multiple=True, type=click.Choice(KINDS), help="Measure this store.")
@click.option(
    "--runs", default="0,10000,1000000", show_default=True, callback=numbers, help="How many."
)
@click.option(
    "--entries", default="10,100,1000,10000", show_default=True, callback=numbers, help="In a run."
)
@click.option("--report", "to", type=click.Path(path_type=Path), help="Where to keep it.")
def main(
    only: tuple[str, ...],
    runs: tuple[int, ...],
    entries: tuple[int, ...],
    to: Path | None,
) -> None:
    """Measure what calls cost with so many finished runs, and with so many entries in a run."""
    found: list[Grown] = []
    long: dict[Kind, Mapping[int, float]] = {}
    with TemporaryDirectory() as directory:
        root = Path(directory)
        for kind in map(Kind, only or KINDS):
            with _serving(kind) as url:
                for each in grown(kind, runs, root, url):
                    click.echo(str(each), err=True)
                    found.append(each)
                with _place(kind, root, url) as place:
                    long[kind] = in_a_process(long_run, place, entries)
    text = report(found, long)
    click.echo(text)
    if to is not None:
        (to / "GROWTH.md").write_text(text, encoding="utf-8")
        # Imported here: processes whose memory is measured import this module, and need no plot.
        from lab.bench.growth_plot import draw

        draw(found, long, to / "growth.svg")


if __name__ == "__main__":
    main()
