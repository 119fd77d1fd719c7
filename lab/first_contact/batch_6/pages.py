"""Evidence pages that each break one promise."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup, escape
from werkzeug.datastructures import Headers

from lab.first_contact.batch_6.looks import SpoiltStore, asked, begun, edited, looker, right
from lab.first_contact.wrong import Wrong
from scoria_core import Scoria
from scoria_core.errors import ApprovalNotPending
from scoria_core.visible import escaped
from scoria_memory import MemoryStore
from scoria_web import app as web
from scoria_web import decisions

REAL = SimpleNamespace(run_page=web.run_page, digest=web._digest, decide=decisions._decide)
"""The functions that are replaced below, as they are."""

Make = Callable[..., Any]


def first_requests(scoria: Scoria, scope: Any) -> Any:
    """Show ten of what a run waits for at its top, and count the rest: the page has to end."""
    old = "{% for asked in requests %}"
    return edited(right(scoria, scope), "run.html", old, "{% for asked in requests[:10] %}")


def show_first_requests(make: Make) -> None:
    """A step asks for twelve; each stands before what is told of the run's steps."""
    scoria = Scoria(MemoryStore())
    run = begun(scoria, *(asked(f"tool-{n:02}") for n in range(12)))
    text = looker(make, scoria)(f"/workflows/{run.run_id}").text
    top = text.partition('id="story"')[0]
    missing = [n for n in range(12) if f"tool-{n:02}" not in top]
    assert not missing, missing


def checked_first(scoria: Scoria, scope: Any) -> Any:
    """Check the journal of a run before asking whose run it is."""

    def page(view: Scoria, run_id: str, *after: Any, **more: Any) -> Any:
        scoria.inspect_run(run_id)
        return REAL.run_page(view, run_id, *after, **more)

    web.run_page = page
    return right(scoria, scope)


def show_checked_first(make: Make) -> None:
    """Another tenant's damaged run is not there, as one that never was."""
    store = SpoiltStore()
    scoria = Scoria(store)
    run = begun(scoria, asked(), tenant_id="other")
    store.spoilt.add(run.run_id)
    look = looker(make, scoria)
    theirs, none = (look(f"/workflows/{each}") for each in (run.run_id, "never"))
    assert (theirs.status_code, theirs.text) == (none.status_code, none.text), theirs.status


HIDDEN = frozenset(("Cc", "Cf", "Cs", "Cn", "Zl", "Zp", "Zs"))


def _by_category(value: object) -> Markup:
    return Markup().join(
        Markup('<span class="unseen">{}</span>').format(escaped(each))
        if each not in " \t\n" and unicodedata.category(each) in HIDDEN
        else escape(each)
        for each in str(value)
    )


def by_category(scoria: Scoria, scope: Any) -> Any:
    """Tell what is not seen by its category in Unicode: a filler is a letter there."""
    old = "{% macro text(value) %}"
    app = edited(right(scoria, scope), "parts.html", old, old)
    app.templates.filters["visible"] = _by_category
    return app


def show_by_category(make: Make) -> None:
    """An account with a Hangul filler in it does not read as the one without."""
    scoria = Scoria(MemoryStore())
    arguments = {"zero": "a\u200bb", "filler": "c\u3164d", "braille": "e\u2800f"}
    run = begun(scoria, asked(arguments=arguments))
    text = looker(make, scoria)(f"/workflows/{run.run_id}").text
    assert not re.search("[\u200b\u3164\u2800]", text)


def own_scripts(scoria: Scoria, scope: Any) -> Any:
    """Let the page load the scripts of its host: its own directive, beside the one of the kit."""
    page = right(scoria, scope)
    policy = "Content-Security-Policy"

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Any, *error: Any) -> Any:
            said = Headers(headers)
            if "script-src" in said[policy]:
                (digest,) = re.findall("script-src ('sha256-[^']*')", said[policy])
                said[policy] += f"; script-src-elem {digest} 'self'"
            return start_response(status, said.to_wsgi_list(), *error)

        result: Iterable[bytes] = page(environ, start)
        return result

    return answer


def show_own_scripts(make: Make) -> None:
    """No directive for scripts names a place."""
    policy = looker(make, Scoria(MemoryStore()))("/").headers["Content-Security-Policy"]
    told = [each.split() for each in policy.split(";")]
    scripts = [source for name, *sources in told if "script" in name for source in sources]
    assert all(source.startswith("'sha256-") for source in scripts), scripts


def tagged_by_journal(scoria: Scoria, scope: Any) -> Any:
    """Tag the page of a run by its journal alone: all that can happen to a run is in it."""

    def digest(page: str) -> str:
        _, found, journal = page.partition('<section id="journal"')
        return hashlib.sha256(journal.encode()).hexdigest()[:32] if found else REAL.digest(page)

    web._digest = digest
    return right(scoria, scope)


def show_tagged_by_journal(make: Make) -> None:
    """Who may decide no longer is not told that the page with the button still stands."""
    scoria = Scoria(MemoryStore())
    look, run = looker(make, scoria), begun(scoria, asked())
    path = f"/workflows/{run.run_id}"
    before, now = look(path), {"may_decide": False}
    again = look(path, scope=now, headers={"If-None-Match": before.headers["ETag"]})
    assert ">Decide</a>" in before.text
    assert ">Decide</a>" not in look(path, scope=now).text
    assert again.status_code == 200, "the page with the button was said to be current"


