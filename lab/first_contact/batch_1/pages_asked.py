"""Evidence pages that answer the wrong requests, for the wrong tenant, or with an old page."""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from lab.first_contact.batch_1.pages_helpers import (
    App,
    MakePage,
    asked,
    asking,
    kit,
    of,
    started,
    wrong_page,
)
from lab.first_contact.wrong import HOST, Wrong
from scoria_core import Scoria
from scoria_core.errors import RunNotFound
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from scoria_web.app import _FORBIDDEN, _NOT_FOUND, _EvidenceApp
from scoria_web.scope import opened_now


def method_overridden(scoria: Scoria, scope: Any) -> App:
    """Let a header name the method, as some frameworks do for forms."""
    page = evidence_app(scoria, scope=scope, **HOST)

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        method = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", environ["REQUEST_METHOD"])
        return page({**environ, "REQUEST_METHOD": method}, start_response)

    return app


def show_method_overridden(make: MakePage) -> None:
    """A POST is refused, whatever its headers call it."""
    scoria = kit()
    path = f"/workflows/{started(scoria)}"
    answer = asked(make(scoria, of("acme")), path, "POST", {"X-HTTP-Method-Override": "GET"})
    assert answer.status_code == 405


def options_answered(scoria: Scoria, scope: Any) -> App:
    """Answer OPTIONS politely, so that browsers of other sites may ask."""
    page = evidence_app(scoria, scope=scope, **HOST)

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "OPTIONS":
            return page(environ, start_response)
        start_response("204 No Content", [("Allow", "GET, HEAD, OPTIONS")])
        return []

    return app


def show_options_answered(make: MakePage) -> None:
    """OPTIONS reads no evidence, and is refused as any other method."""
    scoria = kit()
    answer = asked(make(scoria, of("acme")), f"/workflows/{started(scoria)}", "OPTIONS")
    assert answer.status_code == 405


class _HeaderTenant(_EvidenceApp):
    """Takes the tenant from a header, where a proxy has set one."""

    def _scope_of(self, request: Any) -> Scope | None:
        scope = super()._scope_of(request)
        tenant_id = request.headers.get("X-Tenant-Id")
        return attrs.evolve(scope, tenant_id=tenant_id) if scope and tenant_id else scope


def show_header_tenant(make: MakePage) -> None:
    """A header does not choose the tenant."""
    scoria = kit()
    path = f"/workflows/{started(scoria, 'other')}"
    answer = asked(make(scoria, of("acme")), path, headers={"X-Tenant-Id": "other"})
    assert answer.status_code == 404


class _QueryTenant(_EvidenceApp):
    """Lets the query of the list of runs choose the tenant, for a menu of tenants."""

    def _scope_of(self, request: Any) -> Scope | None:
        scope = super()._scope_of(request)
        tenant_id = request.args.get("tenant_id") if request.path == "/" else None
        return attrs.evolve(scope, tenant_id=tenant_id) if scope and tenant_id else scope


def show_query_tenant(make: MakePage) -> None:
    """A query does not choose the tenant of a list."""
    scoria = kit()
    started(scoria, "other", "secret-session")
    answer = asked(make(scoria, of("acme")), "/?list=all&tenant_id=other")
    assert answer.status_code == 200
    assert "secret-session" not in answer.text


class _LowerTenant(_EvidenceApp):
    """Brings the tenant of the scope to lower case."""

    def _scope_of(self, request: Any) -> Scope | None:
        scope = super()._scope_of(request)
        return scope and attrs.evolve(scope, tenant_id=scope.tenant_id.lower())


def show_lower_tenant(make: MakePage) -> None:
    """The run of acme is not there for Acme."""
    scoria = kit()
    path = f"/workflows/{started(scoria, 'acme')}"
    assert asked(make(scoria, of("Acme")), path).status_code == 404


