"""Workers beside those of peers on one PostgreSQL: `python -m lab.bench.workers` writes WORKERS.md.

A trial has a database of its own, and each worker is a process. A handler notes its number and the
time, and does nothing else; so what is measured is the queue. A round measures every candidate in
one condition before it goes on to the next, and each round begins with another candidate.
"""

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import click

from lab.bench.machine import processor
from lab.bench.server import database, drop, serving, settle
from lab.bench.server import version as server_version

OURS = "scoria"
CANDIDATES = {OURS: "scoria-kit", "procrastinate": "procrastinate", "pgqueuer": "pgqueuer"}
"""The modules of `queues`, and the distribution that each measures."""

WORKERS = (1, 2, 4)
STEPS = 1_000
"""How many steps are there when workers begin whose pace is measured."""

SINGLES = 60
"""How many steps are queued one after the other, each when the one before was claimed."""

LONG = 10_000
"""So many steps are waited for once, in the last round: a peer takes minutes for them."""

PATIENCE = 500
PLACE = "scoria_bench_queue_"
NOTE = struct.Struct("=Id")
HERE = Path(__file__).parent


@attrs.frozen
class Found:
    """What a trial found: steps a second, or milliseconds from queued to entered."""

    candidate: str
    condition: str
    values: Mapping[str, float]


