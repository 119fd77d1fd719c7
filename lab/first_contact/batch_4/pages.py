"""Evidence pages that each break one promise about what people decide."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import attrs
from markupsafe import Markup, escape

from lab.first_contact.batch_3.page_tools import UNKNOWN, Attributes, changed, wrong_page
from lab.first_contact.batch_4.page_tools import (
    World,
    answered,
    approval_named,
    needs,
    paged,
    read_as,
    rewritten,
)
from lab.first_contact.wrong import HOST
from scoria_core import RunSummary, Scoria
from scoria_core.errors import RunNotFound, ScoriaError
from scoria_core.journal import JournalEntry
from scoria_core.model import Approval
from scoria_web.app import _EvidenceApp, _Problem
from scoria_web.display import MOST_COMPARED, compared, pretty
from scoria_web.run_page import Part, RunPage, run_page

# Which of several requests is shown, and in what order.

first_alone = changed(
    "run.html", "{% for asked in requests %}", "{% for asked in (pending or requests)[:1] %}"
)


def show_first_alone(make: Any) -> None:
    """Assert that each request that is pending stands before the steps."""
    world = World(make)
    run = world.asking([needs("Pay the carrier"), needs("Write to the press")])
    top = world.top(run)
    assert "Pay the carrier" in top
    assert "Write to the press" in top


class AllRounds(RunPage):
    """What a step asks for is all that it has asked for."""

    @property
    def open_requests(self) -> tuple[Approval, ...]:
        """Return each request of the step that waits."""
        waiting = {each.step_id for each in read_as(RunPage, self).open_requests}
        return tuple(each for each in self.detail.approvals if each.step_id in waiting)


all_rounds = paged(partial(read_as, AllRounds))


def show_all_rounds(make: Any) -> None:
    """Assert that what a run waits for comes before what it asked earlier."""
    world = World(make)
    run = world.asking(
        [needs("A long letter", on_reject="resume")], [needs("A short letter", on_reject="resume")]
    )
    world.no(run, note="too long")
    text = world.text(world.resumed(run))
    assert text.index("A short letter") < text.index("A long letter")


def standings(requests: tuple[Approval, ...]) -> list[str]:
    """Return how the requests stand: first those decided, as they were decided, then the rest."""

    def decided(asked: Approval) -> datetime:
        """Return when a request was decided, and the end of time for one that was not."""
        return asked.decided_at or datetime.max.replace(tzinfo=UTC)

    return [each.status for each in sorted(requests, key=decided)]


dealt_out = answered(
    _EvidenceApp,
    (
        "run.html",
        "{% set step = page.step(asked.step_id) %}",
        "{% set nth = loop.index0 %}{% set step = page.step(asked.step_id) %}",
    ),
    ("run.html", "{{ badge(asked.status) }}</h3>", "{{ badge(standings(requests)[nth]) }}</h3>"),
    standings=standings,
)


def show_dealt_out(make: Any) -> None:
    """Assert that the request that is still pending is the one that is shown so."""
    world = World(make)
    run = world.asking([needs("Pay the carrier"), needs("Write to the press")])
    world.yes(run, 1)
    first, second = world.top(run).split("<h3>")[1:]
    assert "Pay the carrier" in first
    assert ">pending</span>" in first
    assert ">approved</span>" in second


# Who sees them.

TO_DECIDE = _Problem(
    403, "No access", "Sign in to the application that this page belongs to: a decision is due."
)


class Inviting(_EvidenceApp):
    """Tells a visitor that there is something to decide, where there is."""

    def _answer(self, request: Any, urls: Any) -> Any:
        """Return the answer, or the invitation."""
        answer = super()._answer(request, urls)
        if answer.status_code == 403 and self._waits(request.path):
            return self._problem(TO_DECIDE, urls)
        return answer

    def _waits(self, path: str) -> bool:
        """Tell whether the path is that of a run that waits for somebody."""
        try:
            return bool(self.scoria.get_run(path.rpartition("/")[2]).pending_approvals)
        except ScoriaError:
            return False


def show_inviting(make: Any) -> None:
    """Assert that a visitor is told the same of a run that waits and of one that never was."""
    world = World(make)
    run = world.asking([needs()])
    told, unknown = world.ask(run.run_id, None), world.ask(UNKNOWN, None)
    assert told.status_code == unknown.status_code == 403
    assert told.text == unknown.text


class ForAssignees(_EvidenceApp):
    """Lets those in who are asked to decide, wherever they belong."""

    def _page(self, request: Any, urls: Any) -> Any:
        """Return the page to the tenant, or to who is asked."""
        try:
            return super()._page(request, urls)
        except RunNotFound:
            scope = self._scope_of(request)
            page: Any = run_page(self.scoria, request.path.rpartition("/")[2], {})
            asked = {name for each in page.open_requests for name in each.assigned_to}
            if scope is None or scope.actor_id not in asked:
                raise
            return self._render(200, "run.html", urls, scope, page=page)


def show_for_assignees(make: Any) -> None:
    """Assert that who is asked sees no run of another tenant, and not that there is one."""
    world = World(make)
    run = world.asking([needs(assigned_to=["carol"])])
    told, unknown = world.ask(run.run_id, "other/carol"), world.ask(UNKNOWN, "other/carol")
    assert told.status_code == unknown.status_code == 404
    assert told.text == unknown.text


# How what was written is shown.


def compared_or_plain(proposed: Any, approved: Any) -> tuple[Markup, Markup]:
    """Compare what is short enough, and show the rest as it is."""
    before, after = pretty(proposed), pretty(approved)
    if before.count("\n") + after.count("\n") + 2 > MOST_COMPARED:
        return escape(before), escape(after)
    return compared(proposed, approved)


long_edit_plain = answered(_EvidenceApp, compared=compared_or_plain)


def show_long_edit_plain(make: Any) -> None:
    """Assert that a long edit hides no character."""
    world = World(make)
    lines = [f"line {number}" for number in range(600)]
    run = world.asking([needs(arguments={"lines": lines}, may_edit=True)])
    world.yes(run, arguments={"lines": [*lines, "pay \u202e001 to bob"]})
    text = world.text(run)
    assert "\u202e" not in text
    assert "u202e" in text


links_in_prose = changed(
    "parts.html",
    '<p class="v prose">{{ shown.text | visible }}</p>',
    '<p class="v prose">{{ shown.text | visible | urlize }}</p>',
)


def show_links_in_prose(make: Any) -> None:
    """Assert that what a reviewer noted stands in no attribute."""
    world = World(make)
    run = world.asking([needs()])
    world.yes(run, note="as agreed in https://wiki.example/refunds")
    text = world.text(run)
    assert "https://wiki.example/refunds" in text
    assert not [each for each in Attributes(text).found if "wiki.example" in each]


# What is left out.


def as_asked(approval: Approval, answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the answers to the questions of the schema, in its order."""
    questions = (approval.answer_schema or {}).get("properties")
    if not questions or not answer:
        return answer
    return {name: answer[name] for name in questions if name in answer}


