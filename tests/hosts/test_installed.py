"""What the tests of the hosts need."""

import pytest

from tests.hosts.libraries import lacking
from tests.support.external import missing


@pytest.mark.slow
def test_the_libraries_of_the_hosts_are_here() -> None:
    """Without them the tests of the hosts are not collected."""
    if lacks := lacking():
        missing(" and ".join(lacks), "pip install 'scoria-kit[hosts]'")
