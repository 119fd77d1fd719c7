"""Steps that ask a store for runs: by their ids, by what is due, and page by page."""

import re
from datetime import timedelta
from itertools import product
from typing import Any

from pytest_bdd import given, parsers, then, when

from scoria_conformance.shelf import NOON, Shelf, record
from scoria_conformance.world import OTHER_TENANT, TENANT
from scoria_core.ports import RunHead

SESSIONS = ("session-1", "session-2")


def seconds_in(told: str) -> list[int]:
    """Return the numbers that a feature tells of."""
    return [int(number) for number in re.findall(r"\d+", told)]


@given(
    parsers.parse('a run in each of the sessions "{one}", "{two}" and "{three}"'),
    target_fixture="sessions",
)
def _(shelf: Shelf, one: str, two: str, three: str) -> dict[str, str]:
    return {each: shelf.create([record(1)], session_id=each) for each in (one, two, three)}


@then("each of those sessions lists its own run alone")
def _(shelf: Shelf, sessions: dict[str, str]) -> None:
    for session_id, run_id in sessions.items():
        assert shelf.listed(TENANT, session_id) == [run_id]


@given(parsers.parse("runs of two tenants due at {told} seconds"))
def _(shelf: Shelf, told: str) -> None:
    for number, seconds in enumerate(seconds_in(told)):
        tenant_id = (TENANT, OTHER_TENANT)[number % 2]
        run_id = shelf.create([record(1)], due_in=seconds, tenant_id=tenant_id)
        shelf.due[run_id] = seconds
    shelf.create([record(1)])


@given(parsers.parse("runs due {told} microseconds after noon"), target_fixture="moments")
def _(shelf: Shelf, told: str) -> dict[str, int]:
    return {shelf.create([record(1)], due_in=each / 1_000_000): each for each in seconds_in(told)}


@then("at each microsecond those are due whose time has come, longest due first")
def _(shelf: Shelf, moments: dict[str, int]) -> None:
    in_order = sorted(moments, key=lambda run_id: moments[run_id])
    for now in range(max(moments.values()) + 1):
        come = [run_id for run_id in in_order if moments[run_id] <= now]
        assert shelf.due_at(now / 1_000_000) == come


@when(parsers.parse("the run due at {seconds:d} seconds is written to with nothing to do"))
def _(shelf: Shelf, seconds: int) -> None:
    (run_id,) = (run_id for run_id, due in shelf.due.items() if due == seconds)
    shelf.append(run_id, 1)
    del shelf.due[run_id]


@when(parsers.parse("the run due at {old:d} seconds is written to and due at {new:d} seconds"))
def _(shelf: Shelf, old: int, new: int) -> None:
    (run_id,) = (run_id for run_id, due in shelf.due.items() if due == old)
    shelf.append(run_id, 2, due_in=new)
    shelf.due[run_id] = new


@then(parsers.parse("at {seconds:d} seconds the due runs are those at {told} seconds"))
def _(shelf: Shelf, seconds: int, told: str) -> None:
    assert [shelf.due.get(run_id) for run_id in shelf.due_at(seconds)] == seconds_in(told)


@then(parsers.parse("of those the first {count:d} are the ones at {due:d} seconds, {order}"))
def _(shelf: Shelf, count: int, due: int, order: str) -> None:
    assert order == "in the order of their ids"
    expected = sorted(run_id for run_id, seconds in shelf.due.items() if seconds == due)
    assert shelf.due_at(30, limit=count) == expected


@then("each tenant has only its own among them")
def _(shelf: Shelf) -> None:
    for tenant_id in (TENANT, OTHER_TENANT):
        due = shelf.due_at(30, tenant_id=tenant_id)
        assert due == [each for each in shelf.due_at(30) if shelf.keys[each].tenant_id == tenant_id]
        assert due


@then("the head of each run says what was last written")
def _(shelf: Shelf) -> None:
    for run_id, records in shelf.kept.items():
        seconds = shelf.due.get(run_id)
        due_at = None if seconds is None else NOON + timedelta(seconds=seconds)
        expected = RunHead(shelf.keys[run_id], records[-1].sequence, due_at)
        assert shelf.world.store.head(run_id) == expected


@then("a run that was never created has no head")
def _(shelf: Shelf) -> None:
    assert shelf.world.store.head("never") is None


@given(parsers.parse('a run of a {place} called "{one}" and another of one called "{other}"'))
def _(shelf: Shelf, place: str, one: str, other: str) -> None:
    name = place.replace(" ", "_") + ("" if place == "idempotency key" else "_id")
    for called in (one, other):
        key: dict[str, Any] = {name: called}
        shelf.create([record(1)], due_in=0, **key)


@then(parsers.parse("each of them is found by its own {place} alone"))
def _(shelf: Shelf, place: str) -> None:
    for run_id, key in shelf.keys.items():
        assert list(shelf.world.store.read(run_id)) == shelf.kept[run_id]
        if place == "tenant":
            assert shelf.due_at(0, tenant_id=key.tenant_id) == [run_id]
        if place != "idempotency key":
            assert shelf.listed(key.tenant_id, key.session_id) == [run_id]


@given("runs of two tenants, each in two sessions")
def _(shelf: Shelf) -> None:
    keys = list(product((TENANT, OTHER_TENANT), SESSIONS)) * 3
    for place, (tenant_id, session_id) in enumerate(keys, start=1):
        # Not in the order of their ids: newest is by id, whichever was written first.
        number = place * 5 % (len(keys) + 1)
        shelf.create([record(1)], number=number, tenant_id=tenant_id, session_id=session_id)


def _listings(shelf: Shelf) -> list[tuple[str | None, str | None, list[str]]]:
    """Return every filter of a listing, with what it should list."""
    tenants = sorted({key.tenant_id for key in shelf.keys.values()})
    sessions = sorted({key.session_id for key in shelf.keys.values()})
    return [
        (tenant_id, session_id, _matching(shelf, tenant_id, session_id))
        for tenant_id, session_id in product((None, *tenants), (None, *sessions))
    ]


def _matching(shelf: Shelf, tenant_id: str | None, session_id: str | None) -> list[str]:
    matching = [
        run_id
        for run_id, key in shelf.keys.items()
        if tenant_id in (None, key.tenant_id) and session_id in (None, key.session_id)
    ]
    return sorted(matching, reverse=True)


@then("each listing has the runs of its tenant and session alone, newest first")
def _(shelf: Shelf) -> None:
    for tenant_id, session_id, runs in _listings(shelf):
        assert shelf.listed(tenant_id, session_id) == runs
        assert shelf.listed("nobody", session_id) == []
        assert shelf.listed(tenant_id, "no-session") == []


@then("each listing may be cut to any limit")
def _(shelf: Shelf) -> None:
    for tenant_id, session_id, runs in _listings(shelf):
        for limit in range(1, len(runs) + 2):
            assert shelf.listed(tenant_id, session_id, limit) == runs[:limit]


@then("each listing may begin before any run")
def _(shelf: Shelf) -> None:
    for tenant_id, session_id, runs in _listings(shelf):
        for run_id in shelf.kept:
            older = [each for each in runs if each < run_id]
            assert shelf.listed(tenant_id, session_id, 2, before=run_id) == older[:2]
