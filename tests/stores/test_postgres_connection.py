"""What a database must be to keep runs, and what a caller is told where it is not."""

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

import scoria_postgres.store
from scoria_core import Scoria, StepSpec
from scoria_core.errors import StoreUnavailable
from scoria_core.ports import IndexRow, Record, RunKey
from scoria_postgres import PostgresStore
from scoria_postgres.connection import GRANTS, POOLED, connected, named, target
from scoria_postgres.migrate import migrate
from tests.support.stores import records_of

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = RunKey("r", "tenant-1", "session-1", "user-1", "executor", NOON, "order-7")
ROW = IndexRow("running", NOON)
UNICODE = "ÿ 𝄞 \u2028"


def records(first: int, body: str = "body") -> list[Record]:
    """Return one record."""
    return [Record(first, f"digest {first}", body)]


def with_option(url: str, option: str) -> str:
    """Return the URL with one more setting of the session."""
    return f"{url}{'&' if '?' in url else '?'}options=-c%20{option}"


@contextmanager
def opened(url: str) -> Iterator[PostgresStore]:
    """Open a store for as long as it is used."""
    store = PostgresStore(url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def database(url: str, made_as: str) -> Iterator[str]:
    """Make a database, and yield its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS scoria_other WITH (FORCE)")
        connection.execute(f"CREATE DATABASE scoria_other TEMPLATE template0 {made_as}".encode())
        try:
            host = conninfo_to_dict(url).get("host") or ""
            yield f"postgresql://postgres@/scoria_other?host={host}"
        finally:
            connection.execute("DROP DATABASE scoria_other WITH (FORCE)")


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("said_by", ["environment", "URL", "options"])
def test_text_is_unicode_whatever_is_said(
    postgres_scratch: str, said_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client encoding that cannot hold the text is not used."""
    url = postgres_scratch
    if said_by == "environment":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    elif said_by == "URL":
        url = f"{url}&client_encoding=latin1"
    else:
        url = url.replace("options=", "options=-cclient_encoding%3Dlatin1%20")
    with opened(url) as store:
        store.create(KEY, records(1, UNICODE), row=ROW)
        assert records_of(store, "r") == records(1, UNICODE)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_keep_unicode_is_refused(postgres_url: str, encoding: str) -> None:
    """It is refused when it is opened, and nothing is made there."""
    with database(postgres_url, f"ENCODING '{encoding}' LOCALE 'C'") as url:
        with pytest.raises(StoreUnavailable, match=f"keeps text as {encoding}") as refused:
            PostgresStore(url)
        assert "CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0" in refused.value.next_move
        with psycopg.connect(url) as connection:
            made = connection.execute("SELECT to_regclass('scoria_schema')").fetchone()
    assert made == (None,)


# --- conflicts of the server ---------------------------------------------------------------------


def test_transactions_are_of_the_level_that_the_statements_are_made_for(postgres_url: str) -> None:
    """A database may ask for another: then it would refuse what only has to wait."""
    with database(postgres_url, "") as url:
        with connected(url) as connection:
            level = "ALTER DATABASE scoria_other SET default_transaction_isolation = serializable"
            connection.execute(level)
        with connected(url) as connection:
            found = connection.execute("SHOW transaction_isolation").fetchone()
    assert found == ("read committed",)


def test_calls_of_a_stricter_level_are_all_carried_out(postgres_scratch: str) -> None:
    """The URL may ask for it: writers of one run that meet are told by the server to try again."""
    option = "-cdefault_transaction_isolation%3Dserializable%20"
    url = postgres_scratch.replace("options=", f"options={option}")
    with Scoria.open(url) as scoria:
        identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="s")
        run = scoria.start_run(identity, root_role_id="r", initial_step=StepSpec("work", "r"))

        def add(number: int) -> None:
            scoria.add_step(run.run_id, StepSpec(f"work-{number}", "r"))

        with ThreadPoolExecutor(8) as callers:
            list(callers.map(add, range(30)))
        steps = scoria.get_run_detail(run.run_id).steps
    assert sorted(step.kind for step in steps) == sorted(
        ["work", *(f"work-{number}" for number in range(30))]
    )


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[psycopg.Error], int], list[Any]]:
    """Let as many statements fail as given, and return what was executed."""
    execute = psycopg.Connection.execute
    made: list[Any] = []

    def fail(error: type[psycopg.Error], times: int) -> list[Any]:
        def or_fail(connection: Any, *arguments: Any, **named: Any) -> Any:
            made.append(arguments[0])
            if len(made) <= times:
                raise error("could not serialize access")
            return execute(connection, *arguments, **named)

        monkeypatch.setattr(psycopg.Connection, "execute", or_fail)
        return made

    return fail


