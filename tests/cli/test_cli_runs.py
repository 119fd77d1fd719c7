"""`scoria runs list` and `show`: every run is told from the others, and nothing is left out."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scoria_core import Completed, Failed, HandOff, NeedsApproval, Scoria, StepSpec
from tests.support.commands import queued, scoria, waiting
from tests.support.terminal import on_a_terminal


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_no_id_and_no_status_is_cut(url: str, columns: int, tmp_path: Path) -> None:
    """However narrow the terminal is; where there is room, all stands in one line."""
    runs = {waiting(url): "waiting_for_approval", queued(url): "running"}
    shown = on_a_terminal(["runs", "list", "--store", url], tmp_path, COLUMNS=str(columns))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.sent).replace("\r", "").splitlines()
    for run_id, status in runs.items():
        (row,) = [row for row in plain if run_id in row]
        assert row.split()[:2] == [run_id, status]
        assert ("tenant-1" in row) is (columns == 132)
    assert sum("tenant-1" in row for row in plain) == 2
    assert "…" not in shown.sent


def test_the_runs_of_a_session_are_listed(url: str, tmp_path: Path) -> None:
    """--session narrows by what groups runs; of a tenant too."""
    run_id = queued(url)
    with Scoria.open(url, dispatch="queue") as host:
        identity = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-2")
        other = host.start_run(identity, root_role_id="executor").run_id

    def listed(*options: str) -> list[str]:
        answer = scoria("runs", "list", "--store", url, *options, cwd=tmp_path)
        return [row.split("\t")[0] for row in answer.stdout.splitlines()]

    assert listed("--session", "session-1") == [run_id]
    assert listed("--session", "session-2", "--tenant", "tenant-1") == [other]
    assert listed("--session", "session-2", "--tenant", "tenant-2") == []


def full(url: str) -> str:
    """Start a run in which everything is said that can be, and return its id."""
    with Scoria.open(url) as host:
        identity = host.identity(
            actor_id="user-1", tenant_id="tenant-1", session_id="s", metadata={"channel": "wéb"}
        )
        needs = NeedsApproval(
            tool_name="send", arguments={"to": "x", "n": 10**30}, reason="outbound", expires_in=3600
        )
        run = host.start_run(
            identity,
            root_role_id="executor",
            initial_step=StepSpec("ask", "executor", {"question": "which?"}),
            metadata={"payload": {"prompt": "héllo"}},
            handlers={"ask": lambda *_: needs},
        )
        assert run.pending_approval is not None
        host.add_step(run.run_id, StepSpec("hand", "executor"))
        host.add_step(run.run_id, StepSpec("fail", "executor"))
        approval_id = run.pending_approval.approval_id
        host.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7", note="checked")
        handlers: dict[str, Any] = {
            "ask": lambda *_: Completed({"sent": "yes"}),
            "hand": lambda *_: HandOff(
                delegated_role_id="critic",
                delegated_kind="review",
                handoff_input={"draft": "text"},
                projected_context={"task": "narrow"},
                capability_tags=("read",),
            ),
            "fail": lambda *_: Failed("no stock", {"item": "A-7"}),
            "review": lambda *_: {"verdict": "fine"},
        }
        host.resume_run(run.run_id, handlers=handlers)
        host.run_pending(run.run_id, handlers=handlers)
    return run.run_id


def test_a_run_is_shown_with_all_that_was_said(url: str, tmp_path: Path) -> None:
    """What an operator needs to decide: inputs, results, reasons, notes, digests and contexts."""
    run_id = full(url)
    shown = scoria("runs", "show", run_id, "--store", url, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    with Scoria.open(url) as host:
        detail = host.get_run_detail(run_id)
    (approval,) = detail.approvals
    for said in (
        '  identity {"channel":"wéb"}',
        '  metadata {"payload":{"prompt":"héllo"}}',
        '    input {"question":"which?"}',
        '    result {"sent":"yes"}',
        "    error Failed: no stock",
        '    details {"item":"A-7"}',
        f'    send {{"to":"x","n":{10**30}}}',
        f"    digest {approval.arguments_digest}",
        "    reason outbound",
        "    note checked",
        "  handoff executor to critic  review  ",
        '    input {"draft":"text"}',
        '    context {"task":"narrow"}',
        "    tags read",
        f"  journal, {len(detail.journal)} entries, head {detail.journal[-1].digest}",
    ):
        assert said in shown.stdout, said
    assert re.search(r"    asked \S+ \S+ UTC, until \S+ \S+ UTC, by step", shown.stdout)
    assert re.search(r"    decided \S+ \S+ UTC by reviewer-7", shown.stdout)


def test_a_program_gets_all_of_it(url: str, tmp_path: Path) -> None:
    """One document of RunDetail, and a line of RunSummary for each run; in ASCII."""
    run_id = full(url)
    command = ["runs", "show", run_id, "--json", "--store", url]
    shown = scoria(*command, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert shown.stdout.isascii()
    assert shown.stdout.count("\n") == 1
    detail = json.loads(shown.stdout)
    assert list(detail) == [
        *("summary", "identity", "steps", "approvals", "delegated_handoffs", "journal"),
        "damage",
    ]
    assert detail["approvals"][0]["arguments"] == {"to": "x", "n": 10**30}
    assert detail["identity"]["metadata"] == {"channel": "wéb"}
    other = queued(url)
    listed = scoria("runs", "list", "--json", "--store", url, cwd=tmp_path).stdout.splitlines()
    assert [json.loads(row)["run_id"] for row in listed] == [other, run_id]
    assert json.loads(listed[1]) == detail["summary"]


def told(*arguments: str, cwd: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run a command with --json where nothing but ASCII can be printed."""
    done = scoria(*arguments, "--json", cwd=cwd, PYTHONIOENCODING="ascii")
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(row) for row in done.stdout.splitlines()]


