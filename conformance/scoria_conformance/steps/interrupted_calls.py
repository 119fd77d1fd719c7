"""Steps in which a caller is stopped at each point of a call, while another makes its own."""

from collections.abc import Callable, Sequence
from itertools import count, groupby
from typing import TypeVar

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.calls import Calls
from scoria_conformance.linearizability import Operation, explained
from scoria_conformance.points import Point, packages
from scoria_conformance.sequential import NO_RUNS, kept
from scoria_conformance.stopping import Pair, pair
from scoria_conformance.stored_runs import (
    NOON,
    StoredRuns,
    after,
    index_row,
    numbered,
    record,
)
from scoria_conformance.world import PATIENCE
from scoria_core.ports import Capability, RunStore

LATER = after(60)
KEY = "order-7"

NEW = index_row(NOON, status="new", labels=("a", "b"))
ANEW = index_row(status="anew", since=after(1), labels=("anew",))
OTHER = index_row(NOON, status="other", since=after(-1), labels=("a",))
APPENDED = index_row(status="appended", since=after(2), labels=("b", "c"))
APPENDED_TOO = index_row(status="appended too", since=after(3))
TAKEN_OVER = index_row(LATER, status="taken over", since=after(4), labels=("d",))
"""The index row of a run after each of the calls."""

STATUSES = ("new", "anew", "other", "appended", "appended too", "taken over")

MANY = 1_001
"""The number of records, or of ids, that a store may like to take in several parts."""

OFTEN = 3
"""How many visits to one place in a call get a stop; later ones are like the last of these."""

R = TypeVar("R")


@attrs.frozen
class Arrangement:
    """The calls of one caller on a tenant: its run has two records and is due at noon."""

    calls: Calls
    run_id: str
    other_id: str

    @classmethod
    def of_tenant(cls, number: int, store: RunStore) -> "Arrangement":
        """Return the calls of one caller on the tenant of this number."""
        calls = Calls(store, f"tenant-{number}")
        return cls(calls, numbered(2 * number), numbered(2 * number + 1))

    def create(self) -> None:
        """Create the run."""
        self.calls.create(self.run_id, KEY, [record(1), record(2)], NEW)

    def create_again(self) -> None:
        """Create the run again, without a key."""
        self.calls.create(self.run_id, None, [record(1, "again")], ANEW)

    def create_under_its_key(self) -> None:
        """Create another run under the key of the run."""
        self.calls.create(self.other_id, KEY, [record(1, "other")], OTHER)

    def append(self) -> None:
        """Append records to the run at its version, so that it is no longer due."""
        new = [record(number, "appended") for number in (3, 4, 5)]
        self.calls.append(self.run_id, 2, new, APPENDED)

    def append_many(self) -> None:
        """Append so many records to the run that a store may take them in parts."""
        new = [record(number, "appended") for number in range(3, 3 + MANY)]
        self.calls.append(self.run_id, 2, new, APPENDED)

    def append_too(self) -> None:
        """Append another record to the run, at the same version."""
        self.calls.append(self.run_id, 2, [record(3, "appended too")], APPENDED_TOO)

    def put_off(self) -> None:
        """Postpone the run without a record."""
        self.calls.append(self.run_id, 2, [], attrs.evolve(NEW, due_at=LATER))

    def take_over(self) -> None:
        """Take the run over while it is due."""
        self.calls.append(self.run_id, 2, [record(3, "taken over")], TAKEN_OVER, due_by=NOON)

    def prune(self) -> None:
        """Remove the run."""
        self.calls.prune(self.run_id, 2)

    def read(self) -> None:
        """Read the run."""
        self.calls.read(self.run_id)

    def read_both(self) -> None:
        """Read the run and the other run, which may not exist, in one call."""
        self.calls.read(self.run_id, self.other_id)

    def read_far_apart(self) -> None:
        """Read both runs in one call, with many unknown ids between them."""
        between = [numbered(10**9 + number) for number in range(MANY)]
        self.calls.read(self.run_id, *between, self.other_id)

    def append_and_create(self) -> None:
        """Append to the run, and then create the other."""
        self.append_too()
        self.calls.create(self.other_id, None, [record(1, "other")], OTHER)

    def list_runs(self) -> None:
        """List the runs."""
        self.calls.list_runs()

    def list_labelled(self) -> None:
        """List the runs that have any label."""
        self.calls.list_labelled()

    def list_due(self) -> None:
        """List the due runs."""
        self.calls.list_due()

    def count_runs(self) -> None:
        """Count the runs of each status."""
        self.calls.count_runs(*STATUSES)

    def look(self) -> None:
        """Make every read that can show the run."""
        self.calls.look(self.run_id, *STATUSES)


Part = tuple[Callable[[Arrangement], None], ...]
"""The calls of one caller, in order."""

READS = {
    "reads a run": Arrangement.read,
    "reads two runs": Arrangement.read_both,
    "reads two of many runs": Arrangement.read_far_apart,
    "lists the runs": Arrangement.list_runs,
    "lists the labelled runs": Arrangement.list_labelled,
    "lists the due runs": Arrangement.list_due,
    "counts the runs": Arrangement.count_runs,
}
CREATES = {
    "creates a run": Arrangement.create,
    "creates another under its key": Arrangement.create_under_its_key,
}
WRITES = {
    "appends to a run": Arrangement.append,
    "appends many records": Arrangement.append_many,
    "puts a run off": Arrangement.put_off,
    "takes a run over": Arrangement.take_over,
    "prunes a run": Arrangement.prune,
}
FIRST = {**READS, **CREATES, **WRITES}
"""The call of the caller that is stopped."""

