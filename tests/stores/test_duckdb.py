"""Runs in a DuckDB file: durable through kills, owned by one process, checked when opened."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pytest

import scoria_duckdb.journal_file
from scoria_core import Identity, NeedsApproval, RunSummary, Scoria, Step, StepSpec
from scoria_core.errors import SchemaTooNew, StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.ports import Delivery, Fact, IndexRow, Record, RunKey, Where
from scoria_duckdb import DuckDBStore
from scoria_duckdb.journal_file import SCHEMA, JournalFile
from tests.support.stores import records_of

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
IDENTITY = Identity("user-1", "acme", "session-1", {"channel": "web"})
WORK = StepSpec("work", "executor", {"n": 1})

PRELUDE = """
import os, signal, sys
from scoria_core import Identity, NeedsApproval, Scoria, StepSpec
url = sys.argv[1]
identity = Identity("user-1", "acme", "session-1", {"channel": "web"})
work = StepSpec("work", "executor", {"n": 1})
def say(text):
    print(text, flush=True)
def ask(step, run):
    return NeedsApproval(tool_name="send", arguments={"to": "all"}, reason="goes out")
def start(scoria, handler=None):
    handlers = handler and {"work": handler}
    return scoria.start_run(
        identity, root_role_id="executor", initial_step=work, handlers=handlers
    )
"""
"""What every child process begins with."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file of the test is."""
    return tmp_path / "runs.duckdb"


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Every test gives its file back."""
    yield
    assert not JournalFile._shared


def opened(path: Path, **options: Any) -> Scoria:
    """Open the file."""
    return Scoria.open(f"duckdb:///{path}", **options)


def asks(step: Step, _: RunSummary) -> NeedsApproval | dict[str, Any]:
    """Ask once, then say what was approved."""
    if step.approval is None:
        return NeedsApproval(tool_name="send", arguments={"to": "all"}, reason="goes out")
    return {"approved": step.approval.arguments}


def start(scoria: Scoria, **more: Any) -> RunSummary:
    """Start a run of one step."""
    return scoria.start_run(IDENTITY, root_role_id="executor", initial_step=WORK, **more)


def key(run_id: str, idempotency_key: str | None = None) -> RunKey:
    """Return the key of a run."""
    return RunKey(run_id, "t", "s", "a", "r", NOON, idempotency_key)


def row(due_at: datetime | None = None) -> IndexRow:
    """Return the row of a run that has not ended."""
    return IndexRow("running", NOON, due_at)


def one(sequence: int, body: str) -> list[Record]:
    """Return a record."""
    return [Record(sequence, "d", body)]


@contextmanager
def child(path: Path, code: str) -> Iterator[subprocess.Popen[str]]:
    """Run `code` in another process on the same file, and end it with the block."""
    source = PRELUDE + textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-c", source, f"duckdb:///{path}"],
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


def killed(process: subprocess.Popen[str]) -> None:
    """Kill a child as a power cut would, and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL


# --- durable -------------------------------------------------------------------------------------


def test_reopening_finds_everything(path: Path) -> None:
    """What was written before the file was closed is read back equal after."""
    with opened(path, handlers={"work": asks}) as scoria:
        runs = [start(scoria, idempotency_key=f"k-{number}") for number in range(3)]
        approval = runs[0].pending_approval
        assert approval is not None
        scoria.approve(runs[0].run_id, approval_id=approval.approval_id, decided_by="reviewer-7")
        scoria.resume_run(runs[0].run_id)
        queued = scoria.start_run(
            IDENTITY, root_role_id="r", initial_step=StepSpec("unserved", "r")
        )
        before = [scoria.get_run_detail(run.run_id) for run in scoria.list_runs()]
    with opened(path) as scoria:
        assert [scoria.get_run_detail(run.run_id) for run in scoria.list_runs()] == before
        assert len(before) == 4
        assert start(scoria, idempotency_key="k-1").run_id == runs[1].run_id
        done = scoria.run_pending(handlers={"unserved": lambda *_: None})
        assert [run.run_id for run in done] == [queued.run_id]
    with opened(path) as scoria:
        assert scoria.run_pending(handlers={"unserved": lambda *_: None}) == []


