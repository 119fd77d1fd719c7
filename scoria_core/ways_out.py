"""Suggests what to pass instead of a value that JSON cannot represent, by its type."""

import dataclasses
import datetime
import inspect
import numbers
from collections.abc import Callable, Iterable, Set
from enum import Enum
from pathlib import PurePath
from typing import Protocol, runtime_checkable
from uuid import UUID

import attrs


@runtime_checkable
class _Array(Protocol):
    """An array, or a scalar, of NumPy and its kin."""

    def tolist(self) -> object: ...


_AS_OBJECT: tuple[tuple[Callable[[object], bool], str], ...] = (
    (lambda value: isinstance(value, tuple) and _has(value, "_asdict"), "value._asdict()"),
    (dataclasses.is_dataclass, "dataclasses.asdict(value)"),
    (lambda value: attrs.has(type(value)), "attrs.asdict(value)"),
    (lambda value: _has(value, "model_dump"), 'value.model_dump(mode="json")'),
)

_AS_VALUE: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (Enum, "value.value"),
    ((bytes, bytearray, memoryview), "base64.b64encode(value).decode()"),
    (_Array, "value.tolist()"),
    ((datetime.date, datetime.time), "value.isoformat()"),
    (datetime.timedelta, "value.total_seconds()"),
    ((numbers.Number, UUID, PurePath, BaseException), "str(value)"),
    (Set, "sorted(value)"),
    (Iterable, "list(value)"),
)


def way_out(value: object) -> str | None:
    """Return a suggestion if `value` has a usual form in JSON, or None."""
    if isinstance(value, type):
        return None
    if inspect.isawaitable(value):
        return "await it first"
    if way := object_way_out(value):
        return way
    found = (expression for kinds, expression in _AS_VALUE if isinstance(value, kinds))
    return next((f"pass {expression}" for expression in found), None)


def object_way_out(value: object) -> str | None:
    """Return a suggestion if `value` has a usual form as a JSON object, or None."""
    if isinstance(value, type):
        return None
    found = (expression for is_it, expression in _AS_OBJECT if is_it(value))
    return next((f"pass {expression}" for expression in found), None)


def _has(value: object, method: str) -> bool:
    return callable(getattr(type(value), method, None))
