"""Whatever stands in a column of a store: only what it says of one run is doubted."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pytest

from scoria_core import Identity, Scoria, StepSpec
from scoria_core.errors import RunNotFound, StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun, Where
from scoria_duckdb.journal_file import JournalFile
from scoria_memory import MemoryStore
from scoria_worker import Worker
from tests.support.stores import STORES

IDENTITY = Identity("user-1", "acme", "session-1")
WORK = StepSpec("work", "executor")
LONG = datetime(9999, 1, 1, tzinfo=UTC)

VALUES = {
    "NULL": "NULL",
    "a BLOB": "x'00ff'",
    "an integer": "7",
    "zero": "0",
    "a negative number": "-1",
    "a huge number": "9223372036854775807",
    "a fraction": "1.5",
    "infinity": "9e999",
    "text": "'text'",
    "no text": "''",
    "text that is no UTF-8": "CAST(x'ff41fe' AS TEXT)",
    "text with NUL": "CAST(x'610062' AS TEXT)",
    "JSON": '\'{"data":{"identity":{"tenant_id":7}}}\'',
    "deep JSON": f"'{'[' * 50_000}'",
}
SQLITE = {
    "run": (
        "run_id",
        "tenant_id",
        "session_id",
        "actor_id",
        "root_role_id",
        "created_at",
        "idempotency_key",
        "status",
        "since",
        "due_at",
        "labels",
        "has_ended",
        "version",
    ),
    "record": ("run_id", "sequence", "digest", "body"),
    "label": ("run_id", "label", "tenant_id", "since"),
}
TOLD = (sqlite3.IntegrityError, sqlite3.OperationalError)
KEYS = {"run": "run_id", "record": "run_id, sequence", "label": "run_id, label"}


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Every test gives its file back."""
    yield
    assert not JournalFile._shared


def make(path: Path, scheme: str) -> tuple[str, str]:
    """Start two runs whose step is queued, and return their ids, oldest first."""
    with Scoria(STORES[scheme](path)) as scoria:
        first, second = (
            scoria.start_run(
                IDENTITY,
                root_role_id="executor",
                initial_step=WORK,
                idempotency_key=f"key-{number}",
            ).run_id
            for number in (1, 2)
        )
    return first, second


def make_untyped(connection: sqlite3.Connection, table: str) -> None:
    """Make a table anew without types, with the rows that it has."""
    connection.execute(f"ALTER TABLE {table} RENAME TO typed")
    columns = ", ".join(SQLITE[table])
    connection.execute(f"CREATE TABLE {table} ({columns}, PRIMARY KEY ({KEYS[table]}))")
    connection.execute(f"INSERT INTO {table} SELECT * FROM typed")  # noqa: S608
    connection.execute("DROP TABLE typed")