def test_the_latest_due_time_is_found_again(path: Path) -> None:
    """After reopening, what is due is what the last append of each run said, not any before it."""
    later, now = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    courses = {"never": None, "earlier": now - timedelta(days=1), "same": now, "later": later}
    store = DuckDBStore(path)
    for run_id, due_at in courses.items():
        store.create(key(run_id), [Record(1, "d", "b")], row=row(now))
        more = [Record(2, "d", "b"), Record(3, "d", "b")]
        store.append(run_id, more, expected_version=1, row=row(due_at))
    store.close()
    store = DuckDBStore(path)
    assert store.list_due(tenant_id="t", until=now, limit=9) == ["earlier", "same"]
    assert store.list_due(tenant_id=None, until=later, limit=9) == ["earlier", "same", "later"]
    store.close()


def test_where_a_run_stands_is_found_again(path: Path) -> None:
    """By its label, its status and its facts, ended or not, and to the microsecond."""
    second = timedelta(seconds=1, microseconds=1)
    rows = {
        "waits": IndexRow("waiting", NOON - second, labels=("tool:send", 'approval:"\xe9')),
        "works": IndexRow("running", NOON + second, due_at=NOON),
        "ended": IndexRow("failed", NOON, has_ended=True),
        "named": IndexRow("failed", NOON, labels=("tool:send",), has_ended=True),
    }
    with closing(DuckDBStore(path)) as store:
        for run_id, stands in rows.items():
            store.create(key(run_id), one(1, "b"), row=IndexRow("running", NOON, NOON, ("gone",)))
            store.append(run_id, one(2, "b"), expected_version=1, row=stands)
        before = [run for run_id in rows for run in store.read([run_id])]
    with closing(DuckDBStore(path)) as store:
        assert store.read(list(rows)) == before
        assert {run.key.run_id: run.row for run in before} == rows
        by_status = Where(Fact.STATUS, "failed")
        listed = store.list_runs(tenant_id="t", where=by_status, limit=9, with_records=False)
        assert [run.key.run_id for run in listed] == ["named", "ended"]
        labelled = store.list_labelled(tenant_id="t", label="tool:send", limit=9)
        assert [run.key.run_id for run in labelled] == ["waits", "named"]
        assert store.list_labelled(tenant_id=None, label="gone", limit=9) == []
        asked = ["failed", "waiting", "running", "none"]
        counts = store.count_runs(tenant_id="t", statuses=asked, limit=9)
        assert counts == {"failed": 2, "waiting": 1, "running": 1, "none": 0}
        assert store.count_runs(tenant_id=None, statuses=["failed"], limit=1) == {"failed": 1}


def test_runs_that_were_created_at_one_moment_are_told_apart(path: Path) -> None:
    """Opening finds those that have not ended by when they were created, and by their ids."""
    with closing(DuckDBStore(path)) as store:
        for number in range(9):
            stands = IndexRow("done", NOON, has_ended=True) if number % 3 else row(NOON)
            store.create(key(f"{number}"), one(1, "b"), row=row())
            store.append(f"{number}", one(2, "b"), expected_version=1, row=stands)
    with closing(DuckDBStore(path)) as store:
        assert store.list_due(tenant_id=None, until=NOON, limit=9) == ["0", "3", "6"]
        assert store.count_runs(tenant_id=None, statuses=["done"], limit=9) == {"done": 6}


