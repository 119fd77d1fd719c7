"""Steps in which requests are decided by the forms of a page, and by imitations of these forms."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import attrs
from pytest_bdd import then

from scoria_conformance.cases import Cases
from scoria_conformance.forms import Sheet, sheets
from scoria_conformance.host import PageFactory
from scoria_conformance.page_requests import Request, Scope, Site
from scoria_conformance.steps.runs import start
from scoria_conformance.world import OTHER_TENANT, TENANT, World, asks
from scoria_core import Approval
from scoria_core.lifecycles import ApprovalStatus

REVIEWER: Mapping[str, Any] = MappingProxyType(
    {"tenant_id": TENANT, "actor_id": "reviewer-7", "session": "login-1", "may_decide": True}
)
DECISIONS = MappingProxyType(
    {"approve": ApprovalStatus.APPROVED, "reject": ApprovalStatus.REJECTED}
)
"""The value of each button, and the status that it gives the request."""

OTHERS: Mapping[str, Scope] = MappingProxyType(
    {
        "a visitor": None,
        "one who may only look": {**REVIEWER, "may_decide": False},
        "another reviewer": {**REVIEWER, "actor_id": "reviewer-8"},
        "the reviewer in another session": {**REVIEWER, "session": "login-2"},
        "one of another tenant who is called alike": {**REVIEWER, "tenant_id": OTHER_TENANT},
    }
)
"""Those who send a form that the reviewer opened, or open one that the reviewer sends."""

ELSEWHERE = (("HTTP_SEC_FETCH_SITE", "cross-site"), ("HTTP_ORIGIN", "https://elsewhere.invalid"))
"""The headers that a browser adds to a form that a page of another site sends."""


@attrs.frozen
class Counter:
    """The pages on which people decide, and the store behind them."""

    world: World
    site: Site

    def ask(self, **more: Any) -> str:
        """Start a run that asks for a decision, and return its id."""
        start(self.world, asks(**more))
        return str(self.world.run_id)

    def sheets(self, run_id: str, scope: Scope = REVIEWER) -> list[Sheet]:
        """Open the forms that decide the request of a run."""
        return sheets(self.site, scope, run_id)

    def request(self, run_id: str) -> Approval:
        """Return the request of a run as it is now."""
        (approval,) = self.world.scoria.get_run_detail(run_id).approvals
        return approval


def _counter(world: World, page: PageFactory) -> Counter:
    return Counter(world, Site(page, world.scoria))


@then("each form that a page of a run offers does what its button says")
def _each_form_that_a_page_offers_does_what(world: World, scoria_page: PageFactory) -> None:
    counter = _counter(world, scoria_page)
    with Cases() as cases:
        for decision, status in DECISIONS.items():
            other, run_id = counter.ask(), counter.ask()
            for sheet in counter.sheets(run_id):
                answer = counter.site.ask(REVIEWER, sheet.pressed(decision))
                decided = counter.request(run_id)
                told = f"{decision} by the form at {sheet.address}, answered {answer.status}"
                cases.equal(told, status, decided.status)
                cases.equal(f"who decided, {told}", "reviewer-7", decided.decided_by)
                untouched = counter.request(other).status
                cases.equal(f"another request, {told}", ApprovalStatus.PENDING, untouched)


@then("no other request than that of its form decides, whoever sends it")
def _no_other_request_than_that_of_its_form_decides(world: World, scoria_page: PageFactory) -> None:
    counter = _counter(world, scoria_page)
    with Cases() as cases:
        for decision in DECISIONS:
            run_id, other = counter.ask(), counter.ask()
            for sheet in counter.sheets(run_id):
                for told, scope, request in _forged(counter, sheet, decision, run_id, other):
                    stored = world.journals()
                    answer = counter.site.ask(scope, request)
                    changed = "" if world.journals() == stored else "it changed what is stored"
                    cases.holds(f"{told}: {request}", changed)
                    if request.method == "POST":
                        refused = "" if answer.status >= 400 else f"it is {answer.status}"
                        cases.holds(f"{told}: {request}", refused)


def _forged(
    counter: Counter, sheet: Sheet, decision: str, run_id: str, other: str
) -> Iterator[tuple[str, Scope, Request]]:
    """Yield requests that differ from the form as it was opened, and the sender of each."""
    right = sheet.pressed(decision)
    as_query = attrs.evolve(right, method="GET", query=urlencode(right.form), form=())
    yield "in an address", REVIEWER, as_query
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        yield f"by {method}", REVIEWER, attrs.evolve(right, method=method)
    yield "of another site", REVIEWER, attrs.evolve(right, said=ELSEWHERE)
    yield "with its button alone", REVIEWER, attrs.evolve(right, form=right.form[-1:])
    for name in sheet.hidden:
        value = dict(sheet.fields)[name]
        for changed in (None, "", f"{value}x", value[:-2], value[::-1]):
            yield f"{name} changed", REVIEWER, sheet.pressed(decision, **{name: changed})
    for theirs in counter.sheets(other):
        moved = attrs.evolve(theirs, address=sheet.address)
        yield "the fields of another request", REVIEWER, moved.pressed(decision)
        moved = attrs.evolve(sheet, address=theirs.address)
        yield "sent to another request", REVIEWER, moved.pressed(decision)
    for who, scope in OTHERS.items():
        yield f"sent by {who}", scope, right
        for theirs in counter.sheets(run_id, scope):
            yield f"opened by {who}", REVIEWER, theirs.pressed(decision)


@then(
    "a form that is sent after another's decision, twice, or after its time "
    "changes nothing, and says why"
)
def _a_form_that_is_sent_too_late_changes_nothing(world: World, scoria_page: PageFactory) -> None:
    counter = _counter(world, scoria_page)
    with Cases() as cases:
        for decision, late in ((d, late) for d in DECISIONS for late in _LATE):
            run_id = counter.ask(expires_in=3_600)
            for sheet in counter.sheets(run_id):
                right = sheet.pressed(decision)
                words = _LATE[late](counter, right)
                became, told = counter.request(run_id), f"{decision}, {late}"
                stored = world.journals()
                answer = counter.site.ask(REVIEWER, right)
                cases.equal(told, became, counter.request(run_id))
                cases.holds(told, "" if world.journals() == stored else "it changed what is stored")
                cases.holds(told, "" if answer.status >= 400 else f"it is {answer.status}")
                for word in (became.status.value, *words):
                    shown = word in answer.text.lower()
                    cases.holds(told, "" if shown else f"it does not say {word!r}")


def _decided_by_another(counter: Counter, _: Request) -> tuple[str, ...]:
    (asked,) = counter.world.scoria.get_run(counter.world.run_id).pending_approvals
    counter.world.scoria.reject(
        asked.run_id, approval_id=asked.approval_id, decided_by="reviewer-8"
    )
    return ("reviewer-8",)


def _sent_before(counter: Counter, right: Request) -> tuple[str, ...]:
    counter.site.ask(REVIEWER, right)
    return ("reviewer-7",)


def _expired(counter: Counter, _: Request) -> tuple[str, ...]:
    counter.world.clock.advance(timedelta(hours=1))
    return ()


_LATE = {
    "after another's decision": _decided_by_another,
    "twice": _sent_before,
    "after its time": _expired,
}
