"""Evidence pages that are wrong."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from markupsafe import Markup
from werkzeug.wrappers import Request, Response

from lab.first_contact.batch_2.page_tools import (
    App,
    answer_of,
    around,
    ask,
    changed,
    facade,
    get,
    headers_of,
    reader,
    right,
    run_path,
    started,
    who,
    whole,
)
from lab.first_contact.wrong import HOST, Wrong
from scoria_core import Failed, HandOff, NeedsApproval, Scoria
from scoria_core.errors import RunNotFound, ScoriaError
from scoria_core.ports import Record
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from scoria_web.display import Shown, pretty, visible

Make = Callable[[Scoria, Any], App]
NEVER = "0197c1e0-0000-7000-8000-000000000000"


def timed(scoria: Scoria, scope: Any) -> App:
    """Tells in a header of the 404 how the store was asked, and so whether there is a run."""

    def wrap(request: Request, app: App) -> Response:
        answer = answer_of(app, request)
        try:
            scoria.get_run(request.path.rpartition("/")[2])
            answer.headers["Server-Timing"] = 'store;desc="hit"'
        except ScoriaError:
            pass
        return answer

    return around(scoria, scope, wrap)


def show_timed(make: Make) -> None:
    """The run of another tenant looks like one that never was."""
    scoria = facade()
    run_id = started(scoria, identity=who("other"))
    app = make(scoria, reader())
    theirs, none = get(app, run_path(run_id)), get(app, run_path(NEVER))
    assert theirs.status_code == none.status_code == 404
    assert headers_of(theirs) == headers_of(none), "a header tells that there is such a run"


def canonical(scoria: Scoria, scope: Any) -> App:
    """Forgives an id in capitals by a redirect, before it looks whose run it is."""

    def wrap(request: Request, app: App) -> Response:
        run_id = request.path.rpartition("/")[2]
        try:
            if run_id != run_id.lower() and scoria.get_run(run_id.lower()):
                answer = answer_of(app, request)
                answer.status_code = 308
                answer.headers["Location"] = run_path(run_id.lower())
                return answer
        except RunNotFound:
            pass
        return answer_of(app, request)

    return around(scoria, scope, wrap)


def show_canonical(make: Make) -> None:
    """An id in capitals of another tenant's run is asked for."""
    scoria = facade()
    run_id = started(scoria, identity=who("other"))
    app = make(scoria, reader())
    theirs, none = get(app, run_path(run_id.upper())), get(app, run_path(NEVER.upper() + "A"))
    assert theirs.status_code == none.status_code == 404, f"it answered {theirs.status_code}"


def late_scope(scoria: Scoria, scope: Any) -> App:
    """Asks for the scope only where there is something to guard."""

    def wrap(request: Request, app: App) -> Response:
        try:
            if request.path.startswith("/workflows/"):
                scoria.get_run(request.path.rpartition("/")[2])
        except RunNotFound:
            inside = evidence_app(
                scoria, scope=lambda _: Scope(tenant_id="-", actor_id="-"), **HOST
            )
            return answer_of(inside, request)
        return answer_of(app, request)

    return around(scoria, scope, wrap)


def show_late_scope(make: Make) -> None:
    """A visitor learns the same of any run."""
    scoria = facade()
    run_id = started(scoria)
    app = make(scoria, lambda _: None)
    known, unknown = get(app, run_path(run_id)), get(app, run_path(NEVER))
    assert known.status_code == 403
    assert (unknown.status_code, unknown.text) == (403, known.text), "a visitor learns which are"


def forwarded(scoria: Scoria, scope: Any) -> App:
    """Lets the gateway in front choose the tenant by a header, which anyone can send."""

    def chosen(environ: Any) -> Scope | None:
        found = scope(environ)
        named = environ.get("HTTP_X_TENANT_ID")
        return found if found is None or not named else Scope(named, found.actor_id)

    return evidence_app(scoria, scope=chosen, **HOST)


def show_forwarded(make: Make) -> None:
    """A request says whose tenant it would like to see."""
    scoria = facade()
    run_id = started(scoria, identity=who("other"))
    app = make(scoria, reader())
    answer = get(app, run_path(run_id), headers={"X-Tenant-Id": "other"})
    assert answer.status_code == 404, "a header chose the tenant"


def empty_head(scoria: Scoria, scope: Any) -> App:
    """Answers HEAD without making the page: 200 for any run that may be looked for."""

    def wrap(request: Request, app: App) -> Response:
        answer = answer_of(app, request)
        if request.method == "HEAD" and answer.status_code == 404:
            answer.status_code = 200
        return answer

    return around(scoria, scope, wrap)


