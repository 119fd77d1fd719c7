"""Stores by the scheme of their URL, found among the installed distributions."""

import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType

from scoria_core.errors import StoreUnavailable, shown
from scoria_core.ports import RunStore, checked_port

GROUP = "scoria.stores"
"""The entry-point group; each entry is a scheme and a callable that takes the whole URL."""

EXTRAS = MappingProxyType({"postgresql": "postgres"})
"""The extra that brings what a store needs, where it is not called as the scheme."""

SCRATCH = "scoria.scratch"
"""The entry-point group of what makes an empty store: a callable of a URL and a directory."""


def open_store(url: str) -> RunStore:
    """Open the store that `url` names, by the entry point of its scheme.

    Raises `StoreUnavailable` where the URL has no scheme, no installed distribution serves it,
    or what the store needs is not installed; and whatever the store raises when it opens.
    """
    if not isinstance(url, str) or "://" not in url:
        next_move = "write it as SCHEME://PATH, for example duckdb:///scoria.duckdb"
        raise StoreUnavailable(shown(url), "is not a URL", next_move)
    scheme = url.partition("://")[0]
    opener: Callable[[str], RunStore] = _opener(scheme, url)
    return checked_port(opener(url), RunStore, "store")


def scratch_url(url: str, directory: Path) -> str:
    """Return the URL of an empty store of the kind that `url` names, for as long as `directory` is.

    The same directory gives the same store. A store that is no file says how by an entry point of
    its scheme in `SCRATCH`; a file of the same name in the directory stands in for a file.
    """
    scheme, _, path = url.partition(":///")
    for entry in entry_points(group=SCRATCH, name=url.partition("://")[0]):
        return str(entry.load()(url, directory))
    return f"{scheme}:///{directory / Path(path).name}" if path else url


def _opener(scheme: str, url: str) -> Callable[[str], RunStore]:
    found = entry_points(group=GROUP)
    named = [entry for entry in found if entry.name == scheme]
    if not named:
        known = ", ".join(sorted({entry.name for entry in found})) or "none"
        next_move = f"use a scheme that is installed: {known}"
        problem = f"has the unknown scheme {shown(scheme)}"
        raise StoreUnavailable(_told(url), problem, next_move)
    try:
        opener: Callable[[str], RunStore] = named[0].load()
    except ImportError as error:
        problem = f"cannot be opened without {shown(error.name)}"
        next_move = f"pip install 'scoria-kit[{EXTRAS.get(scheme, scheme)}]'"
        raise StoreUnavailable(_told(url), problem, next_move) from error
    return opener


def _told(url: str) -> str:
    """Return a URL for a message, without the name and the password that open a server."""
    return shown(re.sub("//[^/]*@", "//", url))
