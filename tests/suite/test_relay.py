"""The relay between a driver and its host: what it passes on, holds back, and sends as another."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from werkzeug.wrappers import Request, Response

from scoria_conformance.relay import Relay, Sent, relayed
from scoria_conformance.serving import served

FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")


@Request.application
def told(request: Request) -> Response:
    """Answer with what arrived; sign in at /login, and lead from /away to /here."""
    if request.path == "/login":
        response = Response("in")
        response.set_cookie("user", request.args["user"], secure=True, domain="host.invalid")
        return response
    if request.path == "/away":
        return Response(status=302, headers={"Location": f"{request.host_url}here"})
    arrived = {
        "path": request.full_path,
        "form": request.form,
        "user": request.cookies.get("user"),
        "origin": request.headers.get("Origin"),
    }
    return Response(json.dumps(arrived), mimetype="application/json")


@pytest.fixture
def relay() -> Iterator[Relay]:
    """Stand between a client and the app."""
    with served(told) as base_url, relayed(base_url) as relay:
        yield relay


def said(answer: httpx.Response) -> dict[str, Any]:
    """Return what arrived at the app."""
    arrived: dict[str, Any] = answer.json()
    return arrived


def test_a_request_and_its_answer_pass_as_they_are(relay: Relay) -> None:
    """A form, a query, the name of the host in a header, and a redirect that stays within."""
    with httpx.Client(base_url=relay.url, follow_redirects=True) as browser:
        arrived = said(browser.post("/act?a=1", data={"b": "2"}, headers={"Origin": relay.url}))
        assert (arrived["path"], arrived["form"]) == ("/act?a=1", {"b": "2"})
        assert arrived["origin"] == relay.base_url
        landed = browser.get("/away")
        assert str(landed.url) == f"{relay.url}/here"
    assert [each.method for each in relay.sent] == ["POST", "GET", "GET"]


def test_each_browser_keeps_its_cookies_unless_there_is_one(relay: Relay) -> None:
    """A cookie goes through, also one that is bound to TLS and to the name of the host."""
    with httpx.Client(base_url=relay.url) as ada, httpx.Client(base_url=relay.url) as ben:
        ada.get("/login?user=ada")
        ben.get("/login?user=ben")
        assert said(ada.get("/"))["user"] == "ada"
        relay.is_one_browser = True
        relay.client.cookies.set("user", "cleo")
        assert said(ada.get("/"))["user"] == "cleo"


def test_what_is_held_does_not_arrive(relay: Relay) -> None:
    """From a request on, those that may change something stay with the relay."""
    relay.held_from = 1
    with httpx.Client(base_url=relay.url) as browser:
        codes = [browser.post("/a").status_code, browser.get("/b").status_code]
        codes += [browser.post("/c").status_code, browser.get("/d").status_code]
    assert codes == [200, 200, 503, 503]
    assert [each.target for each in relay.changing] == ["/a", "/c"]


def test_another_request_comes_between_a_head_and_its_body(relay: Relay) -> None:
    """Once, and only where there is a body."""
    met: list[str] = []
    relay.between = lambda: met.append(httpx.get(f"{relay.base_url}/other").json()["path"])
    with httpx.Client(base_url=relay.url) as browser:
        browser.get("/first")
        assert met == []
        for _ in range(2):
            assert said(browser.post("/act", data={"b": "2"}))["form"] == {"b": "2"}
    assert met == ["/other?"]


def test_a_host_that_does_not_answer_is_said_to(relay: Relay) -> None:
    """The driver gets an answer that tells it."""
    relay.base_url = "http://127.0.0.1:1"
    answer = httpx.get(relay.url)
    assert answer.status_code == 502
    assert "does not answer" in answer.text


def test_a_form_is_sent_as_another_would() -> None:
    """In their headers, with each field that differs and the address as both had it, and claims."""
    mine = Sent("POST", "/approve/1", (FORM, ("Cookie", "a")), b"token=m&approval=7&note=ok")
    theirs = Sent("POST", "/approve/2", (FORM, ("Cookie", "b")), b"token=t&approval=8&note=ok")
    forged = list(mine.as_by(theirs, {"tenant_id": "acme"}))
    assert {dict(each.headers)["Cookie"] for each in forged} == {"b"}
    tried = {(each.fields or {})["token"] + (each.fields or {})["approval"] for each in forged}
    assert tried == {"m7", "t7", "m8", "t8"}
    claiming = [each for each in forged if (each.fields or {}).get("tenant_id") == "acme"]
    assert len(claiming) == len(forged) / 2
    assert {each.target for each in claiming} == {
        "/approve/1?tenant_id=acme",
        "/approve/2?tenant_id=acme",
    }
    assert {dict(each.headers).get("X-tenant-id") for each in claiming} == {"acme"}


def test_a_form_is_sent_as_a_link() -> None:
    """What its form has is in the query of a GET without a body."""
    form = Sent("POST", "/approve/1", (FORM, ("Cookie", "a")), b"approval=7&note=ok")
    link = Sent("GET", "/approve/1?approval=7&note=ok", (("Cookie", "a"),), b"")
    assert form.as_link == link
    assert Sent("POST", "/resume", (), b"").as_link == Sent("GET", "/resume", (), b"")


def test_json_is_sent_as_another_would() -> None:
    """An object stays JSON; what is none is sent as it is."""
    mine = Sent("POST", "/a", (JSON,), b'{"n": 1}')
    theirs = Sent("POST", "/a", (JSON, ("X-Tenant-Id", "other")), b'{"n": 2}')
    forged = list(mine.as_by(theirs, {"tenant_id": "acme"}))
    assert [json.loads(each.body)["n"] for each in forged] == [1, 1, 2, 2]
    for each in forged:  # a header that says who they are is theirs
        named = [value for name, value in each.headers if name.lower() == "x-tenant-id"]
        assert named == ["other"]
    opaque = Sent("POST", "/a", (JSON,), b"[1]")
    assert {each.body for each in opaque.as_by(theirs, {"tenant_id": "acme"})} == {b"[1]"}
