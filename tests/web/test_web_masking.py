"""What is masked: nothing of a secret is on a page, and only the host's word shows it."""

import html
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from scoria_core import (
    Approval,
    Completed,
    Failed,
    HandOff,
    NeedsApproval,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import InvalidPayload
from scoria_core.masking import FACTS, PAYLOADS, SCHEMAS
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_web import Scope, decision_app, evidence_app, secret_by_name
from scoria_web.masking import masked
from tests.support.valid_html import faults

TENANT = "acme"
SIGNED_WITH = "sixteen or more of them"
PLANTED = "hunter2"
"""What is in the values of every secret, and in no other."""

WATCHING = Scope(TENANT, "op-1", session="login-1", may_decide=True)
TRUSTED = attrs.evolve(WATCHING, actor_id="auditor-2", may_unmask=True)
MARK = '<span class="masked" role="img" aria-label="masked">••••••</span>'
EDITED = '<span class="masked" role="img" aria-label="masked, and edited">•••••• edited</span>'

Mask = Callable[[tuple[str | int, ...]], bool]


@attrs.define
class Desk:
    """Both pages of a store."""

    scoria: Scoria
    scope: Scope = WATCHING
    more: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def client(self) -> Client:
        """A browser without a memory."""
        scope: Callable[[Any], Any] = lambda _: self.scope  # noqa: E731 - changed by tests
        evidence = evidence_app(self.scoria, scope=scope, decisions="/decide", **self.more)
        decisions = decision_app(
            self.scoria, scope=scope, secret=SIGNED_WITH, evidence="/", **self.more
        )
        return Client(DispatcherMiddleware(evidence, {"/decide": decisions}))

    def get(self, path: str, **more: Any) -> TestResponse:
        """Open a page."""
        return self.client.get(path, **more)

    def start(self, answer: Any, **more: Any) -> RunSummary:
        """Start a run whose one step answers so."""
        given = {"metadata": {}} | more.pop("identity", {})
        identity = self.scoria.identity(actor_id="a-1", tenant_id=TENANT, session_id="s-1", **given)
        step = StepSpec(kind="work", role_id="executor", input=more.pop("input", {}))
        return self.scoria.start_run(
            identity,
            root_role_id="executor",
            initial_step=step,
            handlers={"work": lambda *_: answer},
            **more,
        )

    def ask(self, arguments: Mapping[str, Any], **more: Any) -> Approval:
        """Start a run that asks for a payment with these arguments."""
        asked = NeedsApproval(tool_name="pay", arguments=arguments, reason="large", **more)
        (approval,) = self.start(asked).pending_approvals
        return approval

    def send(self, asked: Approval, query: str = "", **fields: str) -> TestResponse:
        """Approve by the form, with the fields filled in."""
        path = decided_at(asked)
        (token,) = re.findall(r'name="token" value="([^"]+)"', self.get(path).text)
        sent = {"decision": "approve", "token": token, **fields}
        return self.client.post(path + query, data=sent)

    def now(self, asked: Approval) -> Approval:
        """Return what became of a request."""
        (found,) = self.scoria.get_run_detail(asked.run_id).approvals
        return found


def path_of(run_id: str) -> str:
    """Return where a run is shown."""
    return f"/workflows/{run_id}"


def decided_at(asked: Approval) -> str:
    """Return where a request is decided."""
    return f"/decide/{asked.run_id}/{asked.approval_id}"


@pytest.fixture
def desk() -> Desk:
    """Return the pages of an empty store."""
    return Desk(Scoria(MemoryStore(), clock=SettableClock(datetime.now(UTC))))


def nested(value: Any, depth: int) -> Any:
    """Return a value below that many levels, of lists and objects in turn."""
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


def secrets(place: str) -> dict[str, Any]:
    """Return a payload with a secret in each way to have one, and something that is none."""
    value = f"{PLANTED} of {place}"
    return {
        "api_key": value,
        "user": {"accessToken": {"token": value, "more": [value]}},
        "headers": [
            {"name": "Authorization", "value": f"Bearer {value}"},
            {"name": "Accept", "value": f"plain-{place}"},
        ],
        "pairs": [["Set-Cookie", value], ["Accept", "text/html"]],
        "env": [{"Key": "DB_PASSWORD", "Values": [value]}],
        "deep": nested({"password": value}, 5),
    }


def plant(desk: Desk) -> list[str]:
    """Start runs with secrets in every payload that there is, and return their ids."""
    schema = {
        "type": "object",
        "properties": {"password": {"type": "string", "default": PLANTED, "enum": [PLANTED]}},
        "default": {"token": PLANTED},
    }
    asks = NeedsApproval(
        tool_name="pay",
        arguments=secrets("arguments"),
        reason="large",
        may_edit=schema,
        answer_schema=schema,
        keep=secrets("kept"),
        on_reject="resume",
    )
    waiting = desk.start(
        asks,
        input=secrets("input"),
        metadata=secrets("metadata"),
        identity={"metadata": secrets("identity")},
    )
    decided = desk.start(asks)
    (asked,) = decided.pending_approvals
    desk.scoria.approve(
        decided.run_id,
        approval_id=asked.approval_id,
        decided_by="r-7",
        arguments=secrets("edited"),
        answer={"password": PLANTED},
    )
    failed = desk.start(Failed("no", secrets("details")))
    handed = desk.start(
        HandOff(
            delegated_role_id="critic",
            delegated_kind="review",
            handoff_input=secrets("handoff input"),
            projected_context={"card_number": PLANTED},
        )
    )
    done = desk.start(Completed(secrets("result")))
    return [each.run_id for each in (waiting, decided, failed, handed, done)]


def pages(desk: Desk) -> Iterator[TestResponse]:
    """Open every page that shows anything of what was planted."""
    runs = plant(desk)
    yield from map(desk.get, ("/", "/?list=all", "/?list=failed", "/search?q=s-1"))
    for run_id in runs:
        for query in ("", "?kept=shown", "?entries_after=1", "?entry=2", "?entry=3&kept=shown"):
            yield desk.get(path_of(run_id) + query)
        yield desk.get(f"/search?q={run_id}")
        for asked in desk.scoria.get_run_detail(run_id).approvals:
            yield desk.get(decided_at(asked))
            yield desk.client.post(decided_at(asked), data={"token": "none"})
    (asked,) = desk.scoria.get_run_detail(runs[0]).approvals
    yield desk.send(asked)  # without the answer that is asked for
    yield desk.get(path_of("none"))


def everything(response: TestResponse) -> str:
    """Return all that was sent, with its entities read."""
    return html.unescape(f"{response.headers}{response.text}")


def test_no_byte_of_a_secret_is_on_a_page(desk: Desk, caplog: Any) -> None:
    """Whatever payload it is in, and in no line of the log; what is beside it is shown."""
    caplog.set_level(logging.DEBUG)
    sent = list(pages(desk))
    assert {each.status_code for each in sent} == {200, 403, 404, 422}
    for each in sent:
        assert PLANTED not in everything(each), each.request.path
        assert "udc0" not in each.text
    assert PLANTED not in caplog.text
    shown = "".join(map(everything, sent))
    places = ("arguments", "input", "metadata", "identity", "kept", "edited", "details", "result")
    for place in (*places, "handoff input"):
        assert f"plain-{place}" in shown


def test_a_secret_is_masked_as_deep_as_a_payload_goes(desk: Desk) -> None:
    """In a schema too, and no page breaks."""
    schema: Any = {"properties": {"pin": {"type": "string", "const": PLANTED}}}
    for _ in range(90):
        schema = {"type": "object", "properties": {"in": schema}}
    asked = desk.ask(
        nested({"password": PLANTED}, 189),
        may_edit=True,
        answer_schema=schema,
    )
    detail = desk.scoria.get_run_detail(asked.run_id)
    assert PLANTED in repr(detail)
    shown = masked(detail, secret_by_name)
    assert PLANTED not in repr(shown)
    assert "••••••" in repr(shown)
    for path in ("/", path_of(asked.run_id), decided_at(asked)):
        response = desk.get(path)
        assert response.status_code == 200
        assert PLANTED not in response.text


def test_none_masks_nothing(desk: Desk) -> None:
    """And so the test above can fail: each of these payloads is shown."""
    desk.more = {"mask": None}
    shown = "".join(map(everything, pages(desk)))
    places = ("arguments", "input", "metadata", "identity", "kept", "edited", "details", "result")
    for place in (*places, "handoff input"):
        assert f"{PLANTED} of {place}" in shown
    assert "masked" not in re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL)


