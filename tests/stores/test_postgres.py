"""Runs in PostgreSQL: the suite of stores, migrations, and calls whose answer was lost."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

from scoria_conformance import verify
from scoria_conformance.catalogue import chosen
from scoria_conformance.verdict import Status
from scoria_core.errors import SchemaTooNew, StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun, Where
from scoria_core.stores import scratch_url
from scoria_postgres import PostgresStore
from scoria_postgres.connection import connected, named
from scoria_postgres.migrate import MIGRATIONS, SCHEMA, migrate
from tests.support.stores import records_of

pytestmark = pytest.mark.slow

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
WHOSE = ("tenant-1", "session-1", "user-1", "executor")
KEY = RunKey("r", *WHOSE, NOON, "order-7")
ROW = IndexRow("running", NOON)
DUE = IndexRow("running", NOON, due_at=NOON)
WAITS = IndexRow("waiting", NOON, labels=("tool:mail", "assigned:ann"))


@pytest.fixture
def store(postgres_scratch: str) -> Iterator[PostgresStore]:
    """Return an empty store."""
    store = PostgresStore(postgres_scratch)
    yield store
    store.close()


def records(first: int, count: int = 1) -> list[Record]:
    """Return records that follow each other."""
    return [Record(first + each, f"digest {first + each}", "body") for each in range(count)]


def test_it_passes_the_suite_of_stores(postgres_url: str) -> None:
    """Durable, and for several processes: nothing of it is left out."""
    verdict = verify(postgres_url, suite="store", jobs=2)
    assert [check for check in verdict.checks if check.status != Status.PASSED] == []
    assert {check.id for check in verdict.checks} == {case.id for case in chosen("store")}


OTHER = RunKey("other", *WHOSE, NOON, "order-7")


def meanwhile(store: PostgresStore, monkeypatch: pytest.MonkeyPatch, *calls: Any) -> None:
    """Make calls of another, each before the store looks once more what is in its way."""
    rows, left = store._rows, list(calls)

    def looks(statement: str, parameters: Any) -> Any:
        if statement == "existing" and left:
            left.pop(0)()
        return rows(statement, parameters)

    monkeypatch.setattr(store, "_rows", looks)


def test_a_run_that_is_pruned_between_two_looks_is_in_nobodys_way(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run has the key, and is gone when its owner is asked for: the new run is stored."""
    store.create(KEY, records(1), row=ROW)
    meanwhile(store, monkeypatch, lambda: store.prune({"r": 1}))
    assert store.create(OTHER, records(1), row=ROW) == "other"
    assert records_of(store, "other") == records(1)


