"""An index in memory of the runs that are not at rest, by status, label and due time.

One process owns the file, so the most frequent queries do not have to read it.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any

from scoria_core.fairness import fair_order
from scoria_core.ports import IndexRow, StoredRun

_List = tuple[str, str | None, str | None]
_Place = tuple[Any, str]


def is_at_rest(row: IndexRow) -> bool:
    """Tell whether a run has ended, and has neither a due time nor labels."""
    return row.has_ended and row.due_at is None and not row.labels


class RunIndex:
    """The runs that are not at rest, without records. It is not thread-safe."""

    def __init__(self) -> None:
        self._runs: dict[str, StoredRun] = {}
        # A sorted list for each possible query; empty lists are removed.
        self._lists: dict[_List, list[_Place]] = {}

    def get(self, run_id: str) -> StoredRun | None:
        """Return a run without records, or None if it is at rest or unknown."""
        return self._runs.get(run_id)

    def put(self, run: StoredRun) -> None:
        """Add a run, in place of its earlier row; a run at rest is removed."""
        self.discard(run.key.run_id)
        if is_at_rest(run.row):
            return
        self._runs[run.key.run_id] = run
        for name, place in _places(run):
            insort(self._lists.setdefault(name, []), place)

    def fill(self, runs: Iterable[StoredRun]) -> None:
        """Put many runs into an index that is empty."""
        for run in runs:
            self._runs[run.key.run_id] = run
            for name, place in _places(run):
                self._lists.setdefault(name, []).append(place)
        for places in self._lists.values():
            places.sort()

    def discard(self, run_id: str) -> None:
        """Remove a run, if it is here."""
        run = self._runs.pop(run_id, None)
        for name, place in () if run is None else _places(run):
            places = self._lists[name]
            del places[bisect_left(places, place)]
            if not places:
                del self._lists[name]

    def with_status(
        self, tenant_id: str | None, status: str, limit: int, before: str | None
    ) -> list[str]:
        """Return the ids of runs with the status, newest first."""
        places = self._lists.get(("status", tenant_id, status), [])
        end = len(places) if before is None else bisect_left(places, ("", before))
        return [run_id for _, run_id in reversed(places[max(0, end - limit) : end])]

    def count(self, tenant_id: str | None, status: str) -> int:
        """Return how many runs have the status."""
        return len(self._lists.get(("status", tenant_id, status), ()))

    def labelled(
        self,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: tuple[datetime, str] | None,
    ) -> list[str]:
        """Return the ids of runs with the label, or with any for None, ordered by `since`."""
        places = self._lists.get(("label", tenant_id, label), [])
        first = 0 if start is None else bisect_left(places, start)
        return [run_id for _, run_id in places[first : first + limit]]

    def due(self, tenant_id: str | None, until: datetime, limit: int, fair: bool) -> list[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        places = self._lists.get(("due", tenant_id, None), [])
        end = bisect_right(places, until, key=itemgetter(0))
        run_ids = [run_id for _, run_id in places[: end if fair else min(end, limit)]]
        if fair:
            run_ids = fair_order(run_ids, lambda run_id: self._runs[run_id].key.tenant_id)
        return run_ids[:limit]


def _places(run: StoredRun) -> Iterator[tuple[_List, _Place]]:
    """Yield the lists that a run is in, and its place in each."""
    row, run_id = run.row, run.key.run_id
    for tenant_id in (None, run.key.tenant_id):
        yield ("status", tenant_id, row.status), ("", run_id)
        if row.due_at is not None:
            yield ("due", tenant_id, None), (row.due_at, run_id)
        for label in (None, *row.labels) if row.labels else ():
            yield ("label", tenant_id, label), (row.since, run_id)
