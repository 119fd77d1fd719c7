"""The demo host: its pages are HTML, its forms are its own, its refusals have their status."""

import inspect
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from scoria_conformance import Status, verify
from scoria_core import Scoria, ScoriaError, errors
from scoria_core.errors import StoreCorrupt, StoreUnavailable
from scoria_demo import create_app
from scoria_demo.app import STATUSES
from scoria_memory import MemoryStore
from tests.support.valid_html import faults

FAULTS = {
    "scoria_error",
    "unknown_handler",
    "async_handler_refused",
    "store_corrupt",
    "schema_too_new",
}
"""The codes of what is no refusal of a request, but a fault of the host or its store."""


class Browser:
    """A browser that follows redirects and posts forms with what is hidden in them."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.seen: dict[str, str] = {}

    def get(self, path: str) -> TestResponse:
        """Open a page."""
        return self._kept(self.client.get(path, follow_redirects=True, buffered=True))

    def post(self, path: str, **form: str) -> TestResponse:
        """Send a form with its token."""
        form["csrf_token"] = token_of(self.client.get("/login").text)
        return self._kept(self.client.post(path, data=form, follow_redirects=True))

    def decide(self, shown: TestResponse, decision: str, **more: str) -> TestResponse:
        """Follow the way from the page of a run to its request, and decide it there."""
        [address] = re.findall(
            r'href="(/decisions/[^"]+)">Decide', self.get(shown.request.path).text
        )
        form = {
            "decision": decision,
            "token": token_of(self.client.get(address).text, "token"),
            **more,
        }
        return self.client.post(address, data=form, follow_redirects=True)

    def sign_in(self, name: str, **more: str) -> None:
        """Sign in at the stub."""
        self.post("/login", user_id=name, account_id="account-1", **more)

    def _kept(self, answer: TestResponse) -> TestResponse:
        self.seen[f"{len(self.seen)} {answer.status_code} {answer.request.path}"] = answer.text
        return answer


def token_of(page: str, name: str = "csrf_token") -> str:
    """Return what the forms of a page carry."""
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found
    return unescape(found[1])


@pytest.fixture
def app() -> Iterator[Flask]:
    """Return the host over a store of its own."""
    with Scoria(MemoryStore()) as scoria:
        yield create_app(scoria)


@pytest.fixture
def browser(app: Flask) -> Browser:
    """Return a browser in which nobody has signed in."""
    return Browser(app.test_client())


def run_of(answer: TestResponse) -> str:
    """Return the run that a page is about."""
    return answer.request.path.rsplit("/", 1)[1]


def walked(app: Flask, browser: Browser) -> dict[str, str]:
    """Return every page of the host, as a user and as a reviewer."""
    reviewer = Browser(app.test_client())
    browser.get("/")
    browser.sign_in("user-1")
    reviewer.sign_in("reviewer-7", reviewer="1")
    prompt = "May I <b>return</b> it\u202e & 'that'?"
    decided = browser.post("/assistant/runs", prompt=prompt)
    browser.post("/assistant/runs", prompt="another")
    browser.post("/assistant/drafts", draft_answer="Our policy allows it")
    browser.post("/assistant/drafts", draft_answer="Yes")
    waiting = browser.get(decided.request.path)
    assert "A reviewer of this account decides" in waiting.text
    browser.post("/assistant/refunds", order="A-17", amount="1250")
    failed = browser.post("/assistant/refunds", order="A-99", amount="35")
    assert "There is no such order in the books" in failed.text
    assert "cancelled</span>" in browser.post(f"{failed.request.path}/cancel").text
    assert reviewer.post(f"{decided.request.path}/cancel").status_code == 403
    assert browser.post(f"{decided.request.path}/resume").status_code == 409
    reviewer.get("/")
    reviewer.decide(decided, "reject", note="Be kinder")
    browser.get(decided.request.path)
    again = browser.post(f"{decided.request.path}/resume")
    assert "after reviewer-7 said: Be kinder" in again.text
    reviewer.decide(decided, "approve")
    done = browser.post(f"{decided.request.path}/resume")
    assert "tomorrow" in done.text
    assert "Carry on" not in done.text
    assert browser.post(f"{decided.request.path}/resume").status_code == 409
    assert browser.post("/assistant/refunds", order="A-17", amount="much").status_code == 400
    assert browser.get("/assistant/runs/unknown").status_code == 404
    assert browser.get("/nowhere").status_code == 404
    assert browser.post("/assistant/runs").status_code == 400
    assert browser.get("/login").status_code == 200
    return browser.seen | {f"reviewer {name}": text for name, text in reviewer.seen.items()}


def test_every_page_is_valid_html(app: Flask, browser: Browser, tmp_path: Path) -> None:
    """The checker of the W3C finds no fault in any page of the host."""
    pages = walked(app, browser)
    assert len(pages) > 15
    assert faults(pages, tmp_path) == []


def test_no_page_brings_what_its_policy_forbids(app: Flask, browser: Browser) -> None:
    """No page has a style, a script or a handler of its own, nor text that is not seen."""
    text = "".join(walked(app, browser).values())
    assert not re.search(r"<style|<script|\sstyle=|\son\w+=|\u202e", text)
    assert "May I &lt;b&gt;return&lt;/b&gt; it\\u202e &amp; &#39;that&#39;?" in text


def test_every_answer_locks_the_browser_down(app: Flask, browser: Browser) -> None:
    """Whatever the status, the policy lets a page load its style and post to this host."""
    browser.sign_in("user-1")
    answers = [browser.get(path) for path in ("/", "/login", "/nowhere", "/style.css")]
    answers.append(app.test_client().post("/login"))
    assert [answer.status_code for answer in answers] == [200, 200, 404, 200, 400]
    for answer in answers:
        policy = dict(each.split(" ", 1) for each in answer.headers[POLICY].split("; "))
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


POLICY = "Content-Security-Policy"


def test_a_form_of_another_site_is_refused(app: Flask, browser: Browser) -> None:
    """A post without the token of the session changes nothing, on every route that takes one."""
    browser.sign_in("reviewer-7", reviewer="1")
    run = browser.post("/assistant/runs", prompt="May I?")
    waiting = app.extensions["scoria"].get_run(run_of(run))
    posts = [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(posts) == 7
    form = {"prompt": "p", "draft_answer": "d", "order": "A-17", "amount": "1"}
    with app.test_request_context():
        adapter = app.url_map.bind("localhost")
        named = {"run_id": waiting.run_id}
        paths = [
            adapter.build(rule.endpoint, {key: named[key] for key in rule.arguments})
            for rule in posts
        ]
    for path in paths:
        for token in ({}, {"csrf_token": "made-up"}):
            answer = browser.client.post(path, data={**form, **token})
            assert (path, answer.status_code) == (path, 400)
    scoria = app.extensions["scoria"]
    assert scoria.get_run(waiting.run_id) == waiting
    assert len(scoria.list_runs()) == 1
    assert "reviewer-7" in browser.get("/").text


def test_a_large_refund_takes_two_people_and_none_of_them_asked(app: Flask) -> None:
    """The first yes leaves it waiting, the second is another's; who asked decides nothing."""
    asking, *reviewers = (Browser(app.test_client()) for _ in range(3))
    asking.sign_in("reviewer-6", reviewer="1")
    run = asking.post("/assistant/refunds", order="A-17", amount="1250")
    assert asking.decide(run, "approve").status_code == 403
    for name, browser in zip(("reviewer-7", "reviewer-8"), reviewers, strict=True):
        assert "Carry on" not in asking.get(run.request.path).text
        browser.sign_in(name, reviewer="1")
        assert browser.decide(run, "approve").status_code == 200
    done = asking.post(f"{run.request.path}/resume")
    assert "refunded" in done.text


