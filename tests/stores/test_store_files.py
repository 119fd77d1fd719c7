"""Stores in a file: what is no place for one, a file that goes away, and closing amid writes."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.files import StoreFile
from scoria_core.ports import IndexRow, Record, RunKey, RunStore
from scoria_core.stores import file_url, open_store
from scoria_duckdb.journal_file import JournalFile
from tests.support.stores import STORES, records_of

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

in_a_file = pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
posix = pytest.mark.skipif(os.name != "posix", reason="this system has no such files")


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Every test gives its file back."""
    yield
    assert not JournalFile._shared


def create(store: RunStore, run_id: str, body: str = "b") -> str:
    """Store a run of one record."""
    key = RunKey(run_id, "t", "s", "a", "r", NOON)
    return store.create(key, [Record(1, "d", body)], row=IndexRow("running", NOON, due_at=NOON))


def append(store: RunStore, run_id: str, version: int) -> None:
    """Append one record at a version."""
    row = IndexRow("running", NOON)
    store.append(run_id, [Record(version + 1, "d", "b")], expected_version=version, row=row)


def runs(store: RunStore) -> list[str]:
    """List all runs."""
    listed = store.list_runs(tenant_id=None, limit=9_999, with_records=False)
    return [run.key.run_id for run in listed]


# --- no place for a store ------------------------------------------------------------------------


def a_loop(path: Path) -> None:
    """Make a symbolic link to itself."""
    path.symlink_to(path)


def a_socket(path: Path) -> None:
    """Make a socket, as a server leaves it."""
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as there:
        there.callback(os.chdir, Path.cwd())
        os.chdir(path.parent)  # a name longer than 108 bytes is none
        server.bind(path.name)


def links(path: Path) -> None:
    """Make an empty file of two names."""
    path.touch()
    path.with_name("other").hardlink_to(path)


def a_link_to_a_fifo(path: Path) -> None:
    """Make a FIFO, and a link to it."""
    os.mkfifo(f"{path}.fifo")
    path.symlink_to(f"{path}.fifo")


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a FIFO": (os.mkfifo if hasattr(os, "mkfifo") else lambda _: None, "is a FIFO"),
    "a link to a FIFO": (a_link_to_a_fifo, "is a FIFO"),
    "a device": (lambda path: path.symlink_to("/dev/null"), "is a device"),
    "a socket": (a_socket, "is a socket"),
    "a directory": (Path.mkdir, "is a directory"),
    "a loop": (a_loop, "cannot be used"),
    "several links": (links, "has 2 hard links"),
    "no directory": (lambda path: path.parent.rmdir(), "is in no directory"),
}


@posix
@in_a_file
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_place_for_a_store_is_refused(scheme: str, place: str, tmp_path: Path) -> None:
    """It is not opened, which could hang or lose writes; the refusal says why and what to do."""
    make, why = PLACES[place]
    path = tmp_path / "place" / "runs"
    path.parent.mkdir()
    make(path)
    refused: list[StoreUnavailable] = []

    def opens() -> None:
        try:
            open_store(file_url(scheme, path)).close()
        except StoreUnavailable as error:
            refused.append(error)

    # One that hangs in a thread of its own fails here, and does not hold up the tests.
    thread = threading.Thread(target=opens, daemon=True)
    thread.start()
    thread.join(60)
    (error,) = refused
    assert why in error.problem
    assert str(path) in error.store
    assert error.next_move != "check the store and call again"


@in_a_file
def test_a_second_name_of_an_open_file_is_refused(scheme: str, tmp_path: Path) -> None:
    """Opened under two names at once, a database loses writes."""
    with closing(STORES[scheme](tmp_path / "runs")) as store:
        create(store, "r")
        (tmp_path / "link").hardlink_to(tmp_path / "runs")
        with pytest.raises(StoreUnavailable, match="hard links"):
            STORES[scheme](tmp_path / "link")
        append(store, "r", 1)