def test_a_run_that_cannot_be_placed_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Opening says of which run it is not known where it stands; the others are there."""
    with closing(DuckDBStore(path)) as store:
        for run_id in ("damaged", "whole"):
            store.create(key(run_id), one(1, "b"), row=row(NOON))
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE scoria_journal SET labels = '7' WHERE run_id = 'damaged'")
    with closing(DuckDBStore(path)) as store:
        assert "damaged" in caplog.text
        assert store.list_due(tenant_id=None, until=NOON, limit=9) == ["whole"]
        with pytest.raises(StoreCorrupt) as corrupt:
            store.list_runs(tenant_id=None, limit=9)
        assert (corrupt.value.run_id, corrupt.value.sequence) == ("damaged", 1)


def test_a_run_outlives_the_kill_of_its_process(path: Path) -> None:
    """A run that start_run returned is there after SIGKILL: approved, resumed and completed."""
    with child(path, "say(start(Scoria.open(url), ask).run_id); sys.stdin.read()") as process:
        run_id = said(process)
        killed(process)
    with opened(path) as scoria:
        run = scoria.get_run(run_id)
        assert (run.status, run.metadata, run.session_id) == (
            "waiting_for_approval",
            {},
            "session-1",
        )
        approval = run.pending_approval
        assert approval is not None
        scoria.approve(run_id, approval_id=approval.approval_id, decided_by="reviewer-7")
    resume = (
        f"say(Scoria.open(url).resume_run({run_id!r}, handlers={{'work': lambda *_: None}}).status)"
    )
    with child(path, resume) as process:
        assert said(process) == "completed"
        assert process.wait(30) == 0
    with opened(path) as scoria:
        assert scoria.get_run(run_id).status == "completed"
        assert scoria.get_run_detail(run_id).approvals[0].status == "approved"


def test_a_kill_within_a_handler_leaves_the_claim(path: Path) -> None:
    """What the process was doing when it was killed is in the record, and the step is not stuck."""
    code = "start(Scoria.open(url), lambda step, run: (say(run.run_id), sys.stdin.read()))"
    with child(path, code) as process:
        run_id = said(process)
        killed(process)
    with opened(path) as scoria:
        detail = scoria.get_run_detail(run_id)
        assert (detail.summary.status, detail.steps[0].status) == ("running", "queued")
        assert [entry.type for entry in detail.journal[-2:]] == ["step_claimed", "step_released"]
        (run,) = scoria.run_pending(handlers={"work": lambda step, _: {"attempt": step.attempt}})
        assert run.status == "completed"
        assert scoria.get_run_detail(run_id).steps[0].result == {"attempt": 2}


def test_every_acknowledged_run_outlives_a_kill(path: Path) -> None:
    """A process killed amid its work loses none of the runs that it said it had started."""
    code = """
    scoria = Scoria.open(url)
    while True:
        say(start(scoria, ask).run_id)
    """
    with child(path, code) as process:
        acknowledged = [said(process) for _ in range(25)]
        killed(process)
        assert process.stdout is not None
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    with opened(path) as scoria:
        found = {run.run_id: run.status for run in scoria.list_runs(limit=1_000)}
    assert [found.get(run_id) for run_id in acknowledged] == ["waiting_for_approval"] * len(
        acknowledged
    )


# --- one process ---------------------------------------------------------------------------------


def test_a_second_process_is_told_who_holds_the_file(path: Path) -> None:
    """The file of another process is unavailable, by its id; once it is gone, so is the lock."""
    with child(path, "scoria = Scoria.open(url); say('open'); sys.stdin.read()") as process:
        assert said(process) == "open"
        with pytest.raises(StoreUnavailable, match=f"held by process {process.pid}") as held:
            opened(path)
        assert held.value.store == f"duckdb:///{path}"
        killed(process)
    opened(path).close()


def test_stores_of_one_process_share_the_file(path: Path) -> None:
    """What one of them writes the other sees at once; the file is closed with the last."""
    first, second = opened(path), opened(path.parent / "." / path.name)
    run = start(first)
    assert second.get_run(run.run_id) == run
    second.cancel_run(run.run_id)
    assert first.get_run(run.run_id).status == "cancelled"
    key = {"idempotency_key": "k"}
    assert start(first, **key) == start(second, **key)
    first.close()
    assert second.get_run(run.run_id).status == "cancelled"
    with pytest.raises(StoreUnavailable, match="is closed"):
        first.get_run(run.run_id)
    second.close()
    with child(path, "say(len(Scoria.open(url).list_runs()))") as process:
        assert said(process) == "2"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_cannot_use_the_file(path: Path) -> None:
    """A store that was opened before a fork refuses every call in the child."""
    code = """
    from scoria_core.errors import StoreUnavailable
    scoria = Scoria.open(url)
    run = start(scoria)
    if os.fork() == 0:
        calls = [
            scoria.list_runs,
            scoria.run_pending,
            lambda: scoria.get_run(run.run_id),
            lambda: scoria.cancel_run(run.run_id),
            lambda: start(scoria),
            lambda: Scoria.open(url),
        ]
        refused = 0
        for call in calls:
            try:
                call()
            except StoreUnavailable as error:
                refused += f"belongs to process {os.getppid()}" in str(error)
        scoria.close()
        say(f"{refused} of {len(calls)}")
        os._exit(0)
    os.wait()
    say(start(scoria).status)
    say(len(scoria.list_runs()))
    """
    with child(path, code) as process:
        assert [said(process) for _ in range(3)] == ["6 of 6", "running", "2"]
        assert process.wait(30) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_while_a_thread_opens_a_file_keeps_the_child_from_none(path: Path) -> None:
    """The lock of that thread is not held in the child, which has no such thread."""
    code = """
    import signal, threading
    from scoria_duckdb.journal_file import JournalFile
    is_held, is_forked = threading.Event(), threading.Event()
    def hold():
        with JournalFile._sharing:
            is_held.set()
            is_forked.wait()
    threading.Thread(target=hold).start()
    is_held.wait()
    if os.fork() == 0:
        signal.alarm(20)
        with Scoria.open(url) as scoria:
            say(start(scoria).status)
        os._exit(0)
    is_forked.set()
    os.wait()
    """
    with child(path, code) as process:
        assert said(process) == "running"
        assert process.wait(30) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_the_exit_of_a_forked_process_loses_nothing(path: Path) -> None:
    """A child that was forked and exits leaves alone what its parent still writes."""
    code = """
    scoria = Scoria.open(url)
    say(start(scoria).run_id)
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    say(start(scoria).run_id)
    sys.stdin.read()
    """
    with child(path, code) as process:
        acknowledged = [said(process), said(process)]
        killed(process)
    with opened(path) as scoria:
        assert [run.run_id for run in scoria.list_runs()] == acknowledged[::-1]


# --- checked -------------------------------------------------------------------------------------


def test_a_later_schema_is_left_alone(path: Path) -> None:
    """A file of a later kit is refused with both versions, and not a byte of it changes."""
    with opened(path) as scoria:
        start(scoria)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE scoria_schema SET version = version + 1")
        connection.execute("ALTER TABLE scoria_journal ADD COLUMN of_the_future VARCHAR")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew) as too_new:
        opened(path)
    assert (too_new.value.found, too_new.value.supported) == (SCHEMA + 1, SCHEMA)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_without_its_schema_version_is_corrupt(path: Path) -> None:
    """A file that does not say which schema it has is not guessed at."""
    with opened(path) as scoria:
        start(scoria)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM scoria_schema")
    with pytest.raises(StoreCorrupt, match="which schema"):
        opened(path)


@pytest.mark.parametrize(
    "content",
    [
        b"no database\n" * 1_000,
        b"\0" * 20_000,
        b"DUCK",
        b"SQLite format 3\0" + b"\0" * 4_080,
    ],
)
def test_another_kind_of_file_is_corrupt(path: Path, content: bytes) -> None:
    """A file that is no DuckDB file is refused and left as it is."""
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt) as corrupt:
        opened(path)
    assert corrupt.value.sequence == 0
    assert str(path) in str(corrupt.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "place",
    ["missing/runs.duckdb", "corrupt/checksum.duckdb", "folder", "file/runs.duckdb", "n" * 300],
)
def test_a_place_that_holds_no_file_is_unavailable(tmp_path: Path, place: str) -> None:
    """A missing folder, a directory or an impossible name is no corruption, whatever its name."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable) as unavailable:
        opened(tmp_path / place)
    assert str(tmp_path / place) in unavailable.value.store
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(
    "url",
    [
        "duckdb://",
        "duckdb:///",
        "duckdb://runs.duckdb",
        "duckdb:///:memory:",
        "duckdb:///a\0b",
        "duckdb:///a\nb",
        "duckdb:///\ud800",
    ],
)
def test_a_url_that_names_no_file_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """A URL without a usable path is refused, and makes no file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnavailable, match="names no file") as unavailable:
        Scoria.open(url)
    assert str(unavailable.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize(
    "change",
    [
        lambda sequence, digest, body: [[sequence, digest, body.replace("e", "E")]],
        lambda sequence, digest, body: [[sequence, digest[::-1], body]],
        lambda sequence, digest, body: [[sequence + 100, digest, body]],
        lambda sequence, digest, body: [[sequence, digest, body, body]],
        lambda sequence, digest, body: [[sequence, digest, len(body)]],
        lambda *record: [len(record)],
        lambda *_: [],
    ],
    ids=["body", "digest", "sequence", "too much", "no text", "no record", "missing"],
)
def test_tampering_in_the_file_is_noticed(
    path: Path, number: int, change: Callable[[int, str, str], list[Any]]
) -> None:
    """A record that was changed by SQL is named by its number when the run is next read."""
    with opened(path, handlers={"work": asks}) as scoria:
        run_id, untouched = start(scoria).run_id, start(scoria)
    with duckdb.connect(str(path)) as connection:
        select = "SELECT rowid, records FROM scoria_journal WHERE run_id = ?"
        for rowid, packed in connection.execute(select, [run_id]).fetchall():
            changed = [
                each
                for record in json.loads(packed)
                for each in (change(*record) if record[0] == number else [record])
            ]
            update = "UPDATE scoria_journal SET records = ? WHERE rowid = ?"
            connection.execute(update, [json.dumps(changed), rowid])
    with opened(path) as scoria:
        with pytest.raises(StoreCorrupt) as corrupt:
            scoria.get_run(run_id)
        assert (corrupt.value.run_id, corrupt.value.sequence) == (run_id, number)
        assert scoria.get_run(untouched.run_id) == untouched


@pytest.mark.parametrize("packed", ["", "{", "7", "null", '["a"]', '[{"a": 1}]', "[" * 100_000])
def test_a_row_that_holds_no_records_is_noticed(path: Path, packed: str) -> None:
    """A row that is no list of records is told by the run and the number it should begin with."""
    with opened(path) as scoria:
        run_id = start(scoria).run_id
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE scoria_journal SET records = ?", [packed])
    with opened(path) as scoria, pytest.raises(StoreCorrupt) as corrupt:
        scoria.get_run(run_id)
    assert (corrupt.value.run_id, corrupt.value.sequence) == (run_id, 1)


def test_a_file_that_is_only_read_gets_no_tables(path: Path) -> None:
    """Looking for a run in a database of another kind leaves it as it was."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE accounts AS SELECT 7 AS id")
    with opened(path) as scoria:
        assert list(scoria.list_runs()) == []
        assert scoria.run_pending() == []
    with duckdb.connect(str(path)) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert tables == [("accounts",)]


