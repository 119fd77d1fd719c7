"""Steps in which a caller is stopped at each point of a call, while another makes its own."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import TypeVar

import attrs
import pytest
from pytest_bdd import parsers, then, when

from scoria_conformance.calls import Calls
from scoria_conformance.linearizability import Operation, explained
from scoria_conformance.points import Point, packages
from scoria_conformance.sequential import NO_RUNS, kept
from scoria_conformance.shelf import NOON, Shelf, numbered, record
from scoria_conformance.stopping import Pair, pair
from scoria_core.ports import Capability

LATER = NOON + timedelta(seconds=60)
KEY = "order-7"

R = TypeVar("R")


@attrs.frozen
class Scene:
    """A tenant with a run of two records that is due at noon, and what is asked of it."""

    calls: Calls
    run_id: str
    other_id: str

    def created(self) -> Operation:
        """Create the run."""
        return self.calls.create(self.run_id, KEY, [record(1), record(2)], NOON)

    def create_again(self) -> list[Operation]:
        """Create the run once more, without its key."""
        return [self.calls.create(self.run_id, None, [record(1, "again")], None)]

    def create_under_its_key(self) -> list[Operation]:
        """Create another run under the key of the run."""
        return [self.calls.create(self.other_id, KEY, [record(1, "other")], NOON)]

    def append(self, body: str) -> list[Operation]:
        """Append records to the run at its version."""
        new = [record(number, body) for number in (3, 4, 5)]
        return [self.calls.append(self.run_id, 2, new, None)]

    def put_off(self) -> list[Operation]:
        """Put the run off without a record."""
        return [self.calls.append(self.run_id, 2, [], LATER)]

    def take_over(self) -> list[Operation]:
        """Take the run over while it is due."""
        return [self.calls.append(self.run_id, 2, [record(3, "taken")], LATER, due_by=NOON)]

    def prune(self) -> list[Operation]:
        """Remove the run."""
        return [self.calls.prune(self.run_id, 2)]

    def look(self) -> list[Operation]:
        """Ask all that there is to ask about the run."""
        return self.calls.look(self.run_id)


Asked = Callable[[Scene], Sequence[Operation]]

FIRST: dict[str, Asked] = {
    "creates a run": lambda scene: [scene.created()],
    "creates another under its key": lambda scene: scene.create_under_its_key(),
    "appends to a run": lambda scene: scene.append("first"),
    "puts a run off": lambda scene: scene.put_off(),
    "takes a run over": lambda scene: scene.take_over(),
    "prunes a run": lambda scene: scene.prune(),
    "reads a run": lambda scene: [scene.calls.read(scene.run_id)],
    "asks for the head of a run": lambda scene: [scene.calls.head(scene.run_id)],
    "lists the runs": lambda scene: [scene.calls.list_runs()],
    "lists the due runs": lambda scene: [scene.calls.list_due()],
}
"""What the caller does that is stopped."""

CREATES: Asked = lambda scene: [
    *scene.look(),
    *scene.create_again(),
    *scene.create_under_its_key(),
    *scene.look(),
]
APPENDS: Asked = lambda scene: [*scene.look(), *scene.append("second"), *scene.look()]
PUTS_OFF: Asked = lambda scene: [*scene.put_off(), *scene.look()]
PRUNES: Asked = lambda scene: [*scene.prune(), *scene.create_under_its_key(), *scene.look()]


@attrs.frozen
class Met:
    """What two callers were told of one tenant, where the first was stopped."""

    point: Point
    history: Sequence[Operation]


@attrs.define
class Meetings:
    """Callers that meet at each point of a call, a tenant for each time."""

    shelf: Shelf
    first: Asked
    is_there: bool
    tenants: "count[int]" = attrs.field(factory=lambda: count(1))

    def scene(self) -> tuple[Scene, list[Operation]]:
        """Return another tenant, with its run or without, and what has been asked of it."""
        number = next(self.tenants)
        calls = Calls(self.shelf.world.store, f"tenant-{number}")
        scene = Scene(calls, numbered(2 * number), numbered(2 * number + 1))
        return scene, [scene.created()] if self.is_there else []

    def all(self, callers: Pair, second: Asked) -> list[Met]:
        """Have the second meet the first at each point."""
        # What a caller does once only, such as to connect, it has done by then.
        self._alone(callers.listen, second)
        points = [self._alone(callers.points, self.first) for _ in range(2)][-1]
        return [self._met(callers, point, second) for point in points]

    def _alone(self, follow: Callable[..., R], asked: Asked) -> R:
        scene, _ = self.scene()
        return follow(lambda: asked(scene))

    def _met(self, callers: Pair, point: Point, second: Asked) -> Met:
        scene, before = self.scene()
        told = callers.meet(point, lambda: self.first(scene), lambda: second(scene))
        after = callers.second.submit(scene.look).result()
        return Met(point, [*before, *told[0], *told[1], *after])


@when(
    parsers.parse("a caller that {acts} is stopped at each point while another makes its calls"),
    target_fixture="meetings",
)
def _(request: pytest.FixtureRequest, shelf: Shelf, acts: str) -> list[Met]:
    deep = bool(request.config.getoption("--deep", default=False))
    store = shelf.world.store
    prunes = Capability.PRUNABLE in store.capabilities
    if acts == "prunes a run":
        shelf.need(Capability.PRUNABLE)
    is_there = acts != "creates a run"
    meetings = Meetings(shelf, FIRST[acts], is_there)
    with pair(packages(store), deep=deep) as callers:
        return [met for second in _seconds(acts, prunes) for met in meetings.all(callers, second)]


def _seconds(acts: str, prunes: bool) -> list[Asked]:
    """Return what others do meanwhile."""
    if acts == "creates a run":
        return [CREATES]
    if acts in ("reads a run", "asks for the head of a run", "lists the runs", "lists the due runs"):
        both: Asked = lambda scene: [*scene.append("second"), *scene.put_off()]
        return [both, PRUNES] if prunes else [both]
    return [APPENDS, PUTS_OFF, *([PRUNES] if prunes else [])]


@then("each time one order of the calls explains all that both were told")
def _(meetings: list[Met]) -> None:
    assert meetings
    for met in meetings:
        found = explained(met.history, NO_RUNS, kept)
        assert found.holds, (
            f"no order explains what callers were told, one of them stopped at {met.point}: {found}"
        )
