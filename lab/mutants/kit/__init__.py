"""The kit gone wrong on purpose, a function at a time, for what no adapter can break.

A wrong function stands in place of a right one, which it gets as its first argument.
"""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from types import FunctionType
from typing import Any

import attrs

from lab.mutants.wrong import Catalogue
from scoria_core import history
from scoria_core.decisions import Change

Wrong = Callable[..., Any]


def catalogue() -> Catalogue:
    """Return an empty catalogue of changes of the kit."""
    return Catalogue("kit", lambda change: change())


def instead_of(*right: object) -> Callable[[Wrong], Callable[[], None]]:
    """Make a change of the wrong function that follows: it stands in place of each right one."""

    def make(wrong: Wrong) -> Callable[[], None]:
        @wraps(wrong)
        def change() -> None:
            for each in right:
                replace(each, wrong)

        return change

    return make


def replace(right: object, wrong: Wrong) -> None:
    """Put a function in place of a right one, for all who have that already."""
    function = _function(right)
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    instead = _yield_instead if inspect.isgeneratorfunction(function) else _call_instead
    function.__code__ = instead.__code__
    function.__kwdefaults__ = {"_instead": partial(wrong, copy)}


def put(module: object, **names: object) -> None:
    """Have the names of a module, which it has, mean something else to it."""
    for name, value in names.items():
        assert hasattr(module, name), name
        setattr(module, name, value)


def of_all_tenants(right: Wrong, repository: Any, *given: Any, **named: Any) -> Any:
    """Do the right thing as for a host that sees every tenant."""
    return right(attrs.evolve(repository, tenant_id=None), *given, **named)


def without(subject: str, trigger: str) -> Callable[[], None]:
    """Make a change that leaves one kind of move out of every decision, and never misses it."""

    def move(right: Wrong, self: Change, moved: str, moved_id: str, by: str, **data: Any) -> None:
        if (moved, by) != (subject, trigger):
            right(self, moved, moved_id, by, **data)

    def change() -> None:
        replace(Change.move, move)
        hold_no_history_impossible()

    return change


def hold_no_history_impossible() -> None:
    """Read whatever moves the lifecycles have, in any order."""
    for rule in (history.impossible, history.unfinished):
        replace(rule, lambda right, *_: None)


def _call_instead(*given: Any, _instead: Wrong, **named: Any) -> Any:
    return _instead(*given, **named)


def _yield_instead(*given: Any, _instead: Wrong, **named: Any) -> Any:
    # A generator's code is replaced by a generator's: Python 3.13 warns of any other.
    yield from _instead(*given, **named)


def _function(right: object) -> FunctionType:
    found: Any = right.fget if isinstance(right, property) else right
    function: FunctionType = inspect.unwrap(getattr(found, "__func__", found))
    return function
