"""The page on the HTTP API: its calls are made as they stand, and answered as it says."""

import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import attrs
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from scoria_core.errors import ScoriaError
from scoria_web.calls import CALLS
from tests.support import ROOT

PAGE = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
(MOUNTED,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ANSWERED = re.findall(r"```sh\n(curl .*?)```.*?```json\n(.*?)```", PAGE, re.DOTALL)


@attrs.frozen
class Curl:
    """A command of the page, as the call that it makes."""

    path: str
    headers: dict[str, str]
    data: str | None

    @classmethod
    def of(cls, command: str, told: dict[str, str]) -> "Curl":
        """Read the command, with the variables of the shell filled in."""
        for name, value in told.items():
            command = command.replace(f"${name}", value)
        words = iter(shlex.split(command.replace("\\\n", " "))[1:])
        address, headers, data = "", {}, None
        for word in words:
            if word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            elif word == "-d":
                data = next(words)
            elif word == "-X":
                assert next(words) == "POST"
            elif word != "-i":
                address = word
        parts = urlsplit(address)
        return cls(f"{parts.path}?{parts.query}".rstrip("?"), headers, data)


def test_each_call_is_answered_as_the_page_says() -> None:
    """In its order, by one who may do all of it."""
    made: dict[str, Any] = {}
    exec(compile(MOUNTED, "http-api.md", "exec"), made)  # noqa: S102 - the code of the page
    client = Client(DispatcherMiddleware(lambda *_: [], {"/api": made["app"]}))
    told: dict[str, str] = {}
    assert len(ANSWERED) == len(re.findall("^curl ", PAGE, re.MULTILINE))
    for command, expected in ANSWERED:
        curl = Curl.of(command, told)
        answer: Any = client.open(
            curl.path,
            method="GET" if curl.data is None else "POST",
            headers=curl.headers,
            data=curl.data,
            environ_overrides={"REMOTE_USER": "ada"},
        )
        found = answer.json
        assert {name: found[name] for name in json.loads(expected)} == json.loads(expected), command
        for asked in found.get("pending_approvals", ()):
            told = {
                "RUN": found["run_id"],
                "APPROVAL": asked["approval_id"],
                "DIGEST": asked["arguments_digest"],
            }
    assert client.get("/api/v1/runs").status_code == 403


def test_every_call_and_every_code_is_on_the_page() -> None:
    """And no other call."""
    _, _, calls = PAGE.partition("| call | does |")
    named = set(re.findall(r"`(?:GET|POST) (/v1/[^`]+)`", calls))
    paths = {re.sub("<(.*?)>", r"{\1}", call.path) for call in CALLS}
    beside = {"/retry": "/resume", "/cancel": "/resume", "/reject": "/approve"}
    for last, first in beside.items():
        assert f"`{last}`" in calls
        named |= {path.replace(first, last) for path in named if path.endswith(first)}
    assert named == paths | {"/v1/openapi.json"}
    hosts = {
        "unknown_handler",
        "async_handler_refused",
        "close_refused",
        "schema_too_new",
        "scoria_error",
    }
    for kind in _kinds(ScoriaError):
        assert kind.code in hosts or f"`{kind.code}`" in PAGE


def _kinds(kind: type[ScoriaError]) -> set[type[ScoriaError]]:
    ours = {each for each in kind.__subclasses__() if each.__module__ == "scoria_core.errors"}
    return ours.union(*map(_kinds, ours))
