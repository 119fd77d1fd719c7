"""The pages on hosts: what they quote is what the examples say."""

import re

import pytest

from tests.support import ROOT

FOLDER = ROOT / "docs" / "hosts"
PAGES = {"flask.md": "flask_host", "django.md": "django_host", "fastapi.md": "fastapi_host"}
"""The example that a page is about."""


def test_each_page_is_about_an_example() -> None:
    """There is no other page, and no other host."""
    assert {each.name for each in FOLDER.iterdir()} == set(PAGES)
    assert {each.name for each in (ROOT / "examples").glob("*_host")} == set(PAGES.values())


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_is_that_of_its_example(page: str) -> None:
    """Each block stands in one of its files as it stands on the page."""
    sources = [each.read_text("utf-8") for each in (ROOT / "examples" / PAGES[page]).rglob("*.py")]
    blocks = re.findall(r"```python\n(.*?)```", (FOLDER / page).read_text("utf-8"), re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        assert any(block in source for source in sources), block