class Questions(RunPage):
    """Shows an answer by the questions that were asked."""

    def data_of(self, entry: JournalEntry) -> Mapping[str, Any]:
        """Return the data of an entry, the answer as it is shown above."""
        data = super().data_of(entry)
        if "answer" not in data or entry.subject != "approval":
            return data
        approval = approval_named(self.detail, entry.subject_id)
        return {**data, "answer": as_asked(approval, data["answer"])}


only_questions = paged(
    partial(read_as, Questions),
    (
        "parts.html",
        'json(approval.answer, "Show the answer"',
        'json(as_asked(approval, approval.answer), "Show the answer"',
    ),
    as_asked=as_asked,
)


def show_only_questions(make: Any) -> None:
    """Assert that all of an answer is shown, also what nobody asked for."""
    world = World(make)
    plans = {"properties": {"plan": {"enum": ["refund", "voucher"]}}, "required": ["plan"]}
    run = world.asking([needs(answer_schema=plans)])
    world.yes(run, answer={"plan": "voucher", "remark": "for this customer alone"})
    assert "for this customer alone" in world.text(run)


def undecided(page: RunPage) -> RunPage:
    """Leave out what nobody has decided on, once it was withdrawn."""
    decided = tuple(each for each in page.detail.approvals if each.status != "withdrawn")
    detail = attrs.evolve(page.detail, approvals=decided)
    return read_as(Undecided, attrs.evolve(page, detail=detail))


class Undecided(RunPage):
    """Has entries of what it shows alone."""

    @property
    def entries(self) -> Part[JournalEntry]:
        """Return the entries of what is shown above."""
        part = read_as(RunPage, self).entries
        known = [each for each in part.everything if each.subject_id in self.subjects]
        return attrs.evolve(part, everything=known)


def show_undecided(make: Any) -> None:
    """Assert that a request that was withdrawn is shown."""
    world = World(make)
    run = world.asking([needs("Pay the carrier"), needs("Write to the press")])
    world.no(run, 0, note="not this year")
    assert "Write to the press" in world.text(run)


