"""The evidence page: what it shows, to whom, and what it says where there is nothing to show."""

import base64
import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.validate import validator

import attrs
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from scoria_core import Completed, Failed, HandlerAnswer, HandOff, NeedsApproval, Scoria, StepSpec
from scoria_core.errors import InvalidIdentity, StoreCorrupt
from scoria_core.model import RunSummary, Step
from scoria_core.ports import StoredRun
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from tests.support.valid_html import faults

TENANT = "tenant-a"
OTHER = "tenant-b"
SCRIPT = "<script>document.title='pwned'</script>"
METHODS = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")
NOTHING_THERE = "/workflows/01900000-0000-7000-8000-000000000000"

Handler = Callable[[Step, RunSummary], object]


class Damaged(MemoryStore):
    """A store that gives back one entry of one run otherwise than it was stored."""

    run_id = ""
    sequence = 3

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Change the text of the entry, as a disk or a hand might."""
        return [*map(self._as_damaged, super().read(run_ids))]

    def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
        """Change it in a list as well."""
        return [*map(self._as_damaged, super().list_runs(**asked))]

    def _as_damaged(self, run: StoredRun) -> StoredRun:
        if run.key.run_id != self.run_id or not run.records:
            return run
        records = list(run.records)
        entry = records[self.sequence - 1]
        records[self.sequence - 1] = attrs.evolve(entry, body=entry.body + " ")
        return attrs.evolve(run, records=tuple(records))


@attrs.define
class Page:
    """The app under test as a browser sees it, below one mount."""

    scoria: Scoria
    store: Damaged
    clock: SettableClock
    mount: str = "/scoria"
    scope: Callable[[dict[str, Any]], Any] = attrs.field(default=lambda _: Scope(TENANT, "op-1"))

    def open(self, path: str, **request: Any) -> TestResponse:
        """Ask for a path below the mount, through a server that checks WSGI on both sides."""
        app = validator(evidence_app(self.scoria, scope=self.scope))
        if self.mount:
            app = DispatcherMiddleware(_elsewhere, {_as_wsgi(self.mount): app})
        return Client(app).open(self.mount + path, buffered=True, **request)

    def text(self, path: str) -> str:
        """Return the words of a page that must be there."""
        response = self.open(path)
        assert response.status_code == 200, response.text
        return words_of(response.text)

    def start(
        self,
        answer: HandlerAnswer = None,
        *,
        tenant: str = TENANT,
        session: str = "s-1",
        **more: Any,
    ) -> RunSummary:
        """Start a run whose one step of kind `work` answers so."""
        return self.scoria.start_run(
            self.scoria.identity(actor_id="actor-1", tenant_id=tenant, session_id=session),
            root_role_id="executor",
            initial_step=StepSpec(kind="work", role_id="executor", input={"order": 7}),
            handlers={"work": lambda _step, _run: answer},
            **more,
        )


def _elsewhere(_environ: object, start_response: Any) -> list[bytes]:
    start_response("418 Not This App", [("Content-Type", "text/plain")])
    return [b""]


def words_of(markup: str) -> str:
    """Return what a reader reads: no style, no tags, entities read, white space folded."""
    markup = re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL)
    markup = re.sub(r"</(dt|summary)>", " ", markup)
    return " ".join(unescape(re.sub(r"<[^>]*>", "", markup)).split())


def links_of(markup: str) -> list[str]:
    """Return where the links of a page lead."""
    return [unescape(link) for link in re.findall(r'href="([^"]*)"', markup)]


def path_of(run: RunSummary) -> str:
    """Return the path of a run below the mount."""
    return f"/workflows/{run.run_id}"


def refund(**more: Any) -> NeedsApproval:
    """Return a request for approval."""
    return NeedsApproval(
        tool_name="payments.refund",
        arguments={"amount": "48.90", "order": "A-10417"},
        reason="above the limit",
        **more,
    )


@pytest.fixture
def page() -> Page:
    """Return an app over an empty store, mounted under /scoria."""
    store, clock = Damaged(), SettableClock(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    return Page(Scoria(store, clock=clock), store, clock)


def decided(page: Page) -> RunSummary:
    """Return a run that was approved, resumed and completed."""
    run = page.start(refund(expires_in=timedelta(hours=1)))
    assert run.pending_approval is not None
    page.scoria.approve(
        run.run_id,
        approval_id=run.pending_approval.approval_id,
        decided_by="reviewer-7",
        note="slip seen",
    )
    return page.scoria.resume_run(run.run_id, handlers={"work": lambda *_: {"refund": "re_1"}})


@pytest.mark.parametrize("mount", ["", "/scoria", "/admin/tools/über uns/scoria"])
def test_every_route_answers_under_any_mount(page: Page, mount: str) -> None:
    """Each route is a valid WSGI answer, and every link of it leads to a page of the app."""
    page.mount = mount
    run = decided(page)
    for path in ("/", path_of(run), "/?list=all&session=s-1", "/search?q=s-1"):
        response = page.open(path)
        assert response.status_code == 200
        links = [link for link in links_of(response.text) if not link.startswith("#")]
        assert len(links) >= 3
        for link in links:
            assert re.fullmatch(r"[!-~]+", link)
            assert Client(_mounted(page)).get(link).status_code == 200, link


def _mounted(page: Page) -> Any:
    app = evidence_app(page.scoria, scope=page.scope)
    return DispatcherMiddleware(_elsewhere, {_as_wsgi(page.mount): app}) if page.mount else app


def _as_wsgi(path: str) -> str:
    return path.encode().decode("latin-1")


def test_the_mount_itself_is_the_list(page: Page) -> None:
    """An empty path below the mount is the list of what waits, without a redirect."""
    page.start()
    assert page.open("").status_code == 200
    assert page.open("").data == page.open("/").data


def test_a_hostile_script_name_stays_on_this_host(page: Page) -> None:
    """A mount that begins with two slashes does not turn the links into another host's."""
    response = Client(_mounted(attrs.evolve(page, mount=""))).get(
        "/", environ_overrides={"SCRIPT_NAME": "//elsewhere.example"}
    )
    assert response.status_code == 200
    assert not [link for link in links_of(response.text) if link.startswith("//")]