def test_other_tables_are_left_alone(path: Path) -> None:
    """A file that the host keeps tables of its own in is shared with them."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE accounts AS SELECT 7 AS id, 'acme' AS name")
    with opened(path) as scoria:
        run = start(scoria)
    with duckdb.connect(str(path)) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        ours = ("delivery", "journal", "listener", "schema")
        assert tables == [("accounts",), *((f"scoria_{each}",) for each in ours)]
        assert connection.execute("FROM accounts").fetchall() == [(7, "acme")]
    with opened(path) as scoria:
        assert scoria.get_run(run.run_id) == run


# --- few statements ------------------------------------------------------------------------------


class Counting:
    """A connection that counts its statements."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.statements: list[str] = []

    def execute(self, statement: str, *parameters: Any) -> Any:
        """Count, and execute."""
        self.statements.append(statement.split()[0])
        return self.connection.execute(statement, *parameters)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


@pytest.fixture
def store(path: Path) -> Iterator[DuckDBStore]:
    """Return an open store."""
    store = DuckDBStore(path)
    yield store
    store.close()


@pytest.fixture
def statements(store: DuckDBStore) -> Callable[[Callable[[], object]], list[str]]:
    """Tell which statements a call makes."""
    assert store._file is not None
    counting: Any = Counting(store._file._connection)
    writing: Any = Counting(store._file._writer)
    writing.statements = counting.statements
    store._file._connection, store._file._writer = counting, writing

    def made_by(call: Callable[[], object]) -> list[str]:
        counting.statements.clear()
        call()
        return list(counting.statements)

    return made_by


