"""One trial in a process of its own: so many flows do W for so long, or W is counted.

`python -m lab.bench.trial TASK RESULT` reads the task from a file and writes the result to another.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from time import perf_counter

import attrs
import cattrs

from lab.bench.copies import finished
from lab.bench.finished import Fillable
from lab.bench.flows import Flows
from lab.bench.metering import metered
from lab.bench.place import Kind, Place
from lab.bench.unit import Candidate, work

FILLED = "filled"
"""The file that says that a place has its finished runs."""


@attrs.frozen
class Task:
    """What a trial does; a timed trial ends after `seconds`, or after `count` where it is given."""

    module: str
    place: Place
    seconds: float = 0
    count: int | None = None
    finished: int = 0
    counted: bool = False


@attrs.frozen
class Result:
    """What a trial found: how often W was done and how long it took, or what it costs in all."""

    works: int
    seconds: float
    commits: int | None = None
    statements: int | None = None
    bytes: int | None = None


def run(task: Task) -> Result:
    """Carry out a task; raises what the candidate raises, or `UndoneError`."""
    return _counted(task) if task.counted else _timed(task)


def is_filled(place: Place) -> bool:
    """Tell whether a place has its finished runs already."""
    return (place.directory / FILLED).exists()


def _timed(task: Task) -> Result:
    _fill_once(task)
    with _opened(task) as candidate:
        if not task.place.kind.lasts:
            _put(task, candidate)
        works, seconds = Flows(candidate, task.place.flows, task.seconds, task.count).run()
        return Result(works, seconds)


def _counted(task: Task) -> Result:
    works = task.count or 1
    with metered(task.place) as meter:
        with _opened(task) as candidate:
            work(candidate)
        small = _size(task.place)
        with _opened(task) as candidate:
            before, start = meter.count(), perf_counter()
            for _ in range(works):
                work(candidate)
            seconds, count = perf_counter() - start, meter.count().since(before)
        grown = None if small is None else (_size(task.place) or 0) - small
    return Result(works, seconds, count.commits, count.statements, grown)


def _fill_once(task: Task) -> None:
    """Put the finished runs where they last, once."""
    if task.place.kind.lasts and task.finished and not is_filled(task.place):
        with _opened(task) as candidate:
            _put(task, candidate)
        _settle(task.place)
        (task.place.directory / FILLED).touch()


def _put(task: Task, candidate: Candidate) -> None:
    if task.finished:
        assert isinstance(candidate, Fillable)
        candidate.fill(finished(task.finished))


def _settle(place: Place) -> None:
    """Have what was filled in written out now, not while W is measured."""
    if place.kind is Kind.POSTGRESQL:
        import_module("lab.bench.server").settle(place.database)
    os.sync()


@contextmanager
def _opened(task: Task) -> Iterator[Candidate]:
    candidate: Candidate = import_module(task.module).open_candidate(task.place)
    try:
        yield candidate
    finally:
        candidate.close()


def _size(place: Place) -> int | None:
    if not place.kind.lasts:
        return None
    if place.kind is Kind.POSTGRESQL:
        size: int = import_module("lab.bench.server").size(place.database)
        return size
    return sum(file.stat().st_size for file in place.directory.iterdir())


def main(task: str, result: str) -> None:
    """Carry out the task in one file and write what it found to another."""
    found = run(cattrs.structure(json.loads(Path(task).read_text()), Task))
    Path(result).write_text(json.dumps(cattrs.unstructure(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
