"""The pages on bridges: their Python runs as it stands there, where the library is installed."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.bridges.libraries import LIBRARIES, PAGES, lacking
from tests.support import ROOT

pytestmark = pytest.mark.slow

FOLDER = ROOT / "docs"


@pytest.mark.parametrize("name", [each for each in LIBRARIES if not lacking(each)])
def test_the_code_of_a_page_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From top to bottom, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    text = (FOLDER / PAGES[name]).read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 2
    page: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, PAGES[name], "exec"), page)  # noqa: S102 - the code of the page


def test_each_page_is_run() -> None:
    """There is no other page."""
    pages = {f"bridges/{each.name}" for each in (FOLDER / "bridges").iterdir()}
    assert pages | {"observability.md"} == set(PAGES.values())
    assert PAGES.keys() == set(LIBRARIES)
