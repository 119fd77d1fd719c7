"""Steps that ask a store for runs: by their ids, by what is due, and page by page."""

import re
from itertools import product

from pytest_bdd import given, parsers, then

from scoria_conformance.stored_runs import StoredRuns, record
from scoria_conformance.world import OTHER_TENANT, TENANT

SESSIONS = ("session-1", "session-2")


def seconds_in(told: str) -> list[int]:
    """Return the numbers that a feature tells of."""
    return [int(number) for number in re.findall(r"\d+", told)]


@given(parsers.parse("runs of two tenants due at {told} seconds"))
def _runs_of_two_tenants_due_at_seconds(stored: StoredRuns, told: str) -> None:
    for number, seconds in enumerate(seconds_in(told)):
        tenant_id = (TENANT, OTHER_TENANT)[number % 2]
        run_id = stored.create([record(1)], due_in=seconds, tenant_id=tenant_id)
        stored.due[run_id] = seconds
    stored.create([record(1)])


@then(parsers.parse("at {seconds:d} seconds the due runs are those at {told} seconds"))
def _at_seconds_the_due_runs_are_those_at_seconds(
    stored: StoredRuns, seconds: int, told: str
) -> None:
    assert [stored.due.get(run_id) for run_id in stored.due_at(seconds)] == seconds_in(told)


@given("runs of two tenants, each in two sessions")
def _runs_of_two_tenants_each_in_two_sessions(stored: StoredRuns) -> None:
    keys = list(product((TENANT, OTHER_TENANT), SESSIONS)) * 3
    for place, (tenant_id, session_id) in enumerate(keys, start=1):
        # Not in the order of their ids: newest is by id, whichever was written first.
        number = place * 5 % (len(keys) + 1)
        stored.create([record(1)], number=number, tenant_id=tenant_id, session_id=session_id)


def _listings(stored: StoredRuns) -> list[tuple[str | None, str | None, list[str]]]:
    """Return every filter of a listing, with what it should list."""
    tenants = sorted({key.tenant_id for key in stored.keys.values()})
    sessions = sorted({key.session_id for key in stored.keys.values()})
    return [
        (tenant_id, session_id, _matching(stored, tenant_id, session_id))
        for tenant_id, session_id in product((None, *tenants), (None, *sessions))
    ]


def _matching(stored: StoredRuns, tenant_id: str | None, session_id: str | None) -> list[str]:
    matching = [
        run_id
        for run_id, key in stored.keys.items()
        if tenant_id in (None, key.tenant_id) and session_id in (None, key.session_id)
    ]
    return sorted(matching, reverse=True)


@then("any limit returns the first of each listing")
def _each_listing_may_be_cut_to_any_limit(stored: StoredRuns) -> None:
    for tenant_id, session_id, runs in _listings(stored):
        for limit in range(1, len(runs) + 2):
            assert stored.listed(tenant_id, session_id, limit) == runs[:limit]


@then("each listing may begin before any run")
def _each_listing_may_begin_before_any_run(stored: StoredRuns) -> None:
    for tenant_id, session_id, runs in _listings(stored):
        for run_id in stored.journals:
            older = [each for each in runs if each < run_id]
            assert stored.listed(tenant_id, session_id, 2, before=run_id) == older[:2]
