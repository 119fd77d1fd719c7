"""Evidence pages that are wrong on purpose, each around the right one under test."""

import html
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from lab.mutants.under_test import subject
from lab.mutants.wrong import Catalogue
from scoria_conformance.host import PageFactory, ScopeOf, WSGIApp
from scoria_core import Scoria, ScoriaError

Environ = Mapping[str, Any]


def _installed(wrong: Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]) -> None:
    subject.page = partial(wrong, subject.page)


breaks = Catalogue("page", _installed)


def rewritten(app: WSGIApp, change: Callable[[Environ, str, str], tuple[str, str]]) -> WSGIApp:
    """Return an app that answers with what `change` makes of the status and the text of `app`."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        told: list[Any] = []
        body = b"".join(app(environ, lambda *line: told.extend(line)))
        status, text = change(environ, told[0], body.decode())
        start_response(status, [("Content-Type", "text/html; charset=utf-8")])
        return [text.encode()]

    return answer


def _run_id(environ: Environ) -> str:
    return str(environ["PATH_INFO"]).rpartition("/")[2]


def _exists(scoria: Scoria, environ: Environ) -> bool:
    try:
        return bool(scoria.get_run(_run_id(environ)))
    except ScoriaError:
        return False


def without(*words: str) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    """Return a page that does not show these words."""

    def page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
        def change(_: Environ, status: str, text: str) -> tuple[str, str]:
            for word in words:
                text = text.replace(word, "")
            return status, text

        return rewritten(right(scoria, scope), change)

    return page


breaks.add(
    "the page does not show what is to be approved",
    "PAGE-1",
    "the page does not show send_refund",
    without("send_refund"),
)
breaks.add(
    "the page does not show the arguments",
    "PAGE-1",
    "the page does not show customer-42",
    without("customer-42"),
)
breaks.add(
    "the page does not show where the run stands",
    "PAGE-1",
    "the page does not show failed",
    without("failed", "completed", "cancelled"),
)
breaks.add(
    "the page has another heading for what was delegated",
    "PAGE-7",
    "'planner' in ''",
    without("Delegated Evidence"),
)


@breaks("PAGE-2", "403")
def who_has_no_scope_sees_all(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    anyone = {"tenant_id": "tenant-1", "actor_id": "nobody"}
    return right(scoria, lambda environ: scope(environ) or anyone)


@breaks("PAGE-2", "Evidence")
def the_refusal_tells_whether_the_run_is_there(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    def change(environ: Environ, status: str, text: str) -> tuple[str, str]:
        there = status.startswith("403") and _exists(scoria, environ)
        return status, text + "Sign in to see this run." if there else text

    return rewritten(right(scoria, scope), change)


@breaks("PAGE-3", "?tenant_id=")
def trusts_the_query_string(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def said(environ: Environ) -> Mapping[str, str] | None:
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        return query if {"tenant_id", "actor_id"} <= query.keys() else scope(environ)

    return right(scoria, _two(said))


@breaks("PAGE-3", "X-Tenant-Id")
def trusts_a_header(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def said(environ: Environ) -> Mapping[str, str] | None:
        tenant = environ.get("HTTP_X_TENANT_ID")
        return {"tenant_id": tenant, "actor_id": "user-1"} if tenant else scope(environ)

    return right(scoria, said)


@breaks("PAGE-3", "Cookie")
def trusts_a_cookie(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def said(environ: Environ) -> Mapping[str, str] | None:
        cookies = {name: each.value for name, each in _cookies(environ).items()}
        return _two(lambda _: cookies)(environ) if "tenant_id" in cookies else scope(environ)

    return right(scoria, said)


def _two(said: ScopeOf) -> ScopeOf:
    """Return the scope without what is none of it."""

    def scope(environ: Environ) -> Mapping[str, str] | None:
        found = said(environ)
        return found and {name: found[name] for name in ("tenant_id", "actor_id")}

    return scope


def _cookies(environ: Environ) -> SimpleCookie:
    return SimpleCookie(environ.get("HTTP_COOKIE", ""))


@breaks("PAGE-4", "== 404")
def shows_another_tenants_page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def owner(environ: Environ) -> Mapping[str, str] | None:
        granted = scope(environ)
        if granted is None or not _exists(scoria, environ):
            return granted
        return {**granted, "tenant_id": scoria.get_run(_run_id(environ)).tenant_id}

    return right(scoria, owner)


@breaks("PAGE-4", "403 == 404")
def another_tenants_page_is_forbidden(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    def change(environ: Environ, status: str, text: str) -> tuple[str, str]:
        theirs = status.startswith("404") and _exists(scoria, environ)
        return ("403 Forbidden", text) if theirs else (status, text)

    return rewritten(right(scoria, scope), change)


@breaks("PAGE-4", "Evidence")
def what_is_not_found_names_what_was_asked_for(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    def change(environ: Environ, status: str, text: str) -> tuple[str, str]:
        return status, text + _run_id(environ) if status.startswith("404") else text

    return rewritten(right(scoria, scope), change)


def _as(method: str, stands_for: str) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    def page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
        app = right(scoria, scope)

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] == method:
                environ = {**environ, "REQUEST_METHOD": stands_for}
            return app(environ, start_response)

        return answer

    return page


breaks.add("a form may be sent to the page", "PAGE-5", "200 == 405", _as("POST", "GET"))
breaks.add("the page knows only GET", "PAGE-5", "405 == 200", _as("HEAD", "POST"))


@breaks("PAGE-5", "(DELETE, 405)")
def a_request_to_delete_cancels_the_run(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    app = right(scoria, scope)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "DELETE":
            scoria.cancel_run(_run_id(environ))
        return app(environ, start_response)

    return answer


@breaks("PAGE-6", "the page has it as markup")
def forgets_to_escape(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    return rewritten(right(scoria, scope), lambda _, *told: (told[0], html.unescape(told[1])))


@breaks("PAGE-6", "&lt;script&gt;")
def drops_what_looks_like_markup(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def change(_: Environ, status: str, text: str) -> tuple[str, str]:
        return status, text.replace("&lt;script&gt;", "")

    return rewritten(right(scoria, scope), change)
