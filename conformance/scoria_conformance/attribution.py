"""Whose fault it is that a scenario raised: what is under test, or the suite.

The rules, first one that fits:

1. `Unmet` is the suite's own word for a need of the run that is not met, and a mark the adopter's:
   it could not run. Every other skip, expected failure or exit came out of what is under test, and
   fails. (A scenario that does not apply is left before its first step, and is not judged.)
2. A step that is not defined, a fixture that is not there, a coroutine step or a scenario that
   asserts nothing is the suite's, where the suite says so: a harness error.
3. While what is under test is opened, a store that says it is not available leaves nothing to
   test: it could not run. `verify` opens the store once before, so whatever else a factory raises
   here is a store that opens only sometimes: failed.
4. What asserts, every error that the kit raises on purpose, and a host that refuses speak of what
   is under test.
5. Any other error belongs to the code it came out of, the standard library aside. Out of the
   suite's own code it is a harness error, unless it is what Python says of a value that cannot be
   worked with (`TypeError`, `KeyError`, ...): that value was an answer of what is under test.
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
"""The code of the suite."""

UNUSABLE = (TypeError, AttributeError, LookupError, ValueError)
"""What Python raises where an answer cannot be worked with."""


_SPEAKING = (AssertionError, ScoriaError, HostRefused, pytest.fail.Exception, unittest.SkipTest)


class Told(AssertionError):
    """A failure that carries the shortest sequence of calls that leads to it, and its clauses."""

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
    """A scenario of the suite is broken itself, and can tell nothing."""


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
    """Return the module that raised it, or that called the standard library there."""
    frames = [frame for frame, _ in traceback.walk_tb(raised.__traceback__)]
    modules = [_module(frame) for frame in reversed(frames)]
    return next((module for module in modules if not _is_standard(module)), "")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_standard(module: str) -> bool:
    # What attrs and other generators of code compile has no module.
    return not module or module.partition(".")[0] in sys.stdlib_module_names


def _is_suite(module: str, steps_from: str) -> bool:
    return module == steps_from or module.partition(".")[0] in SUITE
