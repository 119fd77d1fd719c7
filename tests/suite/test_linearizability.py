"""The checker of histories: known-good ones have an order, known-bad ones have none."""

import math
from collections.abc import Hashable, Sequence
from random import Random
from typing import Any

import attrs
import pytest

from scoria_conformance.linearizability import Operation, Sequential, explained, performed
from scoria_conformance.sequential import NO_RUN, QUEUED, decided, stored
from scoria_conformance.stored_runs import NOON, after, index_row

NEW = index_row(labels=("new",))
DUE = index_row(NOON, labels=("new", "due"))
THEN = index_row(since=after(1), labels=("then",))
CREATE = ("create", "a", NEW)
APPEND_B = ("append", 1, "b", THEN)
APPEND_C = ("append", 1, "c", THEN)
READ = ("read",)
A, AB, AC = (("a",), NEW), (("a", "b"), THEN), (("a", "c"), THEN)
"""What a read is answered before an append, and after it."""
CLAIM, ASK, RESUME = ("claim",), ("ask",), ("resume",)
APPROVE, REJECT = ("approve", 1), ("reject", 1)


def one_by_one(*operations: tuple[Hashable, Hashable], start: float = 0) -> list[Operation]:
    """Return operations of which each is called after the one before has returned."""
    return [
        Operation(asked, answered, start + 2 * place, start + 2 * place + 1)
        for place, (asked, answered) in enumerate(operations)
    ]


def at_once(*operations: tuple[Hashable, Hashable], start: float = 100) -> list[Operation]:
    """Return operations of which each is called before another returns."""
    return [
        Operation(asked, answered, start + place, start + 90 + place)
        for place, (asked, answered) in enumerate(operations)
    ]


def pending(asked: Hashable, called: float = 100) -> Operation:
    """Return an operation whose caller has got no answer."""
    return Operation(asked, called=called)


WAITING = one_by_one((CLAIM, "claimed"), (ASK, "asked"))
CREATED = one_by_one((CREATE, "stored"))
REFUSED = "ApprovalNotPending"

