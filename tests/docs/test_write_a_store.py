"""The page on writing a store: its code is what is shipped, and does what the page says."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scoria_conformance import Status, Verdict, verify
from scoria_conformance.catalogue import chosen
from scoria_core.ports import Capability
from tests.support import ROOT
from tests.support.documents import CONFTEST, PAGE, SCHEMA, TEST, blocks, store_of_the_page, written
from tests.support.scenarios import leave_out_all_but

SHIPPED = (ROOT / "adapters" / "scoria_sqlite" / "store.py").read_text(encoding="utf-8")
PRUNING = (ROOT / "adapters" / "scoria_sqlite" / "pruning.py").read_text(encoding="utf-8")
EVIDENCE = "scoria_cli.page:page"


def code_lines(source: str) -> set[int]:
    """Return the numbers of the lines that are neither blank, nor comment, nor docstring."""
    lines = source.splitlines()
    code = {at for at, line in enumerate(lines, 1) if line.strip()[:1] not in ("", "#")}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            code -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return code


def verified(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """Verify the store that was written in a directory."""
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))
    monkeypatch.delitem(sys.modules, "my_store", raising=False)
    return verify("my_store:make_store", page=EVIDENCE, suite="store")


def test_the_page_is_the_store_that_is_shipped() -> None:
    """The blocks in their order are `scoria_sqlite`, apart from blank lines, in under 250 lines."""
    page = [line for line in store_of_the_page().splitlines() if line]
    assert page == [line for line in SHIPPED.splitlines() if line]
    assert len(code_lines(SHIPPED)) < 250
    assert f"{len(code_lines(SHIPPED))} lines of Python" in PAGE
    assert blocks("sql") == [SCHEMA]
    (pruning,) = blocks("py", PAGE.partition("## Let it be pruned")[2].partition("\n## ")[0])
    assert pruning == PRUNING


@pytest.mark.slow
def test_the_store_of_the_page_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put together as the page says, it passes all but what it need not declare."""
    written(tmp_path, store_of_the_page())
    verdict = verified(tmp_path, monkeypatch)
    left_out = [check for check in verdict.checks if check.status != Status.PASSED]
    assert {check.status for check in left_out} == {Status.NOT_APPLICABLE}
    missing = {check.reason.partition("does not declare ")[2] for check in left_out}
    undeclared = {each for told in missing for each in told.split(", ")}
    assert undeclared == {"prunable", "outbox", "waking"}
    assert verdict.exit_code == 0


@pytest.mark.slow
def test_the_wrong_line_fails_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines that the page shows as wrong fail every scenario that the page names."""
    (wrong,) = blocks("py", PAGE.partition("## Read a failure")[2].partition("## In your")[0])
    lines = r"^ +has_ended = :has_ended, .*\n +AND version = \(SELECT.*\n"
    (right,) = re.findall(lines, store_of_the_page(), re.MULTILINE)
    written(tmp_path, store_of_the_page().replace(right, wrong))
    said = {line.removeprefix("✗ ") for line in blocks("text")[0].splitlines()}
    leave_out_all_but(said, monkeypatch)
    verdict = verified(tmp_path, monkeypatch)
    failed = {check.name for check in verdict.checks if check.status == Status.FAILED}
    assert failed == said
    assert verdict.exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutant", "clause"),
    [("memory_declared_durable", "STORE-14"), ("memory_declared_shared", "STORE-15")],
)
def test_what_is_declared_and_not_kept_fails(
    mutant: str, clause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store in memory that declares what it cannot keep is red; the rest is not applicable."""
    of_the_clause = {case.name for case in chosen("store") if clause in case.clauses}
    of_another = {case.name for case in chosen("store") if Capability.PRUNABLE in case.needs}
    leave_out_all_but(of_the_clause | of_another, monkeypatch)
    verdict = verify(f"lab.mutants.stores.opened:{mutant}", suite="store", page=EVIDENCE)
    assert Status.FAILED in {check.status for check in verdict.checks if clause in check.clauses}
    assert verdict.exit_code == 1
    undeclared = [each for each in verdict.checks if each.status == Status.NOT_APPLICABLE]
    assert undeclared
    assert all("does not declare" in check.reason for check in undeclared)


REVERSED = "\ndef pytest_collection_modifyitems(items):\n    items.reverse()\n"


def test_adopting_takes_five_lines_and_one() -> None:
    """What a store's author writes is as short as the page says."""
    assert len(CONFTEST.strip().splitlines()) <= 5 + 1  # one of them is blank
    assert len([line for line in CONFTEST.splitlines() if line]) <= 5
    assert len(TEST.splitlines()) == 1


@pytest.mark.slow
def test_the_suite_runs_in_the_tests_of_an_author(tmp_path: Path) -> None:
    """In another's pytest, under strict markers, on several processes and from its end."""
    written(tmp_path, store_of_the_page())
    (tmp_path / "conftest.py").write_text(CONFTEST + REVERSED)
    (tmp_path / "test_conformance.py").write_text(TEST)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--strict-markers", "--strict-config"),
            *("-p", "no:cacheprovider", "-m", "runtime_to_handoff and not host", "-n", "2"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"^\d+ passed", ran.stdout.splitlines()[-1]), ran.stdout
