"""Links that are wrong on purpose: they decide when, or what, they should not."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from attrs import evolve

from lab.mutants.kit import Wrong, instead_of, put
from lab.mutants.wrong import Catalogue
from scoria_web import decisions, links

breaks = Catalogue("page", lambda change: change())

_OPENED: dict[str, links.Link] = {}
"""The links that a wrong app has opened."""


def reads(wrong: Wrong) -> Callable[[], None]:
    """Make a change: the app reads the request of a link by the wrong function that follows."""
    # A method that calls super() cannot be replaced in place.
    right = links._LinkApp._request

    @wraps(wrong)
    def change() -> None:
        put(
            links._LinkApp, _request=lambda app, *given, **named: wrong(right, app, *given, **named)
        )

    return change


@breaks("LINK-1", "Opening a link decides nothing")
@reads
def opening_a_link_approves(right, app, view, scope, run_id, approval_id, digest=""):
    page = right(app, view, scope, run_id, approval_id, digest)
    view.approve(run_id, approval_id=approval_id, decided_by=scope.actor_id)
    return page


@breaks("LINK-1", "Opening a link decides nothing")
@instead_of(links._LinkApp._page)
def a_link_that_says_what_it_decides_needs_no_form(right, app, request, urls):
    if request.method == "GET" and request.args.get("decision") == "approve":
        link = app._read(request.path.removeprefix("/"))
        view = app.scoria.for_tenant(link.tenant_id)
        view.approve(link.run_id, approval_id=link.approval_id, decided_by=link.decider)
    return right(app, request, urls)


@breaks("LINK-2", "was not made for a request")
@instead_of(links.DecisionLinks.read)
def nobody_looks_at_the_signature_of_a_link(right, made, token):
    named = made._signer.loads_unsafe(token)[1]
    return links.Link(token, *named) if named else right(made, token)


@breaks("LINK-2", "too old")
@instead_of(links.DecisionLinks.read)
def a_link_never_gets_too_old(right, made, token):
    return right(evolve(made, good_for=timedelta(days=36_500)), token)


@breaks("LINK-2", "too old")
@instead_of(links.DecisionLinks.read)
def a_link_that_was_opened_in_time_never_gets_too_old(right, made, token):
    if (read := right(made, token)) is not None:
        _OPENED[token] = read
    return _OPENED.get(token)


@breaks("LINK-2", "was not made for a request")
@reads
def a_link_decides_whatever_is_proposed(right, app, view, scope, run_id, approval_id, digest=""):
    asked = decisions._DecisionApp._request(app, view, scope, run_id, approval_id).approval
    return right(app, view, scope, run_id, approval_id, asked.proposed_digest)


@breaks("LINK-3", "is spent")
@reads
def a_link_that_was_used_shows_what_came_of_it(
    right, app, view, scope, run_id, approval_id, digest=""
):
    return decisions._DecisionApp._request(app, view, scope, run_id, approval_id)


@breaks("LINK-3", "is spent")
@reads
def a_link_outlives_the_vote_of_its_decider(
    right, app, view, scope, run_id, approval_id, digest=""
):
    page = decisions._DecisionApp._request(app, view, scope, run_id, approval_id)
    if page.approval.endorsements:
        return page
    return right(app, view, scope, run_id, approval_id, digest)
