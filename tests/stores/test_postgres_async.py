"""`AsyncScoria` over PostgreSQL: the tests that run on every store."""

from collections.abc import Iterator

import pytest

from scoria_postgres import PostgresStore
from tests.core.test_async_scoria import (
    begin as begin,
)
from tests.core.test_async_scoria import (
    facade as facade,
)
from tests.core.test_async_scoria import (
    test_a_cancelled_handler_releases_its_step as test_a_cancelled_handler_releases_its_step,
)
from tests.core.test_async_scoria import (
    test_a_run_is_started_decided_and_resumed as test_a_run_is_started_decided_and_resumed,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def store(postgres_scratch: str) -> Iterator[PostgresStore]:
    """Return an empty store."""
    store = PostgresStore(postgres_scratch)
    yield store
    store.close()
