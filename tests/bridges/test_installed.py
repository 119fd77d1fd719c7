"""The libraries that the tests of bridges need."""

from importlib.util import find_spec

import pytest

from tests.bridges.libraries import LIBRARIES
from tests.support.external import missing


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_the_library_of_a_bridge_is_here(name: str) -> None:
    """Without it the tests of its bridge are not collected."""
    if find_spec(name) is None:
        missing(f"the module {name}", "pip install 'scoria-kit[bridges]'")
