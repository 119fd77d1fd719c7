"""Evidence in a file: nothing is lost on the way, and the page answers what operators ask."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import attrs
import duckdb
import pytest

from scoria_conformance.stored_runs import index_row, run_key
from scoria_core import Scoria
from scoria_core.errors import StoreCorrupt
from scoria_core.journal import genesis, seal
from scoria_core.ports import StoredRun
from scoria_core.run import Run
from scoria_core.stores import open_store
from scoria_evidence import ExportRefused
from scoria_evidence.parquet import write_parquet
from scoria_evidence.reading import exported_runs
from scoria_evidence.writing import Selection, write_file, write_lines
from tests.support import ROOT
from tests.support.commands import scoria
from tests.support.history import History, lived
from tests.support.stores import records_of

PAGE = (ROOT / "docs" / "evidence.md").read_text("utf-8")
VIEWS = dict(
    zip(("parquet", "jsonl"), re.findall(r"```sql\n(CREATE.*?)```", PAGE, re.S), strict=True)
)
FORMATS = sorted(VIEWS)
KILLED = """
import os, signal
import scoria_evidence.writing as export
export.publish = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
"""


def query(title: str) -> str:
    """Return the SQL below a title of the page."""
    (found,) = re.findall(
        r"```sql\n(.*?)```", PAGE.partition(f"### {title}")[2].partition("\n#")[0], re.S
    )
    return str(found)


@pytest.fixture(params=["sqlite", "duckdb"])
def past(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    """Return a month of runs in a file."""
    history = lived(f"{request.param}:///{tmp_path / 'runs.db'}")
    yield history
    history.host.close()


@pytest.fixture
def shut(past: History) -> History:
    """Return it for another process to open."""
    past.host.close()
    return past


def exported(url: str, cwd: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return scoria("evidence", "export", "--store", url, *options, cwd=cwd)


def answers(directory: Path, format_: str, title: str) -> list[tuple[Any, ...]]:
    """Ask the question of the page, of the file that the page asks it of."""
    with duckdb.connect() as connection:
        view = VIEWS[format_].replace("'evidence.", f"'{directory}/evidence.")
        return connection.execute(view).execute(query(title)).fetchall()


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of an export in lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# --- what is in it -------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_all_that_a_store_keeps_of_its_runs_is_in_the_file(
    shut: History, format_: str, tmp_path: Path
) -> None:
    """Read back, the runs are those of the store, newest first, record for record."""
    out = tmp_path / "evidence"
    ran = exported(shut.url, tmp_path, "--format", format_, "--out", str(out))
    assert ran.returncode == 0, ran.stderr
    with closing(open_store(shut.url)) as store:
        kept = {run.run_id: records_of(store, run.run_id) for run in Scoria(store).list_runs()}
    found = {run.run_id: run.records for run in exported_runs(out)}
    assert list(found.items()) == list(kept.items())
    entries = sum(map(len, kept.values()))
    assert ran.stdout == f"exported {entries} entries of {len(kept)} runs to {out}\n"
    assert {path.name for path in tmp_path.iterdir()} - {"runs.db"} == {"evidence"}


def test_a_row_says_what_its_entry_says(past: History, tmp_path: Path) -> None:
    """Each column is the entry's own, payloads and all; text and digest are the record's."""
    out = tmp_path / "evidence.jsonl"
    with closing(open_store(past.url)) as store:
        write_file(Selection(store), out, "jsonl")
    found = {(row["run_id"], row["sequence"]): row for row in lines_of(out)}
    for summary in past.host.list_runs():
        for entry in past.host.get_run_detail(summary.run_id).journal:
            row = found.pop((summary.run_id, entry.sequence))
            assert (row["tenant_id"], row["session_id"]) == (summary.tenant_id, summary.session_id)
            assert datetime.fromisoformat(row["at"]) == entry.at
            for name in ("type", "subject", "subject_id", "trigger", "from_state", "to_state"):
                assert row[name] == getattr(entry, name)
            assert (row["actor_id"], row["data"]) == (entry.actor_id, entry.data)
            assert row["digest"] == entry.digest
            assert json.loads(row["body"])["sequence"] == entry.sequence
    assert found == {}


def test_lines_go_to_a_pipe(shut: History, tmp_path: Path) -> None:
    """`--out -` writes nothing but the lines to stdout."""
    exported(shut.url, tmp_path, "--out", "evidence.jsonl")
    piped = exported(shut.url, tmp_path, "--out", "-")
    assert piped.stdout == (tmp_path / "evidence.jsonl").read_text("utf-8")
    assert piped.stderr.startswith("exported ")


def test_a_tenant_and_a_time_narrow_it(shut: History, tmp_path: Path) -> None:
    """Another tenant's runs are not in it, and with a time none that can still go on."""
    exported(shut.url, tmp_path, "--out", "tenant", "--tenant", "tenant-2")
    assert {row["tenant_id"] for row in lines_of(tmp_path / "tenant")} == {"tenant-2"}
    today = datetime.now(UTC).date().isoformat()
    exported(shut.url, tmp_path, "--out", "ended", "--before", today)
    with Scoria(open_store(shut.url)) as host:
        ended = [run for run in host.list_runs() if run.status in ("completed", "cancelled")]
        assert len(ended) < len(host.list_runs())
    assert {row["run_id"] for row in lines_of(tmp_path / "ended")} == {run.run_id for run in ended}
    long_ago = (datetime.now(UTC) - timedelta(days=60)).isoformat()
    nothing = exported(shut.url, tmp_path, "--out", "nothing", "--before", long_ago)
    assert (nothing.returncode, (tmp_path / "nothing").read_bytes()) == (0, b"")


