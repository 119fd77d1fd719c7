"""The answers that a single caller would get: from a store, or from a run that asks people."""

from collections.abc import Hashable
from datetime import datetime
from typing import Any

import attrs

from scoria_core.ports import IndexRow, Record

NO_RUN: tuple[tuple[str, ...], IndexRow | None] = ((), None)
"""A run before it is created: without records, and without a row."""


def stored(state: Any, asked: Any) -> tuple[Hashable, Hashable]:
    """Answer for one run in a store, whose state is the bodies of its records, and its row."""
    bodies, row = state
    match asked:
        case ("create", body, new):
            return (state, "VersionConflict") if bodies else (((body,), new), "stored")
        case ("append", version, body, new):
            if not bodies or version != len(bodies):
                return state, "VersionConflict"
            return ((*bodies, body), new), "stored"
        case ("read",):
            return state, state
        case ("list",):
            return state, row
        case ("list labelled", label):
            return state, row if row and label in row.labels else None
        case ("list due",):
            return state, bool(row and row.due_at)
    raise AssertionError(f"nobody asks a store {asked}")


@attrs.frozen
class Kept:
    """A run in a store."""

    run_id: str
    key: str | None
    records: tuple[Record, ...]
    row: IndexRow

    @property
    def told(self) -> tuple[Hashable, ...]:
        """The answer of a store about this run, in the form of `calls.seen`."""
        return self.run_id, self.key, self.row, len(self.records), self.records

    def is_due(self, until: datetime | None) -> bool:
        """Tell whether it is due by that time; with None, every run is."""
        return until is None or (self.row.due_at is not None and self.row.due_at <= until)


NO_RUNS: tuple[Kept, ...] = ()
"""The runs of a tenant before the first is created."""


def kept(state: Any, asked: Any) -> tuple[Hashable, Hashable]:
    """Answer any call of the port for the runs of one tenant and session."""
    runs: dict[str, Kept] = {each.run_id: each for each in state}
    match asked:
        case ("create", run_id, key, records, row):
            return _created(runs, Kept(run_id, key, records, row))
        case ("append", run_id, version, records, row, due_by):
            run = runs.get(run_id)
            if run is None or len(run.records) != version or not run.is_due(due_by):
                return state, "VersionConflict"
            grown = attrs.evolve(run, records=(*run.records, *records), row=row)
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
        case ("read", run_ids):
            return tuple(runs[run_id].told for run_id in run_ids if run_id in runs)
        case ("list_runs",):
            return tuple(runs[run_id].told for run_id in sorted(runs, reverse=True))
        case ("list_labelled", label):
            order = sorted((run.row.since, run_id) for run_id, run in runs.items())
            found = [runs[run_id] for _, run_id in order]
            return tuple(
                run.told
                for run in found
                if (run.row.labels if label is None else label in run.row.labels)
            )
        case ("list_due", until):
            due = sorted(
                (run.row.due_at, run_id)
                for run_id, run in runs.items()
                if run.row.due_at and run.is_due(until)
            )
            return tuple(run_id for _, run_id in due)
        case ("count_runs", statuses):
            own = [run.row.status for run in runs.values()]
            return tuple(sorted((each, own.count(each)) for each in statuses))
    raise AssertionError(f"nobody asks a store {asked}")


def _with(runs: dict[str, Kept], run: Kept) -> tuple[Kept, ...]:
    changed = {**runs, run.run_id: run}
    return tuple(changed[run_id] for run_id in sorted(changed))


QUEUED = ("queued", 0)
"""A run whose step is not claimed; the number counts its requests for approval so far."""


def decided(state: Any, asked: Any) -> tuple[Hashable, Hashable]:
    """Answer for one run whose step asks for approval each time its handler is called."""
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