def test_the_list_shows_the_runs_of_the_tenant_newest_first(page: Page) -> None:
    """Each run has its status, session, actor, role and times, and other tenants' are left out."""
    first, second = page.start(session="s-1"), page.start(refund(), session="s-2")
    other = page.start(tenant=OTHER, session="s-3")
    markup = page.open("/?list=all").text
    assert markup.index(second.run_id) < markup.index(first.run_id)
    assert other.run_id not in markup
    text = words_of(markup)
    row = f"…{second.run_id[-8:]} ◔waiting_for_approval s-2 actor-1 executor"
    assert f"{row} less than 1 s ago 2026-03-01 09:30:00" in text
    assert "✓completed s-1" in text
    assert "s-3" not in text
    assert '<time datetime="2026-03-01T09:30:00.000+00:00">' in markup


def test_an_empty_list_says_what_fills_it(page: Page) -> None:
    """A tenant without runs or requests, a filter that nothing fits and the end each say so."""
    assert "Nothing waits for a person." in page.text("/")
    assert "No runs yet." in page.text("/?list=all")
    assert "Nothing in this list fits this filter." in page.text("/?list=all&session=nobody")
    assert "Nothing in this list fits these filters." in page.text("/?tool=t&session=nobody")
    assert "This is the end of the list." in page.text("/?list=all&start=0")


def test_what_waits_is_listed_with_what_is_asked_and_for_how_long(page: Page) -> None:
    """Each request has its tool, arguments, asker, times and assignees; others' are not there."""
    page.start(refund(assigned_to=["clerk-3", "clerk-4"], expires_in=7_200), session="s-1")
    page.start(refund(), tenant=OTHER, session="s-3")
    page.clock.time += timedelta(minutes=5)
    page.start([refund(), refund()], session="s-2")
    text = page.text("/")
    first = (
        'payments.refund {"amount": "48.90", "order": "A-10417"} actor-1 by executor '
        "5 min ago 2026-03-01 09:30:00 in 1 h 2026-03-01 11:30:00 clerk-3 clerk-4 s-1"
    )
    assert first in text
    assert text.count("payments.refund") == 3
    assert "less than 1 s ago 2026-03-01 09:35:00 never anybody s-2" in text
    assert "Waiting 3 Running 0" in text
    assert page.open("/").text.count("<title>Waiting (3) · ") == 1
    assert page.text("/?assignee=clerk-4").count("payments.refund") == 1
    assert page.text("/?tool=payments.refund&session=s-2").count("actor-1 by executor") == 2


def test_a_run_that_nobody_is_asked_about_is_to_be_resumed(page: Page) -> None:
    """It has left what waits for a person, and stays in the list of waiting runs."""
    run = page.start(refund())
    (asked,) = run.pending_approvals
    page.scoria.approve(run.run_id, approval_id=asked.approval_id, decided_by="reviewer-7")
    assert run.run_id not in page.open("/").text
    assert "waiting_for_approval to be resumed" in page.text("/?list=paused")


def test_a_list_of_runs_is_narrowed_by_each_field(page: Page) -> None:
    """By actor, role and day too; a field that was left empty does not narrow."""
    run = page.start()
    for query, is_there in {
        "list=all&started_by=actor-1&role=executor&since=2026-03-01&session=": True,
        "list=completed&since=2026-02-28": True,
        "list=failed": False,
        "list=all&started_by=actor-2": False,
        "list=all&role=planner": False,
        "list=all&since=2026-03-02": False,
    }.items():
        assert (run.run_id in page.open(f"/?{query}").text) == is_there, query


def test_a_search_takes_a_whole_id(page: Page) -> None:
    """Of a run, of a request that waits or of a session, and of this tenant; rubbish finds none."""
    run, others = page.start(refund(), session="s-1"), page.start(refund(), tenant=OTHER)
    (asked,), (anothers,) = run.pending_approvals, others.pending_approvals
    for known in (run.run_id, asked.approval_id, "s-1", f"  {run.run_id} "):
        assert run.run_id in links_of(page.open("/search", query_string={"q": known}).text)[-1]
    rubbish = ["", " ", "s-", run.run_id[:-1], "\0", "x" * 9_999, "\u202e", "%", "*"]
    for unknown in (*rubbish, others.run_id, anothers.approval_id):
        text = page.open("/search", query_string={"q": unknown}).text
        assert "Nothing found" in text
        assert "/workflows/" not in text
    assert page.open("/search").status_code == 200


def test_a_session_shows_its_turns_alone(page: Page) -> None:
    """What narrows the list is named and can be taken away again."""
    inside, outside = page.start(session="s-1"), page.start(session="s-2")
    markup = page.open("/?list=all&session=s-1").text
    assert "Session s-1 ✕" in words_of(markup)
    assert inside.run_id in markup
    assert outside.run_id not in markup
    assert "/scoria/?list=all" in links_of(markup)


def test_older_runs_are_pages_away(page: Page) -> None:
    """Following the link to older runs reaches each run exactly once."""
    started = [page.start(session="s-1").run_id for _ in range(120)]
    seen: list[str] = []
    path: str | None = "/?list=all&session=s-1"
    while path is not None:
        markup = page.open(path).text
        seen += re.findall(r'href="/scoria/workflows/([^"]+)"', markup)
        older = re.search(r'href="/scoria(/[^"]*&amp;start=[^"]*)">Older runs', markup)
        path = unescape(older[1]) if older else None
    assert seen == started[::-1]


def test_a_full_last_page_offers_no_older_runs(page: Page) -> None:
    """Exactly one page of runs is one page."""
    for _ in range(50):
        page.start()
    assert "Older runs" not in page.text("/?list=all")
    page.start()
    assert "Older runs" in page.text("/?list=all")