def test_a_mark_says_nothing_of_what_it_hides(desk: Desk) -> None:
    """It is as long for any value, and no value looks like it."""
    values: list[Any] = ["x", "x" * 5_000, 7, None, True, [1, 2], {"a": {"b": 1}}, ""]
    asked = [desk.ask({"password": value}) for value in values]
    shown = [desk.get(path_of(each.run_id)).text for each in asked]
    for text in shown:
        assert f"&#34;password&#34;: {MARK}" in text
    real = desk.ask({"word": "••••••", "escape": "\\udc00", "password": 1})
    text = desk.get(path_of(real.run_id)).text
    assert "&#34;word&#34;: &#34;••••••&#34;" in text
    assert "&#34;escape&#34;: &#34;\\\\udc00&#34;" in text
    inbox = desk.get("/").text
    assert f"&#34;password&#34;: {MARK}" in inbox


NAMES = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "authorization",
    "Cookie",
    "set-cookie",
    "private_key",
    "credential",
    "credentials",
    "card_number",
    "cardNumber",
    "cvv",
    "cvv2",
    "ssn",
    "accessToken",
    "access_tokens",
    "client_secret",
    "X-Api-Key",
    "dbPassword2",
    "PGPASSWORD",
    "apikey",
    "APIKey",
    "API_KEY",
    "PassWord",
    "p-a-s-s-w-o-r-d",
    "p.a.s.s.w.o.r.d",
    "pass\u200bword",
    "to\u200bken",
    "toKen",
    "token_value",
    "secret_access_key",
    "proxy-authorization",
    "auth",
    "basic_auth",
    "sessionToken",
    "jwt",
    "pin",
    "user.password",
    "password[0]",
]

