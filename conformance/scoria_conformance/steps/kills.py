"""Steps in which processes are killed at each of their writes, and the store is opened again."""

from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance import load_process
from scoria_conformance.calls import LATEST
from scoria_conformance.crash_process import Death, Fate, Moment, Write, carry_through, fates
from scoria_conformance.load_process import LABELS, Ended, Life, ended, sizes
from scoria_conformance.points import Point
from scoria_conformance.sequential import Kept
from scoria_conformance.stored_runs import NOON, StoredRuns, index_row, numbered, record
from scoria_core.errors import safe_repr
from scoria_core.ports import Capability, IndexRow, Record, RunKey, StoredRun

YEARS_LATER = NOON.replace(year=9000)


@attrs.frozen
class Found:
    """The content of a store that was opened again: records, and which runs are listed and due."""

    runs: dict[str, StoredRun]
    listed: list[str]
    due: list[str]
    labelled: dict[str, list[str]]

    def of(self, run_id: str) -> "Seen":
        """Return what the store had of one run."""
        run = self.runs.get(run_id)
        labels = frozenset(each for each, listed in self.labelled.items() if run_id in listed)
        return Seen(
            run.records if run else (),
            run.row if run else None,
            run_id in self.listed,
            run_id in self.due,
            labels,
        )


@attrs.frozen
class Seen:
    """What a store has of one run."""

    records: tuple[Record, ...]
    row: IndexRow | None
    is_listed: bool
    is_due: bool
    labels: frozenset[str]
    """The labels under which it is listed."""

    @classmethod
    def after(cls, run_id: str, writes: tuple[Write, ...]) -> "Seen":
        """Return what a store must have after these writes."""
        own = [write for write in writes if write.run_id == run_id]
        records = tuple(each for write in own for each in write.records)
        if not own:
            return cls((), None, False, False, frozenset())
        row = own[-1].row
        return cls(records, row, True, row.due_at is not None, frozenset(row.labels))

    def __str__(self) -> str:
        """Describe how many records there are, the last of them, and where the run is listed."""
        last = f", the last with {self.records[-1].digest[:8]}" if self.records else ""
        listed = "listed" if self.is_listed else "not listed"
        under = f", under {', '.join(sorted(self.labels))}" if self.labels else ""
        is_due = f"{'' if self.is_due else 'not '}due"
        return f"{len(self.records)} records{last} ({listed}{under}, {is_due}, {self.row})"


@attrs.frozen
class Turn:
    """The fates of processes that were killed, and the content of the store after that."""

    fates: list[Fate]
    found: Found


ASKED_AGAIN = 10
"""How often a store is asked again while a server may still carry out a call."""


def _turn(stored: StoredRuns, name: str, *deaths: Death | None) -> Turn:
    ended = fates(stored.world, deaths, name)
    found = _found(stored, ended)
    for _ in range(ASKED_AGAIN):
        before, found = found, _found(stored, ended)
        # A server may still execute the last call of a dead process, while the store is read.
        if found == before:
            break
    return Turn(ended, found)


def _found(stored: StoredRuns, ended: list[Fate]) -> Found:
    store = stored.world.store
    runs = {run_id for fate in ended for run_id in fate.run_ids}
    labels = {
        label for fate in ended for write in fate.may_hold()[-1] for label in write.row.labels
    }
    due = store.list_due(tenant_id=None, until=YEARS_LATER, limit=1_000)
    return Found(
        {run.key.run_id: run for run in store.read(sorted(runs))},
        [each for each in stored.listed(limit=1_000) if each in runs],
        sorted(each for each in due if each in runs),
        {label: stored.labelled(label, limit=1_000) for label in sorted(labels)},
    )


def _writes(stored: StoredRuns) -> int:
    """Return how many writes a process makes that is not killed, so at which it may be killed."""
    (whole,) = _turn(stored, "whole", None).fates
    assert whole.exit_code == 0, f"a process that nobody killed broke off: {whole.error}"
    assert len(whole.acknowledged) > 1
    return len(whole.acknowledged)


@when(
    parsers.parse("a process that carries a run through is killed {moment} each of its writes"),
    target_fixture="turns",
)
def _a_process_that_carries_a_run_through_is_killed(stored: StoredRuns, moment: str) -> list[Turn]:
    stored.need(Capability.DURABLE)
    deaths = [Death(Moment(moment), write + 1) for write in range(_writes(stored))]
    return [_turn(stored, f"turn-{number}", death) for number, death in enumerate(deaths)]