@pytest.mark.parametrize(
    "session_id",
    ["a/b?c=d#e&f", "x y+z%20", "Zoë 会話 🙂", "../..//", '"><b>', "\u202eabc", "&amp;", "."],
)
def test_any_session_id_survives_its_link(page: Page, session_id: str) -> None:
    """The link of a session leads back to exactly that session, whatever its characters."""
    run = page.start(session=session_id)
    page.start(session="another")
    for path in ("/?list=all", path_of(run)):
        links = [x for x in links_of(page.open(path).text) if "session=" in x]
        [link] = {x for x in links if parse_qs(urlsplit(x).query)["session"] == [session_id]}
        turns = Client(_mounted(page)).get(link).text
        assert re.findall(r"/workflows/([^\"]+)\"", turns) == [run.run_id]


def test_a_decided_run_shows_who_decided_what_and_when(page: Page) -> None:
    """The approval has its tool, arguments, digest, reason, asker, decider and note."""
    run = decided(page)
    approval = page.scoria.get_run_detail(run.run_id).approvals[0]
    text = page.text(path_of(run))
    for shown in (
        f"Run id {run.run_id}",
        "Tenant tenant-a Actor actor-1 Session s-1 Root role executor",
        "payments.refund asked by executor, step 1 ✓approved",
        "Decided by reviewer-7 Decided 2026-03-01 09:30:00.000",
        "Reason above the limit Note slip seen",
        '"order": "A-10417"',
        approval.arguments_digest,
        approval.approval_id,
        'Result { "refund": "re_1" }',
        'Input { "order": 7 }',
        f"Version {run.version}",
    ):
        assert shown in text
    assert "Waiting for approval" not in text


def test_a_waiting_run_says_what_it_waits_for(page: Page) -> None:
    """The banner has the exact arguments, the digest, the reason, the asker and the times."""
    run = page.start(refund(expires_in=timedelta(hours=1)))
    assert run.pending_approval is not None
    text = page.text(path_of(run))
    banner = text[text.index("Waiting for approval") : text.index("Run id")]
    for shown in (
        "The decision is made in the application",
        "Tool payments.refund Asked by executor, step 1",
        "Requested 2026-03-01 09:30:00.000 Expires 2026-03-01 10:30:00.000",
        "Reason above the limit",
        'Arguments { "amount": "48.90", "order": "A-10417" }',
        run.pending_approval.arguments_digest,
    ):
        assert shown in banner


def test_an_approval_that_nobody_used_in_time_says_who_approved(page: Page) -> None:
    """It authorises nothing any more, and the decision stays on the page."""
    run = page.start(refund(expires_in=timedelta(hours=1)))
    assert run.pending_approval is not None
    page.scoria.approve(
        run.run_id, approval_id=run.pending_approval.approval_id, decided_by="reviewer-7"
    )
    page.clock.time += timedelta(hours=1)
    text = page.text(path_of(run))
    assert "The approval has expired" in text
    assert "reviewer-7 approved it, and it was not used in time: it authorises nothing." in text


def test_an_expired_approval_is_shown_expired(page: Page) -> None:
    """Past its time a request is expired, before the journal says so."""
    run = page.start(refund(expires_in=timedelta(hours=1)))
    page.clock.time += timedelta(hours=1)
    text = page.text(path_of(run))
    assert "The approval has expired" in text
    assert "asked by executor, step 1 ⊗expired" in text
    assert "Waiting for approval" not in text
    assert "approval expired" not in text


def test_an_approval_not_yet_used_is_shown(page: Page) -> None:
    """Between the decision and the resume, the page says that the run can go on."""
    run = page.start(refund())
    assert run.pending_approval is not None
    approval_id = run.pending_approval.approval_id
    page.scoria.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
    assert "Approved, not yet resumed" in page.text(path_of(run))


