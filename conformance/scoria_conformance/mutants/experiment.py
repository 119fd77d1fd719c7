"""Mutants put through the features, each in a process of its own, forked when all is collected.

A mutant ends with its process, so that none can meet another, and none can change what the
features say: those were read before.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Protocol

import attrs
import pytest

from scoria_conformance.plugin import CHECKS
from scoria_conformance.verdict import Check, Status
from scoria_conformance.verify import environment, pytest_arguments
from scoria_core.errors import TransitionRefused

PATIENCE = 120
"""How many seconds the features may take with one mutant."""

KILLERS = (AssertionError, TransitionRefused)
"""What a scenario kills by; whatever else goes wrong in it tells nothing about the mutant."""

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
    UNKNOWN = "could not tell"


@attrs.frozen
class Finding:
    """What became of one mutant; `scenario` failed with it, and said `reason`."""

    mutant: Mutant
    fate: Fate
    scenario: str = ""
    reason: str = ""


@attrs.frozen
class Trial:
    """One mutant at work in a process of its own."""

    mutant: Mutant
    process: ForkProcess
    answer: Connection
    deadline: float

    @classmethod
    def start(cls, mutant: Mutant, judge: Callable[[Mutant], Finding]) -> "Trial":
        """Fork a process that sends what `judge` finds."""
        answer, sending = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=lambda: sending.send(judge(mutant)))
        process.start()
        sending.close()
        return cls(mutant, process, answer, time.monotonic() + PATIENCE)

    def end(self) -> Finding:
        """Return what was found; a process that crashed or hangs has found nothing."""
        if not self.answer.poll():
            self.process.kill()
            finding = self._unknown(f"did not end within {PATIENCE} seconds")
        else:
            finding = self._received()
        self.process.join()
        return finding

    def _received(self) -> Finding:
        try:
            finding: Finding = self.answer.recv()
        except EOFError:
            return self._unknown("its process crashed")
        return finding

    def _unknown(self, reason: str) -> Finding:
        return Finding(self.mutant, Fate.UNKNOWN, reason=reason)


@attrs.define
class Experiment:
    """A pytest plugin that runs what was collected once for each mutant, up to its first kill.

    `canary` is what became of the unchanged code; no mutant is tried unless all holds with it.
    `tell` hears of each finding as it comes in. `hand_written` leaves the generated scenarios out.
    """

    mutants: Sequence[Mutant]
    tell: Callable[[Finding], None]
    hand_written: bool = False
    canary: Finding = Finding(Unchanged(), Fate.UNKNOWN, reason="the features were not run")
    findings: list[Finding] = attrs.field(factory=list)
    _raised: BaseException | None = None

    def run(self, target: str, page: str | None = None) -> None:
        """Collect the features against `target` in this process, and try all.

        `page` names, as `module:name`, what makes the evidence page of a facade. The process is
        then used up: call it in one that does nothing else.
        """
        os.environ.clear()
        os.environ.update(environment())
        told = [f"--scoria-target={target}", *([f"--scoria-page={page}"] if page else [])]
        # Nothing that is printed belongs to one mutant alone, and no directory outlives its test.
        quiet = ["-s", "-p", "no:terminal", "-o", "tmp_path_retention_policy=none"]
        pytest.main([*pytest_arguments(), *told, *quiet], plugins=[self])

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
        with tempfile.TemporaryDirectory(prefix="scoria-mutants-") as directory:
            self._try_all(lambda mutant: self._judge(session, mutant, directory))
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: "pytest.CallInfo[None]") -> None:
        """Keep what a scenario raised first."""
        if call.excinfo is not None and self._raised is None:
            self._raised = call.excinfo.value

    def _try_all(self, judge: Callable[[Mutant], Finding]) -> None:
        (self.canary,) = _tried([self.canary.mutant], judge)
        if self.canary.fate == Fate.SURVIVED:
            for finding in _tried(self.mutants, judge):
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
            return self._first_kill(session, mutant)

    def _first_kill(self, session: pytest.Session, mutant: Mutant) -> Finding:
        finding = Finding(mutant, Fate.SURVIVED)
        items = sorted(session.items, key=lambda item: mutant.clause not in item.keywords)
        for item, following in zip(items, [*items[1:], None], strict=True):
            check = self._run(item, following)
            if check.status == Status.FAILED and isinstance(self._raised, KILLERS):
                return Finding(mutant, Fate.KILLED, check.name, check.reason)
            if check.status in (Status.FAILED, Status.COULD_NOT_RUN):
                finding = Finding(mutant, Fate.UNKNOWN, check.name, check.reason)
        return finding

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> Check:
        self._raised = None
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return item.config.stash[CHECKS][item.nodeid]


def _tried(mutants: Sequence[Mutant], judge: Callable[[Mutant], Finding]) -> Iterator[Finding]:
    """Yield what becomes of each mutant, as many at a time as there are processors."""
    waiting, trials = list(mutants), list[Trial]()
    while waiting or trials:
        while waiting and len(trials) < (os.cpu_count() or 1):
            trials.append(Trial.start(waiting.pop(0), judge))
        for trial in _ended(trials):
            trials.remove(trial)
            yield trial.end()


def _ended(trials: Sequence[Trial]) -> list[Trial]:
    """Wait until a trial has an answer or has no time left, and return those that do."""
    left = min(trial.deadline for trial in trials) - time.monotonic()
    answered = wait([trial.answer for trial in trials], max(left, 0))
    now = time.monotonic()
    return [trial for trial in trials if trial.answer in answered or trial.deadline <= now]