GOOD_OF_A_STORE = {
    "nothing": [],
    "one after another": one_by_one((CREATE, "stored"), (APPEND_B, "stored"), (READ, AB)),
    "a read at once with a write sees it": [
        *CREATED,
        *at_once((READ, AB), (APPEND_B, "stored")),
    ],
    "a read at once with a write does not see it": [
        *CREATED,
        *at_once((READ, A), (APPEND_B, "stored")),
    ],
    "one of two at one version wins": [
        *CREATED,
        *at_once((APPEND_B, "VersionConflict"), (APPEND_C, "stored")),
        *one_by_one((READ, AC), start=300),
    ],
    "who comes first by the clock may be second in order": [
        *CREATED,
        *at_once((READ, AB), (READ, A), (APPEND_B, "stored")),
    ],
    "one that had not returned has happened": [
        *CREATED,
        pending(APPEND_B, 50),
        *one_by_one((READ, AB), start=300),
    ],
    "one that had not returned has not happened": [
        *CREATED,
        pending(APPEND_B, 50),
        *one_by_one((READ, A), (APPEND_C, "stored"), start=300),
    ],
    "one that had not returned happens late": [
        *CREATED,
        pending(APPEND_B, 50),
        *one_by_one((READ, A), (READ, AB), start=300),
    ],
}
BAD_OF_A_STORE = {
    "two winners": [*CREATED, *at_once((APPEND_B, "stored"), (APPEND_C, "stored"))],
    "two runs of one id": at_once((CREATE, "stored"), (("create", "b", NEW), "stored")),
    "a stale read after an acknowledged write": [
        *CREATED,
        *one_by_one((APPEND_B, "stored"), (READ, A), start=100),
    ],
    "a read that goes back": [
        *CREATED,
        *at_once((APPEND_B, "stored")),
        *one_by_one((READ, AB), (READ, A), start=120),
    ],
    "a write that is seen before it is made": [
        *CREATED,
        *one_by_one((READ, AB), (APPEND_B, "stored"), start=100),
    ],
    "a refused write that is there": [
        *CREATED,
        *one_by_one((("append", 7, "b", THEN), "VersionConflict"), (READ, AB), start=100),
    ],
    "a stale list": one_by_one((CREATE, "stored"), (("list",), None)),
    "a stale row": one_by_one((CREATE, "stored"), (APPEND_B, "stored"), (("list",), NEW)),
    "a row that its records are ahead of": [
        *CREATED,
        *one_by_one((APPEND_B, "stored"), (READ, (("a", "b"), NEW)), start=100),
    ],
    "a label that was taken away": one_by_one(
        (CREATE, "stored"), (APPEND_B, "stored"), (("list labelled", "new"), NEW)
    ),
    "a label that is not found": one_by_one((CREATE, "stored"), (("list labelled", "new"), None)),
    "done work that is still due": one_by_one(
        (("create", "a", DUE), "stored"), (APPEND_B, "stored"), (("list due",), True)
    ),
    "one that had not returned happens and does not": [
        *CREATED,
        pending(APPEND_B, 50),
        *one_by_one((READ, AB), (READ, A), start=300),
    ],
    "one that had not returned happens before it is called": [
        *CREATED,
        *one_by_one((READ, AB), start=100),
        pending(APPEND_B, 200),
    ],
}
GOOD_OF_A_RUN = {
    "one decides, one resumes": [
        *WAITING,
        *at_once((APPROVE, "approved"), (RESUME, "resumed"), (REJECT, REFUSED)),
    ],
    "a resume comes before the approval": [
        *WAITING,
        *at_once((APPROVE, "approved"), (RESUME, "ApprovalPending")),
    ],
    "a claim at once with a read": at_once((CLAIM, "claimed"), (READ, ("queued", 0))),
    "a handler is at work still": [
        pending(CLAIM, 0),
        *one_by_one((READ, ("running", 0)), start=50),
    ],
    "a rejected run takes no more": [
        *WAITING,
        *one_by_one(
            (REJECT, "rejected"), (RESUME, "RunNotResumable"), (APPROVE, REFUSED), start=100
        ),
    ],
}
BAD_OF_A_RUN = {
    "two decide": [*WAITING, *at_once((APPROVE, "approved"), (APPROVE, "approved"))],
    "one approves, one rejects": [*WAITING, *at_once((APPROVE, "approved"), (REJECT, "rejected"))],
    "a lost decision": [
        *WAITING,
        *one_by_one((APPROVE, "approved"), (READ, ("pending", 1)), start=100),
    ],
    "nobody wins": [*WAITING, *at_once((APPROVE, REFUSED), (REJECT, REFUSED))],
    "a resume that saw no approval": [
        *WAITING,
        *one_by_one((APPROVE, "approved"), (RESUME, "ApprovalPending"), start=100),
    ],
    "a resume without an approval": [*WAITING, *one_by_one((RESUME, "resumed"), start=100)],
    "a rejected run resumes": [
        *WAITING,
        *one_by_one((REJECT, "rejected"), (RESUME, "resumed"), start=100),
    ],
    "two resume": [
        *WAITING,
        *one_by_one((APPROVE, "approved"), start=100),
        *at_once((RESUME, "resumed"), (RESUME, "resumed"), start=200),
    ],
    "two claim": at_once((CLAIM, "claimed"), (CLAIM, "claimed")),
    "nobody can claim": one_by_one((CLAIM, "nothing")),
}


def cases(
    of_a_store: dict[str, list[Operation]], of_a_run: dict[str, list[Operation]]
) -> pytest.MarkDecorator:
    """Return the histories with what they begin from and are held against."""
    listed: list[tuple[list[Operation], Hashable, Sequential]] = [
        (each, NO_RUN, stored) for each in of_a_store.values()
    ]
    listed += [(each, QUEUED, decided) for each in of_a_run.values()]
    return pytest.mark.parametrize(
        ("history", "start", "alone"), listed, ids=[*of_a_store, *of_a_run]
    )


