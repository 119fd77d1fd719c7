"""Who waits for work in PostgreSQL is woken: by LISTEN, on a connection of its own."""

import logging
import multiprocessing
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import ConnectionPool

import scoria_postgres.store
from scoria_core import Scoria, StepSpec
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import Capability, IndexRow, Record, RunKey
from scoria_core.stores import scratch_url
from scoria_postgres import PostgresStore
from scoria_worker import Worker

pytestmark = pytest.mark.slow

PATIENCE = 30
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
DUE = IndexRow("running", NOON, due_at=NOON)

LISTENING = "FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND state = 'idle'"


@pytest.fixture
def store(postgres_scratch: str) -> Iterator[PostgresStore]:
    """Return an empty store."""
    store = PostgresStore(postgres_scratch)
    yield store
    store.close()


def make_due(store: PostgresStore, run_id: str) -> None:
    """Store a run that is due."""
    key = RunKey(run_id, "tenant-1", "session-1", "user-1", "executor", NOON)
    store.create(key, [Record(1, "d", "{}")], row=DUE)


def cut(url: str) -> None:
    """End the connections that listen, as a server would that is restarted."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) {LISTENING}")


def listening(url: str) -> int:
    """Return how many connections listen."""
    with psycopg.connect(url, autocommit=True) as connection:
        ((count,),) = connection.execute(f"SELECT count(*) {LISTENING}").fetchall()
        return int(count)


@contextmanager
def at_work(url: str, done: list[str], poll: float) -> Iterator[None]:
    """Let a worker work meanwhile, and note which runs it did."""
    handlers = {"work": lambda _, run: done.append(run.run_id)}
    with Scoria.open(url, handlers=handlers) as scoria:
        worker = Worker(scoria, poll=poll)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield
        finally:
            worker.end()
            thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_forked_process_wakes_its_parent_and_leaves_it_its_watch(store: PostgresStore) -> None:
    """The child has no part in the connection, also when it closes the store."""

    def child() -> None:
        make_due(store, "of the child")
        store.close()

    with closing(store.watch_due(tenant_id=None, pause=PATIENCE)) as watch:
        assert list(next(watch)) == []
        process = multiprocessing.get_context("fork").Process(target=child)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        assert list(next(watch)) == ["of the child"]
        process.join(PATIENCE)
        assert process.exitcode == 0
        make_due(store, "of the parent")
        assert list(next(watch)) == ["of the parent"]


def test_the_threads_of_a_forked_process_share_one_pool_of_its_own(store: PostgresStore) -> None:
    """Whichever makes it first: none is left over, and none is that of the parent."""
    of_parent = store._open_pool()

    def child() -> None:
        make, made, together = store._new_pool, list[ConnectionPool](), threading.Barrier(2)

        def make_together() -> ConnectionPool:
            together.wait(PATIENCE)
            made.append(make())
            return made[-1]

        store._new_pool = make_together  # type: ignore[method-assign]
        with ThreadPoolExecutor(2) as threads:
            used = set(threads.map(lambda _: store._open_pool(), range(2)))
        make_due(store, "of the child")
        assert used == {pool for pool in made if not pool.closed}
        assert len(used) == 1
        assert of_parent not in used
        store.close()

    process = multiprocessing.get_context("fork").Process(target=child)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0
    make_due(store, "of the parent")
    assert {run.key.run_id for run in store.list_runs(tenant_id=None, limit=5)} == {
        *("of the child", "of the parent")
    }


def test_two_stores_of_a_database_do_not_hear_each_other(
    store: PostgresStore, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each schema has a channel of its own."""
    other = PostgresStore(scratch_url(postgres_url, Path(tmp_path_factory.mktemp("other"))))
    with closing(store.watch_due(tenant_id=None, pause=PATIENCE)) as watch:
        next(watch)
        make_due(other, "theirs")
        make_due(store, "ours")
        assert list(next(watch)) == ["ours"]
    other.close()


def test_a_pooler_in_front_cannot_wake(postgres_scratch: str) -> None:
    """Its sessions are handed on, and what they listened to with them; who writes still tells."""
    limit = "%20-cstatement_timeout%3D30s"  # the scratch URL ends with its options
    pooled = PostgresStore(f"{postgres_scratch}{limit}&pooler=transaction")
    assert Capability.WAKING not in pooled.capabilities
    with pytest.raises(StoreUnavailable, match="pooler"):
        next(pooled.watch_due(tenant_id=None, pause=1))
    direct = PostgresStore(postgres_scratch)
    with closing(direct.watch_due(tenant_id=None, pause=PATIENCE)) as watch:
        next(watch)
        make_due(pooled, "told")
        assert list(next(watch)) == ["told"]
    pooled.close()
    direct.close()


def test_a_server_that_cannot_notify_keeps_runs(
    postgres_scratch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distributed server may know no pg_notify: the store does not ask for it, nor claim it."""
    unknown = scoria_postgres.store._CHANNEL.replace("pg_notify", "no_such_notify")
    monkeypatch.setattr(scoria_postgres.store, "_CHANNEL", unknown)
    store = PostgresStore(postgres_scratch)
    assert Capability.WAKING not in store.capabilities
    make_due(store, "kept")
    assert list(store.list_due(tenant_id=None, until=NOON, limit=1)) == ["kept"]
    store.close()


def test_a_worker_is_woken_and_polls_while_it_cannot_be(
    postgres_scratch: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connection is cut: it looks from time to time, says so once, and is woken again."""
    done: list[str] = []
    host = Scoria.open(postgres_scratch, dispatch="queue")
    identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")

    def works() -> None:
        run = host.start_run(identity, root_role_id="r", initial_step=StepSpec("work", "r"))
        until(lambda: run.run_id in done)

    def until(look: Callable[[], object]) -> None:
        ends = time.monotonic() + PATIENCE
        while not look():
            assert time.monotonic() < ends
            time.sleep(0.01)

    def said(words: str) -> int:
        return sum(words in each.message for each in caplog.records)

    with caplog.at_level(logging.INFO, "scoria.worker"):
        with at_work(postgres_scratch, done, 10 * PATIENCE):
            for _ in range(3):
                works()
        with at_work(postgres_scratch, done, 0.1):
            until(lambda: listening(postgres_scratch))
            cut(postgres_scratch)
            until(lambda: said("does not wake it"))
            works()
            until(lambda: said("wakes it again"))
            works()
    assert said("does not wake it") == 1
    host.close()