class Endless:
    """A store that lists as many runs as are asked for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def list_runs(self, *, limit: int, before: str | None, **_: Any) -> list[StoredRun]:
        """Return a page, which counts down to 1."""
        last = self.count if before is None else int(before) - 1
        return [
            StoredRun(run_key(f"{number:09}"), index_row(), 1)
            for number in range(last, max(0, last - limit), -1)
        ]


@pytest.mark.slow
def test_the_memory_it_takes_does_not_grow_with_the_runs(
    past: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as many runs take as much."""
    run_id = past.host.list_runs(limit=1)[0].run_id
    with closing(open_store(past.url)) as store:
        records = records_of(store, run_id)
    monkeypatch.setattr(Selection, "_read", lambda *_: Run.replay(run_id, records))

    def peak(count: int) -> int:
        found = Selection(Endless(count))  # type: ignore[arg-type]
        tracemalloc.start()
        with Path(os.devnull).open("wb") as nowhere:
            write_lines(found, nowhere)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found.runs == count
        return most

    peak(10)
    few, many = peak(300), peak(3_000)
    assert many < 1.5 * few


# --- what operators ask --------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_how_long_approvals_wait(shut: History, format_: str, tmp_path: Path) -> None:
    """As the requests themselves say, one by one: the median, the 90th percentile, what is open."""
    exported(shut.url, tmp_path, "--format", format_, "--out", f"evidence.{format_}")
    with Scoria(open_store(shut.url)) as host:
        details = [host.get_run_detail(run.run_id) for run in host.list_runs()]
    asked = [approval for detail in details for approval in detail.approvals]
    expected = []
    for tool_name in sorted({approval.tool_name for approval in asked}):
        own = [approval for approval in asked if approval.tool_name == tool_name]
        minutes = [
            (each.decided_at - each.requested_at) / timedelta(minutes=1)
            for each in own
            if each.decided_at is not None
        ]
        open_ = [each.requested_at for each in own if each.status == "pending"]
        p90 = quantiles(minutes, n=10, method="inclusive")[-1] if minutes[1:] else minutes[0]
        since = min(open_).replace(tzinfo=None) if open_ else None
        expected.append(
            (tool_name, len(own), len(minutes), median(minutes), p90, len(open_), since)
        )
    found = answers(tmp_path, format_, "How long do approvals wait?")
    assert found == [
        (*row[:3], pytest.approx(row[3]), pytest.approx(row[4]), *row[5:]) for row in expected
    ]
    assert [row[:6] for row in found] == [
        ("publish", 1, 1, 4, 4, 0),
        ("send_refund", 14, 11, 13, 89, 1),
    ]


