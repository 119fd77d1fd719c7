"""Links for mail and chat: what one decides, and what none does."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, cast

import attrs
import pytest
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Request, Response

from scoria_core import Approval, Event, NeedsApproval, Scoria, StepSpec
from scoria_core.errors import InvalidIdentity, InvalidPayload
from scoria_core.lifecycles import ApprovalStatus
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_web import DecisionLinks, link_app

SECRET = "sixteen or more of them"  # noqa: S105 - of no host
HOST = "https://host.example"
DECIDES = {"decision": "approve"}


@attrs.define
class Post:
    """A host that sends links, and the browser of who gets them."""

    scoria: Scoria
    clock: SettableClock
    events: list[Event]
    links: DecisionLinks = attrs.field(factory=lambda: DecisionLinks(f"{HOST}/", SECRET))
    app: Any = None

    def ask(self, **more: Any) -> Event:
        """Start a run that asks, and return the event that its listener was told of."""
        needs = NeedsApproval(tool_name="refund", arguments={"amount": 12}, reason="above", **more)
        self.scoria.start_run(
            self.scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s-1"),
            root_role_id="executor",
            initial_step=StepSpec(kind="work", role_id="executor"),
            handlers={"work": lambda *_: needs},
        )
        self.scoria.deliver_events()
        return [each for each in self.events if each.type == "approval.requested"][-1]

    def path(self, event: Event, decider: str = "ann") -> str:
        """Return the link of a decider, as the app is asked for it."""
        return self.links.link(event, decider).removeprefix(HOST)

    @property
    def client(self) -> Client:
        """A browser without a memory."""
        return Client(self.app or link_app(self.scoria, links=self.links))

    def token(self, path: str) -> str:
        """Return the token of the form that a link shows."""
        (token,) = re.findall(r'name="token" value="([^"]+)"', self.client.get(path).text)
        return str(token)

    def send(self, path: str, **fields: str) -> TestResponse:
        """Open a link, and press a button of its form."""
        form = {"token": self.token(path), **DECIDES, **fields}
        return self.client.post(path, data=form)

    def approval(self, event: Event) -> Approval:
        """Return the request as it is now."""
        detail = self.scoria.get_run_detail(event.run_id)
        return next(each for each in detail.approvals if each.approval_id == event.subject_id)


@pytest.fixture
def post() -> Iterator[Post]:
    """Return a host over an empty store."""
    clock, events = SettableClock(), list[Event]()
    with Scoria(MemoryStore(), clock=clock, listeners={"mail": events.append}) as scoria:
        yield Post(scoria, clock, events)


def opening_decides_nothing(post: Post) -> None:
    """Check that neither a GET nor a HEAD of a link changes a journal, however it is asked."""
    event = post.ask()
    path, before = post.path(event), post.scoria.get_run_detail(event.run_id).journal
    for query in ("", "?decision=approve", f"?decision=approve&token={post.token(path)}"):
        for method in ("GET", "HEAD"):
            answer = post.client.open(path + query, method=method, data=DECIDES)
            assert answer.status_code == 200
            after = post.scoria.get_run_detail(event.run_id).journal
            assert after == before, "to open a link decides nothing"


def test_to_open_a_link_decides_nothing(post: Post) -> None:
    """A mail scanner opens every link: it sees a form, and nothing is changed."""
    opening_decides_nothing(post)
    page = post.client.get(post.path(post.ask())).text
    assert "Approve" in page
    assert "12" in page


def test_an_app_that_decides_when_it_is_opened_is_noticed(post: Post) -> None:
    """The check above fails one that is wrong so, and for that reason."""
    right = link_app(post.scoria, links=post.links)

    @Request.application
    def wrong(request: Request) -> Response:
        link = post.links.read(request.path.removeprefix("/"))
        if link is not None and post.scoria.get_run(link.run_id).pending_approval is not None:
            post.scoria.approve(link.run_id, approval_id=link.approval_id, decided_by=link.decider)
        return Response("Approved. token=")

    def app(environ: Any, start_response: Any) -> Any:
        is_first = environ["REQUEST_METHOD"] == "GET" and not environ["QUERY_STRING"]
        return (right if is_first else wrong)(environ, start_response)

    post.app = app
    with pytest.raises(AssertionError, match="to open a link decides nothing"):
        opening_decides_nothing(post)


@pytest.mark.parametrize(("decision", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_its_form_decides_once_in_the_name_of_its_decider(
    post: Post, decision: str, status: str
) -> None:
    """Then the link is spent: it shows nothing more, and a form that was kept decides nothing."""
    event = post.ask(assigned_to=["ann"])
    path = post.path(event)
    kept = post.token(path)
    answer = post.send(path, decision=decision, note="ok")
    assert answer.status_code == 200
    assert "Your decision is recorded" in answer.text
    approval = post.approval(event)
    assert (approval.status, approval.decided_by, approval.note) == (status, "ann", "ok")
    for answer in (post.client.get(path), post.client.post(path, data={"token": kept, **DECIDES})):
        assert answer.status_code == 410
        assert "refund" not in answer.text
    assert post.approval(event) == approval


def test_a_link_is_spent_when_its_decider_has_voted(post: Post) -> None:
    """The next yes is another person's, by a link of their own."""
    event = post.ask(approvals_needed=2)
    anns, bobs = post.path(event, "ann"), post.path(event, "bob")
    assert post.send(anns).status_code == 200
    assert post.client.get(anns).status_code == 410
    assert post.send(bobs).status_code == 200
    assert post.approval(event).decided_by == "bob"
    assert [each.by for each in post.approval(event).endorsements] == ["ann"]


