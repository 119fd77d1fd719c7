"""Pages of a host that opens its store in each process, or after its app is made."""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from scoria_core import AsyncScoria, Scoria
from scoria_core.errors import InvalidPayload, StoreUnavailable
from scoria_memory import MemoryStore
from scoria_web import DecisionLinks, Scope, api_app, decision_app, evidence_app, link_app

SECRET = "sixteen or more characters"  # noqa: S105 - of this test


def _evidence(scoria: Any) -> Any:
    return evidence_app(scoria, scope=lambda _: Scope("acme", "user-1"))


def _decisions(scoria: Any) -> Any:
    return decision_app(scoria, scope=lambda _: Scope("acme", "user-1"), secret=SECRET)


def _api(scoria: Any) -> Any:
    return api_app(scoria, scope=lambda _: Scope("acme", "user-1"))


def _links(scoria: Any) -> Any:
    return link_app(scoria, links=DecisionLinks("https://host.invalid/links", SECRET))


APPS: dict[Callable[[Any], Any], str] = {
    _evidence: "/",
    _decisions: "/run/approval",
    _api: "/v1/runs",
}
"""The apps, each with an address at which it asks the store."""

each_app = pytest.mark.parametrize("app_of", APPS)


def _asked(app_of: Callable[[Any], Any], scoria: Any) -> int:
    transport = httpx.WSGITransport(app=app_of(scoria))
    with httpx.Client(transport=transport, base_url="http://host.invalid") as client:
        return client.get(APPS[app_of]).status_code


@each_app
def test_a_facade_is_asked_for_when_a_request_comes(app_of: Callable[[Any], Any]) -> None:
    """The app is made before there is one; each request asks for it."""
    asked: list[Scoria] = []

    def opened() -> Scoria:
        asked.append(Scoria(MemoryStore()))
        return asked[-1]

    app = app_of(opened)
    assert not asked
    transport = httpx.WSGITransport(app=app)
    with httpx.Client(transport=transport, base_url="http://host.invalid") as client:
        assert client.get(APPS[app_of]).status_code == (404 if app_of is _decisions else 200)
    assert len(asked) == 1


@each_app
def test_a_store_that_cannot_be_opened_is_unavailable(app_of: Callable[[Any], Any]) -> None:
    """Whoever looks is told to come back, as for a store that has gone away."""

    def opened() -> Scoria:
        raise StoreUnavailable("the store", "does not answer", "start it")

    assert _asked(app_of, opened) == 503


@each_app
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "scoria returned NoneType; pass what Scoria.open returned"),
        (AsyncScoria(MemoryStore()), "of an AsyncScoria pass its .sync"),
        (InvalidPayload("lease", "is 0"), "lease is 0"),
    ],
)
def test_what_returns_no_facade_is_a_fault_of_the_host(
    app_of: Callable[[Any], Any], answer: object, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever looks is told no more than that; the log says what came instead."""

    def opened() -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with caplog.at_level(logging.ERROR, "scoria.web"):
        assert _asked(app_of, opened) == 500
    assert told in caplog.text


@pytest.mark.parametrize("app_of", [*APPS, _links])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Scoria, r"scoria is type; pass what Scoria\.open returned"),
        (AsyncScoria(MemoryStore()), r"scoria is AsyncScoria; of an AsyncScoria pass its \.sync"),
    ],
)
def test_what_can_return_none_is_refused_at_once(
    app_of: Callable[[Any], Any], wrong: Any, told: str
) -> None:
    """A class, or the facade that is awaited, is found out when the app is made."""
    with pytest.raises(InvalidPayload, match=told):
        app_of(wrong)