def test_a_no_that_lets_the_step_go_on_is_no_success(page: Page) -> None:
    """What is at the top has the tone and the symbol of what was decided."""
    run = page.start(refund(on_reject="resume"))
    assert run.pending_approval is not None
    approval_id = run.pending_approval.approval_id
    page.scoria.reject(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
    markup = page.open(path_of(run)).text
    assert '<section class="notice bad">' in markup
    assert "✕ Rejected, not yet resumed" in words_of(markup)


def test_what_several_were_told_is_told_as_one(page: Page) -> None:
    """A yes and a no together are neither good nor bad."""
    run = page.start([refund(on_reject="resume"), refund(on_reject="resume")])
    calls = (page.scoria.approve, page.scoria.reject)
    for decide, asked in zip(calls, run.pending_approvals, strict=True):
        decide(run.run_id, approval_id=asked.approval_id, decided_by="reviewer-7")
    markup = page.open(path_of(run)).text
    assert '<section class="notice idle">' in markup
    assert "Decided, not yet resumed" in words_of(markup)


def test_what_was_kept_is_shown_where_its_link_leads(page: Page) -> None:
    """Also what an earlier asking kept; the pages of the journal go on showing it."""

    def asks(step: Step, _: RunSummary) -> HandlerAnswer:
        secret = None if step.approvals else {"text": "kept and long"}
        return refund(keep=secret, on_reject="resume")

    identity = page.scoria.identity(actor_id="a", tenant_id=TENANT, session_id="s")
    run = page.scoria.start_run(
        identity, root_role_id="r", initial_step=StepSpec("work", "r"), handlers={"work": asks}
    )
    assert run.pending_approval is not None
    approval_id = run.pending_approval.approval_id
    page.scoria.reject(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
    page.scoria.resume_run(run.run_id, handlers={"work": asks})
    markup = page.open(path_of(run)).text
    assert "kept and long" not in markup
    (link,) = [each for each in links_of(markup) if "kept=shown" in each]
    assert "kept and long" in page.open(link.removeprefix("/scoria").partition("#")[0]).text
    for _ in range(210):
        page.scoria.add_step(run.run_id, StepSpec("note", "r"))
    shown = page.open(f"{path_of(run)}?kept=shown").text
    assert any("kept=shown" in each and "entries_after=100" in each for each in links_of(shown))


def test_a_failed_run_says_why(page: Page) -> None:
    """The error of the step is at the top, and with its details in the step."""
    run = page.start(Failed("not in the ledger", {"looked_in": "archive"}))
    text = page.text(path_of(run))
    assert "Failed at step 1 Failed: not in the ledger" in text
    assert 'Error Failed: not in the ledger { "looked_in": "archive" }' in text


def test_a_cancelled_run_says_why(page: Page) -> None:
    """The reason of a cancel, the note of a reject, or that there was none."""
    cancelled, rejected, silent = (page.start(refund()) for _ in range(3))
    page.scoria.cancel_run(cancelled.run_id, reason="withdrawn by the customer")
    assert rejected.pending_approval is not None
    approval_id = rejected.pending_approval.approval_id
    page.scoria.reject(
        rejected.run_id, approval_id=approval_id, decided_by="reviewer-2", note="paid by voucher"
    )
    page.scoria.cancel_run(silent.run_id)
    assert "Cancelled withdrawn by the customer" in page.text(path_of(cancelled))
    assert "↩withdrawn" in page.text(path_of(cancelled))
    assert "Rejected by reviewer-2 paid by voucher" in page.text(path_of(rejected))
    assert "Decided by reviewer-2" in page.text(path_of(rejected))
    assert "Cancelled No reason was given." in page.text(path_of(silent))


def test_what_nobody_is_at_work_on_is_said_with_what_to_do(page: Page) -> None:
    """A step that is due and not taken, and one whose worker may have died."""
    page.scoria = Scoria(page.store, clock=page.clock, dispatch="queue", lease=60)
    run = page.start()
    page.clock.time += timedelta(minutes=5)
    text = page.text(path_of(run))
    assert "Nobody has taken step 1" in text
    assert "It is due since 2026-03-01 09:30:00.000, 5 min ago." in text
    assert "A worker with a handler for its kind takes it" in text

    def dies(*_: object) -> None:
        at_work = page.text(path_of(run))
        assert "Nobody has taken" not in at_work
        assert "may have died" not in at_work
        page.clock.time += timedelta(minutes=2)
        late = page.text(path_of(run))
        assert "Whoever was at work on step 1 may have died" in late
        assert "Its lease ended at 2026-03-01 09:36:00.000, 1 min ago. Any worker takes it" in late

    page.scoria.run_pending(run.run_id, handlers={"work": dies})
    assert "may have died" not in page.text(path_of(run))


def handed_off(page: Page, text: str = "", **more: Any) -> RunSummary:
    """Return a run in which planner handed work to critic, with `text` in every field."""
    return page.scoria.start_handoff_run(
        page.scoria.identity(actor_id="actor-1", tenant_id=TENANT, session_id="s-1"),
        f"critic{text}",
        root_role_id=f"planner{text}",
        delegated_kind=f"review{text}",
        handoff_input={f"brief{text}": text},
        projected_context={f"draft{text}": text},
        capability_tags=(f"read-only{text}", "policy"),
        **more,
    )


def test_a_handoff_is_delegated_evidence(page: Page) -> None:
    """Roles, kind, statuses, input, context, tags and both steps are under that very heading."""
    run = handed_off(page, handlers={"review": lambda *_: {"verdict": "ok"}})
    handoff = page.scoria.get_run_detail(run.run_id).delegated_handoffs[0]
    markup = page.open(path_of(run)).text
    assert re.search(r"<h2[^>]*>Delegated Evidence</h2>", markup)
    text = words_of(markup)
    section = text[text.index("Delegated Evidence") :]
    for shown in (
        "planner → critic for review ✓completed",
        "Parent step step 1 Child step step 2 Child status ✓completed",
        "Capability tags read-only policy",
        'Input { "brief": "" } Projected context { "draft": "" }',
        f"Parent step id {handoff.parent_step_id} Child step id {handoff.child_step_id}",
        f"Handoff id {handoff.handoff_id}",
    ):
        assert shown in section
    assert "Parent step step 1 Input" in text


def test_a_queued_handoff_is_pending(page: Page) -> None:
    """The handoff and its child each have their own status."""
    text = page.text(path_of(handed_off(page)))
    assert "for review ◔pending" in text
    assert "Child status ○queued" in text


def test_a_bare_run_has_every_section(page: Page) -> None:
    """Sections without content say so in words."""
    identity = page.scoria.identity(actor_id="a", tenant_id=TENANT, session_id="s")
    text = page.text(path_of(page.scoria.start_run(identity, root_role_id="executor")))
    for shown in (
        "Steps None. The application has queued no step.",
        "Approvals None. No step asked for approval.",
        "Delegated Evidence None. No work was handed to another role.",
        "The hash chain of the one entry checked out",
    ):
        assert shown in text


def test_the_journal_shows_what_happened_by_whom(page: Page) -> None:
    """Each entry has its number, time, event, subject, change, actor and digest."""
    run = decided(page)
    journal = page.scoria.get_run_detail(run.run_id).journal
    text = page.text(path_of(run))
    section = text[text.index("Journal", text.index("Delegated Evidence")) :]
    assert f"all {len(journal)} entries checked out" in section
    assert f"Head digest {journal[-1].digest}" in section
    approved = next(entry for entry in journal if entry.type == "approval_approved")
    assert (
        f"{approved.sequence} 2026-03-01 09:30:00.000 approval_approved approval 1 "
        f"…{approved.subject_id[-8:]} pending → ✓approved reviewer-7 {approved.digest[:12]}"
    ) in section
    first = f"1 2026-03-01 09:30:00.000 run_started run …{run.run_id[-8:]} new → ▶running actor-1"
    assert first in section
    assert f"host {journal[-1].digest[:12]}" in section
    assert '"note": "slip seen"' in section


def long_run(page: Page) -> RunSummary:
    """Return a run of more than 400 entries."""
    identity = page.scoria.identity(actor_id="a", tenant_id=TENANT, session_id="s")
    run = page.scoria.start_run(identity, root_role_id="executor")
    for _ in range(140):
        page.scoria.add_step(run.run_id, StepSpec(kind="note", role_id="executor"))
    page.scoria.run_pending(run.run_id, handlers={"note": lambda *_: None})
    return page.scoria.complete_run(run.run_id)


def test_a_long_journal_is_paged(page: Page) -> None:
    """Following the links shows each entry once, and the way back leads to the first page."""
    run = long_run(page)
    assert run.version == 422
    seen, path = [], path_of(run)
    for label in (*["Later entries"] * 4, None):
        markup = page.open(path).text
        seen += [int(each) for each in re.findall(r'id="entry-(\d+)"', markup)]
        if label:
            path = unescape(re.search(rf'href="/scoria([^"#]*)#journal">{label}', markup)[1])  # type: ignore[index]
    assert seen == list(range(1, 423))
    assert "Entries 401 to 422 of 422" in words_of(markup)
    assert "Later entries" not in markup
    assert f'href="/scoria{path_of(run)}?entries_after=300#journal">Earlier' in markup
    first = page.open(path_of(run)).text
    newest = re.search(r'href="/scoria([^"]*)#journal">Newest entries', first)
    assert newest
    assert f'id="entry-{run.version}"' in page.open(unescape(newest[1])).text
    second = page.open(path_of(run) + "?entries_after=100").text
    assert f'href="/scoria{path_of(run)}#journal">Earlier' in second


@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "٣", "9" * 5000, "1e3", "5"])
def test_no_such_place_in_the_journal_is_a_bad_request(page: Page, value: str) -> None:
    """A place that is no number, or lies after the last entry, is 400 in generic words."""
    run = page.start()
    page.scoria.get_run(run.run_id)
    assert run.version == 5 or value != "5"
    path = f"{path_of(run)}?entries_after={value}"
    response = page.open(path)
    if value == "5":
        assert response.status_code == 200
        assert "None after entry 5." in words_of(response.text)
        response = page.open(f"{path_of(run)}?entries_after=6")
    assert response.status_code == 400
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    "query",
    [
        *("session=%00", "start=%20", "start=%0a", "start=x", f"session={'x' * 256}", "list=nope"),
        *("list=all&since=yesterday", "list=all&since=2026-13-01", "list=all&since=20260101"),
        "list=all&since=0001-01-01T00:00",
    ],
)
def test_no_such_filter_is_a_bad_request(page: Page, query: str) -> None:
    """A list that there is not, a filter that can be no id and a day that is none are 400."""
    assert page.open(f"/?{query}").status_code == 400


