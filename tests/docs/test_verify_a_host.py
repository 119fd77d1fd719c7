"""The page on verifying a host: its host and its driver, put together, do what the page says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scoria_conformance import Status, verify
from scoria_conformance.catalogue import SERVED, chosen
from tests.support import ROOT
from tests.support.documents import blocks
from tests.support.scenarios import leave_out_all_but

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "verify-a-host.md").read_text(encoding="utf-8")
SCENARIOS = 8
"""How many scenarios a host is put through, at the least."""

SERVE = """
from scoria_conformance.serving import served
from my_host import app
with served(app) as base_url:
    print(base_url, flush=True)
    input()
"""


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with the two files of the page, where commands are run."""
    host, driver = blocks("py", PAGE)
    (tmp_path / "my_host.py").write_text(host, encoding="utf-8")
    (tmp_path / "my_driver.py").write_text(driver, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_app_of_the_page_passes(pages: Path) -> None:
    """An app is served for its driver, and every scenario of a host holds."""
    assert pages.is_dir()
    verdict = verify("my_host:app", host="my_driver:Driver")
    assert [check for check in verdict.checks if check.status != Status.PASSED] == []
    assert len(verdict.checks) >= SCENARIOS
    assert verdict.exit_code == 0


def test_a_running_host_passes_by_the_same_driver(pages: Path) -> None:
    """The URL of the host in another process does as well as the app itself."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=pages,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        verdict = verify(base_url, host="my_driver:Driver", suite="host")
        process.communicate("\n", timeout=30)
    assert [check for check in verdict.checks if check.status != Status.PASSED] == []
    assert len(verdict.checks) >= SCENARIOS


CHECKLIST = "The guide's checklist, from a form to the evidence page"
ANOTHER_TENANT = "What a user sends to a host is worth nothing from another tenant"


@pytest.mark.parametrize(
    ("right", "wrong", "scenario"),
    [
        ("tenant_id=who.tenant_id, actor_id", "tenant_id='tenant-1', actor_id", ANOTHER_TENANT),
        ("latest[who.session_id] = start", "latest['x'] = start", CHECKLIST),
        (
            "        return None\n",
            "        return Scope(tenant_id='tenant-1', actor_id='any')\n",
            ANOTHER_TENANT,
        ),
    ],
)
def test_a_host_that_is_wrong_fails(
    right: str, wrong: str, scenario: str, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that shows another tenant's page, lets a visitor in or stores no run_id is red."""
    host = (pages / "my_host.py").read_text(encoding="utf-8")
    assert host.count(right) == 1
    (pages / "my_host.py").write_text(host.replace(right, wrong), encoding="utf-8")
    leave_out_all_but({scenario}, monkeypatch)
    verdict = verify("my_host:app", host="my_driver:Driver", suite="adoption")
    assert verdict.exit_code == 1


@pytest.mark.parametrize(
    ("target", "driver"),
    [("my_host:missing", "my_driver:Driver"), ("my_host:app", "my_driver:missing")],
)
def test_a_host_that_cannot_be_reached_is_no_pass(target: str, driver: str, pages: Path) -> None:
    """An app or a driver that is not there leaves every scenario untold."""
    assert pages.is_dir()
    verdict = verify(target, host=driver, suite="adoption")
    assert Status.PASSED not in {check.status for check in verdict.checks}
    assert verdict.exit_code == 2


LYING = """
class Lies(str):
    __eq__ = lambda *_: True
    __hash__ = str.__hash__

"""


@pytest.mark.parametrize("does", ["return Lies()", "import pytest; pytest.skip('no such host')"])
def test_a_driver_whose_answers_are_equal_to_all_fails(
    does: str, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes through a driver is plain, and none of it steers the suite."""
    driver = (pages / "my_driver.py").read_text(encoding="utf-8")
    head = re.search(r"    def stored_run_id.*\n", driver)
    assert head is not None
    wrong = driver.replace(head[0], f"{head[0]}        {does}\n") + LYING
    (pages / "my_driver.py").write_text(wrong, encoding="utf-8")
    leave_out_all_but({CHECKLIST}, monkeypatch)
    verdict = verify("my_host:app", host="my_driver:Driver", suite="adoption")
    failed = [check for check in verdict.checks if check.status == Status.FAILED]
    assert verdict.exit_code == 1
    assert any("stored_run_id" in check.reason for check in failed)
    assert any("start_turn" in call for check in failed for call in check.calls)


def test_the_host_suite_of_a_store_is_the_same_scenarios() -> None:
    """`host` puts a store under the host of this process, and runs what a host is put through."""
    verdict = verify("memory://", suite="host", page="scoria_cli.page:page")
    left = {check.scenario for check in verdict.checks if check.status == Status.NOT_APPLICABLE}
    assert left == {case.scenario for case in chosen("host") if SERVED in case.needs}
    assert {check.status for check in verdict.checks} == {Status.PASSED, Status.NOT_APPLICABLE}
    assert len(verdict.checks) >= SCENARIOS


def test_a_store_takes_no_driver() -> None:
    """`--host` with the URL of a store is bad usage, and not ignored."""
    command = [sys.executable, "-m", "scoria_cli", "verify", "memory://", "--host", "x:y"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "TARGET is a store" in ran.stderr


def test_a_host_that_asks_for_the_tenant_only_where_it_reads_fails(
    pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its driver reads a run before it approves it, and so never comes to what is wrong."""
    _edit(pages / "my_host.py", "pending = runs.get_run", "pending = scoria.get_run")
    _edit(pages / "my_host.py", "runs.approve(", "scoria.approve(")
    _edit(
        pages / "my_driver.py",
        'self.send(f"approve',
        'self.read(run_id)\n        self.send(f"approve',
    )
    each_act = "Each act is open to whom it is for, and to nobody else"
    leave_out_all_but({each_act, ANOTHER_TENANT}, monkeypatch)
    verdict = verify("my_host:app", host="my_driver:Driver")
    failed = [check.name for check in verdict.checks if check.status == Status.FAILED]
    assert failed == [ANOTHER_TENANT]


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
