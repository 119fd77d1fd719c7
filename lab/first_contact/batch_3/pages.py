"""Evidence pages that each break one promise."""

import re
from typing import Any

import attrs
from markupsafe import Markup, escape
from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from lab.first_contact.batch_3.page_tools import (
    UNKNOWN,
    Attributes,
    World,
    changed,
    filtered,
    right,
    wrong_page,
)
from lab.first_contact.runs import journal
from scoria_core import Completed, HandOff, NeedsApproval
from scoria_core.errors import RunNotFound, StoreCorrupt
from scoria_core.visible import visible_block, visible_pieces
from scoria_web.app import HEADERS, _EvidenceApp
from scoria_web.display import Shown, cut, visible


def run_id_of(request: Request) -> str | None:
    """Return the run that is asked for, or None; nothing is wrong here."""
    found = re.fullmatch(r"/workflows/([^/]+)", request.path)
    return found[1] if found else None


class LastModified(_EvidenceApp):
    """Says when a run was last changed, also where it does not show that run."""

    def _answer(self, request: Request, urls: Any) -> Response:
        """Answer in the way that the class says."""
        response = super()._answer(request, urls)
        try:
            run = self.scoria.get_run(run_id_of(request) or "")
            response.headers["Last-Modified"] = http_date(run.updated_at)
        except (RunNotFound, StoreCorrupt):
            pass
        return response


def show_last_modified(make: Any) -> None:
    """Assert that the run of another tenant is answered as one that never was."""
    world = World(make)
    run = world.waiting("other")
    foreign, unknown = world.ask(run.run_id), world.ask(UNKNOWN)
    assert foreign.status_code == unknown.status_code == 404
    assert sorted(foreign.headers) == sorted(unknown.headers), foreign.headers
    assert foreign.data == unknown.data


class LookedUpFirst(_EvidenceApp):
    """Looks a run up before it asks who wants to see it."""

    def _page(self, request: Request, urls: Any) -> Response:
        """Make the page in the way that the class says."""
        if self._scope_of(request) is None and (run_id := run_id_of(request)) is not None:
            self.scoria.get_run(run_id)
        return super()._page(request, urls)


def show_looked_up(make: Any) -> None:
    """Assert that a visitor gets the same 403 for a run and for none."""
    world = World(make)
    known = world.ask(world.waiting().run_id, who=None)
    unknown = world.ask(UNKNOWN, who=None)
    assert (known.status_code, unknown.status_code) == (403, 403), unknown.status
    assert known.data == unknown.data


class OptionsAnswered(_EvidenceApp):
    """Answers OPTIONS by itself, as frameworks do."""

    def _answer(self, request: Request, urls: Any) -> Response:
        """Answer in the way that the class says."""
        if request.method != "OPTIONS":
            return super()._answer(request, urls)
        return Response(status=200, headers={**HEADERS, "Allow": "GET, HEAD, OPTIONS"})


def show_options(make: Any) -> None:
    """Assert that OPTIONS is refused as any other method."""
    world = World(make)
    answer = world.ask(world.waiting().run_id, method="OPTIONS")
    assert answer.status_code == 405, answer.status


class MethodOverridden(_EvidenceApp):
    """Takes the method that a header names in place of that of the request."""

    def _page(self, request: Request, urls: Any) -> Response:
        """Make the page in the way that the class says."""
        request.method = request.headers.get("X-HTTP-Method-Override", request.method).upper()
        return super()._page(request, urls)


def show_overridden(make: Any) -> None:
    """Assert that a POST is refused, whatever a header says that it is."""
    world, named = World(make), {"X-HTTP-Method-Override": "GET"}
    answer = world.ask(world.waiting().run_id, method="POST", headers=named)
    assert answer.status_code == 405, answer.status


class HeadUnread(_EvidenceApp):
    """Answers HEAD for any run to whoever may look, without reading it."""

    def _page(self, request: Request, urls: Any) -> Response:
        """Make the page in the way that the class says."""
        known = self._scope_of(request) is not None
        if request.method == "HEAD" and known and run_id_of(request) is not None:
            return Response(status=200, headers=dict(HEADERS))
        return super()._page(request, urls)


def show_head(make: Any) -> None:
    """Assert that HEAD is answered as GET is."""
    world = World(make)
    get, head = world.ask(UNKNOWN), world.ask(UNKNOWN, method="HEAD")
    assert (head.status_code, head.data) == (get.status_code, b""), head.status


class OnlyGetAllowed(_EvidenceApp):
    """Names GET alone as allowed where it refuses a method, though it answers HEAD."""

    def _answer(self, request: Request, urls: Any) -> Response:
        """Answer in the way that the class says."""
        response = super()._answer(request, urls)
        if response.status_code == 405:
            response.headers["Allow"] = "GET"
        return response


