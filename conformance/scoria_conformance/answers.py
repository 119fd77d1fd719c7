"""What the handlers of the features answer, by the words of the features."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from scoria_conformance.world import Answer, asks, completed
from scoria_core import Completed, Failed, HandOff, RunSummary, Step

PICKED = {"brief": "look at it"}
"""What a handler hands on."""

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


def stopped(*_: object) -> None:
    """End as a process does that is told to."""
    raise SystemExit("told to end")


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
