"""Steps that put many runs into a store, and compare the cost of calls before and after.

Costs are times, since that is all that every store has. A busy machine can only make a call slower,
so each cost is the least of many times: of few at first, as long as a growing cost is still small,
and of a hundred at the end. What seems too slow then is measured again. This does not find a cost
that grows but is still small beside the constant cost of every call.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import attrs
from pytest_bdd import parsers, then, when

from scoria_conformance.stored_runs import StoredRuns, after, index_row, numbered, record
from scoria_conformance.world import TENANT
from scoria_core.ports import Capability, Fact, IndexRow, PrunableStore, Where

FEW = 12
"""How many runs there are when the first calls are measured: enough for a page of a listing."""

EARLY, LATE = 20, 100
"""How many calls of a kind are measured at first, and at last."""

RATIO = 3
"""How many times as much a call may cost at last as at first."""

AGAIN = 4
"""How often the last calls are measured again if they seem too slow."""

THOUSAND, LEAVING = 1_000, 2
"""The limit of a count, and how many more runs leave once there are just so many."""

OLD = numbered(11)
"""A run at which a page of a listing ends."""

MIDDLE = after(7), numbered(8)
"""Where a page of a labelled listing begins."""

FACTS = {
    Fact.SESSION: "session-1",
    Fact.ACTOR: "user-1",
    Fact.ROLE: "executor",
    Fact.STATUS: "many",
}

DUE, LATER = 5, 86_400
"""How many of the runs are due now, and in how many seconds the others are."""

Costs = Mapping[str, float]
"""The cost of each call, in seconds."""


def _measured(stored: StoredRuns, rounds: int) -> Costs:
    """Return the cost of each call, while `rounds` more runs are created."""
    store = stored.world.store
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: _create(stored),
        "append": lambda: stored.append(_newest(stored), 1, row=_later(stored)),
        "read": lambda: store.read([_newest(stored), OLD]),
        **{
            f"list_runs by {fact}": partial(_listed, stored, Where(fact, value))
            for fact, value in FACTS.items()
        },
        "list_runs": lambda: _listed(stored, None),
        "list_runs before an old run": lambda: stored.listed(TENANT, "session-1", 10, OLD),
        "list_labelled": lambda: stored.labelled(None, TENANT, 10),
        "list_labelled by label": lambda: stored.labelled("tool:send", TENANT, 10),
        "list_labelled by a rare label": lambda: stored.labelled("assigned:a", TENANT, 10),
        "list_labelled from the middle": lambda: stored.labelled(None, TENANT, 10, MIDDLE),
        "list_due": lambda: stored.due_at(0, 10, TENANT),
        "count_runs": lambda: store.count_runs(tenant_id=TENANT, statuses=["few"], limit=10),
        "count_runs of many": lambda: store.count_runs(
            tenant_id=TENANT, statuses=["many"], limit=10
        ),
    }
    times = [[_time(call) for call in calls.values()] for _ in range(rounds)]
    return dict(zip(calls, map(min, zip(*times, strict=True)), strict=True))


def _newest(stored: StoredRuns) -> str:
    return next(reversed(stored.journals))


def _create(stored: StoredRuns) -> None:
    number = len(stored.journals)
    is_early = number < DUE
    row = index_row(
        after(0 if is_early else LATER),
        status="few" if is_early else "many",
        since=after(number),
        labels=("tool:send", "assigned:a") if is_early else ("tool:send",),
    )
    stored.create([record(1)], row=row, idempotency_key=f"order-{number}")


def _listed(stored: StoredRuns, where: Where | None) -> None:
    stored.world.store.list_runs(tenant_id=TENANT, where=where, limit=10)


def _later(stored: StoredRuns) -> IndexRow:
    """Return the row of the newest run, but due an hour later."""
    return attrs.evolve(stored.rows[_newest(stored)], due_at=after(LATER + 3600))


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@when(parsers.parse("{count:d} runs are put into a store"), target_fixture="costs")
def _runs_are_put_into_a_store(stored: StoredRuns, count: int) -> tuple[Costs, Costs]:
    for _ in range(FEW):
        _create(stored)
    first = _measured(stored, EARLY)
    while len(stored.journals) < count - LATE:
        _create(stored)
    last = _measured(stored, LATE)
    for _ in range(AGAIN):
        if _dear(first, last):
            again = _measured(stored, LATE)
            last = {call: min(cost, again[call]) for call, cost in last.items()}
    return first, last


def _dear(first: Costs, last: Costs) -> list[str]:
    """Return the calls that have become too slow."""
    return [call for call, cost in last.items() if cost > RATIO * first[call]]


@then("no call costs several times what it cost at first")
def _no_call_costs_several_times_what_it_cost(costs: tuple[Costs, Costs]) -> None:
    first, last = costs
    told = {
        call: f"{first[call] * 1e6:.0f} µs at first, {last[call] * 1e6:.0f} µs at last"
        for call in _dear(first, last)
    }
    assert not told, f"calls that cost more the more runs there are: {told}"


@then("one page of each listing holds them all")
def _one_page_of_each_listing_holds_them_all(stored: StoredRuns) -> None:
    count = len(stored.journals)
    assert len(stored.listed(TENANT, "session-1", count)) == count
    assert len(stored.labelled("tool:send", TENANT, count)) == count
    assert len(stored.due_at(2 * LATER, count, TENANT)) == count


@then("they are counted up to a thousand, and exactly as some leave")
def _they_are_counted_up_to_a_thousand(stored: StoredRuns) -> None:
    ids = [run_id for run_id, row in stored.rows.items() if row.status == "many"]
    assert len(ids) > THOUSAND
    assert _counted(stored) == THOUSAND
    left = ids[: len(ids) - THOUSAND + LEAVING]
    for run_id in left[LEAVING:]:
        stored.append(run_id, 1, row=attrs.evolve(stored.rows[run_id], status="few"))
    assert _counted(stored) == THOUSAND
    for run_id in left[:LEAVING]:
        _leave(stored, run_id)
    assert _counted(stored) == THOUSAND - LEAVING


def _counted(stored: StoredRuns) -> int:
    counts = stored.world.store.count_runs(tenant_id=TENANT, statuses=["many"], limit=THOUSAND)
    return counts["many"]


def _leave(stored: StoredRuns, run_id: str) -> None:
    """Remove a run if the store can, or else give it another status."""
    if Capability.PRUNABLE in stored.world.store.capabilities:
        version = len(stored.journals[run_id])
        removed = cast(PrunableStore, stored.world.store).prune({run_id: version})
        assert list(removed) == [run_id]
        stored.forget(run_id)
    else:
        stored.append(run_id, 1, row=attrs.evolve(stored.rows[run_id], status="few"))