CREATE: Part = (Arrangement.look, Arrangement.create_again, Arrangement.create_under_its_key)
APPEND: Part = (Arrangement.look, Arrangement.append_too)
APPEND_AND_CREATE: Part = (Arrangement.append_and_create, Arrangement.look)
APPEND_AT_ONCE: Part = (Arrangement.append_too, Arrangement.look)
PUT_OFF: Part = (Arrangement.put_off, Arrangement.look)
PRUNE: Part = (Arrangement.prune, Arrangement.create_under_its_key)
PRUNE_ALONE: Part = (Arrangement.prune, Arrangement.look)


def seconds_to(acts: str, *, prunes: bool) -> list[Part]:
    """Return the possible calls of the other caller, while the first is stopped in `acts`."""
    if acts == "creates a run":
        return [CREATE]
    if acts == "appends many records":
        return [APPEND]
    if acts == "reads two of many runs":
        return [APPEND_AND_CREATE]
    pruning = [PRUNE] if prunes else []
    if prunes and acts in CREATES:
        # A run that stood in the way of `create` is pruned, and nothing takes its place.
        pruning.append(PRUNE_ALONE)
    return [APPEND_AT_ONCE, *pruning] if acts in READS else [APPEND, PUT_OFF, *pruning]


@attrs.frozen
class Met:
    """The answers of two callers on one tenant, where the first was stopped at a point.

    `until_then` is how many answers the second had got when the first went on. The second `waits`
    if it had more answers to get.
    """

    point: Point
    history: Sequence[Operation]
    until_then: int
    waits: bool


@attrs.define
class Meetings:
    """Two callers that meet at each point of a call, with a new tenant for each meeting."""

    store: RunStore
    first: Callable[[Arrangement], None]
    is_there: bool
    callers: Pair
    met: list[Met] = attrs.field(factory=list)
    _tenants: "count[int]" = attrs.field(factory=lambda: count(1))

    def meet(self, parts: Sequence[Part]) -> None:
        """Let the second caller make the calls of each part at each point of the first caller."""
        # The second time, calls no longer do what they do only once, such as to connect.
        all_points = [self._alone(self.callers.points, (self.first,)) for _ in range(2)][-1]
        points = [each for each in all_points if each.time <= OFTEN]
        for part in parts:
            for _ in range(2):
                self._alone(self.callers.listen, part)
            self._meet_at_each(points, part)

    def _meet_at_each(self, points: Sequence[Point], part: Part) -> None:
        """Let the callers meet at each of the points.

        If the second had to wait for the first at some points, a few of those are tried for all of
        them, as long as the second still gets no answer there before the first goes on.
        """
        waited = {each.point: each.until_then for each in self.met if each.waits}
        for until_then, group in groupby(points, key=waited.get):
            held = list(group)
            stand_for_all = {held[0], held[len(held) // 2], held[-1]}
            some = set(held) if until_then is None else stand_for_all
            now = [self._meet_at(point, part) for point in held if point in some]
            if any(each.until_then for each in now):
                now += [self._meet_at(point, part) for point in held if point not in some]
            self.met += now

    def _alone(self, follow: Callable[[Callable[[], None]], R], part: Part) -> R:
        arranged = self._arranged(next(self._tenants))
        if self.is_there:
            arranged.create()
        return follow(lambda: _play(arranged, part))

    def _arranged(self, tenant: int) -> Arrangement:
        return Arrangement.of_tenant(tenant, self.store)

    def _meet_at(self, point: Point, part: Part) -> Met:
        tenant = next(self._tenants)
        before, first, second, after = (self._arranged(tenant) for _ in range(4))
        if self.is_there:
            self.callers.second.submit(before.create).result(PATIENCE)
        until_then = self.callers.meet(
            point, lambda: self.first(first), lambda: _play(second, part), second.calls.told
        )
        self.callers.second.submit(after.look).result(PATIENCE)
        history = [
            each for arranged in (before, first, second, after) for each in arranged.calls.told
        ]
        return Met(point, history, until_then, until_then < len(second.calls.told))


def _play(arranged: Arrangement, part: Part) -> None:
    for act in part:
        act(arranged)


@when(
    parsers.parse("a caller that {acts} is stopped at each point while another makes its calls"),
    target_fixture="met",
)
def _a_caller_that_is_stopped_at_each_point_while(
    stored: StoredRuns, scoria_deep: bool, acts: str
) -> list[Met]:
    store = stored.world.store
    if acts == "prunes a run":
        stored.need(Capability.PRUNABLE)
    with pair(packages(store), deep=scoria_deep) as callers:
        meetings = Meetings(store, FIRST[acts], acts != "creates a run", callers)
        meetings.meet(seconds_to(acts, prunes=Capability.PRUNABLE in store.capabilities))
    return meetings.met


@then("each time one order of the calls explains all that both were told")
def _each_time_one_order_of_the_calls_explains_all(met: list[Met]) -> None:
    assert met
    for each in met:
        found = explained(each.history, NO_RUNS, kept)
        assert found.holds, (
            f"no order explains what two callers were told, one stopped at {each.point}: {found}"
        )
