"""What the environment names, wrong or right, as `scoria verify` takes its target."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.first_contact.wrong import BATCH, NAME, SIDE, named
from scoria_core import Scoria
from scoria_core.ports import RunStore
from scoria_memory import MemoryStore
from scoria_web import Scope

_wrong = named(os.environ[BATCH], os.environ[NAME])
_make = getattr(_wrong, os.environ[SIDE])
if _wrong.kind == "kit":
    _make()


def open_store(directory: Path) -> RunStore:
    """Open the store; or a right one, where something else is wrong."""
    store: RunStore = _make(directory) if _wrong.kind == "store" else MemoryStore()
    return store


def make_page(scoria: Scoria, scope_of: Any) -> Any:
    """Make the page; `scope_of(environ)` gives the facts of a scope, or None."""

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        facts = scope_of(environ)
        return None if facts is None else Scope(**facts)

    return _make(scoria, scope)


def __getattr__(name: str) -> Any:
    if name == "app":
        return _make()
    if name == "connect":
        return _wrong.connect
    raise AttributeError(name)
