"""What the features are pointed at while mutants are tried: adapters that a mutant can wrap.

A mutant changes `subject` in the process that it has for itself.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from scoria_conformance.host import LinksFactory, MakeLink, PageFactory, ScopeOf, WSGIApp
from scoria_conformance.target import Target
from scoria_conformance.world import StoreFactory
from scoria_core import Scoria
from scoria_core.ports import RunStore


def _nothing(*_: object) -> Any:
    raise LookupError("nothing is under test")


@attrs.define
class Subject:
    """The adapters under test."""

    open: StoreFactory = _nothing
    page: PageFactory = _nothing
    links: LinksFactory = _nothing


subject = Subject()
"""The adapters of this process."""


def put(target: str, page: str | None) -> tuple[str, str | None]:
    """Put the adapters that are named under test, and return how the features are to name them."""
    subject.open = Target(target).store_factory()
    if page is None:
        return f"{__name__}:open_store", None
    subject.page = Target(page).named()
    subject.links = Target(f"{page.partition(':')[0]}:links").named()
    return f"{__name__}:open_store", f"{__name__}:make_page"


def open_store(directory: Path) -> RunStore:
    """Open the store under test."""
    return subject.open(directory)


def make_page(scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    """Make the evidence page under test."""
    return subject.page(scoria, scope)


def links(scoria: Scoria, base_url: str, good_for: timedelta) -> tuple[WSGIApp, MakeLink]:
    """Make the links under test."""
    return subject.links(scoria, base_url, good_for)