@pytest.mark.parametrize("error", [errors.SerializationFailure, errors.DeadlockDetected])
def test_what_the_server_undid_is_tried_again(
    postgres_scratch: str,
    failing: Callable[[type[psycopg.Error], int], list[Any]],
    error: type[psycopg.Error],
) -> None:
    """More often than three times, and the call returns as if nothing had been."""
    with opened(postgres_scratch) as store:
        store.create(KEY, records(1), row=ROW)
        made = failing(error, 8)
        store.append("r", records(2), expected_version=1, row=ROW)
        # The pool may open a connection meanwhile, whose first statement fails or not as well.
        assert sum(b"moved" in each for each in made if isinstance(each, bytes)) > 4
        assert len(records_of(store, "r")) == 2


def test_a_call_is_not_tried_for_ever(
    postgres_scratch: str,
    failing: Callable[[type[psycopg.Error], int], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When its patience ends, the caller is told."""
    with opened(postgres_scratch) as store:
        store.create(KEY, records(1), row=ROW)
        failing(errors.SerializationFailure, 10**9)
        monkeypatch.setattr(scoria_postgres.store, "PATIENCE", 0.1)
        with pytest.raises(StoreUnavailable, match="could not serialize access"):
            store.append("r", records(2), expected_version=1, row=ROW)


@pytest.mark.parametrize("error", [errors.QueryCanceled, errors.DiskFull, errors.CheckViolation])
def test_what_would_fail_again_is_not_tried_again(
    postgres_scratch: str,
    failing: Callable[[type[psycopg.Error], int], list[Any]],
    error: type[psycopg.Error],
) -> None:
    """A statement that was too slow, or that no retry helps, is told at once."""
    with opened(postgres_scratch) as store:
        store.read(["r"])
        made = failing(error, 10**9)
        with pytest.raises(StoreUnavailable):
            store.read(["r"])
        assert len(made) == 1


# --- time limits ---------------------------------------------------------------------------------


def test_a_statement_has_a_time_limit(postgres_scratch: str) -> None:
    """One that waits behind a lock which nobody gives back is ended by the server."""
    url = postgres_scratch.replace("options=", "options=-clock_timeout%3D200%20")
    with opened(url) as store, connected(url) as other:
        store.create(KEY, records(1), row=ROW)
        with other.transaction():
            other.execute("SELECT FROM scoria_head WHERE run_id = 'r' FOR UPDATE")
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                store.append("r", records(2), expected_version=1, row=ROW)
        assert len(records_of(store, "r")) == 1


def test_every_connection_has_the_limits(postgres_scratch: str) -> None:
    """Those of the pool too; the URL may set others, but not none."""
    with opened(postgres_scratch) as store, store._open_pool().connection() as connection:
        (limits,) = connection.execute(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
        ).fetchall()
    assert limits == ("30s", "10s")
    unlimited = postgres_scratch.replace("options=", "options=-cstatement_timeout%3D0%20")
    with pytest.raises(StoreUnavailable, match="has no time limit for a statement"):
        PostgresStore(unlimited)


def test_options_of_the_environment_are_kept(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are added to ours, as libpq would not do."""
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=7MB")
    with connected(postgres_url) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)


# --- rights --------------------------------------------------------------------------------------


@pytest.fixture
def plain_role(postgres_scratch: str) -> Iterator[str]:
    """Return the URL of the empty store for a role that may make no tables."""
    schema = Identifier(postgres_scratch.rpartition("search_path%3D")[2])
    with psycopg.connect(postgres_scratch, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS scoria_plain")
        owner.execute("CREATE ROLE scoria_plain LOGIN")
        owner.execute(SQL("GRANT USAGE ON SCHEMA {} TO scoria_plain").format(schema))
        yield f"{postgres_scratch}&user=scoria_plain"
        owner.execute("DROP OWNED BY scoria_plain")
        owner.execute("DROP ROLE scoria_plain")


def test_a_role_that_may_make_no_tables_is_told_who_does(plain_role: str) -> None:
    """The message names the command and the grants."""
    with pytest.raises(StoreUnavailable) as refused:
        PostgresStore(plain_role)
    assert "permission denied for schema" in refused.value.problem
    assert "scoria migrate" in refused.value.next_move
    assert GRANTS in refused.value.next_move


def test_a_role_with_the_grants_that_are_named_needs_no_more(
    plain_role: str, postgres_scratch: str
) -> None:
    """Once the owner has made the tables it starts, resumes, lists and prunes."""
    with connected(postgres_scratch) as owner:
        migrate(owner, "store")
        with pytest.raises(StoreUnavailable, match="permission denied"):
            PostgresStore(plain_role)
        owner.execute(GRANTS.replace("ROLE", "scoria_plain").encode())
    with Scoria.open(plain_role, handlers={"work": lambda *_: None}) as scoria:
        identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="s")
        step = StepSpec("work", "executor")
        run = scoria.start_run(identity, root_role_id="executor", initial_step=step)
        assert run.status == "completed"
        assert [each.run_id for each in scoria.list_runs()] == [run.run_id]
        assert scoria.list_pending() == []
    with opened(plain_role) as store:
        assert store.prune({run.run_id: run.version}) == [run.run_id]


def test_a_standby_is_said_to_be_one(postgres_scratch: str) -> None:
    """It can be read, and a write says what to do."""
    PostgresStore(postgres_scratch).close()
    option = "options=-cdefault_transaction_read_only%3Don%20"
    with opened(postgres_scratch.replace("options=", option)) as store:
        assert store.read(["r"]) == []
        with pytest.raises(StoreUnavailable, match="can only be read"):
            store.create(KEY, records(1), row=ROW)


# --- poolers -------------------------------------------------------------------------------------


@contextmanager
def replying(reply: bytes) -> Iterator[str]:
    """Give every client that reply to its startup, and yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    _, protocol = struct.unpack("!II", client.recv(8))
                    if protocol != 3 << 16:  # it asks for encryption first
                        client.sendall(b"N")
                    client.recv(4096)
                    client.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"postgresql://user-1@127.0.0.1:{server.getsockname()[1]}/scoria?gssencmode=disable"


REFUSED_BY_PGBOUNCER_1_18 = (
    b"E\x00\x00\x00;SFATAL\x00C08P01\x00Munsupported startup parameter: options\x00\x00"
)
"""As it came over the wire."""


def test_a_pooler_that_refuses_settings_is_named() -> None:
    """It is told from a server that is down, with what to do."""
    with (
        replying(REFUSED_BY_PGBOUNCER_1_18) as url,
        pytest.raises(StoreUnavailable, match="pooler that refuses the settings") as refused,
    ):
        PostgresStore(url)
    assert POOLED in refused.value.next_move


def test_a_pooler_that_drops_settings_is_named(
    postgres_scratch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ignore_startup_parameters` of PgBouncer: nothing of what a session needs has arrived."""
    monkeypatch.setattr(scoria_postgres.connection, "_as_options", lambda _: "")
    with pytest.raises(StoreUnavailable, match="pooler that drops the settings") as refused:
        PostgresStore(postgres_scratch)
    assert POOLED in refused.value.next_move


@pytest.mark.parametrize(
    ("mixed_up", "told"),
    [
        (
            b"DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
            'prepared statement "_pg3_0" does not exist',
        ),
        (b"PREPARE _pg3_0 AS SELECT 1", 'prepared statement "_pg3_0" already exists'),
    ],
)
def test_a_pooler_that_mixes_up_prepared_statements_is_named(
    postgres_scratch: str, mixed_up: bytes, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The errors of a session that another client has used are recognised."""
    monkeypatch.setattr(scoria_postgres.store, "MAX_CONNECTIONS", 1)
    with opened(postgres_scratch) as store:
        if b"DEALLOCATE" in mixed_up:
            for _ in range(7):
                store.read(["r"])
        with store._open_pool().connection() as connection:
            connection.execute(mixed_up, prepare=False)
        with pytest.raises(StoreUnavailable, match="transaction pooler") as refused:
            deque((store.read(["r"]) for _ in range(7)), maxlen=0)
    assert told in refused.value.problem
    assert "PgBouncer 1.21 or later" in refused.value.next_move
    assert POOLED in refused.value.next_move


def test_nothing_is_left_in_a_session_that_a_pooler_shares(postgres_url: str) -> None:
    """With `pooler=transaction` no settings are sent and no statement is prepared."""
    with database(postgres_url, "") as url:
        pooled = f"{url}&{POOLED}"
        with pytest.raises(StoreUnavailable, match="ALTER ROLE name SET statement_timeout"):
            PostgresStore(pooled)
        with connected(url) as connection:
            connection.execute("ALTER DATABASE scoria_other SET statement_timeout = '20s'")
        with opened(pooled) as store:
            for _ in range(9):
                store.read(["r"])
            with store._open_pool().connection() as connection:
                (found,) = connection.execute(
                    "SELECT current_setting('statement_timeout'), "
                    "current_setting('scoria.is_direct', true), "
                    "(SELECT count(*) FROM pg_prepared_statements)"
                ).fetchall()
        assert found == ("20s", None, 0)
        with connected(url) as connection:
            connection.execute("ALTER DATABASE scoria_other SET synchronous_commit = 'off'")
        with pytest.raises(StoreUnavailable, match="acknowledges what it may still lose"):
            PostgresStore(pooled)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgres://user-1:pa/SECRET@127.0.0.1:1/d",
        "postgres://user-1:pa@SECRET@127.0.0.1:1/d",
        "postgres://user-1:12/SECRET@127.0.0.1:1/d",
        "postgres://user-1:SECRET/@127.0.0.1:1/d",
        "postgresql://user-1:[SECRET@127.0.0.1:1/d?port=SECRET",
        "postgresql://127.0.0.1:1/d?password:SECRET",
        "host=127.0.0.1 password=SECRET SECRET",
        "postgresql://127.0.0.1:SECRET/d",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    """Any part of it may belong to a password; the errors behind the error count too."""
    with pytest.raises(StoreUnavailable, match="cannot be read as a URL") as refused:
        PostgresStore(url)
    behind: BaseException | None = refused.value
    while behind is not None:
        assert "SECRET" not in str(behind)
        behind = behind.__cause__ or behind.__context__


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_name_has_no_password(scheme: str) -> None:
    """It says the host and the database."""
    url = f"{scheme}://user-1:p%40SECRET%2F@db.example:5433/scoria?password=SECRET&{POOLED}"
    assert named(url) == "postgresql://db.example/scoria"
    assert target(url).is_pooled
    given = conninfo_to_dict(target(url).conninfo)
    assert (given["port"], given["client_encoding"]) == ("5433", "UTF8")


def test_a_name_that_a_terminal_would_obey_is_written_out() -> None:
    """What a URL encodes is not let out."""
    assert "\x1b" not in named("postgresql://db.example/%1b%5b2J")