def test_a_write_is_one_statement(
    store: DuckDBStore, statements: Callable[[Callable[[], object]], list[str]]
) -> None:
    """However many records a call appends, one statement stores them, and none reads before."""
    handlers = {"work": asks}
    scoria = Scoria(store)
    made = statements(lambda: start(scoria, handlers=handlers))
    assert made.count("INSERT") == 2  # the run with its claim, and the outcome
    run = scoria.list_runs()[0]
    assert run.pending_approval is not None
    approval_id = run.pending_approval.approval_id
    approve = statements(
        lambda: scoria.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
    )
    assert approve == ["INSERT"]
    assert statements(lambda: scoria.resume_run(run.run_id)) == ["INSERT"]
    work = statements(lambda: scoria.run_pending(run.run_id, handlers=handlers))
    assert work == ["INSERT", "INSERT"]
    assert scoria.get_run(run.run_id).status == "completed"


def test_reading_what_is_in_use_is_no_statement(
    store: DuckDBStore, statements: Callable[[Callable[[], object]], list[str]]
) -> None:
    """A run in use is read from memory, as is what is due; a listing is one statement."""
    scoria = Scoria(store)
    run = start(scoria)
    assert statements(lambda: scoria.get_run_detail(run.run_id)) == []
    assert statements(scoria.run_pending) == []
    assert statements(scoria.list_runs) == ["SELECT"]


