"""What opening, using and closing leaves behind: nothing."""

import os
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from scoria_core import Scoria, StepSpec

pytestmark = pytest.mark.slow

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


def held(url: str) -> Counter[str]:
    """Return what this process holds, and what the server holds for it."""
    threads = Counter(f"thread {thread.name}" for thread in threading.enumerate())
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a path each costs more
    at_server = connections(url) if url.startswith("postgresql") else 0
    return threads + Counter(files=files, connections=at_server)


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


def left_behind(url: str, before: Counter[str]) -> Counter[str]:
    """Return what is held beyond `before`, after a while: a server takes leave a moment later."""
    ends = time.monotonic() + 10
    while (more := held(url) - before) and time.monotonic() < ends:
        time.sleep(0.1)
    return more


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_rounds_leave_nothing_behind(scheme: str, url: str) -> None:
    """Connections, threads and files are no more after many rounds than after the first."""
    use(url, "inline")
    use(url, "thread")
    before = held(url)
    for number in range(ROUNDS[scheme]):
        use(url, "thread" if number % 10 == 0 else "inline")
    assert left_behind(url, before) == Counter()


def test_what_is_left_behind_is_seen(tmp_path: Path) -> None:
    """A file and a thread that stay are told."""
    before = held("memory://")
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="stays")
    thread.start()
    with (tmp_path / "stays").open("w"):
        assert held("memory://") - before == Counter({"files": 1, "thread stays": 1})
    stop.set()
    thread.join()
