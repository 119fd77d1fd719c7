"""The calls of the facade as an HTTP API, for hosts and scripts in any language."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs
from werkzeug.exceptions import Forbidden
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.wrappers import Request, Response

from scoria_core.errors import InvalidPayload
from scoria_core.facades import Facade
from scoria_core.model import RunSummary
from scoria_core.payloads import checked_name
from scoria_web.app import _check_parts, bound
from scoria_web.calls import CALLS, Caller, Nothing
from scoria_web.documents import as_asked, as_json, json_response
from scoria_web.masking import Mask, check_mask, secret_by_name
from scoria_web.openapi import Description
from scoria_web.problems import answered
from scoria_web.reading import read_body, read_key, read_query
from scoria_web.scope import ScopeOf, granted, opened_now

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DESCRIPTION = "openapi"

_CALLS = {call.name: call for call in CALLS}
_ROUTES = Map(
    [
        *(Rule(each.path, endpoint=each.name, methods=[each.method]) for each in CALLS),
        Rule("/v1/openapi.json", endpoint=DESCRIPTION, methods=["GET"]),
    ]
)


@attrs.frozen
class _Api:
    """Answers calls with the runs of the tenant that the host's scope names."""

    scoria: Facade
    scope: ScopeOf
    kinds: tuple[str, ...]
    mask: Mask | None

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request = Request(environ)
        urls = bound(_ROUTES, request)
        return answered(lambda: self._answer(request, urls))(environ, start_response)

    def _answer(self, request: Request, urls: MapAdapter) -> Response:
        scope = granted(self.scope, request.environ)
        if scope is None:
            raise Forbidden
        name, given = urls.match(method=request.method)
        if name == DESCRIPTION:
            mount = urls.script_name.rstrip("/") or "/"
            return json_response(Description(self.kinds, mount).document())
        call = _CALLS[name]
        takes, told = call.types, dict(given)
        # A call without a query takes `Nothing`: then any parameter in the address is refused.
        query = read_query(takes.get("query", Nothing), request.args)
        if "query" in takes:
            told["query"] = query
        if "body" in takes:
            told["body"] = read_body(takes["body"], request)
        if "idempotency_key" in takes:
            told["idempotency_key"] = read_key(request)
        view = opened_now(self.scoria).for_tenant(scope.tenant_id)
        caller = Caller(scope, view, self.kinds, self.mask)
        answer = call.function(caller, **told)
        if call.method == "GET":
            return as_asked(answer, request, self.mask)
        response = json_response(as_json(answer, self.mask), call.status)
        if isinstance(answer, RunSummary):
            response.headers["Location"] = urls.build("read_run", {"run_id": answer.run_id})
        return response


def api_app(
    scoria: Facade,
    *,
    scope: ScopeOf,
    kinds: Iterable[str] = (),
    mask: Mask | None = secret_by_name,
) -> "WSGIApplication":
    """Return a WSGI app that answers the calls of `scoria` in JSON, under `/v1`.

    `scope(environ)` returns the `Scope` of the caller, or None to refuse the call. Only the scope
    picks the tenant and the actor: nothing else in the request does. Decisions need its
    `may_decide`, and its `assignees` narrow them; starts, resumes, retries and cancels need its
    `may_operate`. `kinds` are the kinds of first step that can be started; by default none.

    A call that changes something is a POST of `application/json`, which no form of another site can
    send. The calls are described at `/v1/openapi.json`. `mask` is as in `evidence_app`, and the API
    shows nobody what it hides. Arguments that are masked, even in part, can be edited only by an
    actor who `may_unmask`; any actor who may decide can approve them as they are.

    The app raises nothing: an error is answered as `application/problem+json`, and logged to
    `scoria.web` if the host has to fix it. The host closes `scoria`. Raises `InvalidPayload` naming
    an argument that is not valid.
    """
    _check_parts(scoria, scope)
    if isinstance(kinds, str) or not isinstance(kinds, Iterable):
        raise InvalidPayload("kinds", f"is {type(kinds).__name__}; pass a list of kinds of steps")
    named = tuple(checked_name(each, f"kinds[{i}]") for i, each in enumerate(kinds))
    check_mask(mask)
    return _Api(scoria, scope, named, mask)