def test_memory_does_not_grow_with_the_file(store: DuckDBStore) -> None:
    """DuckDB would keep of the file what fits in most of the machine's memory."""
    assert store._file is not None
    asked = "SELECT current_setting('memory_limit')"
    (limit,) = store._file._connection.execute(asked).fetchall()[0]
    size, unit = limit.split()
    assert unit == "MiB"
    assert 200 < float(size) < 260


def test_a_refused_call_writes_nothing(
    store: DuckDBStore, statements: Callable[[Callable[[], object]], list[str]]
) -> None:
    """A refusal costs no statement at all."""
    scoria = Scoria(store)
    run = start(scoria)

    def refused() -> None:
        with pytest.raises(Exception, match="refused"):
            scoria.resume_run(run.run_id)

    assert statements(refused) == []


def test_journals_out_of_use_are_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory holds the journals used last, by their bytes; the others are read, and stay equal."""
    monkeypatch.setattr(scoria_duckdb.journal_file, "CACHED_BYTES", 100_000)
    large, huge = "x" * 30_000, "x" * 100_001
    with closing(DuckDBStore(path)) as store:
        assert store._file is not None
        journals = store._file._journals
        for number in range(10):
            store.create(key(f"{number:06}"), one(1, f"{number}{large}"), row=row())
            assert 30_000 < journals.bytes <= 100_000
        for number in (*range(10), 9, 0):
            assert records_of(store, f"{number:06}") == one(1, f"{number}{large}")
            assert journals.bytes <= 100_000
        store.append("000001", one(2, "more"), expected_version=1, row=row())
        assert [record.body for record in records_of(store, "000001")] == [f"1{large}", "more"]
        store.append("000000", one(2, huge), expected_version=1, row=row())
        assert "000000" not in journals
        store.append("000000", one(3, "more"), expected_version=2, row=row())
        assert [record.body for record in records_of(store, "000000")] == [
            f"0{large}",
            huge,
            "more",
        ]
        store.create(key("000010"), one(1, huge), row=row())
        assert records_of(store, "000010") == one(1, huge)
        with pytest.raises(VersionConflict):
            store.create(key("000010"), one(1, huge), row=row())
        assert journals.bytes <= 100_000


@pytest.mark.parametrize("stored", [False, True])
def test_after_a_failed_write_what_is_stored_decides(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    """A write that fails may have been stored; memory does not pretend to know which."""
    store.create(key("r"), [Record(1, "d", "b")], row=row())
    file: Any = store._file
    writer = file._writer

    class Failing:
        def execute(self, statement: str, parameters: Any) -> None:
            if stored:
                writer.execute(statement, parameters)
            raise duckdb.IOException("disk full")

    second = [Record(2, "d", "b2")]
    with monkeypatch.context() as patch:
        patch.setattr(file, "_writer", Failing())
        with pytest.raises(StoreUnavailable, match="disk full"):
            store.append("r", second, expected_version=1, row=row(NOON))
        with pytest.raises(StoreUnavailable, match="disk full"):
            store.create(key("q", "k"), [Record(1, "d", "b")], row=row())
    found = {run.key.run_id: (run.version, run.row) for run in store.read(["r", "q"])}
    assert found == ({"r": (2, row(NOON)), "q": (1, row())} if stored else {"r": (1, row())})
    assert store.list_due(tenant_id=None, until=NOON, limit=9) == (["r"] if stored else [])
    assert store.create(key("q", "k"), [Record(1, "d", "b")], row=row()) == "q"
    assert len(records_of(store, "q")) == 1
    if stored:
        with pytest.raises(VersionConflict):
            store.append("r", second, expected_version=1, row=row())
    else:
        store.append("r", second, expected_version=1, row=row())
    assert [record.body for record in records_of(store, "r")] == ["b", "b2"]


@pytest.mark.parametrize("stored", [False, True])
def test_after_a_failed_commit_what_is_stored_decides_who_is_told(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    """A claim and an append that fail may have been stored; what follows goes by the file."""
    store.add_listener("mail")
    store.create(key("r"), [Record(1, "d", "b")], row=row())
    file: Any = store._file
    writer = file._writer

    class Failing:
        def commit(self) -> None:
            if stored:
                writer.commit()
            raise duckdb.IOException("disk full")

        def __getattr__(self, name: str) -> Any:
            return getattr(writer, name)

    second = [Record(2, "d", "b2")]
    with monkeypatch.context() as patch:
        patch.setattr(file, "_writer", Failing())
        with pytest.raises(StoreUnavailable, match="disk full"):
            store.append("r", second, expected_version=1, row=row())
        with pytest.raises(StoreUnavailable, match="disk full"):
            store.claim_delivery("mail", now=NOON, until=LATER)
    new = Delivery("mail", "r", 0, 1, 0, NOON)
    kept = attrs.evolve(new, version=2, tries=1, next_try_at=LATER) if stored else new
    assert list(store.list_deliveries("mail", limit=9)) == [kept]
    done = attrs.evolve(kept, delivered=kept.version)
    assert store.settle_delivery(kept, done)
    store.add_listener("chat")
    assert list(store.list_deliveries("mail", limit=9)) == []


def test_what_listeners_have_yet_to_be_told_is_found_again(path: Path) -> None:
    """And nothing of it that was told, removed or pruned."""
    with closing(DuckDBStore(path)) as store:
        for listener in ("mail", "chat"):
            store.add_listener(listener)
        for run_id in ("q", "r", "s"):
            store.create(key(run_id), [Record(1, "d", "b")], row=row())
        told = store.claim_delivery("mail", now=NOON, until=LATER)
        assert told is not None
        store.settle_delivery(told, attrs.evolve(told, delivered=1))
        claimed = store.claim_delivery("mail", now=NOON, until=LATER)
        assert claimed is not None
        store.prune({"s": 1})
        store.remove_listener("chat")
    with closing(DuckDBStore(path)) as store:
        assert store.list_listeners() == ["mail"]
        assert list(store.list_deliveries("mail", limit=9)) == [claimed]
        store.append("r", [Record(2, "d", "b")], expected_version=1, row=row())
        (kept,) = store.list_deliveries("mail", limit=9)
        assert kept == attrs.evolve(claimed, version=2)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE scoria_delivery SET next_try_at = 9223372036854775807")
    with pytest.raises(StoreCorrupt, match="a time that there is not"):
        DuckDBStore(path)


def test_a_run_that_is_listed_can_be_read_and_is_due(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also between its commit and the return of the call that stores it."""
    is_in_the_file, is_asked_for = threading.Event(), threading.Event()
    insert, meet_the_file = JournalFile._insert, JournalFile._meet_the_file

    def stop_after_it(file: JournalFile, rows: list[tuple[Any, ...]]) -> None:
        insert(file, rows)
        is_in_the_file.set()
        assert is_asked_for.wait(60)

    def tell(file: JournalFile) -> None:
        is_asked_for.set()
        meet_the_file(file)

    def found(store: DuckDBStore) -> tuple[list[str], int, list[str]]:
        assert is_in_the_file.wait(60)
        listed = store.list_runs(tenant_id=None, limit=9)
        due = store.list_due(tenant_id=None, until=NOON, limit=9)
        return [run.key.run_id for run in listed], len(records_of(store, "run")), list(due)

    with closing(DuckDBStore(path)) as store, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(JournalFile, "_insert", stop_after_it)
        monkeypatch.setattr(JournalFile, "_meet_the_file", tell)
        asked = pool.submit(found, store)
        store.create(key("run"), [Record(1, "digest", "body")], row=row(NOON))
        assert asked.result(60) == (["run"], 1, ["run"])


