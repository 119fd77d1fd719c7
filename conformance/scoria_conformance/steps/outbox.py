"""Steps about the deliveries that a store keeps for its listeners."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from random import Random
from typing import cast

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.concurrency import (
    Barrier,
    Work,
    begin_process,
    heard,
    processes,
    threads,
)
from scoria_conformance.stored_runs import NOON, StoredRuns, after, index_row, numbered, record
from scoria_conformance.stored_runs import run_key as key_of
from scoria_conformance.world import World
from scoria_core.errors import VersionConflict
from scoria_core.ports import Capability, Delivery, OutboxStore, PrunableStore, RunStore

LISTENERS = ("listener-1", "listener-2")
LISTENER = LISTENERS[0]
CALLS = 400
RUNS = 5
MOST_CLAIMS = 400
"""After how many claims it is clear that a caller would claim without end."""


def outbox(store: RunStore) -> OutboxStore:
    """Return the store as one that declares `outbox`."""
    return cast(OutboxStore, store)


@attrs.define
class Reference:
    """The reference of an outbox: what it must keep."""

    versions: dict[str, int] = attrs.field(factory=dict)
    listeners: set[str] = attrs.field(factory=set)
    kept: dict[tuple[str, str], Delivery] = attrs.field(factory=dict)

    def stored(self, run_id: str, version: int, since: datetime) -> None:
        """Record that a run is at a version."""
        before = self.versions.get(run_id, 0)
        self.versions[run_id] = version
        for listener in self.listeners:
            new = Delivery(listener, run_id, before, version, 0, since)
            known = self.kept.get((listener, run_id), new)
            self.kept[listener, run_id] = attrs.evolve(known, version=version)

    def forget(self, *, listener: str | None = None, run_id: str | None = None) -> None:
        """Remove the deliveries of a listener or of a run."""
        for key in [key for key in self.kept if listener == key[0] or run_id == key[1]]:
            del self.kept[key]

    def claim(self, listener: str, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery that is due first, or return None."""
        due = [
            (each.next_try_at, run_id)
            for (name, run_id), each in self.kept.items()
            if name == listener and each.next_try_at is not None and each.next_try_at <= now
        ]
        if not due:
            return None
        found = self.kept[listener, min(due)[1]]
        claimed = attrs.evolve(found, tries=found.tries + 1, next_try_at=until)
        self.kept[listener, found.run_id] = claimed
        return claimed

    def settle(self, claimed: Delivery, settled: Delivery) -> bool:
        """Settle a claim, and tell whether it was still valid."""
        key = claimed.listener, claimed.run_id
        found = self.kept.get(key)
        if found is None or _claim_of(found) != _claim_of(claimed):
            return False
        self.kept[key] = attrs.evolve(settled, version=found.version)
        if settled.delivered >= found.version:
            del self.kept[key]
        return True

    def of(self, listener: str) -> list[Delivery]:
        """Return the deliveries of a listener, ordered by run."""
        return [each for key, each in sorted(self.kept.items()) if key[0] == listener]


def _claim_of(delivery: Delivery) -> tuple[object, ...]:
    """Return what tells one claim of a delivery from another."""
    return delivery.delivered, delivery.tries, delivery.next_try_at


