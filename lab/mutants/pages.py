"""Evidence pages that are wrong on purpose, each around the right one under test."""

import html
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from http.cookies import SimpleCookie
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

import attrs
from jinja2 import ChoiceLoader, DictLoader, Environment
from jinja2.filters import do_striptags as striptags
from markupsafe import escape

from lab.mutants.under_test import subject
from lab.mutants.wrong import Catalogue
from scoria_conformance.host import PageFactory, ScopeOf, WSGIApp
from scoria_core import Scoria, ScoriaError
from scoria_web.display import Shown, begin, cut, environment

Environ = Mapping[str, Any]


def _installed(wrong: Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]) -> None:
    subject.page = partial(wrong, subject.page)


breaks = Catalogue("page", _installed)


@attrs.frozen
class Told:
    """What an app answered."""

    status: str
    headers: tuple[tuple[str, str], ...]
    text: str

    def header(self, name: str, value: str | None) -> "Told":
        """Return the answer with a header, or without it."""
        kept = tuple(each for each in self.headers if each[0].lower() != name.lower())
        return attrs.evolve(self, headers=kept if value is None else (*kept, (name, value)))

    def also(self, text: str) -> "Told":
        """Return the answer with more text."""
        return attrs.evolve(
            self, text=self.text.replace("</main>", f"<p>{escape(text)}</p></main>")
        )


Change = Callable[[Environ, Told], Told]


def told_by(app: WSGIApp, environ: Environ) -> Told:
    """Return what an app answers."""
    told: list[Any] = []
    body = b"".join(app(dict(environ), lambda *line: told.extend(line)))
    return Told(told[0], tuple(told[1]), body.decode())


def tell(told: Told, start_response: Any) -> Iterable[bytes]:
    """Answer so; the length is that of what is told."""
    body = told.text.encode()
    named = {name.lower() for name, _ in told.headers}
    length = str(len(body)) if "content-length" in named and body else None
    headers = told.header("Content-Length", length).headers if length else told.headers
    start_response(told.status, list(headers))
    return [body]


