"""The app in which people decide: what each form does, and what no form does."""

import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest
from werkzeug.exceptions import Forbidden
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from scoria_conformance.forms import forms_of
from scoria_core import Approval, NeedsApproval, RunSummary, Scoria, StepSpec
from scoria_core.errors import InvalidIdentity, InvalidPayload
from scoria_core.lifecycles import ApprovalStatus, RunStatus
from scoria_core.payloads import MAX_BYTES
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_web import Scope, decision_app, evidence_app
from scoria_web.decisions import GOOD_FOR, MOST_SENT
from tests.support.valid_html import faults

TENANT, OTHER = "acme", "globex"
SECRET = "sixteen or more of them"  # noqa: S105 - of no host
NO_TOKEN = "-"  # noqa: S105 - it is none
AMOUNT = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "maximum": 2_000}, "why": {"type": "string"}},
    "required": ["amount"],
}
EACH = {
    "properties": {
        "line <b>": {"type": "string", "format": "email", "title": "Line & more"},
        "text": {"type": "string", "description": "Why?"},
        "lines": {"type": "array", "items": {"type": "string"}},
        "number": {"type": "number", "minimum": 0, "default": 0.5},
        "day": {"type": "string", "format": "date"},
        "choice": {"enum": ["low", "high", 3, None]},
        "choice of one": {"const": 'a "b"'},
        "yes": {"type": "boolean"},
        " ": {"type": "object"},
    },
    "required": ["text", "choice", "yes", "line <b>"],
}
DECIDER = Scope(TENANT, "reviewer-7", session="login-1", may_decide=True)


@attrs.define
class Desk:
    """The evidence page and the decisions of a store, mounted beside each other."""

    scoria: Scoria
    clock: SettableClock
    scope: Any = DECIDER

    @property
    def client(self) -> Client:
        """A browser without a memory."""
        scope: Callable[[Any], Any] = lambda _: self.scope  # noqa: E731 - changed by tests
        return Client(
            DispatcherMiddleware(
                evidence_app(self.scoria, scope=scope, decisions="/decide"),
                {
                    "/decide": decision_app(
                        self.scoria, scope=scope, secret=SECRET, evidence="/evidence"
                    )
                },
            )
        )

    def ask(self, tenant: str = TENANT, **more: Any) -> Approval:
        """Start a run that asks for a refund, and return what it asks."""
        facts = {"amount": 1_250, "why": 'a </textarea><b> "x" \u200b'}
        more = {"arguments": facts, **more}
        needs = NeedsApproval(tool_name="refund", reason="above", **more)
        run = self.scoria.start_run(
            self.scoria.identity(actor_id="actor-1", tenant_id=tenant, session_id="s-1"),
            root_role_id="executor",
            initial_step=StepSpec(kind="work", role_id="executor"),
            handlers={"work": lambda *_: needs},
        )
        (asked,) = run.pending_approvals
        return asked

    def open(self, asked: Approval, **more: Any) -> TestResponse:
        """Open the page of a request."""
        return self.client.get(path_of(asked), **more)

    def token(self, asked: Approval) -> str:
        """Return the token of the form on the page of a request."""
        (token,) = re.findall(r'name="token" value="([^"]+)"', self.open(asked).text)
        return str(token)

    def fields(self, asked: Approval, **more: Any) -> dict[str, str]:
        """Return what a browser sends of the form of a request when nobody touches it."""
        return dict(forms_of(self.open(asked, **more).text)[-1].fields)

    def send(self, asked: Approval, decision: str = "approve", **fields: Any) -> TestResponse:
        """Send the form of a request as it was filled in, with the token of its page."""
        headers = fields.pop("headers", None)
        data = {"decision": decision, "token": fields.pop("token", None) or self.token(asked)}
        return self.client.post(path_of(asked), data=data | fields, headers=headers)

    def now(self, asked: Approval) -> Approval:
        """Return what became of a request."""
        found = self.scoria.get_run_detail(asked.run_id).approvals
        return next(each for each in found if each.approval_id == asked.approval_id)

    def run(self, asked: Approval) -> RunSummary:
        """Return the run of a request."""
        return self.scoria.get_run(asked.run_id)


def path_of(asked: Approval) -> str:
    """Return where a request is decided."""
    return f"/decide/{asked.run_id}/{asked.approval_id}"


