"""What the environment names, wrong or right, as `scoria verify` takes its target."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from lab.first_contact.wrong import BATCH, NAME, SIDE, named
from scoria_cli.page import DECISIONS, MOUNT, SECRET
from scoria_cli.page import links as links
from scoria_core import Scoria
from scoria_core.ports import RunStore
from scoria_memory import MemoryStore
from scoria_web import Scope, decision_app

_wrong = named(os.environ[BATCH], os.environ[NAME])
_make = getattr(_wrong, os.environ[SIDE])
if _wrong.kind == "kit":
    _make()


def open_store(directory: Path) -> RunStore:
    """Open the store; or a right one, where something else is wrong."""
    store: RunStore = _make(directory) if _wrong.kind == "store" else MemoryStore()
    return store


def make_page(scoria: Scoria, scope_of: Any) -> Any:
    """Make the page, with the decisions beside it.

    `scope_of(environ)` gives the facts of a scope, or None.
    """

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        facts = scope_of(environ)
        return None if facts is None else Scope(**facts)

    decisions = decision_app(scoria, scope=scope, secret=SECRET, evidence=MOUNT, mask=None)
    return DispatcherMiddleware(_make(scoria, scope), {DECISIONS: decisions})


def __getattr__(name: str) -> Any:
    if name == "app":
        return _make()
    if name == "connect":
        return _wrong.connect
    raise AttributeError(name)
