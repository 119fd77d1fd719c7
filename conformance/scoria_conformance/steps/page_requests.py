"""Steps in which visitors request a page, by every method and with everything a request can say."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import permutations, product
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import attrs
from pytest_bdd import given, parsers, then

from scoria_conformance.cases import Cases
from scoria_conformance.gallery import Answering
from scoria_conformance.host import PageFactory
from scoria_conformance.markup import seen
from scoria_conformance.page_requests import Answer, Request, Scope, Site, links_of
from scoria_conformance.steps.calls_on_runs import UNKNOWN_RUN
from scoria_conformance.steps.runs import approve, reject, start
from scoria_conformance.world import OTHER_TENANT, TENANT, World, asks, completed, raises
from scoria_core import NeedsApproval, RunSummary, Step
from scoria_core.identity import EDGE_NAMES

OWNER, COLLEAGUE = "a user of its tenant", "another user of its tenant"
STRANGER, VISITOR = "a user of another tenant", "a visitor"

SCOPES: Mapping[str, Scope] = MappingProxyType(
    {
        OWNER: {"tenant_id": TENANT, "actor_id": "user-1"},
        COLLEAGUE: {"tenant_id": TENANT, "actor_id": "user-2"},
        STRANGER: {"tenant_id": OTHER_TENANT, "actor_id": "user-1"},
        VISITOR: None,
    }
)
"""The scope of each visitor. Only the tenant distinguishes the stranger from the owner."""

LISTED = MappingProxyType({STRANGER: 200, VISITOR: 403})
"""The status that those who may not see a run get for a list of runs."""

READING = ("GET", "HEAD")
METHODS = (*READING, "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")

OF_THE_ROUTE = frozenset({"REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"})
"""The keys of an environ that make up the route, and are not varied further."""

NOWHERE = Request("/nowhere")

_HASHED = re.compile(r"'sha(256|384|512)-[A-Za-z0-9+/=]+'")
"""A source in a policy that allows one script, and no other."""


@attrs.frozen
class Door:
    """A page app, the run that is requested, and every route to it that its pages link to."""

    world: World
    site: Site
    routes: tuple[Request, ...]
    stored: object

    def never_was(self, request: Request) -> Request:
        """Return the same request for a run that never existed."""
        return attrs.evolve(
            request,
            path=request.path.replace(self.world.run_id, UNKNOWN_RUN),
            query=request.query.replace(self.world.run_id, UNKNOWN_RUN),
        )

    @property
    def to_the_run(self) -> list[tuple[Request, Request]]:
        """Each route to the run, also in other spellings, and the same for an unknown run."""
        named = [route for route in self.routes if self.world.run_id in route.path]
        spelled = zip(_spelled(self.world.run_id), _spelled(UNKNOWN_RUN), strict=True)
        return [*((route, self.never_was(route)) for route in named), *spelled]

    @property
    def learned(self) -> list[str]:
        """The keys of the environ that the app has read so far, except for those of the route."""
        return sorted(key for key in self.site.read - OF_THE_ROUTE if not key.startswith("wsgi."))

    def leaks(self, answer: Answer) -> str:
        """Return which facts of the run an answer has, or ""."""
        said = (self.world.run_id, "send_refund", "customer-42", "session-1", TENANT)
        told = f"{answer.headers}{answer.text}"
        return ", ".join(each for each in said if each in told)


def _spelled(run_id: str) -> list[Request]:
    """Return requests that name the run in spellings that a lenient app might understand."""
    ids = [run_id.upper(), run_id.replace("-", ""), f"{{{run_id}}}", f"urn:uuid:{run_id}"]
    ids += [f"{run_id}/", f"{run_id}%00", f"{run_id}%20", f"{run_id}.html", f"./{run_id}"]
    paths = [f"/workflows/{each}" for each in ids]
    return [*map(Request, (*paths, f"//workflows/{run_id}", f"/{TENANT}/workflows/{run_id}"))]


@given("its page, which anybody may ask for", target_fixture="door")
def _its_page_which_anybody_may_ask(world: World, scoria_page: PageFactory) -> Door:
    """Learn the routes from links, and the keys that the app reads from a request to each route."""
    site, stored = Site(scoria_page, world.scoria), world.journals()
    routes = [Request(f"/workflows/{world.run_id}")]
    for route in routes:
        answer = site.ask(SCOPES[OWNER], route)
        found = links_of(route, seen(answer.text).links)
        routes += [each for each in dict.fromkeys(found) if each not in routes]
    door = Door(world, site, tuple(routes), stored)
    for scope, route, method in product(SCOPES.values(), door.routes, METHODS):
        site.ask(scope, attrs.evolve(route, method=method))
    return door


@then(parsers.parse('whatever {who} asks for it is "{code:d}", as for a run that never was'))
def _whatever_asks_for_it_is_as_for_a_run(door: Door, who: str, code: int) -> None:
    with Cases() as cases:
        for request, other in _in_every_way(door):
            case = f"{request} by {who}"
            answer = door.site.ask(SCOPES[who], request)
            never = door.site.ask(SCOPES[who], other)
            # A method that does not read is refused before anything else is checked.
            refused = code if request.method in READING else 405
            cases.holds(
                case, "" if answer.status == refused else f"expected {refused}, saw {answer}"
            )
            cases.holds(case, _difference(never, answer))
            cases.holds(case, door.leaks(answer) and f"it shows {door.leaks(answer)}")


@then("one whose tenant is called alike is answered as for a run that never was")
def _one_whose_tenant_is_called_alike_is_answered(door: Door) -> None:
    request = Request(f"/workflows/{door.world.run_id}")
    with Cases() as cases:
        for tenant in (
            TENANT.upper(),
            TENANT.title(),
            TENANT[:-1],
            f"{TENANT}1",
            f"{TENANT}\u0301",
        ):
            scope = {"tenant_id": tenant, "actor_id": "user-1"}
            answer = door.site.ask(scope, request)
            never = door.site.ask(scope, door.never_was(request))
            cases.holds(f"a user of {tenant}", _difference(never, answer))


@then("another tenant is answered so also where its journal is damaged")
def _another_tenant_is_answered_so_also_where_its(door: Door) -> None:
    request = Request(f"/workflows/{door.world.run_id}")
    door.world.damage(lambda records: records[1:])
    site, scope = Site(door.site.page, door.world.scoria), SCOPES[STRANGER]
    assert site.ask(SCOPES[OWNER], request).status >= 400, "the damage is not noticed"
    difference = _difference(site.ask(scope, door.never_was(request)), site.ask(scope, request))
    assert not difference, difference


def _in_every_way(door: Door) -> Iterator[tuple[Request, Request]]:
    """Yield each request for the run, with all that it may say, and the same for an unknown run."""
    for (route, never), method in product(door.to_the_run, METHODS):
        yield attrs.evolve(route, method=method), attrs.evolve(never, method=method)
    route, _ = door.to_the_run[0]
    for said in (*_claims(SCOPES[OWNER]), *_learned(door)):
        request = attrs.evolve(said, path=route.path)
        yield request, door.never_was(request)


@then("no list that another tenant asks for has it")
def _no_list_that_another_tenant_asks_for_has_it(door: Door) -> None:
    lists = [route for route in door.routes if door.world.run_id not in route.path]
    with Cases() as cases:
        for route, (who, code) in product(lists, LISTED.items()):
            answer = door.site.ask(SCOPES[who], route)
            case = f"{route} by {who}"
            cases.holds(case, "" if answer.status == code else f"expected {code}, saw {answer}")
            leaked = "" if door.world.run_id not in answer.text else "it has the run"
            cases.holds(case, leaked)


def _difference(expected: Answer, answer: Answer) -> str:
    """Return how an answer differs from that for a run that never existed, or ""."""
    if answer == expected:
        return ""
    if answer.headers != expected.headers:
        only = sorted({*answer.headers} ^ {*expected.headers})
        return f"its headers are not those for a run that never was: {only}"
    return f"it is not the answer for a run that never was: {answer}, not {expected}"


def _claims(scope: Scope) -> Iterator[Request]:
    """Yield requests that claim a tenant and an actor, in every place where a request can do so."""
    assert scope is not None
    said = {name: scope[field] for field in scope for name in EDGE_NAMES[field]}
    for name, value in said.items():
        header = name.upper()
        yield Request("", query=urlencode({name: value}))
        yield Request("", said=((f"HTTP_X_{header}", value), (f"HTTP_X_SCORIA_{header}", value)))
        yield Request("", said=((f"HTTP_{header}", value), (header, value)))
    yield Request("", query=urlencode(said))
    yield Request("", said=(("HTTP_COOKIE", "; ".join(f"{k}={v}" for k, v in said.items())),))
    for value in (scope["tenant_id"], scope["actor_id"]):
        for key in ("HTTP_AUTHORIZATION", "REMOTE_USER", "HTTP_X_FORWARDED_USER"):
            yield Request("", said=((key, f"Bearer {value}"),))
            yield Request("", said=((key, value),))


def _learned(door: Door) -> Iterator[Request]:
    """Yield requests with all kinds of values for the keys that the app reads."""
    for key in door.learned:
        for value in (TENANT, "user-1", door.world.run_id, "*", '"1"', "GET", "1", ""):
            yield Request("", said=((key, value),))


@then("nothing that a request of its tenant says shows it another's run, or less than its own")
def _nothing_that_a_request_of_its_tenant_says(door: Door) -> None:
    scope = SCOPES[OWNER]
    with Cases() as cases:
        for route in door.routes:
            plain = door.site.ask(scope, route)
            for claim in _claims(SCOPES[STRANGER]):
                request = attrs.evolve(claim, path=route.path, query=_and(route.query, claim.query))
                answer = door.site.ask(scope, request)
                told = "" if answer == plain else f"it is not the page of {route}: {answer}"
                cases.holds(f"{request} by {OWNER}", told)


def _and(*queries: str) -> str:
    return "&".join(filter(None, queries))


@then("GET shows it, HEAD is that without a body, any other method is 405, and nothing changes")
def _get_shows_it_head_is_that_without_a_body_any(door: Door) -> None:
    scope = SCOPES[OWNER]
    with Cases() as cases:
        for route in door.routes:
            get = door.site.ask(scope, route)
            cases.equal(f"{route} by {OWNER}", 200, get.status)
            for method in METHODS[1:]:
                request = attrs.evolve(route, method=method)
                answer = door.site.ask(scope, request)
                for problem in _misread(request, get, answer):
                    cases.holds(f"{request} by {OWNER}", problem)
        for who, route in product((STRANGER, VISITOR), (*door.routes, NOWHERE)):
            get, head = (
                door.site.ask(SCOPES[who], attrs.evolve(route, method=each)) for each in READING
            )
            problems = _misread(attrs.evolve(route, method="HEAD"), get, head)
            for problem in problems:
                cases.holds(f"HEAD {route.path} by {who}", problem)
        for said, method in product(_learned(door), ("POST", "GET")):
            request = attrs.evolve(said, path=door.routes[0].path, method=method)
            answer = door.site.ask(scope, request)
            right = answer.status == 405 if method == "POST" else 0 < answer.status < 500
            cases.holds(f"{request} by {OWNER}", "" if right else f"saw {answer}")
        cases.equal("what is stored afterwards", door.stored, door.world.journals())


def _misread(request: Request, get: Answer, answer: Answer) -> Iterator[str]:
    """Yield problems of an answer to a method other than GET; `get` is the answer to GET."""
    if request.method != "HEAD":
        told = f"expected 405, saw {answer}"
        yield "" if answer.status == 405 else told
        allowed = {each.strip() for each in answer.header("allow").split(",")}
        yield "" if allowed == {*READING} else f"Allow is {sorted(allowed)}"
        return
    yield "" if answer.status == get.status else f"expected {get.status}, saw {answer.status}"
    only = sorted({*answer.headers} ^ {*get.headers})
    yield "" if not only else f"its headers are not those of GET: {only}"
    yield "" if not answer.body else f"it has a body of {len(answer.body)} bytes"


@then("no answer may be kept by a shared cache")
def _no_answer_may_be_kept_by_a_shared_cache(door: Door) -> None:
    with Cases() as cases:
        for case, answer in _answers(door):
            said = {each.strip().lower() for each in answer.header("cache-control").split(",")}
            kept = not said & {"no-store", "private"} or said & {"public"}
            cases.holds(case, f"Cache-Control is {sorted(said)}" if kept else "")


@then("each answer forbids scripts that it does not name, and frames of other sites")
def _each_answer_forbids_scripts_and_frames(door: Door) -> None:
    with Cases() as cases:
        for case, answer in _answers(door):
            policy = _policy(answer)
            scripts = policy.get("script-src", policy.get("default-src")) or ""
            runs = _is_named(scripts)
            cases.holds(case, "" if runs else f"what runs as a script is {scripts or None}")
            for each in _BESIDE & policy.keys():
                named = _is_named(policy[each])
                cases.holds(case, "" if named else f"{each} is {policy[each]}")
            framed = policy.get("frame-ancestors")
            right = framed in ("'none'", "'self'")
            cases.holds(case, "" if right else f"frame-ancestors is {framed}")
            cases.equal(f"base-uri, {case}", "'none'", policy.get("base-uri"))
            forms = policy.get("form-action")
            right = forms in ("'none'", "'self'")
            cases.holds(case, "" if right else f"form-action is {forms}")


_BESIDE = frozenset({"script-src-elem", "script-src-attr", "worker-src", "child-src", "object-src"})
"""The directives that a browser follows for some scripts in place of `script-src`."""


def _is_named(sources: str) -> bool:
    """Tell whether these sources allow no script, or only scripts that they name by a digest."""
    return sources == "'none'" or all(map(_HASHED.fullmatch, sources.split() or [""]))


def _policy(answer: Answer) -> dict[str, str]:
    """Return the directives of the policy in an answer; of one that is repeated, the first."""
    parts = answer.header("content-security-policy").split(";")
    pairs = [each.strip().partition(" ") for each in parts if each.strip()]
    # A browser ignores a directive that it has seen before, so what comes first counts.
    return {name.lower(): value.strip() for name, _, value in reversed(pairs)}


def _answers(door: Door) -> Iterator[tuple[str, Answer]]:
    """Yield the answer for each visitor, route and method."""
    routes = (*door.routes, door.never_was(door.routes[0]), NOWHERE)
    for who, route, method in product(SCOPES, routes, METHODS):
        request = attrs.evolve(route, method=method)
        yield f"{request} by {who}", door.site.ask(SCOPES[who], request)


@then("whoever asked before, each is answered as if nobody had")
def _whoever_asked_before_each_is_answered_as_if(door: Door) -> None:
    requests = [
        attrs.evolve(route, method=method)
        for route in (*door.routes, door.never_was(door.routes[0]))
        for method in ("HEAD", "GET", "GET")
    ]
    cold = {
        (who, request): door.site.afresh(scope, request)
        for who, scope in SCOPES.items()
        for request in requests
    }
    with Cases() as cases:
        for order in permutations(SCOPES, 2):
            # The copy makes an app of its own, which has answered nobody yet.
            site = attrs.evolve(door.site)
            for who, request in product(order, requests):
                answer, expected = site.ask(SCOPES[who], request), cold[who, request]
                case = f"{request} by {who}, asked in the order {', '.join(order)}"
                same = answer == expected
                cases.holds(case, "" if same else f"expected {expected}, saw {answer}")


@then("the page follows each change of the run")
def _the_page_follows_each_change_of_the_run(door: Door) -> None:
    world, scope = door.world, SCOPES[OWNER]
    with Cases() as cases:
        for answer, changes in _lives(world):
            start(world, answer)
            request = Request(f"/workflows/{world.run_id}")
            before = door.site.ask(scope, request)
            for change, make in changes.items():
                make()
                stored = world.journals()
                for case, problem in _behind(door, before, change):
                    cases.holds(case, problem)
                before = door.site.ask(scope, request)
                told = f"what is stored, once it was looked at after it {change}"
                cases.equal(told, stored, world.journals())


def _behind(door: Door, before: Answer, change: str) -> Iterator[tuple[str, str]]:
    """Yield problems of the page after a change; `before` was its answer before the change."""
    request, scope = Request(f"/workflows/{door.world.run_id}"), SCOPES[OWNER]
    for said in _conditions(before):
        case = f"the page after the run {change}, {said}" if said else f"after it {change}"
        after = door.site.ask(scope, attrs.evolve(request, said=said))
        yield case, "" if after.status == 200 else f"expected 200, saw {after}"
        yield case, "it is the page of before" if after.body == before.body else ""
    for who in (STRANGER, VISITOR):
        answer = door.site.ask(SCOPES[who], request)
        never = door.site.ask(SCOPES[who], Request(f"/workflows/{UNKNOWN_RUN}"))
        yield f"{request} by {who} after it {change}", _difference(never, answer)
    now, cold = door.site.ask(scope, request), door.site.afresh(scope, request)
    yield f"after it {change}", "" if now == cold else "an app anew shows another"


def _lives(world: World) -> list[tuple[Answering, dict[str, Callable[[], object]]]]:
    """Return handlers that make requests, and for each the changes of its run, in order."""
    asks_one = asks(expires_in=60)
    return [
        (
            asks_one,
            {
                "is approved": lambda: approve(world),
                "is resumed, and asks again": lambda: _go_on(world, _asks_anew),
                "has a request that expired": lambda: world.clock.advance(timedelta(seconds=61)),
                "is resumed, and fails": lambda: _go_on(world, raises),
                "is retried, and completes": lambda: _retry(world),
            },
        ),
        (asks_one, {"is cancelled": lambda: world.scoria.cancel_run(world.run_id)}),
        (asks_one, {"is rejected": lambda: reject(world)}),
        (
            _asks_for_several,
            {
                "is edited": lambda: _approve(world, 1, arguments={"amount": 900}),
                "is answered": lambda: _approve(world, 2, answer={"choice": "keep"}),
                "is endorsed once a reminder is due": lambda: _endorse_later(world),
                "is reminded of": lambda: world.scoria.run_pending(world.run_id),
                "is endorsed again": lambda: _approve(world, 3, decided_by="reviewer-8"),
                "is approved by all": lambda: _approve(world, 3, decided_by="reviewer-9"),
            },
        ),
    ]


def _asks_for_several(*_: object) -> list[NeedsApproval]:
    more: list[dict[str, Any]] = [
        {"may_edit": True},
        {"answer_schema": {}},
        {"approvals_needed": 3, "remind_after": 30},
    ]
    return [
        NeedsApproval(tool_name="send_refund", arguments={"amount": 1250}, reason="Large", **each)
        for each in more
    ]


def _approve(world: World, number: int, decided_by: str = "reviewer-7", **said: Any) -> None:
    approval_id = world.detail.approvals[number - 1].approval_id
    world.scoria.approve(world.run_id, approval_id=approval_id, decided_by=decided_by, **said)


def _endorse_later(world: World) -> None:
    world.clock.advance(timedelta(seconds=31))
    _approve(world, 3)


def _asks_anew(step: Step, run: RunSummary) -> Any:
    return asks(expires_in=60)(attrs.evolve(step, approvals=()), run)


def _go_on(world: World, answer: Answering) -> None:
    world.answer = answer
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


def _retry(world: World) -> None:
    world.answer = completed
    world.scoria.retry_run(world.run_id, handlers=world.handlers)


def _conditions(before: Answer) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield the conditions of a browser that has cached the page: none, and each validator."""
    yield ()
    for header, condition in (
        ("etag", "HTTP_IF_NONE_MATCH"),
        ("last-modified", "HTTP_IF_MODIFIED_SINCE"),
    ):
        if told := before.header(header):
            yield ((condition, told),)