@pytest.fixture
def desk() -> Desk:
    """Return the pages of an empty store."""
    clock = SettableClock(datetime.now(UTC))
    return Desk(Scoria(MemoryStore(), clock=clock), clock)


def test_the_evidence_page_leads_whoever_may_decide_to_the_form(desk: Desk) -> None:
    """And nobody else; the way back is on the form."""
    asked = desk.ask(assigned_to=["clerk-3"])
    shown = desk.client.get(f"/workflows/{asked.run_id}").text
    assert f'href="{path_of(asked)}">Decide</a>' in shown
    assert f'href="/evidence/workflows/{asked.run_id}"' in desk.open(asked).text
    desk.scope = attrs.evolve(DECIDER, assignees=("clerk-4",))
    shown = desk.client.get(f"/workflows/{asked.run_id}").text
    assert "Decide</a>" not in shown
    assert "Assigned to others" in shown
    desk.scope = attrs.evolve(DECIDER, may_decide=False)
    assert "/decide/" not in desk.client.get(f"/workflows/{asked.run_id}").text
    assert 'class="decide"' not in desk.open(asked).text


def test_a_yes_approves_and_resumes(desk: Desk) -> None:
    """In the name of the one who is signed in, with the note; the page then says so."""
    asked = desk.ask()
    sent = desk.send(asked, note="slip seen\r\nby me ")
    assert (sent.status_code, sent.headers["Location"]) == (303, path_of(asked))
    found = desk.now(asked)
    assert (found.status, found.decided_by) == (ApprovalStatus.APPROVED, "reviewer-7")
    assert found.note == "slip seen\nby me"
    assert desk.run(asked).run_id in desk.scoria.list_pending()
    assert "Approved by" in desk.open(asked).text
    assert 'class="decide"' not in desk.open(asked).text


def test_a_no_cancels_or_lets_the_step_go_on(desk: Desk) -> None:
    """As the request says; the page told so beforehand."""
    ends, goes_on = desk.ask(), desk.ask(on_reject="resume")
    assert "A no cancels the run." in desk.open(ends).text
    assert "A no lets the step go on" in desk.open(goes_on).text
    for asked in (ends, goes_on):
        assert desk.send(asked, "reject", note="too much").status_code == 303
        assert desk.now(asked).note == "too much"
    assert desk.run(ends).status == RunStatus.CANCELLED
    assert desk.scoria.list_pending() == [goes_on.run_id]


@pytest.mark.parametrize("may_edit", [True, {}, AMOUNT, {"properties": {"amount": True}}])
@pytest.mark.parametrize("query", [{}, {"as": "json"}])
def test_what_is_sent_unchanged_is_what_was_proposed(
    desk: Desk, may_edit: Any, query: dict[str, str]
) -> None:
    """By fields and as JSON; characters that are not seen included."""
    asked = desk.ask(may_edit=may_edit)
    filled = desk.fields(asked, query_string=query)
    assert set(filled) - {"token", "note"} == (
        {"arguments"} if query else {"arguments-0", "arguments-1"}
    )
    assert any("\\u200b" in text for text in filled.values())
    lines = {name: text.replace("\n", "\r\n") for name, text in filled.items()}
    assert desk.send(asked, **lines).status_code == 303
    assert desk.now(asked).arguments_digest == asked.proposed_digest


def test_an_edit_is_made_in_fields(desk: Desk) -> None:
    """Of the type that the schema says, or that what was proposed has."""
    for may_edit in (AMOUNT, True):
        asked = desk.ask(may_edit=may_edit)
        filled = desk.fields(asked) | {"arguments-0": "900", "arguments-1": '"slip\\n"'}
        assert desk.send(asked, **filled).status_code == 303
        assert desk.now(asked).arguments == {"amount": 900, "why": "slip\n"}


def test_an_edit_that_python_finds_equal_is_one(desk: Desk) -> None:
    """True is not 1, and 1250.0 is not 1250."""
    for value in (1250.0, True):
        asked = desk.ask(may_edit=True, arguments={"amount": int(value)})
        assert desk.send(asked, arguments=json.dumps({"amount": value})).status_code == 303
        assert json.dumps(desk.now(asked).arguments["amount"]) == json.dumps(value)