def show_allowed(make: Any) -> None:
    """Assert that both methods are named as allowed."""
    answer = World(make).ask(method="DELETE")
    assert {each.strip() for each in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}


class TenantOfCookie(_EvidenceApp):
    """Lets a cookie choose the tenant, for who works in several."""

    def _scope_of(self, request: Request) -> Any:
        """Take the tenant that the cookie names."""
        scope = super()._scope_of(request)
        chosen = request.cookies.get("tenant", "").strip()
        return attrs.evolve(scope, tenant_id=chosen) if scope and chosen else scope


def show_cookie(make: Any) -> None:
    """Assert that a cookie does not open the page of another tenant."""
    world = World(make)
    run = world.waiting("other")
    assert world.ask(run.run_id, headers={"Cookie": "tenant=other"}).status_code == 404


session_as_title = changed(
    "run.html",
    'dt>Session</dt><dd><a class="v" ',
    'dt>Session</dt><dd><a class="v" title="{{ run.session_id }}" ',
)


def show_title(make: Any) -> None:
    """Assert that a session id stands in no attribute but percent-encoded in a link."""
    world = World(make)
    text = world.ask(world.waiting(session="chat <1>").run_id).text
    assert not [each for each in Attributes(text).found if "chat <1>" in each]


class FileNamed(_EvidenceApp):
    """Names the file to save a page as in a header, after the session of its run."""

    def _page(self, request: Request, urls: Any) -> Response:
        """Make the page in the way that the class says."""
        response = super()._page(request, urls)
        run_id = run_id_of(request)
        if response.status_code == 200 and run_id is not None:
            session = re.sub(r"[^A-Za-z0-9]+", "-", self.scoria.get_run(run_id).session_id)
            response.headers["Content-Disposition"] = f'inline; filename="{session}.html"'
        return response


def show_file_named(make: Any) -> None:
    """Assert that nothing that a host wrote is in a header."""
    world = World(make)
    answer = world.ask(world.waiting(session="kettle").run_id)
    assert answer.status_code == 200
    assert "kettle" not in str(answer.headers), answer.headers


ISOLATES = ("\\u2066", "\\u2067", "\\u2068", "\\u2069")


def isolates_kept(value: object) -> Markup:
    """Show text with its bidi isolates as they are, as these came to Unicode later."""
    shown = Markup()
    for piece, is_escape in visible_pieces(value):
        if is_escape and piece in ISOLATES:
            shown += chr(int(piece[2:], 16))
        else:
            shown += visible(piece) if not is_escape else Markup("<span>{}</span>").format(piece)
    return shown


def show_isolates(make: Any) -> None:
    """Assert that a character that turns the direction of text is shown as its escape."""
    world = World(make)
    text = world.ask(world.waiting(reason="pay \u2067all\u2069 of it").run_id).text
    assert "\u2067" not in text
    assert "\\u2067" in text


def unseen_dropped(value: object) -> Markup:
    """Leave a character out that takes no room."""
    return visible(re.sub("[\u200b-\u200d\u2060\ufeff]", "", str(value)))


def show_dropped(make: Any) -> None:
    """Assert that a space of no width is shown as its escape."""
    world = World(make)
    text = world.ask(world.waiting(reason="pay\u200bpal").run_id).text
    assert "paypal" not in text
    assert "\\u200b" in text


def cut_long(value: object) -> Markup:
    """Show no more than ten thousand characters of a text."""
    text = str(value)
    return visible(text if len(text) <= 10_000 else text[:10_000] + " …")


def show_cut(make: Any) -> None:
    """Assert that the end of a long text is shown, on the page or where it links to."""
    world = World(make)
    run = world.waiting(metadata={"brief": "word " * 4_000 + "the end"})
    assert "the end" in world.whole(run.run_id)


def masked(value: Any, limit: int | None) -> Shown:
    """Show stars for the values of keys that sound like a secret."""

    def of(part: Any) -> Any:
        if isinstance(part, dict):
            secret = re.compile("token|secret|passw", re.IGNORECASE)
            return {key: "***" if secret.search(key) else of(part[key]) for key in part}
        return [of(each) for each in part] if isinstance(part, list | tuple) else part

    return cut(of(value), limit)


def show_masked(make: Any) -> None:
    """Assert that a value is shown, whatever its key is called."""
    world = World(make)
    run = world.waiting(metadata={"limits": {"max_tokens": "forty thousand"}})
    assert "forty thousand" in world.ask(run.run_id).text


