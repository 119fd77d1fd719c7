"""Stores by the scheme of their URL, found among the installed distributions."""

import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote_to_bytes

from scoria_core.errors import StoreUnavailable, safe_repr
from scoria_core.installed import installed
from scoria_core.ports import RunStore, checked_port
from scoria_core.visible import visible_line

GROUP = "scoria.stores"
"""The entry-point group; each entry is a scheme and a callable that takes the whole URL."""

ALIASES = MappingProxyType({"postgres": "postgresql"})
"""Other common names of a scheme, and its name here."""

EXTRAS = MappingProxyType({"postgresql": "postgres"})
"""The extra that a store needs, if its name is not the scheme."""

SCRATCH = "scoria.scratch"
"""The entry-point group of callables that make an empty store from a URL and a directory."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST = r"(?:\[[^\[\]@/?#\s]*\]|[^\[\]@/?#:,\s]*)(?::\d*)?"
_URL = re.compile(
    rf"{_SCHEME.pattern}//(?:[^@/?#]*@)?(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<path>[^?#]*).*",
    re.DOTALL,
)
_HALF_ENCODED = re.compile("%(?![0-9A-Fa-f]{2})")


def open_store(url: str) -> RunStore:
    """Open the store that `url` names, by the entry point of its scheme.

    Raises `StoreUnavailable` if the URL is malformed, no installed distribution serves its scheme,
    or a library of the store is not installed; and whatever the store raises when it opens.
    """
    url = checked_url(url)
    return checked_port(_opener(url)(url), RunStore, "store")


def checked_url(url: str) -> str:
    """Return `url` with its scheme normalised.

    Raises `StoreUnavailable` if it is no URL, or an ambiguous one: a part of the password might
    then be taken for a host, and be shown to others.
    """
    if not isinstance(url, str) or not (scheme := _SCHEME.match(url)) or "://" not in url:
        next_move = "write it as SCHEME://PATH, for example duckdb:///scoria.duckdb"
        name = store_name(url) if isinstance(url, str) else f"of type {type(url).__name__}"
        raise StoreUnavailable(name, "is not a URL", next_move)
    found = _URL.fullmatch(url)
    if found is None or (found["hosts"] and "@" in found["path"]):
        next_move = "write each of @ : / ? # in a user, a password or a name as %40 %3A %2F %3F %23"
        raise StoreUnavailable(store_name(url), "cannot be read as a URL", next_move)
    name = scheme[1].lower()
    return ALIASES.get(name, name) + url[len(name) :]


def known_schemes() -> list[str]:
    """Return the schemes of the stores that are installed, in order."""
    return sorted({entry.name for entry in installed(GROUP)})


def scheme_of(url: str) -> str:
    """Return the scheme of a URL as the stores call it; `StoreUnavailable` as `checked_url`."""
    return checked_url(url).partition("://")[0]


def store_name(url: object) -> str:
    """Return the name of a store for messages: its URL without user, password and options.

    Of a malformed URL, or one that may contain a secret elsewhere, only the scheme is shown.
    """
    text = url if isinstance(url, str) else ""
    scheme, found = _SCHEME.match(text), _URL.fullmatch(text)
    doubtful = found is None or "@" in text[found.end("hosts") :]
    if found is None or doubtful or any(sign in found["path"] for sign in "=;&"):
        return f"{scheme[1]}:..." if scheme else "..."
    return visible_line(f"{found[1]}://{found['hosts']}{found['path']}", 200)


def file_path(url: str) -> Path:
    """Return the file that `SCHEME:///PATH` names; a fourth slash makes the path absolute.

    A leading `~/` is the home directory, and what is percent-encoded is decoded. Raises
    `StoreUnavailable` for any other URL, saying how to write it.
    """
    scheme, _, rest = url.partition("://")
    path = _decoded(rest.removeprefix("/"))
    if problem := _path_problem(scheme, rest, path):
        raise StoreUnavailable(store_name(url), *problem)
    first, _, more = path.partition("/")
    if not rest.startswith("/~"):  # one that was encoded is part of a name
        return Path(path)
    try:
        return Path(first).expanduser() / more
    except RuntimeError as error:
        next_move = "write the path from the root, with a fourth slash"
        raise StoreUnavailable(store_name(url), "names no known home", next_move) from error


def file_url(scheme: str, path: Path) -> str:
    """Return the URL that names the file at `path`."""
    return f"{scheme}:///{quote(str(path))}"


def scratch_url(url: str, directory: Path) -> str:
    """Return the URL of an empty store of the kind that `url` names, for as long as `directory` is.

    The same directory gives the same store. A store that is no file says how by an entry point of
    its scheme in `SCRATCH`; a file of the same name in the directory stands in for a file.
    """
    url = checked_url(url)
    scheme, _, rest = url.partition("://")
    for entry in installed(SCRATCH):
        if entry.name == scheme:
            return str(entry.load()(url, directory))
    if not rest.startswith("/"):
        return url
    return file_url(scheme, directory / file_path(url).name)


def _opener(url: str) -> Callable[[str], RunStore]:
    scheme = url.partition("://")[0]
    named = [entry for entry in installed(GROUP) if entry.name == scheme]
    if not named:
        next_move = f"use a scheme that is installed: {', '.join(known_schemes()) or 'none'}"
        problem = f"has the unknown scheme {safe_repr(scheme)}"
        raise StoreUnavailable(store_name(url), problem, next_move)
    try:
        opener: Callable[[str], RunStore] = named[0].load()
    except ImportError as error:
        problem = f"cannot be opened without {safe_repr(error.name)}"
        next_move = f"pip install 'scoria-kit[{EXTRAS.get(scheme, scheme)}]'"
        raise StoreUnavailable(store_name(url), problem, next_move) from error
    return opener


def _decoded(text: str) -> str:
    """Return text without its percent-encoding, or nothing where that is no text."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        return ""


def _path_problem(scheme: str, rest: str, path: str) -> tuple[str, str] | None:
    """Say why a URL names no file, and how to write one that does, or None where it does."""
    for sign, code in (("?", "%3F"), ("#", "%23")):
        if sign in rest:
            next_move = f"leave it out, or write {code} for a {sign} in the name of the file"
            return f"has a part after {sign}, and a file takes none", next_move
    if _HALF_ENCODED.search(rest):
        return "has a % that encodes nothing", "write %25 for a % in the name of the file"
    if not rest.startswith("/"):
        next_move = f"write {scheme}:///PATH with three slashes, {scheme}:////PATH from the root"
        return "names no file", next_move
    if not path.isprintable() or path in ("", ":memory:") or path.endswith("/"):
        next_move = f"write {scheme}:///PATH, or memory:// for a store that does not last"
        return "names no file", next_move
    return None
