"""Finished runs on a shelf, to fill a store with before it is measured."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import attrs

from scoria_core.ports import Record, RunKey

T = TypeVar("T")


@attrs.frozen
class FinishedRun:
    """A run with all of its records."""

    key: RunKey
    records: tuple[Record, ...]


@runtime_checkable
class Fillable(Protocol):
    """A candidate that can take over runs that ended before."""

    def fill(self, finished: Iterable[FinishedRun]) -> None:
        """Store finished runs as if they had been worked here."""
        ...


def to_line(run: FinishedRun) -> str:
    """Return a run as a line of a shelf."""
    records = [attrs.astuple(record) for record in run.records]
    return json.dumps([attrs.astuple(run.key), records]) + "\n"


def take(shelf: Path, runs: int) -> Iterator[FinishedRun]:
    """Yield the first runs of a shelf; raises `ValueError` where it has fewer."""
    with shelf.open(encoding="utf-8") as file:
        for _ in range(runs):
            yield _from_line(file.readline())


def _from_line(line: str) -> FinishedRun:
    key, records = json.loads(line)
    return FinishedRun(RunKey(*key), tuple(Record(*record) for record in records))


def in_parts(many: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size`, so that no more than one is in memory."""
    iterator = iter(many)
    while some := list(islice(iterator, size)):
        yield some
