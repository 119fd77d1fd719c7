"""What the scripts of this batch do: start runs, and look at pages as somebody."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.resources import files
from typing import Any

import attrs
import httpx
from flask import Flask
from jinja2 import ChoiceLoader, DictLoader
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from lab.first_contact.guide_host.client import DemoHost
from lab.first_contact.runs import Tells, with_bodies
from lab.first_contact.wrong import HOST
from scoria_cli.page import DECISIONS, MOUNT, SECRET
from scoria_core import NeedsApproval, RunSummary, Scoria, StepSpec
from scoria_core.ports import StoredRun
from scoria_memory import MemoryStore
from scoria_web import Scope, decision_app, evidence_app
from scoria_web.display import environment


def right(scoria: Scoria, scope: Any) -> Any:
    """Return the page as it is."""
    return evidence_app(scoria, scope=scope, **HOST)


def edited(app: Any, name: str, old: str, new: str) -> Any:
    """Return the page with a template in which `new` stands in the place of `old`."""
    source = files("scoria_web").joinpath("templates", name).read_text("utf-8")
    if source.count(old) != 1:
        raise LookupError(old)
    templates: Any = environment.__wrapped__()
    loader = DictLoader({name: source.replace(old, new)})
    templates.loader = ChoiceLoader([loader, templates.loader])
    return attrs.evolve(app, templates=templates)


class SpoiltStore(Tells, MemoryStore):
    """Has other entries than were written, of the runs that it is told to spoil."""

    def __init__(self) -> None:
        """Spoil none yet."""
        super().__init__()
        self.spoilt: set[str] = set()

    def told(self, run: StoredRun) -> StoredRun:
        """Return the run, or one of which no entry checks out."""
        is_spoilt = run.key.run_id in self.spoilt
        return with_bodies(run, ["{}" for _ in run.records]) if is_spoilt else run


def begun(scoria: Scoria, *requests: NeedsApproval, tenant_id: str = "acme") -> RunSummary:
    """Start a run that waits for these."""
    who = scoria.identity(actor_id="amy", tenant_id=tenant_id, session_id="chat-1")
    step = StepSpec("ask", "agent")
    handlers = {"ask": lambda _, __: list(requests)}
    return scoria.start_run(who, root_role_id="agent", initial_step=step, handlers=handlers)


def asked(tool: str = "send", **more: Any) -> NeedsApproval:
    """Return a request, with `more` of what it says."""
    return NeedsApproval(**{"tool_name": tool, "arguments": {"to": "all"}, "reason": "why", **more})


def scope_of(environ: Mapping[str, Any]) -> Scope:
    """Return who looks, as the test says: Ada of acme, who decides."""
    facts = {"tenant_id": "acme", "actor_id": "ada", "may_decide": True}
    return Scope(**{**facts, **environ.get("test.scope", {})})


def looker(make: Callable[..., Any], scoria: Scoria) -> Callable[..., TestResponse]:
    """Return what opens an address of the page, or of the decisions beside it."""
    page = make(scoria, scope_of)
    decisions = decision_app(scoria, scope=scope_of, secret=SECRET, evidence=MOUNT, mask=None)
    client = Client(DispatcherMiddleware(page, {DECISIONS: decisions}))

    def look(path: str, method: str = "GET", scope: Any = None, **more: Any) -> TestResponse:
        facts = {"test.scope": scope or {}}
        return client.open(path, method=method, environ_overrides=facts, **more)

    return look


@attrs.frozen
class InProcess(DemoHost):
    """The guide's host without a network."""

    app: Flask

    def _browser(self) -> httpx.Client:
        browser = partial(httpx.Client, base_url=self.base_url, follow_redirects=True)
        transport = httpx.WSGITransport(app=self.app)
        return browser(transport=transport, headers={"Accept": "application/json"})


def inside(make: Callable[[], Any]) -> Any:
    """Return a host as its driver has it."""
    return InProcess("http://localhost", make())
