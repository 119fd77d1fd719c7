"""The suite that ships, on the stores that ship.

All of it in memory; what is put to a store directly on the others, on PostgreSQL in its own tests.
"""

import os

import pytest

from scoria_conformance import Status, verify

DUCKDB, SQLITE = "duckdb:///runs.duckdb", "sqlite:///runs.db"


@pytest.mark.parametrize(
    ("target", "suite"),
    [
        ("memory://", None),
        pytest.param(DUCKDB, "store", marks=pytest.mark.slow),
        pytest.param(SQLITE, "store", marks=pytest.mark.slow),
    ],
)
def test_a_store_holds_what_it_declares(target: str, suite: str | None) -> None:
    """Every scenario passes, or is about what the store does not declare."""
    jobs = os.cpu_count() or 1
    verdict = verify(target, suite=suite, page="scoria_cli.page:page", jobs=jobs)
    holds = {Status.PASSED, Status.NOT_APPLICABLE}
    assert [check for check in verdict.checks if check.status not in holds] == []
    assert verdict.exit_code == 0, verdict.problem
