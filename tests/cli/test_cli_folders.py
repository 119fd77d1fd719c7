"""Where a command is called from: what lies there is not run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import HANDLERS, queued

TRAPS = [
    *("secrets", "json", "types", "contextlib", "logging", "sqlite3", "tempfile", "runpy", "pytz"),
    *("click", "rich", "duckdb", "attrs", "cattrs", "transitions", "werkzeug", "jinja2", "httpx"),
    *("pytest", "pytest_bdd", "hypothesis", "conftest", "scoria_core", "scoria_conformance"),
    *("sitecustomize", "usercustomize", "orjson", "pyarrow", "scoria_demo", "flask"),
]
TRAP = """
import sys
sys.stderr.write("TRAPPED " + __name__ + "\\n")
with open("TRAPPED", "a") as marker:
    marker.write(__name__ + "\\n")
raise SystemExit(3)
"""
SCORIA = {
    "script": [str(Path(sys.executable).with_name("scoria"))],
    "module": [sys.executable, "-m", "scoria_cli"],
}


@pytest.fixture
def trapped(tmp_path: Path) -> Path:
    """Return a directory in which a module lies for every name that a command may import."""
    directory = tmp_path / "trapped"
    directory.mkdir()
    for name in TRAPS:
        (directory / f"{name}.py").write_text(TRAP)
    return directory


def ran(how: str, *arguments: str, cwd: Path, store: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the directory, and check that nothing in it ran."""
    environment = {**os.environ, "SCORIA_STORE": store}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [*SCORIA[how], *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=120,
        check=False,
    )
    assert not (cwd / "TRAPPED").exists(), (cwd / "TRAPPED").read_text()
    return done


@pytest.mark.slow
def test_no_command_runs_what_lies_where_it_is_called(url: str, trapped: Path) -> None:
    """A secrets.py beside an evidence file is a file and no module."""
    run_id = queued(url)
    commands: dict[tuple[str, ...], int] = {
        ("--help",): 0,
        ("diagram", "run"): 0,
        ("runs", "list"): 0,
        ("runs", "show", run_id): 0,
        ("doctor",): 0,
        ("evidence", "verify", run_id): 0,
        ("evidence", "export", "--format", "parquet", "--out", "out"): 0,
        ("evidence", "verify-export", "out"): 0,
        ("evidence", "prune", "--before", "2026-01-01", "--dry-run"): 0,
        ("migrate",): 2,
        ("serve", "--tenant", "t", "--host", "203.0.113.1"): 2,
        ("demo",): 0,
        ("verify", "memory://", "--suite", "runtime-to-handoff"): 0,
    }
    found = {each: ran("script", *each, cwd=trapped, store=url) for each in commands}
    assert {each: done.returncode for each, done in found.items()} == commands, found


@pytest.mark.parametrize("arguments", [["diagram"], ["runs", "list"], ["verify", "x:y"]])
def test_nor_does_the_module(arguments: list[str], url: str, trapped: Path) -> None:
    """`python -m scoria_cli` takes away what Python has put first."""
    queued(url)
    for name in imported_by_python_itself(trapped.parent):
        (trapped / f"{name}.py").unlink(missing_ok=True)
    assert "Traceback" not in ran("module", *arguments, cwd=trapped, store=url).stderr


def imported_by_python_itself(directory: Path) -> list[str]:
    """Return what `python -m` has imported, from where it was called, before any module runs."""
    (directory / "first.py").write_text("import sys; print(*sys.modules)")
    command = [sys.executable, "-m", "first"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=True)
    return done.stdout.split()


NAMED = {
    "handlers": ["worker", "--handlers", "hands:registry", "--once"],
    "a machine": ["diagram", "shop:machine"],
    "a factory": ["verify", "shop:factory", "--suite", "runtime-to-handoff"],
    "an app and its driver": [
        *("verify", "shop:app", "--host", "shop:drive"),
        *("--suite", "runtime-to-handoff"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", NAMED.values(), ids=NAMED)
def test_what_is_named_is_found_there_after_all_else(
    arguments: list[str], url: str, trapped: Path
) -> None:
    """A handler, a factory, a driver and a machine come from there, and what they import does not.

    A name that is also of the standard library, or of an installed package, is theirs.
    """
    for each in trapped.glob("scoria_*"):
        each.unlink()  # an editable install is found after all of sys.path
    (trapped / "hands.py").write_text(f"import secrets, json, click\n{HANDLERS}")
    (trapped / "shop.py").write_text(SHOP)
    queued(url)
    done = ran("script", *arguments, cwd=trapped, store=url)
    assert done.returncode == 0, done


SHOP = """
import json, click
from scoria_core import Scoria
from scoria_core.lifecycles import MACHINES
from scoria_demo import connect as drive, create_app
from scoria_memory import MemoryStore

machine = MACHINES["run"]
app = create_app(Scoria(MemoryStore()))

def factory(directory):
    return MemoryStore()
"""
