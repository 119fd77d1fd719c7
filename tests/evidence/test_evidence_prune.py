"""Pruning: what has ended goes into a file and then from the store, and nothing gets lost."""

import errno
import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from scoria_conformance.stored_runs import index_row, run_ids, run_key
from scoria_core import Scoria, StepSpec
from scoria_core.errors import RunNotFound, StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, PrunableStore, Record
from scoria_core.pruning import has_ended
from scoria_core.run import Run
from scoria_core.stores import open_store
from scoria_duckdb import compaction
from scoria_evidence.reading import exported_runs
from tests.support.commands import scoria
from tests.support.history import History, lived
from tests.support.stores import records_of

ENDED = ("completed", "cancelled")
Kept = dict[str, list[Record]]


def now() -> str:
    """Return the date and time that it is."""
    return datetime.now(UTC).isoformat()


def kept(url: str) -> Kept:
    """Return all that a store has, by the ids of the runs."""
    with closing(open_store(url)) as store:
        listed = store.list_runs(tenant_id=None, limit=1_000)
        return {run.key.run_id: list(run.records) for run in listed}


def in_file(path: Path) -> Kept:
    """Return all that an export has, each run checked; nothing where there is no such file."""
    return {run.run_id: run.records for run in exported_runs(path)} if path.exists() else {}


def is_over(run_id: str, records: list[Record]) -> bool:
    """Tell whether a run has ended, as its journal says."""
    return Run.replay(run_id, records).status in ENDED


def prune(url: str, cwd: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command on all that has ended by now."""
    return scoria("evidence", "prune", "--store", url, "--before", now(), *options, cwd=cwd)


@pytest.fixture(params=["duckdb", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a store with a month of runs of every kind."""
    if request.param == "postgresql":
        named = str(request.getfixturevalue("postgres_scratch"))
    else:
        named = f"{request.param}:///{tmp_path / 'runs.db'}"
    lived(named).host.close()
    return named


# --- what goes, and what stays -------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_what_has_ended_goes_into_the_file_and_nothing_else(
    url: str, format_: str, tmp_path: Path
) -> None:
    """The store and the file together are what the store was; a run that can go on stays."""
    before, out = kept(url), tmp_path / "out"
    ran = prune(url, tmp_path, "--out", "out", "--format", format_)
    assert ran.returncode == 0, ran.stderr
    after, exported = kept(url), in_file(out)
    assert after | exported == before
    assert set(exported) == {each for each, records in before.items() if is_over(each, records)}
    assert set(exported).isdisjoint(after)
    assert after
    entries = sum(map(len, exported.values()))
    runs = len(exported)
    assert ran.stdout == f"pruned {runs} runs; out has {entries} entries of {runs} runs\n"


def test_runs_that_can_go_on_still_do(url: str, tmp_path: Path) -> None:
    """Waiting, failed and queued runs are approved, retried and carried out as ever."""
    prune(url, tmp_path, "--out", "out")
    with Scoria.open(url, handlers={"work": lambda *_: None}) as host:
        left = host.list_runs()
        assert {run.status for run in left} == {"waiting_for_approval", "failed", "running"}
        for run in left:
            if run.status == "failed":
                host.retry_run(run.run_id, handlers={"review": print, "draft": print})
            elif run.status == "running":
                host.run_pending(run.run_id)
            elif run.pending_approval is None:
                host.resume_run(run.run_id)
            else:
                approval_id = run.pending_approval.approval_id
                host.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
                host.resume_run(run.run_id)
        assert {run.status for run in host.list_runs()} == {"completed"}