def tried(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or its refusal; anything else that it raises ends the test."""
    try:
        return call()
    except (StoreCorrupt, StoreUnavailable, RunNotFound, VersionConflict) as error:
        return error


run_id_of = attrgetter("key.run_id")


def use_all(path: Path, scheme: str, damaged: str, whole: str) -> list[object]:
    """Make every call there is, of the port and of the facade, and return the refusals.

    What concerns the run that is whole must be as if the other were as well.
    """
    store = STORES[scheme](path)
    seen: list[object] = []
    with closing(store):
        now = datetime.now(UTC)
        row = IndexRow("running", now, due_at=now)
        for run_id in (damaged, "no such run"):
            seen += [
                tried(partial(store.read, [run_id])),
                tried(partial(store.append, run_id, (), expected_version=2, row=row)),
                tried(partial(store.list_runs, tenant_id=None, limit=9, before=run_id)),
                tried(partial(store.list_labelled, tenant_id=None, label=None, limit=9)),
            ]
        for tenant_id in (None, "acme"):
            for fair in (False, True):
                due = store.list_due(tenant_id=tenant_id, until=LONG, limit=9, fair=fair)
                assert whole in due
                assert all(isinstance(each, str) for each in due)
            counted = store.count_runs(tenant_id=tenant_id, statuses=["running"], limit=9)
            assert counted["running"] in (1, 2)
            for where in (None, Where(Fact.SESSION, "session-1"), Where(Fact.STATUS, "running")):
                listed = tried(partial(store.list_runs, tenant_id=tenant_id, where=where, limit=9))
                seen.append(listed)
                assert isinstance(listed, StoreCorrupt) or whole in map(run_id_of, listed)
        scoria = Scoria(store, handlers={"work": lambda *_: {"done": True}})
        assert scoria.get_run(whole).status == "running"
        calls: list[Callable[[], object]] = [
            lambda: scoria.get_run(damaged),
            lambda: scoria.get_run_detail(damaged),
            lambda: scoria.for_tenant("acme").get_run(damaged),
            lambda: scoria.run_pending(damaged),
            lambda: scoria.complete_run(damaged),
            lambda: scoria.start_run(
                IDENTITY, root_role_id="executor", initial_step=WORK, idempotency_key="key-1"
            ),
        ]
        for call in calls:
            try:
                seen.append(tried(call))
            except Exception as error:
                if getattr(error, "code", "") not in ("transition_refused", "idempotency_conflict"):
                    raise
        assert scoria.recover() in (0, 1, 2)
        Worker(scoria).drain()
        assert scoria.get_run(whole).status == "completed"
        scoria.run_pending()
    return [each for each in seen if isinstance(each, StoreCorrupt | StoreUnavailable)]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    ("table", "column"),
    [(table, each) for table in ("run", "record") for each in SQLITE[table]],
)
def test_whatever_is_in_a_column_of_sqlite(
    table: str,
    column: str,
    value: str,
    typed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tables refuse what they can; the rest is told of its run, and the others go on."""
    path = tmp_path / "runs"
    damaged, whole = make(path, "sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if not typed:
            # As a file would be that others made: the check of the tables is not the last line.
            monkeypatch.setattr("scoria_sqlite.store.FACTS", "SELECT 96473626, 1, 9, 3")
            make_untyped(connection, table)
        where = " AND sequence = 2" if table == "record" else ""
        change = f"UPDATE {table} SET {column} = {VALUES[value]} WHERE run_id = ?{where}"  # noqa: S608
        try:
            connection.execute(change, (damaged,))
        except TOLD:
            assert typed
    refused = use_all(path, "sqlite", damaged, whole)
    assert all(damaged in str(each) or column == "run_id" for each in refused)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("column", SQLITE["label"])
def test_whatever_is_in_the_labels_of_sqlite(column: str, value: str, tmp_path: Path) -> None:
    """A label that is lost is not found, and nothing else is; the next write puts it right."""
    path = tmp_path / "runs"
    row = IndexRow("waiting", LONG, labels=("l",))
    with closing(STORES["sqlite"](path)) as store:
        for run_id in ("damaged", "whole"):
            key = RunKey(run_id, "acme", "session-1", "user-1", "executor", LONG)
            store.create(key, [Record(1, "d", "b")], row=row)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection, suppress(*TOLD):
        change = f"UPDATE label SET {column} = {VALUES[value]} WHERE run_id = 'damaged'"  # noqa: S608
        connection.execute(change)
    with closing(STORES["sqlite"](path)) as store:
        listed = partial(store.list_labelled, tenant_id="acme", label="l", limit=9)
        assert "whole" in map(run_id_of, listed())
        store.append("damaged", [Record(2, "d", "b")], expected_version=1, row=row)
        assert list(map(run_id_of, listed())) == ["damaged", "whole"]


def test_tables_that_others_made_are_refused(tmp_path: Path) -> None:
    """Tables without types would take anything; who opens the file is told at once."""
    path = tmp_path / "runs"
    make(path, "sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        make_untyped(connection, "record")
    with pytest.raises(StoreCorrupt, match="other tables"):
        STORES["sqlite"](path)


@pytest.mark.parametrize("value", ["CAST(x'ff41fe' AS TEXT)", "'text'", "''"])
def test_a_body_that_was_changed_is_told_by_its_entry(value: str, tmp_path: Path) -> None:
    """Text that is no UTF-8 is damage of one entry, and no outage."""
    path = tmp_path / "runs"
    damaged, whole = make(path, "sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        where = "run_id = ? AND sequence = 2"
        change = f"UPDATE record SET body = {value} WHERE {where}"  # noqa: S608
        connection.execute(change, (damaged,))
    with Scoria(STORES["sqlite"](path)) as scoria:
        with pytest.raises(StoreCorrupt) as corrupt:
            scoria.get_run(damaged)
        assert (corrupt.value.run_id, corrupt.value.sequence) == (damaged, 2)
        assert scoria.get_run(whole).run_id == whole


@pytest.mark.parametrize("version", [0, 1, 3, -1, 2**62])
def test_a_version_that_the_journal_does_not_have_is_told(version: int, tmp_path: Path) -> None:
    """A change is not tried a hundred times and then blamed on another caller."""
    path = tmp_path / "runs"
    damaged, whole = make(path, "sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE run SET version = ? WHERE run_id = ?", (version, damaged))
    with Scoria(STORES["sqlite"](path)) as scoria:
        with pytest.raises(StoreCorrupt, match=f"says version {version}") as corrupt:
            scoria.cancel_run(damaged)
        assert corrupt.value.run_id == damaged
        assert scoria.cancel_run(whole).status == "cancelled"


WITHOUT_INDEXES = "DROP VIEW scoria_record;" + "".join(
    f"DROP INDEX scoria_journal_{each};" for each in ("run", "session", "key")
)
DUCKDB = (
    "run_id",
    "created_at",
    "version",
    "records",
    "status",
    "final_status",
    "has_ended",
    "since",
    "due_at",
    "labels",
    "tenant_id",
    "session_id",
    "actor_id",
    "root_role_id",
    "idempotency_key",
)


@pytest.mark.parametrize("value", [each for each in VALUES if "UTF-8" not in each])
@pytest.mark.parametrize("column", DUCKDB)
def test_whatever_is_in_a_column_of_duckdb(column: str, value: str, tmp_path: Path) -> None:
    """The tables refuse what they can; the rest is told of its run, and the others go on."""
    path = tmp_path / "runs"
    damaged, whole = make(path, "duckdb")
    change = f"UPDATE scoria_journal SET {column} = "  # noqa: S608
    literal = (
        VALUES[value].replace("x'00ff'", "'\\x00\\xFF'::BLOB").replace("9e999", "'inf'::DOUBLE")
    )
    literal = literal.replace("CAST(x'610062' AS TEXT)", "'a' || chr(0) || 'b'")
    with duckdb.connect(str(path)) as connection:
        try:
            connection.execute(f"{change}{literal} WHERE run_id = ?", [damaged])
        except (duckdb.ConstraintException, duckdb.ConversionException, duckdb.BinderException):
            return
    refused = use_all(path, "duckdb", damaged, whole)
    assert all(damaged in str(each) or column == "run_id" for each in refused)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE scoria_schema SET version = 0",
        "UPDATE scoria_schema SET version = -1",
        "DELETE FROM scoria_schema",
        "DROP TABLE scoria_schema",
        "ALTER TABLE scoria_schema ALTER version TYPE VARCHAR",
        "DROP VIEW scoria_record; DROP TABLE scoria_journal",
        *(
            f"{WITHOUT_INDEXES} ALTER TABLE scoria_journal ALTER {column} TYPE {type_}"
            for column, type_ in (
                ("due_at", "VARCHAR"),
                ("records", "BLOB USING encode(records)"),
                ("run_id", "BLOB"),
            )
        ),
        f"{WITHOUT_INDEXES} ALTER TABLE scoria_journal DROP idempotency_key",
    ],
)
def test_tables_of_duckdb_that_were_changed_are_refused(change: str, tmp_path: Path) -> None:
    """A file whose tables are not those that the kit makes is not guessed at."""
    path = tmp_path / "runs"
    make(path, "duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    with pytest.raises(StoreCorrupt) as corrupt:
        STORES["duckdb"](path)
    assert str(path) in str(corrupt.value)


class Damaging(MemoryStore):
    """A store that hands out an entry of one run as it should not."""

    damaged = ""
    change: dict[str, Any] = {}

    def read(self, run_ids: Sequence[str]) -> Any:
        """Return the runs, the second record changed of the damaged one."""
        return [self._damage(each) for each in super().read(run_ids)]

    def _damage(self, run: StoredRun) -> StoredRun:
        if run.key.run_id != self.damaged:
            return run
        first, second, *others = run.records
        return attrs.evolve(run, records=(first, attrs.evolve(second, **self.change), *others))


@pytest.mark.parametrize("field", ["sequence", "digest", "body"])
@pytest.mark.parametrize(
    "value", [None, b"\0\xff", 7, 2.5, True, float("nan"), "\ud800", "", [], {}, object()]
)
def test_a_record_of_any_type_is_told_by_its_entry(field: str, value: Any) -> None:
    """Whatever a store of another's makes of a record, the run and the entry are named."""
    store = Damaging()
    with Scoria(store) as scoria:
        damaged, whole = (
            scoria.start_run(IDENTITY, root_role_id="executor", initial_step=WORK).run_id
            for _ in range(2)
        )
        store.damaged, store.change = damaged, {field: value}
        for view in (scoria, scoria.for_tenant("acme")):
            with pytest.raises(StoreCorrupt) as corrupt:
                view.get_run(damaged)
            assert (corrupt.value.run_id, corrupt.value.sequence) == (damaged, 2)
            assert str(corrupt.value).isprintable()
        assert [run.run_id for run in scoria.run_pending(handlers={"work": lambda *_: None})] == [
            whole
        ]