@pytest.mark.parametrize("format_", FORMATS)
def test_who_decided_what(shut: History, format_: str, tmp_path: Path) -> None:
    """Every decision in its order: who, how, and on which arguments."""
    exported(shut.url, tmp_path, "--format", format_, "--out", f"evidence.{format_}")
    found = answers(tmp_path, format_, "Who decided what?")
    refunds = [
        (f"reviewer-{minutes % 3}", "approved", "send_refund", f"after {minutes}")
        for minutes in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)
    ]
    assert [(*row[:3], row[5]) for row in found] == [
        *refunds,
        ("reviewer-7", "rejected", "send_refund", "after 120"),
        ("reviewer-7", "approved", "publish", "after 4"),
    ]
    assert {row[3:5] for row in found} == {('{"n":100000000000000000000}', None)}
    with Scoria(open_store(shut.url)) as host:
        for row in found:
            (approval,) = host.get_run_detail(row[6]).approvals
            assert (approval.decided_by, approval.status) == row[:2]


@pytest.mark.parametrize("format_", FORMATS)
def test_which_handoffs_fail(shut: History, format_: str, tmp_path: Path) -> None:
    """By roles: how many, how many failed, how many still do, and why."""
    exported(shut.url, tmp_path, "--format", format_, "--out", f"evidence.{format_}")
    assert answers(tmp_path, format_, "Which handoffs fail?") == [
        ("planner", "critic", "review", 3, 2, 1, "no model"),
        ("planner", "writer", "draft", 1, 1, 1, "too long"),
    ]


def test_the_page_names_every_column(shut: History, tmp_path: Path) -> None:
    """The table of the page has the columns of the file, and no other."""
    exported(shut.url, tmp_path, "--out", "evidence.jsonl")
    table = PAGE.partition("|---|---|")[2].partition("\n\n")[0].strip().splitlines()
    named = [name for line in table for name in re.findall("`(.*?)`", line.split("|")[1])]
    assert sorted(named) == sorted(lines_of(tmp_path / "evidence.jsonl")[0])


# --- what is damaged -----------------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
def test_a_damaged_run_is_named_and_there_is_no_file(format_: str, tmp_path: Path) -> None:
    """Exit code 1; left out by its name, the others are exported."""
    past = lived(f"sqlite:///{tmp_path / 'runs.db'}")
    damaged = past.host.list_runs()[3].run_id
    past.host.close()
    with closing(sqlite3.connect(tmp_path / "runs.db")) as file:
        file.execute("UPDATE record SET body = '{}' WHERE run_id = ? AND sequence = 2", (damaged,))
        file.commit()
    ran = exported(past.url, tmp_path, "--format", format_, "--out", "out")
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"broken: entry 2 of run {damaged} does not match its digest")
    assert "--without" in ran.stderr
    assert not [path for path in tmp_path.iterdir() if re.search("out|part", path.name)]
    without = exported(
        past.url, tmp_path, "--format", format_, "--out", "out", "--without", damaged
    )
    assert without.returncode == 0
    assert damaged not in {run.run_id for run in exported_runs(tmp_path / "out")}


def test_a_run_that_lost_all_its_records_is_damaged(past: History) -> None:
    """It is listed, so it is somewhere; one that is listed no longer was removed meanwhile."""
    store = open_store(past.url)
    lost, gone = (run.run_id for run in past.host.list_runs(limit=2))

    class Loses:
        def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
            found = store.read([each for each in run_ids if each != gone])
            return [
                attrs.evolve(each, records=()) if each.key.run_id == lost else each
                for each in found
            ]

        def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
            return store.list_runs(**asked)

    found = Selection(Loses())  # type: ignore[arg-type]
    everything = {run.run_id for run in past.host.list_runs()}
    assert {run.run_id for run in found} == everything - {lost, gone}
    assert found.damaged == 1
    store.close()


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[list[Any]], None]:
    """Return what changes the sixth row."""
    return lambda found: change(found[5])


