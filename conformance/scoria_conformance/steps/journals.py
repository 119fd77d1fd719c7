"""Steps that read the journal of a run, as it is or as a store has damaged it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.steps.reads import paged
from scoria_conformance.steps.runs import start
from scoria_conformance.world import DamagedStore, World
from scoria_core import DamagedRun, JournalEntry, RunDetail, Scoria
from scoria_core.errors import StoreCorrupt
from scoria_core.ports import Record

Journal = tuple[JournalEntry, ...]


@then("its journal is numbered from 1 without gaps")
def _its_journal_is_numbered_from_1_without_gaps(world: World) -> None:
    journal = world.detail.journal
    assert [entry.sequence for entry in journal] == list(range(1, len(journal) + 1))
    assert len({entry.digest for entry in journal}) == len(journal)


@then("each entry starts in the state that the entry before it left")
def _each_entry_starts_in_the_state_that_the_entry(world: World) -> None:
    left: dict[tuple[str, str], str] = {}
    for entry in world.detail.journal:
        subject = (entry.subject, entry.subject_id)
        assert entry.from_state == left.get(subject)
        left[subject] = entry.to_state


@then(parsers.parse("it tells in this order of {told}"))
def _it_tells_in_this_order(world: World, told: str) -> None:
    types = iter([entry.type for entry in world.detail.journal])
    missing = [each for each in told.split(", ") if each not in types]
    assert missing == []


@then(parsers.parse('the last entry of its journal is "{event}"'))
def _the_last_entry_of_its_journal(world: World, event: str) -> None:
    assert world.detail.journal[-1].type == event


@when("its journal is kept aside", target_fixture="journal_before")
def _its_journal_is_kept_aside(world: World) -> Journal:
    return world.detail.journal


@then("its journal is what it was")
def _its_journal_is_what_it_was(world: World, journal_before: Journal) -> None:
    assert world.detail.journal == journal_before


@then("its journal begins with what was kept aside")
def _its_journal_begins_with_what_was_kept_aside(world: World, journal_before: Journal) -> None:
    journal = world.detail.journal
    assert journal[: len(journal_before)] == journal_before
    assert len(journal) > len(journal_before)


@then(parsers.parse('its journal says that it was rejected because "{reason}"'))
def _its_journal_says_that_it_was_rejected_because(world: World, reason: str) -> None:
    told = [entry.data for entry in world.detail.journal if entry.type == "run_rejected"]
    assert [each["reason"] for each in told] == [reason]


@then("its journal does not tell yet that the approval expired")
def _its_journal_does_not_tell_yet(world: World) -> None:
    assert "approval_expired" not in [entry.type for entry in world.detail.journal]


@then("its journal tells that the approval expired")
def _its_journal_tells_that_the_approval_expired(world: World) -> None:
    assert world.error is None, world.error
    told = [entry for entry in world.detail.journal if entry.type == "approval_expired"]
    assert len(told) == 1
    expired = told[0]
    assert expired.subject_id == world.detail.approvals[0].approval_id
    assert (expired.from_state, expired.to_state) == ("pending", "expired")


@then(
    parsers.parse(
        'the last entry tells that "{who}" approved that request {seconds:d} seconds after it '
        "was made"
    )
)
def _the_last_entry_tells_that_approved(world: World, who: str, seconds: int) -> None:
    detail = world.detail
    (approval,), entry = detail.approvals, detail.journal[-1]
    assert (entry.subject, entry.subject_id) == ("approval", approval.approval_id)
    assert (entry.type, entry.trigger) == ("approval_approved", "approve")
    assert (entry.from_state, entry.to_state) == ("pending", "approved")
    assert entry.actor_id == who
    assert entry.at == approval.requested_at + timedelta(seconds=seconds) == world.clock.now()


@then("the entries before it name nobody but who started the run")
def _the_entries_before_it_name_nobody_but_who(world: World) -> None:
    first, *others = world.detail.journal[:-1]
    assert first.actor_id == "user-1"
    assert {entry.actor_id for entry in others} <= {"user-1", None}


@when(parsers.re(r"entry (?P<number>\d+) of its journal is (?P<damage>.+) the store"))
def _entry_of_its_journal_is_the_store(
    world: World, other_run_id: str, number: str, damage: str
) -> None:
    place, others = int(number) - 1, world.records_of(other_run_id)
    world.damage(lambda records: DAMAGES[damage](records, place, others))


@when("each entry of its journal in turn is changed in the store", target_fixture="inspected")
def _each_entry_of_its_journal_in_turn_is_changed(world: World) -> list[RunDetail | StoreCorrupt]:
    inspected: list[RunDetail | StoreCorrupt] = []
    for place in range(len(world.detail.journal)):
        store = DamagedStore(world.store, world.run_id, partial(_changed, place=place, _=()))
        try:
            inspected.append(Scoria(store, clock=world.clock).inspect_run(world.run_id))
        except StoreCorrupt as error:
            inspected.append(error)
    return inspected


@then("it is inspected as it was before that entry, or not at all before it was whole")
def _it_is_inspected_as_it_was_before_that_entry(
    world: World, inspected: list[RunDetail | StoreCorrupt]
) -> None:
    whole = world.scoria.inspect_run(world.run_id)
    assert whole.damage is None
    started = next(entry.sequence for entry in whole.journal if entry.type == "step_queued")
    for number, found in enumerate(inspected, start=1):
        if number <= started:
            assert isinstance(found, StoreCorrupt)
            assert found.sequence == number
            continue
        assert isinstance(found, RunDetail)
        assert found.damage is not None
        assert (found.damage.run_id, found.damage.sequence) == (world.run_id, number)
        assert found.journal == whole.journal[: number - 1]
        assert found.summary.version <= number - 1
        assert _moves_of(found) <= {(e.subject_id, e.to_state) for e in found.journal}


def _moves_of(detail: RunDetail) -> set[tuple[str, str]]:
    """Return the state of each step and approval."""
    steps = {(step.step_id, str(step.status)) for step in detail.steps}
    return steps | {(each.approval_id, str(each.status)) for each in detail.approvals}


@given("3 runs with a queued step", target_fixture="three")
def _3_runs_with_a_queued_step(world: World) -> list[str]:
    runs: list[str] = []
    for _ in range(3):
        start(world, handlers=None)
        runs.append(world.run_id)
    return runs


@when(parsers.parse("entry {number:d} of the second is changed in the store"))
def _entry_of_the_second_is_changed_in_the_store(
    world: World, three: list[str], number: int
) -> None:
    world.run_id = three[1]
    world.damage(lambda records: _changed(records, number - 1, ()))


@then("each list has the first and the third, whatever the length of its pages")
def _each_list_has_the_first_and_the_third_as_many(world: World, three: list[str]) -> None:
    first, _, third = three
    session_id = world.identity().session_id
    host = world.scoria
    for size in (1, 2, 3):
        for listed in (host.list_runs, partial(host.list_runs_for_session, session_id)):
            assert paged(listed, 3, size) == [third, first]


@then("all of them are due")
def _all_of_them_are_due(world: World, three: list[str]) -> None:
    assert sorted(world.scoria.list_pending()) == sorted(three)


@then(
    parsers.parse("the list with the damaged shows the second between the others, with entry {n:d}")
)
def _the_list_with_the_damaged_shows_the_second(world: World, three: list[str], n: int) -> None:
    rows = world.scoria.list_runs_with_damaged()
    assert [row.run_id for row in rows] == three[::-1]
    damaged = {row.run_id: row.sequence for row in rows if isinstance(row, DamagedRun)}
    assert damaged == {three[1]: n}
    assert rows == world.scoria.list_runs_with_damaged(session_id=world.identity().session_id)


def _changed(records: list[Record], place: int, _: Sequence[Record]) -> list[Record]:
    # Only the time changes, so that the entry is still valid in itself.
    body = records[place].body.replace("2026", "2025")
    return [*records[:place], attrs.evolve(records[place], body=body), *records[place + 1 :]]


def _moved(records: list[Record], place: int, _: Sequence[Record]) -> list[Record]:
    one, other = records[place : place + 2]
    there = attrs.evolve(one, sequence=other.sequence)
    here = attrs.evolve(other, sequence=one.sequence)
    return [*records[:place], here, there, *records[place + 2 :]]


def _given(**change: Any) -> Callable[[list[Record], int, Sequence[Record]], list[Record]]:
    """Return a damage that gives an entry a value of a wrong type."""
    return lambda records, place, _: [
        *records[:place],
        attrs.evolve(records[place], **change),
        *records[place + 1 :],
    ]


DAMAGES: dict[str, Callable[[list[Record], int, Sequence[Record]], list[Record]]] = {
    "changed in": _changed,
    "lost by": lambda records, place, _: [*records[:place], *records[place + 1 :]],
    "moved to the next place by": _moved,
    "taken from another run by": lambda records, place, others: [
        *records[:place],
        others[place],
        *records[place + 1 :],
    ],
    "taken with all that follow from another run by": lambda records, place, others: [
        *records[:place],
        *others[place:],
    ],
    "given a body of bytes by": _given(body=b"{}"),
    "given no body by": _given(body=None),
    "given a digest of bytes by": _given(digest=b"d"),
    "given a number that is text by": _given(sequence="3"),
    "told twice by": lambda records, place, _: [*records[:place], *records[place - 1 :]],
}
"""Damages of an entry in a store, by the words of the features."""
