"""README and guide: their Python runs as tests, each page in an empty directory of its own."""

import contextlib
import tempfile
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser


def _enter(page: dict[str, Any]) -> None:
    page["__name__"] = "__main__"  # Flask looks up the module that makes an app
    page["_left_behind"] = stack = contextlib.ExitStack()
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    stack.enter_context(contextlib.chdir(directory))


def _leave(page: dict[str, Any]) -> None:
    page["_left_behind"].close()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["*.md"],
    # Their code is run where the libraries are, by tests/bridges and tests/hosts.
    excludes=["docs/bridges/*.md", "docs/hosts/*.md", "docs/observability.md"],
    setup=_enter,
    teardown=_leave,
).pytest()