@in_a_file
def test_a_symbolic_link_is_followed(scheme: str, tmp_path: Path) -> None:
    """It is the usual way to move a file to another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "runs")
    for version in (0, 1, 2):
        with closing(STORES[scheme](tmp_path / "link")) as store:
            append(store, "r", version) if version else create(store, "r")
    with closing(STORES[scheme](tmp_path / "disk" / "runs")) as store:
        assert len(records_of(store, "r")) == 3


# --- a file that goes away -----------------------------------------------------------------------


def replace(path: Path) -> None:
    """Put another file of the same content in its place, as who restores a copy does."""
    shutil.copy(path, f"{path}.copy")
    Path(f"{path}.copy").replace(path)


GOES: dict[str, Callable[[Path], object]] = {
    "unlinked": Path.unlink,
    "renamed": lambda path: path.rename(f"{path}.old"),
    "replaced": replace,
}
WRITES: dict[str, Callable[[RunStore], object]] = {
    "create": lambda store: create(store, "new"),
    "append": lambda store: append(store, "r", 1),
    "prune": lambda store: store.prune({"r": 1}),  # type: ignore[attr-defined]
}


@posix
@in_a_file
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("goes", GOES)
@pytest.mark.parametrize("which", ["", "log"])
def test_no_write_is_acknowledged_to_a_file_that_nobody_will_find(
    scheme: str, which: str, goes: str, write: str, tmp_path: Path
) -> None:
    """The file, or the log that commits go to, is no longer at its path: the write is refused."""
    path = tmp_path / "runs"
    suffix = {"duckdb": ".wal", "sqlite": "-wal"}[scheme] if which else ""
    with closing(STORES[scheme](path)) as store:
        create(store, "r")
        GOES[goes](Path(f"{path}{suffix}"))
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="lost its file") as lost:
                WRITES[write](store)
            assert f"{path}{suffix}" in str(lost.value)
            assert lost.value.next_move.startswith("put back")
        others = {each.name for each in tmp_path.iterdir()}
    # It leaves alone what is in its place.
    assert {each.name for each in tmp_path.iterdir()} >= others - {"runs-wal", "runs-shm"}


@posix
def test_the_index_of_the_log_belongs_to_the_file(tmp_path: Path) -> None:
    """Two processes with an index of the log each would write over one another."""
    path = tmp_path / "runs"
    with closing(STORES["sqlite"](path)) as store:
        create(store, "r")
        Path(f"{path}-shm").unlink()
        with pytest.raises(StoreUnavailable, match="lost its file"):
            append(store, "r", 1)


@posix
def test_a_replaced_file_is_not_read_on(tmp_path: Path) -> None:
    """Who restores a copy wants it read; the process says that it still has the other."""
    path = tmp_path / "runs"
    with closing(STORES["sqlite"](path)) as store:
        create(store, "r")
        replace(path)
        with pytest.raises(StoreUnavailable, match="lost its file"):
            records_of(store, "r")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_file_that_goes_before_a_fork_is_not_made_anew(tmp_path: Path) -> None:
    """After a fork each process opens the file again, and it must be the same."""
    path = tmp_path / "runs"
    with closing(STORES["sqlite"](path)) as store:
        create(store, "r")
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        for each in tmp_path.iterdir():
            each.unlink()
        with pytest.raises(StoreUnavailable, match="lost its file"):
            append(store, "r", 1)
        assert list(tmp_path.iterdir()) == []


@in_a_file
def test_a_log_that_the_database_takes_away_itself_is_not_missed(
    scheme: str, tmp_path: Path
) -> None:
    """Megabytes go through the log, which is folded into the file again and again."""
    with closing(STORES[scheme](tmp_path / "runs")) as store:
        for number in range(60):
            create(store, f"{number:03}", "x" * 100_000)
            append(store, f"{number:03}", 1)
        if number % 7 == 0:
            store.prune({f"{number:03}": 2})  # type: ignore[attr-defined]
        assert len(runs(store)) == 60


def test_what_is_asked_after_a_commit_is_asked_of_the_path(tmp_path: Path) -> None:
    """A store of another's own has the same help."""
    path = tmp_path / "runs"
    file = StoreFile(path, ("-log",))
    file.check_place()
    path.touch()
    file.check_identity()
    Path(f"{path}-log").touch()
    file.check_identity()
    Path(f"{path}-log").unlink()
    with pytest.raises(StoreUnavailable, match="runs-log was removed or renamed"):
        file.check_identity()
    file.forget("-log")
    file.check_identity()


