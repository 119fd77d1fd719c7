"""All candidates, round by round, each trial in a fresh process: ratios are side by side."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TypeVar

import attrs
import cattrs

from lab.bench.catalogue import BY_NAME
from lab.bench.machine import machine
from lab.bench.place import Kind, Place
from lab.bench.plan import Condition, Cost, Findings, Plan, Rate
from lab.bench.trial import Result, Task, is_filled

PATIENCE = 3_600
"""How many seconds a trial may take; the first of a place also fills it."""

T = TypeVar("T")
Tell = Callable[[str], object]


class TrialFailedError(Exception):
    """A trial did not come to its end; the message has what it said last."""


@attrs.frozen
class Rounds:
    """The trials of a plan, below a directory and beside a PostgreSQL server, if there is one."""

    plan: Plan
    names: Sequence[str]
    root: Path
    server: str

    def rates(self) -> Iterator[Rate]:
        """Measure each condition once a round, beginning with another candidate every time."""
        for number in range(self.plan.rounds):
            turn = number % len(self.names)
            for condition in self._conditions([*self.names[turn:], *self.names[:turn]]):
                yield Rate(condition, number + 1, self._timed(condition))

    def costs(self) -> Iterator[Cost]:
        """Count what W costs, candidate by candidate."""
        for name in self.names:
            with self._place(Condition(name, 0, 1)) as place:
                module = BY_NAME[name].module
                found = in_a_process(Task(module, place, count=self.plan.counted, counted=True))
            totals = (found.commits, found.statements, found.bytes)
            yield Cost(name, *(None if each is None else each / found.works for each in totals))

    def _conditions(self, names: Sequence[str]) -> Iterator[Condition]:
        for finished in self.plan.finished:
            for flows in self.plan.flows:
                for name in names:
                    if finished == 0 or BY_NAME[name].fills:
                        yield Condition(name, finished, flows)

    def _timed(self, condition: Condition) -> float:
        with self._place(condition) as place:
            task = Task(
                BY_NAME[condition.name].module,
                place,
                seconds=self.plan.seconds,
                count=self.plan.count,
                finished=condition.finished,
            )
            if condition.finished and place.kind.lasts and not is_filled(place):
                in_a_process(attrs.evolve(task, count=0))  # who fills a place is not who is timed
            found = in_a_process(task)
        return found.works / found.seconds

    @contextmanager
    def _place(self, condition: Condition) -> Iterator[Place]:
        """Yield a place; an empty one is made anew each time, a filled one is kept for the next."""
        kind = BY_NAME[condition.name].kind
        directory = self.root / f"{condition.name}-{condition.finished}"
        directory.mkdir(exist_ok=True)
        name = f"{self.root.name}_{directory.name}"
        database = server().database(self.server, name) if kind is Kind.POSTGRESQL else ""
        try:
            yield Place(kind, directory, condition.flows, database)
        finally:
            if condition.finished == 0:
                shutil.rmtree(directory)
                if database:
                    server().drop(self.server, name)


def bench(plan: Plan, tell: Tell) -> Findings:
    """Carry out a plan, telling what is found as it goes.

    Raises `TrialFailedError` where a candidate cannot do W.
    """
    skipped = {name: why for name in plan.names if (why := BY_NAME[name].missing())}
    for name, why in skipped.items():
        tell(f"{name} is skipped: {why}")
    names = [name for name in plan.names if name not in skipped]
    with TemporaryDirectory() as directory, _serving(names, Path(directory)) as url:
        root = Path(directory)
        rounds = Rounds(plan, names, root, url)
        costs = tuple(_told(rounds.costs(), tell))
        rates = tuple(_told(rounds.rates(), tell))
        return Findings(plan, rates, costs, skipped, machine(names, root, url))


@contextmanager
def _serving(names: Sequence[str], root: Path) -> Iterator[str]:
    if not any(BY_NAME[name].kind is Kind.POSTGRESQL for name in names):
        yield ""
        return
    with server().serving() as url:
        try:
            yield url
        finally:
            server().drop(url, root.name)


def server() -> ModuleType:
    """Return the module that needs PostgreSQL's driver, which not everyone has."""
    return import_module("lab.bench.server")


def in_a_process(task: Task) -> Result:
    """Carry out a task in a process of its own."""
    asked, found = (task.place.directory.with_suffix(end) for end in (".task", ".result"))
    asked.write_text(json.dumps(cattrs.unstructure(task)))
    command = [sys.executable, "-m", "lab.bench.trial", str(asked), str(found)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if ran.returncode:
        raise TrialFailedError(f"{task.place.directory.name}: {ran.stderr[-2000:]}")
    return cattrs.structure(json.loads(found.read_text()), Result)


def _told(found: Iterator[T], tell: Tell) -> Iterator[T]:
    for each in found:
        tell(str(each))
        yield each
