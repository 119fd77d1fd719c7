"""Runs in a SQLite file: durable through kills, shared by processes, checked when opened."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest

from scoria_core import Scoria
from scoria_core.errors import SchemaTooNew, StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.ports import Fact, IndexRow, Record, RunKey, Where
from scoria_sqlite import PrunableSQLiteStore, SQLiteStore
from scoria_sqlite.store import APPLICATION, OPEN, READ, WRITE
from tests.support.stores import records_of

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

PRELUDE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import IndexRow, Record, RunKey
from scoria_sqlite import SQLiteStore
path, noon = Path(sys.argv[1]), datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
row = IndexRow("running", noon)
def say(text):
    print(text, flush=True)
def create(store, run_id):
    key = RunKey(run_id, "t", "s", "a", "r", noon)
    store.create(key, [Record(1, "d", "b")], row=row)
def append(store, run_id, version, mark="b"):
    records = [Record(version + 1, "d", mark), Record(version + 2, "d", mark)]
    store.append(run_id, records, expected_version=version, row=row)
def records_of(store, run_id):
    return [each for run in store.read([run_id]) for each in run.records]
"""
"""What every child process begins with."""

WALKED: dict[tuple[str, str | None], set[str]] = {
    ("runs", None): {"SCAN run"},
    ("runs with any label", None): {"SCAN run USING INDEX labelled"},
}
"""What is walked from one end, until there are as many as asked for."""

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file of the test is."""
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    """Return an open store."""
    store = SQLiteStore(path)
    yield store
    store.close()


def create(store: SQLiteStore, run_id: str, idempotency_key: str | None = None) -> str:
    """Store a run of one record, which is due and has a label."""
    key = RunKey(run_id, "t", "s", "a", "r", NOON, idempotency_key)
    row = IndexRow("waiting", NOON, due_at=NOON, labels=("l",))
    return store.create(key, [Record(1, "d", "b")], row=row)


def append(store: SQLiteStore, run_id: str, version: int, mark: str = "b") -> None:
    """Append one record at a version."""
    row = IndexRow("running", NOON)
    store.append(run_id, [Record(version + 1, "d", mark)], expected_version=version, row=row)


def runs(store: SQLiteStore) -> list[str]:
    """List all runs."""
    listed = store.list_runs(tenant_id=None, limit=1_000, with_records=False)
    return [run.key.run_id for run in listed]


@contextmanager
def child(path: Path, code: str) -> Iterator[subprocess.Popen[str]]:
    """Run `code` in another process on the same file; end it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that a child says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Say a line to a child."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def killed(process: subprocess.Popen[str]) -> list[str]:
    """Kill a child as a power cut would; return the whole lines that it had still said."""
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert process.stdout is not None
    return [line.strip() for line in process.stdout if line.endswith("\n")]


# --- durable -------------------------------------------------------------------------------------


def test_every_acknowledged_write_outlives_a_kill(path: Path) -> None:
    """A process killed amid its work loses nothing it acknowledged, and leaves no half."""
    code = """
    store = SQLiteStore(path)
    create(store, "r")
    version = 1
    while True:
        append(store, "r", version)
        version += 2
        say(version)
    """
    with child(path, code) as process:
        heard = [said(process) for _ in range(50)]
        heard += killed(process)
    with closing(SQLiteStore(path)) as store:
        found = [record.sequence for record in records_of(store, "r")]
        assert found == list(range(1, len(found) + 1))
        assert len(found) in (int(heard[-1]), int(heard[-1]) + 2)
        append(store, "r", len(found))


def test_a_kill_in_mid_transaction_stores_nothing_and_holds_nobody_up(path: Path) -> None:
    """What was inserted and not committed is gone, and the next writer need not wait."""
    code = """
    store = SQLiteStore(path)
    create(store, "r")
    with store._transaction("BEGIN IMMEDIATE") as connection:
        execute = connection.execute
        execute("PRAGMA cache_spill = 1")
        execute("INSERT INTO record VALUES ('r', 2, 'd', ?)", ("x" * 10_000_000,))
        execute("UPDATE run SET due_at = 0")
        say("inserted")
        sys.stdin.read()
    """
    with child(path, code) as process:
        assert said(process) == "inserted"
        killed(process)
    with closing(SQLiteStore(path)) as store:
        assert [record.sequence for record in records_of(store, "r")] == [1]
        assert list(store.list_due(tenant_id=None, until=NOON, limit=9)) == []
        append(store, "r", 1)


def test_a_commit_is_on_the_disk(store: SQLiteStore, path: Path) -> None:
    """The file has a write-ahead log, and a commit waits until it is written through."""
    with store._transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# --- several at once -----------------------------------------------------------------------------