# --- read-only -----------------------------------------------------------------------------------

READS = """
import os, sys
from pathlib import Path
from scoria_core.errors import StoreUnavailable
from datetime import UTC, datetime
from scoria_core.ports import IndexRow, Record
from scoria_core.stores import file_path
import scoria_duckdb, scoria_sqlite  # found before who reads is somebody else
opens = scoria_duckdb.open_store if sys.argv[1].startswith("duckdb") else scoria_sqlite.open_store
if os.getuid() == 0:
    os.setuid(65534)  # nothing is protected from root
store = opens(sys.argv[1])
for run in store.list_runs(tenant_id=None, limit=9):
    print(len(run.records), run.key.run_id)
try:
    row = IndexRow("running", datetime.now(UTC))
    store.append("r", [Record(2, "d", "b")], expected_version=1, row=row)
except StoreUnavailable as error:
    print(error)
store.close()
"""


def read_by_another(url: str) -> list[str]:
    """Read and write as a user who may do only the first; return what was said."""
    ran = subprocess.run(
        [sys.executable, "-c", READS, url], capture_output=True, text=True, check=False, cwd="/"
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@posix
@in_a_file
@pytest.mark.parametrize("modes", [(0o777, 0o444), (0o555, 0o444), (0o555, 0o666)])
def test_what_cannot_be_written_can_be_read(scheme: str, modes: tuple[int, int]) -> None:
    """A read-only file, or one in a read-only directory: reads answer, a write says why not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # TMPDIR may be closed to another user
        path = Path(folder) / "my runs?.db"
        with closing(STORES[scheme](path)) as store:
            create(store, "r")
        before = path.read_bytes()
        path.chmod(modes[1])
        path.parent.chmod(modes[0])
        try:
            read, refused = read_by_another(file_url(scheme, path))
        finally:
            path.parent.chmod(0o700)
        assert read == "1 r"
        assert "cannot be" in refused
        assert path.read_bytes() == before
        if scheme == "sqlite":
            assert list(path.parent.iterdir()) == [path]


@posix
def test_a_read_only_directory_is_read_beside_its_writer() -> None:
    """Who may not write sees what the process that may has committed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # TMPDIR may be closed to another user
        path = Path(folder) / "runs"
        with closing(STORES["sqlite"](path)) as store:
            create(store, "r")
            path.parent.chmod(0o555)
            for each in path.parent.iterdir():
                each.chmod(0o444)
            read, refused = read_by_another(file_url("sqlite", path))
            path.parent.chmod(0o700)
        assert read == "1 r"
        assert "cannot be written" in refused


def test_what_is_read_as_immutable_and_changes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not write reads what was written by the last call, and never half of a change."""
    path = tmp_path / "runs"
    with closing(STORES["sqlite"](path)) as store:
        create(store, "r")
    monkeypatch.setattr(StoreFile, "is_read_only", lambda _: True)
    sealed: Any = STORES["sqlite"](path)
    with closing(sealed):
        assert runs(sealed) == ["r"]
        with pytest.raises(StoreUnavailable, match="cannot be written"):
            append(sealed, "r", 1)
        with (
            pytest.raises(StoreUnavailable, match="was written while it was open"),
            sealed._transaction(),
            closing(sqlite3.connect(path, isolation_level=None)) as other,
        ):
            other.execute("DELETE FROM run")
        assert runs(sealed) == []


# --- reads beside a writer -----------------------------------------------------------------------

HOLDS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"BEGIN {sys.argv[2]}")
connection.execute("UPDATE run SET due_at = 0")
print("held", flush=True)
sys.stdin.readline()
connection.rollback()
print("released", flush=True)
"""


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
@pytest.mark.parametrize("is_open", [True, False], ids=["open before", "opened meanwhile"])
def test_a_read_waits_for_no_writer(lock: str, is_open: bool, tmp_path: Path) -> None:
    """Reads answer while another process holds the lock and a write of this one waits for it."""
    path = tmp_path / "runs"
    opened = STORES["sqlite"](path)
    create(opened, "r")
    if not is_open:
        opened.close()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDS), path, lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, closing(opened if is_open else STORES["sqlite"](path)) as store:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        begun = threading.Event()
        written: list[str] = []

        def write() -> None:
            begun.set()
            written.append(create(store, "new"))

        writer = threading.Thread(target=write)
        writer.start()
        begun.wait()
        for _ in range(20):
            assert len(records_of(store, "r")) == 1
            assert runs(store) == ["r"]
            assert list(store.list_due(tenant_id=None, until=NOON, limit=9)) == ["r"]
        assert written == []  # the lock was held all the while
        process.stdin.write("\n")
        process.stdin.flush()
        writer.join(60)
        assert written == ["new"]
        assert runs(store) == ["r", "new"]