class _SaysWhose(_EvidenceApp):
    """Explains in its 404 that the run is there for others."""

    def _problem(self, problem: Any, urls: Any) -> Any:
        if problem is _NOT_FOUND:
            run_id = urls.path_info.rpartition("/")[2]
            try:
                opened_now(self.scoria).get_run(run_id)
            except RunNotFound:
                pass
            else:
                problem = attrs.evolve(problem, text="You have no access to the run here.")
        return super()._problem(problem, urls)


def show_says_whose(make: MakePage) -> None:
    """The page of another tenant's run is that of a run that never was, to the letter."""
    scoria = kit()
    page = make(scoria, of("acme"))
    other = asked(page, f"/workflows/{started(scoria, 'other')}")
    never = asked(page, "/workflows/01900000-0000-7000-8000-000000000000")
    assert other.status_code == never.status_code == 404
    assert other.text == never.text


class _ReadsThenLooks(_EvidenceApp):
    """Reads the run first, and looks whose it is after that."""

    def _page(self, request: Any, urls: Any) -> Any:
        if request.method == "GET" and request.path.startswith("/workflows/"):
            scope = self._scope_of(request)
            if scope is not None:
                run_id = request.path.removeprefix("/workflows/")
                if opened_now(self.scoria).get_run(run_id).tenant_id != scope.tenant_id:
                    return self._problem(_NOT_FOUND, urls)
        return super()._page(request, urls)


def show_reads_then_looks(make: MakePage) -> None:
    """A damaged run of another tenant is not there either."""
    store = MemoryStore()
    scoria = kit(store)
    run_id = started(scoria, "other")
    (started_with,) = store._journals[run_id]
    store._journals[run_id] = [attrs.evolve(started_with, digest="0" * 64)]
    assert asked(make(scoria, of("acme")), f"/workflows/{run_id}").status_code == 404


class _RoutesFirst(_EvidenceApp):
    """Looks for the page before it looks who asks."""

    def _page(self, request: Any, urls: Any) -> Any:
        urls.match(method="GET")
        return super()._page(request, urls)


def show_routes_first(make: MakePage) -> None:
    """Who has no scope gets 403 for an address that leads nowhere, too."""
    page = make(kit(), lambda environ: None)
    assert asked(page, "/nowhere/at/all").status_code == 403


class _AsksToSignIn(_EvidenceApp):
    """Answers 401 where there is no scope, so that a browser asks for a password."""

    def _problem(self, problem: Any, urls: Any) -> Any:
        response = super()._problem(problem, urls)
        if problem is _FORBIDDEN:
            response.status_code = 401
            response.headers["WWW-Authenticate"] = 'Basic realm="evidence"'
        return response


def show_asks_to_sign_in(make: MakePage) -> None:
    """Who has no scope is refused with 403."""
    assert asked(make(kit(), lambda environ: None), "/").status_code == 403


def remembers_scope(scoria: Scoria, scope: Any) -> App:
    """Remember the scope of an address, and grant it again where the host gives none."""
    known: dict[str, Scope] = {}

    def remembered(environ: Any) -> Scope | None:
        who = environ.get("REMOTE_ADDR", "")
        if (found := scope(environ)) is not None:
            known[who] = found
        return known.get(who)

    return evidence_app(scoria, scope=remembered, **HOST)


def show_remembers_scope(make: MakePage) -> None:
    """Who has signed out has no scope any more."""
    scoria, scopes = kit(), [of("acme")(None), None]
    path = f"/workflows/{started(scoria)}"
    page = make(scoria, lambda environ: scopes.pop(0))
    assert asked(page, path).status_code == 200
    assert asked(page, path).status_code == 403


@attrs.frozen
class _AllTenants:
    """Shows the runs of all tenants, whichever is asked for."""

    scoria: Scoria

    def for_tenant(self, _: str) -> Scoria:
        return self.scoria


class _SessionOfAll(_EvidenceApp):
    """Lists the runs of a session over all tenants."""

    def _page(self, request: Any, urls: Any) -> Any:
        app: _EvidenceApp = self
        if request.path == "/" and request.args.get("session"):
            everyone: Any = _AllTenants(opened_now(self.scoria))
            app = _EvidenceApp(everyone, self.scope, self.templates, **HOST)
        return _EvidenceApp._page(app, request, urls)


