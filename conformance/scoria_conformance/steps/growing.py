"""Steps that put many runs into a store, and watch what a call costs meanwhile.

Costs are times, for want of anything that every store has. So that a busy machine fails nobody,
each is the median of a hundred, a hundredth run has to be several times as cheap as the
thousandth, and what seems dear at the end is measured again. What this cannot see is a cost that
grows but is still small beside what every call of the store costs.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median

from pytest_bdd import parsers, then, when

from scoria_conformance.shelf import Shelf, numbered, record
from scoria_conformance.world import TENANT

WINDOW = 100
"""How many calls of a kind are measured together."""

RATIO = 5
"""How many times as much a call may cost at last."""

AGAIN = 4
"""How often the last hundred is measured anew where it seems dear."""

OLD = numbered(20)
"""A run at which a page of a listing ends."""

DUE = 5
"""How many of the runs are due."""

Costs = Mapping[str, float]
"""What each call costs, in seconds."""


def _measured(shelf: Shelf) -> Costs:
    """Return what each call costs while so many more runs are created."""
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: _create(shelf),
        "append": lambda: shelf.append(_newest(shelf), 1),
        "read": lambda: shelf.world.store.read(_newest(shelf)),
        "list_runs": lambda: shelf.listed(TENANT, "session-1", 10),
        "list_runs before an old run": lambda: shelf.listed(TENANT, "session-1", 10, OLD),
        "list_due": lambda: shelf.due_at(0, 10, TENANT),
    }
    times = [[_time(call) for call in calls.values()] for _ in range(WINDOW)]
    return dict(zip(calls, map(median, zip(*times, strict=True)), strict=True))


def _newest(shelf: Shelf) -> str:
    return next(reversed(shelf.kept))


def _create(shelf: Shelf) -> None:
    number = len(shelf.kept)
    due_in = 0 if number < DUE else None
    shelf.create([record(1)], due_in=due_in, idempotency_key=f"order-{number}")


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@when(parsers.parse("{count:d} runs are put into a store"), target_fixture="costs")
def _(shelf: Shelf, count: int) -> tuple[Costs, Costs]:
    first = _measured(shelf)
    while len(shelf.kept) < count - WINDOW:
        _create(shelf)
    last = _measured(shelf)
    for _ in range(AGAIN):
        if _dear(first, last):
            again = _measured(shelf)
            last = {call: min(cost, again[call]) for call, cost in last.items()}
    return first, last


def _dear(first: Costs, last: Costs) -> list[str]:
    """Return the calls that cost too much at last."""
    return [call for call, cost in last.items() if cost > RATIO * first[call]]


@then("no call costs several times what it cost at first")
def _(costs: tuple[Costs, Costs]) -> None:
    first, last = costs
    told = {
        call: f"{first[call] * 1e6:.0f} µs at first, {last[call] * 1e6:.0f} µs at last"
        for call in _dear(first, last)
    }
    assert not told, f"calls that cost more the more runs there are: {told}"