OTHERS = [
    "token_count",
    "tokenCount",
    "max_tokens",
    "maxTokens",
    "tokens",
    "prompt_tokens",
    "tokensUsed",
    "input_tokens_details",
    "has_password",
    "is_secret",
    "password_expires_at",
    "token_expires_in",
    "token_type",
    "tokenizer",
    "secretary",
    "author",
    "authors",
    "auth_method",
    "key",
    "primary_key",
    "public_key",
    "idempotency_key",
    "number",
    "name",
    "spinning",
    "session_id",
    "iban",
    "order_id",
    "amount",
    "keyboard",
    "discount",
    "compass",
    "1",
    "-",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    """In snake, camel and kebab case, in capitals, and with characters that nobody sees."""
    assert secret_by_name(("arguments", name))
    assert secret_by_name(("arguments", "x" * 300 + "_" + name))


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_speaks_of_a_secret_is_none(name: str) -> None:
    """How many there are, of which type, whether there is one; or another word altogether."""
    assert not secret_by_name(("arguments", name))
    assert not secret_by_name((name, 0))


def test_hostile_keys_are_shown_or_masked_like_others(desk: Desk) -> None:
    """Nothing that a key holds is markup, and none of them takes a page down."""
    keys = ["", " ", "\u202e", "<b>", "a" * 3_000, "\x7f", "password<script>", "••••••", "[0]"]
    asked = desk.ask({key: {"value": PLANTED + str(i)} for i, key in enumerate(keys)})
    text = desk.get(path_of(asked.run_id)).text
    assert f"{PLANTED}6" not in text
    assert all(f"{PLANTED}{i}" in text for i in range(len(keys)) if i != 6)
    assert text.count("<script") == text.count("<script>// Follows")


def test_an_edit_of_what_is_masked_is_told(desk: Desk) -> None:
    """The mark of the approved value says so; one that stayed the same says nothing."""
    before: dict[str, Any] = {"to": {"password": "a", "token": "t"}, "pairs": [["pin", 1]]}
    after: dict[str, Any] = {"to": {"password": "b", "token": "t", "pwd": 1}, "pairs": [["pin", 2]]}
    asked = desk.ask(before, may_edit=True)
    desk.scoria.approve(
        asked.run_id, approval_id=asked.approval_id, decided_by="r-7", arguments=after
    )
    text = desk.get(path_of(asked.run_id)).text
    assert f"<ins>&#34;password&#34;: {EDITED},</ins>" in text
    assert f"<del>&#34;password&#34;: {MARK},</del>" in text
    assert f"<ins>&#34;pwd&#34;: {EDITED}</ins>" in text
    assert len(set(re.findall(rf"[^>]*{re.escape(EDITED)}", text))) == 3
    found = desk.now(asked)
    assert found.proposed_digest in text
    assert found.arguments_digest in text


def test_digests_are_those_of_what_is_stored(desk: Desk) -> None:
    """Of what is kept too: its size and digest are of the true value, masked or not."""
    asked = desk.ask({"token": PLANTED}, keep={"token": PLANTED})
    sizes = []
    for mask in (secret_by_name, None):
        desk.more = {"mask": mask}
        text = desk.get(path_of(asked.run_id)).text
        assert asked.arguments_digest in text
        sizes.append(re.findall(r"\d+ bytes, <code[^>]*>sha256:\w+", text))
        sizes[-1] += re.findall(r"&#34;size&#34;: \d+,\s+&#34;digest&#34;: &#34;sha256:\w+", text)
    assert sizes[0] == sizes[1]
    assert len(sizes[0]) == 2


# Who may see what is masked.


def log_of(caplog: Any) -> list[str]:
    """Return what was logged of looks at what is masked."""
    return [each.getMessage() for each in caplog.records if each.name == "scoria.web"]


def test_who_may_unmask_is_led_to_it_and_logged(desk: Desk, caplog: Any) -> None:
    """On the page of the run and on that of the request; each look is in the log, once."""
    asked = desk.ask({"token": PLANTED, "amount": 5})
    for path in (path_of(asked.run_id), decided_at(asked)):
        desk.scope = WATCHING
        assert "Show what is masked" not in desk.get(path).text
        desk.scope = TRUSTED
        text = desk.get(path).text
        assert PLANTED not in text
        (link,) = re.findall(r'href="([^"]*)">Show what is masked', text)
        assert log_of(caplog) == []
        shown = desk.get(html.unescape(link) if link.startswith("/") else path + link)
        assert PLANTED in shown.text
        assert "Mask it again" in shown.text
        told = f"unmasked: tenant {TENANT}, actor auditor-2, run {asked.run_id}"
        assert log_of(caplog) == [told]
        assert PLANTED not in caplog.text
        caplog.clear()


def test_a_page_that_is_followed_is_logged_when_it_is_sent(desk: Desk, caplog: Any) -> None:
    """Not each time that a script asks whether it has changed."""
    asked = desk.ask({"token": PLANTED})
    desk.scope = TRUSTED
    path = path_of(asked.run_id) + "?masked=shown"
    etag = desk.get(path).headers["ETag"]
    assert etag != desk.get(path_of(asked.run_id)).headers["ETag"]
    assert desk.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert len(log_of(caplog)) == 1


def test_whoever_may_not_is_refused(desk: Desk, caplog: Any) -> None:
    """Also with a form that decides; nothing is logged as seen, and nothing decided."""
    asked = desk.ask({"token": PLANTED})
    for path in ("/", path_of(asked.run_id), decided_at(asked)):
        refused = desk.get(f"{path}?masked=shown")
        assert refused.status_code == 403
        assert "Not yours to unmask" in refused.text
        assert PLANTED not in refused.text
    assert desk.send(asked, "?masked=shown").status_code == 403
    assert desk.now(asked).status == "pending"
    assert log_of(caplog) == []


def test_the_inbox_shows_nothing_that_is_masked(desk: Desk, caplog: Any) -> None:
    """Not to anybody: what is unmasked is one run, and the log says which."""
    desk.ask({"token": PLANTED})
    desk.scope = TRUSTED
    assert PLANTED not in desk.get("/?masked=shown").text
    assert log_of(caplog) == []


def test_what_is_unmasked_stays_so_through_the_pages_of_a_run(desk: Desk) -> None:
    """The links to other entries, and to what is kept, go on showing it."""
    asked = desk.ask({"token": PLANTED}, keep={"token": PLANTED})
    for _ in range(210):
        desk.scoria.add_step(asked.run_id, StepSpec("note", "r", input={"token": PLANTED}))
    desk.scope = TRUSTED
    text = desk.get(path_of(asked.run_id) + "?masked=shown").text
    links = [html.unescape(each) for each in re.findall(r'href="([^"#]*)', text)]
    assert any("entries_after=100" in each and "masked=shown" in each for each in links)
    assert any("kept=shown" in each and "masked=shown" in each for each in links)
    later = desk.get(path_of(asked.run_id) + "?entries_after=100")
    assert PLANTED not in later.text
    assert MARK in later.text


def test_where_nothing_is_masked_nothing_is_offered_or_logged(desk: Desk, caplog: Any) -> None:
    """The link would lead to the same page."""
    asked = desk.ask({"amount": 5})
    desk.scope = TRUSTED
    assert "Show what is masked" not in desk.get(path_of(asked.run_id)).text
    assert desk.get(path_of(asked.run_id) + "?masked=shown").status_code == 200
    assert log_of(caplog) == []


# Deciding on what is masked.


def test_what_is_masked_is_approved_as_it_is(desk: Desk) -> None:
    """By the form of one who does not see it, and the arguments stay what they were."""
    asked = desk.ask({"token": PLANTED, "amount": 5}, may_edit=True)
    form = desk.get(decided_at(asked)).text
    assert 'name="arguments' not in form
    assert "You may approve them as they are, or reject them." in form
    assert desk.send(asked).status_code == 303
    assert desk.now(asked).arguments == {"token": PLANTED, "amount": 5}


@pytest.mark.parametrize("text", ['{"token": "••••••"}', '{"amount": 6}', "{"])
def test_what_is_masked_is_not_edited(desk: Desk, text: str) -> None:
    """Whatever is sent as an edit of it: the mark would be stored in place of the value."""
    asked = desk.ask({"token": PLANTED, "amount": 5}, may_edit=True)
    for sent in ({"arguments": text}, {"arguments-0": text, "arguments-1": "6"}):
        refused = desk.send(asked, **sent)
        assert refused.status_code == 403
        assert "Not yours to edit" in refused.text
        assert desk.now(asked).status == "pending"


def test_whoever_may_unmask_edits_what_they_see(desk: Desk) -> None:
    """The form has the true values once they are shown, and not before."""
    asked = desk.ask({"token": PLANTED, "amount": 5}, may_edit=True)
    desk.scope = TRUSTED
    before = desk.get(decided_at(asked)).text
    assert 'name="arguments' not in before
    assert 'name="arguments-0"' in desk.get(decided_at(asked) + "?masked=shown").text
    assert "Show what is masked to edit them." in before
    (form,) = re.findall(
        r"<textarea id=\"arguments\"[^>]*>([^<]*)",
        desk.get(decided_at(asked) + "?masked=shown&as=json").text,
    )
    edit = json.loads(html.unescape(form)) | {"amount": 6}
    assert desk.send(asked, "?masked=shown", arguments=json.dumps(edit)).status_code == 303
    assert desk.now(asked).arguments == {"token": PLANTED, "amount": 6}


def test_an_edit_of_what_nothing_is_masked_in_is_as_ever(desk: Desk) -> None:
    """Also where another payload of the run has a secret."""
    asked = desk.ask({"amount": 5}, may_edit=True, keep={"token": PLANTED})
    assert desk.send(asked, arguments='{"amount": 6}').status_code == 303
    assert desk.now(asked).arguments == {"amount": 6}


# The host's own mask.


def test_the_host_says_what_is_masked(desk: Desk) -> None:
    """By path, in place of the names or beside them; the path begins with the payload's name."""
    seen: list[tuple[str | int, ...]] = []

    def mask(path: tuple[str | int, ...]) -> bool:
        seen.append(path)
        return path == ("arguments", "to", 0, "iban") or path[0] == "kept"

    desk.more = {"mask": mask}
    asked = desk.ask(
        {"to": [{"iban": PLANTED, "name": "Ann"}], "iban": "shown"}, keep={"x": [PLANTED]}
    )
    text = desk.get(path_of(asked.run_id) + "?kept=shown").text
    assert PLANTED not in text
    assert f"{MARK}: {MARK}" in text
    assert "shown" in text
    assert {path[0] for path in seen} <= {*PAYLOADS.values()}
    assert ("arguments", "to", 0, "name") in seen


async def _coroutine(_: object) -> bool:
    return False


def _raises(_: object) -> bool:
    raise RuntimeError("no such table")


def _raises_late(path: tuple[str | int, ...]) -> bool:
    return path[-1] == "amount" and 1 / 0 > 1


@pytest.mark.parametrize(
    "mask", [_raises, _raises_late, lambda _: None, lambda _: "no", lambda: True]
)
def test_a_mask_that_fails_masks_everything(desk: Desk, mask: Mask, caplog: Any) -> None:
    """And the log says why; the page is there, and says nothing of any payload."""
    asked = desk.ask({"to": PLANTED, "amount": 1_234_567, "may": PLANTED}, may_edit=True)
    desk.more = {"mask": mask}
    for path in ("/", path_of(asked.run_id), decided_at(asked)):
        caplog.clear()
        response = desk.get(path)
        assert response.status_code == 200
        assert PLANTED not in response.text
        assert "1234567" not in response.text
        assert f"{MARK}: {MARK}" in response.text
        assert "the host's mask failed" in caplog.text
        assert PLANTED not in caplog.text
    assert desk.send(asked, arguments="{}").status_code == 403


@pytest.mark.parametrize("wrong", ["password", ["password"], False])
def test_a_mask_is_a_callable_or_none(desk: Desk, wrong: Any) -> None:
    """Anything else is refused when the app is made."""
    scope: Callable[[Any], Any] = lambda _: WATCHING  # noqa: E731 - as short as it is
    with pytest.raises(InvalidPayload, match=r"^mask "):
        evidence_app(desk.scoria, scope=scope, mask=wrong)
    with pytest.raises(InvalidPayload, match=r"^mask "):
        decision_app(desk.scoria, scope=scope, secret=SIGNED_WITH, mask=wrong)


# What an API or a command line shows.


def test_masked_returns_a_run_as_it_is_shown(desk: Desk) -> None:
    """Of the same shape, with the mark as text; the same object where nothing is hidden."""
    (run_id, *_) = plant(desk)
    detail = desk.scoria.get_run_detail(run_id)
    shown = masked(detail, secret_by_name)
    assert PLANTED in repr(detail)
    assert PLANTED not in repr(shown)
    assert shown.approvals[0].arguments["api_key"] == "••••••"
    assert shown.summary.pending_approvals[0].arguments["api_key"] == "••••••"
    assert [each.digest for each in shown.journal] == [each.digest for each in detail.journal]
    assert masked(detail, None) is detail
    assert masked(shown, lambda _: False) is shown
    (listed,) = desk.scoria.list_approvals()
    assert PLANTED not in repr(masked(listed, secret_by_name))


def test_no_payload_of_the_model_is_forgotten(desk: Desk) -> None:
    """Each field that is a JSON value is known by its name."""
    known = {*PAYLOADS, *SCHEMAS, *FACTS}
    kinds = [RunSummary, Step, Approval]
    detail = desk.scoria.get_run_detail(plant(desk)[3])
    kinds += [type(detail), type(detail.identity), type(detail.journal[0])]
    kinds += [type(detail.delegated_handoffs[0])]
    for kind in kinds:
        for field in attrs.fields(attrs.resolve_types(kind)):
            if field.type is Any or "Mapping" in str(field.type):
                assert field.name in known, (kind, field.name)


def test_the_pages_with_marks_are_valid_html(desk: Desk, tmp_path: Any) -> None:
    """The checker of the W3C finds no fault."""
    asked = desk.ask({"token": "a", "amount": 5}, may_edit=True)
    waits = desk.ask({"token": "a"}, may_edit=True)
    desk.scoria.approve(
        asked.run_id, approval_id=asked.approval_id, decided_by="r-7", arguments={"token": "b"}
    )
    desk.scope = TRUSTED
    paths = ("/", path_of(asked.run_id), path_of(asked.run_id) + "?masked=shown", decided_at(waits))
    assert faults({path: desk.get(path).text for path in paths}, tmp_path) == []