def test_a_run_that_takes_the_key_between_two_looks_is_returned(
    store: PostgresStore, postgres_scratch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another caller prunes who had the key and creates the very run: it has the key, and wins."""
    another = PostgresStore(postgres_scratch)
    store.create(KEY, records(1), row=ROW)

    def takes_the_key() -> None:
        another.prune({"r": 1})
        another.create(OTHER, records(1, 2), row=ROW)

    meanwhile(store, monkeypatch, takes_the_key)
    assert store.create(OTHER, records(1), row=ROW) == "other"
    assert records_of(store, "other") == records(1, 2)
    another.close()


# --- the schema ----------------------------------------------------------------------------------


def test_processes_that_start_together_make_one_schema(postgres_scratch: str) -> None:
    """Each version is applied once, whoever comes first, and all go on."""
    applied: list[int] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        with connected(postgres_scratch) as connection:
            barrier.wait(30)
            applied.extend(migrate(connection, "store"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == list(range(1, SCHEMA + 1))


def test_a_store_that_exists_gets_only_what_is_new(
    postgres_scratch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next numbered file is applied to it, once, and what it holds stays."""
    store = PostgresStore(postgres_scratch)
    store.create(KEY, records(1), row=ROW)
    store.close()
    later = SCHEMA + 1
    sql = "ALTER TABLE scoria_run ADD COLUMN of_the_future text"
    monkeypatch.setattr("scoria_postgres.migrate.MIGRATIONS", {**MIGRATIONS, later: sql})
    monkeypatch.setattr("scoria_postgres.migrate.SCHEMA", later)
    with connected(postgres_scratch) as connection:
        assert [migrate(connection, "store") for _ in range(2)] == [[later], []]
        asked = "SELECT run_id, of_the_future FROM scoria_run"
        assert connection.execute(asked).fetchall() == [(KEY.run_id, None)]


def test_a_later_schema_is_left_alone(postgres_scratch: str) -> None:
    """What a later kit has made is refused, and named."""
    PostgresStore(postgres_scratch).close()
    with connected(postgres_scratch) as connection:
        connection.execute("INSERT INTO scoria_schema VALUES (%s)", [SCHEMA + 1])
    with pytest.raises(SchemaTooNew):
        PostgresStore(postgres_scratch)


AWKWARD = ['{"text": "\\u0001 \\" \\\\"}', "ÿ 𝄞 \u2028", "'", ""]
"""Bodies that packing could harm."""


def test_sql_reads_a_row_for_each_record(postgres_scratch: str) -> None:
    """The view has every record to the byte, whichever append it came with."""
    stored = [Record(number, f"digest {number}", body) for number, body in enumerate(AWKWARD, 1)]
    store = PostgresStore(postgres_scratch)
    store.create(KEY, stored[:3], row=DUE)
    store.append(KEY.run_id, stored[3:], expected_version=3, row=ROW)
    store.close()
    with connected(postgres_scratch) as connection:
        asked = "SELECT sequence, digest, body FROM scoria_record ORDER BY sequence"
        assert [Record(*row) for row in connection.execute(asked)] == stored


def test_each_directory_has_a_store_of_its_own(postgres_url: str, tmp_path: Path) -> None:
    """Two directories see nothing of each other; one that is gone takes its store with it."""
    gone, stays = tmp_path / "gone", tmp_path / "stays"
    for directory in (gone, stays):
        directory.mkdir()
        store = PostgresStore(scratch_url(postgres_url, directory))
        assert store.list_runs(tenant_id=None, limit=9) == []
        store.create(KEY, records(1), row=ROW)
        store.close()
    gone.rmdir()
    again = tmp_path / "again"
    again.mkdir()
    scratch_url(postgres_url, again)
    with psycopg.connect(postgres_url) as connection:
        asked = "SELECT obj_description(oid) FROM pg_namespace WHERE obj_description(oid) LIKE %s"
        told = {row[0] for row in connection.execute(asked, [f"{tmp_path}%"])}
    assert told == {str(stays), str(again)}


# --- errors --------------------------------------------------------------------------------------


def test_a_password_is_in_no_error() -> None:
    """A server that is not there is named without what opens it."""
    url = "postgresql://user-1:secret@127.0.0.1:1/scoria?connect_timeout=1"
    with pytest.raises(StoreUnavailable) as refused:
        PostgresStore(url)
    assert "127.0.0.1" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert named(url) == "postgresql://127.0.0.1/scoria"


def test_a_url_that_is_none_is_refused() -> None:
    """In the words of the port, and without repeating it."""
    with pytest.raises(StoreUnavailable, match="cannot be read as a URL"):
        PostgresStore("postgresql://host:secret:1/x?nonsense=1")


def test_tables_that_were_dropped_are_said_to_be(
    store: PostgresStore, postgres_scratch: str
) -> None:
    """The message says what brings them back."""
    with connected(postgres_scratch) as connection:
        connection.execute("DROP TABLE scoria_journal CASCADE")
    with pytest.raises(StoreUnavailable, match="scoria migrate"):
        store.read(["r"])


# --- lost connections ----------------------------------------------------------------------------


@pytest.fixture
def losing(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lose the connection of the next call, after the server has stored what it brought."""
    execute = psycopg.Connection.execute

    def lose() -> None:
        store.read(["r"])  # so that there is a connection to lose
        lost: list[None] = []

        def once(connection: Any, *arguments: Any, **named: Any) -> Any:
            answer = execute(connection, *arguments, **named)
            if not lost:
                lost.append(connection.close())
                raise psycopg.OperationalError("the connection was lost")
            return answer

        monkeypatch.setattr(psycopg.Connection, "execute", once)

    return lose


def test_an_append_whose_answer_was_lost_is_found(
    store: PostgresStore, losing: Callable[[], None]
) -> None:
    """It is made again, finds its own records, and returns as if nothing had been."""
    store.create(KEY, records(1), row=ROW)
    losing()
    store.append("r", records(2, 2), expected_version=1, row=DUE)
    assert [record.sequence for record in records_of(store, "r")] == [1, 2, 3]


def test_a_start_whose_answer_was_lost_is_found(
    store: PostgresStore, losing: Callable[[], None]
) -> None:
    """With a key and without."""
    losing()
    assert store.create(RunKey("q", *WHOSE, NOON), records(1), row=ROW) == "q"
    losing()
    assert store.create(KEY, records(1), row=ROW) == "r"
    assert len(records_of(store, "r")) == 1


def test_a_conflict_whose_answer_was_lost_is_one(
    store: PostgresStore, losing: Callable[[], None]
) -> None:
    """Records that another has stored are not taken for one's own."""
    store.create(KEY, records(1), row=ROW)
    store.append("r", [Record(2, "another's", "body")], expected_version=1, row=ROW)
    losing()
    with pytest.raises(VersionConflict):
        store.append("r", records(2), expected_version=1, row=ROW)
    assert len(records_of(store, "r")) == 2


def test_dead_connections_are_replaced(store: PostgresStore, postgres_scratch: str) -> None:
    """A server that ended every connection costs no call its outcome."""
    store.create(KEY, records(1), row=ROW)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with connected(postgres_scratch) as connection:
        connection.execute(ended)
    store.append("r", records(2), expected_version=1, row=ROW)
    assert len(records_of(store, "r")) == 2


@pytest.fixture
def made(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, Any]]:
    """Return the statements of the store, as they are made."""
    made: list[tuple[bytes, Any]] = []
    execute = psycopg.Connection.execute

    def noted(connection: Any, statement: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(statement, bytes):
            made.append((statement, *arguments))
        return execute(connection, statement, *arguments, **named)

    store.read(["r"])
    monkeypatch.setattr(psycopg.Connection, "execute", noted)
    return made


def test_a_write_is_one_statement(store: PostgresStore, made: list[tuple[bytes, Any]]) -> None:
    """One round trip, however many records, and whatever labels come and go."""
    store.create(KEY, records(1, 3), row=WAITS)
    store.append("r", records(4, 40), expected_version=3, row=DUE)
    store.append("r", (), expected_version=43, row=DUE)
    assert [statement.split()[-1] for statement, _ in made] == [b"created", b"moved", b"run_id"]


# --- the index -----------------------------------------------------------------------------------


def labels_of(url: str) -> list[Any]:
    """Return what the table of labels has, which is what the heads say."""
    with psycopg.connect(url) as connection:
        kept = "SELECT run_id, label, since FROM scoria_label ORDER BY run_id, label"
        said = "SELECT run_id, unnest(labels), since FROM scoria_head ORDER BY 1, 2"
        labels, heads = (connection.execute(asked).fetchall() for asked in (kept, said))
    assert labels == heads
    return labels


def test_the_labels_are_those_of_the_latest_write(
    store: PostgresStore, postgres_scratch: str
) -> None:
    """Some stay, go or come; one that stays moves with `since`; a pruned run has none."""
    later = NOON + timedelta(hours=1)
    store.create(KEY, records(1), row=WAITS)
    assert labels_of(postgres_scratch) == [("r", "assigned:ann", NOON), ("r", "tool:mail", NOON)]
    writes: list[tuple[datetime, tuple[str, ...]]] = [
        (NOON, ("assigned:ann", "tool:fax")),
        (later, ("assigned:ann", "tool:fax", "tool:mail")),
        (later, ()),
        (later, ("tool:mail",)),
    ]
    for version, (since, labels) in enumerate(writes, 1):
        row = IndexRow("waiting", since, labels=labels)
        store.append("r", records(version + 1), expected_version=version, row=row)
        assert labels_of(postgres_scratch) == [("r", each, since) for each in labels]
    store.prune({"r": 5})
    assert labels_of(postgres_scratch) == []


def test_the_labels_are_right_where_an_append_had_to_wait(
    store: PostgresStore, postgres_scratch: str
) -> None:
    """It waits for who renews the lease of that version, and then removes what that version had."""
    store.create(KEY, records(1), row=WAITS)
    with connected(postgres_scratch) as other, ThreadPoolExecutor() as callers:
        with other.transaction():
            other.execute("UPDATE scoria_head SET due_at = now()")
            append = callers.submit(
                store.append,
                "r",
                records(2),
                expected_version=1,
                row=attrs.evolve(WAITS, labels=()),
            )
            waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while other.execute(waiting).rowcount == 0:
                time.sleep(0.01)
        append.result()
    assert labels_of(postgres_scratch) == []
    assert len(records_of(store, "r")) == 2


def read_all_ways(store: PostgresStore) -> int:
    """Make each call that reads by an index, and return how many."""
    calls = 0
    for tenant_id in ("tenant-1", "tenant-none", None):
        for where in (None, *(Where(fact, value) for fact in Fact for value in ("1", "none"))):
            for before in (None, "5"):
                store.list_runs(tenant_id=tenant_id, where=where, limit=50, before=before)
                calls += 1
        for label in ("label-1", "none", None):
            for start in (None, (NOON, "5")):
                store.list_labelled(tenant_id=tenant_id, label=label, limit=50, start=start)
                calls += 1
        store.count_runs(tenant_id=tenant_id, statuses=("1", "none"), limit=50)
    store.read(["5", "6"])
    return calls + 4


def test_what_is_listed_is_read_along_an_index(
    store: PostgresStore, postgres_scratch: str, made: list[tuple[bytes, Any]]
) -> None:
    """In one statement, which goes through no table and sorts none, however rare what is asked."""
    with connected(postgres_scratch) as connection:
        for filled in (
            "CREATE TABLE given AS SELECT each::text, 'tenant-' || each % 3 AS tenant, "
            "(each % 2)::text AS fact, now() + each * interval '1s' AS at, "
            "CASE WHEN each % 50 = 0 THEN '{label-1}' ELSE '{}' END::text[] AS labels "
            "FROM generate_series(1, 20000) AS each",
            "INSERT INTO scoria_run SELECT each, tenant, fact, fact, fact, at FROM given",
            "INSERT INTO scoria_head "
            "SELECT each, tenant, 1, fact, at, NULL, labels, true FROM given",
            "INSERT INTO scoria_label SELECT each, unnest(labels), at, tenant FROM given",
            "INSERT INTO scoria_journal SELECT each, 1, '[]' FROM given",
            "ANALYZE scoria_run, scoria_head, scoria_label, scoria_journal",
        ):
            connection.execute(filled.encode())
        made.clear()
        assert read_all_ways(store) == len(made)
        for statement, given in tuple(made):
            plan = str(connection.execute(b"EXPLAIN " + statement, given).fetchall())
            sorted_by = set(re.findall(r"Sort Key: ([^']*)", plan))
            assert sorted_by <= {"(row_number() OVER w1)", "page.place"}, plan
            assert not re.search(r"Seq Scan on scoria|Bitmap|Hash", plan), plan


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE scoria_head SET since = 'infinity'",
        "UPDATE scoria_head SET due_at = '-infinity'",
        "UPDATE scoria_head SET due_at = '12026-01-01'",
        "UPDATE scoria_head SET labels = '{NULL}'",
        "UPDATE scoria_head SET labels = '{{a},{b}}'",
        "UPDATE scoria_run SET created_at = '4000-01-01 BC'",
        "UPDATE scoria_journal SET records = '[[1]]'",
    ],
)
def test_what_is_damaged_is_told_of_its_run(
    store: PostgresStore, postgres_scratch: str, damage: str
) -> None:
    """And the others are read."""
    store.create(KEY, records(1), row=WAITS)
    store.create(attrs.evolve(OTHER, idempotency_key=None), records(1), row=WAITS)
    with connected(postgres_scratch) as connection:
        connection.execute(f"{damage} WHERE run_id = 'r'".encode())
    with pytest.raises(StoreCorrupt) as listed:
        store.list_runs(tenant_id="tenant-1", limit=9)
    with pytest.raises(StoreCorrupt) as read:
        store.read(["other", "r"])
    assert listed.value.run_id == read.value.run_id == "r"
    assert records_of(store, "other") == records(1)


def test_a_run_whose_records_are_gone_is_known(store: PostgresStore, postgres_scratch: str) -> None:
    """It comes with the version that the store has for it."""
    store.create(KEY, records(1, 2), row=WAITS)
    with connected(postgres_scratch) as connection:
        connection.execute("DELETE FROM scoria_journal")
    assert store.read(["r"]) == [StoredRun(KEY, WAITS, 2)]