def test_only_what_ended_before_the_date_goes(tmp_path: Path) -> None:
    """The last entry of a run decides, not when it was started."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    past = History(url)
    old = past.started({"done": True})
    late = past.asked("send_refund")
    past.clock.advance(days=10)
    past.host.cancel_run(late.run_id)
    past.host.close()
    date = (past.clock.time - timedelta(days=1)).date().isoformat()
    arguments = ["--store", url, "--before", date, "--out", "out"]
    assert scoria("evidence", "prune", *arguments, cwd=tmp_path).returncode == 0
    assert list(in_file(tmp_path / "out")) == [old.run_id]
    assert list(kept(url)) == [late.run_id]


def test_the_very_moment_is_not_before(tmp_path: Path) -> None:
    """A run whose last entry is of that time stays."""
    past = History(f"sqlite:///{tmp_path / 'runs.db'}")
    run_id = past.started({"done": True}).run_id
    past.host.close()
    with closing(open_store(past.url)) as store:
        run = Run.replay(run_id, records_of(store, run_id))
    assert not has_ended(run, past.clock.time)
    assert has_ended(run, past.clock.time + timedelta(microseconds=1))


def test_a_tenant_and_a_run_are_left_out(tmp_path: Path) -> None:
    """--tenant prunes one tenant's runs, and --without leaves one of them."""
    past = lived(f"sqlite:///{tmp_path / 'runs.db'}")
    ended = [run for run in past.host.list_runs() if run.status in ENDED]
    spared = next(run for run in ended if run.tenant_id == "tenant-1").run_id
    past.host.close()
    prune(past.url, tmp_path, "--out", "out", "--tenant", "tenant-1", "--without", spared)
    gone = {run.run_id for run in ended if run.tenant_id == "tenant-1"} - {spared}
    assert set(in_file(tmp_path / "out")) == gone
    assert gone.isdisjoint(kept(past.url))


def test_the_idempotency_key_is_free(url: str, tmp_path: Path) -> None:
    """A start that is repeated with the key of a run that was pruned starts another."""
    prune(url, tmp_path, "--out", "out")
    again = History(url)
    with again.host:
        run = again.started({"done": True}, tenant_id="tenant-2", idempotency_key="order-7")
        assert run.run_id not in in_file(tmp_path / "out")


def test_a_dry_run_says_what_would_go(url: str, tmp_path: Path) -> None:
    """A line for each run on stdout; the store stays as it is, and no file is written."""
    before = kept(url)
    files = set(tmp_path.iterdir())
    ran = prune(url, tmp_path, "--dry-run")
    told = [line.split("\t") for line in ran.stdout.splitlines()]
    over = {each for each, records in before.items() if is_over(each, records)}
    assert {run_id for run_id, *_ in told} == over
    assert {status for _, status, *_ in told} == set(ENDED)
    assert re.fullmatch(rf"would prune \d+ entries of {len(told)} runs\n", ran.stderr)
    assert kept(url) == before
    assert {path for path in tmp_path.iterdir() if "runs.db" not in path.name} <= files


def test_pruning_again_does_what_is_left(url: str, tmp_path: Path) -> None:
    """Into a file of its own: the first is never written over."""
    prune(url, tmp_path, "--out", "first")
    first = (tmp_path / "first").read_bytes()
    with Scoria.open(url) as host:
        waiting = next(run for run in host.list_runs() if run.status == "waiting_for_approval")
        host.cancel_run(waiting.run_id)
    refused = prune(url, tmp_path, "--out", "first")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert prune(url, tmp_path, "--out", "second").returncode == 0
    assert list(in_file(tmp_path / "second")) == [waiting.run_id]
    assert (tmp_path / "first").read_bytes() == first


@pytest.mark.parametrize("decoy", ["jan1.parquet", "jan2.parquet"])
def test_only_what_the_file_of_that_very_name_holds_is_removed(decoy: str, tmp_path: Path) -> None:
    """Another export that the name could be a pattern for has a run that waits: it stays."""
    past = History(f"sqlite:///{tmp_path / 'runs.db'}")
    waits, ended = past.asked("send_refund").run_id, past.started({"done": True}).run_id
    past.host.close()
    told = ["--store", past.url, "--format", "parquet", "--without", ended, "--out", decoy]
    assert scoria("evidence", "export", *told, cwd=tmp_path).returncode == 0
    assert list(in_file(tmp_path / decoy)) == [waits]
    ran = prune(past.url, tmp_path, "--format", "parquet", "--out", "jan[1-2].parquet")
    assert ran.returncode == 0, ran.stderr
    assert list(in_file(tmp_path / "jan[1-2].parquet")) == [ended]
    assert list(kept(past.url)) == [waits]


