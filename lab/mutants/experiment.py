"""Mutants put through the features, each in a process of its own, forked when all is collected.

A mutant ends with its process, so that none can meet another, and none can change what the
features say: those were read before.
"""

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import zip_longest
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Protocol

import attrs
import pytest

from lab.mutants.pace import hurry
from scoria_conformance.host import HostRefused
from scoria_conformance.plugin import CHECKS
from scoria_conformance.verdict import Check, Status
from scoria_conformance.verify import SUITES, environment, pytest_arguments
from scoria_core.errors import ScoriaError, TransitionRefused

PATIENCE = 600
"""How many seconds the features may take with one mutant."""

KILLERS = (AssertionError, TransitionRefused)
"""What a scenario kills by; whatever else goes wrong in it tells nothing about the mutant."""

REFUSALS = (AssertionError, ScoriaError, HostRefused, pytest.fail.Exception)
"""What it kills an adapter or a host by, which may refuse in every way there is."""

_FORK = multiprocessing.get_context("fork")


class Mutant(Protocol):
    """A change of the code under test; the scenarios tagged `clause` are those most about it."""

    @property
    def clause(self) -> str:
        """A tag of the features, or none."""
        ...

    def apply(self) -> None:
        """Make the change in this process."""
        ...


@attrs.frozen
class Unchanged:
    """The canary: it changes nothing, so every scenario must hold."""

    clause: str = ""

    def apply(self) -> None:
        """Leave everything as it is."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    ELSEWHERE = "died for another clause"
    UNKNOWN = "could not tell"


@attrs.frozen
class Meeting:
    """A scenario that a mutant met; `fair` where the scenario failed by what it asserts."""

    node: str
    check: Check
    fair: bool
    seconds: float

    @property
    def broke(self) -> bool:
        """Tell whether the scenario does not hold, or could not be run."""
        return self.check.status not in (Status.PASSED, Status.NOT_APPLICABLE)

    @property
    def killed(self) -> bool:
        """Tell whether the scenario found something that does not hold."""
        return self.fair and self.check.status == Status.FAILED


@attrs.frozen
class Finding:
    """What became of one mutant; `scenario` failed with it, and said `reason`.

    `met` are the scenarios it was put through, where it was put through more than its first kill.
    """

    mutant: Mutant
    fate: Fate
    scenario: str = ""
    reason: str = ""
    met: tuple[Meeting, ...] = ()


@attrs.frozen
class Trial:
    """One mutant at work in a process of its own."""

    mutant: Mutant
    process: ForkProcess
    answer: Connection
    begun: float = attrs.field(factory=time.monotonic)

    @classmethod
    def start(cls, mutant: Mutant, judge: Callable[[Mutant], Finding]) -> "Trial":
        """Fork a process that sends what `judge` finds."""
        answer, sending = _FORK.Pipe(duplex=False)

        def child() -> None:
            os.setsid()
            sending.send(_without_mutant(judge(mutant)))

        process = _FORK.Process(target=child)
        process.start()
        sending.close()
        return cls(mutant, process, answer)

    @property
    def deadline(self) -> float:
        """When it has no time left."""
        return self.begun + PATIENCE

    def end(self) -> Finding:
        """Return what was found; a process that crashed or hangs has found nothing."""
        if not self.answer.poll():
            self.stop()
            finding = self._unknown(f"did not end within {PATIENCE} seconds")
        else:
            finding = self._received()
        self.process.join()
        return finding

    def stop(self) -> None:
        """Kill the process, and those that its scenarios have begun."""
        assert self.process.pid is not None, "it was started"
        with suppress(ProcessLookupError):  # it has not come to lead a group of its own yet
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()

    def _received(self) -> Finding:
        try:
            finding: Finding = self.answer.recv()
        except EOFError:
            return self._unknown("its process crashed")
        return attrs.evolve(finding, mutant=self.mutant)

    def _unknown(self, reason: str) -> Finding:
        return Finding(self.mutant, Fate.UNKNOWN, reason=reason)


@attrs.define
class Experiment:
    """A pytest plugin that runs what was collected once for each mutant.

    `canary` is what became of the unchanged code; no mutant is tried unless all holds with it.
    `begun` hears of it then, and `tell` of each finding as it comes in. `hand_written` leaves the
    generated scenarios out. A mutant runs up to its first kill; or, where `judged` is given,
    through every scenario that `meets` lets it, and `judged` says what became of it. It meets them
    in the order of `rank`, or those of its clause first. `at_once` many are tried at a time.
    """

    mutants: Sequence[Mutant]
    tell: Callable[[Finding], None]
    hand_written: bool = False
    at_once: int = os.cpu_count() or 1
    meets: Callable[[Mutant, pytest.Item], bool] = lambda *_: True
    judged: Callable[[Mutant, Iterable[Meeting]], Finding] | None = None
    rank: Callable[[Mutant, pytest.Item], Any] = lambda mutant, item: (
        mutant.clause not in item.keywords
    )
    begun: Callable[[Finding], None] = lambda _: None
    canary: Finding = Finding(Unchanged(), Fate.UNKNOWN, reason="the features were not run")
    findings: list[Finding] = attrs.field(factory=list)
    _raised: BaseException | None = None

    def run(self, target: str, page: str | None = None, suite: str | None = None) -> None:
        """Collect the features against `target` in this process, and try all.

        `page` names, as `module:name`, what makes the evidence page of a facade, and `suite` one of
        `SUITES`, or None for all. The process is then used up: call it in one that does nothing
        else.
        """
        os.environ.clear()
        os.environ.update(environment())
        told = [f"--scoria-target={target}", *([f"--scoria-page={page}"] if page else [])]
        told += ["-m", SUITES[suite]] if suite else []
        # Nothing that is printed belongs to one mutant alone, and no directory outlives its test.
        quiet = ["-s", "-p", "no:terminal", "-o", "tmp_path_retention_policy=none"]
        pytest.main([*pytest_arguments(), *told, *quiet], plugins=[self])

    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep what a scenario says short: to tell it all takes longer than the scenario."""
        config.option.tbstyle = "short"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep why the features could not be read."""
        if report.failed:
            self.canary = attrs.evolve(self.canary, reason=str(report.longrepr))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the generated scenarios first, which kill soonest, or leave them out."""
        items.sort(key=lambda item: "lifecycles" not in item.keywords)
        if self.hand_written:
            items[:] = [item for item in items if "lifecycles" not in item.keywords]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the canary, and then each mutant."""
        if session.testsfailed:
            return True
        hurry(session.items)
        with tempfile.TemporaryDirectory(prefix="scoria-mutants-") as directory:
            self._try_all(lambda mutant: self._judge(session, mutant, directory))
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: "pytest.CallInfo[None]") -> None:
        """Keep what a scenario raised first."""
        if call.excinfo is not None and self._raised is None:
            self._raised = call.excinfo.value

    def _try_all(self, judge: Callable[[Mutant], Finding]) -> None:
        (self.canary,) = _tried([self.canary.mutant], judge, 1)
        if self.canary.fate == Fate.SURVIVED:
            self.begun(self.canary)
            for finding in _tried(self.mutants, judge, self.at_once):
                self.findings.append(finding)
                self.tell(finding)

    def _judge(self, session: pytest.Session, mutant: Mutant, directory: str) -> Finding:
        """Tell, in the mutant's own process, what becomes of it."""
        try:
            mutant.apply()
        except Exception as error:  # noqa: BLE001 - whatever it is, no scenario has found it
            return Finding(mutant, Fate.UNKNOWN, reason=f"{type(error).__name__}: {error}")
        with tempfile.TemporaryDirectory(dir=directory) as own:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = own
            judge = self.judged or self._first_kill
            return judge(mutant, self._met(session, mutant))

    def _met(self, session: pytest.Session, mutant: Mutant) -> Iterator[Meeting]:
        """Run what the mutant meets, in the order of their rank."""
        met = [item for item in session.items if self.meets(mutant, item)]
        items = sorted(met, key=lambda item: self.rank(mutant, item))
        for item, following in zip_longest(items, items[1:]):
            begun = time.monotonic()
            check = self._run(item, following)
            seconds = time.monotonic() - begun
            yield Meeting(item.nodeid, check, isinstance(self._raised, REFUSALS), seconds)

    def _first_kill(self, mutant: Mutant, met: Iterable[Meeting]) -> Finding:
        finding = Finding(mutant, Fate.SURVIVED)
        for meeting in met:
            check = meeting.check
            if meeting.killed and isinstance(self._raised, KILLERS):
                return Finding(mutant, Fate.KILLED, check.name, check.reason)
            if meeting.broke:
                finding = Finding(mutant, Fate.UNKNOWN, check.name, check.reason)
        return finding

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> Check:
        self._raised = None
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return item.config.stash[CHECKS][item.nodeid]


def _tried(
    mutants: Sequence[Mutant],
    judge: Callable[[Mutant], Finding],
    at_once: int,
) -> Iterator[Finding]:
    """Yield what becomes of each mutant, so many at a time."""
    waiting, trials = list(mutants), list[Trial]()
    try:
        while waiting or trials:
            while waiting and len(trials) < at_once:
                trials.append(Trial.start(waiting.pop(0), judge))
            for trial in _ended(trials):
                trials.remove(trial)
                yield trial.end()
    finally:
        for trial in trials:
            trial.stop()


def _without_mutant(finding: Finding) -> Finding:
    """Return the finding as it can be sent: what a mutant does cannot."""
    return attrs.evolve(finding, mutant=Unchanged())


def _ended(trials: Sequence[Trial]) -> list[Trial]:
    """Wait until a trial has an answer or has no time left, and return those that do."""
    left = min(trial.deadline for trial in trials) - time.monotonic()
    answered = wait([trial.answer for trial in trials], max(left, 0))
    now = time.monotonic()
    return [trial for trial in trials if trial.answer in answered or trial.deadline <= now]
