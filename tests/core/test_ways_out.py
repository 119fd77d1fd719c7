"""A payload that is refused says what to pass instead, and that is taken."""

import array
import asyncio
import base64
import collections
import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import attrs
import pytest

from scoria_core.errors import InvalidPayload
from scoria_core.payloads import checked_payload

AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
NAMES = {"attrs": attrs, "base64": base64, "dataclasses": dataclasses}


class Pair(NamedTuple):
    """Serve as a tuple with names."""

    order: str
    amount: int


@dataclasses.dataclass
class Refund:
    """Serve as a dataclass."""

    amount: int = 5


@attrs.frozen
class Parcel:
    """Serve as a value of attrs."""

    weight: int = 5


class Model:
    """Serve as a model of pydantic."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return what it holds."""
        return {"mode": mode}


class Colour(Enum):
    """Serve as an enum."""

    RED = "red"


class Scalar:
    """Serve as a scalar of NumPy."""

    def tolist(self) -> float:
        """Return it as Python has it."""
        return 1.5


WAYS: list[tuple[Any, Any]] = [
    (Decimal("12.50"), "12.50"),
    (Fraction(1, 3), "1/3"),
    (2j, "2j"),
    (AT, "2026-01-05T09:30:00+00:00"),
    (date(2026, 1, 5), "2026-01-05"),
    (time(9, 30), "09:30:00"),
    (timedelta(minutes=1), 60.0),
    ((1, "a"), [1, "a"]),
    ({"b", "a"}, ["a", "b"]),
    (frozenset({2, 1}), [1, 2]),
    ({"a": 1}.keys(), ["a"]),
    ({"a": 1}.values(), [1]),
    (range(2), [0, 1]),
    (collections.deque([1]), [1]),
    ((each for each in "ab"), ["a", "b"]),
    (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (PurePosixPath("a/b"), "a/b"),
    (Colour.RED, "red"),
    (b"\x00\xff", "AP8="),
    (bytearray(b"\xff"), "/w=="),
    (memoryview(b"\xff"), "/w=="),
    (ValueError("no stock"), "no stock"),
    (Pair("A-17", 5), {"order": "A-17", "amount": 5}),
    (Refund(), {"amount": 5}),
    (Parcel(), {"weight": 5}),
    (Model(), {"mode": "json"}),
    (Scalar(), 1.5),
    (array.array("i", [1, 2]), [1, 2]),
]


def refusal(payload: Any) -> str:
    """Return why a payload is refused."""
    with pytest.raises(InvalidPayload) as invalid:
        checked_payload(payload, "result")
    return str(invalid.value)


@pytest.mark.parametrize(("value", "instead"), WAYS, ids=[type(each).__name__ for each, _ in WAYS])
def test_the_way_out_is_said_and_is_one(value: Any, instead: Any) -> None:
    """The refusal names path and type, then an expression whose value is accepted."""
    said, _, expression = refusal({"list": [value]}).partition("; pass ")
    assert said == f"result.list[0] is {type(value).__name__}"
    passed = eval(expression, {**NAMES, "value": value})  # noqa: S307 - what our own message says
    assert checked_payload({"list": [passed]}, "result") == {"list": [instead]}


@pytest.mark.parametrize("value", [Pair("A-17", 5), Refund(), Parcel(), Model()])
def test_a_whole_payload_has_a_way_out_too(value: Any) -> None:
    """What is no mapping, and can be made one, is told how."""
    said, _, expression = refusal(value).partition("; pass ")
    assert said == f"result is {type(value).__name__}"
    checked_payload(eval(expression, {**NAMES, "value": value}), "result")  # noqa: S307


@pytest.mark.parametrize("value", [(1,), [1], "text", 5, Decimal(5), Refund, None, Scalar()])
def test_what_is_no_object_is_told_to_be_one(value: Any) -> None:
    """A value that no expression makes an object of is asked for as a mapping."""
    assert refusal(value).endswith("; pass a mapping (a JSON object)")


@pytest.mark.parametrize("value", [object(), Refund, Colour, print, NotImplemented])
def test_where_there_is_no_way_out_none_is_invented(value: Any) -> None:
    """A value with no form in JSON is told what JSON has."""
    assert refusal({"a": value}).endswith(
        "; JSON has objects, lists, str, finite numbers, true, false and null"
    )


def test_a_forgotten_await_is_named() -> None:
    """A coroutine that was put into a payload is awaited first."""
    waiting = asyncio.sleep(0)
    assert refusal({"a": waiting}) == "result.a is coroutine; await it first"
    waiting.close()