def open_at_once(path: Path, number: int, barrier: Any, says: Any) -> None:
    """Open the file when all do, store a run and say what came of it."""
    barrier.wait(30)
    try:
        store = SQLiteStore(path)
        create(store, str(number))
        store.close()
        says.put("stored")
    except Exception as error:  # noqa: BLE001 - whatever it is, the test must hear of it
        says.put(repr(error))


@forks
def test_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Of eight that open a file which does not exist yet, none is refused or loses a write."""
    context = multiprocessing.get_context("fork")
    for attempt in range(10):
        path, barrier, says = tmp_path / f"{attempt}.db", context.Barrier(8), context.Queue()
        crew = [
            context.Process(target=open_at_once, args=(path, number, barrier, says))
            for number in range(8)
        ]
        for process in crew:
            process.start()
        assert [says.get(timeout=30) for _ in crew] == ["stored"] * 8
        for process in crew:
            process.join(30)
        with closing(SQLiteStore(path)) as store:
            assert runs(store) == list("76543210")


def test_of_processes_that_append_at_one_version_one_succeeds(path: Path) -> None:
    """Four processes race for each version: each has one winner, whose records are all there."""
    code = """
    store, won = SQLiteStore(path), []
    say("ready")
    mark = sys.stdin.readline().strip()
    for version in range(1, 101, 2):
        try:
            append(store, "r", version, mark)
            won.append(version)
        except VersionConflict as conflict:
            assert conflict.actual > version, conflict
        while len(records_of(store, "r")) < version + 2:
            pass
    say(" ".join(map(str, won)))
    """
    with closing(SQLiteStore(path)) as store:
        create(store, "r")
        with ExitStack() as stack:
            crew = {mark: stack.enter_context(child(path, code)) for mark in "abcd"}
            assert [said(process) for process in crew.values()] == ["ready"] * 4
            for mark, process in crew.items():
                tell(process, mark)
            won = {mark: said(process).split() for mark, process in crew.items()}
        winners = {int(version): mark for mark, versions in won.items() for version in versions}
        assert sum(map(len, won.values())) == len(winners) == 50
        found = [record.body for record in records_of(store, "r")]
        assert found == ["b", *(winners[at] for at in sorted(winners) for _ in range(2))]


def test_threads_share_a_store(store: SQLiteStore) -> None:
    """Eight threads create, race for one run and read, and all of it adds up."""
    create(store, "shared")
    barrier = threading.Barrier(8, timeout=30)

    def work(number: int) -> int:
        won = 0
        for version in range(1, 26):
            barrier.wait()
            create(store, f"{number}-{version}", idempotency_key=f"{number}-{version}")
            try:
                append(store, "shared", version)
                won += 1
            except VersionConflict as conflict:
                assert conflict.actual == version + 1  # noqa: PT017 - a conflict is not the norm
        return won

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 25
    assert len(records_of(store, "shared")) == 26
    assert len(runs(store)) == 201


@forks
def test_a_store_is_opened_after_a_fork_where_its_parent_has_closed_it(path: Path) -> None:
    """Whoever closes a file last removes its log: to the child that is no loss."""
    code = """
    store = SQLiteStore(path)
    create(store, "before")
    if os.fork() == 0:
        while not path.with_suffix(".closed").exists():
            pass
        say(len(records_of(store, "before")))
        sys.exit(0)
    store.close()
    path.with_suffix(".closed").touch()
    os.wait()
    """
    with child(path, code) as process:
        assert said(process) == "1"


@forks
def test_a_store_outlives_a_fork(path: Path) -> None:
    """A store opened before a fork serves both processes: neither loses what the other stored."""
    code = """
    import threading
    store = SQLiteStore(path)
    create(store, "before")
    within = threading.Event()
    def write():
        with store._transaction("BEGIN IMMEDIATE") as connection:
            connection.execute("INSERT INTO record VALUES ('before', 2, 'd', 'late')")
            within.set()
            threading.Event().wait(0.3)
    threading.Thread(target=write).start()
    within.wait()
    if os.fork() == 0:
        say(len(records_of(store, "before")))
        create(store, "child")
        while not path.with_suffix(".closed").exists():
            pass
        create(store, "after the parent has closed it")
        say("stored")
        store.close()
        sys.exit(0)
    create(store, "parent")
    store.close()
    path.with_suffix(".closed").touch()
    os.wait()
    """
    with child(path, code) as process:
        assert [said(process) for _ in range(2)] == ["2", "stored"]
        assert process.wait(30) == 0
    with closing(SQLiteStore(path)) as store:
        assert runs(store) == ["parent", "child", "before", "after the parent has closed it"]


@forks
def test_a_store_closed_before_a_fork_is_closed_in_both(path: Path) -> None:
    """A forked process does not open again what its parent had closed."""
    code = """
    store = SQLiteStore(path)
    store.close()
    if os.fork():
        os.wait()
    try:
        records_of(store, "r")
    except StoreUnavailable as error:
        say("is closed" in str(error))
    """
    with child(path, code) as process:
        assert [said(process) for _ in range(2)] == ["True", "True"]


# --- how it looks things up ----------------------------------------------------------------------


def list_by(fact: Fact, store: SQLiteStore, tenant_id: str | None) -> object:
    """List runs by a fact."""
    return store.list_runs(tenant_id=tenant_id, where=Where(fact, "s"), limit=9, before="r")


LISTINGS: dict[str, Callable[[SQLiteStore, str | None], object]] = {
    "runs": lambda store, tenant_id: store.list_runs(tenant_id=tenant_id, limit=9),
    "older runs": lambda store, tenant_id: store.list_runs(
        tenant_id=tenant_id, limit=9, before="r"
    ),
    **{f"runs by {fact}": partial(list_by, fact) for fact in Fact},
    "runs with a label": lambda store, tenant_id: store.list_labelled(
        tenant_id=tenant_id, label="l", limit=9
    ),
    "more runs with a label": lambda store, tenant_id: store.list_labelled(
        tenant_id=tenant_id, label="l", limit=9, start=(NOON, "r")
    ),
    "runs with any label": lambda store, tenant_id: store.list_labelled(
        tenant_id=tenant_id, label=None, limit=9
    ),
    "more runs with any label": lambda store, tenant_id: store.list_labelled(
        tenant_id=tenant_id, label=None, limit=9, start=(NOON, "r"), with_records=False
    ),
    "runs that are due": lambda store, tenant_id: store.list_due(
        tenant_id=tenant_id, until=NOON, limit=9
    ),
    "a number of runs": lambda store, tenant_id: store.count_runs(
        tenant_id=tenant_id, statuses=["running"], limit=9
    ),
    "some runs": lambda store, _: store.read(["r", "s"]),
    "a key": lambda store, _: create(store, "r", idempotency_key="k"),
    "a version": lambda store, _: append(store, "r", 1),
    "a version to remove": lambda store, _: store.prune({"r": 1}),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("tenant_id", ["t", None])
@pytest.mark.parametrize("listing", LISTINGS)
def test_nothing_is_found_by_looking_at_all_of_it(
    path: Path, listing: str, tenant_id: str | None
) -> None:
    """Every statement is answered from an index and in its order, however many runs there are."""
    with closing(PrunableSQLiteStore(path)) as store:
        create(store, "r", idempotency_key="k")
        runs(store)
        asked: list[str] = []
        for begin in (READ, WRITE):
            OPEN[store, begin].set_trace_callback(asked.append)
        LISTINGS[listing](store, tenant_id)
        connection = OPEN[store, READ]
        connection.set_trace_callback(None)
        looked_up = [each for each in asked if each.startswith(("SELECT", "UPDATE", "DELETE"))]
        assert looked_up
        for statement in looked_up:
            steps = [each[3] for each in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert any(each.startswith("SEARCH") for each in steps)
            walks = ("SCAN run", "SCAN record", "SCAN label", "USE TEMP B-TREE")
            walked = {each for each in steps if each.startswith(walks)}
            assert walked <= WALKED.get((listing, tenant_id), set())


# --- labels --------------------------------------------------------------------------------------


def labelled(store: SQLiteStore, label: str | None = None) -> list[str]:
    """List the runs with a label."""
    listed = store.list_labelled(tenant_id=None, label=label, limit=9, with_records=False)
    return [run.key.run_id for run in listed]


def test_labels_are_written_where_there_are_any(store: SQLiteStore) -> None:
    """A run without labels costs no statement for them, before, during or after."""
    create(store, "r")
    asked: list[str] = []
    OPEN[store, WRITE].set_trace_callback(asked.append)
    append(store, "r", 1)
    assert sum("label WHERE run_id" in each for each in asked) == 1
    assert labelled(store) == []
    asked.clear()
    append(store, "r", 2)
    assert [each.split()[0] for each in asked] == ["BEGIN", "UPDATE", "INSERT", "COMMIT"]


def test_a_run_has_the_labels_of_its_latest_write(store: SQLiteStore) -> None:
    """Those before are gone, and a renewal keeps them."""
    create(store, "r")
    row = IndexRow("waiting", NOON, labels=("b", "a"))
    store.append("r", [Record(2, "d", "b")], expected_version=1, row=row)
    store.append("r", [], expected_version=2, row=attrs.evolve(row, due_at=NOON))
    assert [labelled(store, each) for each in ("l", "a", "b")] == [[], ["r"], ["r"]]
    assert store.read(["r"])[0].row == attrs.evolve(row, due_at=NOON)


def test_a_long_journal_is_stored_at_once(store: SQLiteStore) -> None:
    """A statement has so many parameters and no more; a transaction has as many as it needs."""
    create(store, "r")
    many = [Record(number, "d", "b") for number in range(2, 20_000)]
    store.append("r", many, expected_version=1, row=IndexRow("running", NOON))
    assert records_of(store, "r")[1:] == many


# --- checked -------------------------------------------------------------------------------------


def test_a_later_schema_is_left_alone(store: SQLiteStore, path: Path) -> None:
    """A file of a later kit is refused with both versions, and not a byte of it changes."""
    create(store, "r")
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew) as too_new:
        SQLiteStore(path)
    assert (too_new.value.found, too_new.value.supported) == (2, 1)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "content",
    [b"no database\n" * 1_000, b"\0" * 20_000, b"DUCK", b"SQLite format 3\0" + b"\1" * 4_080],
)
def test_another_kind_of_file_is_corrupt(path: Path, content: bytes) -> None:
    """A file that is no SQLite file is refused and left as it is."""
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt) as corrupt:
        SQLiteStore(path)
    assert str(path) in str(corrupt.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE accounts (id)",
        "CREATE TABLE run (run_id)",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 7",
    ],
)
def test_the_database_of_another_program_is_left_alone(path: Path, made: str) -> None:
    """A database that this kit did not make is refused, and not a byte of it changes."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(made)
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="another program"):
        SQLiteStore(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    """A file that was made to reserve the name is taken."""
    path.touch()
    with closing(SQLiteStore(path)) as store:
        create(store, "r")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION,)


