"""Whose fault it is that a scenario raised: what is under test, or the suite.

The rules, first one that fits:

1. A skip says itself what it is: not applicable, or a need of the run that is not met.
2. A step that is not defined, a fixture that is not there, a coroutine step or a scenario that
   asserts nothing is the suite's: a harness error.
3. While what is under test is opened, a store that says it is not available, and a missing
   option, leave nothing to test: it could not run. `verify` opens the store once before, so
   whatever else a factory raises here is a store that opens only sometimes: failed.
4. What asserts, every error that the kit raises on purpose, and a host that refuses speak of what
   is under test.
5. Any other error belongs to the code it came out of, the standard library aside. Out of the
   suite's own code it is a harness error, unless it is what Python says of a value that cannot be
   worked with (`TypeError`, `KeyError`, ...): that value was an answer of what is under test.
"""

import sys
import traceback
from types import FrameType

import pytest
from pytest_bdd.exceptions import StepDefinitionNotFoundError

from scoria_conformance.host import HostRefused
from scoria_conformance.verdict import NOT_APPLICABLE, Status
from scoria_core.errors import ScoriaError, StoreUnavailable

SUITE = ("scoria_conformance", "pytest_bdd", "_pytest", "pluggy")
"""The code of the suite."""

UNUSABLE = (TypeError, AttributeError, LookupError, ValueError)
"""What Python raises where an answer cannot be worked with."""


_SPEAKING = (AssertionError, ScoriaError, HostRefused, pytest.fail.Exception)


class SuiteBroken(Exception):
    """The suite says of itself that a scenario of it cannot tell anything."""


_OF_THE_SUITE = (SuiteBroken, StepDefinitionNotFoundError, pytest.FixtureLookupError)


def judged(raised: BaseException, *, opening: bool, steps_from: str) -> tuple[Status, str]:
    """Return what a check that raised comes to, and the reason where a skip gives one.

    `opening` says that no step was running yet, but what it needs was being made; `steps_from` is
    the module of the step.
    """
    raised = _first(raised)
    if isinstance(raised, pytest.skip.Exception):
        return _skipped(str(raised.msg))
    if isinstance(raised, _OF_THE_SUITE):
        return Status.HARNESS_ERROR, ""
    if opening and isinstance(raised, StoreUnavailable | pytest.fail.Exception):
        return Status.COULD_NOT_RUN, ""
    if isinstance(raised, _SPEAKING):
        return Status.FAILED, ""
    by_suite = _is_suite(_origin(raised), steps_from) and not isinstance(raised, UNUSABLE)
    return (Status.HARNESS_ERROR if by_suite else Status.FAILED), ""


def _first(raised: BaseException) -> BaseException:
    while isinstance(raised, BaseExceptionGroup):
        raised = raised.exceptions[0]
    return raised


def _skipped(reason: str) -> tuple[Status, str]:
    if reason.startswith(NOT_APPLICABLE):
        return Status.NOT_APPLICABLE, reason.removeprefix(NOT_APPLICABLE)
    return Status.COULD_NOT_RUN, reason


def _origin(raised: BaseException) -> str:
    """Return the module it came out of, or of what called the standard library there."""
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
