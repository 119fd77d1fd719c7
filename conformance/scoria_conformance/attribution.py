"""Decides who caused a scenario to raise: the target under test, or the suite.

The first rule that fits applies:

1. `Unmet` means that the suite lacks something that the scenario needs, and a mark is set by the
   adopter: could not run. Every other skip, expected failure or exit came from the target: failed.
   (A scenario that does not apply is left before its first step, and is not judged.)
2. A step that is not defined, a missing fixture, a coroutine step or a scenario that asserts
   nothing is a defect of the suite, if the suite's code raised it: harness error.
3. If the store says that it is not available while the target is opened, there is nothing to test:
   could not run. `verify` opens the store once before, so anything else that a factory raises here
   comes from a store that opens only sometimes: failed.
4. A failed assertion, an error that the kit raises on purpose, and a refusal by a host are about
   the target: failed.
5. Any other error belongs to the code that raised it, apart from the standard library. If that is
   the suite's own code, it is a harness error, unless Python says that a value cannot be used
   (`TypeError`, `KeyError`, ...): then the value was an answer of the target, and the check failed.
"""

import sys
import traceback
import unittest
from types import FrameType

import pytest
from pytest_bdd.exceptions import StepDefinitionNotFoundError

from scoria_conformance.host import HostRefused
from scoria_conformance.verdict import Status
from scoria_core.errors import ScoriaError, StoreUnavailable

SUITE = ("scoria_conformance", "pytest_bdd", "_pytest", "pluggy")
"""The top-level packages whose code counts as the suite's."""

UNUSABLE = (TypeError, AttributeError, LookupError, ValueError)
"""The errors that Python raises if an answer cannot be used."""


_SPEAKING = (AssertionError, ScoriaError, HostRefused, pytest.fail.Exception, unittest.SkipTest)


class Told(AssertionError):
    """A failure that carries the shortest known calls that lead to it, and its clauses."""

    def __init__(
        self,
        said: str,
        *,
        clauses: tuple[str, ...],
        calls: tuple[str, ...],
        expected: str,
        seen: str,
    ) -> None:
        super().__init__(said)
        self.clauses, self.calls, self.expected, self.seen = clauses, calls, expected, seen


class SuiteBroken(Exception):
    """A scenario of the suite is itself broken, so its result says nothing about the target."""


class Unmet(pytest.skip.Exception):  # type: ignore[misc,name-defined]
    """The suite lacks what a scenario needs: a page, a driver, a system call."""


_OF_THE_SUITE = (SuiteBroken, StepDefinitionNotFoundError, pytest.FixtureLookupError)


def judged(raised: BaseException, *, opening: bool, steps_from: str) -> Status:
    """Return the status of a check that raised an exception.

    `opening` says that no step was running yet: its fixtures were being set up. `steps_from` is the
    module of the step.
    """
    raised = _first(raised)
    if type(raised) is Unmet or _is_marked(raised):
        return Status.COULD_NOT_RUN
    by_suite = _is_suite(_origin(raised), steps_from)
    if isinstance(raised, _OF_THE_SUITE) and by_suite:
        return Status.HARNESS_ERROR
    if opening and isinstance(raised, StoreUnavailable):
        return Status.COULD_NOT_RUN
    if isinstance(raised, _SPEAKING) or not isinstance(raised, Exception):
        return Status.FAILED
    by_suite = by_suite and not isinstance(raised, UNUSABLE)
    return Status.HARNESS_ERROR if by_suite else Status.FAILED


def _is_marked(raised: BaseException) -> bool:
    """Tell whether pytest itself skipped a test because of a mark."""
    frames = [frame for frame, _ in traceback.walk_tb(raised.__traceback__)]
    by_pytest = bool(frames) and _module(frames[-1]) == "_pytest.skipping"
    return by_pytest and type(raised) is pytest.skip.Exception


def _first(raised: BaseException) -> BaseException:
    while isinstance(raised, BaseExceptionGroup):
        raised = raised.exceptions[0]
    return raised


def _origin(raised: BaseException) -> str:
    """Return the module that raised it, or that called the standard library which raised it."""
    frames = [frame for frame, _ in traceback.walk_tb(raised.__traceback__)]
    modules = [_module(frame) for frame in reversed(frames)]
    return next((module for module in modules if not _is_standard(module)), "")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_standard(module: str) -> bool:
    # Code that attrs and other generators compile has no module.
    return not module or module.partition(".")[0] in sys.stdlib_module_names


def _is_suite(module: str, steps_from: str) -> bool:
    return module == steps_from or module.partition(".")[0] in SUITE
