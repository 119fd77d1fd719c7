"""The answers of the handlers, by the words of the features."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from scoria_conformance.world import Answer, asks, completed
from scoria_core import Completed, DoNotRetry, Failed, HandOff, RunSummary, Step

PICKED = {"brief": "look at it"}
"""The input that a handler hands off."""

HANDED_OVER: Mapping[str, Any] = MappingProxyType(
    {
        "delegated_role_id": "critic",
        "delegated_kind": "review-by-hand",
        "handoff_input": PICKED,
        "projected_context": {"task": "policy"},
    }
)
"""A handoff to a kind that has no handler, so that it waits there."""


def hands_off(**changes: Any) -> Answer:
    """Answer with a handoff."""
    return lambda *_: HandOff(**{**HANDED_OVER, **changes})


@contextmanager
def ending() -> Iterator[None]:
    """Have SIGTERM end this process, as a host does."""

    def end(*_: object) -> None:
        raise SystemExit("told to end")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stopped(*_: object) -> None:
    """Send SIGTERM to this process while the handler is running."""
    signal.raise_signal(signal.SIGTERM)
    time.sleep(10)


async def stopped_later(*_: object) -> None:
    """Send SIGTERM to this process while the handler is awaited."""
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(10)


def exits(*_: object) -> None:
    """End the process from within the handler."""
    sys.exit("bad input")


def interrupts(*_: object) -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt("bad input")


def charges(*_: object) -> Completed:
    """Return a value that JSON cannot represent."""
    return Completed({"amount": Decimal("12.50")})


def declined(*_: object) -> None:
    """Raise an exception after which the step must not be tried again."""
    raise DoNotRetry("card declined")


def layered(*_: object) -> None:
    """Raise a group of two exceptions, one of which has a cause."""
    low = ConnectionError("no route")
    low.add_note("third server")
    lost = LookupError("no rates")
    lost.__cause__ = low
    raise ExceptionGroup("both", [ValueError("bad"), lost])


async def too_long(*_: object) -> None:
    """Take longer than any step of the features allows."""
    await asyncio.sleep(60)


async def completed_later(step: Step, run: RunSummary) -> Completed:
    """Answer as `completed` does, once awaited."""
    return completed(step, run)


ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        "Completed": completed,
        "HandOff": hands_off(),
        "NeedsApproval": asks(),
        "Failed": lambda *_: Failed("no stock"),
        "a mapping": lambda *_: {"answer": 42},
        "None": lambda *_: None,
        "a text": lambda *_: "done",
        "a number": lambda *_: 42,
        "true": lambda *_: True,
        "a list": lambda *_: [{"answer": 42}],
        "the class Completed": lambda *_: Completed,
    }
)