def test_what_is_wrong_is_told_beside_its_field(desk: Desk) -> None:
    """The summary leads there, and what was filled in is kept."""
    asked = desk.ask(may_edit=AMOUNT)
    for amount, said in (("9000", "greater than the maximum of 2000"), ("many", "is no number")):
        filled = desk.fields(asked) | {"arguments-0": amount, "arguments-1": '"mine"'}
        sent = desk.send(asked, **filled)
        (beside,) = re.findall(r'id="arguments-0-problem">.*?</span>([^<]*)</p>', sent.text)
        assert said in beside
        assert '<a href="#arguments-0">arguments.amount</a>' in sent.text
        assert (sent.status_code, sent.text.count('aria-invalid="true"')) == (422, 1)
        kept = {name: text for name, text in forms_of(sent.text)[-1].fields if name != "token"}
        assert kept == {name: text for name, text in filled.items() if name != "token"}
    assert desk.now(asked) == asked


def test_who_edits_may_write_json_instead(desk: Desk) -> None:
    """And go back; where there are no fields, nothing is offered."""
    asked, plain = desk.ask(may_edit=AMOUNT), desk.ask()
    assert '<a href="?as=json">' in desk.open(asked).text
    assert '<a href="?as=form">' in desk.open(asked, query_string={"as": "json"}).text
    assert "as=json" not in desk.open(plain).text
    properties: dict[str, Any] = {f"p{i}": {} for i in range(200)}
    asked = desk.ask(answer_schema={"properties": properties})
    assert "as=json" not in desk.open(asked).text
    assert "answer" in desk.fields(asked)


def test_an_edit_is_approved_in_place_of_what_was_proposed(desk: Desk) -> None:
    """Where the request allows it; where it does not, what is sent besides is not looked at."""
    edited, exact = desk.ask(may_edit=AMOUNT), desk.ask()
    for asked in (edited, exact):
        assert desk.send(asked, arguments='{"amount": 900}').status_code == 303
    assert desk.now(edited).arguments == {"amount": 900}
    assert desk.now(exact).arguments == exact.arguments


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"amount": 9000}', "arguments.amount"),
        ('{"amount": 1, "amount": 2}', "is there twice"),
        ('{"amount": NaN}', "NaN is no number"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[1]", "arguments"),
    ],
)
def test_a_wrong_edit_is_refused_and_can_be_mended(desk: Desk, text: str, said: str) -> None:
    """The form comes back with what was sent and why it was not taken; nothing is stored."""
    asked = desk.ask(may_edit=AMOUNT)
    version = desk.run(asked).version
    sent = desk.send(asked, arguments=text, note="my note")
    assert sent.status_code == 422
    assert said in html.unescape(sent.text)
    assert text in html.unescape(sent.text)
    assert "my note</textarea>" in sent.text
    assert desk.run(asked).version == version


def test_an_answer_is_asked_for_and_checked(desk: Desk) -> None:
    """A yes without one, or with another than is asked for, is none."""
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    asked = desk.ask(answer_schema=schema)
    for answer in ("", '{"ok": "yes"}', "ok"):
        assert desk.send(asked, answer=answer).status_code == 422
    assert desk.send(asked, answer='{"ok": true}').status_code == 303
    assert desk.now(asked).answer == {"ok": True}


def test_an_answer_is_given_in_fields(desk: Desk) -> None:
    """What is optional and left empty is no part of it; what is required has to be there."""
    properties = {"ok": {"type": "boolean"}, "why": {"type": "string"}, "n": {"default": 3}}
    asked = desk.ask(answer_schema={"properties": properties, "required": ["ok"]})
    filled = desk.fields(asked)
    assert (filled["answer-0"], filled["answer-1"], filled["answer-2"]) == ("", "", "3")
    empty = desk.send(asked, **filled)
    assert empty.status_code == 422
    assert "is missing; fill it in</p>" in empty.text
    assert desk.send(asked, **filled | {"answer-0": "true"}).status_code == 303
    assert desk.now(asked).answer == {"ok": True, "n": 3}


def test_two_people_say_yes(desk: Desk) -> None:
    """One of them twice is one."""
    asked = desk.ask(approvals_needed=2)
    assert "as one of 2" in desk.open(asked).text
    assert desk.send(asked).status_code == 303
    again = desk.send(asked)
    assert again.status_code == 403
    assert "You have said yes to it already" in html.unescape(again.text)
    assert desk.now(asked).status == ApprovalStatus.PENDING
    desk.scope = attrs.evolve(DECIDER, actor_id="reviewer-8")
    assert desk.send(asked).status_code == 303
    assert desk.now(asked).status == ApprovalStatus.APPROVED


