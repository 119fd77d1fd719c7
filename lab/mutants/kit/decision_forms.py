"""Forms that are wrong on purpose: they decide what, or for whom, they should not."""

from typing import Any

import attrs
from werkzeug.utils import redirect

from lab.mutants.kit import instead_of
from lab.mutants.wrong import Catalogue
from scoria_core.errors import ApprovalNotPending
from scoria_web import decisions
from scoria_web.app import Refused

breaks = Catalogue("page", lambda change: change())

DOES = "A form decides the request it was shown with"
NOTHING_ELSE = "Nothing but a form that was opened for it decides"
TOO_LATE = "Who decides too late is told what is true now"


@breaks("PAGE-16", DOES)
@instead_of(decisions._decide)
def a_decision_is_that_of_the_one_who_started_the_run(right, view, page, actor_id):
    return right(view, page, view.get_run(page.approval.run_id).actor_id)


@breaks("PAGE-16", DOES)
@instead_of(decisions._decide)
def both_buttons_approve(right, view, page, actor_id):
    sent = {**page.sent, "decision": "approve"}
    return right(view, attrs.evolve(page, sent=sent), actor_id)


@breaks("PAGE-16", DOES)
@instead_of(decisions._decide)
def what_has_waited_longest_is_decided(right, view, page, actor_id):
    return right(view, attrs.evolve(page, approval=view.list_approvals()[0]), actor_id)


@breaks("PAGE-16", DOES)
@instead_of(decisions._decide)
def a_form_is_thanked_for_and_forgotten(right, *given):
    return None


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._check)
def whoever_may_read_may_decide(right, app, request, scope, page, sent):
    return None


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._check)
def a_form_without_a_token_is_taken(right, app, request, scope, page, sent):
    return right(app, request, scope, page, sent) if sent.get("token") else None


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._check)
def any_token_of_the_page_will_do(right, app, request, scope, page, sent):
    app.signer.loads(sent.get("token", ""))


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._check)
def a_form_of_another_site_is_taken(right, app, request, *given):
    request.environ.pop("HTTP_SEC_FETCH_SITE", None)
    return right(app, request, *given)


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._check)
def who_may_only_look_sends_the_form_of_another(right, app, request, scope, page, sent):
    return right(app, request, attrs.evolve(scope, may_decide=True), page, sent)


def _without(*places: int) -> Any:
    @instead_of(decisions._named)
    def change(right: Any, *given: Any) -> Any:
        return [each for at, each in enumerate(right(*given)) if at not in places]

    return change


breaks.add("a form is for any reviewer", "PAGE-17", NOTHING_ELSE, _without(1))
breaks.add("a form is for any session", "PAGE-17", NOTHING_ELSE, _without(2))
breaks.add(
    "a form is for any request with these arguments", "PAGE-17", NOTHING_ELSE, _without(3, 4)
)
breaks.add("a form is for any tenant", "PAGE-17", NOTHING_ELSE, _without(0, 3, 4))


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._page)
def an_address_decides(right, app, request, urls):
    if request.method == "GET" and "token" in request.args:
        _, named = urls.match(method="GET")
        scope = app._scope_of(request)
        view = app.scoria.for_tenant(scope.tenant_id)
        page = attrs.evolve(app._request(view, scope, **named), sent=request.args.to_dict())
        decisions._decide(view, page, scope.actor_id)
    return right(app, request, urls)


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._page)
def any_method_decides(right, app, request, urls):
    if request.method in ("PUT", "PATCH"):
        request.environ["REQUEST_METHOD"] = request.method = "POST"
    return right(app, request, urls)


@breaks("PAGE-17", NOTHING_ELSE)
@instead_of(decisions._DecisionApp._page)
def what_is_refused_is_done_before(right, app, request, urls):
    try:
        return right(app, request, urls)
    except Refused:
        _, named = urls.match(method="GET")
        scope = app._scope_of(request)
        view = app.scoria.for_tenant(scope.tenant_id)
        approval = app._request(view, scope, **named).approval
        view.approve(approval.run_id, approval_id=approval.approval_id, decided_by=scope.actor_id)
        raise


@breaks("PAGE-18", TOO_LATE)
@instead_of(decisions._decide)
def who_is_too_late_is_told_nothing(right, *given):
    try:
        return right(*given)
    except ApprovalNotPending:
        return None


@breaks("PAGE-18", TOO_LATE)
@instead_of(decisions._DecisionApp._render)
def who_is_too_late_is_sent_back(right, app, status, *given, **values):
    if status != 409:
        return right(app, status, *given, **values)
    return redirect("/scoria/", 303)


@breaks("PAGE-18", TOO_LATE)
@instead_of(decisions._DecisionApp._render)
def who_is_too_late_does_not_learn_who_decided(right, app, status, *given, **values):
    if status == 409:
        page = values["page"]
        values["page"] = attrs.evolve(page, approval=attrs.evolve(page.approval, decided_by=None))
    return right(app, status, *given, **values)


@breaks("PAGE-18", TOO_LATE)
@instead_of(decisions._DecisionApp._render)
def who_is_too_late_sees_the_request_as_it_was(right, app, status, *given, **values):
    if status == 409:
        page = values["page"]
        was = attrs.evolve(page.approval, status="pending", decided_by=None, decided_at=None)
        values["page"] = attrs.evolve(page, approval=was)
    return right(app, status, *given, **values)