def test_a_damaged_file_is_corrupt(store: SQLiteStore, path: Path) -> None:
    """Pages that were overwritten are told as damage, not as an outage."""
    for number in range(200):
        create(store, f"{number:03}")
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreCorrupt), closing(SQLiteStore(path)) as damaged:
        damaged.read(["001"])


def test_a_locked_file_is_unavailable(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that another keeps out gives up in the end and says so; readers go on."""
    create(store, "r")
    monkeypatch.setattr("scoria_sqlite.store.PATIENCE", 0.1)
    with closing(SQLiteStore(path)) as hasty, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            append(hasty, "r", 1)
        assert len(records_of(hasty, "r")) == 1
        other.rollback()
        append(hasty, "r", 1)


@pytest.mark.parametrize("place", ["missing/runs.db", "folder", "file/runs.db", "n" * 300])
def test_a_place_that_holds_no_file_is_unavailable(tmp_path: Path, place: str) -> None:
    """A missing folder, a directory or an impossible name is an outage, not damage."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable) as unavailable:
        SQLiteStore(tmp_path / place)
    assert unavailable.value.store == str(tmp_path / place)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("end", ["://", ":///", "://runs.db", ":///:memory:", ":///a\0b"])
def test_a_url_that_names_no_file_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """A URL without a usable path is refused, and makes no file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnavailable, match="names no file") as unavailable:
        Scoria.open(f"sqlite{end}")
    assert str(unavailable.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_is_settled_when_the_store_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that changes its directory later still has the file it opened."""
    monkeypatch.chdir(tmp_path)
    with closing(SQLiteStore(Path("runs.db"))) as store:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        OPEN.pop((store, READ)).close()  # as before a fork
        store._file.forget("-wal", "-shm")
        create(store, "r")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@forks
def test_a_write_protected_file_is_read_and_not_written() -> None:
    """Who may not write sees every run; a write is refused, and the file stays as it was."""
    code = """
    if os.getuid() == 0:
        os.setuid(65534)  # nothing is protected from root
    store = SQLiteStore(path)
    say(len(records_of(store, "r")))
    try:
        append(store, "r", 1)
    except StoreUnavailable as error:
        say(error)
    store.close()
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # TMPDIR may be closed to another user
        path = Path(folder) / "runs.db"
        with closing(SQLiteStore(path)) as store:
            create(store, "r")
        before = path.read_bytes()
        path.parent.chmod(0o777)
        path.chmod(0o444)
        with child(path, code) as process:
            assert said(process) == "1"
            assert "readonly" in said(process)
        assert path.read_bytes() == before
