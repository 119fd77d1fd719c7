"""Steps in which a process that writes and delivers is killed at lines of the store's code."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, cast

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.concurrency import Broke, begin_process
from scoria_conformance.points import Place, Point, Trail, packages
from scoria_conformance.steps.outbox import Reference, outbox
from scoria_conformance.stored_runs import StoredRuns, after, index_row, numbered, record
from scoria_conformance.stored_runs import run_key as key_of
from scoria_conformance.world import PATIENCE, World
from scoria_core.ports import Capability, Delivery, OutboxStore, PrunableStore, RunStore

Ask = Callable[[OutboxStore], object]
Kept = tuple[dict[str, int], list[Delivery]]
"""The versions of the runs of a story, and the deliveries that its listener has yet to get."""


@attrs.define
class Story:
    """Calls about one listener and two runs, and what must be kept after each of them."""

    turn: int
    asked: list[Ask] = attrs.field(factory=list)
    kept: list[Kept] = attrs.field(factory=lambda: [({}, [])])
    reference: Reference = attrs.field(factory=Reference)

    @classmethod
    def of(cls, turn: int, *, prunes: bool = False) -> "Story":
        """Return a story with a failed delivery, a complete one, and one that is given up.

        At its end it `prunes` the run with a delivery that is still to come.
        """
        story = cls(turn)
        story.listen()
        first, second = story.run_ids
        story.write(first, after(1))
        story.write(second, after(2))
        story.tell(now=60, delivered=0, next_try_at=after(70), problem="it is down")
        story.write(first, after(3))
        story.tell(now=60, delivered=1)
        story.write(second, after(90))
        story.tell(now=80, delivered=1, next_try_at=None, problem="it is gone")
        story.write(first, after(4))
        if prunes:
            story.prune(first)
        return story

    @property
    def run_ids(self) -> list[str]:
        """The ids of its runs."""
        return [numbered(10 * self.turn + each) for each in (1, 2)]

    @property
    def listener(self) -> str:
        """The listener of this story; no other story has it."""
        return f"listener-{self.turn}"

    def listen(self) -> None:
        """Add the listener."""
        self.reference.listeners.add(self.listener)
        self._call(lambda store: store.add_listener(self.listener))

    def write(self, run_id: str, since: datetime) -> None:
        """Create a run, or append to it."""
        version = self.reference.versions.get(run_id, 0)
        self.reference.stored(run_id, version + 1, since)
        self._call(partial(_written, run_id, version, since))

    def tell(self, *, now: int, **settled: Any) -> None:
        """Claim the delivery that is due first, and settle it."""
        claim = {"now": after(now), "until": after(now + 60)}
        claimed = self.reference.claim(self.listener, **claim)
        assert claimed is not None
        self._call(lambda store: store.claim_delivery(self.listener, **claim))
        done = attrs.evolve(claimed, **settled)
        self.reference.settle(claimed, done)
        self._call(lambda store: store.settle_delivery(claimed, done))

    def prune(self, run_id: str) -> None:
        """Remove a run, and what its listener has yet to get of it."""
        version = self.reference.versions.pop(run_id)
        self.reference.forget(run_id=run_id)
        self._call(lambda store: cast(PrunableStore, store).prune({run_id: version}))

    def _call(self, ask: Ask) -> None:
        self.asked.append(ask)
        self.kept.append((dict(self.reference.versions), self.reference.of(self.listener)))


def _written(run_id: str, version: int, since: datetime, store: OutboxStore) -> None:
    records, row = [record(version + 1)], index_row(since=since)
    if version:
        store.append(run_id, records, expected_version=version, row=row)
    else:
        store.create(key_of(run_id), records, row=row)


@attrs.define
class Turn:
    """A process that makes the calls of a story until it is killed."""

    story: Story
    death: Point | None
    first: int = 0
    """The first call of the story in which it may die."""

    begun: int = 0
    acknowledged: int = 0
    come_by: Counter[Place] = attrs.field(factory=Counter)

    def live(self, world: World) -> None:
        """Run the process until it dies; the store is closed meanwhile."""
        world.close()
        process, hears = begin_process(world, self._work)
        for said in _said(hears):
            match said:
                case "begun":
                    self.begun += 1
                case "done":
                    self.acknowledged += 1
                case Broke():
                    raise AssertionError(f"a process that tells broke off: {said.error}")
                case _:
                    self.come_by = said
        process.join(PATIENCE)
        world.open()
        assert process.exitcode == -signal.SIGKILL

    def check(self, world: World) -> None:
        """Check what is stored, and what the listener has yet to receive."""
        store = outbox(world.store)
        deliveries = store.list_deliveries(self.story.listener, limit=1_000)
        run_ids = self.story.run_ids
        found = (
            {run.key.run_id: run.version for run in store.read(run_ids)},
            [each for each in deliveries if each.run_id in run_ids],
        )
        may_be = self.story.kept[self.acknowledged : self.begun + 1]
        told = f"killed at {self.death}, in call {self.begun} of its story"
        assert any(found == each for each in may_be), f"{told}: {found}, and may have {may_be}"
        if self.acknowledged:
            assert self.story.listener in store.list_listeners(), told

    def _work(self, store: RunStore, says: Connection) -> None:
        trail = Trail(packages(store), self._die_at)
        for number, ask in enumerate(self.story.asked):
            says.send("begun")
            with trail.followed() if number >= self.first else nullcontext():
                ask(outbox(store))
            says.send("done")
        says.send(trail.come_by)
        _die()

    def _die_at(self, point: Point) -> None:
        if point == self.death:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _said(hears: Connection) -> Iterator[Any]:
    while hears.poll(PATIENCE):
        try:
            yield hears.recv()
        except (EOFError, OSError):
            return
    raise AssertionError("a process that tells neither says anything nor ends")


@when(
    parsers.parse("a process that stores and tells is killed at each of {count:d} lines"),
    target_fixture="told_until_killed",
)
def _a_process_that_tells_is_killed(stored: StoredRuns, count: int) -> Sequence[Turn]:
    return _killed_at(stored, count, prunes=False)


@when(
    parsers.parse(
        "a process that stores and tells is killed at each of {count:d} lines of a prune"
    ),
    target_fixture="told_until_killed",
)
def _a_process_that_tells_is_killed_as_it_prunes(stored: StoredRuns, count: int) -> Sequence[Turn]:
    stored.need(Capability.PRUNABLE)
    return _killed_at(stored, count, prunes=True)


def _killed_at(stored: StoredRuns, count: int, *, prunes: bool) -> Sequence[Turn]:
    stored.need(Capability.DURABLE)
    stored.need(Capability.OUTBOX)

    def turn_of(number: int, death: Point | None) -> Turn:
        story = Story.of(number, prunes=prunes)
        return Turn(story, death, first=len(story.asked) - 1 if prunes else 0)

    # The second one no longer does what is done only once, such as to create tables.
    whole = [turn_of(number, None) for number in (1, 2)]
    for turn in whole:
        turn.live(stored.world)
    places = list(whole[-1].come_by)
    points = [Point(places[number * len(places) // count], 1) for number in range(count)]
    turns = [turn_of(number, point) for number, point in enumerate(dict.fromkeys(points), 3)]
    for turn in turns:
        turn.live(stored.world)
        turn.check(stored.world)
    return [*whole, *turns]


@then("each time its listener has yet to be told what is stored, and nothing else")
def _each_time_its_listener_has_yet_to_be_told(
    stored: StoredRuns, told_until_killed: Sequence[Turn]
) -> None:
    for turn in told_until_killed:
        turn.check(stored.world)