@when(
    parsers.parse("{count:d} processes carry a run each through, and die at another write each"),
    target_fixture="turns",
)
def _processes_carry_a_run_each_through_and_die(stored: StoredRuns, count: int) -> list[Turn]:
    stored.need(Capability.DURABLE)
    stored.need(Capability.MULTI_PROCESS)
    moments = (Moment.BEFORE, Moment.WITHIN, Moment.AFTER)
    deaths = [Death(*each) for each in product(moments, range(1, _writes(stored) + 1))]
    turns = -(-len(deaths) // count)
    return [_turn(stored, f"turn-{number}", *deaths[number::turns]) for number in range(turns)]


@then("each time the store holds all that was acknowledged, and no part of a write")
def _each_time_the_store_holds_all_that_was(turns: list[Turn]) -> None:
    for turn in turns:
        for fate in turn.fates:
            ended = fate.error or f"exit {fate.exit_code}"
            assert fate.was_killed, f"a process broke off before it was killed: {ended}"
            _check(fate, turn.found)


def _check(fate: Fate, found: Found) -> None:
    for run_id in fate.run_ids:
        seen = found.of(run_id)
        outcomes = [Seen.after(run_id, writes) for writes in fate.may_hold()]
        assert seen in outcomes, (
            f"after {len(fate.acknowledged)} acknowledged writes the store has {seen}, "
            f"and it may have {' or '.join(map(str, outcomes))}"
        )


@then("what was found each time is still there")
def _what_was_found_each_time_is_still_there(stored: StoredRuns, turns: list[Turn]) -> None:
    for turn in turns:
        now = _found(stored, turn.fates)
        for fate in turn.fates:
            _check(fate, now)
            for run_id in fate.run_ids:
                before, after = turn.found.of(run_id), now.of(run_id)
                kept = after.records[: len(before.records)] == before.records
                assert kept, f"run {run_id} had {before}, and now has {after}"


@then("each of the runs goes on to its end")
def _each_of_the_runs_goes_on_to_its_end(stored: StoredRuns, turns: list[Turn]) -> None:
    scoria = stored.world.scoria
    for fate in (fate for turn in turns for fate in turn.fates):
        run = carry_through(stored.world, scoria, fate.idempotency_key)
        journal = scoria.get_run_detail(run.run_id).journal
        began = [each for write in fate.acknowledged for each in write.records]
        assert [each.digest for each in journal[: len(began)]] == [each.digest for each in began]
        assert run.status in ("completed", "cancelled")


KILLS = {"a line of its code": 35, "a byte of its files": 21, "any moment": 14}
"""How many kills leave a chance below one in a thousand to miss what was looked for by hand."""

DEEP = 10
"""How many times as many kills a deep search makes."""

BEYOND = 0.5
"""The share of kills beyond the end of a file that grows; the others hit any of its bytes."""


@attrs.define
class Kills:
    """A store whose process is killed again and again, and what was found after that."""

    stored: StoredRuns
    chance: Random
    may_be: dict[RunKey, list[Kept | None]] = attrs.field(factory=dict)
    """The valid states of each run: the one that was found, or a later one of a call under way."""
    growth: dict[Path, int] = attrs.field(factory=dict)
    turns: int = 0
    whole: Ended = attrs.field(init=False)

    def learn(self) -> None:
        """Let a process finish all its work, and learn what it reached and wrote."""
        directory = self.stored.world.directory
        before = sizes(directory)
        self.whole = self._ended(load_process.Death())
        after = sizes(directory)
        self.growth = {each: size - before.get(each, 0) for each, size in after.items()}
        self._look(self.whole)

    def death(self, where: str, share: float) -> load_process.Death:
        """Return a death at this share of all points or messages, or at a byte drawn at random."""
        if where == "a line of its code" and self.whole.come_by:
            places = list(self.whole.come_by)
            place = places[int(share * len(places))]
            time = self.chance.randint(1, self.whole.come_by[place])
            return load_process.Death(point=Point(place, time))
        if where == "a byte of its files" and self.growth:
            file = self.chance.choice(sorted(self.growth))
            size = sizes(self.stored.world.directory).get(file, 0)
            grown = max(size, size + self.growth[file])
            least = size if size < grown and self.chance.random() < BEYOND else 0
            return load_process.Death(byte=self.chance.randrange(least, grown + 1))
        word = 1 + int(share * self.whole.words)
        return load_process.Death(word=word, seconds=self.chance.random() * 1e-3)

    def kill(self, death: load_process.Death) -> None:
        """Let a process die in this way; open the store again and check what it holds."""
        self._look(self._ended(death))

    def _ended(self, death: load_process.Death) -> Ended:
        self.turns += 1
        return ended(self.stored.world, self.turns, death)

    def _look(self, after: Ended) -> None:
        """Check each run of a process that died."""
        try:
            self.stored.world.open()
            for life in after.lives:
                self.may_be[life.key] = self._check(life, after)
            self.stored.world.close()
        except Exception as error:
            raise AssertionError(f"a process was {after.death}; {told(error)}") from error

    def _check(self, life: Life, after: Ended) -> list[Kept | None]:
        """Check what is found of a run, and return the states that it may have from now on."""
        found = self._kept(life.key)
        run_id = life.key.run_id
        calls = range(after.acknowledged[run_id], after.begun[run_id] + 1)
        may_be = [life.after(count) for count in calls]
        if Capability.MULTI_PROCESS not in self.stored.world.store.capabilities:
            may_be += [life.as_put_off_is_forgotten(count) for count in calls]
        outcomes = " or ".join(map(_told, may_be))
        assert found in may_be, f"run {run_id} has {_told(found)}, and may have {outcomes}"
        # A server may still execute a call after the process that made it has died.
        return [found, *may_be[may_be.index(found) : len(calls)]]

    def _kept(self, key: RunKey) -> Kept | None:
        """Return what a store has of a run; every way to read it must agree."""
        store, run_id = self.stored.world.store, key.run_id
        # These reads are separate calls: between them, a server may execute a call of the dead
        # process.
        for _ in range(ASKED_AGAIN):
            run = next(iter(store.read([run_id])), None)
            row = run.row if run else index_row()
            listed = self.stored.listed(key.tenant_id, key.session_id, 1_000)
            seen = (
                run and run.key,
                run and run.version,
                run_id in listed,
                run_id in store.list_due(tenant_id=key.tenant_id, until=LATEST, limit=10_000),
                self._labels(key),
            )
            if run is None:
                expected: Any = (None, None, False, False, set())
            else:
                is_due = row.due_at is not None
                expected = (key, len(run.records), True, is_due, set(row.labels))
            if seen == expected:
                return Kept(run_id, key.idempotency_key, run.records, row) if run else None
        raise AssertionError(
            f"run {run_id} is read as {run!s:.300}, and its key, its version, whether it is listed "
            f"and due, and its labels are {seen}"
        )

    def _labels(self, key: RunKey) -> set[str]:
        """Return those of the possible labels under which the run is listed."""
        return {
            label
            for label in (*LABELS, str(key.idempotency_key))
            if key.run_id in self.stored.labelled(label, key.tenant_id, 10_000)
        }

    def check_all(self) -> None:
        """Check once more every run that was found, and that each still owns its key."""
        store = self.stored.world.store
        for number, (key, may_be) in enumerate(self.may_be.items(), 1_000_000):
            found = self._kept(key)
            outcomes = " or ".join(map(_told, dict.fromkeys(may_be)))
            assert found in may_be, f"run {key.run_id} has {_told(found)}, and had {outcomes}"
            if found is not None:
                again = attrs.evolve(key, run_id=numbered(number))
                owner = store.create(again, [record(1)], row=index_row())
                assert owner == key.run_id


def told(error: Exception) -> str:
    """Return the message of a failed check, or what the store raised."""
    return str(error) if isinstance(error, AssertionError) else f"it raised {safe_repr(error, 500)}"


def _told(found: Kept | None) -> str:
    """Describe what was found of a run."""
    if found is None:
        return "no records"
    return f"{len(found.records)} records, and {found.row}"


@when(
    parsers.parse("a process in which threads write and one prunes dies at {where}"),
    target_fixture="kills",
)
def _a_process_in_which_threads_write_and_one(
    stored: StoredRuns, scoria_seed: int, scoria_deep: bool, where: str
) -> Kills:
    stored.need(Capability.DURABLE)
    count = KILLS[where] * (DEEP if scoria_deep else 1)
    chance = Random(f"{scoria_seed} {where}")  # noqa: S311 - it picks moments, and keeps no secret
    kills = Kills(stored, chance)
    stored.world.close()
    # The second time, calls no longer do what they do only once, such as to create tables.
    for _ in range(2):
        kills.learn()
    for number in range(count):
        kills.kill(kills.death(where, number / count))
    stored.world.open()
    return kills


@then("each time every run is as it was acknowledged, or as the call under way leaves it")
def _each_time_every_run_is_as_it_was_acknowledged(kills: Kills) -> None:
    assert kills.may_be
    kills.check_all()
