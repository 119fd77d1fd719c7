"""How a page is changed, and what its scripts look at it with."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, DictLoader
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request, Response

from lab.first_contact.wrong import HOST
from scoria_core import Completed, Identity, NeedsApproval, Scoria, StepSpec
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from scoria_web.app import _EvidenceApp
from scoria_web.display import environment

App = Callable[..., Any]
Around = Callable[[Request, App], Response]
Change = tuple[str, str, str]


def right(scoria: Scoria, scope: Any) -> App:
    """Return the page as it is."""
    return evidence_app(scoria, scope=scope, **HOST)


def answer_of(app: App, request: Request) -> Response:
    """Return the answer of an app to a request."""
    return Response.from_app(app, request.environ)


def around(scoria: Scoria, scope: Any, wrap: Around) -> App:
    """Return the page with something before it that may change its answer."""
    inner = evidence_app(scoria, scope=scope, **HOST)

    def app(environ: Any, start_response: Any) -> Any:
        return wrap(Request(environ), inner)(environ, start_response)

    return app


def changed(*changes: Change, **filters: Callable[..., Any]) -> Callable[[Scoria, Any], App]:
    """Return what makes a page with changed templates: (template, old, new), and filters."""
    sources: dict[str, str] = {}
    for name, old, new in changes:
        source = sources.get(name) or files("scoria_web").joinpath("templates", name).read_text()
        if old not in source:
            raise LookupError(f"{name} has no {old!r}")
        sources[name] = source.replace(old, new)

    def make(scoria: Scoria, scope: Any) -> App:
        plain = environment()
        loaders: list[BaseLoader] = [DictLoader(sources)]
        if plain.loader is not None:
            loaders.append(plain.loader)
        templates = plain.overlay(loader=ChoiceLoader(loaders), cache_size=400)
        templates.filters = {**plain.filters, **filters}
        return _EvidenceApp(scoria, scope, templates, **HOST)

    return make


class Clock:
    """A clock that a script moves."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        """Return the time that it was moved to."""
        self.at += timedelta(milliseconds=1)
        return self.at


def facade(clock: Clock | None = None, store: Any = None) -> Scoria:
    """Return runs in memory."""
    return Scoria(store or MemoryStore(), clock=clock)


def who(tenant: str = "acme", session: str = "s-1", actor: str = "ann") -> Identity:
    """Return an identity."""
    return Identity(actor, tenant, session)


def reader(tenant: str = "acme", actor: str = "ann") -> Callable[[Any], Scope]:
    """Return a scope that is always the same."""
    return lambda _: Scope(tenant_id=tenant, actor_id=actor)


def ask(tool: str = "send", reason: str = "it leaves the house", **more: Any) -> Any:
    """Return a handler that asks for approval, and is done once it has it."""

    def handler(step: Any, _: Any) -> Any:
        if step.approval is not None and step.approval.status == "approved":
            return Completed({"done": True})
        return NeedsApproval(tool_name=tool, arguments={"to": "all"}, reason=reason, **more)

    return handler


def started(scoria: Scoria, handler: Any = None, **given: Any) -> str:
    """Start a run with one step, by default one that asks, and return its id."""
    identity = given.pop("identity", None) or who()
    spec = StepSpec(kind="work", role_id="executor", input=given.pop("input", {}))
    handlers = {"work": handler or ask()}
    return scoria.start_run(
        identity, root_role_id="root", initial_step=spec, handlers=handlers, **given
    ).run_id


def get(app: App, path: str, method: str = "GET", **given: Any) -> TestResponse:
    """Return the answer to one request."""
    return Client(app).open(path, method=method, **given)


def whole(app: App, path: str) -> str:
    """Return the text of a page and of the pages of its entries that it links to."""
    text = get(app, path).text
    linked = sorted({*re.findall(r'href="(\?entry=\d+)"', text)})
    return "".join([text, *(get(app, f"{path}{query}").text for query in linked)])


def run_path(run_id: str) -> str:
    """Return the address of the page of a run."""
    return f"/workflows/{run_id}"


def headers_of(answer: TestResponse) -> Mapping[str, str]:
    """Return the headers of an answer, by their names in small letters."""
    return {name.lower(): value for name, value in answer.headers.items()}
