"""What one caller alone would be told, by a run in a store and by a run that waits for people."""

from collections.abc import Hashable
from datetime import datetime
from typing import Any

import attrs

from scoria_core.ports import Record

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


@attrs.frozen
class Kept:
    """A run in a store, as what the store holds of it."""

    run_id: str
    key: str | None
    records: tuple[Record, ...]
    due: datetime | None

    def is_due(self, until: datetime | None) -> bool:
        """Tell whether it is due by then; by no time every run is."""
        return until is None or (self.due is not None and self.due <= until)


NO_RUNS: tuple[Kept, ...] = ()
"""The runs of a tenant before the first is created."""


def kept(state: Any, asked: Any) -> tuple[Hashable, Hashable]:
    """Answer for the runs of one tenant and session, whatever the port is asked."""
    runs: dict[str, Kept] = {each.run_id: each for each in state}
    match asked:
        case ("create", run_id, key, records, due):
            return _created(runs, Kept(run_id, key, records, due))
        case ("append", run_id, version, records, due, due_by):
            run = runs.get(run_id)
            if run is None or len(run.records) != version or not run.is_due(due_by):
                return state, "VersionConflict"
            grown = attrs.evolve(run, records=(*run.records, *records), due=due)
            return _with(runs, grown), "stored"
        case ("prune", run_id, version):
            if run_id not in runs or len(runs[run_id].records) != version:
                return state, ()
            return tuple(each for each in state if each.run_id != run_id), (run_id,)
    return state, _seen(runs, asked)


def _created(runs: dict[str, Kept], run: Kept) -> tuple[Hashable, Hashable]:
    state = tuple(runs.values())
    owners = [each.run_id for each in state if each.key == run.key and run.key is not None]
    if owners:
        return state, owners[0]
    if run.run_id in runs:
        return state, "VersionConflict"
    return _with(runs, run), run.run_id


def _seen(runs: dict[str, Kept], asked: Any) -> Hashable:
    match asked:
        case ("read", run_id):
            return runs[run_id].records if run_id in runs else ()
        case ("head", run_id):
            run = runs.get(run_id)
            return run and (run.key, len(run.records), run.due)
        case ("list_runs",):
            return tuple(sorted(runs, reverse=True))
        case ("list_due", until):
            due = sorted(
                (run.due, run_id) for run_id, run in runs.items() if run.due and run.is_due(until)
            )
            return tuple(run_id for _, run_id in due)
    raise AssertionError(f"nobody asks a store {asked}")


def _with(runs: dict[str, Kept], run: Kept) -> tuple[Kept, ...]:
    changed = {**runs, run.run_id: run}
    return tuple(changed[run_id] for run_id in sorted(changed))


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