@attrs.define
class Crew:
    """Workers of one candidate at work on one database."""

    candidate: str
    url: str
    directory: Path
    processes: list[subprocess.Popen[str]] = attrs.field(factory=list)

    def hire(self, count: int) -> None:
        """Start so many workers."""
        for _ in range(count):
            notes = str(self.directory / str(len(self.processes)))
            command = [sys.executable, "-m", "lab.bench.workers", "--work", self.candidate]
            command += ["--url", self.url, "--notes", notes]
            self.processes.append(
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            )

    def notes(self) -> list[list[tuple[int, float]]]:
        """Return what each worker noted so far: a number, and when its handler was entered."""
        texts = [path.read_bytes() for path in sorted(self.directory.iterdir())]
        whole = [text[: len(text) // NOTE.size * NOTE.size] for text in texts]
        return [list(NOTE.iter_unpack(text)) for text in whole]

    def until(self, count: int) -> list[list[tuple[int, float]]]:
        """Wait until so many steps were entered."""
        ends = time.monotonic() + PATIENCE
        while sum(map(len, found := self.notes())) < count:
            if time.monotonic() > ends:
                raise click.ClickException(f"{self.candidate} did not do {count} steps in time")
            time.sleep(0.002)
        return found

    def meet(self, put: Callable[[int], None]) -> int:
        """Queue steps until each of the workers has entered one; return how many these were."""
        ends, queued = time.monotonic() + PATIENCE, 0
        while len(found := self.notes()) < len(self.processes) or not all(found):
            if time.monotonic() > ends:
                raise click.ClickException(f"a worker of {self.candidate} entered no step in time")
            put(STEPS + queued)
            queued += 1
            time.sleep(0.05)
        self.until(queued)
        return queued

    def tell(self, signal_: signal.Signals) -> None:
        """Send a signal to each of the workers."""
        for each in self.processes:
            each.send_signal(signal_)

    def dismiss(self) -> list[str]:
        """Stop the workers, and return what each said."""
        for each in self.processes:
            each.terminate()
        said = []
        for each in self.processes:
            try:
                said.append(each.communicate(timeout=20)[0])
            except subprocess.TimeoutExpired:
                each.kill()
                said.append(each.communicate()[0])
        return said


@contextmanager
def _crew(candidate: str, server: str) -> Iterator[Crew]:
    drop(server, PLACE)
    url = database(server, PLACE + candidate)
    _queue(candidate).prepare(url)
    with TemporaryDirectory() as directory:
        crew = Crew(candidate, url, Path(directory))
        try:
            yield crew
        finally:
            crew.dismiss()


def _queue(candidate: str) -> Any:
    return import_module(f"lab.bench.queues.{candidate}")


def pace(candidate: str, server: str, workers: int) -> Found:
    """Measure steps a second, by workers that were all at work before they are queued."""
    with _crew(candidate, server) as crew:
        crew.hire(workers)
        with _queue(candidate).filling(crew.url) as put:
            met = crew.meet(put)
            crew.tell(signal.SIGSTOP)
            for number in range(STEPS):
                put(number)
        settle(crew.url)
        crew.tell(signal.SIGCONT)
        found = crew.until(met + STEPS)
        said = crew.dismiss()
    entered = sorted(at for notes in found for number, at in notes if number < STEPS)
    values = {"steps": float(met + STEPS), "steps/s": STEPS / (entered[-1] - entered[0])}
    if candidate == OURS:
        looks, writes, conflicts = map(
            sum, zip(*(map(int, each.split()) for each in said), strict=True)
        )
        values |= {"looks": looks, "writes": writes, "conflicts": conflicts}
    return Found(candidate, f"{workers} workers", values)


def latency(candidate: str, server: str, waiting: int) -> Found:
    """Measure how long steps wait that are queued in one go, or one by one, for an idle worker."""
    count = SINGLES if waiting == 1 else waiting
    queued: list[float] = []
    with _crew(candidate, server) as crew, _queue(candidate).filling(crew.url) as put:
        crew.hire(1)
        put(0)
        crew.until(1)
        time.sleep(1.5)
        for number in range(1, count + 1):
            put(number)
            queued.append(time.time())
            if waiting == 1:
                crew.until(number + 1)
                time.sleep(0.02)
        found = crew.until(count + 1)
    waits = [1000 * (at - queued[n - 1]) for notes in found for n, at in notes if n]
    values = {"median": median(waits), "p99": quantiles(waits, n=100)[98]}
    words = "one by one" if waiting == 1 else f"{waiting:,} in one go"
    return Found(candidate, words, values)


def measured(server: str, rounds: int, waiting: Sequence[int]) -> Iterator[Found]:
    """Yield what each trial found."""
    names = list(CANDIDATES)
    for number in range(rounds):
        turn = names[number % len(names) :] + names[: number % len(names)]
        for count in WORKERS:
            yield from (pace(each, server, count) for each in turn)
        for count in waiting:
            if count >= LONG and number < rounds - 1:
                continue
            yield from (latency(each, server, count) for each in turn)


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--rounds", default=3, show_default=True)
@click.option("--waiting", default="1,100,10000", show_default=True)
@click.option("--out", default=str(HERE / "WORKERS.md"), type=click.Path(path_type=Path))
@click.option("--work", hidden=True)
@click.option("--url", hidden=True)
@click.option("--notes", hidden=True)
def main(
    rounds: int, waiting: str, out: Path, work: str | None, url: str | None, notes: str | None
) -> None:
    """Measure, or be one of the workers."""
    if work is not None:
        log = os.open(str(notes), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        _queue(work).work(url, lambda number: os.write(log, NOTE.pack(number, time.time())))
        return
    found: list[Found] = []
    with serving() as server:
        for each in measured(server, rounds, [int(count) for count in waiting.split(",")]):
            told = ", ".join(f"{name} {value:,.1f}" for name, value in each.values.items())
            click.echo(f"{each.candidate}, {each.condition}: {told}")
            found.append(each)
            out.write_text(report(found, rounds, f"PostgreSQL {server_version(server)}"), "utf-8")
        drop(server, PLACE)


TIMES = "Scoria \N{MULTIPLICATION SIGN}"
PREAMBLE = """# Workers beside those of peers

{day}, on {cores} cores of {processor}, {server}, shared with other work. Median of {rounds}
rounds, in which the candidates took turns; {long:,} in one go were measured in the last alone.
"{times}" is ours beside the peer in the same round: above 1, ours is faster.
[README.md](README.md) tells what is measured.
"""


def report(found: Sequence[Found], rounds: int, server: str) -> str:
    """Return the tables: medians of the rounds, and ours beside each peer."""
    peers = [each for each in CANDIDATES if each != OURS]
    heads = [f"{name} {_version(of)}" for name, of in CANDIDATES.items()]
    lines = [
        PREAMBLE.format(
            day=f"{datetime.now(UTC):%Y-%m-%d}",
            cores=os.cpu_count(),
            processor=processor(),
            server=server,
            rounds=rounds,
            long=LONG,
            times=TIMES,
        ),
        f"| | {' | '.join([*heads, *(f'{TIMES} {each}' for each in peers)])} |",
        "|---|" + "--:|" * (len(heads) + len(peers)),
    ]
    for condition in dict.fromkeys(each.condition for each in found):
        of = {name: _values(found, name, condition) for name in CANDIDATES}
        for what in ("steps/s", "median", "p99"):
            if any(what in each for each in of[OURS]):
                told = {name: [each[what] for each in values] for name, values in of.items()}
                lines.append(_row(condition, what, told))
    lines.append(f"\n{_conflicts(found)}")
    return "\n".join(lines) + "\n"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _values(found: Sequence[Found], name: str, condition: str) -> list[Mapping[str, float]]:
    of = (name, condition)
    return [each.values for each in found if (each.candidate, each.condition) == of]


def _conflicts(found: Sequence[Found]) -> str:
    """Say how many of our writes came too late, as another worker had been first."""
    told = []
    for count in WORKERS:
        values = _values(found, OURS, f"{count} workers")
        if values:
            part = sum(each["conflicts"] for each in values) / sum(
                each["writes"] for each in values
            )
            told.append(f"{part:.1%} with {count}")
    return f"Of the writes of our workers another had been first at {', '.join(told)}."


def _row(condition: str, what: str, of: Mapping[str, Sequence[float]]) -> str:
    told = [f"{condition}, {what}" if what == "steps/s" else f"{condition}, {what} ms"]
    told += [f"{median(values):,.1f}" if values else "" for values in of.values()]
    for name, values in of.items():
        if name != OURS:
            pairs = list(zip(of[OURS], values, strict=False))
            faster = [a / b if what == "steps/s" else b / a for a, b in pairs]
            told.append(f"{median(faster):.3g}" if faster else "")
    return f"| {' | '.join(told)} |"


if __name__ == "__main__":
    main()