# --- closing amid writes -------------------------------------------------------------------------


def write_on(
    number: int,
    store: RunStore,
    done: list[str],
    told: list[BaseException],
    half_way: threading.Barrier,
) -> None:
    """Create runs until that is refused; say when a few are there."""
    try:
        for count in range(10_000):
            done.append(create(store, f"{number}-{count}"))
            if count == 3:
                half_way.wait(60)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test must hear of it
        told.append(error)


@pytest.mark.parametrize("scheme", sorted(STORES))
def test_a_store_that_is_closed_amid_writes_lets_go(scheme: str, tmp_path: Path) -> None:
    """What was acknowledged is there, what came later is told so, and nothing is held."""
    for round_ in range(5):
        path = tmp_path / f"{round_}"
        store = STORES[scheme](path)
        acknowledged: list[str] = []
        told: list[BaseException] = []
        half_way = threading.Barrier(9)
        arguments: Any = (store, acknowledged, told, half_way)
        crew = [
            threading.Thread(target=write_on, args=(each, *arguments), daemon=True)
            for each in range(8)
        ]
        for thread in crew:
            thread.start()
        half_way.wait(60)
        store.close()
        for thread in crew:
            thread.join(60)
        assert [type(each) for each in told] == [StoreUnavailable] * 8
        assert all("is closed" in str(each) for each in told)
        if scheme != "memory":
            with closing(STORES[scheme](path)) as again:
                assert sorted(runs(again)) == sorted(acknowledged)


def test_a_file_is_let_go_whatever_happens_while_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong while a file is folded and made smaller does not hold it for ever."""
    path = tmp_path / "runs"
    store: Any = STORES["duckdb"](path)
    create(store, "r")
    store.prune({})
    with monkeypatch.context() as patch:
        patch.setattr("scoria_duckdb.journal_file.compact", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.close()
    store.close()
    with closing(STORES["duckdb"](path)) as again:
        assert runs(again) == ["r"]


def test_a_conflict_is_no_reason_to_lose_a_close(tmp_path: Path) -> None:
    """Writers that are refused meanwhile hold nothing either."""
    store = STORES["duckdb"](tmp_path / "runs")
    create(store, "r")
    stopped = threading.Event()

    def conflict() -> None:
        with suppress(StoreUnavailable):
            while not stopped.is_set():
                with suppress(VersionConflict):
                    append(store, "r", 7)

    crew = [threading.Thread(target=conflict) for _ in range(4)]
    for thread in crew:
        thread.start()
    store.close()
    stopped.set()
    for thread in crew:
        thread.join(60)
    with closing(STORES["duckdb"](tmp_path / "runs")) as again:
        assert len(records_of(again, "r")) == 1


def test_a_file_beside_counts_from_when_this_has_opened_it(tmp_path: Path) -> None:
    """Before, whoever else has the database open may close it, and its log goes with that."""
    path, log = tmp_path / "runs.db", tmp_path / "runs.db-wal"
    path.touch()
    file = StoreFile(path, ("-wal",))
    file.check_identity()
    log.touch()
    file.check_place()
    log.rename(tmp_path / "gone")
    log.touch()
    file.check_identity()
    log.rename(tmp_path / "gone too")
    with pytest.raises(StoreUnavailable, match="lost its file"):
        file.check_identity()