class Folded(RunPage):
    """Shows of entries of one kind in a row, about one subject, the last."""

    @property
    def entries(self) -> Part[JournalEntry]:
        """Return the entries, those that say the same as the next left out."""
        part = read_as(RunPage, self).entries
        following = [*part.everything[1:], None]
        told = [
            each
            for each, after in zip(part.everything, following, strict=True)
            if after is None or (each.type, each.subject_id) != (after.type, after.subject_id)
        ]
        return attrs.evolve(part, everything=told)


last_endorsement = paged(
    partial(read_as, Folded),
    (
        "parts.html",
        "{%- for vote in approval.endorsements %}",
        "{%- for vote in approval.endorsements[-1:] %}",
    ),
)


def show_last_endorsement(make: Any) -> None:
    """Assert that each yes is shown, with its note."""
    world = World(make)
    run = world.asking([needs(approvals_needed=3)])
    world.yes(run, by="bob", note="if the budget holds")
    world.yes(run, by="carol", note="it does")
    text = world.text(run)
    assert "it does" in text
    assert "if the budget holds" in text


class KeptNow(RunPage):
    """Shows what is kept with its step, and only there."""

    def data_of(self, entry: JournalEntry) -> Mapping[str, Any]:
        """Return the data of an entry, of what was kept no more than size and digest."""
        return attrs.evolve(read_as(RunPage, self), shows_kept=False).data_of(entry)


kept_now = paged(partial(read_as, KeptNow))


def show_kept_now(make: Any) -> None:
    """Assert that what was kept over an earlier pause can be seen."""
    world = World(make)
    run = world.asking(
        [needs(keep={"said": "the first draft"}, on_reject="resume")],
        [needs(keep={"said": "the second draft"}, on_reject="resume")],
    )
    world.no(run)
    text = world.text(world.resumed(run), query_string={"kept": "shown"})
    assert "the second draft" in text
    assert "the first draft" in text


def with_what_counts(page: RunPage) -> RunPage:
    """Show the arguments as they are by now wherever there were others."""

    def counting(entry: JournalEntry) -> JournalEntry:
        if entry.subject != "approval" or "arguments" not in entry.data:
            return entry
        approval = approval_named(page.detail, entry.subject_id)
        now = {"arguments": approval.arguments, "arguments_digest": approval.arguments_digest}
        return attrs.evolve(entry, data={**entry.data, **now})

    journal = tuple(counting(entry) for entry in page.detail.journal)
    return attrs.evolve(page, detail=attrs.evolve(page.detail, journal=journal))


as_approved = paged(
    with_what_counts,
    (
        "parts.html",
        "{% if approval.arguments_digest != approval.proposed_digest %}",
        "{% if false %}",
    ),
)


def show_as_approved(make: Any) -> None:
    """Assert that what was proposed is shown beside what was approved."""
    world = World(make)
    run = world.asking([needs(arguments={"to": "everyone in the house"}, may_edit=True)])
    world.yes(run, arguments={"to": "the board"})
    text = world.text(run)
    assert "the board" in text
    assert "everyone in the house" in text


# What is kept from one answer to the next.


def made_once(scoria: Any, scope: Any) -> Any:
    """Make the page that puts the facts of a request together once for each of their digests."""
    made: dict[str, Markup] = {}

    def once(approval: Approval, facts: Markup) -> Markup:
        """Return what was made first."""
        return made.setdefault(f"{approval.status} {approval.arguments_digest}", facts)

    changes = [
        ("run.html", f"{{{{ request({given}) }}}}", f"{{{{ once({name}, request({given})) }}}}")
        for name, given in (
            ("asked", "asked, is_open=true, page=page"),
            ("approval", "approval, page=page"),
        )
    ]
    return _EvidenceApp(scoria, scope, rewritten(*changes, once=once), **HOST)


def show_made_once(make: Any) -> None:
    """Assert that a request shows nothing of the equal one of another run."""
    world = World(make)
    earlier = world.asking([needs(assigned_to=["carol"])])
    later = world.asking([needs(assigned_to=["dave"])], session="s-2")
    assert "carol" in world.text(earlier)
    assert "carol" not in world.text(later)


def while_the_same_is_pending(scoria: Any, scope: Any) -> Any:
    """Make the page that is kept, for who saw it, while the run waits for the same requests."""
    kept: dict[tuple[Any, ...], Any] = {}

    class Keeping(_EvidenceApp):
        """Answers again with what it answered."""

        def _page(self, request: Any, urls: Any) -> Any:
            """Return what was kept, or what is to be kept."""
            who = self._scope_of(request) if request.method == "GET" else None
            run = None if who is None else _found(self.scoria.for_tenant(who.tenant_id), request)
            if run is None or not run.pending_approvals:
                return super()._page(request, urls)
            pending = tuple(each.approval_id for each in run.pending_approvals)
            key = (who, request.script_root, request.full_path, pending)
            if key not in kept:
                kept[key] = super()._page(request, urls)
            return kept[key]

    return Keeping(scoria, scope, **HOST)


