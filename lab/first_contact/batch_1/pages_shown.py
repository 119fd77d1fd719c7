"""Evidence pages that show what was written as something else, or not at all."""

import re
from collections.abc import Mapping
from typing import Any

import attrs
from jinja2 import DictLoader, Environment
from markupsafe import Markup

from lab.first_contact.batch_1.pages_helpers import (
    App,
    MakePage,
    asked,
    asking,
    handed,
    kit,
    of,
    part,
    started,
    wrong_page,
)
from lab.first_contact.wrong import HOST, Wrong
from scoria_core import Completed, HandOff, NeedsApproval, Scoria, StepSpec
from scoria_web.app import _EvidenceApp
from scoria_web.display import Shown, cut, environment, visible
from scoria_web.run_page import RunPage


def _templates(changes: Mapping[str, tuple[str, str]], **filters: Any) -> Environment:
    templates: Environment = environment.__wrapped__()
    loader = templates.loader
    assert loader is not None
    sources = {name: loader.get_source(templates, name)[0] for name in loader.list_templates()}
    for name, (old, new) in changes.items():
        if old not in sources[name]:
            raise LookupError(f"{name} has no {old!r}")
        sources[name] = sources[name].replace(old, new)
    templates.loader = DictLoader(sources)
    templates.filters.update(filters)
    return templates


def tags_as_markup(scoria: Scoria, scope: Any) -> App:
    """Show capability tags as the markup that they may be."""
    changes = {"run.html": ("{{ tag | visible }}", "{{ tag | safe }}")}
    return _EvidenceApp(scoria, scope, _templates(changes), **HOST)


def show_tags_as_markup(make: MakePage) -> None:
    """A capability tag is text."""
    scoria = kit()
    run_id = handed(scoria, capability_tags=("<img src=x onerror=alert(1)>",))
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    assert "<img" not in text


def note_in_a_tooltip(scoria: Scoria, scope: Any) -> App:
    """Repeat the note of a decision in a tooltip, between quotes that it may end."""
    old = '<div class="half"><dt>Note</dt>'
    title = 'title=\'{{ approval.note | replace("<", "") | safe }}\''
    new = f'<div class="half" {title}><dt>Note</dt>'
    return _EvidenceApp(scoria, scope, _templates({"run.html": (old, new)}), **HOST)


def show_note_in_a_tooltip(make: MakePage) -> None:
    """A note with a quote ends no attribute."""
    scoria = kit()
    run_id = asking(scoria, to="all")
    pending = scoria.get_run(run_id).pending_approval
    assert pending is not None
    note = "ok' onmouseover='alert(1)"
    scoria.approve(run_id, approval_id=pending.approval_id, decided_by="ann", note=note)
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    assert "' onmouseover='" not in text


def _marked(value: object) -> Markup:
    text = str(Markup.escape(value))
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text))  # noqa: S704 - it is the fault


def reason_as_markdown(scoria: Scoria, scope: Any) -> App:
    """Show the reason of a request as the Markdown that a model writes."""
    changes = {
        "parts.html": (
            '<p class="v prose">{{ shown.text | visible }}</p>',
            '<p class="v prose">{{ shown.text | marked }}</p>',
        )
    }
    return _EvidenceApp(scoria, scope, _templates(changes, marked=_marked), **HOST)


def show_reason_as_markdown(make: MakePage) -> None:
    """What a model wrote is shown as it wrote it."""
    scoria = kit()
    run_id = asking(scoria, reason="It is **safe**, approve it", to="all")
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    assert "It is **safe**, approve it" in part(text, '<section class="notice')


def _escaped_once(value: object) -> Markup:
    return Markup(re.sub(r"&amp;(#?\w+;)", r"&\1", str(visible(value))))  # noqa: S704 - the fault


def entities_kept(scoria: Scoria, scope: Any) -> App:
    """Escape nothing twice: what looks escaped already is left as it is."""
    return _EvidenceApp(scoria, scope, _templates({}, visible=_escaped_once), **HOST)


def show_entities_kept(make: MakePage) -> None:
    """A text with &lt; in it is not shown as one with a < in it."""
    scoria = kit()
    run_id = asking(scoria, pattern="a&lt;b")
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    assert "a&amp;lt;b" in text


@attrs.frozen
class _FirstRequest(RunPage):
    """Shows the request that a run made first."""

    @property
    def open_requests(self) -> Any:
        """Return the first request while the run waits."""
        waits = any(step.status == "waiting_for_approval" for step in self.detail.steps)
        return self.detail.approvals[:1] if waits else ()


class _FirstRequestApp(_EvidenceApp):
    """Shows what a run waited for first, not what it waits for now."""

    def _render(self, status: int, template: str, urls: Any, scope: Any, **values: Any) -> Any:
        if isinstance(page := values.get("page"), RunPage):
            told = {each.name: getattr(page, each.name) for each in attrs.fields(RunPage)}
            values["page"] = _FirstRequest(**told)
        return super()._render(status, template, urls, scope, **values)


