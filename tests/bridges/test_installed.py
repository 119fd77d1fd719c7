"""The libraries that the tests of bridges need."""

import pytest

from tests.bridges.libraries import LIBRARIES, lacking
from tests.support.external import missing


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_the_library_of_a_bridge_is_here(name: str) -> None:
    """Without it the tests of its bridge are not collected."""
    if lacks := lacking(name):
        missing(" and ".join(lacks), "pip install 'scoria-kit[bridges]'")