class OtherTurns(_EvidenceApp):
    """Shows the other turns of the session at the foot of a run, by role and status."""

    def _page(self, request: Request, urls: Any) -> Response:
        """Make the page in the way that the class says."""
        response, run_id = super()._page(request, urls), run_id_of(request)
        if response.status_code != 200 or run_id is None:
            return response
        scope = self._scope_of(request)
        view = self.scoria.for_tenant(scope.tenant_id)  # type: ignore[union-attr] # it was asked
        turns = view.list_runs_for_session(view.get_run(run_id).session_id)
        told = (visible(each.root_role_id) for each in turns if each.run_id != run_id)
        more = Markup("<p>Other turns: {}</p></main>").format(Markup(", ").join(told))
        response.set_data(response.get_data(as_text=True).replace("</main>", str(more)))
        return response


def show_other_turns(make: Any) -> None:
    """Assert that the page of a run shows nothing of another run of its session."""
    world = World(make)
    world.waiting(root_role_id="bookkeeper")
    assert "bookkeeper" not in world.ask(world.waiting().run_id).text


class DamagedWhole(_EvidenceApp):
    """Shows what a damaged journal holds, also after the entry that does not check out."""

    def _page(self, request: Request, urls: Any) -> Response:
        """Make the page in the way that the class says."""
        response, run_id = super()._page(request, urls), run_id_of(request)
        if response.status_code != 500 or run_id is None:
            return response
        whole = journal(self.scoria._runs.store, run_id)
        bodies = "\n".join(visible_block(each.body) for each in whole)
        text = response.get_data(as_text=True)
        response.set_data(text.replace("</main>", f"<pre>{escape(bodies)}</pre></main>"))
        return response


def show_damaged(make: Any) -> None:
    """Assert that nothing is shown of what follows an entry that was changed."""
    world = World(make)
    run = world.waiting(reason="blue kettle")
    entries = world.store._journals[run.run_id]
    assert "blue kettle" in "".join(each.body for each in entries[3:])
    entries[2] = attrs.evolve(entries[2], body=f"{entries[2].body} ")
    answer = world.ask(run.run_id)
    assert answer.status_code == 500
    assert "blue kettle" not in answer.text


class NotFoundKept(_EvidenceApp):
    """Lets any cache keep for a minute that there is nothing at an address."""

    def _answer(self, request: Request, urls: Any) -> Response:
        """Answer in the way that the class says."""
        response = super()._answer(request, urls)
        if response.status_code == 404:
            response.headers["Cache-Control"] = "public, max-age=60"
        return response


def show_not_found_kept(make: Any) -> None:
    """Assert that no shared cache keeps a 404."""
    said = World(make).ask(UNKNOWN).headers["Cache-Control"]
    assert "no-store" in said or "private" in said, said


