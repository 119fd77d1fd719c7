"""What the scripts for pages have in common; nothing here is wrong."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from html.parser import HTMLParser
from typing import Any

import attrs
from jinja2 import ChoiceLoader, DictLoader
from werkzeug.test import Client, TestResponse

from lab.first_contact.batch_3.tools import AT
from lab.first_contact.wrong import HOST, Wrong
from scoria_core import NeedsApproval, RunSummary, Scoria, Step, StepSpec
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from scoria_web.app import _EvidenceApp
from scoria_web.display import environment


def right(scoria: Scoria, scope: Callable[..., Any]) -> Any:
    """Return the page of the kit."""
    return evidence_app(scoria, scope=scope, **HOST)


def wrong_page(name: str, clause: str, make: Any, show: Any) -> Wrong:
    """Return the wrong page that a class or a function makes, and the kit's as the right one."""
    made = partial(make, **HOST) if isinstance(make, type) else make
    return Wrong(name, clause, "page", made, show, right)


def changed(template: str, old: str, new: str) -> Callable[..., Any]:
    """Return what makes the page with one place of one template changed."""

    def make(scoria: Scoria, scope: Any) -> Any:
        templates: Any = environment.__wrapped__()
        source = templates.loader.get_source(templates, template)[0]
        if old not in source:
            raise LookupError(f"{template} has no {old!r}")
        mine = DictLoader({template: source.replace(old, new, 1)})
        templates.loader = ChoiceLoader([mine, templates.loader])
        return _EvidenceApp(scoria, scope, templates, **HOST)

    return make


def filtered(**filters: Any) -> Callable[..., Any]:
    """Return what makes the page with other filters."""

    def make(scoria: Scoria, scope: Any) -> Any:
        templates: Any = environment.__wrapped__()
        templates.filters.update(filters)
        return _EvidenceApp(scoria, scope, templates, **HOST)

    return make


@attrs.define
class SetClock:
    """A clock that stands still until it is moved."""

    at: datetime = AT

    def now(self) -> datetime:
        """Return the time that it shows."""
        return self.at

    def move(self, **more: float) -> None:
        """Let so much time pass."""
        self.at += timedelta(**more)


def asked_for(environ: Mapping[str, Any]) -> Scope | None:
    """Return the scope that a header of the script names."""
    who = environ.get("HTTP_X_WHO")
    return None if who is None else Scope(*who.split("/"))


@attrs.define
class World:
    """Runs in memory, and a page of them."""

    make: Any
    clock: SetClock = attrs.field(factory=SetClock)
    store: MemoryStore = attrs.field(factory=MemoryStore)
    scoria: Scoria = attrs.field(init=False)
    app: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Open the facade and the page."""
        self.scoria = Scoria(self.store, clock=self.clock)
        self.app = self.make(self.scoria, asked_for)

    def waiting(self, tenant: str = "acme", **more: Any) -> RunSummary:
        """Start a run that waits for approval."""
        session, actor = more.pop("session", "s-1"), more.pop("actor", "alice")
        reason, expires = more.pop("reason", "It leaves the house"), more.pop("expires", None)

        def ask(_: Step, __: RunSummary) -> NeedsApproval:
            arguments = {"to": "all"}
            return NeedsApproval(
                tool_name="send", arguments=arguments, reason=reason, expires_in=expires
            )

        more.setdefault("root_role_id", "executor")
        return self.scoria.start_run(
            self.scoria.identity(actor_id=actor, tenant_id=tenant, session_id=session),
            initial_step=StepSpec("ask", "executor"),
            handlers={"ask": ask},
            **more,
        )

    def ask(
        self, run_id: str | None = None, who: str | None = "acme/alice", **more: Any
    ) -> TestResponse:
        """Ask for the page of a run, or for the list."""
        headers = {**more.pop("headers", {})}
        if who is not None:
            headers["X-Who"] = who
        path = "/" if run_id is None else f"/workflows/{run_id}"
        return Client(self.app, use_cookies=False).open(path, headers=headers, **more)

    def whole(self, run_id: str) -> str:
        """Return the text of the page of a run and of those of its entries that it links to."""
        text = self.ask(run_id).text
        linked = sorted({*re.findall(r'href="\?entry=(\d+)"', text)})
        return "".join([text, *(self.ask(run_id, query_string={"entry": n}).text for n in linked)])


UNKNOWN = "01890000-0000-7000-8000-000000000000"
"""The id of a run that never was."""


class Attributes(HTMLParser):
    """Collects what stands in attributes, comments and scripts of a page."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take the values of a tag."""
        self.found += [value or "" for _, value in attributes]

    def handle_comment(self, data: str) -> None:
        """Take a comment."""
        self.found.append(data)
