"""The wrong implementation that the environment names, as `scoria verify` takes its target."""

import os
from pathlib import Path
from typing import Any

from lab.first_contact.wrong import BATCH, NAME, named
from scoria_core.ports import RunStore
from scoria_memory import MemoryStore

_wrong = named(os.environ[BATCH], os.environ[NAME])
if _wrong.kind == "kit":
    _wrong.make()


def open_store(directory: Path) -> RunStore:
    """Open the wrong store; or a right one, where something else is wrong."""
    store: RunStore = _wrong.make(directory) if _wrong.kind == "store" else MemoryStore()
    return store


def make_page(*arguments: Any) -> Any:
    """Make the wrong page."""
    return _wrong.make(*arguments)


def __getattr__(name: str) -> Any:
    if name == "app":
        return _wrong.make()
    if name == "connect":
        return _wrong.connect
    raise AttributeError(name)
