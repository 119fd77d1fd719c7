"""How many Python calls W costs: a number that no machine changes."""

from lab.bench.calls import counted

MOST = 1_100
"""What W costs at most, on any Python; later ones make fewer calls of the same code."""


def test_w_costs_no_more_calls_than_it_did() -> None:
    """A call that is made again for each entry is seen here, before anybody times it."""
    calls = counted()
    assert 700 < sum(calls.values()) <= MOST, calls