def test_a_link_is_spent_when_its_request_has_expired(post: Post) -> None:
    """However long it would have been good for."""
    path = post.path(post.ask(expires_in=60))
    post.clock.advance(seconds=60)
    assert post.client.get(path).status_code == 410


def edited(token: str) -> Iterator[str]:
    """Yield a token with something changed in each of its parts, and with parts of another."""
    for at in range(0, len(token), 7):
        yield token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
    payload, stamp, signature = token.rsplit(".", 2)
    later = base64.urlsafe_b64encode((2**31 - 1).to_bytes(4, "big")).rstrip(b"=").decode()
    yield f"{payload}.{later}.{signature}"
    yield f"{payload}.{stamp}"
    yield f"{payload}.{stamp}.{signature}x"
    yield f"{payload}.{stamp}."
    yield "."
    yield "x" * 10_000


def refused(post: Post, event: Event, path: str) -> None:
    """Check that a link shows nothing and decides nothing."""
    form = {"token": post.token(post.path(event)), **DECIDES}
    for answer in (post.client.get(path), post.client.post(path, data=form)):
        assert answer.status_code in (403, 404)
        assert "refund" not in answer.text
    assert post.approval(event).status == ApprovalStatus.PENDING


def test_an_edited_link_is_refused(post: Post) -> None:
    """Whatever is changed in it."""
    event = post.ask()
    token = post.path(event).removeprefix("/")
    tried = [each for each in edited(token) if each != token]
    client, form = post.client, {"token": post.token(f"/{token}"), **DECIDES}
    for each in tried:
        assert client.get(f"/{each}").status_code in (403, 404)
        assert client.post(f"/{each}", data=form).status_code in (403, 404)
    assert post.approval(event).status == ApprovalStatus.PENDING


def test_a_forged_link_is_refused(post: Post) -> None:
    """One that was signed with another secret, or for another purpose with the same."""
    event = post.ask()
    for links in (
        DecisionLinks(HOST, "another secret of a host"),
        DecisionLinks(HOST, SECRET.encode()[::-1]),
    ):
        refused(post, event, links.link(event, "ann").removeprefix(HOST))
    refused(post, event, f"/{post.token(post.path(event))}")


def test_a_link_for_other_arguments_is_refused(post: Post) -> None:
    """It names the digest of what was proposed when it was sent."""
    event = post.ask()
    other = attrs.evolve(event, proposed_digest=f"sha256:{'0' * 64}")
    refused(post, event, post.path(other))


def test_a_link_is_good_for_its_time(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """A week if nothing else is said; then it is refused."""
    event = post.ask()
    path, now = post.path(event), [0.0]
    signed_at = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: signed_at + now[0])
    now[0] = timedelta(days=7).total_seconds() - 5
    assert post.client.get(path).status_code == 200
    now[0] += 10
    assert post.client.get(path).status_code == 403


def test_a_form_of_one_link_decides_nothing_by_another(post: Post) -> None:
    """Neither of another person nor of another request."""
    first, second = post.ask(), post.ask()
    token = post.token(post.path(first, "ann"))
    for path in (post.path(first, "bob"), post.path(second, "ann")):
        answer = post.client.post(path, data={"token": token, **DECIDES})
        assert answer.status_code == 403
    for event in (first, second):
        assert post.approval(event).status == ApprovalStatus.PENDING


@pytest.mark.parametrize(
    ("more", "decider"), [({"assigned_to": ["bob"]}, "ann"), ({"not_by": ["ann"]}, "ann")]
)
def test_the_rules_of_a_request_hold_for_its_links(
    post: Post, more: dict[str, Any], decider: str
) -> None:
    """A link that was sent to the wrong person decides nothing."""
    event = post.ask(**more)
    path = post.path(event, decider)
    page = post.client.get(path)
    assert page.status_code == 200
    token = next(iter(re.findall(r'name="token" value="([^"]+)"', page.text)), "")
    answer = post.client.post(path, data={"token": token, **DECIDES})
    assert answer.status_code == 403
    assert post.approval(event).status == ApprovalStatus.PENDING


def test_a_link_names_a_decider_and_a_request(post: Post) -> None:
    """An id that is none, and an event of something else, are refused by name."""
    event = post.ask()
    with pytest.raises(InvalidIdentity, match="decider"):
        post.links.link(event, " ")
    with pytest.raises(InvalidPayload, match="is of a run"):
        post.links.link(post.events[0], "ann")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *(
            (partial(DecisionLinks, cast(Any, url), SECRET), "base_url")
            for url in (
                "host.example",
                "https://",
                "https://host.example/?a=b",
                "https://host.example/#a",
                "https://host.example/a b",
                "https://[host.example/",
                7,
            )
        ),
        (lambda: DecisionLinks(HOST, "short"), "secret"),
        (lambda: DecisionLinks(HOST, SECRET, timedelta(microseconds=1)), "good_for"),
        (lambda: DecisionLinks(HOST, SECRET, cast(Any, 60)), "good_for"),
        (lambda: DecisionLinks(HOST, SECRET).link(cast(Any, "run"), "ann"), "event"),
        (lambda: link_app(Scoria(MemoryStore()), links=cast(Any, "secret")), "links"),
    ],
)
def test_what_makes_no_links_is_refused(make: Callable[[], DecisionLinks], name: str) -> None:
    """By the name of the argument."""
    with pytest.raises(InvalidPayload) as error:
        make()
    assert error.value.path == name


def test_neither_text_nor_answers_tell_the_secret_or_lead_away(post: Post) -> None:
    """No page of the link sends its address on."""
    assert SECRET not in repr(post.links)
    answer = post.client.get(post.path(post.ask()))
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