@attrs.define
class Driver:
    """Makes random calls on a store and on the reference."""

    stored: StoredRuns
    chance: Random
    reference: Reference = attrs.field(factory=Reference)
    claims: list[Delivery] = attrs.field(factory=list)
    told: list[str] = attrs.field(factory=list)

    @property
    def store(self) -> OutboxStore:
        """The store, which may have been opened anew."""
        return outbox(self.stored.world.store)

    def drive(self) -> None:
        """Make the calls, and compare after each."""
        calls = [self.write] * 8 + [self.claim] * 8 + [self.settle] * 8
        calls += [
            self.reopen,
            self.refused,
            self.postpone,
            self.listen,
            self.stop_listening,
            self.prune,
        ]
        self.listen()
        for number in range(CALLS):
            self.compare(self.chance.choice(calls), number)

    def compare(self, call: Callable[[], tuple[str, object, object]], number: int) -> None:
        """Make one call; its answer, and what is then kept, must be that of the reference."""
        name, answered, expected = call()
        told = f"call {number}, {name}, is answered and kept as by the reference"
        assert (told, answered) == (told, expected)
        assert (told, list(self.store.list_listeners())) == (
            told,
            sorted(self.reference.listeners),
        )
        for listener in LISTENERS:
            expected_list = self.reference.of(listener)
            found = self.store.list_deliveries(listener, limit=100)
            assert (told, list(found)) == (told, expected_list)
            given_up = [each for each in expected_list if each.next_try_at is None]
            found = self.store.list_deliveries(listener, limit=2, given_up=True)
            assert (told, list(found)) == (told, given_up[:2])

    def moment(self) -> datetime:
        """Return a time between noon and ten seconds later."""
        return NOON + timedelta(seconds=self.chance.randrange(10), microseconds=1)

    def run(self) -> str:
        """Return the id of a run, which may not exist; often the one that was claimed last."""
        if self.claims and self.chance.random() < 1 / 3:
            return self.claims[-1].run_id
        return numbered(self.chance.randrange(1, RUNS + 1))

    def write(self) -> tuple[str, object, object]:
        """Create a run, or append to it."""
        run_id, since = self.run(), self.moment()
        version, count = self.reference.versions.get(run_id, 0), self.chance.randrange(1, 3)
        records, row = [record(version + each + 1) for each in range(count)], index_row(since=since)
        if version:
            self.store.append(run_id, records, expected_version=version, row=row)
        else:
            self.store.create(key_of(run_id), records, row=row)
        self.reference.stored(run_id, version + count, since)
        return "a write", None, None

    def refused(self) -> tuple[str, object, object]:
        """Try to create a run that exists, or append at another version."""
        run_id, row = self.run(), index_row(since=self.moment())
        version = self.reference.versions.get(run_id, 0)
        try:
            if version and self.chance.random() < 1 / 2:
                self.store.create(key_of(run_id), [record(1)], row=row)
            else:
                self.store.append(run_id, [record(9)], expected_version=version + 1, row=row)
        except VersionConflict:
            return "a write that is refused", True, True
        return "a write that is refused", False, True

    def postpone(self) -> tuple[str, object, object]:
        """Postpone a run without a record."""
        run_id = self.run()
        if version := self.reference.versions.get(run_id):
            row = index_row(due_at=self.moment(), since=self.moment())
            self.store.append(run_id, [], expected_version=version, row=row)
        return "a write without records", None, None

    def listen(self) -> tuple[str, object, object]:
        """Add a listener, which may exist already."""
        listener = self.chance.choice(LISTENERS)
        self.reference.listeners.add(listener)
        self.store.add_listener(listener)
        return "a listener that is added", None, None

    def stop_listening(self) -> tuple[str, object, object]:
        """Remove a listener, which may not exist; often add it again at once, with nothing due."""
        listener = self.chance.choice(LISTENERS)
        self.reference.listeners.discard(listener)
        self.reference.forget(listener=listener)
        self.store.remove_listener(listener)
        if self.chance.random() < 1 / 2:
            return "a listener that is removed", None, None
        self.reference.listeners.add(listener)
        self.store.add_listener(listener)
        return "a listener that is removed and added again", None, None

    def prune(self) -> tuple[str, object, object]:
        """Prune a run, if the store can."""
        run_id = self.run()
        version = self.reference.versions.get(run_id)
        if version is not None and Capability.PRUNABLE in self.store.capabilities:
            cast(PrunableStore, self.store).prune({run_id: version})
            del self.reference.versions[run_id]
            self.reference.forget(run_id=run_id)
        return "a run that is pruned", None, None

    def reopen(self) -> tuple[str, object, object]:
        """Close the store and open it again, if it is durable."""
        if Capability.DURABLE in self.store.capabilities:
            self.stored.world.close()
            self.stored.world.open()
        return "a store that was opened again", None, None

    def claim(self) -> tuple[str, object, object]:
        """Claim a delivery of a listener."""
        listener, now = self.chance.choice(LISTENERS), self.moment()
        until = now + timedelta(seconds=self.chance.randrange(3))
        claimed = self.store.claim_delivery(listener, now=now, until=until)
        if claimed is not None:
            self.claims.append(claimed)
        return "a claim", claimed, self.reference.claim(listener, now, until)

    def settle(self) -> tuple[str, object, object]:
        """Settle a claim, which may not be the last one."""
        if not self.claims:
            return "no settlement", None, None
        claimed = self.chance.choice([self.claims[-1], *self.claims[-3:]])
        settled = attrs.evolve(
            claimed,
            delivered=self.chance.choice(
                [claimed.version, *range(claimed.delivered, claimed.version)]
            ),
            tries=self.chance.choice([0, 1, claimed.tries]),
            next_try_at=self.chance.choice([None, self.moment(), self.moment()]),
            problem=self.chance.choice([None, "it is 'döwn'"]),
        )
        done = self.store.settle_delivery(claimed, settled)
        return "a settlement", done, self.reference.settle(claimed, settled)


@when(
    "listeners, writes, claims and what came of them are put to the store and to a reference",
    target_fixture="driver",
)
def _listeners_writes_claims_and_what_came_of_them(stored: StoredRuns, scoria_seed: int) -> Driver:
    stored.need(Capability.OUTBOX)
    return Driver(stored, Random(scoria_seed))  # noqa: S311 - it picks calls


