"""What the scripts for pages have besides what the third batch has; nothing here is wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from jinja2 import ChoiceLoader, DictLoader

from lab.first_contact.batch_3 import page_tools as third
from lab.first_contact.wrong import HOST
from scoria_core import Completed, NeedsApproval, RunSummary, Scoria, Step, StepSpec
from scoria_core.model import Approval, RunDetail
from scoria_web.app import _EvidenceApp
from scoria_web.display import environment
from scoria_web.run_page import RunPage

Change = tuple[str, str, str]
"""A template, what stands in it, and what is put there instead."""


def rewritten(*changes: Change, **shared: Any) -> Any:
    """Return the templates of the kit with some places changed; `shared` are globals of them."""
    templates: Any = environment.__wrapped__()
    sources: dict[str, str] = {}
    for template, old, new in changes:
        source = sources.get(template) or templates.loader.get_source(templates, template)[0]
        if old not in source:
            raise LookupError(f"{template} has no {old!r}")
        sources[template] = source.replace(old, new, 1)
    templates.loader = ChoiceLoader([DictLoader(sources), templates.loader])
    templates.globals.update(shared)
    return templates


def answered(kind: type[_EvidenceApp], *changes: Change, **shared: Any) -> Callable[..., Any]:
    """Return what makes an app of another kind, with some places of its templates changed."""

    def make(scoria: Scoria, scope: Any) -> Any:
        """Make it."""
        return kind(scoria, scope, rewritten(*changes, **shared), **HOST)

    return make


def read_as(kind: type[RunPage], page: RunPage) -> RunPage:
    """Return a reading of a run as one of another kind."""
    return kind(**{each.name: getattr(page, each.name) for each in attrs.fields(RunPage)})


def paged(
    read: Callable[[RunPage], RunPage], *changes: Change, **shared: Any
) -> Callable[..., Any]:
    """Return what makes the page with another reading of a run."""

    class Paged(_EvidenceApp):
        """Hands the templates the other reading."""

        def _render(self, status: int, template: str, urls: Any, scope: Any, **values: Any) -> Any:
            """Return the page of the other reading."""
            page = values.get("page")
            if isinstance(page, RunPage):
                values["page"] = read(page)
            return super()._render(status, template, urls, scope, **values)

    return answered(Paged, *changes, **shared)


@attrs.define
class World(third.World):
    """Runs in memory that ask for whatever can be asked, and a page of them."""

    handlers: Mapping[str, Any] = attrs.field(init=False, factory=dict)

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


def needs(reason: str = "It leaves the house", **more: Any) -> NeedsApproval:
    """Return a request; what is not said is as in most of them."""
    more.setdefault("tool_name", "send")
    more.setdefault("arguments", {"to": "all"})
    return NeedsApproval(reason=reason, **more)


def approval_named(detail: RunDetail, approval_id: str) -> Approval:
    """Return a request of a run."""
    return next(each for each in detail.approvals if each.approval_id == approval_id)