def show_session_of_all(make: MakePage) -> None:
    """A session of the same name of another tenant is not listed."""
    scoria = kit()
    theirs = started(scoria, "other", "chat")
    answer = asked(make(scoria, of("acme")), "/?list=all&session=chat")
    assert answer.status_code == 200
    assert theirs not in answer.text


def _kept(scoria: Scoria, scope: Any, name_of: Callable[[str, str], object]) -> App:
    pages: dict[object, tuple[str, Any, list[bytes]]] = {}
    page = evidence_app(scoria, scope=scope, **HOST)

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        who = scope(environ)
        path = environ.get("PATH_INFO", "")
        if who is None or environ["REQUEST_METHOD"] != "GET" or "/workflows/" not in path:
            return page(environ, start_response)
        name = name_of(who.tenant_id, path + "?" + environ.get("QUERY_STRING", ""))
        if name not in pages:
            said: list[Any] = []
            started: Any = lambda *answer, **_: said.append(answer)  # noqa: E731 - it is typed
            body = list(page(environ, started))
            if not said[0][0].startswith("200"):
                start_response(*said[0][:2])
                return body
            pages[name] = (said[0][0], said[0][1], body)
        status, headers, body = pages[name]
        start_response(status, headers)
        return body

    return app


def kept_for_all(scoria: Scoria, scope: Any) -> App:
    """Keep a page that was made under its address, whoever asks next."""
    return _kept(scoria, scope, lambda tenant_id, path: path)


def show_kept_for_all(make: MakePage) -> None:
    """Another tenant gets 404 also for what was just shown to its owner."""
    scoria = kit()
    path = f"/workflows/{started(scoria)}"
    seen = ["acme"]
    page = make(scoria, lambda environ: Scope(tenant_id=seen[-1], actor_id="op-1"))
    assert asked(page, path).status_code == 200
    seen.append("other")
    assert asked(page, path).status_code == 404


def kept_for_ever(scoria: Scoria, scope: Any) -> App:
    """Keep a page for its tenant, though its run goes on."""
    return _kept(scoria, scope, lambda tenant_id, path: (tenant_id, path))


def show_kept_for_ever(make: MakePage) -> None:
    """The page shows the status that the run has now."""
    scoria = kit()
    run_id = asking(scoria, to="all")
    page = make(scoria, of("acme"))
    assert "Waiting for approval" in asked(page, f"/workflows/{run_id}").text
    scoria.cancel_run(run_id, reason="called off")
    text = asked(page, f"/workflows/{run_id}").text
    assert "called off" in text
    assert "Waiting for approval" not in text


WRONG: list[Wrong] = [
    wrong_page("a header names the method", "PAGE-5", method_overridden, show_method_overridden),
    wrong_page("OPTIONS is answered", "PAGE-5", options_answered, show_options_answered),
    wrong_page("a header names the tenant", "PAGE-3", _HeaderTenant, show_header_tenant),
    wrong_page("the query of a list names the tenant", "PAGE-3", _QueryTenant, show_query_tenant),
    wrong_page("tenants compared without case", "PAGE-4", _LowerTenant, show_lower_tenant),
    wrong_page("404 in other words for a run of others", "PAGE-4", _SaysWhose, show_says_whose),
    wrong_page("damage of others is told", "PAGE-4", _ReadsThenLooks, show_reads_then_looks),
    wrong_page("404 before 403", "PAGE-2", _RoutesFirst, show_routes_first),
    wrong_page("401 instead of 403", "PAGE-2", _AsksToSignIn, show_asks_to_sign_in),
    wrong_page("a scope is remembered by address", "PAGE-2", remembers_scope, show_remembers_scope),
    wrong_page(
        "a session is listed over all tenants", "TENANT-2", _SessionOfAll, show_session_of_all
    ),
    wrong_page("pages kept by their address", "PAGE-4", kept_for_all, show_kept_for_all),
    wrong_page("pages kept though the run goes on", "PAGE-13", kept_for_ever, show_kept_for_ever),
]
