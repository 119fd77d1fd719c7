"""Requests to a WSGI app, as a server passes them on, and the answers byte for byte."""

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode, urljoin, urlsplit
from wsgiref.util import setup_testing_defaults

import attrs
import pytest

from scoria_conformance.host import PageFactory, WSGIApp
from scoria_core import Scoria

MOUNT = "/scoria"
"""The path under which an app is mounted."""

ORIGIN = "http://host.invalid"

Scope = Mapping[str, Any] | None
"""The identity of the requester, in the scope of a host; None is a visitor."""


@attrs.frozen
class Answer:
    """The answer of an app; a `status` of 0 means that it raised, and `body` says what."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str:
        """Return the values of a header, or nothing."""
        return ", ".join(value for each, value in self.headers if each == name)

    def __str__(self) -> str:
        if not self.status:
            return self.text
        told = {name: value for name, value in self.headers if name in ("etag", "location")}
        return f"{self.status} {told or ''} {len(self.body)} bytes"


@attrs.frozen
class Request:
    """One request: `path` is below the mount, as in a URL; `said` is added to the environ.

    `form` holds the fields that it sends in its body, as a form of a page does.
    """

    path: str
    method: str = "GET"
    query: str = ""
    said: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> str:
        """The path and query of the page that it requests."""
        return f"{MOUNT}{self.path}{'?' if self.query else ''}{self.query}"

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        said = "".join(f", {name}={value!r}" for name, value in self.said)
        form = f", a form with {', '.join(name for name, _ in self.form)}" if self.form else ""
        return f"{self.method} {self.path}{query}{said}{form}"


class Environ(dict[str, Any]):
    """An environ that records which keys were read, including keys that it does not have."""

    def __init__(self, values: Mapping[str, Any], read: set[str] | None = None) -> None:
        super().__init__(values)
        self.read: set[str] = set() if read is None else read

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.read.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        self.read.add(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Take a value out."""
        self.read.add(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a value; if there is none, store and return the default."""
        self.read.add(key)
        return super().setdefault(key, default)

    def copy(self) -> "Environ":
        """Return a copy that records reads in the same set."""
        return Environ(self, self.read)


@attrs.define
class Site:
    """One page app that is kept between requests of different visitors."""

    page: PageFactory
    scoria: Scoria
    scope: Scope = None
    app: WSGIApp = attrs.field(init=False)
    read: set[str] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.app = self.page(self.scoria, lambda _: None if self.scope is None else {**self.scope})

    def ask(self, scope: Scope, request: Request) -> Answer:
        """Make a request with this scope, and record which keys of the environ were read."""
        self.scope = scope
        environ = Environ(_environ(request))
        answer = _answered(self.app, environ)
        self.read |= environ.read
        return answer

    def afresh(self, scope: Scope, request: Request) -> Answer:
        """Make the request to a new app, which has answered no request before."""
        return Site(self.page, self.scoria).ask(scope, request)


def links_of(request: Request, hrefs: Iterable[str]) -> Iterator[Request]:
    """Yield the requests that the links of a page lead to, if they stay within its mount."""
    for href in hrefs:
        url = urlsplit(urljoin(f"{ORIGIN}{MOUNT}{request.path}?{request.query}", href))
        below = url.path.removeprefix(MOUNT)
        if f"{url.scheme}://{url.netloc}" == ORIGIN and below != url.path:
            yield Request(below or "/", query=url.query)


def _environ(request: Request) -> dict[str, Any]:
    body = urlencode(request.form).encode()
    sent = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
    environ: dict[str, Any] = {
        **(sent if body else {}),
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": MOUNT,
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query,
        "HTTP_HOST": urlsplit(ORIGIN).netloc,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    setup_testing_defaults(environ)
    return {**environ, **dict(request.said)}


def _answered(app: WSGIApp, environ: dict[str, Any]) -> Answer:
    told: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> object:
        told[:] = [int(status.partition(" ")[0]), headers]
        return written.append

    try:
        pieces = app(environ, start_response)
        try:
            body = b"".join(pieces)
        finally:
            if close := getattr(pieces, "close", None):
                close()
        status, headers = told
    except (Exception, SystemExit, pytest.skip.Exception) as raised:  # noqa: BLE001 - it is told
        return Answer(0, (), f"raised {type(raised).__name__}: {raised}".encode())
    named = sorted((name.lower(), value) for name, value in headers if name.lower() != "date")
    return Answer(status, tuple(named), b"".join(written) + body)
