"""A relay between a driver and its host: it keeps the requests, so that others can send them too.

A driver uses a host as intended: it reads a run before it acts on it, and sends what its user would
send. An attacker sends only the last request, and adds anything to it.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, combinations, product
from typing import Any
from urllib.parse import parse_qsl, urlencode

import attrs
import httpx
from werkzeug.wrappers import Request, Response

from scoria_conformance.host import Host, WSGIApp
from scoria_conformance.serving import served

READING = ("GET", "HEAD", "OPTIONS")

_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"

_OF_A_CONNECTION = frozenset(
    {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}
)
_OF_AN_ANSWER = frozenset({"content-length", "connection", "transfer-encoding", "date", "server"})

_BOUND = re.compile(r";\s*(secure|domain=[^;]*)(?=;|$)", re.IGNORECASE)
"""Attributes of a cookie that would stop it at the relay, which has another name and no TLS."""

AT_MOST = 5
"""How many seconds a request waits between its head and its body, for a call in between."""

# Every subset of these fields is tried: each further field doubles the requests.
_MOST_TAKEN = 3
"""How many fields that differ are tried with the value of the one and of the other."""


@attrs.frozen
class Sent:
    """A request as a driver sent it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def fields(self) -> Mapping[str, Any] | None:
        """The fields of its form or of its JSON object, or None if its body is something else."""
        if not self.body:
            return {}
        kind = self._header("content-type").partition(";")[0].strip().lower()
        if kind == _FORM:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        if kind == _JSON:
            value = json.loads(self.body)
            return value if isinstance(value, dict) else None
        return None

    def with_fields(self, fields: Mapping[str, Any]) -> "Sent":
        """Return the request with other fields, in the same format."""
        is_json = self._header("content-type").lower().startswith(_JSON)
        headers = [pair for pair in self.headers if pair[0].lower() != "content-type"]
        headers.append(("Content-Type", _JSON if is_json else _FORM))
        body = json.dumps(fields) if is_json else urlencode(fields)
        return attrs.evolve(self, headers=tuple(headers), body=body.encode())

    def asking(self, query: Mapping[str, str]) -> "Sent":
        """Return the request with more in its query."""
        joined = "&" if "?" in self.target else "?"
        return attrs.evolve(self, target=f"{self.target}{joined}{urlencode(query)}")

    @property
    def as_link(self) -> "Sent":
        """The request as a link would send it: with its fields in the query."""
        headers = tuple(pair for pair in self.headers if pair[0].lower() != "content-type")
        plain = attrs.evolve(self, method="GET", headers=headers, body=b"")
        return plain.asking(self.fields) if self.fields else plain

    def as_by(self, other: "Sent", claims: Mapping[str, str]) -> Iterator["Sent"]:
        """Yield this request as the sender of `other` could send it, with and without `claims`.

        The headers identify the sender, so they are those of `other`. A field that differs may
        belong to the run or to the sender: each is tried with both values, and so is the address.
        """
        kind = [pair for pair in self.headers if pair[0].lower() == "content-type"]
        theirs = [pair for pair in other.headers if pair[0].lower() != "content-type"]
        forged = attrs.evolve(self, headers=(*theirs, *kind))
        has = {name.lower() for name, _ in theirs}
        said = {f"X-{name.replace('_', '-')}": value for name, value in claims.items()}
        more = tuple(pair for pair in said.items() if pair[0].lower() not in has)
        targets = dict.fromkeys((self.target, other.target))
        for taken, target in product(_fields(self.fields, other.fields), targets):
            plain = attrs.evolve(forged, target=target)
            plain = plain if taken is None else plain.with_fields(taken)
            yield plain if self.body else attrs.evolve(forged, target=target)
            claimed = attrs.evolve(plain.asking(claims), headers=(*plain.headers, *more))
            yield claimed if taken is None else claimed.with_fields({**taken, **claims})

    def _header(self, name: str) -> str:
        return next((value for each, value in self.headers if each.lower() == name), "")


def _fields(
    mine: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None
) -> Iterator[Mapping[str, Any] | None]:
    """Yield the fields with none, some and all of the values in which the other request differs."""
    if mine is None:
        yield None
        return
    other = theirs or {}
    differ = [name for name in mine if name in other and mine[name] != other[name]][:_MOST_TAKEN]
    sizes = range(len(differ) + 1)
    for names in chain.from_iterable(combinations(differ, size) for size in sizes):
        yield {**mine, **{name: other[name] for name in names}}


@attrs.define
class Relay:
    """A WSGI app between a driver and the host at `base_url`."""

    base_url: str
    url: str = ""
    is_one_browser: bool = False
    held_from: int | None = None
    between: Callable[[], object] | None = None
    """A call to make once, between the head and the body of a request."""
    sent: list[Sent] = attrs.field(factory=list)
    client: httpx.Client = attrs.field(factory=lambda: httpx.Client(timeout=60))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Pass a request on to the host and return its answer, or refuse it if it is to be held."""
        request = Request(environ)
        headers = tuple((name, self._there(value)) for name, value in request.headers.items())
        target = request.full_path.rstrip("?") if request.query_string else request.path
        asked = Sent(request.method, target, headers, request.get_data())
        self.sent.append(asked)
        if self.held_from is not None and len(self.changing) > self.held_from:
            return Response("the relay holds it", 503)(environ, start_response)
        return self._back(asked)(environ, start_response)

    @property
    def changing(self) -> list[Sent]:
        """The requests that may have changed something, by their methods."""
        return [each for each in self.sent if each.method not in READING]

    def send(self, request: Sent) -> httpx.Response:
        """Send a request to the host."""
        headers = [
            (name, value)
            for name, value in request.headers
            if name.lower() not in _OF_A_CONNECTION
            and not (self.is_one_browser and name.lower() == "cookie")
        ]
        headers += [_PLAIN, ("Content-Length", str(len(request.body)))]
        url, content = f"{self.base_url.rstrip('/')}{request.target}", self._body(request)
        answer = self.client.request(request.method, url, headers=headers, content=content)
        if not self.is_one_browser:
            # Cookies are in the headers of each request: the client must not add those of another
            # user.
            self.client.cookies.clear()
        return answer

    def _body(self, request: Sent) -> Iterator[bytes]:
        if request.body and (between := self.between):
            self.between = None
            other = threading.Thread(target=between, daemon=True)
            other.start()
            # Not longer: a host that serves one request at a time makes the other one wait.
            other.join(AT_MOST)
        yield request.body

    def _back(self, request: Sent) -> Response:
        try:
            answer = self.send(request)
        except httpx.HTTPError as error:
            return Response(f"the host does not answer: {error}", 502)
        back = Response(answer.content, answer.status_code)
        back.headers.clear()
        for name, value in answer.headers.multi_items():
            if name.lower() not in _OF_AN_ANSWER:
                here = value.replace(self.base_url.rstrip("/"), self.url)
                back.headers.add(name, _BOUND.sub("", here))
        return back

    def _there(self, value: str) -> str:
        return value.replace(self.url, self.base_url.rstrip("/"))


_PLAIN = ("Accept-Encoding", "identity")


@contextmanager
def relayed(base_url: str) -> Iterator[Relay]:
    """Give a relay to the host at `base_url`; the relay itself is served at its `url`."""
    relay = Relay(base_url)
    app: WSGIApp = relay
    with relay.client, served(app) as relay.url:
        yield relay


@attrs.frozen
class RelayedHost:
    """A host and the relay through which its driver reaches it."""

    relay: Relay
    host: Host