TAMPERED: dict[str, Callable[[list[Any]], object]] = {
    "a text": changed(lambda row: row.update(body=row["body"].replace("work", "warp", 1) + " ")),
    "who acted": changed(lambda row: row.update(actor_id="somebody else")),
    "a time": changed(lambda row: row.update(at="2020-01-01T00:00:00+00:00")),
    "a fact": changed(lambda row: row.update(data={})),
    "a tenant": changed(lambda row: row.update(tenant_id="tenant-9")),
    "a column that is gone": changed(lambda row: row.pop("trigger")),
    "a column that is new": changed(lambda row: row.update(note="approved by all")),
    "a number": changed(lambda row: row.update(sequence="6")),
    "an entry that is gone": lambda found: found.pop(0),
    "an entry that was moved": lambda found: found.append(found.pop(1)),
    "an entry that is there twice": lambda found: found.insert(1, found[1]),
    "what is no entry": lambda found: found.insert(3, [1, 2]),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_an_export_that_was_changed_is_noticed(
    tamper: Callable[[list[Any]], object], tmp_path: Path
) -> None:
    """The command says that it is broken, with exit code 1."""
    past = lived(f"sqlite:///{tmp_path / 'runs.db'}")
    out = tmp_path / "out"
    with closing(open_store(past.url)) as store:
        write_file(Selection(store), out, "jsonl")
    past.host.close()
    assert sum(1 for _ in exported_runs(out))
    found: list[Any] = lines_of(out)
    tamper(found)
    out.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    with pytest.raises(StoreCorrupt):
        list(exported_runs(out))


EQUAL_TO_PYTHON = {
    "a whole number with a point": ('"n":1250,', '"n":1250.0,'),
    "one for true": ('"sent":true', '"sent":1'),
    "true for one": ('"sequence":1,', '"sequence":true,'),
    "the keys in another order": ('"n":1250,"sent":true', '"sent":true,"n":1250'),
    "a key twice, first another": ('"actor_id":', '"actor_id":"somebody else","actor_id":'),
    "a key of a fact twice": ('"n":1250,', '"n":1,"n":1250,'),
    "no number": ('"n":1250,', '"n":NaN,'),
    "too large a number": ('"n":1250,', '"n":1e999,'),
}


OF_FACTS = [name for name, (text, _) in EQUAL_TO_PYTHON.items() if text.startswith('"n"')]
"""Those that Parquet can hold as well: its columns have a type, except for the facts."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format_", "name"),
    [*(("jsonl", name) for name in EQUAL_TO_PYTHON), *(("parquet", name) for name in OF_FACTS)],
)
def test_a_column_says_to_the_letter_what_the_text_says(
    format_: str, name: str, tmp_path: Path
) -> None:
    """What another reader may take for something else is noticed, though Python finds it equal."""
    past = History(f"sqlite:///{tmp_path / 'runs.db'}")
    past.started({"n": 1250, "sent": True, "twice": 2})
    past.host.close()
    lines, out, change = tmp_path / "lines", tmp_path / "out", EQUAL_TO_PYTHON[name]
    exported(past.url, tmp_path, "--out", "lines")
    whole = lines.read_text("utf-8")
    assert change[0] in whole
    lines.write_text(whole.replace(*change), "utf-8")
    if format_ == "parquet":
        write_parquet(lines, 0, out)
    else:
        lines.rename(out)
    with pytest.raises(StoreCorrupt):
        list(exported_runs(out))


STRANGE_PARQUET = {
    "no time": ('REPLACE (NULL::TIMESTAMPTZ AS "at")', "no time in its row 1"),
    "a time without end": ("REPLACE ('infinity'::TIMESTAMPTZ AS \"at\")", "no time in its row 1"),
    "a time too late": ("REPLACE ('290000-01-01'::TIMESTAMPTZ AS \"at\")", "no time in its row 1"),
    "a time without a zone": ('REPLACE ("at"::TIMESTAMP AS "at")', "'at' is TIMESTAMP"),
    "no data": ("REPLACE (NULL::VARCHAR AS data)", "no data in its row 1"),
    "a number for data": ("REPLACE (1 AS data)", "'data' is INTEGER"),
    "bytes for text": ("REPLACE (encode(body) AS body)", "'body' is BLOB"),
    "a column that is new": (", 1 AS note", "'note' is INTEGER"),
    "a column that is gone": ("EXCLUDE (trigger)", "'trigger' is not there"),
    "a column that is a list": ("REPLACE ([trigger] AS trigger)", "'trigger' is VARCHAR[]"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("change", "problem"), STRANGE_PARQUET.values(), ids=STRANGE_PARQUET)
def test_parquet_of_another_kind_is_broken_at_a_place(
    change: str, problem: str, tmp_path: Path, one_run: Path
) -> None:
    """One line names the row or the column."""
    good, out = tmp_path / "good", tmp_path / "out"
    write_parquet(one_run, 0, good)
    assert list(exported_runs(good))
    with duckdb.connect() as connection:
        rows = f"SELECT * {change} FROM read_parquet('{good}')"  # noqa: S608 - ours
        connection.execute(f"COPY ({rows}) TO '{out}' (FORMAT parquet)")
    assert problem in broken(out)


STRANGE_IDS = {
    "half a pair": "\ud800",
    "an escape": "a\x1b[2J",
    "a line": "a\nb",
    "RTL": "a\u202eb",
}


@pytest.mark.parametrize("run_id", STRANGE_IDS.values(), ids=STRANGE_IDS)
def test_an_id_is_never_printed_raw(run_id: str, tmp_path: Path, one_run: Path) -> None:
    """Whoever made the file cannot write to the terminal of the one who checks it."""
    out = tmp_path / "out"
    found = [{**row, "run_id": run_id} for row in lines_of(one_run)]
    out.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    told = broken(out)
    assert ascii(run_id) in told
    assert "its row 1" in told


def test_a_time_that_utc_has_not_is_broken(tmp_path: Path, one_run: Path) -> None:
    """A chain may be right and tell of a time before the first year."""
    run = next(exported_runs(one_run))
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    _, record = seal(attrs.evolve(run.journal[0], at=early), genesis(run.run_id))
    row = {**lines_of(one_run)[0], "digest": record.digest, "body": record.body}
    (tmp_path / "out").write_text(json.dumps(row))
    assert "as the kit writes it" in broken(tmp_path / "out")


@pytest.fixture
def one_run(tmp_path: Path) -> Path:
    """Return an export of one run in lines."""
    past = History(f"sqlite:///{tmp_path / 'runs.db'}")
    past.started({"done": True})
    past.host.close()
    with closing(open_store(past.url)) as store:
        write_file(Selection(store), tmp_path / "lines", "jsonl")
    return tmp_path / "lines"


def broken(path: Path) -> str:
    """Check a file that is broken, and return the one line that says so."""
    checked = scoria("evidence", "verify-export", str(path), cwd=path.parent)
    assert (checked.returncode, checked.stderr) == (1, "")
    (told,) = checked.stdout.splitlines()
    assert told.startswith("broken: ")
    assert told.isprintable()
    assert told.endswith("; do not rely on this file; take another copy of it")
    return told


def test_a_directory_is_no_column(tmp_path: Path, one_run: Path) -> None:
    """DuckDB would read `year=2026` as one."""
    (tmp_path / "year=2026").mkdir()
    out = tmp_path / "year=2026" / "out"
    moved = one_run.rename(out.with_name("lines"))
    write_parquet(moved, 0, out)
    assert len(list(exported_runs(out))) == 1


NAMES = ["jan[1]", "jan*", "jan?", "{jan1,jan2}", "jan%31", "jan'1", "jan\\[1]", 'j"\n*', "j" * 250]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_and_no_pattern(name: str, format_: str, tmp_path: Path) -> None:
    """What is written and what is read is the file of that name, in the directory of that name."""
    for decoy in ("jan1", "jan2", "jan\\1"):
        (tmp_path / decoy).mkdir()
        (tmp_path / decoy / decoy).write_bytes(b"PAR1 and no more")
    (tmp_path / name).mkdir()
    for decoy in ("jan1", "jan2", "jan\\1"):
        (tmp_path / name / decoy).write_bytes(b"PAR1 and no more")
    out = tmp_path / name / name
    past = History(f"sqlite:///{tmp_path / 'runs.db'}")
    run_id = past.started({"done": True}).run_id
    past.host.close()
    with closing(open_store(past.url)) as store:
        assert write_file(Selection(store), out, format_)
    assert [run.run_id for run in exported_runs(out)] == [run_id]
    assert {path.name for path in out.parent.iterdir()} == {name, "jan1", "jan2", "jan\\1"}


@pytest.mark.slow
@pytest.mark.parametrize("format_", FORMATS)
def test_the_command_checks_a_file_without_its_store(
    shut: History, format_: str, tmp_path: Path
) -> None:
    """Whole is 0, with the head that the store's own check prints; broken is 1."""
    out = tmp_path / f"out.{format_}"
    exported(shut.url, tmp_path, "--format", format_, "--out", str(out))
    run = next(exported_runs(out))
    own = scoria("evidence", "verify", run.run_id, "--store", shut.url, cwd=tmp_path)
    check = ["evidence", "verify-export", str(out)]
    all_, one = scoria(*check, cwd=tmp_path), scoria(*check, run.run_id, cwd=tmp_path)
    assert re.fullmatch(r"whole: \d+ entries of \d+ runs\n", all_.stdout)
    assert one.stdout == own.stdout
    assert (all_.returncode, one.returncode) == (0, 0)
    assert scoria(*check, "no-such-run", cwd=tmp_path).returncode == 2
    out.write_bytes(out.read_bytes()[:-20])
    broken = scoria(*check, cwd=tmp_path)
    assert (broken.returncode, broken.stdout[:8]) == (1, "broken: ")
    assert broken.stderr == ""


# --- the file ------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_written_over(shut: History, tmp_path: Path) -> None:
    """Only with --force, and not even then where a run is damaged."""
    out = tmp_path / "out"
    out.touch()
    refused = exported(shut.url, tmp_path, "--out", "out")
    assert (refused.returncode, out.read_bytes()) == (2, b"")
    assert "is there already" in refused.stderr
    for format_ in ("jsonl", "parquet", "jsonl"):
        forced = exported(shut.url, tmp_path, "--out", "out", "--force", "--format", format_)
        assert forced.returncode == 0, forced.stderr
        assert list(exported_runs(out))


def test_the_store_itself_is_never_replaced(shut: History, tmp_path: Path) -> None:
    """Not by its own name and not by another; --force replaces what is an export, and no more."""
    store = tmp_path / "runs.db"
    (tmp_path / "link").symlink_to(store)
    before = store.read_bytes()
    for out in (str(store), "runs.db", "link"):
        refused = exported(shut.url, tmp_path, "--out", out, "--force")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"{out} is no export" in refused.stderr
    assert store.read_bytes() == before
    assert (tmp_path / "link").is_symlink()


OTHER_FILES = {
    "text": b"kept",
    "a blank line": b"\n",
    "JSON that is no object": b"[1]\n",
    "another object": b'{"run_id": "a"}\n',
    "half a line": b'{"run_id": "a", ',
    "bytes": b"{\xff\x00\n",
    "half of a Parquet file": b"PAR1 and no more",
}


@pytest.mark.parametrize("content", OTHER_FILES.values(), ids=OTHER_FILES)
def test_force_replaces_no_other_file(content: bytes, tmp_path: Path) -> None:
    """It stays as it is, and one line says why."""
    (tmp_path / "out").write_bytes(content)
    refused = exported("memory://", tmp_path, "--out", "out", "--force")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert (tmp_path / "out").read_bytes() == content


def test_force_replaces_no_other_table(tmp_path: Path) -> None:
    """A Parquet file of somebody else's data is no export, whatever it is called."""
    import duckdb

    sales = tmp_path / "sales.parquet"
    duckdb.sql(f"COPY (SELECT 1 AS amount) TO '{sales}' (FORMAT parquet)")
    content = sales.read_bytes()
    arguments = ("--out", "sales.parquet", "--format", "parquet", "--force")
    refused = exported("memory://", tmp_path, *arguments)
    assert (refused.returncode, "is no export" in refused.stderr) == (2, True)
    assert sales.read_bytes() == content


@pytest.mark.parametrize("format_", ["Parquet", "csv", ""])
def test_a_format_that_there_is_not_is_refused(format_: str, tmp_path: Path) -> None:
    """It is not taken for lines of JSON."""
    with closing(open_store("memory://")) as store, pytest.raises(ExportRefused, match="pass one"):
        write_file(Selection(store), tmp_path / "out", format_)
    assert not list(tmp_path.iterdir())


def test_a_file_that_came_meanwhile_is_not_written_over(past: History, tmp_path: Path) -> None:
    """Of two exports to one name the first to end has it."""
    out = tmp_path / "out"

    class Slow(Selection):
        def __iter__(self) -> Iterator[Run]:
            yield from super().__iter__()
            out.write_text("kept")

    with (
        closing(open_store(past.url)) as store,
        pytest.raises(ExportRefused, match="was created during the export"),
    ):
        write_file(Slow(store), out, "jsonl")
    assert out.read_text() == "kept"


@pytest.mark.slow
@pytest.mark.parametrize("format_", FORMATS)
def test_a_process_that_is_killed_leaves_no_file_of_that_name(
    shut: History, format_: str, tmp_path: Path
) -> None:
    """What it wrote so far has another name, and the next export is not kept from its own."""
    (tmp_path / "sitecustomize.py").write_text(KILLED)
    command = [sys.executable, "-m", "scoria_cli", "evidence", "export", "--store", shut.url]
    arguments = ["--out", "out", "--format", format_]
    killed = subprocess.run(
        [*command, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert killed.returncode == -9
    assert not (tmp_path / "out").exists()
    (tmp_path / "sitecustomize.py").unlink()
    left = set(tmp_path.glob(".*.part"))
    assert any(path.match(".scoria-*.part") for path in left)
    assert exported(shut.url, tmp_path, *arguments).returncode == 0
    assert set(tmp_path.glob(".*.part")) == left


def test_two_exports_of_one_process_do_not_meet(past: History, tmp_path: Path) -> None:
    """Though both have the same place and the same process id, each writes a file of its own."""
    out = tmp_path / "out"

    class Interrupted(Selection):
        def __iter__(self) -> Iterator[Run]:
            write_file(Selection(self.store), out, "jsonl")
            yield from super().__iter__()

    with closing(open_store(past.url)) as store:
        write_file(Interrupted(store), out, "jsonl", force=True)
        write_file(Selection(store), tmp_path / "alone", "jsonl")
    assert out.read_bytes() == (tmp_path / "alone").read_bytes()


REFUSED = {
    "parquet to a pipe": (["--out", "-", "--format", "parquet"], "only jsonl goes to stdout"),
    "a directory": (["--out", ".", "--force"], "--out . is not a regular file; name"),
    "a directory that is not there": (["--out", "no/x"], "--out no/x is in no directory"),
    "no name": (["--out", ""], "--out is empty; name a file"),
    "too long a name": (["--out", "x" * 300], "cannot be used: File name too long"),
    "a device": (["--out", os.devnull, "--force"], "is not a regular file; name"),
    "no date": (["--out", "out", "--before", "yesterday"], "--before"),
    "a day that is none": (["--out", "out", "--before", "2026-02-30"], "--before"),
    "a day to come": (["--out", "out", "--before", "9000-01-01"], "--before"),
    "the last moment there is": (["--out", "out", "--before", "9999-12-31T23:59:59-12:00"], "--b"),
}


@pytest.mark.parametrize(("arguments", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    """Exit code 2, the input and what to do, and no file."""
    refused = exported("memory://", tmp_path, *arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert told in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_that_cannot_be_written_is_named(
    shut: History, format_: str, tmp_path: Path
) -> None:
    """Where the disk has no room, one line says so, and nothing is left."""
    command = f"ulimit -f 80; exec {sys.executable} -m scoria_cli evidence export"
    arguments = ["--store", shut.url, "--out", "out", "--format", format_]
    full = subprocess.run(
        ["sh", "-c", f'{command} "$@"', "sh", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (full.returncode, full.stdout) == (2, "")
    assert re.fullmatch(r"scoria: --out out cannot be written: .*; name a file .*\n", full.stderr)
    assert not [path for path in tmp_path.iterdir() if re.search("out|part", path.name)]


def test_a_tenant_and_a_run_that_there_is_not_are_told_of(shut: History, tmp_path: Path) -> None:
    """Whoever mistyped them sees it on stderr, and those that are there are not told of."""
    with Scoria(open_store(shut.url)) as host:
        there = next(run for run in host.list_runs() if run.tenant_id == "tenant-1").run_id
    none = exported(shut.url, tmp_path, "--out", "none", "--tenant", "tenant-\x1b")
    assert none.stderr == "tenant 'tenant-\\x1b' has no run here\n"
    some = ["--tenant", "tenant-1", "--without", there, "--without", "mistyped"]
    ran = exported(shut.url, tmp_path, "--out", "out", *some)
    assert ran.stderr == "'mistyped', which was to be left out, is no run that is here\n"
    assert (none.returncode, ran.returncode) == (0, 0)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_without_an_entry_is_not_whole(format_: str, tmp_path: Path) -> None:
    """It proves nothing: exit code 1."""
    exported("memory://", tmp_path, "--out", "out", "--format", format_)
    checked = scoria("evidence", "verify-export", "out", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (1, "")
    assert checked.stdout.startswith("nothing: out holds no entry")


def test_parquet_needs_duckdb_and_says_so(tmp_path: Path) -> None:
    """One line names the extra; lines of JSON need nothing."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['duckdb'] = None")
    without = {"PYTHONPATH": str(tmp_path)}
    arguments = ["evidence", "export", "--store", "memory://", "--out", "out"]
    refused = scoria(*arguments, "--format", "parquet", cwd=tmp_path, **without)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "pip install 'scoria-kit[duckdb]'" in refused.stderr
    assert scoria(*arguments, cwd=tmp_path, **without).returncode == 0