def test_what_is_not_there_looks_the_same_as_what_is_anothers(page: Page) -> None:
    """Unknown runs, other tenants' runs, sessions and paths are one 404, byte for byte."""
    mine, others = page.start(), page.start(tenant=OTHER)
    asked = [
        path_of(others),
        f"{path_of(others)}?entries_after=1",
        NOTHING_THERE,
        "/workflows/s-1",
        "/workflows/%00",
        "/workflows/%ff%fe",
        f"/workflows/{'x' * 5000}",
        "/workflows/",
        f"{path_of(mine)}/",
        f"/workflows//{mine.run_id}",
        "/no/such/page",
        f"/{SCRIPT}",
    ]
    answers = [page.open(path) for path in asked]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.data for answer in answers}) == 1
    assert len({tuple(answer.headers) for answer in answers}) == 1
    page.scope = lambda _: Scope(OTHER, "op-2")
    assert page.open(path_of(others)).status_code == 200
    assert page.open(path_of(mine)).data == answers[0].data


@pytest.mark.parametrize("path", ["/", "RUN", "/nope", "/?entries_after=x"])
def test_without_a_scope_nothing_is_shown(page: Page, path: str) -> None:
    """No query, header, cookie or path lets anyone in where the host's scope does not."""
    path = path_of(page.start()) if path == "RUN" else path
    page.scope = lambda _: None
    plain = page.open(path)
    assert plain.status_code == 403
    claims = f"tenant_id={TENANT}&tenant={TENANT}&actor_id=op-1"
    claimed = page.open(
        f"{path}{'&' if '?' in path else '?'}{claims}",
        headers={
            "X-Tenant": TENANT,
            "X-Tenant-Id": TENANT,
            "X-Actor-Id": "op-1",
            "Authorization": "Bearer x",
            "Cookie": f"tenant_id={TENANT}",
        },
    )
    assert (claimed.status_code, claimed.data) == (403, plain.data)
    assert TENANT not in plain.text


def test_a_request_does_not_choose_the_tenant(page: Page) -> None:
    """With a scope of one tenant, naming another in the request changes nothing."""
    others = page.start(tenant=OTHER)
    asked = {"query_string": {"tenant_id": OTHER}, "headers": {"X-Tenant-Id": OTHER}}
    assert page.open(path_of(others), **asked).status_code == 404
    listed = page.open("/", **asked)
    assert listed.status_code == 200
    assert others.run_id not in listed.text


def _raises(_environ: object) -> Scope:
    raise PermissionError("the secret of the session store")


@attrs.frozen
class _Lookalike:
    tenant_id: str = TENANT
    actor_id: str = "op-1"


