from pathlib import Path

import psycopg
import pytest

from scoria_core import Scoria, StepSpec
from scoria_core.stores import scratch_url

pytestmark = pytest.mark.slow


def test_a_store_of_a_test_is_its_own(postgres_url: str, tmp_path: Path) -> None:
    """What one test writes is seen by no other, on one server."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    with (
        Scoria.open(scratch_url(postgres_url, one)) as scoria,
        Scoria.open(scratch_url(postgres_url, other)) as beside,
    ):
        identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        scoria.start_run(identity, root_role_id="r", initial_step=StepSpec("work", "r"))
        assert (len(scoria.list_runs()), len(beside.list_runs())) == (1, 0)


def test_a_write_is_lasting_on_the_server_of_the_tests(postgres_scratch: str) -> None:
    """The server acknowledges when a write is in its log."""
    with psycopg.connect(postgres_scratch) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