def test_every_refusal_has_its_status() -> None:
    """Each code of the kit is a status of the client, or known to be a fault."""
    codes = {
        kind.code
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ScoriaError)
    }
    assert set(STATUSES) == codes - FAULTS


BROKEN: dict[str, tuple[ScoriaError, int, str]] = {
    "unavailable": (StoreUnavailable("duckdb:///secret", "is locked"), 503, "Try again"),
    "corrupt": (StoreCorrupt("run-1", 3, "was changed in secret"), 500, "log of the host"),
}


@pytest.mark.parametrize(("error", "status", "said"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_store_that_fails_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
    accept: str,
    error: ScoriaError,
    status: int,
    said: str,
) -> None:
    """A page and an answer for programs say 503 or 500, and nothing about the store."""

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    browser.sign_in("user-1")
    monkeypatch.setattr(MemoryStore, "read", fails)
    answer = browser.client.get("/assistant/runs/run-1", headers={"Accept": accept})
    assert answer.status_code == status
    assert said in answer.text
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    if accept == "application/json":
        assert json.loads(answer.text)["code"] == error.code


APP = """
from scoria_core import Scoria
from scoria_demo import create_app
app = create_app(Scoria.open("memory://"))
"""


@pytest.mark.slow
def test_the_demo_host_passes_the_suite_for_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody does every act in it, through its own routes and forms."""
    (tmp_path / "demo_app.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    verdict = verify("demo_app:app", host="scoria_demo.client:connect")
    assert [check for check in verdict.checks if check.status != Status.PASSED] == []
    assert len(verdict.checks) >= 8
