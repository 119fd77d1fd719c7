"""Steps in which tenants and sessions have ids that a careless store takes for one another."""

from itertools import product

from pytest_bdd import given, parsers, then

from scoria_conformance.shelf import Shelf, record

ALIKE = {
    "in case": ("acme", "Acme", "ACME"),
    "in a space": ("acme", "acme ", " acme"),
    "in where they end": ("acme", "acme-", "acme-1"),
    "in a wildcard": ("a%", "a_", "ab"),
    "in another wildcard": ("a*", "a?", "ab"),
    "in a quote": ("a'", "a''", 'a"'),
    "in how a letter is written": ("\u00e9", "e\u0301", "e"),
    "in a leading zero": ("7", "07", "7.0"),
}
"""Three ids each, by what sets them apart."""


@given(parsers.parse("runs of three tenants and sessions whose ids differ {how}"))
def _(shelf: Shelf, how: str) -> None:
    """Make the newest and the longest due of the runs those of one tenant."""
    ids = ALIKE[how]
    for place, (tenant_id, session_id) in enumerate(product(ids, ids)):
        for due_in in (None, 20 - place):
            run_id = shelf.create(
                [record(1)], due_in=due_in, tenant_id=tenant_id, session_id=session_id
            )
            if due_in is not None:
                shelf.due[run_id] = due_in


@then("each listing of what is due has the runs of its tenant alone, cut to any limit")
def _(shelf: Shelf) -> None:
    tenants = sorted({key.tenant_id for key in shelf.keys.values()})
    longest_first = sorted(shelf.due, key=lambda run_id: (shelf.due[run_id], run_id))
    for tenant_id, seconds in product((None, *tenants, "nobody"), (0, 15, 30)):
        due = [
            run_id
            for run_id in longest_first
            if shelf.due[run_id] <= seconds and tenant_id in (None, shelf.keys[run_id].tenant_id)
        ]
        for limit in range(1, len(due) + 2):
            assert shelf.due_at(seconds, limit, tenant_id) == due[:limit]
