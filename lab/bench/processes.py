"""W of several processes on one PostgreSQL: `python -m lab.bench.processes` writes PROCESSES.md.

Each process is a host of its own, with its own connections and threads. They begin together, on one
database, and Scoria and the raw store take turns in each round.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.managers import SyncManager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Barrier, BrokenBarrierError

import attrs
import click
import matplotlib as mpl
from matplotlib.figure import Figure

from lab.bench.__main__ import numbers
from lab.bench.catalogue import BY_NAME
from lab.bench.flows import Flows
from lab.bench.machine import processor
from lab.bench.markdown import rendered
from lab.bench.place import Kind, Place
from lab.bench.plot import STYLE
from lab.bench.server import database, drop, serving
from lab.bench.server import version as server_version
from lab.bench.unit import Candidate, work
from scoria_core.conflicts import CONFLICTS

NAMES = ("scoria-postgresql", "raw-postgresql")
PREFIX = "scoria_bench_processes"
PATIENCE = 60
"""How many seconds processes wait for each other to begin."""

HERE = Path(__file__).parent


@attrs.frozen
class Found:
    """What so many processes did together in one round."""

    name: str
    processes: int
    works_per_second: float
    conflicts: int


def host(name: str, place: Place, seconds: float, together: Barrier) -> tuple[float, int]:
    """Do W in this process from when all are ready; return W a second, and its conflicts."""
    candidate: Candidate = import_module(BY_NAME[name].module).open_candidate(place)
    try:
        work(candidate)
        together.wait(PATIENCE)
        works, took = Flows(candidate, place.flows, seconds).run()
    except BaseException:
        together.abort()
        raise
    finally:
        candidate.close()
    return works / took, CONFLICTS.count


def measured(
    url: str, counts: Sequence[int], rounds: int, flows: int, seconds: float
) -> Iterator[Found]:
    """Yield what each number of processes did, round by round."""
    context = get_context("spawn")
    with context.Manager() as manager, TemporaryDirectory() as directory:
        for number in range(rounds):
            for count in counts:
                for name in NAMES if number % 2 == 0 else reversed(NAMES):
                    try:
                        place = Place(
                            Kind.POSTGRESQL, Path(directory), flows, database(url, PREFIX)
                        )
                        yield _together(manager, name, place, count, seconds)
                    finally:
                        drop(url, PREFIX)


def _together(manager: SyncManager, name: str, place: Place, count: int, seconds: float) -> Found:
    import_module(BY_NAME[name].module).open_candidate(place).close()  # the tables are made once
    together = manager.Barrier(count)
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        hosts = [pool.submit(host, name, place, seconds, together) for _ in range(count)]
        errors = [error for each in hosts if (error := each.exception())]
    # Who only waited for one that failed says nothing of what went wrong.
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    said = [each.result() for each in hosts]
    return Found(name, count, sum(rate for rate, _ in said), sum(each for _, each in said))


@attrs.frozen
class Row:
    """What so many processes did: medians of the rounds, and all conflicts of them."""

    processes: int
    ours: float
    raw: float
    ratio: float
    conflicts: int


def rows_of(found: Sequence[Found]) -> list[Row]:
    """Return a row for each number of processes."""
    rows = []
    for count in sorted({each.processes for each in found}):
        some = [each for each in found if each.processes == count]
        ours, raw = ([e.works_per_second for e in some if e.name == name] for name in NAMES)
        ratio = median(one / other for one, other in zip(ours, raw, strict=True))
        conflicts = sum(each.conflicts for each in some)
        rows.append(Row(count, median(ours), median(raw), ratio, conflicts))
    return rows


def report(rows: Sequence[Row], **told: object) -> str:
    """Return the rows as Markdown; `told` is what else the template says."""
    on = datetime.now(UTC).date()
    return rendered("PROCESSES.md", rows=rows, on=on, processor=processor(), **told)


def draw(rows: Sequence[Row], file: Path) -> None:
    """Draw W a second by the number of processes, a line for each candidate, as SVG."""
    counts = [row.processes for row in rows]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 3.5))
        panel = figure.subplots()
        panel.plot(counts, [row.ours for row in rows], marker="o", label=BY_NAME[NAMES[0]].label)
        panel.plot(counts, [row.raw for row in rows], marker="o", label=BY_NAME[NAMES[1]].label)
        panel.set_xticks(counts)
        panel.set_xlabel("processes")
        panel.set_ylabel("W a second")
        panel.set_ylim(bottom=0)
        panel.grid(axis="y", color="#dddddd")
        panel.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(file, metadata={"Date": None})


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--processes", default="1,2,4,8", show_default=True, callback=numbers)
@click.option("--flows", default=8, show_default=True, help="In each process.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=3.0, show_default=True)
@click.option("--report", "to", type=click.Path(path_type=Path), default=HERE)
def main(processes: Sequence[int], flows: int, rounds: int, seconds: float, to: Path) -> None:
    """Measure, and write PROCESSES.md with its picture."""
    found = []
    with serving() as url:
        for each in measured(url, processes, rounds, flows, seconds):
            click.echo(str(each), err=True)
            found.append(each)
        server = server_version(url)
    rows = rows_of(found)
    text = report(rows, flows=flows, rounds=rounds, server=server)
    click.echo(text)
    (to / "PROCESSES.md").write_text(text, encoding="utf-8")
    draw(rows, to / "processes.svg")


if __name__ == "__main__":
    main()
