"""What opening, using and closing leaves behind: nothing."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from scoria_core import Scoria, StepSpec

ROUNDS = {"memory": 1_000, "sqlite": 1_000, "duckdb": 100, "postgresql": 200}
"""How often each store is opened, used and closed; fewer times where that is slow."""


@pytest.fixture(params=sorted(ROUNDS))
def scheme(request: pytest.FixtureRequest) -> str:
    """Name one kind of store."""
    return str(request.param)


@pytest.fixture
def url(scheme: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return where the store is."""
    if scheme == "postgresql":
        return str(request.getfixturevalue("postgres_scratch"))
    return "memory://" if scheme == "memory" else f"{scheme}:///{tmp_path}/store.{scheme}"


def held(url: str) -> dict[str, object]:
    """Return what this process holds, and what the server holds for it."""
    return {
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - a path each costs files
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "connections": connections(url) if url.startswith("postgresql") else 0,
    }


def connections(url: str) -> int:
    """Return how many connections to the server there are beside this one."""
    with psycopg.connect(url) as connection:
        asked = """SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
        row = connection.execute(asked).fetchone()
        return 0 if row is None else int(row[0])


def use(url: str, dispatch: str) -> None:
    """Open a store, carry out a run in it, and close it."""
    with Scoria.open(url, dispatch=dispatch, handlers={"work": lambda *_: None}) as scoria:
        identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        scoria.start_run(
            identity, root_role_id="executor", initial_step=StepSpec("work", "executor")
        )


def settled(look: Callable[[], dict[str, object]], expected: object) -> dict[str, object]:
    """Look until what is expected is seen, for a while: a server takes leave a moment later."""
    ends = time.monotonic() + 10
    while (seen := look()) != expected and time.monotonic() < ends:
        time.sleep(0.1)
    return seen


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_rounds_leave_nothing_behind(scheme: str, url: str) -> None:
    """Connections, threads and files are as many after many rounds as after the first."""
    use(url, "inline")
    use(url, "thread")
    before = held(url)
    for number in range(ROUNDS[scheme]):
        use(url, "thread" if number % 10 == 0 else "inline")
    assert settled(lambda: held(url), before) == before