@pytest.mark.parametrize(
    "scope",
    [
        _raises,
        lambda _: _Lookalike(),
        lambda _: {"tenant_id": TENANT, "actor_id": "op-1"},
        lambda _: TENANT,
        lambda _: True,
        lambda _: Scope(" ", "op-1"),
    ],
)
def test_a_broken_scope_grants_nothing(
    page: Page, scope: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A scope that raises or returns anything else is 500 in generic words, and logged."""
    run, page.scope = page.start(), scope
    with caplog.at_level(logging.ERROR, "scoria.web"):
        for path in ("/", path_of(run), "/nope"):
            response = page.open(path)
            assert response.status_code == 500
            assert run.run_id not in response.text
            assert "secret" not in response.text
    assert [record.name for record in caplog.records] == ["scoria.web"] * 3


@pytest.mark.parametrize(
    ("tenant_id", "actor_id"), [("", "a"), ("t", " "), (None, "a"), ("t", 1.5)]
)
def test_a_scope_has_two_ids(tenant_id: Any, actor_id: Any) -> None:
    """A scope without a usable tenant and actor cannot be made."""
    with pytest.raises(InvalidIdentity):
        Scope(tenant_id, actor_id)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["", "/", "RUN", NOTHING_THERE, "/nope", "/?before="])
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
def test_nothing_but_reading_is_allowed(page: Page, method: str, path: str) -> None:
    """Any other method is 405 on any path, before the host's scope is even asked."""
    run = page.start()
    page.scope = _raises
    response = page.open(path_of(run) if path == "RUN" else path, method=method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert page.scoria.get_run(run.run_id) == run


@pytest.mark.parametrize("path", ["/", "RUN", "/nope"])
def test_head_is_get_without_its_body(page: Page, path: str) -> None:
    """HEAD has the status and the headers of GET, and no body."""
    path = path_of(page.start()) if path == "RUN" else path
    read, head = page.open(path), page.open(path, method="HEAD")
    assert head.data == b""
    assert read.data
    assert (head.status_code, list(head.headers)) == (read.status_code, list(read.headers))


def answers_of_every_kind(page: Page) -> dict[int, TestResponse]:
    """Return an answer of each status that the app can give."""
    run = decided(page)
    answers = [
        page.open(path_of(run)),
        page.open("/?list="),
        page.open("/nope"),
        page.open("/", method="POST"),
    ]
    page.scope = lambda _: None
    answers.append(page.open("/"))
    page.scope = _raises
    answers.append(page.open("/"))
    page.scope = lambda _: Scope(TENANT, "op-1")
    page.scoria.close()
    answers.append(page.open("/"))
    return {answer.status_code: answer for answer in answers}


def test_every_answer_locks_the_browser_down(page: Page) -> None:
    """The policy allows one style and one script, and its hashes are of the very texts sent."""
    script = files("scoria_web").joinpath("follow.js").read_text("utf-8")
    answers = answers_of_every_kind(page)
    assert sorted(answers) == [200, 400, 403, 404, 405, 500, 503]
    for answer in answers.values():
        [style] = re.findall(r"<style>(.*?)</style>", answer.text, flags=re.DOTALL)
        digest = _digest_of(style)
        assert answer.headers["Content-Security-Policy"] == (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            f"script-src 'sha256-{_digest_of(script)}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        scripts = re.findall(r"<script>(.*?)</script>", answer.text, flags=re.DOTALL)
        assert scripts in ([], [script])
        assert not re.search(r"<script[^>]|\sstyle=|\son\w+=|<img|<link|http:", answer.text)


def _digest_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_a_page_that_has_not_changed_is_not_sent_again(page: Page) -> None:
    """Only time has passed; a change is sent, and so is the page of somebody else."""
    run = page.start(refund())
    for path in ("/", "/?list=all", path_of(run)):
        first = page.open(path)
        known = {"If-None-Match": first.headers["ETag"]}
        assert f"data-etag={first.headers['ETag']}" in first.text
        page.clock.time += timedelta(minutes=5)
        again = page.open(path, headers=known)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
        page.scope = lambda _: Scope(OTHER, "op-2")
        assert page.open(path, headers=known).status_code == (404 if "workflows" in path else 200)
        page.scope = lambda _: Scope(TENANT, "op-1")
    page.scoria.cancel_run(run.run_id)
    assert page.open(path_of(run), headers=known).status_code == 200


def test_a_store_that_does_not_answer_is_503(page: Page) -> None:
    """A closed store is unavailable for now, and says nothing about itself."""
    run = page.start()
    page.scoria.close()
    for path in ("/", path_of(run)):
        response = page.open(path)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert "memory://" not in response.text


@pytest.mark.parametrize("sequence", [1, 2])
def test_a_damaged_journal_is_named_to_its_tenant_alone(page: Page, sequence: int) -> None:
    """The owner reads which entry does not check out and what to do; anyone else gets a 404."""
    run = page.start()
    unknown = page.open(NOTHING_THERE, environ_overrides={})
    page.store.run_id, page.store.sequence = run.run_id, sequence
    response = page.open(path_of(run))
    assert response.status_code == 500
    text = words_of(response.text)
    assert "The journal of this run does not check out" in text
    assert f"From entry {sequence} on" in text
    assert f"scoria evidence verify {run.run_id}" in text
    assert "work" not in text.replace("workflows", "")
    page.scope = lambda _: Scope(OTHER, "op-2")
    anothers = page.open(path_of(run))
    assert (anothers.status_code, anothers.data) == (404, unknown.data)


def test_what_comes_before_the_damage_is_shown(page: Page) -> None:
    """The page is as of the last whole change before it; its journal has each sound entry."""
    run = page.start(refund())
    assert run.pending_approval is not None
    approval_id = run.pending_approval.approval_id
    before = page.scoria.get_run(run.run_id).version
    page.scoria.approve(run.run_id, approval_id=approval_id, decided_by="rev-9", note="of later")
    page.scoria.resume_run(run.run_id)
    page.store.run_id, page.store.sequence = run.run_id, before + 2
    response = page.open(path_of(run))
    assert response.status_code == 500
    text = words_of(response.text)
    assert f"From entry {before + 2} on" in text
    assert f"scoria evidence verify {run.run_id}" in text
    assert "payments.refund" in text
    assert "rev-9" in text  # the approval is a change of its own, and whole
    assert f"checked out up to entry {before + 1}" in text
    assert [int(each) for each in re.findall(r'id="entry-(\d+)"', response.text)] == list(
        range(1, before + 2)
    )
    entry = page.open(f"{path_of(run)}?entry=1")
    assert entry.status_code == 500  # an entry before the damage is whole, and its run is not
    assert f"From entry {before + 2} on" in words_of(entry.text)
    page.scope = lambda _: Scope(OTHER, "op-2")
    assert page.open(path_of(run)).status_code == 404


def test_a_damaged_run_does_not_hide_the_others(page: Page) -> None:
    """The list names the damaged run and its entry, and shows the other runs."""
    older, damaged, newer = (page.start(session="s-1") for _ in range(3))
    page.store.run_id = damaged.run_id
    for path in ("/?list=all", "/?list=completed&session=s-1"):
        markup = page.open(path).text
        assert f"From entry 3 of run {damaged.run_id} on" in words_of(markup)
        assert markup.index(newer.run_id) < markup.rindex(older.run_id)
        assert words_of(markup).count("✓completed") == 2
    page.store.run_id = newer.run_id
    assert f"From entry 3 of run {newer.run_id} on" in page.text("/?list=all")
    page.scope = lambda _: Scope(OTHER, "op-2")
    assert "No runs yet." in page.text("/?list=all")


@pytest.mark.parametrize("sequence", [0, 4])
def test_damage_that_is_no_run_of_the_list_is_a_fault(
    page: Page, monkeypatch: pytest.MonkeyPatch, sequence: int
) -> None:
    """A store that is damaged as a whole, or keeps naming one run, is 500 and shows no rows."""

    def damaged(*_args: object, **_filter: object) -> Sequence[str]:
        raise StoreCorrupt("/var/lib/scoria.file", sequence, "was cut short")

    page.start()
    monkeypatch.setattr(page.store, "list_runs", damaged)
    monkeypatch.setattr(page.store, "read", damaged)
    listed = page.open("/?list=all")
    assert listed.status_code == 500
    asked = page.open(NOTHING_THERE)
    assert asked.status_code == 500
    if sequence == 0:
        assert "The store does not check out" in words_of(listed.text)
        assert "scoria.file" not in listed.text + asked.text


def test_paging_passes_a_damaged_run(page: Page) -> None:
    """A damaged run counts as a row, so that no run is skipped or shown twice."""
    started = [page.start().run_id for _ in range(60)]
    page.store.run_id = started[30]
    first = page.open("/?list=all").text
    older = re.search(r'href="/scoria(/[^"]*)">Older runs', first)
    assert older
    second = page.open(unescape(older[1])).text
    seen = re.findall(r'href="/scoria/workflows/([^"]+)"', first + second)
    assert sorted(seen) == started
    assert len(re.findall(r'<th scope="row">', first)) == 49


def test_any_other_fault_is_generic(
    page: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that nobody foresaw is logged, and its words stay in the log."""
    run = page.start()

    def broken(*_: object, **__: object) -> Sequence[StoredRun]:
        raise RuntimeError("password=hunter2")

    for method in ("read", "list_runs"):
        monkeypatch.setattr(page.store, method, broken)
    for path in ("/?list=all", path_of(run)):
        response = page.open(path)
        assert response.status_code == 500
        assert "hunter2" not in response.text
        assert "Traceback" not in response.text
    assert "hunter2" in caplog.text


def test_a_facade_of_another_tenant_is_a_fault(page: Page) -> None:
    """An app over the view of one tenant shows nothing to the scope of another."""
    run = page.start(tenant=OTHER)
    page.scoria = page.scoria.for_tenant(OTHER)
    assert page.open(path_of(run)).status_code == 500
    assert page.open("/").status_code == 500
    page.scope = lambda _: Scope(OTHER, "op-2")
    assert page.open(path_of(run)).status_code == 200


def hostile_runs(page: Page, marked: Callable[[str], str]) -> list[RunSummary]:
    """Return runs with `marked(field)` in every field that a host or a handler writes."""
    identity = page.scoria.identity(
        actor_id=marked("actor"),
        tenant_id=TENANT,
        session_id=marked("session"),
        metadata={marked("identity-key"): marked("identity-value")},
    )

    def start(answer: HandlerAnswer) -> RunSummary:
        kind = marked("kind")
        return page.scoria.start_run(
            identity,
            root_role_id=marked("root-role"),
            initial_step=StepSpec(
                kind=kind, role_id=marked("role"), input={marked("input-key"): marked("input")}
            ),
            metadata={marked("run-key"): marked("run-value")},
            handlers={kind: lambda *_: answer},
        )

    needs = NeedsApproval(
        tool_name=marked("tool"),
        arguments={marked("argument-key"): marked("argument")},
        reason=marked("reason"),
    )
    handoff = HandOff(
        delegated_role_id=marked("delegated-role"),
        delegated_kind=marked("delegated-kind"),
        handoff_input={marked("handoff-key"): marked("handoff-value")},
        projected_context={marked("context-key"): marked("context-value")},
        capability_tags=(marked("tag"),),
    )
    error = Failed(marked("error"), {marked("details-key"): marked("details")})
    runs = [start(needs), start(needs), start(needs), start(handoff), start(error)]
    runs.append(start(Completed({marked("result-key"): marked("result")})))
    _decide_hostile(page, runs, marked)
    return runs


def _decide_hostile(page: Page, runs: list[RunSummary], marked: Callable[[str], str]) -> None:
    for run, decide in zip(runs[:2], (page.scoria.approve, page.scoria.reject), strict=False):
        assert run.pending_approval is not None
        decide(
            run.run_id,
            approval_id=run.pending_approval.approval_id,
            decided_by=marked("decider"),
            note=marked("note"),
        )
    page.scoria.cancel_run(
        runs[3].run_id, reason=marked("cancel-reason"), actor_id=marked("canceller")
    )


def test_what_hosts_and_models_write_is_text(page: Page) -> None:
    """A script in every field comes out as words, and each field comes out."""
    fields: set[str] = set()

    def marked(field: str) -> str:
        fields.add(field)
        return f"{field}{SCRIPT}"

    runs = hostile_runs(page, marked)
    page.scope = lambda _: Scope(TENANT, f"viewer{SCRIPT}")
    paths = ["/", f"/?session=session{SCRIPT}", *(path_of(run) for run in runs)]
    markup = "".join(page.open(path).text for path in paths)
    assert markup.lower().count("<script") == markup.count("<script>// Follows")
    assert len(fields) == 31
    for field in {*fields, "viewer"}:
        assert f"{escape(field + SCRIPT, quote=False)}" in markup.replace("&#39;", "'"), field


@pytest.mark.parametrize(
    ("character", "seen"),
    [
        ("\u202e", r"\u202e"),
        ("\u2066", r"\u2066"),
        ("\u200b", r"\u200b"),
        ("\ufeff", r"\ufeff"),
        ("\xa0", r"\u00a0"),
        ("\u3000", r"\u3000"),
        ("\ufdd0", r"\ufdd0"),
        ("\U000e0041", r"\udb40\udc41"),
    ],
)
def test_unseen_characters_are_seen(page: Page, character: str, seen: str) -> None:
    """A character that hides, or turns its neighbours round, stands as its escape everywhere."""
    runs = hostile_runs(page, lambda field: f"{field}{SCRIPT}{character}x")
    for path in ("/", *(path_of(run) for run in runs)):
        markup = page.open(path).text
        assert character not in markup
        assert markup.count("<script") == markup.count("<script>// Follows")
        assert f'<span class="unseen">{seen}</span>x' in markup


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\x7f", "\x85", "\u2028"])
def test_control_characters_of_free_text_are_seen(page: Page, character: str) -> None:
    """A reason with control characters reads as what it is."""
    run = page.start(Failed(f"a{character}b", {"k": f"a{character}b"}))
    markup = page.open(path_of(run)).text
    assert character not in markup
    assert f'a<span class="unseen">\\u{ord(character):04x}</span>b' in markup


def test_exact_arguments_can_be_copied_back(page: Page) -> None:
    """What stands in the page as arguments is JSON, equal to what is to be approved."""
    arguments = {"é\u202e": ["</pre>", {"n": 10**30, "t": True, "z": None}], "tag": "\U000e0041\n"}
    run = page.start(NeedsApproval(tool_name="t", arguments=arguments, reason="r"))
    blocks = re.findall(r"<pre[^>]*>(.*?)</pre>", page.open(path_of(run)).text, flags=re.DOTALL)
    read = [json.loads(unescape(re.sub(r"<[^>]*>", "", block))) for block in blocks]
    assert read.count(arguments) == 2


def test_long_content_waits_behind_a_click(page: Page) -> None:
    """Long JSON is folded away and whole; short JSON is open."""
    run = page.start(Completed({f"key-{i}": i for i in range(40)}))
    markup = page.open(path_of(run)).text
    folded = re.search(r"<details><summary>Show the result.*?</details>", markup, re.DOTALL)
    assert folded
    assert "&#34;key-39&#34;: 39" in folded[0]
    assert "Show the input" not in markup


def test_deep_content_does_not_blow_up(page: Page) -> None:
    """Indenting a deep payload would be a thousand times its size, so it is left flat."""
    deep: Any = list(range(20_000))
    for _ in range(190):
        deep = [deep]
    run = page.start(Completed({"deep": deep}))
    response = page.open(path_of(run))
    assert response.status_code == 200
    assert len(response.data) < 1_500_000


def pages_of_every_kind(page: Page) -> dict[str, str]:
    """Return pages that between them show all that the templates can."""
    page.clock.time = page.clock.time.replace(microsecond=123_456)
    runs = [
        *hostile_runs(page, lambda field: f"{field}{SCRIPT}\u202e\"'&<>`"),
        *(decided(page), handed_off(page), long_run(page), page.start(Failed("no stock"))),
        page.start(refund(expires_in=60)),
        page.start(Completed({f"key-{i}": i for i in range(40)})),
        page.scoria.start_run(
            page.scoria.identity(actor_id="a", tenant_id=TENANT, session_id="s"),
            root_role_id="executor",
        ),
    ]
    page.clock.time += timedelta(hours=1)
    paths = ["/", "/?list=all&session=s-1", "/search?q=s-1", "/search?q=%1b", *map(path_of, runs)]
    paths += re.findall(r'href="/scoria(/[^"]*)"', "".join(page.open(path).text for path in paths))
    shown = {path: page.open(unescape(path)).text for path in dict.fromkeys(paths)}
    page.store.run_id = runs[0].run_id
    shown["a damaged run"] = page.open(path_of(runs[0])).text
    shown["a list with a damaged run"] = page.open("/?list=all").text
    page.store.run_id = ""
    problems = answers_of_every_kind(page)
    return shown | {str(status): answer.text for status, answer in problems.items()}


def test_every_page_is_valid_html(page: Page, tmp_path: Path) -> None:
    """The checker of the W3C finds no fault in any page, whatever hosts and models wrote."""
    pages = pages_of_every_kind(page)
    assert len(pages) > 25
    assert faults(pages, tmp_path) == []


def test_a_time_for_machines_has_the_digits_that_html_allows(page: Page) -> None:
    """A `datetime` has at most three digits of a second, or no machine reads it."""
    page.clock.time = page.clock.time.replace(microsecond=123_456)
    run = decided(page)
    shown = page.open("/?list=all").text + page.open(path_of(run)).text
    times = set(re.findall(r'datetime="([^"]*)"', shown))
    assert "2026-03-01T09:30:00.123+00:00" in times
    assert [each for each in times if not re.fullmatch(r"[^.]+\.\d{3}\+00:00", each)] == []


def test_times_are_those_of_the_reader(page: Page) -> None:
    """In the zone that the host says, with its offset; what a machine reads stays in UTC."""
    page.scope = lambda _: Scope(TENANT, "op-1", time_zone="Asia/Kolkata")
    run = decided(page)
    for path in ("/?list=all", path_of(run), f"{path_of(run)}?entry=1"):
        markup = page.open(path).text
        assert "2026-03-01 15:00:00" in markup, path
        assert "+05:30</time>" in markup, path
        assert 'datetime="2026-03-01T09:30:00.000+00:00"' in markup, path
        assert "All times are Asia/Kolkata." in words_of(markup), path
    assert "Started since (UTC)" in page.text("/?list=all")


@pytest.mark.parametrize("name", ["Nowhere/Else", "../../etc/passwd", "Europe", "", "\0", 7, None])
def test_a_time_zone_that_is_none_is_refused(name: Any) -> None:
    """The error says what to pass instead."""
    with pytest.raises(InvalidIdentity, match=r"time_zone is no time zone .*Europe/Berlin"):
        Scope(TENANT, "op-1", time_zone=name)