@cases(GOOD_OF_A_STORE, GOOD_OF_A_RUN)
def test_a_history_that_one_order_explains_holds(
    history: list[Operation], start: Hashable, alone: Sequential
) -> None:
    """The order has every operation that returned, and gives the answers that were given."""
    found = explained(history, start, alone)
    assert found.holds, str(found)
    assert {each for each in history if each.has_returned} <= set(found.order)
    assert_is_an_order(found.order, start, alone)


@cases(BAD_OF_A_STORE, BAD_OF_A_RUN)
def test_a_history_that_no_order_explains_does_not(
    history: list[Operation], start: Hashable, alone: Sequential
) -> None:
    """What is left over is told, and is part of the history."""
    found = explained(history, start, alone)
    assert not found.holds
    assert set(found.unexplained) <= set(history)
    assert str(found.unexplained[0].answered) in str(found)
    assert_is_an_order(found.order, start, alone)


def assert_is_an_order(order: Sequence[Operation], start: Hashable, alone: Sequential) -> None:
    """Check an order by carrying it out, without a word from who searched for it."""
    state = start
    for place, operation in enumerate(order):
        assert all(later.returned >= operation.called for later in order[place:])
        state, answer = alone(state, operation.asked)
        assert answer == operation.answered or not operation.has_returned


def random_history(chance: Random, callers: int, turns: int) -> list[Operation]:
    """Return what callers are told by a right store, each call taking effect within its time."""
    state: Any = NO_RUN
    history: list[Operation] = []
    free = [0.0] * callers
    for effect in sorted(chance.uniform(0, 100) for _ in range(turns)):
        at_rest = [each for each in range(callers) if free[each] < effect]
        if not at_rest:
            continue
        caller = chance.choice(at_rest)
        asked = random_call(chance, len(state[0]))
        state, answered = stored(state, asked)
        called = chance.uniform(free[caller], effect)
        returned = effect + chance.expovariate(2 / 3)
        free[caller] = math.nextafter(returned, math.inf)
        is_lost = chance.random() < 0.02
        history.append(Operation(asked, answered, called, math.inf if is_lost else returned))
    return history


def random_call(chance: Random, version: int) -> Hashable:
    """Return what a caller may ask, mostly of the version that the run is at."""
    body, row = str(chance.random()), chance.choice((NEW, DUE, THEN))
    near = max(1, version + chance.choice([0, 0, 0, -1, 1]))
    lists = [("list",), ("list labelled", "new"), ("list due",)]
    calls = [("append", near, body, row), READ, chance.choice(lists)]
    return chance.choice(calls) if version else ("create", body, row)


def changed(chance: Random, history: list[Operation]) -> list[Operation]:
    """Return the history with one answer that no order can explain."""
    places = [place for place, each in enumerate(history) if each.answered == "stored"]
    place = chance.choice(places)
    wrong = attrs.evolve(history[place], asked=("append", 10_000, "b", THEN))
    return [*history[:place], wrong, *history[place + 1 :]]


@pytest.mark.parametrize("number", range(60))
def test_what_a_right_store_tells_always_holds(number: int) -> None:
    """However calls overlap, an order is found; with one answer changed, none is."""
    chance = Random(number)  # noqa: S311 - it makes up histories, and keeps no secret
    history = random_history(chance, callers=1 + number % 8, turns=150)
    assert len(history) > 20
    chance.shuffle(history)
    found = explained(history, NO_RUN, stored)
    assert found.holds, str(found)
    assert_is_an_order(found.order, NO_RUN, stored)
    assert not explained(changed(chance, history), NO_RUN, stored).holds


def test_a_history_of_one_caller_is_told_in_its_order() -> None:
    """Where nothing overlaps there is one order, and it is the one of the calls."""
    history = [performed(asked, lambda: "VersionConflict") for asked in [APPEND_B] * 50]
    assert all(each.called < each.returned for each in history)
    assert list(explained(history, NO_RUN, stored).order) == history


def test_many_who_are_all_at_once_are_searched_in_time() -> None:
    """Where no order fits, what was tried once is not tried again: 2^12 states, not 12! orders."""
    reads = [(READ, A)] * 12
    history = [*CREATED, *at_once(*reads, (READ, AC))]
    found = explained(history, NO_RUN, stored)
    assert [each.answered for each in found.unexplained] == [AC]