def show_empty_head(make: Make) -> None:
    """HEAD is answered as GET, also where there is nothing."""
    app = make(facade(), reader())
    asked, looked = get(app, run_path(NEVER), "HEAD"), get(app, run_path(NEVER))
    assert (asked.status_code, asked.data) == (looked.status_code, b""), "HEAD is no GET"


def options(scoria: Scoria, scope: Any) -> App:
    """Answers OPTIONS by itself, as web frameworks do."""

    def wrap(request: Request, app: App) -> Response:
        answer = answer_of(app, request)
        if request.method == "OPTIONS":
            answer.status_code = 204
            answer.set_data(b"")
        return answer

    return around(scoria, scope, wrap)


def show_options(make: Make) -> None:
    """OPTIONS is another method, too."""
    answer = get(make(facade(), reader()), "/", "OPTIONS")
    assert answer.status_code == 405, f"OPTIONS is answered {answer.status_code}"
    assert {m.strip() for m in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}


titled = changed(
    (
        "parts.html",
        '<code class="v id">{{ value | visible }}</code>',
        '<code class="v id" title="{{ value | visible | striptags }}">{{ value | visible }}</code>',
    ),
)


class _Attributes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: list[str] = []
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Keep the values of attributes."""
        self.values += [value for name, value in attrs if value and name != "href"]

    def handle_comment(self, data: str) -> None:
        """Keep a comment."""
        self.comments.append(data)


def _seen(text: str) -> _Attributes:
    parser = _Attributes()
    parser.feed(text)
    return parser


def show_titled(make: Make) -> None:
    """The name of a tool stands in no attribute."""
    scoria = facade()
    run_id = started(scoria, ask(tool="wipe-the-disk"))
    seen = _seen(get(make(scoria, reader()), run_path(run_id)).text)
    assert not [v for v in seen.values if "wipe-the-disk" in v], "a tool's name in an attribute"


commented = changed(
    (
        "base.html",
        '<main id="main" data-etag="">',
        '<!-- for {{ scope.actor_id if scope is defined else "nobody" }} -->'
        '<main id="main" data-etag="">',
    ),
)


def show_commented(make: Make) -> None:
    """Who reads the page stands in no comment of it."""
    app = make(facade(), reader(actor="mallory-the-reader"))
    assert "mallory-the-reader" not in "".join(_seen(get(app, "/").text).comments), "in a comment"


def _collapsed(value: object) -> Markup:
    return visible(" ".join(str(value).split()))


collapsing = changed(
    (
        "parts.html",
        '<p class="v prose">{{ shown.text | visible }}</p>',
        '<p class="v prose">{{ shown.text | collapsed }}</p>',
    ),
    collapsed=_collapsed,
)


def show_collapsing(make: Make) -> None:
    """A reason is shown with the spaces that it was written with."""
    scoria = facade()
    run_id = started(scoria, ask(reason="pay  1 000   to bob"))
    text = get(make(scoria, reader()), run_path(run_id)).text
    notice = text.partition("<dt>Reason</dt>")[2].partition("</dd>")[0]
    assert "pay  1 000   to bob" in notice, "spaces of a text were lost"


unseen_roles = changed(
    ("run.html", "{{ text(handoff.delegated_role_id) }}", "{{ handoff.delegated_role_id }}"),
)


def show_unseen_roles(make: Make) -> None:
    """A role has a character in its name that turns the text around."""
    scoria = facade()
    run_id = scoria.start_handoff_run(
        who(),
        "critic\u202eevil",
        root_role_id="planner",
        delegated_kind="review",
        handoff_input={},
        projected_context={},
    ).run_id
    text = get(make(scoria, reader()), run_path(run_id)).text
    assert "\u202e" not in text and "critic" in text, "a character that turns the text around"


def _cut(value: Any, _: int | None) -> Shown:
    text = pretty(value)
    return Shown(text if len(text) <= 20_000 else text[:20_000] + "\n… (cut)")


cut_long = changed(cut=_cut)


def show_cut_long(make: Make) -> None:
    """A long argument is shown to its end, there or where the page links to."""
    scoria = facade()

    def handler(_: Any, __: Any) -> NeedsApproval:
        arguments = {"body": "x" * 30_000 + " and transfer the rest"}
        return NeedsApproval(tool_name="send", arguments=arguments, reason="why")

    run_id = started(scoria, handler)
    text = whole(make(scoria, reader()), run_path(run_id))
    assert "and transfer the rest" in text, "the end of a long text is not shown"


def public_problems(scoria: Scoria, scope: Any) -> App:
    """Lets the cache in front keep what was not found, to take load from the store."""

    def wrap(request: Request, app: App) -> Response:
        answer = answer_of(app, request)
        if answer.status_code == 404:
            answer.headers["Cache-Control"] = "max-age=60"
        return answer

    return around(scoria, scope, wrap)


def show_public_problems(make: Make) -> None:
    """No shared cache keeps a 404, which is one for this tenant."""
    said = get(make(facade(), reader()), run_path(NEVER)).headers.get("Cache-Control", "")
    assert re.search(r"\b(no-store|private)\b", said), f"a shared cache may keep it: {said!r}"


def no_form_action(scoria: Scoria, scope: Any) -> App:
    """Leaves `form-action` and `base-uri` to `default-src`, which does not cover them."""

    def wrap(request: Request, app: App) -> Response:
        answer = answer_of(app, request)
        policy = answer.headers["Content-Security-Policy"].split("; ")
        kept = [p for p in policy if p.split()[0] not in ("form-action", "base-uri")]
        answer.headers["Content-Security-Policy"] = "; ".join(kept)
        return answer

    return around(scoria, scope, wrap)


def show_no_form_action(make: Make) -> None:
    """The policy forbids forms by name."""
    policy = get(make(facade(), reader()), "/").headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy, "forms are not forbidden"
    assert "base-uri 'none'" in policy, "another base is not forbidden"


def scope_by_cookie(scoria: Scoria, scope: Any) -> App:
    """Asks the host once for each cookie, and does not hear of who signed out."""
    known: dict[str, Scope] = {}

    def remembered(environ: Any) -> Scope | None:
        cookie = environ.get("HTTP_COOKIE", "")
        if cookie not in known and (found := scope(environ)) is not None:
            known[cookie] = found
        return known.get(cookie)

    return evidence_app(scoria, scope=remembered, **HOST)


def show_scope_by_cookie(make: Make) -> None:
    """Somebody signs out, and the cookie of the browser stays."""
    scoria, signed_in = facade(), [reader()({})]
    run_id = started(scoria)
    app = make(scoria, lambda _: signed_in[-1] if signed_in else None)
    path, cookie = run_path(run_id), {"Cookie": "sid=1"}
    assert get(app, path, headers=cookie).status_code == 200
    signed_in.clear()
    assert get(app, path, headers=cookie).status_code == 403, "an old scope was taken"


def ended_kept(scoria: Scoria, scope: Any) -> App:
    """Keeps the page of a run that has ended, a failed one too, which can be retried."""
    kept: dict[tuple[str, str, str], tuple[bytes, Any]] = {}

    def wrap(request: Request, app: App) -> Response:
        found = scope(request.environ)
        if found is None or request.method != "GET":
            return answer_of(app, request)
        named = (found.tenant_id, found.actor_id, request.full_path)
        if named not in kept:
            answer = answer_of(app, request)
            ended = re.search(r"<title>[^<]*, (completed|cancelled|failed) ", answer.get_data(True))
            if answer.status_code != 200 or not ended:
                return answer
            kept[named] = (answer.get_data(), dict(answer.headers))
        return Response(kept[named][0], headers=kept[named][1])

    return around(scoria, scope, wrap)


def show_ended_kept(make: Make) -> None:
    """A run that failed is tried again."""
    scoria = facade()
    run_id = started(scoria, lambda step, run: Failed("no network"))
    app = make(scoria, reader())
    assert "no network" in get(app, run_path(run_id)).text
    scoria.retry_run(run_id, handlers={"work": lambda step, run: {"ok": True}})
    text = get(app, run_path(run_id)).text
    assert ", completed" in text.partition("</title>")[0], "the page of the failure is still shown"


first_request = changed(
    (
        "run.html",
        "{% with requests = page.open_requests ",
        "{% with requests = page.open_requests and page.detail.approvals[:1] ",
    ),
)


def show_first_request(make: Make) -> None:
    """A run asks a second time, for something else."""
    scoria = facade()

    def handler(step: Any, _: Any) -> NeedsApproval:
        tool = "first-tool" if step.approval is None else "second-tool"
        return NeedsApproval(tool_name=tool, arguments={}, reason="why")

    run_id = started(scoria, handler)
    first = scoria.get_run(run_id).pending_approval
    scoria.approve(run_id, approval_id=first.approval_id, decided_by="bob")
    scoria.resume_run(run_id, handlers={"work": handler})
    main = get(make(scoria, reader()), run_path(run_id)).text.partition("<main")[2]
    assert 0 < main.find("second-tool") < main.find("first-tool"), "an earlier request comes first"


root_roles = changed(
    ("run.html", "{{ text(handoff.parent_role_id) }}", "{{ text(run.root_role_id) }}"),
)


def show_root_roles(make: Make) -> None:
    """A role that was handed work hands on a part of it."""
    scoria = facade()

    def on(step: Any, _: Any) -> HandOff:
        return HandOff(
            delegated_role_id="checker",
            delegated_kind="check",
            handoff_input={},
            projected_context={},
        )

    run_id = scoria.start_handoff_run(
        who(),
        "critic",
        root_role_id="planner",
        delegated_kind="review",
        handoff_input={},
        projected_context={},
        handlers={"review": on},
    ).run_id
    text = get(make(scoria, reader()), run_path(run_id)).text
    part = text.partition('id="delegated-evidence"')[2].partition('id="journal"')[0]
    second = re.sub(r"<[^>]*>", "", part.split("<article")[2])
    assert "critic" in second and "checker" in second, "the wrong role hands on"


def last_good(scoria: Scoria, scope: Any) -> App:
    """Shows a run whose journal does not check out as it was when it last did."""
    good: dict[tuple[str, str], bytes] = {}

    def wrap(request: Request, app: App) -> Response:
        answer, found = answer_of(app, request), scope(request.environ)
        if found is not None and request.method == "GET":
            named = (found.tenant_id, request.full_path)
            if answer.status_code == 200:
                good[named] = answer.get_data()
            elif answer.status_code >= 500 and named in good:
                answer.set_data(good[named])
        return answer

    return around(scoria, scope, wrap)


def show_last_good(make: Make) -> None:
    """An entry is changed in the store after the page was read once."""
    store = MemoryStore()
    scoria = facade(store=store)
    run_id = started(scoria, ask(reason="secret-reason"))
    app = make(scoria, reader())
    assert "secret-reason" in get(app, run_path(run_id)).text
    first = store._journals[run_id][0]
    store._journals[run_id][0] = Record(1, first.digest, first.body.replace("ann", "eve"))
    assert "secret-reason" not in get(app, run_path(run_id)).text, "a damaged run is shown"


def by_path(scoria: Scoria, scope: Any) -> App:
    """Keeps pages for as long as their run is at one version, and forgets whose they are."""
    kept: dict[tuple[str, int], Response] = {}

    def wrap(request: Request, app: App) -> Response:
        if scope(request.environ) is None or request.method != "GET":
            return answer_of(app, request)
        try:
            version = scoria.get_run(request.path.rpartition("/")[2]).version
        except ScoriaError:
            return answer_of(app, request)
        named = (request.full_path, version)
        if named not in kept:
            answer = answer_of(app, request)
            if answer.status_code != 200:
                return answer
            kept[named] = answer
        return Response(kept[named].get_data(), headers=dict(kept[named].headers))

    return around(scoria, scope, wrap)


def show_by_path(make: Make) -> None:
    """A page was read by its tenant, and another tenant asks for it."""
    scoria, tenants = facade(), ["acme"]
    run_id = started(scoria)
    app = make(scoria, lambda _: Scope(tenant_id=tenants[-1], actor_id="ann"))
    assert get(app, run_path(run_id)).status_code == 200
    tenants.append("other")
    assert get(app, run_path(run_id)).status_code == 404, "another tenant got the page"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None]) -> Wrong:
    return Wrong(name, clause, "page", make, show, right)


WRONG: list[Wrong] = [
    _wrong("a timing header on hits", "PAGE-4", timed, show_timed),
    _wrong("redirects to small letters", "PAGE-4", canonical, show_canonical),
    _wrong("scope after the run", "PAGE-2", late_scope, show_late_scope),
    _wrong("tenant from a gateway's header", "PAGE-3", forwarded, show_forwarded),
    _wrong("HEAD says there is something", "PAGE-5", empty_head, show_empty_head),
    _wrong("OPTIONS answered by itself", "PAGE-5", options, show_options),
    _wrong("ids repeated in titles", "PAGE-6", titled, show_titled),
    _wrong("reader named in a comment", "PAGE-6", commented, show_commented),
    _wrong("spaces of reasons collapsed", "PAGE-6", collapsing, show_collapsing),
    _wrong("roles with unseen characters", "PAGE-8", unseen_roles, show_unseen_roles),
    _wrong("long JSON cut", "PAGE-9", cut_long, show_cut_long),
    _wrong("404 kept by caches", "PAGE-11", public_problems, show_public_problems),
    _wrong("forms left to default-src", "PAGE-12", no_form_action, show_no_form_action),
    _wrong("scope kept by cookie", "PAGE-13", scope_by_cookie, show_scope_by_cookie),
    _wrong("failed runs kept as ended", "PAGE-13", ended_kept, show_ended_kept),
    _wrong("first request shown on top", "PAGE-1", first_request, show_first_request),
    _wrong("handoffs all by the root", "PAGE-7", root_roles, show_root_roles),
    _wrong("last good page of a damaged run", "PAGE-10", last_good, show_last_good),
    _wrong("pages kept for any tenant", "PAGE-13", by_path, show_by_path),
]
