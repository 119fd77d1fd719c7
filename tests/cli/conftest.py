"""The store that commands are run on."""

from pathlib import Path

import pytest

from tests.support.commands import HANDLERS


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that several processes may use, with handlers beside it."""
    (tmp_path / "hands.py").write_text(HANDLERS)
    return f"sqlite:///{tmp_path / 'runs.db'}"
