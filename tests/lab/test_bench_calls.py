"""How many calls W costs: a number that no machine changes."""

from lab.bench.calls import BUILT_IN, counted

MOST = 1_100
"""How many functions of Python W calls at most, on any; later ones make fewer of the same code."""

MOST_IN_ALL = 2_000
"""How many calls W makes at most, with those of what is built in."""


def test_w_costs_no_more_calls_than_it_did() -> None:
    """A call that is made again for each entry is seen here, before anybody times it."""
    calls = counted()
    in_all = sum(calls.values())
    assert 700 < in_all - calls[BUILT_IN] <= MOST, calls
    assert calls[BUILT_IN] > 100
    assert in_all <= MOST_IN_ALL, calls