def test_who_is_excluded_is_told_so(desk: Desk) -> None:
    """By the request itself, or by the host's own rule."""
    asked = desk.ask(not_by=["reviewer-7"])
    sent = desk.send(asked)
    assert (sent.status_code, desk.now(asked).status) == (403, ApprovalStatus.PENDING)
    assert "you may not decide it" in html.unescape(sent.text)
    desk.scoria = Scoria(MemoryStore(), clock=desk.clock, may_decide=lambda *_: False)
    asked = desk.ask()
    assert "The application says" in desk.send(asked).text
    assert desk.now(asked).status == ApprovalStatus.PENDING


def test_what_was_decided_meanwhile_is_told(desk: Desk) -> None:
    """Of two who decide, and of one who decides twice, the second sees what is true now."""
    asked = desk.ask()
    token = desk.token(asked)
    desk.scoria.reject(
        asked.run_id, approval_id=asked.approval_id, decided_by="reviewer-8", note="no"
    )
    raced = desk.send(asked, token=token)
    assert raced.status_code == 409
    assert "Rejected by" in raced.text
    assert "reviewer-8" in raced.text
    assert desk.now(asked).status == ApprovalStatus.REJECTED
    replayed = desk.ask()
    token = desk.token(replayed)
    assert desk.send(replayed, token=token).status_code == 303
    version = desk.run(replayed).version
    assert desk.send(replayed, token=token).status_code == 409
    assert desk.run(replayed).version == version


