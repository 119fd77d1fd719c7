"""What a refusal says to who typed a command: another command, and no call of Python."""

import os
import re
from pathlib import Path

import pytest

from scoria_cli.moves import EXTRAS
from scoria_core import Scoria
from tests.support import ROOT
from tests.support.commands import queued, scoria, waiting

CALLS = re.compile(
    r"start_run|get_run|resume_run|retry_run|run_pending|cancel_run|list_runs|call approve|\(\)"
)
"""What a host calls, and nobody types."""


def refused(url: str, cwd: Path, *arguments: str) -> str:
    """Run a command that is refused, and return what it says."""
    done = scoria(*arguments, "--store", url, cwd=cwd)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert not CALLS.search(done.stderr), done.stderr
    return done.stderr


def test_an_unknown_run_leads_to_the_list(url: str, tmp_path: Path) -> None:
    """And a session to the list of its runs."""
    queued(url)
    assert "scoria runs list [run_not_found]" in refused(url, tmp_path, "runs", "show", "x")
    told = refused(url, tmp_path, "runs", "show", "session-1")
    assert "scoria runs list --session 'session-1'" in told
    listed = scoria("runs", "list", "--session", "session-1", "--store", url, cwd=tmp_path)
    assert len(listed.stdout.splitlines()) == 1


def test_a_run_that_cannot_be_resumed_says_what_can_be_done(url: str, tmp_path: Path) -> None:
    """Decide, wait for a worker, try again, or look: as it stands."""
    asked, running, failed, ended = waiting(url), queued(url), queued(url, kind="b"), queued(url)
    with Scoria.open(url) as host:
        host.run_pending(failed, handlers={"b": lambda *_: {"n": 1 / 0}})
        host.cancel_run(ended)
    moves = {
        asked: f"scoria runs approve {asked}",
        running: f"a worker or its host carries out its steps; see .* scoria runs show {running}",
        failed: f"scoria runs retry {failed}",
        ended: f"it has ended; see .* scoria runs show {ended}",
    }
    for run_id, move in moves.items():
        assert re.search(move, refused(url, tmp_path, "runs", "resume", run_id, "--by", "a"))


def test_what_cannot_be_decided_says_where_to_look(url: str, tmp_path: Path) -> None:
    """An approval that there is not, one that was decided, a run that waits for nobody."""
    asked, running = waiting(url), queued(url)
    by = ["--by", "reviewer-7"]
    unknown = ["runs", "approve", asked, "--approval", "x", *by]
    assert "scoria runs show" in refused(url, tmp_path, *unknown)
    assert "scoria runs show" in refused(url, tmp_path, "runs", "approve", running, *by)
    assert f"scoria runs show {running}" in refused(url, tmp_path, "runs", "retry", running, *by)
    not_utf_8 = os.fsdecode(b"\xff")
    told = refused(url, tmp_path, "runs", "reject", asked, "--note", not_utf_8, *by)
    assert told.startswith("scoria: --note ")
    assert refused(url, tmp_path, "runs", "reject", asked, "--by", " ").startswith("scoria: --by ")
    assert refused(url, tmp_path, "runs", "cancel", asked, "--by", "").startswith("scoria: --by ")
    blank = ["serve", "--tenant", "t", "--actor", ""]
    assert refused(url, tmp_path, *blank).startswith("scoria: --actor ")


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("rich", ["runs", "list"], "cli"),
        ("jinja2", ["serve", "--tenant", "t"], "web"),
        ("werkzeug", ["serve", "--tenant", "t"], "web"),
        ("pytest", ["verify", "memory://"], "conformance"),
        ("httpx", ["verify", "memory://"], "conformance"),
        ("flask", ["demo"], "demo"),
        ("hypothesis", ["verify", "memory://"], "conformance"),
        ("psycopg", ["migrate", "--store", "postgresql://x/y"], "postgres"),
        ("psycopg", ["runs", "list", "--store", "postgresql://x/y"], "postgres"),
        ("duckdb", ["runs", "list", "--store", "duckdb:///x"], "duckdb"),
    ],
)
def test_the_extra_that_brings_a_library_is_named(
    module: str, command: list[str], extra: str, tmp_path: Path
) -> None:
    """One line names the library and what to install."""
    (tmp_path / "x").touch()
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None")
    done = scoria(*command, cwd=tmp_path, PYTHONPATH=str(tmp_path), SCORIA_STORE="memory://")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert module in line
    assert f"pip install 'scoria-kit[{extra}]'" in line


def test_every_library_of_an_extra_is_known() -> None:
    """The table is that of pyproject.toml."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    for module, extra in EXTRAS.items():
        name = {"psycopg_pool": "psycopg", "pytest_bdd": "pytest-bdd"}.get(module, module)
        assert [each for each in extras[extra] if re.match(rf"{name}\b(?!-)", each)], module
