"""Stores by the scheme of their URL, found among the installed distributions."""

from collections.abc import Callable
from importlib.metadata import entry_points

from scoria_core.errors import StoreUnavailable, shown
from scoria_core.ports import RunStore

GROUP = "scoria.stores"
"""The entry-point group; each entry is a scheme and a callable that takes the whole URL."""


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
    return opener(url)


def _opener(scheme: str, url: str) -> Callable[[str], RunStore]:
    found = entry_points(group=GROUP)
    named = [entry for entry in found if entry.name == scheme]
    if not named:
        known = ", ".join(sorted({entry.name for entry in found})) or "none"
        next_move = f"use a scheme that is installed: {known}"
        raise StoreUnavailable(shown(url), f"has the unknown scheme {shown(scheme)}", next_move)
    try:
        opener: Callable[[str], RunStore] = named[0].load()
    except ImportError as error:
        problem = f"cannot be opened without {shown(error.name)}"
        next_move = f"pip install 'scoria-kit[{scheme}]'"
        raise StoreUnavailable(shown(url), problem, next_move) from error
    return opener
