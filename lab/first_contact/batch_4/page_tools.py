"""What the scripts for pages have in common; nothing here is wrong."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import attrs
from jinja2 import ChoiceLoader, DictLoader
from werkzeug.test import Client, TestResponse

from lab.first_contact.wrong import Wrong
from scoria_core import Completed, NeedsApproval, RunSummary, Scoria, Step, StepSpec
from scoria_core.model import Approval, RunDetail
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from scoria_web.app import _EvidenceApp
from scoria_web.display import environment
from scoria_web.pages import RunPage

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When the scripts begin."""


def right(scoria: Scoria, scope: Callable[..., Any]) -> Any:
    """Return the page of the kit."""
    return evidence_app(scoria, scope=scope)


def wrong_page(name: str, clause: str, make: Any, show: Any) -> Wrong:
    """Return a wrong page."""
    return Wrong(name, clause, "page", make, show, right)


Change = tuple[str, str, str]
"""A template, what stands in it, and what is put there instead."""


def rewritten(*changes: Change, **shared: Any) -> Any:
    """Return the templates of the kit with some places changed; `shared` are globals of them."""
    templates: Any = environment.__wrapped__()
    sources: dict[str, str] = {}
    for template, old, new in changes:
        source = sources.get(template) or templates.loader.get_source(templates, template)[0]
        assert old in source, (template, old)
        sources[template] = source.replace(old, new, 1)
    templates.loader = ChoiceLoader([DictLoader(sources), templates.loader])
    templates.globals.update(shared)
    return templates


def changed(template: str, old: str, new: str) -> Callable[..., Any]:
    """Return what makes the page with one text of one template changed."""
    return answered(_EvidenceApp, (template, old, new))


def answered(kind: type[_EvidenceApp], *changes: Change, **shared: Any) -> Callable[..., Any]:
    """Return what makes an app of another kind, with some places of its templates changed."""

    def make(scoria: Scoria, scope: Any) -> Any:
        """Make it."""
        return kind(scoria, scope, rewritten(*changes, **shared))

    return make


def paged(kind: type[RunPage], *changes: Change, **shared: Any) -> Callable[..., Any]:
    """Return what makes the page with another reading of a run."""

    class Paged(_EvidenceApp):
        """Hands the templates the other reading."""

        def _render(self, status: int, template: str, urls: Any, **values: Any) -> Any:
            """Return the page of the other reading."""
            page = values.get("page")
            if isinstance(page, RunPage):
                values["page"] = kind(page.detail, page.entries_after, page.shows_kept)
            return super()._render(status, template, urls, **values)

    return answered(Paged, *changes, **shared)


def filtered(**filters: Any) -> Callable[..., Any]:
    """Return what makes the page with other filters."""

    def make(scoria: Scoria, scope: Any) -> Any:
        """Make it."""
        templates: Any = environment.__wrapped__()
        templates.filters.update(filters)
        return _EvidenceApp(scoria, scope, templates)

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
    handlers: Mapping[str, Any] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        """Open the facade and the page."""
        self.scoria = Scoria(self.store, clock=self.clock)
        self.app = self.make(self.scoria, asked_for)

    def waiting(self, tenant: str = "acme", **more: Any) -> RunSummary:
        """Start a run that waits for approval."""
        session, actor = more.pop("session", "s-1"), more.pop("actor", "alice")
        reason, expires = more.pop("reason", "It leaves the house"), more.pop("expires", None)

        def ask(_: Step, __: RunSummary) -> NeedsApproval:
            """Make the request."""
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

    def asking(self, *rounds: Sequence[NeedsApproval], **more: Any) -> RunSummary:
        """Start a run whose step makes these requests, one round of them after the other."""
        left = [list(each) for each in rounds]

        def ask(_: Step, __: RunSummary) -> list[NeedsApproval] | Completed:
            """Make the next round of requests, and then be done."""
            return left.pop(0) if left else Completed()

        self.handlers = {"ask": ask}
        tenant, session = more.pop("tenant", "acme"), more.pop("session", "s-1")
        actor = more.pop("actor", "alice")
        return self.scoria.start_run(
            self.scoria.identity(actor_id=actor, tenant_id=tenant, session_id=session),
            root_role_id="executor",
            initial_step=StepSpec("ask", "executor"),
            handlers=self.handlers,
        )

    def yes(self, run: RunSummary, number: int = 0, by: str = "bob", **more: Any) -> RunSummary:
        """Approve what a run asked for, by its number among all that it asked."""
        approval_id = self.detail(run).approvals[number].approval_id
        return self.scoria.approve(run.run_id, approval_id=approval_id, decided_by=by, **more)

    def no(self, run: RunSummary, number: int = 0, by: str = "bob", **more: Any) -> RunSummary:
        """Reject what a run asked for, by its number among all that it asked."""
        approval_id = self.detail(run).approvals[number].approval_id
        return self.scoria.reject(run.run_id, approval_id=approval_id, decided_by=by, **more)

    def resumed(self, run: RunSummary) -> RunSummary:
        """Resume the run that was started last."""
        return self.scoria.resume_run(run.run_id, handlers=self.handlers)

    def detail(self, run: RunSummary) -> RunDetail:
        """Return all of a run."""
        return self.scoria.get_run_detail(run.run_id)

    def text(self, run: RunSummary, who: str = "acme/alice", **more: Any) -> str:
        """Return the page of a run, which is there."""
        answer = self.ask(run.run_id, who, **more)
        assert answer.status_code == 200
        return answer.text

    def top(self, run: RunSummary) -> str:
        """Return what the page of a run has before its steps."""
        return self.text(run).partition('id="steps"')[0]

    def ask(
        self, run_id: str | None = None, who: str | None = "acme/alice", **more: Any
    ) -> TestResponse:
        """Ask for the page of a run, or for the list."""
        headers = {**more.pop("headers", {})}
        if who is not None:
            headers["X-Who"] = who
        path = "/" if run_id is None else f"/workflows/{run_id}"
        return Client(self.app, use_cookies=False).open(path, headers=headers, **more)


def needs(reason: str = "It leaves the house", **more: Any) -> NeedsApproval:
    """Return a request; what is not said is as in most of them."""
    more.setdefault("tool_name", "send")
    more.setdefault("arguments", {"to": "all"})
    return NeedsApproval(reason=reason, **more)


def approval_named(detail: RunDetail, approval_id: str) -> Approval:
    """Return a request of a run."""
    return next(each for each in detail.approvals if each.approval_id == approval_id)


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