class DefaultPolicy(_EvidenceApp):
    """Forbids all by `default-src` alone, which says nothing of forms, bases and frames."""

    def _answer(self, request: Request, urls: Any) -> Response:
        """Answer in the way that the class says."""
        response = super()._answer(request, urls)
        policy = response.headers["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = policy.partition("; base-uri")[0]
        return response


def show_policy(make: Any) -> None:
    """Assert that the policy names what falls back to nothing."""
    policy = World(make).ask().headers["Content-Security-Policy"]
    for each in ("base-uri 'none'", "form-action 'self'", "frame-ancestors"):
        assert each in policy, policy


class UnchangedByVersion(_EvidenceApp):
    """Answers that a page is unchanged while its run has no new entry."""

    def _page(self, request: Request, urls: Any) -> Response:
        """Make the page in the way that the class says."""
        response, run_id = super()._page(request, urls), run_id_of(request)
        if response.status_code == 200 and run_id is not None:
            run = self.scoria.get_run(run_id)
            response.set_etag(f"{run_id}-{run.version}")
            response.make_conditional(request)
        return response


def show_unchanged(make: Any) -> None:
    """Assert that a request is shown as expired once it is, though nothing was written."""
    world = World(make)
    run_id = world.waiting(expires=60).run_id
    tag = world.ask(run_id).headers.get("ETag", '"none"')
    world.clock.move(minutes=5)
    answer = world.ask(run_id, headers={"If-None-Match": tag})
    assert answer.status_code == 200, answer.status
    assert "has expired" in answer.text


def kept_for_tenant(scoria: Any, scope: Any) -> Any:
    """Keep the page of a run at its version, for whoever of the tenant asks next."""
    app, kept = right(scoria, scope), {}

    @Request.application
    def answer(request: Request) -> Response:
        who, run_id = scope(request.environ), run_id_of(request)
        if who is None or run_id is None or request.method != "GET":
            return Response.from_app(app, request.environ)
        try:
            run = scoria.for_tenant(who.tenant_id).get_run(run_id)
        except (RunNotFound, StoreCorrupt):
            return Response.from_app(app, request.environ)
        named = (run.run_id, run.version, run.pending_approval is None, request.full_path)
        if named not in kept:
            made = Response.from_app(app, request.environ)
            kept[named] = made.get_data(), made.status_code, list(made.headers)
        data, status, headers = kept[named]
        return Response(data, status, headers)

    return answer


def show_kept(make: Any) -> None:
    """Assert that a page names who looks at it, whoever looked before."""
    world = World(make)
    run_id = world.waiting().run_id
    world.ask(run_id, who="acme/alice")
    assert "Bertram" in world.ask(run_id, who="acme/Bertram").text


earlier_first = changed(
    "run.html",
    '<div class="title" id="run">',
    "{% for each in page.detail.approvals if each.status != 'pending' %}{{ prose(each.reason) }}"
    '{% endfor %}<div class="title" id="run">',
)


def show_earlier_first(make: Any) -> None:
    """Assert that what a run waits for stands before what it asked earlier."""
    world = World(make)

    def ask_again(step: Any, _: Any) -> Any:
        return NeedsApproval(tool_name="send", arguments={}, reason="the second reason")

    run = world.waiting(reason="the first reason")
    named = run.pending_approval.approval_id  # type: ignore[union-attr] # it waits
    world.scoria.approve(run.run_id, approval_id=named, decided_by="bob")
    world.scoria.resume_run(run.run_id, handlers={"ask": ask_again})
    text = world.ask(run.run_id).text
    assert 0 < text.find("the second reason") < text.find("the first reason")


once_for_role = changed(
    "run.html",
    "{% for handoff in page.handoffs.items %}",
    '{% for handoff in page.handoffs.items | unique(attribute="delegated_role_id") %}',
)


def show_once(make: Any) -> None:
    """Assert that each of two handoffs to one role is shown with its input."""
    world = World(make)

    def again(step: Any, _: Any) -> Any:
        if step.input["brief"] == "the second brief":
            return Completed()
        return HandOff(
            delegated_role_id="critic",
            delegated_kind="review",
            handoff_input={"brief": "the second brief"},
            projected_context={},
        )

    run = world.scoria.start_handoff_run(
        world.scoria.identity(actor_id="alice", tenant_id="acme", session_id="s-1"),
        "critic",
        root_role_id="planner",
        delegated_kind="review",
        handoff_input={"brief": "the first brief"},
        projected_context={},
        handlers={"review": again},
    )
    text = world.ask(run.run_id).text
    delegated = text.partition('id="delegated-evidence"')[2].partition('id="journal"')[0]
    assert "the first brief" in delegated
    assert "the second brief" in delegated


WRONG = [
    wrong_page("a 404 says when the run was changed", "PAGE-4", LastModified, show_last_modified),
    wrong_page("a visitor learns what exists", "PAGE-2", LookedUpFirst, show_looked_up),
    wrong_page("OPTIONS is answered", "PAGE-5", OptionsAnswered, show_options),
    wrong_page("a header overrides the method", "PAGE-5", MethodOverridden, show_overridden),
    wrong_page("HEAD does not read the run", "PAGE-5", HeadUnread, show_head),
    wrong_page("a 405 names GET alone", "PAGE-5", OnlyGetAllowed, show_allowed),
    wrong_page("a cookie chooses the tenant", "PAGE-3", TenantOfCookie, show_cookie),
    wrong_page("a session id stands in an attribute", "PAGE-6", session_as_title, show_title),
    wrong_page("a session id names the file to save", "PAGE-6", FileNamed, show_file_named),
    wrong_page(
        "bidi isolates are left as they are",
        "PAGE-8",
        filtered(visible=isolates_kept),
        show_isolates,
    ),
    wrong_page(
        "characters without width are dropped",
        "PAGE-8",
        filtered(visible=unseen_dropped),
        show_dropped,
    ),
    wrong_page("long texts are cut", "PAGE-9", filtered(visible=cut_long), show_cut),
    wrong_page("what sounds secret is masked", "PAGE-9", filtered(cut=masked), show_masked),
    wrong_page("other turns of the session are shown", "PAGE-10", OtherTurns, show_other_turns),
    wrong_page("a damaged journal is shown to its end", "PAGE-10", DamagedWhole, show_damaged),
    wrong_page("caches may keep a 404", "PAGE-11", NotFoundKept, show_not_found_kept),
    wrong_page("the policy says default-src alone", "PAGE-12", DefaultPolicy, show_policy),
    wrong_page("unchanged while no entry is new", "PAGE-13", UnchangedByVersion, show_unchanged),
    wrong_page("a page is kept for the tenant", "PAGE-13", kept_for_tenant, show_kept),
    wrong_page("earlier requests stand first", "PAGE-1", earlier_first, show_earlier_first),
    wrong_page("one handoff is shown for each role", "PAGE-7", once_for_role, show_once),
]