def rewritten(app: WSGIApp, change: Change) -> WSGIApp:
    """Return an app that answers with what `change` makes of the answers of `app`."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return tell(change(environ, told_by(app, environ)), start_response)

    return answer


def changed(change: Change) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    """Return a page whose answers are those of the right one as `change` leaves them."""
    return lambda right, scoria, scope: rewritten(right(scoria, scope), change)


def written(
    *changes: tuple[str, str], name: str = "run.html", **filters: Callable[..., object]
) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    """Return a page with other parts in a template, or other filters in all of them.

    Raises `LookupError` where the template has no such part.
    """
    source = files("scoria_web").joinpath("templates", name).read_text("utf-8")
    for old, new in changes:
        if old not in source:
            raise LookupError(f"{name} has no {old!r}")
        source = source.replace(old, new)

    @cache
    def templates() -> Environment:
        made = environment.__wrapped__()
        made.filters.update(filters)
        assert made.loader is not None
        made.loader = ChoiceLoader([DictLoader({name: source}), made.loader])
        return made

    def page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
        app: Any = right(scoria, scope)  # the evidence, with the decisions mounted below it
        app.app = attrs.evolve(app.app, templates=templates())
        return app  # type: ignore[no-any-return]

    return page


def _run_id(environ: Environ) -> str:
    return str(environ["PATH_INFO"]).rpartition("/")[2]


def _exists(scoria: Scoria, environ: Environ) -> bool:
    try:
        return bool(scoria.get_run(_run_id(environ)))
    except ScoriaError:
        return False


def _where_it_exists(change: Change) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    """Return a page that changes the refusals of runs that exist."""

    def page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
        def change_there(environ: Environ, told: Told) -> Told:
            there = told.status[0] == "4" and _exists(scoria, environ)
            return change(environ, told) if there else told

        return rewritten(right(scoria, scope), change_there)

    return page


# What a page shows.

NOTE = (
    '{{ text_of(approval.note, page.measure.text, page.entry_of(approval.approval_id, "note")) }}'
)
INPUT = (
    '{{ json(handoff.handoff_input, "Show the input", limit=page.measure.text, '
    'entry=page.entry_of(handoff.handoff_id, "handoff_input")) }}'
)
CONTEXT = (
    '{{ json(handoff.projected_context, "Show the context", limit=page.measure.text, '
    'entry=page.entry_of(handoff.handoff_id, "projected_context")) }}'
)
FIRST = "<dd>{{ ident(asked.tool_name) }}</dd>"
for _name, _expected, _changes in (
    ("the page does not show what is to be approved first", "tool_name", [(FIRST, "<dd></dd>")]),
    (
        "the page shows the first request in place of the one that waits",
        "an earlier request",
        [("requests = page.open_requests", "requests = page.detail.approvals[:1]")],
    ),
    (
        "the page does not show where the run stands",
        "the first status on",
        [("  {{ badge(run.status) }}\n</div>", "</div>")],
    ),
    (
        "the page shows the run as it began",
        "the first status on",
        [("  {{ badge(run.status) }}\n</div>", "{{ badge('running') }}\n</div>")],
    ),
    (
        "the page does not name the run",
        "it does not show the run_id",
        [("{{ ident(run.run_id) }}", "{{ ident(run.run_id | short) }}")],
    ),
):
    breaks.add(_name, "PAGE-1", _expected, written(*_changes))

for _name, _expected, _changes in (
    (
        "the page has another heading for what was delegated",
        "it is not under 'Delegated Evidence'",
        [('heading">Delegated Evidence', 'heading">Handoffs')],
    ),
    (
        "the page leaves the context of a handoff out",
        "projected_context",
        [(CONTEXT, "")],
    ),
    (
        "the page shows for whom it was delegated and not by whom",
        "parent_role_id",
        [("{{ text(handoff.parent_role_id) }}", "")],
    ),
    (
        "the page says elsewhere what was delegated",
        "handoff_input",
        [
            (INPUT, ""),
            (
                'id="journal-heading">Journal</h2>',
                'id="journal-heading">Journal</h2>{% for each in page.handoffs.everything %}'
                "{{ json(each.handoff_input) }}{% endfor %}",
            ),
        ],
    ),
):
    breaks.add(_name, "PAGE-7", _expected, written(*_changes))


def _raw(old: str, new: str, name: str, expected: str = "the attribute id") -> None:
    breaks.add(name, "PAGE-6", expected, written((old, new)))


_raw("by {{ text(step.role_id) }}", "by {{ step.role_id | safe }}", "a role is taken for markup")
_raw(
    '{{ json(step.error.details, "Show the details", limit=page.measure.text, entry=entry) }}',
    "<pre>{{ step.error.details | pretty | safe }}</pre>",
    "the details of an error are taken for markup",
)
_raw(
    "{{ text_of(asked.reason, page.measure.open_text, page.entry_of(asked.approval_id, "
    '"reason")) }}',
    "{{ asked.reason | safe }}",
    "a reason is taken for markup",
)
_raw(
    "{{ text_of(step.error.cause, page.measure.text, entry) }}",
    "<pre>{{ step.error.cause | safe }}</pre>",
    "what led to an error is taken for markup",
)
_raw(
    "{{ tag | visible }}",
    "{{ tag | safe }}",
    "a tag of a handoff is taken for markup",
)
_raw(
    "<h3>{{ text(step.kind) }}",
    "<h3 title='{{ step.kind }}'>{{ text(step.kind) }}",
    "a kind is in a title",
    "the attribute title",
)
_raw(
    'dt>Session</dt><dd><a class="v" ',
    'dt>Session</dt><dd><a class="v" title="{{ run.session_id | visible | striptags }}" ',
    "the session is in a title",
    "the attribute title",
)
_raw(
    "<dd>{{ text(run.root_role_id) }}</dd>",
    "<dd data-role='{{ run.root_role_id }}'>{{ text(run.root_role_id) }}</dd>",
    "a role is in a data attribute",
    "the attribute data-role",
)
_raw(
    '<section id="steps"',
    '<!-- {{ run.actor_id }} --><section id="steps"',
    "an actor is in a comment",
    "a comment",
)
_raw(
    '<section id="steps"',
    '<script type="application/json">{{ run.metadata | tojson }}</script><section id="steps"',
    "the metadata is in a script",
    "it is not shown",
)
_raw(
    NOTE,
    f"<a href='{{{{ approval.note }}}}'>{NOTE}</a>",
    "a note is a link",
    "a link has",
)
_raw(
    "{{ text_of(approval.reason, page.measure.text, page.entry_of(approval.approval_id, "
    '"reason")) }}',
    "<p>{{ (approval.reason | begin(page.measure.text)).text | urlize }}</p>",
    "what looks like a link in a reason is one",
    "a link has",
)
breaks.add(
    "a role is in a header",
    "PAGE-6",
    "the header x-role",
    lambda right, scoria, scope: rewritten(
        right(scoria, scope),
        lambda environ, told: (
            told.header("X-Role", scoria.get_run(_run_id(environ)).root_role_id)
            if _exists(scoria, environ)
            else told
        ),
    ),
)
breaks.add(
    "forgets to escape",
    "PAGE-6",
    "neither it nor what it links to",
    changed(lambda _, told: attrs.evolve(told, text=html.unescape(told.text))),
)
breaks.add(
    "escapes twice",
    "PAGE-6",
    "neither it nor what it links to",
    written(visible=lambda value: escape(str(escape(value)))),
)
breaks.add(
    "drops what looks like markup",
    "PAGE-6",
    "neither it nor what it links to",
    written(visible=striptags),
)
breaks.add(
    "drops what is not seen",
    "PAGE-6",
    "neither it nor what it links to",
    written(
        visible=lambda value: escape(
            "".join(c for c in str(value) if c in "\n\t" or c.isprintable())
        )
    ),
)
breaks.add(
    "shows what is not seen as it is",
    "PAGE-8",
    "it holds a raw",
    written(visible=lambda value: escape(value)),
)
breaks.add(
    "shows a note as it is",
    "PAGE-8",
    "it holds a raw",
    written((NOTE, "<p>{{ approval.note }}</p>")),
)
breaks.add(
    "shows a session in the list as it is",
    "PAGE-8",
    "it holds a raw",
    written(("{{ value | visible }}</a>", "{{ value }}</a>"), name="parts.html"),
)
breaks.add(
    "leaves out what an entry of the journal says",
    "PAGE-9",
    "it is not shown",
    written(("{{ shown.text | visible }}", "…")),
)
breaks.add(
    "leaves out who made a call",
    "PAGE-9",
    "JournalEntry.actor_id",
    written(("{{ text(entry.actor_id) }}", "somebody")),
)
breaks.add(
    "hides what an entry of the journal says",
    "PAGE-9",
    "it is not shown",
    written(("<details><summary>Data", "<details hidden><summary>Data")),
)


def _unmarked(cutting: Callable[[Any, int | None], Shown]) -> Callable[[Any, int | None], Shown]:
    """Return what cuts as well and does not say so: no link follows."""
    return lambda value, limit: attrs.evolve(cutting(value, limit), is_cut=False)


CUT = "neither it nor what it links to has all of it"
breaks.add(
    "shortens a long text without a link to all of it",
    "PAGE-9",
    CUT,
    written(cut=_unmarked(cut), begin=_unmarked(begin)),
)
breaks.add(
    "links to a page that shortens as well",
    "PAGE-9",
    CUT,
    written(
        ("{{ entry.data | pretty | visible }}", "{{ (entry.data | cut(500)).text | visible }}"),
        name="entry.html",
    ),
)

breaks.add(
    "takes what was approved for what was proposed",
    "PAGE-14",
    "expected 'proposed'",
    written(
        (
            '"Proposed arguments", approval.proposed_arguments, asked, "Approved arguments"',
            '"Approved arguments", approval.proposed_arguments, asked, "Proposed arguments"',
        ),
        name="parts.html",
    ),
)
breaks.add(
    "takes one digest for both",
    "PAGE-14",
    "no element holds all of it",
    written(("{{ ident(approval.proposed_digest) }}", "see above"), name="parts.html"),
)
breaks.add(
    "tells each note with the request before",
    "PAGE-14",
    "no element holds all of it",
    written(
        (
            NOTE,
            "{{ prose(page.detail.approvals[number - 2].note or '') }}",
        )
    ),
)
breaks.add(
    "takes all requests for pending",
    "PAGE-14",
    "the status of request",
    written(("{{ badge(approval.status) }}", "{{ badge('pending') }}")),
)


@breaks("PAGE-10", "it has root_role_id of a completed run")
def shows_the_other_turns_of_the_tenant(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    def change(environ: Environ, told: Told) -> Told:
        if told.status[0] != "2" or not _exists(scoria, environ):
            return told
        mine = scoria.get_run(_run_id(environ))
        turns = scoria.for_tenant(mine.tenant_id).list_runs(limit=50)
        return told.also(" ".join(json.dumps(turn.root_role_id) for turn in turns))

    return rewritten(right(scoria, scope), change)


@breaks("PAGE-10", "it has")
def shows_a_damaged_entry_and_what_follows(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    def change(environ: Environ, told: Told) -> Told:
        if told.status[0] != "5":
            return told
        (stored,) = scoria._runs.store.read([_run_id(environ)])
        return told.also(" ".join(each.body for each in stored.records))

    return rewritten(right(scoria, scope), change)


breaks.add(
    "answers for a damaged run as for a whole one",
    "PAGE-10",
    "it is 200",
    changed(lambda _, told: attrs.evolve(told, status="200 OK") if told.status[0] == "5" else told),
)


@breaks("TENANT-2", "it has root_role_id of")
def lists_the_runs_of_every_tenant(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def change(environ: Environ, told: Told) -> Told:
        if environ["PATH_INFO"] != "/" or told.status[0] != "2":
            return told
        return told.also(" ".join(run.root_role_id for run in scoria.list_runs(limit=50)))

    return rewritten(right(scoria, scope), change)


@breaks("TENANT-2", "it has the run")
def lists_the_runs_of_a_session_to_whoever_names_it(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    def change(environ: Environ, told: Told) -> Told:
        session = dict(parse_qsl(environ["QUERY_STRING"])).get("session")
        if session is None or told.status[0] != "2":
            return told
        return told.also(" ".join(run.run_id for run in scoria.list_runs_for_session(session)))

    return rewritten(right(scoria, scope), change)


# Who may see it.


@breaks("PAGE-2", "403")
def who_has_no_scope_sees_all(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    anyone = {"tenant_id": "tenant-1", "actor_id": "nobody"}
    return right(scoria, lambda environ: scope(environ) or anyone)


breaks.add(
    "the refusal tells whether the run is there",
    "PAGE-2",
    "its headers are not those for a run that never was",
    _where_it_exists(lambda _, told: told.also("Sign in to see this run.")),
)


@breaks("PAGE-2", "HEAD")
def answers_head_before_it_asks_for_a_scope(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    anyone = {"tenant_id": "tenant-1", "actor_id": "nobody"}

    def head(environ: Environ) -> Mapping[str, str] | None:
        return scope(environ) or (anyone if environ["REQUEST_METHOD"] == "HEAD" else None)

    return right(scoria, head)


def _tagged(environ: Environ, told: Told) -> Told:
    return told.header("ETag", f'"{_run_id(environ)}"')


for _clause in ("PAGE-2", "PAGE-4"):
    breaks.add(
        f"an ETag only where the run exists, against {_clause}",
        _clause,
        "its headers are not those for a run that never was",
        _where_it_exists(_tagged),
    )


@breaks("PAGE-4", "304")
def not_modified_only_where_the_run_exists(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    app = right(scoria, scope)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("HTTP_IF_NONE_MATCH") and scope(environ) and _exists(scoria, environ):
            return tell(Told("304 Not Modified", (), ""), start_response)
        return app(environ, start_response)

    return answer


def _said(
    claimed: Callable[[Environ], Mapping[str, str]],
) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    """Return a page that takes the tenant from what a request says, if it says one."""

    def page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
        def said(environ: Environ) -> Mapping[str, str] | None:
            found = claimed(environ)
            tenant = found.get("tenant_id") or found.get("tenant")
            return {"tenant_id": tenant, "actor_id": "user-1"} if tenant else scope(environ)

        return right(scoria, said)

    return page


def _query(environ: Environ) -> Mapping[str, str]:
    return dict(parse_qsl(environ["QUERY_STRING"]))


def _cookies(environ: Environ) -> Mapping[str, str]:
    cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    return {name: each.value for name, each in cookies.items()}


def _header(key: str) -> Callable[[Environ], Mapping[str, str]]:
    return lambda environ: {"tenant": str(environ.get(key, "")).removeprefix("Bearer ")}


for _name, _expected, _claimed in (
    ("trusts the query string", "?tenant_id=", _query),
    ("trusts a header", "HTTP_X_TENANT_ID", _header("HTTP_X_TENANT_ID")),
    ("trusts a cookie", "HTTP_COOKIE", _cookies),
    ("trusts who a proxy says it is", "REMOTE_USER", _header("REMOTE_USER")),
    ("trusts a token that it does not check", "Bearer", _header("HTTP_AUTHORIZATION")),
    ("trusts a header of its own", "HTTP_LEDGER_OF", _header("HTTP_LEDGER_OF")),
):
    breaks.add(_name, "PAGE-3", _expected, _said(_claimed))


@breaks("PAGE-3", "it is not the page of")
def a_query_narrows_the_tenant(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def said(environ: Environ) -> Mapping[str, str] | None:
        granted, named = scope(environ), _query(environ).get("account_id")
        return granted and {**granted, "tenant_id": named or granted["tenant_id"]}

    return right(scoria, said)


@breaks("PAGE-4", "expected 404, saw 200")
def shows_another_tenants_page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    def owner(environ: Environ) -> Mapping[str, str] | None:
        granted = scope(environ)
        if granted is None or not _exists(scoria, environ):
            return granted
        return {**granted, "tenant_id": scoria.get_run(_run_id(environ)).tenant_id}

    return right(scoria, owner)


breaks.add(
    "another tenants page is forbidden",
    "PAGE-4",
    "expected 404, saw 403",
    _where_it_exists(lambda _, told: attrs.evolve(told, status="403 Forbidden")),
)
breaks.add(
    "what is not found names what was asked for",
    "PAGE-4",
    "it shows",
    changed(lambda environ, told: told.also(_run_id(environ)) if told.status[0] == "4" else told),
)
breaks.add(
    "another tenants page is longer in its headers alone",
    "PAGE-4",
    "its headers are not those",
    _where_it_exists(lambda _, told: told.header("X-Runtime", "0.2")),
)


def _as(method: str, stands_for: str) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    def page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
        app = right(scoria, scope)

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] == method:
                environ = {**environ, "REQUEST_METHOD": stands_for}
            return app(environ, start_response)

        return answer

    return page


def _method(environ: Environ) -> str:
    return str(environ["REQUEST_METHOD"])


for _name, _expected, _page in (
    ("a form may be sent to the page", "POST", _as("POST", "GET")),
    ("the page knows only GET", "HEAD", _as("HEAD", "POST")),
    ("a method of WebDAV reads the page", "PROPFIND", _as("PROPFIND", "GET")),
    ("HEAD has a body", "it has a body", _as("HEAD", "GET")),
    (
        "HEAD has other headers",
        "its headers are not those of GET",
        changed(lambda e, t: t.header("Content-Length", None) if _method(e) == "HEAD" else t),
    ),
    (
        "OPTIONS is answered",
        "OPTIONS",
        changed(
            lambda e, t: attrs.evolve(t, status="204 No Content") if _method(e) == "OPTIONS" else t
        ),
    ),
    ("405 does not say what is allowed", "Allow is", changed(lambda _, t: t.header("Allow", None))),
):
    breaks.add(_name, "PAGE-5", _expected, _page)


@breaks("PAGE-5", "HTTP_X_HTTP_METHOD_OVERRIDE")
def a_header_names_the_method(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
    app = right(scoria, scope)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        named = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE") or environ["REQUEST_METHOD"]
        return app({**environ, "REQUEST_METHOD": named}, start_response)

    return answer


@breaks("PAGE-5", "what is stored afterwards")
def a_request_to_delete_cancels_the_run(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    app = right(scoria, scope)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "DELETE" and scope(environ) and _exists(scoria, environ):
            with_it = scoria.get_run(_run_id(environ))
            if with_it.status != "cancelled":
                scoria.cancel_run(with_it.run_id)
        return app(environ, start_response)

    return answer


# What caches and browsers may do with it.


def _with(name: str, value: str | None) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    """Return a page of which each answer has such a header, or none of that name."""
    return changed(lambda _, told: told.header(name, value))


for _name, _value in (
    ("says nothing to caches", None),
    ("lets every cache keep it", "public, max-age=60"),
    ("lets caches keep it for a while", "max-age=60"),
):
    breaks.add(
        _name,
        "PAGE-11",
        "Cache-Control is",
        _with("Cache-Control", _value),
    )
breaks.add(
    "lets caches keep what it refuses",
    "PAGE-11",
    "by a visitor: Cache-Control is",
    changed(lambda _, t: t.header("Cache-Control", None) if t.status.startswith("403") else t),
)
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
for _name, _expected, _value in (
    ("says nothing to browsers", "what runs as a script is None", None),
    ("lets scripts run", "'unsafe-inline'", f"{POLICY}; script-src 'unsafe-inline'"),
    (
        "lets its own scripts run",
        "'self'",
        POLICY.replace("default-src 'none'", "default-src 'self'"),
    ),
    (
        "lets the scripts of its host run",
        "script-src-elem is 'self'",
        f"{POLICY}; script-src 'none'; script-src-elem 'self'",
    ),
    (
        "forbids scripts after it has allowed them",
        "what runs as a script is *",
        f"{POLICY}; script-src *; script-src 'none'",
    ),
    ("lets others frame it", "frame-ancestors is", POLICY.replace("; frame-ancestors 'none'", "")),
    ("lets forms be sent", "form-action", POLICY.replace("; form-action 'none'", "")),
    (
        "lets forms lead elsewhere",
        "form-action is *",
        POLICY.replace("form-action 'none'", "form-action *"),
    ),
):
    breaks.add(
        _name,
        "PAGE-12",
        _expected,
        _with("Content-Security-Policy", _value),
    )
breaks.add(
    "says nothing to browsers where nothing is found",
    "PAGE-12",
    "/nowhere",
    changed(
        lambda _, t: t.header("Content-Security-Policy", None) if t.status.startswith("404") else t
    ),
)


def _kept(
    key: Callable[[Environ, Mapping[str, str] | None], object],
) -> Callable[[PageFactory, Scoria, ScopeOf], WSGIApp]:
    """Return a page that keeps what it answered, by what `key` makes of a request."""

    def page(right: PageFactory, scoria: Scoria, scope: ScopeOf) -> WSGIApp:
        app, answers = right(scoria, scope), {}

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            asked = key(environ, scope(environ))
            if asked not in answers:
                answers[asked] = told_by(app, environ)
            return tell(answers[asked], start_response)

        return answer

    return page


def _asked(environ: Environ) -> tuple[str, str, str]:
    return environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]


def _tenant(scope: Mapping[str, str] | None) -> str:
    return scope["tenant_id"] if scope else ""


for _name, _expected, _key in (
    ("a page is kept for its path", "asked in the order", lambda e, _: _asked(e)),
    (
        "a page is kept for who is signed in",
        "asked in the order",
        lambda e, scope: (_asked(e), scope and scope["actor_id"]),
    ),
    (
        "a page is kept for its path and method is forgotten",
        "asked in the order",
        lambda e, scope: (_asked(e)[1:], _tenant(scope)),
    ),
    (
        "a page never changes",
        "asked in the order",
        lambda e, scope: (_asked(e), _tenant(scope)),
    ),
):
    breaks.add(_name, "PAGE-13", _expected, _kept(_key))


@breaks("PAGE-13", "saw 304")
def a_browser_keeps_the_page_for_ever(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    app = right(scoria, scope)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        told = told_by(app, environ)
        if not told.status.startswith("200"):
            return tell(told, start_response)
        told = _tagged(environ, told)
        if dict(told.headers)["ETag"] == environ.get("HTTP_IF_NONE_MATCH"):
            told = attrs.evolve(told, status="304 Not Modified", text="")
        return tell(told, start_response)

    return answer


@breaks("PAGE-13", "another")
def a_page_is_kept_while_the_version_is_the_same(
    right: PageFactory, scoria: Scoria, scope: ScopeOf
) -> WSGIApp:
    def key(environ: Environ, asks: Mapping[str, str] | None) -> object:
        version = scoria.get_run(_run_id(environ)).version if _exists(scoria, environ) else 0
        return _asked(environ), _tenant(asks), version

    return _kept(key)(right, scoria, scope)


for _name, _old, _new in (
    (
        "what has waited longest is last",
        "requests_table(page.requests,",
        "requests_table(page.requests | reverse,",
    ),
    ("the first page leads to no other", '<a rel="next"', "<a"),
    (
        "the first page shows ten",
        "requests_table(page.requests,",
        "requests_table(page.requests[:10],",
    ),
):
    breaks.add(
        _name,
        "PAGE-15",
        "What waits for a person is found from the first page",
        written((_old, _new), name="list.html"),
    )