def test_a_program_is_told_of_the_evidence(url: str, tmp_path: Path) -> None:
    """Each check and each export says in JSON what it says in words, with the same exit code."""
    run_id = full(url)
    with Scoria.open(url) as host:
        host.cancel_run(run_id)
        entries = host.get_run(run_id).version
        head = host.get_run_detail(run_id).journal[-1].digest
    store, out = ["--store", url], "öut"
    whole = {"run_id": run_id, "holds": True, "entries": entries, "head": head}
    assert told("evidence", "verify", run_id, *store, cwd=tmp_path) == (0, [whole])
    cut = told("evidence", "verify", run_id, "--head", "0" * 64, *store, cwd=tmp_path)
    problem = f"run {run_id} has no entry with digest {'0' * 64}; it was cut short"
    assert cut == (1, [{"run_id": run_id, "holds": False, "problem": problem}])
    written = {"out": out, "format": "jsonl", "runs": 1, "entries": entries}
    assert told("evidence", "export", "--out", out, *store, cwd=tmp_path) == (0, [written])
    all_ = {"file": out, "run_id": None, "holds": True, "runs": 1, "entries": entries}
    assert told("evidence", "verify-export", out, cwd=tmp_path) == (0, [all_])
    one = {**whole, "file": out}
    assert told("evidence", "verify-export", out, run_id, cwd=tmp_path) == (0, [one])
    (tmp_path / "empty").touch()
    code, (none,) = told("evidence", "verify-export", "empty", cwd=tmp_path)
    assert (code, none["holds"]) == (1, False)
    before = ["--before", datetime.now(UTC).isoformat()]
    code, (would,) = told("evidence", "prune", *before, "--dry-run", *store, cwd=tmp_path)
    assert (code, would["run_id"], would["status"]) == (0, run_id, "cancelled")
    pruned = told("evidence", "prune", *before, "--out", "pruned", *store, cwd=tmp_path)
    assert pruned == (0, [{**written, "out": "pruned", "removed": 1}])
    assert told("evidence", "export", "--out", "-", *store, cwd=tmp_path) == (2, [])


@pytest.mark.slow
def test_a_program_is_told_of_a_verification(tmp_path: Path) -> None:
    """The document on stdout is that of the report."""
    arguments = ["verify", "memory://", "--suite", "runtime-to-handoff", "--report", "report"]
    code, (document,) = told(*arguments, cwd=tmp_path)
    assert code == 0
    assert document == json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
