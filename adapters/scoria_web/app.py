"""The WSGI app: checks who may read, chooses the page, and answers errors."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import attrs
from jinja2 import Environment
from markupsafe import Markup
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    MethodNotAllowed,
    RequestEntityTooLarge,
)
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.wrappers import Request, Response

from scoria_core.errors import (
    InvalidPayload,
    RunNotFound,
    StoreCorrupt,
    StoreUnavailable,
    safe_repr,
)
from scoria_core.facades import Facade, checked_facade
from scoria_core.logs import about, logger_of
from scoria_core.scoria import Scoria
from scoria_core.visible import visible_line
from scoria_web.display import MARKS, environment
from scoria_web.documents import (
    DetailPage,
    ListDocument,
    SearchDocument,
    as_asked,
    detail_page,
    wants_json,
)
from scoria_web.lists import list_page, query_of, search_page
from scoria_web.masking import (
    Mask,
    MaskFailed,
    Sight,
    check_mask,
    log_failure,
    masks_all,
    secret_by_name,
)
from scoria_web.problems import answered
from scoria_web.run_page import PARTS, EntryPage, RunPage, run_page, verify_command
from scoria_web.scope import Scope, ScopeOf, granted, opened_now

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logger_of("scoria.web")

STYLE = "".join(
    files(package).joinpath(name).read_text("utf-8")
    for package, name in (("scoria_core", "palette.css"), ("scoria_web", "style.css"))
)

FOLLOW = files("scoria_web").joinpath("follow.js").read_text("utf-8")


def _source(text: str) -> str:
    """Return a source for the Content-Security-Policy that allows exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS = MappingProxyType(
    {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src {_source(STYLE)}; script-src {_source(FOLLOW)}; "
            "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
)
"""The headers of every response, whatever its status."""

_ROUTES = Map(
    [
        Rule("/", endpoint="list"),
        Rule("/search", endpoint="search"),
        Rule("/workflows/<run_id>", endpoint="run"),
    ]
)
_AGO = re.compile('<(span|svg) class="ago.*?</\\1>', re.DOTALL)
"""The texts and drawings of a page that change merely because time passes."""

MOST_BYTES = 300_000
"""The most bytes of the page of a run: a larger page is rendered again with less on it."""

READING = ("GET", "HEAD")


@attrs.frozen
class _Problem:
    """A page that explains a problem; its text never repeats anything of the request."""

    status: int
    title: str
    text: str
    command: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


_BAD_REQUEST = _Problem(
    400, "Nothing to show for this address", "Go back, and follow a link of the page instead."
)
_FORBIDDEN = _Problem(
    403, "No access", "Sign in to the application that this page belongs to, and try again."
)
_NOT_FOUND = _Problem(
    404,
    "Nothing here",
    "There is no run at this address. A page of a run is named by its run_id; "
    "a session_id groups runs, and the list of runs leads to them.",
)
_NOT_ALLOWED = _Problem(
    405,
    "This page only shows",
    "Nothing can be changed here. Decisions are made in the application that started the run.",
    headers={"Allow": ", ".join(READING)},
)
_TOO_LARGE = _Problem(
    413, "Too much was sent", "Nothing was changed. Go back, and shorten what you wrote."
)
_UNAVAILABLE = _Problem(
    503,
    "The evidence cannot be read just now",
    "The store does not answer. Nothing is known to be lost; try again in a moment.",
    headers={"Retry-After": "5"},
)
_FAULT = _Problem(
    500,
    "This page could not be made",
    "The reason is in the log of the application, under scoria.web.",
)
_MAY_NOT_UNMASK = _Problem(
    403,
    "Not yours to unmask",
    "You may look at this run, and not at the values that are masked in it. Ask somebody who may.",
)
_STORE_DAMAGED = _Problem(
    500,
    "The store does not check out",
    "What the store holds is not what was written, so nothing of it is shown. Keep the store "
    "as it is; the log of the application, under scoria.web, says what was found.",
)


class Refused(Exception):
    """Raised to answer a request with the page of a problem."""

    def __init__(self, problem: _Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


@attrs.frozen
class _EvidenceApp:
    """Answers requests with the runs of the tenant that the host's scope names."""

    scoria: Facade
    scope: ScopeOf
    templates: Environment = attrs.field(factory=environment)
    decisions: str | None = None
    mask: Mask | None = attrs.field(default=secret_by_name, kw_only=True)

    routes: ClassVar[Map] = _ROUTES
    not_allowed: ClassVar[_Problem] = _NOT_ALLOWED

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = Request(environ)
        urls = bound(self.routes, request)
        return self._answer(request, urls)(environ, start_response)

    def _answer(self, request: Request, urls: MapAdapter) -> Response:
        try:
            return self._page(request, urls)
        except Refused as refused:
            return self._problem(refused.problem, urls)
        except MethodNotAllowed:
            return self._problem(self.not_allowed, urls)
        except Forbidden:
            return self._problem(_FORBIDDEN, urls)
        except BadRequest:
            return self._problem(_BAD_REQUEST, urls)
        except RequestEntityTooLarge:
            return self._problem(_TOO_LARGE, urls)
        except (HTTPException, RunNotFound):  # also a redirect by the router: it is a 404 here
            return self._problem(_NOT_FOUND, urls)
        except StoreUnavailable:
            logger.warning("the store is unavailable", exc_info=True)
            return self._problem(_UNAVAILABLE, urls)
        except StoreCorrupt as error:
            logger.exception("the store is damaged")
            return self._problem(_damage(error), urls)
        except Exception:
            logger.exception("the page could not be made")
            return self._problem(_FAULT, urls)

    def _page(self, request: Request, urls: MapAdapter) -> Response:
        if wants_json(request):
            return answered(lambda: self._document(request, urls))
        scope, endpoint, values = self._asked(request, urls)
        view = opened_now(self.scoria).for_tenant(scope.tenant_id)
        shows_masked = _shows_masked(request, scope) and endpoint == "run"
        template, page = _PAGES[endpoint](view, request.args, **values)
        sight = Sight(self.mask, MARKS, shows_masked)
        try:
            response = self._whole(template, page.seen_by(sight), urls, scope)
        except MaskFailed:
            log_failure()
            sight = Sight(masks_all, MARKS)
            response = self._whole(template, page.seen_by(sight), urls, scope)
        if isinstance(page, RunPage | EntryPage) and page.detail.damage is not None:
            told, damage = "the journal of a run is damaged: %s", page.detail.damage
            logger.error(told, visible_line(damage), extra=about(run_id=damage.run_id))
            response.status_code = 500
            _log_unmasked(sight, scope, **values)
            return response
        text = response.get_data(as_text=True)
        digest = _digest(text)
        # Quotation marks in values are escaped, so the first match is the one of the template.
        response.set_data(text.replace('data-etag=""', f'data-etag="{digest}"', 1))
        response.set_etag(digest)
        response.make_conditional(request)
        if response.status_code == 200:  # a 304 shows nothing new
            _log_unmasked(sight, scope, **values)
        return response

    def _whole(self, template: str, page: object, urls: MapAdapter, scope: Scope) -> Response:
        """Render a page; if it is of a run and too large, render it again with less on it."""
        response = self._render(200, template, urls, scope, page=page)
        is_large = len(response.get_data()) > MOST_BYTES
        if is_large and isinstance(page, RunPage) and page.smaller is not None:
            return self._whole(template, page.smaller, urls, scope)
        return response

    def _document(self, request: Request, urls: MapAdapter) -> Response:
        scope, endpoint, values = self._asked(request, urls)
        view = opened_now(self.scoria).for_tenant(scope.tenant_id)
        document = _DOCUMENTS[endpoint](view, request.args, **values)
        return as_asked(document, request, self.mask)

    def _asked(self, request: Request, urls: MapAdapter) -> tuple[Scope, str, Mapping[str, Any]]:
        if request.method not in READING:
            raise MethodNotAllowed(READING)
        scope = self._scope_of(request)
        if scope is None:
            raise Forbidden
        return scope, *urls.match(method="GET")

    def _home(self, urls: MapAdapter) -> str | None:
        """Return the address of the lists, or None if it is not known."""
        return urls.build("list")

    def _scope_of(self, request: Request) -> Scope | None:
        return granted(self.scope, request.environ)

    def _problem(self, problem: _Problem, urls: MapAdapter) -> Response:
        response = self._render(problem.status, "problem.html", urls, None, problem=problem)
        response.headers.update(problem.headers)
        return response

    def _render(
        self, status: int, template: str, urls: MapAdapter, scope: Scope | None, **values: Any
    ) -> Response:
        def url(endpoint: str, **named: Any) -> str:
            return urls.build(endpoint, named)

        text = self.templates.get_template(template).render(
            url=url,
            style=Markup(STYLE),  # noqa: S704 - a file of this package, no one's input
            follow=Markup(FOLLOW),  # noqa: S704 - as above
            home=self._home(urls),
            decisions=self.decisions,
            scope=scope,
            time_zone=UTC if scope is None else scope.time_zone,
            **values,
        )
        return Response(text, status=status, headers=dict(HEADERS))


def evidence_app(
    scoria: Facade,
    *,
    scope: ScopeOf,
    decisions: str | None = None,
    mask: Mask | None = secret_by_name,
) -> "WSGIApplication":
    """Return a WSGI app that shows the runs of `scoria` to the actors whom `scope` admits.

    `scoria` is the facade, or a callable that returns it, such as a `PerProcess`: it is called for
    each request. `scope(environ)` returns the `Scope` of the signed-in actor, or None to refuse the
    request. Only the scope picks the tenant: nothing else in the request does.

    The app is read-only and may be mounted under any prefix. It serves the requests that wait for a
    person and the runs of each status at `/`, a search by id at `/search`, and the evidence of one
    run at `/workflows/<run_id>`. All of them are JSON if the request prefers `application/json`.
    The app raises nothing: an error is answered in generic words, and its reason is logged to
    `scoria.web`. `decisions` is where the `decision_app` is mounted on the same host, such as
    "/decisions": the pages link to it for an actor who may decide.

    `mask(path)` tells whether the value at a path is hidden. The path is the name of the payload,
    then the keys and list positions that lead to the value. By default values with the name of a
    secret are hidden; if `mask` is None, nothing is. If it raises an error, or returns no bool,
    every payload is masked. The host closes `scoria`. Raises `InvalidPayload` naming an argument
    that is not valid.
    """
    _check_parts(scoria, scope)
    check_mask(mask)
    mount = checked_mount(decisions, "decisions")
    return _EvidenceApp(scoria, scope, decisions=mount, mask=mask)


def bound(routes: Map, request: Request) -> MapAdapter:
    """Return the routes relative to where the app is mounted."""
    mount = "/" + quote(request.root_path.strip("/"))
    # The Host header plays no part: every address that is built is a path.
    return routes.bind("localhost", script_name=mount, path_info=request.path)


def checked_mount(value: object, name: str) -> str | None:
    """Return where another app is mounted, or None; raise `InvalidPayload` if it is no path."""
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"(/[^/\s?#]+)*/?", value):
        problem = f"is {safe_repr(value)}; pass the path of a mount, such as '/{name}'"
        raise InvalidPayload(name, problem)
    return quote(value.rstrip("/"))


def _check_parts(scoria: Facade, scope: object) -> None:
    checked_facade(scoria)
    if not callable(scope):
        problem = f"is {type(scope).__name__}; pass a callable that takes the WSGI environ"
        raise InvalidPayload("scope", problem)


def _shows_masked(request: Request, scope: Scope) -> bool:
    """Tell whether the actor asks to see masked values; refuse an actor who may not see them."""
    if request.args.get("masked") != "shown":
        return False
    if not scope.may_unmask:
        raise Refused(_MAY_NOT_UNMASK)
    return True


def _log_unmasked(sight: Sight, scope: Scope, run_id: str = "", **_: str) -> None:
    """Log who sees masked values, if the page shows any."""
    if sight.shows_masked and sight.has_masked:
        # A warning, as Python prints it even if the host has not configured logging.
        told = "unmasked: tenant %s, actor %s, run %s"
        tenant_id, actor_id = scope.tenant_id, scope.actor_id
        extra = about(tenant_id=tenant_id, actor_id=actor_id, run_id=run_id)
        logger.warning(told, tenant_id, actor_id, run_id, extra=extra)


def _digest(page: str) -> str:
    """Return a digest of a page without the parts that change merely because time passes."""
    return hashlib.sha256(_AGO.sub("", page).encode()).hexdigest()[:32]


def _damage(error: StoreCorrupt) -> _Problem:
    if not error.sequence:
        return _STORE_DAMAGED
    return _Problem(
        500,
        "The journal of this run does not check out",
        f"From entry {error.sequence} on, what the store holds is not what was written, and what "
        "comes before tells of no whole change, so nothing of this run is shown. Keep the store "
        "as it is, check the run with the command below, and compare with a copy made before.",
        command=verify_command(error.run_id),
    )


def _list(view: Scoria, args: Mapping[str, str]) -> tuple[str, object]:
    return "list.html", list_page(view, query_of(args))


def _search(view: Scoria, args: Mapping[str, str]) -> tuple[str, object]:
    return "search.html", search_page(view, args.get("q", ""))


def _run(view: Scoria, args: Mapping[str, str], run_id: str) -> tuple[str, object]:
    after = {name: _sequence(args, f"{name}_after") for name in PARTS}
    page = run_page(view, run_id, after, shows_kept=args.get("kept") == "shown")
    if "entry" in args:
        return "entry.html", page.entry(_sequence(args, "entry"))
    if any(page[name].total < at for name, at in after.items()):
        raise BadRequest
    return "run.html", page


_PAGES: Mapping[str, Callable[..., tuple[str, Any]]] = MappingProxyType(
    {"list": _list, "search": _search, "run": _run}
)


def _search_document(view: Scoria, args: Mapping[str, str]) -> SearchDocument:
    return SearchDocument(search_page(view, args.get("q", "")).found)


def _list_document(view: Scoria, args: Mapping[str, str]) -> ListDocument:
    return ListDocument.of(list_page(view, query_of(args)))


def _run_document(view: Scoria, args: Mapping[str, str], run_id: str) -> DetailPage:
    after, shows_kept = _sequence(args, "after"), args.get("kept") == "shown"
    return detail_page(view.get_run_detail(run_id), after, shows_kept=shows_kept)


_DOCUMENTS: Mapping[str, Callable[..., attrs.AttrsInstance]] = MappingProxyType(
    {"list": _list_document, "search": _search_document, "run": _run_document}
)


def _sequence(args: Mapping[str, str], key: str) -> int:
    value = args.get(key, "0")
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise BadRequest
    return int(value)
