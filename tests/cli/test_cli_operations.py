"""Workers and operators at the command line: what they see, and what the journal keeps of them."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from scoria_cli.doctor import Finding, Problem, Visit
from scoria_cli.times import length
from scoria_core import Retry, Scoria, StepSpec
from scoria_core.ports import StoredRun
from scoria_memory import MemoryStore
from tests.support import ROOT
from tests.support.clocks import noon_clock
from tests.support.commands import queued, scoria, waiting


@contextmanager
def working(url: str, cwd: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker in a process of its own, and end it."""
    command = [sys.executable, "-m", "scoria_cli", "worker", "--store", url, "--poll", "0.05"]
    process = subprocess.Popen(
        [*command, "--handlers", "hands:registry", *options],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def until(url: str, run_id: str, status: str) -> None:
    """Wait until the step of a run has a status."""
    ends = time.monotonic() + 30
    with Scoria.open(url) as host:
        while host.get_run_detail(run_id).steps[0].status != status:
            assert time.monotonic() < ends, f"the step is never {status}"
            time.sleep(0.02)


def until_a_handler_is_at_work(cwd: Path) -> str:
    """Wait until a worker has entered a handler, and return the id of its run.

    A step is `running` as soon as it is claimed; a worker told to stop before it enters the handler
    gives the claim back.
    """
    ends = time.monotonic() + 120
    while not (entered := list(cwd.glob("entered-*"))):
        assert time.monotonic() < ends, "no handler is entered"
        time.sleep(0.02)
    return entered[0].name.removeprefix("entered-")


def test_a_worker_does_what_is_queued(url: str, tmp_path: Path) -> None:
    """With --once it ends when nothing is due; its name is in the journal of what it did."""
    run_id = queued(url)
    arguments = ["--handlers", "hands:make_registry", "--name", "worker-1", "--once"]
    done = scoria("worker", "--store", url, *arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "worker worker-1: work, break, later",
        "worker worker-1 stopped; worked in 1 runs",
    ]
    assert "completed: step" in done.stderr
    assert run_id in done.stderr
    with Scoria.open(url) as host:
        detail = host.get_run_detail(run_id)
    assert detail.summary.status == "completed"
    (claim,) = [entry for entry in detail.journal if entry.type == "step_claimed"]
    assert claim.data["lease"]["worker_id"] == "worker-1"


def test_a_worker_that_is_told_to_stop_lets_its_step_end(url: str, tmp_path: Path) -> None:
    """SIGTERM: what is at work ends, and nothing else is begun."""
    first, second = queued(url, seconds=1), queued(url, tenant_id="tenant-2", seconds=1)
    with working(url, tmp_path) as worker:
        entered = until_a_handler_is_at_work(tmp_path)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(120) == 0
    with Scoria.open(url) as host:
        statuses = {run_id: host.get_run(run_id).status for run_id in (first, second)}
    assert statuses.pop(entered) == "completed"
    assert list(statuses.values()) == ["running"]


def test_a_worker_that_has_no_time_left_gives_its_step_back(url: str, tmp_path: Path) -> None:
    """After its grace the handler is broken off, and the step is queued for another worker."""
    run_id = queued(url, seconds=60)
    with working(url, tmp_path, "--grace", "0.2") as worker:
        until_a_handler_is_at_work(tmp_path)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    with Scoria.open(url) as host:
        (step,) = host.get_run_detail(run_id).steps
    assert (step.status, step.attempt) == ("queued", 2)


def until_all_are_at_work(cwd: Path, count: int) -> None:
    """Wait until a worker has entered so many handlers."""
    ends = time.monotonic() + 120
    while len(list(cwd.glob("entered-*"))) < count:
        assert time.monotonic() < ends, "no handler is entered"
        time.sleep(0.02)


def steps_of(url: str, run_ids: Sequence[str]) -> list[tuple[str, int]]:
    """Return the status and the attempt of the step of each run."""
    with Scoria.open(url) as host:
        steps = [host.get_run_detail(run_id).steps[0] for run_id in run_ids]
    return [(str(step.status), step.attempt) for step in steps]


def test_a_worker_that_is_told_to_end_lets_all_its_steps_end(url: str, tmp_path: Path) -> None:
    """SIGTERM with several steps at work: each is recorded, and no other is begun."""
    at_work = [queued(url, kind, seconds=1.5) for kind in ("work", "work", "later")]
    with working(url, tmp_path, "--concurrency", "3") as worker:
        until_all_are_at_work(tmp_path, 3)
        left = queued(url)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert steps_of(url, [*at_work, left]) == [("completed", 1)] * 3 + [("queued", 1)]


def test_a_worker_that_has_no_time_left_gives_all_its_steps_back(url: str, tmp_path: Path) -> None:
    """After its grace coroutines are cancelled and threads end with it; each step is queued."""
    at_work = [queued(url, kind, seconds=60) for kind in ("work", "later", "work", "later")]
    with working(url, tmp_path, "--concurrency", "9", "--grace", "0.2") as worker:
        until_all_are_at_work(tmp_path, 4)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert worker.stderr is not None
        assert "Traceback" not in worker.stderr.read()
    assert steps_of(url, at_work) == [("queued", 2)] * 4


def test_a_worker_does_only_the_kinds_it_is_given(url: str, tmp_path: Path) -> None:
    """Others stay for other workers; a kind that the registry does not have is a typo."""
    run_ids = [queued(url, kind) for kind in ("work", "later", "break")]
    told = ["worker", "--store", url, "--handlers", "hands:registry", "--once"]
    done = scoria(*told, "--concurrency", "2", "--kinds", "later, break", cwd=tmp_path)
    assert done.returncode == 0
    assert "worked in 2 runs" in done.stdout
    assert [status for status, _ in steps_of(url, run_ids)] == ["queued", "completed", "failed"]
    refused = scoria(*told, "--kinds", "werk", cwd=tmp_path)
    assert refused.returncode == 2
    assert "the registry has no 'werk'; it has work, break, later" in refused.stderr


def test_a_worker_takes_over_from_one_that_was_killed(url: str, tmp_path: Path) -> None:
    """Kill -9: when the lease has ended, another worker runs the step, with its next attempt."""
    run_id = queued(url, seconds=1.5)
    with working(url, tmp_path, "--lease", "1") as dead:
        until(url, run_id, "running")
        dead.send_signal(signal.SIGKILL)
        dead.wait(30)
    with working(url, tmp_path, "--lease", "1"):
        until(url, run_id, "completed")
    with Scoria.open(url) as host:
        (step,) = host.get_run_detail(run_id).steps
    assert step.result == {"attempt": 2}


def test_runs_are_listed_by_what_they_wait_for(url: str, tmp_path: Path) -> None:
    """A pipe gets a line for each run, tab by tab."""
    asked, other = waiting(url), queued(url, tenant_id="tenant-2")

    def listed(*options: str) -> list[str]:
        answer = scoria("runs", "list", "--store", url, *options, cwd=tmp_path)
        assert answer.returncode == 0
        return [line.split("\t")[0] for line in answer.stdout.splitlines()]

    assert listed() == [other, asked]
    assert listed("--limit", "1") == [other]
    assert listed("--tenant", "tenant-2") == [other]
    assert listed("--status", "waiting_for_approval") == [asked]
    assert listed("--actor", "user-1", "--status", "waiting_for_approval") == [asked]
    assert listed("--role", "nobody") == []
    assert listed("--created-after", "2026-01-31", "--before", other) == [asked]


def test_what_waits_is_listed_longest_first(url: str, tmp_path: Path) -> None:
    """A pipe gets a line for each request, a program one with the fields of its run too."""
    first, second = waiting(url), waiting(url)
    queued(url)

    def inbox(*options: str) -> tuple[list[str], str]:
        answer = scoria("inbox", "--store", url, *options, cwd=tmp_path)
        assert answer.returncode == 0
        return answer.stdout.splitlines(), answer.stderr

    rows, more = inbox()
    assert [row.split("\t")[0] for row in rows] == [first, second]
    assert rows[0].split("\t")[3:] == ["send", '{"to":"x"}', "user-1", ""]
    assert more == ""
    rows, more = inbox("--limit", "1", "--json")
    told = json.loads(rows[0])
    assert (told["run"]["run_id"], told["tool_name"]) == (first, "send")
    assert "pending_approvals" not in told["run"]  # each of them has a line
    place = json.loads(more)["next"]
    assert inbox("--limit", "1")[1].endswith(f" --after {place}\n")
    assert [row.split("\t")[0] for row in inbox("--after", place)[0]] == [second]
    filters = ["--tool", "send", "--tenant", "tenant-1", "--session", "session-1"]
    assert inbox(*filters)[0] == inbox()[0]
    for nothing in (["--tool", "pay"], ["--tenant", "tenant-2"], ["--assigned-to", "user-1"]):
        assert inbox(*nothing)[0] == []


def test_an_operator_decides_under_their_name(url: str, tmp_path: Path) -> None:
    """Approved at the shell, the run goes on at its host; the journal names who decided."""
    run_id = waiting(url)
    arguments = ["--by", "reviewer-7", "--note", "checked", "--store", url]
    approved = scoria("runs", "approve", run_id, *arguments, cwd=tmp_path)
    assert (approved.returncode, approved.stdout) == (
        0,
        f"run {run_id} is waiting_for_approval: send is approved; go on with scoria runs resume "
        f"{run_id}\n",
    )
    again = scoria("runs", "approve", run_id, *arguments, cwd=tmp_path)
    assert again.returncode == 2
    assert "approval_not_pending" in again.stderr
    with Scoria.open(url) as host:
        assert host.resume_run(run_id, handlers={"ask": lambda *_: None}).status == "completed"
        (approval,) = host.get_run_detail(run_id).approvals
    assert (approval.decided_by, approval.note) == ("reviewer-7", "checked")
    shown = scoria("runs", "show", run_id, "--store", url, cwd=tmp_path)
    assert "approval_approved  by reviewer-7" in shown.stdout


def test_an_operator_rejects_cancels_and_retries(url: str, tmp_path: Path) -> None:
    """Each with the checks that a host has, and one line in answer."""
    rejected, cancelled, failed = waiting(url), queued(url), queued(url, kind="break")
    by = ["--by", "operator-1", "--store", url]

    def said(*arguments: str) -> str:
        return scoria("runs", *arguments, *by, cwd=tmp_path).stdout

    assert said("reject", rejected) == f"run {rejected} is cancelled: send is rejected\n"
    assert said("cancel", cancelled, "--reason", "wrong") == f"run {cancelled} is cancelled\n"
    once = ["--handlers", "hands:registry", "--once"]
    scoria("worker", "--store", url, *once, cwd=tmp_path)
    queued_again = "its step is queued for its host or a worker"
    assert said("retry", failed) == f"run {failed} is running: {queued_again}\n"
    refused = scoria("runs", "retry", cancelled, *by, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1


def test_a_doctor_says_what_is_stuck_and_why(url: str, tmp_path: Path) -> None:
    """Each finding has a run, a reason and the next move; nothing stuck is exit code 0."""
    queued(url)
    well = scoria("doctor", "--store", url, cwd=tmp_path)
    said = "✓ nothing is stuck; looked at the one run that has not ended\n"
    assert (well.returncode, well.stdout) == (0, said)
    waiting(url)
    failed = queued(url, kind="break")
    once = ["--handlers", "hands:registry", "--once"]
    scoria("worker", "--store", url, *once, cwd=tmp_path)
    nobody = queued(url, kind="nobody-has-it")
    ill = scoria(*("doctor", "--store", url, "--patience", "0", "--waiting", "0"), cwd=tmp_path)
    assert ill.returncode == 1
    assert f"run {failed} failed at its step break in attempt 1: LookupError" in ill.stdout
    assert re.search(r"has waited for a person for \d+ .*: send", ill.stdout)
    assert f"run {nobody} has queued its step nobody-has-it" in ill.stdout
    assert "start a worker that has a handler for nobody-has-it" in ill.stdout


def test_a_doctor_looks_at_every_run(url: str, tmp_path: Path) -> None:
    """One that was approved long ago and never resumed is found behind a thousand others."""
    forgotten = waiting(url)
    with Scoria.open(url) as host:
        approval = host.get_run(forgotten).pending_approval
        assert approval is not None
        host.approve(forgotten, approval_id=approval.approval_id, decided_by="reviewer-7")
        identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        for _ in range(1_001):
            host.start_run(identity, root_role_id="executor")
    told = scoria("doctor", "--store", url, cwd=tmp_path)
    assert told.returncode == 1
    assert f"run {forgotten} waits to be resumed: send is approved" in told.stdout
    assert "looked at all 1002 runs that have not ended" in told.stdout


def test_a_doctor_gives_an_advice_once(url: str, tmp_path: Path) -> None:
    """The runs that have one next move stand below it; many of them are counted."""
    many = [queued(url, kind="nobody-has-it") for _ in range(3)]
    other = queued(url, kind="nor-this")
    told = scoria("doctor", "--store", url, "--patience", "0", cwd=tmp_path).stdout.splitlines()
    assert [row[:50] for row in told if row.startswith("✗")] == [
        "✗ start a worker that has a handler for nor-this",
        "✗ start a worker that has a handler for nobody-has",
    ]
    assert [row.split()[1] for row in told if row.startswith("    ")] == [other, *reversed(many)]
    assert not [row for row in told if "0:00" in row]


def test_a_doctor_tells_a_program(url: str, tmp_path: Path) -> None:
    """A line of JSON for each finding, and one for what was looked at."""
    run_id = queued(url, kind="büro")
    command = ["doctor", "--json", "--patience", "0", "--store", url]
    told = scoria(*command, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert told.returncode == 1
    finding, summary = map(json.loads, told.stdout.splitlines())
    assert finding["why"].startswith("has queued its step büro for ")
    assert {name: finding[name] for name in ("type", "run_id", "problem", "next_move")} == {
        "type": "finding",
        "run_id": run_id,
        "problem": "queued",
        "next_move": "start a worker that has a handler for büro",
    }
    assert summary == {"type": "summary", "stuck": 1, "looked_at": 1}


HOUR = timedelta(hours=1)


def test_a_doctor_names_a_step_that_is_too_long_at_work() -> None:
    """Its lease is renewed all the time, and its handler never comes back."""
    store = MemoryStore()
    with Scoria(store, worker_id="worker-7") as host:
        seen: list[list[Finding]] = []

        def hangs(*_: object) -> None:
            for working in (timedelta(0), HOUR):
                seen.append(list(Visit(store, None, HOUR, HOUR, working)))

        identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        step = StepSpec("hangs", "executor")
        host.start_run(
            identity, root_role_id="executor", initial_step=step, handlers={"hangs": hangs}
        )
    (long,), short = seen
    assert long.problem == "working"
    assert long.why.startswith("has been in its step hangs for ")
    assert long.why.endswith("at worker-7")
    assert short == []


def test_a_doctor_knows_the_time_limit_of_a_step() -> None:
    """Past it a step is too long at work, whatever others may take."""
    now = datetime.now(UTC)
    store, clock = MemoryStore(), noon_clock()
    clock.time = now - timedelta(seconds=60)
    with Scoria(store, clock=clock, lease=3600) as host:
        seen: list[list[Finding]] = []

        def hangs(*_: object) -> None:
            seen.append(list(Visit(store, None, HOUR, HOUR, HOUR)))

        identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        for limit in (3600, 50):
            host.start_run(
                identity,
                root_role_id="executor",
                initial_step=StepSpec("hangs", "executor", time_limit=limit),
                handlers={"hangs": hangs},
            )
    within, past = seen
    assert within == []
    assert [each.problem for each in past] == ["working"]


def test_a_doctor_reads_what_has_not_ended_and_nothing_else() -> None:
    """Behind any number of runs that have; what is claimed while it looks is not lost to it."""

    class Counts(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
            self.seen += run_ids
            return super().read(run_ids)

    store, found = Counts(), []
    with Scoria(store, dispatch="queue") as host:
        identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        for kind in ["done"] * 300 + ["work"] * 3:
            step = StepSpec(kind, "executor")
            host.start_run(identity, root_role_id="executor", initial_step=step)
        host.run_pending(handlers={"done": lambda *_: None})
        queue = [run.run_id for run in host.list_runs(status="running")]
        store.seen.clear()
        looking = iter(Visit(store, None, timedelta(0), HOUR, HOUR))
        found.append(next(looking))
        for run_id in queue[1:]:
            host.run_pending(run_id, handlers={"work": lambda *_: found.extend(looking)})
    assert set(store.seen) == set(queue)
    assert [each.problem for each in found] == ["queued", "queued"]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (7_500, "2 h 5 min"),
        (7_200, "2 h"),
        (7_201, "2 h"),
        (86_400 * 300 + 7_500, "300 d 2 h"),
        (86_400 + 300, "1 d"),
    ],
)
def test_a_length_of_time_is_for_people(seconds: float, told: str) -> None:
    """Two units are enough, and none between them is left out."""
    assert length(timedelta(seconds=seconds)) == told


def test_only_postgresql_has_something_to_migrate(tmp_path: Path) -> None:
    """Another store is refused with the reason, in one line."""
    answer = scoria("migrate", "--store", "memory://", cwd=tmp_path)
    assert answer.returncode == 2
    assert "there is nothing to migrate" in answer.stderr


@pytest.mark.parametrize("registry", ["no_such_module:registry", "hands:nothing", "os:sep"])
def test_a_registry_that_is_none_is_refused(url: str, tmp_path: Path, registry: str) -> None:
    """One line and exit code 2, and no worker."""
    refused = scoria("worker", "--store", url, "--handlers", registry, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Missing option '--handlers' or '--listeners'"),
        (["--handlers", "hands:empty"], "hands:empty is empty: name a mapping of step kinds"),
        (["--listeners", "hands:empty"], "hands:empty is empty: name a mapping of names"),
        (["--listeners", "hands:registry", "--kinds", "work"], "Missing option '--handlers'"),
    ],
)
def test_a_worker_with_nothing_to_do_is_refused(
    url: str, tmp_path: Path, options: list[str], told: str
) -> None:
    """One line says which option there is to name."""
    refused = scoria("worker", "--store", url, "--once", *options, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert told in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_worker_may_tell_listeners_alone(url: str, tmp_path: Path) -> None:
    """It needs no handlers, and leaves the steps to others."""
    (tmp_path / "host.py").write_text("listeners = {'mail': lambda event: print(event.type)}")
    command = ["worker", "--store", url, "--listeners", "host:listeners", "--once"]
    assert scoria(*command, cwd=tmp_path).returncode == 0
    run_id = queued(url)
    told = scoria(*command, "--name", "teller", cwd=tmp_path).stdout.splitlines()
    assert told == [
        "worker teller: tells mail",
        "run.started",
        "step.queued",
        "worker teller stopped; worked in 0 runs",
    ]
    with Scoria.open(url) as host:
        assert host.get_run_detail(run_id).steps[0].status == "queued"


def test_what_was_approved_at_the_shell_goes_on_with_a_worker(url: str, tmp_path: Path) -> None:
    """`runs resume` queues the step that was decided on; `runs show` tells what is approved."""
    (tmp_path / "hands.py").write_text("registry = {'ask': lambda step, run: {'sent': True}}")
    run_id = waiting(url)
    shown = scoria("runs", "show", run_id, "--store", url, cwd=tmp_path).stdout
    assert 'send {"to":"x"}' in shown
    assert "outbound" in shown
    by = ["--by", "reviewer-7", "--store", url]
    scoria("runs", "approve", run_id, *by, cwd=tmp_path)
    told = scoria("doctor", "--store", url, cwd=tmp_path).stdout
    assert "waits to be resumed: send is approved" in told
    assert "call scoria runs resume" in told
    resumed = scoria("runs", "resume", run_id, *by, cwd=tmp_path)
    assert (
        resumed.stdout == f"run {run_id} is running: its step is queued for its host or a worker\n"
    )
    once = ["--handlers", "hands:registry", "--once"]
    scoria("worker", "--store", url, *once, cwd=tmp_path)
    with Scoria.open(url) as host:
        assert host.get_run(run_id).status == "completed"


def test_a_worker_with_once_looks_behind_what_it_cannot_do(url: str, tmp_path: Path) -> None:
    """More runs than it takes notice of at a time, and none for it, hide nothing."""
    with Scoria.open(url, dispatch="queue") as host:
        identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        for kind in ["nobody-has-it"] * 70 + ["work"]:
            step = StepSpec(kind, "executor")
            host.start_run(identity, root_role_id="executor", initial_step=step)
    once = ["--handlers", "hands:registry", "--once"]
    done = scoria("worker", "--store", url, *once, cwd=tmp_path)
    assert done.stdout.endswith("worked in 1 runs\n")


def test_a_worker_that_is_told_to_stop_claims_no_further_step(url: str, tmp_path: Path) -> None:
    """The step at work ends; the next of the same run stays queued."""
    run_id = queued(url, seconds=1)
    with Scoria.open(url, dispatch="queue") as host:
        host.add_step(run_id, StepSpec("work", "executor"))
    with working(url, tmp_path) as worker:
        until_a_handler_is_at_work(tmp_path)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    with Scoria.open(url) as host:
        statuses = [step.status for step in host.get_run_detail(run_id).steps]
    assert statuses == ["completed", "queued"]


def test_one_damaged_run_hides_no_other(url: str, tmp_path: Path) -> None:
    """The list goes on without it, and says so; the doctor names it."""
    damaged, whole = queued(url), queued(url)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as file:
        file.execute("UPDATE record SET body = '{}' WHERE run_id = ? AND sequence = 2", (damaged,))
        file.commit()
    listed = scoria("runs", "list", "--store", url, cwd=tmp_path)
    assert (listed.returncode, listed.stdout.split("\t")[0]) == (0, whole)
    assert damaged in listed.stderr
    told = scoria("doctor", "--store", url, cwd=tmp_path)
    assert told.returncode == 1
    assert f"run {damaged} cannot be read" in told.stdout


def test_a_step_that_waits_to_be_tried_again_is_not_stuck(url: str, tmp_path: Path) -> None:
    """Its time will come, however long it has queued."""
    with Scoria.open(url, handlers={"flaky": lambda *_: {"n": 1 / 0}}) as host:
        identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        step = StepSpec("flaky", "executor", retry=Retry(delay=3600, max_delay=3600))
        host.start_run(identity, root_role_id="executor", initial_step=step)
    well = scoria("doctor", "--store", url, "--patience", "0", cwd=tmp_path)
    assert (well.returncode, well.stdout[:18]) == (0, "✓ nothing is stuck")


RUBBISH = {
    "a grace without end": ["worker", "--handlers", "hands:registry", "--grace", "inf"],
    "a poll that is no number": ["worker", "--handlers", "hands:registry", "--poll", "nan"],
    "a poll below zero": ["worker", "--handlers", "hands:registry", "--poll", "-1"],
    "no step at once": ["worker", "--handlers", "hands:registry", "--concurrency", "0"],
    "a lease of nothing": ["worker", "--handlers", "hands:registry", "--lease", "0"],
    "a handler for a registry": ["worker", "--handlers", "hands:work"],
    "a registry that ends the process": ["worker", "--handlers", "sys:exit"],
    "a registry of nothing": ["worker", "--handlers", "hands:empty"],
    "a patience that is no number": ["doctor", "--patience", "nan"],
    "a wait without end": ["doctor", "--waiting", "inf"],
    "a list of nothing": ["runs", "list", "--limit", "0"],
    "an inbox without end": ["inbox", "--limit", "1001"],
    "a place that no page named": ["inbox", "--after", "x"],
    "a tenant of nothing": ["inbox", "--tenant", " "],
    "an actor of nothing": ["runs", "list", "--actor", ""],
    "a day that has not come": ["runs", "list", "--created-after", "2999-01-01"],
}


@pytest.mark.parametrize("arguments", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_is_refused_in_one_line(url: str, tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 2, no traceback, and nothing is begun."""
    queued(url)
    refused = scoria(*arguments, "--store", url, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1


def test_no_password_is_repeated(tmp_path: Path) -> None:
    """A URL in a message has lost what opens the server."""
    for command in (["doctor"], ["migrate"], ["runs", "list"]):
        refused = scoria(*command, "--store", "mysql://user-1:secret@host/x", cwd=tmp_path)
        assert refused.returncode == 2
        assert "mysql://host/x" in refused.stderr
        assert "secret" not in refused.stderr


def test_the_page_lists_the_problems_that_the_doctor_names() -> None:
    """A program that reads `--json` can know them all."""
    page = (ROOT / "docs" / "workers.md").read_text("utf-8")
    (listed,) = re.findall(r"`doctor --json` .*?`problem` \((.*?)\)", page)
    assert re.findall(r"`(\w+)`", listed) == list(get_args(Problem))


def test_doctor_says_where_it_stops_looking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it has not looked at is not said to be well."""
    store = MemoryStore()
    scoria = Scoria(store, listeners={"mail": print})
    who = scoria.identity(actor_id="a", tenant_id="t", session_id="s")
    said = []
    for _ in range(2):
        scoria.start_run(who, root_role_id="r")
        monkeypatch.setattr("scoria_cli.doctor.LISTED", 2)
        list(Visit(store, None, HOUR, HOUR, HOUR))
        said.append(capsys.readouterr().err)
    assert said == ["", "of mail, only the first 2 deliveries were looked at\n"]