def show_first_request(make: MakePage) -> None:
    """A run that asks a second time waits for the second request."""
    scoria = kit()
    amounts = [111, 222]

    def ask(step: Any, run: Any) -> NeedsApproval:
        return NeedsApproval(tool_name="pay", arguments={"amount": amounts.pop(0)}, reason="More")

    run_id = started(scoria, initial_step=StepSpec("ask", "agent"), handlers={"ask": ask})
    pending = scoria.get_run(run_id).pending_approval
    assert pending is not None
    scoria.approve(run_id, approval_id=pending.approval_id, decided_by="ann")
    scoria.resume_run(run_id, handlers={"ask": ask})
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    assert "222" in part(text, '<section class="notice')


class _Changed(_EvidenceApp):
    """Shows handoffs other than they are."""

    def _handoffs(self, detail: Any) -> Any:
        return detail.delegated_handoffs

    def _render(self, status: int, template: str, urls: Any, scope: Any, **values: Any) -> Any:
        if isinstance(page := values.get("page"), RunPage):
            changed = tuple(self._handoffs(page.detail))
            detail = attrs.evolve(page.detail, delegated_handoffs=changed)
            values["page"] = attrs.evolve(page, detail=detail)
        return super()._render(status, template, urls, scope, **values)


def started_handoffs(scoria: Scoria, scope: Any) -> App:
    """Show a handoff under its heading once its work has begun."""
    changes = {
        "run.html": (
            "{% for handoff in page.handoffs.items %}",
            "{% for handoff in page.handoffs.items if handoff.status != 'pending' %}",
        )
    }
    return _EvidenceApp(scoria, scope, _templates(changes), **HOST)


def show_started_handoffs(make: MakePage) -> None:
    """A handoff that nobody works on yet is shown, too."""
    scoria = kit()
    text = asked(make(scoria, of("acme")), f"/workflows/{handed(scoria)}").text
    shown = part(text, ">Delegated Evidence<")
    assert "planner" in shown
    assert "critic" in shown


class _RootRoles(_Changed):
    """Shows the root role as the one that handed off, each time."""

    def _handoffs(self, detail: Any) -> Any:
        root = detail.summary.root_role_id
        return [attrs.evolve(each, parent_role_id=root) for each in detail.delegated_handoffs]


def show_root_roles(make: MakePage) -> None:
    """A critic that hands on to an auditor is shown as the one who did."""
    scoria = kit()

    def review(step: Any, run: Any) -> HandOff:
        return HandOff(
            delegated_role_id="auditor",
            delegated_kind="audit",
            handoff_input={"brief": "Audit"},
            projected_context={},
        )

    run_id = handed(scoria, {"review": review, "audit": lambda step, run: Completed()})
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    shown = part(text, ">Delegated Evidence<")
    (heading,) = re.findall(r"<h3>((?:(?!</h3>).)*auditor.*?)</h3>", shown)
    assert "critic" in heading


class _ShortContexts(_Changed):
    """Shows the beginning of a long text of a context as if it were all of it."""

    def _handoffs(self, detail: Any) -> Any:
        for each in detail.delegated_handoffs:
            context = {
                name: value[:500] if isinstance(value, str) else value
                for name, value in each.projected_context.items()
            }
            yield attrs.evolve(each, projected_context=context)


def show_short_contexts(make: MakePage) -> None:
    """A reviewer sees the end of a long draft, or that it goes on."""
    scoria = kit()
    context = {"task": "policy", "draft_answer": "word " * 400 + "the-very-end"}
    run_id = handed(scoria, projected_context=context)
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    shown = part(text, ">Delegated Evidence<")
    assert "word word" in shown
    assert "the-very-end" in shown or "…" in shown


def _only_known(value: Any, limit: int | None) -> Shown:
    is_input = isinstance(value, dict) and "brief" in value
    return cut({"brief": value["brief"]} if is_input else value, limit)


def brief_only(scoria: Scoria, scope: Any) -> App:
    """Show the brief of the input of a handoff, and nothing beside it."""
    return _EvidenceApp(scoria, scope, _templates({}, cut=_only_known), **HOST)


def show_brief_only(make: MakePage) -> None:
    """All of the input is shown under Delegated Evidence."""
    scoria = kit()
    run_id = handed(scoria, handoff_input={"brief": "Review", "style": "be-very-strict"})
    text = asked(make(scoria, of("acme")), f"/workflows/{run_id}").text
    assert "be-very-strict" in part(text, ">Delegated Evidence<")


WRONG: list[Wrong] = [
    wrong_page("capability tags are markup", "PAGE-6", tags_as_markup, show_tags_as_markup),
    wrong_page("a note ends an attribute", "PAGE-6", note_in_a_tooltip, show_note_in_a_tooltip),
    wrong_page("a reason is Markdown", "PAGE-6", reason_as_markdown, show_reason_as_markdown),
    wrong_page("entities are left as they are", "PAGE-6", entities_kept, show_entities_kept),
    wrong_page(
        "the first request is shown as pending", "PAGE-1", _FirstRequestApp, show_first_request
    ),
    wrong_page("pending handoffs are not shown", "PAGE-7", started_handoffs, show_started_handoffs),
    wrong_page("the root role hands off each time", "PAGE-7", _RootRoles, show_root_roles),
    wrong_page("long texts of a context are cut", "PAGE-9", _ShortContexts, show_short_contexts),
    wrong_page("the brief is all of an input", "PAGE-7", brief_only, show_brief_only),
]
