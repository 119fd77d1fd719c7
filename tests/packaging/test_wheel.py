"""The wheel as an adopter gets it: what is in it, and that it works where nothing else is."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.documents import CONFTEST, TEST, blocks, store_of_the_page, written

pytestmark = pytest.mark.slow

HOST_PAGE = (ROOT / "docs" / "verify-a-host.md").read_text(encoding="utf-8")

PACKAGES = {
    "scoria_cli",
    "scoria_conformance",
    "scoria_core",
    "scoria_demo",
    "scoria_diagrams",
    "scoria_duckdb",
    "scoria_evidence",
    "scoria_features",
    "scoria_memory",
    "scoria_notify",
    "scoria_postgres",
    "scoria_schema",
    "scoria_langgraph",
    "scoria_pydantic_ai",
    "scoria_openai_agents",
    "scoria_otel",
    "scoria_sqlite",
    "scoria_web",
    "scoria_worker",
}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, and return what it printed."""
    ran = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=cwd, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", directory, cwd=ROOT)
    (built,) = directory.glob("*.whl")
    return built


def test_its_names_are_ours_and_nothing_else(wheel: Path) -> None:
    """Site-packages gets the `scoria_*` packages and the distribution's own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES
    run(sys.executable, "-m", "check_wheel_contents", wheel, cwd=ROOT)


def test_it_says_who_made_it_and_leaves_the_workshop_at_home(wheel: Path) -> None:
    """It has an author, a licence and a description; what only a developer runs is not in it."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (path,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(path).decode()
    assert "\nAuthor: The Scoria for Python authors\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    workshop = ("spec", "mutants", "model")
    prefixes = tuple(f"scoria_conformance/{each}/" for each in workshop)
    assert [name for name in names if name.startswith(prefixes)] == []


def test_it_ships_what_is_not_python(wheel: Path) -> None:
    """The Gherkin, the templates, the SQL, the suite's settings and the type markers are there."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {
        "scoria_features/adoption.feature",
        "scoria_features/handlers.feature",
        "scoria_features/lifecycles.feature",
        "scoria_features/page.feature",
        "scoria_features/records.feature",
        "scoria_features/runtime_to_handoff.feature",
        "scoria_features/store.feature",
        "scoria_conformance/pytest.ini",
        "scoria_conformance/report/report.css",
        "scoria_conformance/report/templates/badge.svg",
        "scoria_conformance/report/templates/junit.xml",
        "scoria_conformance/report/templates/report.html",
        "scoria_conformance/report/templates/summary.md",
        "scoria_core/palette.css",
        "scoria_duckdb/sql/schema.sql",
        "scoria_demo/templates/run.html",
        "scoria_web/style.css",
    } <= names


def test_it_verifies_a_store_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed where nothing else is, `scoria verify memory://` holds."""
    run(sys.executable, "-m", "venv", tmp_path / "empty", cwd=tmp_path)
    bin_ = tmp_path / "empty" / "bin"
    run(bin_ / "pip", "install", "--quiet", f"{wheel}", cwd=tmp_path)
    plain = "from scoria_core import Scoria; print(Scoria.open('memory://').list_runs().items)"
    assert run(bin_ / "python", "-c", plain, cwd=tmp_path) == "()\n"
    without = subprocess.run(
        [bin_ / "scoria", "verify", "memory://"], capture_output=True, text=True, check=False
    )
    assert "pip install 'scoria-kit[cli]'" in without.stderr
    assert without.returncode == 2
    run(bin_ / "pip", "install", "--quiet", f"{wheel}[demo]", cwd=tmp_path)
    assert "memory://: passed" in run(bin_ / "scoria", "verify", "memory://", cwd=tmp_path)
    assert "It holds." in run(bin_ / "scoria", "demo", cwd=tmp_path)


def test_a_store_and_a_host_from_the_pages_are_verified_with_one_command(
    wheel: Path, tmp_path: Path
) -> None:
    """With the suite alone installed, the commands of both pages do what the pages say."""
    run(sys.executable, "-m", "venv", tmp_path / "empty", cwd=tmp_path)
    bin_, here = tmp_path / "empty" / "bin", tmp_path / "project"
    run(bin_ / "pip", "install", "--quiet", f"{wheel}[conformance]", "pytest-xdist", cwd=tmp_path)
    here.mkdir()
    written(here, store_of_the_page())
    for name, block in zip(("my_host", "my_driver"), blocks("py", HOST_PAGE), strict=True):
        (here / f"{name}.py").write_text(block, encoding="utf-8")
    part = ["--suite", "runtime-to-handoff"]  # the whole is put to it where the page is tested
    store = run(bin_ / "scoria", "verify", "my_store:make_store", *part, cwd=here)
    assert "my_store:make_store: passed" in store
    host = ["my_host:app", "--host", "my_driver:Driver"]
    assert "my_host:app: passed" in run(bin_ / "scoria", "verify", *host, cwd=here)
    (here / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (here / "test_conformance.py").write_text(TEST, encoding="utf-8")
    pytest_here = ["--strict-markers", "-q", "-n", "2", "-m", "runtime_to_handoff and not host"]
    assert " passed" in run(bin_ / "pytest", *pytest_here, cwd=here)