SWAP = """
import scoria_cli.prune
from pathlib import Path

right = scoria_cli.prune.write_file

def swapped(found, place, format_):
    written = right(found, place, format_)
    place.unlink()
    Path("other").rename(place)
    return written

scoria_cli.prune.write_file = swapped
"""


def test_a_file_that_was_put_in_its_place_removes_nothing(tmp_path: Path) -> None:
    """What was written is read back before anything is removed; here it is another export."""
    past = History(f"sqlite:///{tmp_path / 'runs.db'}")
    waits, ended = past.asked("send_refund").run_id, past.started({"done": True}).run_id
    past.host.close()
    told = ["--store", past.url, "--without", ended, "--out", "other"]
    assert scoria("evidence", "export", *told, cwd=tmp_path).returncode == 0
    (tmp_path / "sitecustomize.py").write_text(SWAP)
    arguments = ["--store", past.url, "--before", now(), "--out", "out"]
    ran = scoria("evidence", "prune", *arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "nothing was removed" in ran.stderr
    assert set(kept(past.url)) == {waits, ended}


# --- what is in the way --------------------------------------------------------------------------


def test_a_damaged_run_keeps_all_where_they_are(tmp_path: Path) -> None:
    """It is named, nothing is removed and no file is left; left out by name, the others go."""
    import sqlite3

    past = lived(f"sqlite:///{tmp_path / 'runs.db'}")
    damaged = past.host.list_runs()[-1].run_id
    past.host.close()
    with closing(sqlite3.connect(tmp_path / "runs.db")) as file:
        file.execute("UPDATE record SET body = '{}' WHERE run_id = ? AND sequence = 3", (damaged,))
        file.commit()
    before = kept(past.url)
    ran = prune(past.url, tmp_path, "--out", "out")
    assert ran.returncode == 1
    assert damaged in ran.stderr
    assert kept(past.url) == before
    assert not (tmp_path / "out").exists()
    assert prune(past.url, tmp_path, "--out", "out", "--without", damaged).returncode == 0
    assert damaged in kept(past.url)


REFUSED = {
    "no file": [],
    "a pipe": ["--out", "-"],
    "a directory": ["--out", "."],
    "no date": ["--out", "out", "--before", "last year"],
    "a date to come": ["--out", "out", "--before", "2999-01-01"],
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line(arguments: list[str], tmp_path: Path) -> None:
    """Exit code 2, and no file."""
    refused = prune("memory://", tmp_path, *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_is_refused(tmp_path: Path) -> None:
    """One that does not declare it is asked for nothing."""
    (tmp_path / "sitecustomize.py").write_text(
        "import scoria_memory.store as store\nstore.MemoryStore.capabilities = frozenset()\n"
    )
    arguments = ["evidence", "prune", "--store", "memory://", "--before", now(), "--out", "out"]
    refused = scoria(*arguments, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "cannot remove runs" in refused.stderr
    assert not (tmp_path / "out").exists()


# --- killed on the way ---------------------------------------------------------------------------

KILLED = {
    "before the export has its name": ("scoria_evidence.writing", "publish", 1),
    "between the export and the first removal": ("scoria_cli.prune", "_removed", 1),
    "between two removals": ("{store}", "prune", 2),
    "when all is removed": ("{store}", "close", 1),
}
"""Before which call of a function the process is killed."""

STORE = {
    "duckdb": "scoria_duckdb.store:DuckDBStore",
    "sqlite": "scoria_sqlite.pruning:PrunableSQLiteStore",
    "postgresql": "scoria_postgres.store:PostgresStore",
}

KILL = """
import os, signal, pkgutil
import scoria_cli.prune
scoria_cli.prune.AT_ONCE = 3
where, name, calls = {where!r}, {name!r}, iter(range(1, {number}))
owner = pkgutil.resolve_name(where)
right = getattr(owner, name)

def killing(*arguments, **named):
    if next(calls, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return right(*arguments, **named)

setattr(owner, name, killing)
"""


def killed(url: str, cwd: Path, where: str, name: str, number: int) -> None:
    """Prune in a process that is killed before this call."""
    (cwd / "sitecustomize.py").write_text(KILL.format(where=where, name=name, number=number))
    command = [sys.executable, "-m", "scoria_cli", "evidence", "prune", "--store", url]
    ran = subprocess.run(
        [*command, "--before", now(), "--out", "first"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd)},
        timeout=60,
        check=False,
    )
    (cwd / "sitecustomize.py").unlink()
    assert ran.returncode == -9


@pytest.mark.slow
@pytest.mark.parametrize("when", KILLED)
def test_a_process_that_is_killed_loses_nothing(url: str, when: str, tmp_path: Path) -> None:
    """Each run is in the store or in the file, whole; called again, the rest goes."""
    before = kept(url)
    where, name, number = KILLED[when]
    killed(url, tmp_path, where.format(store=STORE[url.partition(":")[0]]), name, number)
    after, first = kept(url), in_file(tmp_path / "first")
    assert after | first == before
    assert (len(after) < len(before)) == (number > 1 or name == "close")
    again = prune(url, tmp_path, "--out", "second")
    assert again.returncode == 0, again.stderr
    left, second = kept(url), in_file(tmp_path / "second")
    assert left | first | second == before
    assert not any(is_over(run_id, records) for run_id, records in left.items())


SHRINKING = {
    "before the copy": ("scoria_duckdb.compaction", "_copy", 1),
    "before the copy is on the disk": ("scoria_duckdb.compaction", "sync", 1),
    "before it takes the place": ("pathlib:Path", "replace", 1),
    "after it took the place": ("scoria_duckdb.compaction", "sync", 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("when", SHRINKING)
def test_a_duckdb_file_is_whole_whenever_it_is_killed(when: str, tmp_path: Path) -> None:
    """While it is made smaller it is the one before or the one after, and can be made smaller."""
    url = f"duckdb:///{tmp_path / 'runs.db'}"
    lived(url).host.close()
    before = kept(url)
    where, name, number = SHRINKING[when]
    killed(url, tmp_path, where, name, number)
    after, first = kept(url), in_file(tmp_path / "first")
    assert after | first == before
    assert set(after).isdisjoint(first)
    with Scoria.open(url) as host:
        waiting = next(run for run in host.list_runs() if run.status == "waiting_for_approval")
        host.cancel_run(waiting.run_id)
    assert prune(url, tmp_path, "--out", "second").returncode == 0
    assert list(in_file(tmp_path / "second")) == [waiting.run_id]
    assert not [path.name for path in tmp_path.iterdir() if "smaller" in path.name]


# --- the file of the store -----------------------------------------------------------------------


def filled(url: str, runs: int = 3_000) -> None:
    """Put runs into a store that have ended, a run that waits first and last."""
    past = History(url)
    past.asked("send_refund")
    past.host.close()
    with closing(open_store(url)) as store:
        (run_id,) = kept_ids(store)
        for number in range(runs):
            body = "".join(f"{number * each:x} " for each in range(1, 400))
            store.create(run_key(f"{number:012x}"), [Record(1, "0" * 64, body)], row=index_row())
        assert run_id in kept_ids(store)


def kept_ids(store: Any) -> list[str]:
    """Return the newest ids of a store."""
    return run_ids(store.list_runs(tenant_id=None, limit=10_000, with_records=False))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_the_file_shrinks(scheme: str, tmp_path: Path) -> None:
    """When most of it was removed, most of its room is given back, and what stays is the same."""
    path = tmp_path / "runs.db"
    url = f"{scheme}:///{path}"
    filled(url)
    before = path.stat()
    with closing(cast(PrunableStore, open_store(url))) as store:
        (waiting,) = (each for each in kept_ids(store) if len(each) > 12)
        records = records_of(store, waiting)
        assert len(store.prune(dict.fromkeys(kept_ids(store), 1))) == 3_000
    assert path.stat().st_size < before.st_size / 4
    assert path.stat().st_mode == before.st_mode
    with Scoria.open(url) as host:
        assert [run.run_id for run in host.list_runs()] == [waiting]
        (reread,) = kept(url).values()
        assert reread == records
        assert host.cancel_run(waiting).status == "cancelled"
    with Scoria.open(url) as host:
        assert host.get_run(waiting).status == "cancelled"
    assert {each.name for each in tmp_path.iterdir()} == {"runs.db"}


ROOM_LEFT = """
import os, signal, sys
from scoria_core.stores import open_store
store = open_store(sys.argv[1])
store.prune({f"{number:012x}": 1 for number in range(3_000)})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_room_that_a_killed_process_left_is_given_back(scheme: str, tmp_path: Path) -> None:
    """By the next call, though it has nothing to remove; what a copy was meant for is gone too."""
    path = tmp_path / "runs.db"
    url = f"{scheme}:///{path}"
    filled(url)
    large = path.stat().st_size
    command = [sys.executable, "-c", ROOM_LEFT, url]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9
    if scheme == "duckdb":
        path.with_name("runs.db.smaller").write_bytes(b"half of it")
    left = kept(url)
    assert path.stat().st_size > large / 2
    ran = prune(url, tmp_path, "--out", "out")
    assert ran.stdout == "pruned 0 runs; out has 0 entries of 0 runs\n"
    assert path.stat().st_size < large / 4
    assert kept(url) == left
    assert {each.name for each in tmp_path.iterdir()} == {"runs.db", "out"}


def pruned_but_not_smaller(path: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Remove a run of ten, check that the file was left as it was, and return what is told."""
    url, inode = f"duckdb:///{path}", path.stat().st_ino
    with closing(cast(PrunableStore, open_store(url))) as store:
        assert store.prune({f"{1:012x}": 1}) == [f"{1:012x}"]
    assert path.stat().st_ino == inode
    assert len(kept(url)) == 10
    (told,) = caplog.records
    assert told.exc_info is None
    assert len(told.getMessage().splitlines()) == 1
    assert told.getMessage().startswith(f"{path} was not made smaller")
    assert "as much room again as it has" in told.getMessage()
    return told.getMessage()


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """Return a DuckDB file with ten runs that have ended, and one that waits."""
    filled(f"duckdb:///{tmp_path / 'runs.db'}", runs=10)
    return tmp_path / "runs.db"


def test_a_duckdb_file_that_cannot_shrink_stays_as_it_is(
    ten: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is no place for a copy the runs are gone all the same, and the log says why."""
    ten.with_name("runs.db.smaller").mkdir()
    pruned_but_not_smaller(ten, caplog)


def test_without_room_for_a_copy_one_line_says_so(
    ten: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and what was removed from it are as they were; what was copied so far is gone."""
    copied, (soft, hard) = compaction._copy, resource.getrlimit(resource.RLIMIT_FSIZE)

    def limited(*arguments: Any) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            copied(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    monkeypatch.setattr(compaction, "_copy", limited)
    assert "too large" in pruned_but_not_smaller(ten, caplog)
    assert [each.name for each in ten.parent.iterdir()] == ["runs.db"]


def test_a_copy_that_cannot_have_the_owner_is_not_kept(
    ten: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner is asked for by the numbers of the file; refused, the file stays as it was."""
    asked = []

    def refuse(path: Path, *owner: int) -> None:
        asked.append((path, *owner))
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "chown", refuse)
    assert "Operation not permitted" in pruned_but_not_smaller(ten, caplog)
    found = ten.stat()
    assert asked == [(ten.with_name("runs.db.smaller"), found.st_uid, found.st_gid)]
    assert [each.name for each in ten.parent.iterdir()] == ["runs.db"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another owner")
def test_a_smaller_file_has_the_owner_that_it_had(ten: Path) -> None:
    """Whoever prunes as root leaves it to the host that owns it, mode and all."""
    os.chown(ten, 4_711, 4_712)
    ten.chmod(0o640)
    before = ten.stat()
    with closing(cast(PrunableStore, open_store(f"duckdb:///{ten}"))) as store:
        store.prune({f"{1:012x}": 1})
    after = ten.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_uid, after.st_gid, after.st_mode) == (4_711, 4_712, before.st_mode)


def test_stores_that_share_a_duckdb_file_see_it_pruned(tmp_path: Path) -> None:
    """The last to close makes it smaller; until then the others go on with it."""
    url = f"duckdb:///{tmp_path / 'runs.db'}"
    filled(url, runs=50)
    with closing(open_store(url)) as other:
        with closing(cast(PrunableStore, open_store(url))) as store:
            assert store.prune({f"{1:012x}": 1}) == [f"{1:012x}"]
        assert not other.read([f"{1:012x}"])
        other.append(f"{2:012x}", [Record(2, "d", "b")], expected_version=1, row=index_row())
    assert len(kept(url)) == 50
    assert len(kept(url)[f"{2:012x}"]) == 2


# --- those who look meanwhile --------------------------------------------------------------------


@pytest.fixture(params=["memory", "duckdb", "sqlite"])
def host(request: pytest.FixtureRequest, make_store_of: Callable[..., Any]) -> Scoria:
    """Return a host whose store can be pruned beside it."""
    store = make_store_of(request.param)
    assert Capability.PRUNABLE in store.capabilities
    return Scoria(store, handlers={"work": lambda *_: {"done": True}})


def started(host: Scoria, **more: Any) -> str:
    """Start a run that completes at once, and return its id."""
    identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    step = StepSpec("work", "executor")
    return host.start_run(identity, root_role_id="executor", initial_step=step, **more).run_id


def test_a_listing_is_not_disturbed_by_one_who_prunes(host: Scoria) -> None:
    """While runs are started and pruned, whoever lists them sees those that are there."""
    store = cast(PrunableStore, host._runs.store)
    stays, ended = started(host), threading.Event()

    def come_and_go() -> None:
        for _ in range(60):
            run_id = started(host)
            store.prune({run_id: host.get_run(run_id).version})
        ended.set()

    other = threading.Thread(target=come_and_go)
    other.start()
    reader = Scoria(store)
    while not ended.is_set():
        assert stays in [run.run_id for run in reader.list_runs()]
        reader.run_pending()
    other.join()
    assert [run.run_id for run in reader.list_runs()] == [stays]


def test_a_host_that_kept_an_older_state_finds_no_run(host: Scoria) -> None:
    """It decides on what it kept, is refused by the store, and reads that there is none."""
    identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    run_id = host.start_run(identity, root_role_id="executor").run_id
    store = cast(PrunableStore, host._runs.store)
    version = Scoria(store).complete_run(run_id).version
    assert list(store.prune({run_id: version})) == [run_id]
    with pytest.raises(RunNotFound):
        host.add_step(run_id, StepSpec("work", "executor"))
    with pytest.raises(RunNotFound):
        host.get_run(run_id)


def test_a_late_result_of_a_run_that_was_pruned_is_refused(host: Scoria) -> None:
    """A handler that was at work when its run was cancelled and pruned gets RunNotFound."""
    store = cast(PrunableStore, host._runs.store)

    def late(_: Any, run: Any) -> None:
        version = Scoria(store).cancel_run(run.run_id).version
        store.prune({run.run_id: version})

    with pytest.raises(RunNotFound):
        started(host, handlers={"work": late})
    assert not host.list_runs()


def test_a_closed_store_prunes_nothing(host: Scoria) -> None:
    """As any other call it is refused."""
    host.close()
    with pytest.raises(StoreUnavailable):
        cast(PrunableStore, host._runs.store).prune({"a": 1})


def test_a_run_may_come_back_under_its_id(host: Scoria) -> None:
    """By a new start, never by an append to what was pruned."""
    store = cast(PrunableStore, host._runs.store)
    key = run_key("a", idempotency_key="order-7")
    labelled: dict[str, Any] = {"tenant_id": None, "label": None, "limit": 9}
    store.create(key, [Record(1, "d", "b")], row=index_row(datetime.now(UTC), labels=("tool:x",)))
    assert run_ids(store.list_labelled(**labelled)) == ["a"]
    assert list(store.prune({"a": 1})) == ["a"]
    with suppress(VersionConflict):
        store.append("a", [Record(2, "d", "b")], expected_version=1, row=index_row())
        pytest.fail("it came back")
    assert store.create(key, [Record(1, "e", "c")], row=index_row()) == "a"
    assert records_of(store, "a") == [Record(1, "e", "c")]
    assert not store.list_labelled(**labelled)
    assert list(store.list_due(tenant_id=None, until=datetime.now(UTC), limit=9)) == []
