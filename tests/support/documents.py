"""The code that documents have their readers write."""

import re
from pathlib import Path

from tests.support import ROOT

PAGE = (ROOT / "docs" / "write-a-store.md").read_text(encoding="utf-8")
SCHEMA = (ROOT / "adapters" / "scoria_sqlite" / "schema.sql").read_text(encoding="utf-8")


def blocks(language: str, page: str = PAGE) -> list[str]:
    """Return the code blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def store_of_the_page(before: str = "## Verify it") -> str:
    """Return the store that the blocks of the page make."""
    return "\n".join(blocks("py", PAGE.partition(before)[0]))


def written(directory: Path, store: str) -> None:
    """Put a store where a reader of the page has it, with the factory of the page."""
    factory = blocks("py", PAGE.partition("## Verify it")[2])[0]
    (directory / "schema.sql").write_text(SCHEMA)
    (directory / "my_store.py").write_text(f"{store}\n\n{factory}", encoding="utf-8")


CONFTEST = blocks("py")[-2]
TEST = blocks("py")[-1]
