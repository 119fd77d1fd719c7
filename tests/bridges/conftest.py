"""What tests of bridges share; where the library of one is not installed, its tests are left out.

`test_installed` says so, and fails where everything must run.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bridges.killed import Turns
from tests.bridges.libraries import LIBRARIES, lacking

collect_ignore_glob = [f"test_{name}*.py" for name in LIBRARIES if lacking(name)]


@pytest.fixture(scope="module")
def turns_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Turns]]:
    """Start the programs that make the calls of turns; all are ended afterwards."""
    started: dict[str, Turns] = {}

    def start(library: str) -> Turns:
        if library not in started:
            log: Path = tmp_path_factory.mktemp("turns") / "log.txt"
            started[library] = Turns(library, log)
        return started[library]

    yield start
    for each in started.values():
        each.close()