def test_after_a_failed_write_leases_stand(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a lease was renewed stands in memory, and what fails elsewhere does not take it back."""
    later = NOON + timedelta(hours=1)
    first = [Record(1, "d", "b")]
    for run_id in ("held", "other"):
        store.create(key(run_id), first, row=row(NOON))
    store.append("held", (), expected_version=1, row=row(later))
    file: Any = store._file

    class Failing:
        def execute(self, *_: object) -> None:
            raise duckdb.IOException("disk full")

    second = [Record(2, "d", "b2")]
    with monkeypatch.context() as patch:
        patch.setattr(file, "_writer", Failing())
        for run_id in ("held", "other"):
            with pytest.raises(StoreUnavailable, match="disk full"):
                store.append(run_id, second, expected_version=1, row=row())
        with pytest.raises(StoreUnavailable, match="disk full"):
            store.create(key("new"), first, row=row(NOON))
    assert store.list_due(tenant_id=None, until=NOON, limit=9) == ["other"]
    assert store.list_due(tenant_id=None, until=later, limit=9) == ["other", "held"]


def test_a_damaged_run_whose_write_failed_does_not_keep_the_others_waiting(
    store: DuckDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to whoever reads that run, and the other runs go on."""
    first, second = [Record(1, "d", "b")], [Record(2, "d", "b2")]
    for run_id in ("damaged", "whole"):
        store.create(key(run_id), first, row=row())
    file: Any = store._file

    class Failing:
        def execute(self, *_: object) -> None:
            raise duckdb.IOException("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(file, "_writer", Failing())
        with pytest.raises(StoreUnavailable, match="disk full"):
            store.append("damaged", second, expected_version=1, row=row())
    file._connection.execute("UPDATE scoria_journal SET records = '7' WHERE run_id = 'damaged'")
    store.append("whole", second, expected_version=1, row=row())
    assert len(records_of(store, "whole")) == 2
    with pytest.raises(StoreCorrupt):
        records_of(store, "damaged")


INTERRUPTED = """
    import threading
    import time
    from pathlib import Path
    from datetime import UTC, datetime
    from scoria_core.ports import IndexRow, Record, RunKey
    from scoria_duckdb import DuckDBStore

    class Stopped(BaseException):
        pass

    def stop(*_):
        raise Stopped

    now = datetime.now(UTC)
    row = IndexRow("running", now)
    def key(run_id, idempotency_key=None):
        return RunKey(run_id, "t", "s", "a", "r", now, idempotency_key)

    signal.signal(signal.SIGUSR1, stop)
    store = DuckDBStore(Path(url.partition(":///")[2]))
    store.create(key("run"), [Record(1, "d", "b")], row=row)
    insert = store._file._insert

    def slow(rows):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        time.sleep(0.3)
        insert(rows)

    store._file._insert = slow
    try:
        store.append("run", [Record(2, "d", "first")], expected_version=1, row=row)
    except Stopped:
        say("stopped")
    try:
        store.append("run", [Record(2, "d", "second")], expected_version=1, row=row)
    except Exception as error:
        say(type(error).__name__)
    try:
        store.create(key("a", "key"), [Record(1, "d", "b")], row=row)
    except Stopped:
        say("stopped")
    say(store.create(key("b", "key"), [Record(1, "d", "b")], row=row))
    say(store.read(["run"])[0].records[1].body)
    store.close()
    """


def test_a_write_that_is_interrupted_is_stored_once(path: Path) -> None:
    """The next write of the same run, or of the same key, waits for what became of it."""
    with child(path, INTERRUPTED) as process:
        told = [said(process) for _ in range(5)]
    assert told == ["stopped", "VersionConflict", "stopped", "a", "first"]
