"""Steps in which processes are killed at each of their writes, and the store is opened again."""

from itertools import product

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.crashing import Death, Fate, Moment, Write, carry_through, fates
from scoria_conformance.shelf import NOON, Shelf
from scoria_core.ports import Capability, Record

YEARS_LATER = NOON.replace(year=9000)


@attrs.frozen
class Found:
    """What a store held once it was opened again: the records, and what is listed and due."""

    records: dict[str, list[Record]]
    listed: list[str]
    due: list[str]


@attrs.frozen
class Seen:
    """What a store has of one run."""

    records: tuple[Record, ...]
    is_listed: bool
    is_due: bool

    @classmethod
    def after(cls, run_id: str, writes: tuple[Write, ...]) -> "Seen":
        """Return what there is after these writes and no other."""
        own = [write for write in writes if write.run_id == run_id]
        records = tuple(each for write in own for each in write.records)
        return cls(records, bool(own), bool(own) and own[-1].due_at is not None)

    def __str__(self) -> str:
        """Tell how much there is, and how it ends."""
        last = f", the last with {self.records[-1].digest[:8]}" if self.records else ""
        listed = "listed" if self.is_listed else "not listed"
        return f"{len(self.records)} records{last} ({listed}, {'' if self.is_due else 'not '}due)"


@attrs.frozen
class Turn:
    """What became of processes that were killed, and what the store held after that."""

    fates: list[Fate]
    found: Found


def _turn(shelf: Shelf, name: str, *deaths: Death | None) -> Turn:
    ended = fates(shelf.world, deaths, name)
    return Turn(ended, _found(shelf, ended))


def _found(shelf: Shelf, ended: list[Fate]) -> Found:
    store = shelf.world.store
    runs = {write.run_id for fate in ended for write in fate.may_hold()[-1]}
    due = store.list_due(tenant_id=None, until=YEARS_LATER, limit=1_000)
    return Found(
        {run_id: list(store.read(run_id)) for run_id in runs},
        [each for each in shelf.listed(limit=1_000) if each in runs],
        sorted(each for each in due if each in runs),
    )


def _writes(shelf: Shelf) -> int:
    """Return at how many writes a process may be killed: those of one that is not."""
    (whole,) = _turn(shelf, "whole", None).fates
    assert whole.exit_code == 0, f"a process that nobody killed broke off: {whole.error}"
    assert len(whole.acknowledged) > 1
    return len(whole.acknowledged)


@when(
    parsers.parse("a process that carries a run through is killed {moment} each of its writes"),
    target_fixture="turns",
)
def _(shelf: Shelf, moment: str) -> list[Turn]:
    shelf.need(Capability.DURABLE)
    deaths = [Death(Moment(moment), write + 1) for write in range(_writes(shelf))]
    return [_turn(shelf, f"turn-{number}", death) for number, death in enumerate(deaths)]


@when(
    parsers.parse("{count:d} processes carry a run each through, and die at another write each"),
    target_fixture="turns",
)
def _(shelf: Shelf, count: int) -> list[Turn]:
    shelf.need(Capability.DURABLE)
    shelf.need(Capability.MULTI_PROCESS)
    moments = (Moment.BEFORE, Moment.WITHIN, Moment.AFTER)
    deaths = [Death(*each) for each in product(moments, range(1, _writes(shelf) + 1))]
    turns = -(-len(deaths) // count)
    return [_turn(shelf, f"turn-{number}", *deaths[number::turns]) for number in range(turns)]


@then("each time the store holds all that was acknowledged, and no part of a write")
def _(turns: list[Turn]) -> None:
    for turn in turns:
        for fate in turn.fates:
            ended = fate.error or f"exit {fate.exit_code}"
            assert fate.was_killed, f"a process broke off before it was killed: {ended}"
            _check(fate, turn.found)


def _check(fate: Fate, found: Found) -> None:
    may_hold = fate.may_hold()
    for run_id in {write.run_id for write in may_hold[-1]}:
        seen = Seen(tuple(found.records[run_id]), run_id in found.listed, run_id in found.due)
        outcomes = [Seen.after(run_id, writes) for writes in may_hold]
        assert seen in outcomes, (
            f"after {len(fate.acknowledged)} acknowledged writes the store has {seen}, "
            f"and it may have {' or '.join(map(str, outcomes))}"
        )


@then("what was found each time is still there")
def _(shelf: Shelf, turns: list[Turn]) -> None:
    for turn in turns:
        assert _found(shelf, turn.fates) == turn.found


@then("each of the runs goes on to its end")
def _(shelf: Shelf, turns: list[Turn]) -> None:
    scoria = shelf.world.scoria
    for fate in (fate for turn in turns for fate in turn.fates):
        run = carry_through(shelf.world, scoria, fate.idempotency_key)
        journal = scoria.get_run_detail(run.run_id).journal
        began = [each for write in fate.acknowledged for each in write.records]
        assert [each.digest for each in journal[: len(began)]] == [each.digest for each in began]
        assert run.status in ("completed", "cancelled")