@then("after each call both kept the same for each listener, and answered the same")
def _after_each_call_both_kept_the_same(driver: Driver) -> None:
    driver.drive()


@given("a listener")
def _a_listener(stored: StoredRuns) -> None:
    stored.need(Capability.OUTBOX)
    outbox(stored.world.store).add_listener(LISTENER)


@given(parsers.parse("a listener, and {count:d} runs that it has yet to be told of"))
def _a_listener_and_runs(stored: StoredRuns, count: int) -> None:
    _a_listener(stored)
    for _ in range(count):
        stored.create([record(1)])


def _store_claim_and_wait(count: int) -> Callable[[RunStore, Connection], None]:
    def work(store: RunStore, says: Connection) -> None:
        for number in range(1, count + 1):
            store.create(key_of(numbered(number)), [record(1)], row=index_row(since=after(number)))
        outbox(store).claim_delivery(LISTENER, now=after(60), until=after(120))
        says.send("stored")
        while True:
            time.sleep(1)

    return work


@when(parsers.parse("a process stores {count:d} runs, claims the first of them and is killed"))
def _a_process_stores_runs_and_is_killed(world: World, count: int) -> None:
    world.close()
    process, hears = begin_process(world, _store_claim_and_wait(count))
    assert heard(hears) == "stored"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    world.open()


@then(
    parsers.parse(
        "the listener is to be told of {count:d} of them at once, and of the first when its claim "
        "ends"
    )
)
def _the_listener_is_to_be_told_of_them(world: World, count: int) -> None:
    store = outbox(world.store)
    claimed = [store.claim_delivery(LISTENER, now=after(61), until=after(500)) for _ in range(9)]
    at_once = [each.run_id for each in claimed if each is not None]
    assert at_once == [numbered(number) for number in range(2, count + 2)]
    first = store.claim_delivery(LISTENER, now=after(120), until=after(180))
    assert first == Delivery(LISTENER, numbered(1), 0, 1, 2, after(180))


def _claim_all(store: RunStore, _: int, barrier: Barrier) -> list[str]:
    barrier.wait()
    return [each.run_id for each in _claims(store)]


def _claims(store: RunStore) -> Iterator[Delivery]:
    for _ in range(MOST_CLAIMS):
        each = outbox(store).claim_delivery(LISTENER, now=after(60), until=after(600))
        if each is None:
            return
        yield each
    raise AssertionError("the same is claimed again and again")


@when(
    parsers.re(r"(?P<count>\d+) (?P<kind>callers|processes) claim all they can at once"),
    target_fixture="claimed",
)
def _claim_all_they_can_at_once(stored: StoredRuns, count: str, kind: str) -> list[str]:
    crew: Callable[[World, int, Work], list[list[str]]] = threads
    if kind == "processes":
        stored.need(Capability.MULTI_PROCESS)
        crew = processes
    return [each for part in crew(stored.world, int(count), _claim_all) for each in part]


@then("each run was claimed once")
def _each_run_was_claimed_once(stored: StoredRuns, claimed: list[str]) -> None:
    # A caller that gave way to another may have skipped a run: the next claim finds it.
    late = [each.run_id for each in _claims(stored.world.store)]
    assert sorted([*claimed, *late]) == sorted(stored.journals)


@when("one caller tells them while 2 others append to them at once", target_fixture="told")
def _one_caller_tells_while_others_append(stored: StoredRuns) -> dict[str, int]:
    run_ids = sorted(stored.journals)

    def work(store: RunStore, number: int, barrier: Barrier) -> dict[str, int]:
        barrier.wait()
        if number:
            for run_id in run_ids:
                _append(store, run_id)
            return {}
        return {each.run_id: each.version for each in _tell(store)}

    told, *_ = threads(stored.world, 3, work)
    return cast(dict[str, int], told)


def _tell(store: RunStore) -> Iterator[Delivery]:
    for each in _claims(store):
        done = attrs.evolve(each, delivered=each.version, tries=0, next_try_at=NOON)
        assert outbox(store).settle_delivery(each, done), "a claim that nobody else has"
        yield each


def _append(store: RunStore, run_id: str) -> None:
    for version in (1, 2):
        try:
            store.append(run_id, [record(version + 1)], expected_version=version, row=index_row())
        except VersionConflict:
            continue


@then("the listener has yet to be told of nothing, or of what came last")
def _the_listener_has_yet_to_be_told(stored: StoredRuns, told: dict[str, int]) -> None:
    store = stored.world.store
    found = outbox(store).list_deliveries(LISTENER, limit=100)
    left = {each.run_id: (each.delivered, each.version) for each in found}
    versions = {run_id: store.read([run_id])[0].version for run_id in stored.journals}
    expected = {
        run_id: (told.get(run_id, 0), version)
        for run_id, version in versions.items()
        if told.get(run_id, 0) < version
    }
    assert left == expected