def compared_as_values(scoria: Scoria, scope: Any) -> Any:
    """Take arguments for edited where the values differ: to Python, 1 is True."""
    old = "approval.arguments_digest != approval.proposed_digest"
    new = "approval.arguments != approval.proposed_arguments"
    return edited(right(scoria, scope), "parts.html", old, new)


def show_compared_as_values(make: Make) -> None:
    """An edit of 1 to true is shown as one, with both digests."""
    scoria = Scoria(MemoryStore())
    run = begun(scoria, asked(arguments={"all": 1}, may_edit=True))
    (request,) = run.pending_approvals
    asked_for, edit = request.approval_id, {"all": True}
    scoria.approve(run.run_id, approval_id=asked_for, decided_by="ada", arguments=edit)
    text = looker(make, scoria)(f"/workflows/{run.run_id}").text
    element = re.search('<article class="card" id="approval-1">.*?</article>', text, re.DOTALL)
    assert element is not None
    assert request.proposed_digest in element[0]
    assert "Proposed arguments" in element[0]


def whole_pages(scoria: Scoria, scope: Any) -> Any:
    """Lead on from a full page: one with fewer rows than it may have is the last."""
    old = '{% if page.next %}\n<a rel="next"'
    new = '{% if page.next and page.rows | length >= 50 %}\n<a rel="next"'
    return edited(right(scoria, scope), "list.html", old, new)


def show_whole_pages(make: Make) -> None:
    """Four of sixty requests have expired; the others are all led to."""
    scoria = Scoria(MemoryStore())
    for _ in range(4):
        begun(scoria, asked(expires_in=0.001))
    runs = [begun(scoria, asked()).run_id for _ in range(56)]
    look, path, text = looker(make, scoria), "/", ""
    while path:
        page = look(path).text
        text, found = text + page, re.search('rel="next" href="([^"]*)"', page)
        path = found[1].replace("&amp;", "&") if found else ""
    missing = [each for each in runs if each not in text]
    assert not missing, missing


def glad_of_the_same(scoria: Scoria, scope: Any) -> Any:
    """Take a decision that agrees with the one on record: people click twice."""
    said = {"approve": "approved", "reject": "rejected"}

    def decide(view: Scoria, page: Any, actor_id: str) -> None:
        try:
            REAL.decide(view, page, actor_id)
        except ApprovalNotPending:
            now = view.get_run_detail(page.approval.run_id).approvals
            (status,) = [x.status for x in now if x.approval_id == page.approval.approval_id]
            if status != said.get(page.sent.get("decision")):
                raise

    decisions._decide = decide
    return right(scoria, scope)


def show_glad_of_the_same(make: Make) -> None:
    """Of two who approve with a note, the second is told to be too late."""
    scoria = Scoria(MemoryStore())
    run = begun(scoria, asked())
    look, path = (
        looker(make, scoria),
        f"/decisions/{run.run_id}/{run.pending_approvals[0].approval_id}",
    )
    people: list[Mapping[str, Any]] = [{"actor_id": "ada"}, {"actor_id": "bob"}]
    forms = [look(path, scope=each).text for each in people]
    tokens = [re.findall('name="token" value="([^"]*)"', form)[0] for form in forms]
    sent = [{"token": token, "decision": "approve", "note": "mine"} for token in tokens]
    first, second = (
        look(path, "POST", who, data=form) for who, form in zip(people, sent, strict=True)
    )
    assert first.status_code == 303
    assert second.status_code == 409, json.dumps([second.status, second.headers["Location"]])
    assert "ada" in second.text


WRONG = (
    Wrong(
        "the first ten requests",
        "PAGE-1",
        kind="page",
        make=first_requests,
        show=show_first_requests,
        right=right,
    ),
    Wrong(
        "the journal is checked first",
        "PAGE-4",
        kind="page",
        make=checked_first,
        show=show_checked_first,
        right=right,
    ),
    Wrong(
        "unseen by category",
        "PAGE-8",
        kind="page",
        make=by_category,
        show=show_by_category,
        right=right,
    ),
    Wrong(
        "scripts of the host",
        "PAGE-12",
        kind="page",
        make=own_scripts,
        show=show_own_scripts,
        right=right,
    ),
    Wrong(
        "tagged by the journal",
        "PAGE-13",
        kind="page",
        make=tagged_by_journal,
        show=show_tagged_by_journal,
        right=right,
    ),
    Wrong(
        "one is True",
        "PAGE-14",
        kind="page",
        make=compared_as_values,
        show=show_compared_as_values,
        right=right,
    ),
    Wrong(
        "only a full page leads on",
        "PAGE-15",
        kind="page",
        make=whole_pages,
        show=show_whole_pages,
        right=right,
    ),
    Wrong(
        "glad of the same decision",
        "PAGE-18",
        kind="page",
        make=glad_of_the_same,
        show=show_glad_of_the_same,
        right=right,
    ),
)