def _found(view: Scoria, request: Any) -> RunSummary | None:
    """Return the run that a request names, if there is one."""
    if not request.path.startswith("/workflows/"):
        return None
    try:
        return view.get_run(request.path.rpartition("/")[2])
    except ScoriaError:
        return None


def show_while_the_same_is_pending(make: Any) -> None:
    """Assert that a yes is seen that is not the last one needed."""
    world = World(make)
    run = world.asking([needs(approvals_needed=2)])
    world.text(run)
    world.yes(run, by="bob", note="the carrier has waited long enough")
    assert "the carrier has waited long enough" in world.text(run)


# What time does to a request.


def _as_decided(approvals: tuple[Approval, ...]) -> Iterator[Approval]:
    """Yield the requests; one that somebody has decided on stands as it was decided."""
    for each in approvals:
        is_yes = each.status == "expired" and each.decided_by is not None
        yield attrs.evolve(each, status=type(each.status)("approved")) if is_yes else each


def standing(page: RunPage) -> RunPage:
    """Show as expired only what nobody has decided."""
    steps = [
        attrs.evolve(step, approvals=tuple(_as_decided(step.approvals)))
        for step in page.detail.steps
    ]
    decided = tuple(_as_decided(page.detail.approvals))
    detail = attrs.evolve(page.detail, approvals=decided, steps=tuple(steps))
    return attrs.evolve(page, detail=detail)


def show_standing(make: Any) -> None:
    """Assert that a yes that was not used in time is shown as expired."""
    world = World(make)
    run = world.asking([needs(expires_in=60)])
    world.yes(run)
    world.clock.move(seconds=120)
    listed = world.text(run).partition('id="approvals"')[2].partition('id="delegated')[0]
    assert ">expired</span>" in listed


class Settling(_EvidenceApp):
    """Has the reminders that are due recorded before it shows a run."""

    def _page(self, request: Any, urls: Any) -> Any:
        """Return the page as it is once the reminders are recorded."""
        scope = self._scope_of(request) if request.method in ("GET", "HEAD") else None
        if scope is not None:
            view = self.scoria.for_tenant(scope.tenant_id)
            run = _found(view, request)
            asked = () if run is None else run.pending_approvals
            if any(each.remind_after and not each.reminded_at for each in asked):
                view.run_pending(run.run_id, handlers={})
        return super()._page(request, urls)


def show_settling(make: Any) -> None:
    """Assert that a run is as it was after somebody has looked at it."""
    world = World(make)
    run = world.asking([needs(remind_after=60)])
    world.clock.move(seconds=120)
    world.text(run)
    assert world.detail(run).summary.version == run.version


WRONG = [
    wrong_page("of several requests one is at the top", "PAGE-1", first_alone, show_first_alone),
    wrong_page("earlier rounds at the top", "PAGE-1", all_rounds, show_all_rounds),
    wrong_page("statuses dealt out as decided", "PAGE-1", dealt_out, show_dealt_out),
    wrong_page("visitor told of a decision", "PAGE-2", answered(Inviting), show_inviting),
    wrong_page("assignee of another tenant", "PAGE-4", answered(ForAssignees), show_for_assignees),
    wrong_page("long edit as it is", "PAGE-8", long_edit_plain, show_long_edit_plain),
    wrong_page("links in notes", "PAGE-6", links_in_prose, show_links_in_prose),
    wrong_page("answer by its questions", "PAGE-9", only_questions, show_only_questions),
    wrong_page("withdrawn left out", "PAGE-9", paged(undecided), show_undecided),
    wrong_page("last endorsement alone", "PAGE-9", last_endorsement, show_last_endorsement),
    wrong_page("kept earlier not shown", "PAGE-9", kept_now, show_kept_now),
    wrong_page("edit replaces the proposal", "PAGE-9", as_approved, show_as_approved),
    wrong_page("facts made once a digest", "PAGE-10", made_once, show_made_once),
    wrong_page(
        "kept while the same is pending",
        "PAGE-13",
        while_the_same_is_pending,
        show_while_the_same_is_pending,
    ),
    wrong_page("unused yes stands", "APPROVAL-11", paged(standing), show_standing),
    wrong_page("page records reminders", "READ-6", answered(Settling), show_settling),
]
