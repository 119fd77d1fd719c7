"""What one caller alone would be told, by a run in a store and by a run that waits for people."""

from collections.abc import Hashable
from typing import Any

NO_RUN: tuple[tuple[str, ...], bool] = ((), False)
"""A run before it is created: without records, and not due."""


def stored(state: Any, asked: Any) -> tuple[Hashable, Hashable]:
    """Answer for one run in a store: its bodies, and whether it is due."""
    bodies, due = state
    match asked:
        case ("create", body, to_be_due):
            return (state, "VersionConflict") if bodies else (((body,), to_be_due), "stored")
        case ("append", version, body, to_be_due):
            if not bodies or version != len(bodies):
                return state, "VersionConflict"
            return ((*bodies, body), to_be_due), "stored"
        case ("read",):
            return state, bodies
        case ("list",):
            return state, bool(bodies)
        case ("list due",):
            return state, due
    raise AssertionError(f"nobody asks a store {asked}")


QUEUED = ("queued", 0)
"""A run whose step nobody has claimed; the number says how often it has asked for approval."""


def decided(state: Any, asked: Any) -> tuple[Hashable, Hashable]:
    """Answer for one run whose step asks for approval each time that it is carried out."""
    status, requests = state
    match asked, status:
        case ("approve", number), "pending" if number == requests:
            return ("approved", requests), "approved"
        case ("reject", number), "pending" if number == requests:
            return ("cancelled", requests), "rejected"
        case ("approve" | "reject", _), _:
            return state, "ApprovalNotPending"
        case ("resume",), "approved":
            return ("queued", requests), "resumed"
        case ("resume",), _:
            return state, "ApprovalPending" if status == "pending" else "RunNotResumable"
        case ("claim",), _:
            return (("running", requests), "claimed") if status == "queued" else (state, "nothing")
        case ("ask",), "running":
            return ("pending", requests + 1), "asked"
        case ("ask",), _:
            return state, "nobody had claimed it"
        case ("read",), _:
            return state, state
    raise AssertionError(f"nobody asks a run {asked}")