def test_what_has_expired_is_not_decided(desk: Desk) -> None:
    """The form says so instead, and a form that was open before is too late."""
    asked = desk.ask(expires_in=60)
    token = desk.token(asked)
    desk.clock.time += timedelta(seconds=61)
    assert 'class="decide"' not in desk.open(asked).text
    late = desk.send(asked, token=token)
    assert late.status_code == 409
    assert "Expired" in late.text
    assert desk.now(asked).status == ApprovalStatus.EXPIRED


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_decides_nothing(desk: Desk, method: str) -> None:
    """Whatever the address says besides."""
    asked = desk.ask()
    fields = {"decision": "approve", "token": desk.token(asked)}
    answer = desk.client.open(path_of(asked), method=method, query_string=fields)
    assert answer.status_code == 200
    assert desk.now(asked) == asked


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_no_other_method_is_known(desk: Desk, method: str) -> None:
    """It is 405, and names those that are."""
    asked = desk.ask()
    answer = desk.client.open(path_of(asked), method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert desk.now(asked) == asked


def of_another(desk: Desk, **changed: Any) -> Callable[[Approval], str]:
    """Return what makes the token that another sees for the same request."""

    def token(asked: Approval) -> str:
        desk.scope = attrs.evolve(DECIDER, **changed)
        found = desk.token(asked)
        desk.scope = DECIDER
        return found

    return token


FORGED: dict[str, Callable[[Desk, Approval], str]] = {
    "none": lambda _desk, _asked: NO_TOKEN,
    "another session's": lambda desk, asked: of_another(desk, session="login-2")(asked),
    "another actor's": lambda desk, asked: of_another(desk, actor_id="reviewer-8")(asked),
    "another request's": lambda desk, _: desk.token(desk.ask()),
    "a changed one": lambda desk, asked: desk.token(asked).replace(".", "A.", 1),
    "of another secret": lambda desk, asked: re.findall(
        r'name="token" value="([^"]+)"',
        Client(decision_app(desk.scoria, scope=lambda _: DECIDER, secret=SECRET[::-1]))
        .get(path_of(asked).removeprefix("/decide"))
        .text,
    )[0],
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_form_that_was_not_made_for_this_decides_nothing(desk: Desk, kind: str) -> None:
    """By a token of another person, session, request or secret, or none."""
    asked = desk.ask()
    sent = desk.send(asked, token=FORGED[kind](desk, asked))
    assert sent.status_code == 403
    assert "This form decides nothing" in sent.text
    assert desk.now(asked) == asked


def test_a_form_of_another_site_decides_nothing(desk: Desk) -> None:
    """Even with a token that is right."""
    asked = desk.ask()
    assert desk.send(asked, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert desk.now(asked) == asked
    assert desk.send(asked, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_a_form_that_was_left_open_too_long_decides_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After twelve hours the request is to be opened again."""
    asked = desk.ask()
    token = desk.token(asked)
    late = datetime.now(UTC).timestamp() + GOOD_FOR + 60
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: late)
    assert desk.send(asked, token=token).status_code == 403
    assert desk.now(asked) == asked


def test_without_the_right_nothing_is_decided(desk: Desk) -> None:
    """Who may only look, whom it is not assigned to, and whom the host does not know."""
    asked = desk.ask(assigned_to=["clerk-3", "boss"])
    token = desk.token(asked)
    refused = {
        "Not yours to decide": attrs.evolve(DECIDER, may_decide=False),
        "Assigned to others": attrs.evolve(DECIDER, assignees=()),
        "No access": None,
    }
    for said, scope in refused.items():
        desk.scope = scope
        sent = desk.client.post(path_of(asked), data={"decision": "approve", "token": token})
        assert sent.status_code == 403
        assert said in sent.text
    assert desk.now(asked) == asked
    desk.scope = attrs.evolve(DECIDER, assignees=("boss",))
    assert desk.send(asked).status_code == 303


def test_another_tenants_request_is_not_there(desk: Desk) -> None:
    """Nor is one of another run, and nothing in a request says otherwise."""
    mine, others = desk.ask(), desk.ask(tenant=OTHER)
    never = attrs.evolve(mine, run_id="01900000-0000-7000-8000-000000000000")
    mixed = attrs.evolve(mine, approval_id=others.approval_id)
    unknown = desk.open(never)
    assert unknown.status_code == 404
    for asked in (others, mixed, attrs.evolve(others, run_id=mine.run_id)):
        assert (desk.open(asked).status_code, desk.open(asked).data) == (404, unknown.data)
        forged = {"tenant_id": OTHER, "tenant": OTHER, "token": desk.token(mine)}
        sent = desk.client.post(
            path_of(asked),
            query_string=forged,
            data=forged | {"decision": "approve"},
            headers={"X-Tenant-Id": OTHER, "Cookie": f"tenant_id={OTHER}"},
        )
        assert (sent.status_code, sent.data) == (404, unknown.data)
    assert (desk.now(mine), desk.now(others)) == (mine, others)


@pytest.mark.parametrize(
    "fields", [{}, {"decision": ""}, {"decision": "APPROVE"}, {"decision": "cancel"}]
)
def test_rubbish_decides_nothing(desk: Desk, fields: dict[str, str]) -> None:
    """A form without a decision comes back."""
    asked = desk.ask()
    data = {"token": desk.token(asked), **fields}
    assert desk.client.post(path_of(asked), data=data).status_code == 422
    other = {"data": b"\xff\x00", "content_type": "application/json"}
    assert desk.client.post(path_of(asked), **other).status_code == 403
    assert desk.now(asked) == asked


def test_too_much_is_refused_before_it_is_read(desk: Desk) -> None:
    """Whether or not it says how long it is: what is cut off would be decided on."""
    asked = desk.ask(may_edit=True)
    sent = desk.send(asked, arguments="x" * (MOST_SENT + 1))
    assert (sent.status_code, desk.now(asked)) == (413, asked)
    fields = {**desk.fields(asked), "decision": "approve", "note": "x" * (MOST_SENT + 1)}
    told = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    cut = desk.client.post(
        path_of(asked),
        data=urlencode(fields),
        content_type="application/x-www-form-urlencoded",
        environ_overrides={**told, "CONTENT_LENGTH": ""},
    )
    assert (cut.status_code, desk.now(asked)) == (413, asked)


def test_the_whole_note_of_each_yes_is_a_link_away(desk: Desk) -> None:
    """Also of the yeses before the last one that was needed."""
    asked = desk.ask(approvals_needed=3)
    notes = [f"{number} {'why ' * 10_000}the end" for number in range(3)]
    for who, note in zip(("ann", "bob", "cleo"), notes, strict=True):
        desk.scoria.approve(asked.run_id, approval_id=asked.approval_id, decided_by=who, note=note)
    page = desk.client.get(f"/workflows/{asked.run_id}").text
    approval = page.partition('id="approvals"')[2].partition('id="journal"')[0]
    entries = re.findall(r'Shortened\. <a href="\?entry=(\d+)">', approval)
    shown = [desk.client.get(f"/workflows/{asked.run_id}?entry={each}").text for each in entries]
    assert [any(note in each for each in shown) for note in notes] == [True] * 3


def test_what_the_kit_takes_fits_into_a_form(desk: Desk) -> None:
    """Arguments, an answer and a note, each nearly as long as may be, in letters of two bytes."""
    long = "é" * (MAX_BYTES // 2 - 100)
    schema = {"type": "object", "properties": {"why": {"type": "string"}}}
    asked = desk.ask(arguments={"why": "short"}, may_edit=True, answer_schema=schema)
    fields = desk.fields(asked)
    (edited,) = [name for name in fields if name.startswith("arguments")]
    (answered,) = [name for name in fields if name.startswith("answer")]
    fields |= {edited: long, answered: long, "note": long}
    sent = desk.client.post(path_of(asked), data={**fields, "decision": "approve"})
    assert sent.status_code == 303
    now = desk.now(asked)
    assert (now.arguments, now.answer, now.note) == ({"why": long}, {"why": long}, long)


def test_a_host_may_abort(desk: Desk) -> None:
    """A 403 that the host's scope raises is one, on both apps."""
    asked = desk.ask()

    def aborts(_: Any) -> Scope:
        raise Forbidden

    for app in (
        evidence_app(desk.scoria, scope=aborts),
        decision_app(desk.scoria, scope=aborts, secret=SECRET),
    ):
        answer = Client(app).get(f"/{asked.run_id}/{asked.approval_id}")
        assert answer.status_code == 403
        assert "No access" in answer.text


def test_every_answer_locks_the_browser_down(desk: Desk) -> None:
    """A redirect too: its headers are those of the evidence page."""
    asked = desk.ask()
    headers = dict(desk.client.get("/").headers)
    answers = [desk.open(asked), desk.send(asked), desk.send(asked, token=NO_TOKEN)]
    assert [answer.status_code for answer in answers] == [200, 303, 403]
    for answer in answers:
        for name in ("Content-Security-Policy", "Cache-Control", "X-Content-Type-Options"):
            assert answer.headers[name] == headers[name]


def test_what_an_app_is_made_of_is_checked(desk: Desk) -> None:
    """A secret that can be guessed, a mount that is none, and rights that are none."""
    scope = lambda _: DECIDER  # noqa: E731
    for wrong in ("", "short", b"short", 7, None):
        with pytest.raises(InvalidPayload, match=r"^secret "):
            decision_app(desk.scoria, scope=scope, secret=wrong)  # type: ignore[arg-type]
    for mount in ("decide", "//elsewhere", "https://elsewhere", "/a?b", 7):
        with pytest.raises(InvalidPayload, match=r"^decisions "):
            evidence_app(desk.scoria, scope=scope, decisions=mount)  # type: ignore[arg-type]
    with pytest.raises(InvalidIdentity, match="assignees"):
        Scope(TENANT, "a", assignees=["x", ""])
    with pytest.raises(InvalidIdentity, match="may_decide"):
        Scope(TENANT, "a", may_decide="no")  # type: ignore[arg-type]
    with pytest.raises(InvalidIdentity, match="may_unmask"):
        Scope(TENANT, "a", may_unmask=1)  # type: ignore[arg-type]
    assert Scope(TENANT, "a", assignees="boss").assignees == ("boss",)


def test_the_pages_are_valid_html(desk: Desk, tmp_path: Any) -> None:
    """The checker of the W3C finds no fault, whatever is asked and sent."""
    schema = {"type": "object", "required": ["ok"]}
    plain, asked = desk.ask(approvals_needed=2), desk.ask(may_edit=AMOUNT, answer_schema=schema)
    pages = {
        "plain": desk.open(plain).text,
        "a form": desk.open(asked).text,
        "refused": desk.send(asked, arguments="</textarea><script>", answer="<").text,
        "each kind of field": desk.open(desk.ask(may_edit=EACH, answer_schema=EACH)).text,
        "in JSON": desk.open(asked, query_string={"as": "json"}).text,
        "an amount refused": desk.send(asked, **desk.fields(asked) | {"arguments-0": "</"}).text,
        "forged": desk.send(asked, token=NO_TOKEN).text,
        "the run": desk.client.get(f"/workflows/{asked.run_id}").text,
    }
    desk.send(asked, "reject", note="<b>")
    pages["decided"] = desk.open(asked).text
    assert all(x.count("<script") == x.count("<script>// Follows") for x in pages.values())
    assert faults(pages, tmp_path) == []
