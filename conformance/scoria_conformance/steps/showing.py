"""Steps that open the evidence page of a run."""

from typing import Any

from pytest_bdd import parsers, then, when

from scoria_conformance.host import Evidence, PageFactory, open_page
from scoria_conformance.steps.acting import UNKNOWN_RUN
from scoria_conformance.steps.starting import approve, start
from scoria_conformance.world import KIND, OTHER_TENANT, TENANT, World
from scoria_core import NeedsApproval, Step, StepSpec

Scope = dict[str, str] | None

SCOPE = {"tenant_id": TENANT, "actor_id": "user-1"}
OTHER_SCOPE = {"tenant_id": OTHER_TENANT, "actor_id": "user-2"}

SAYS_ITS_TENANT: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    (f"?tenant_id={TENANT}&actor_id=user-1", {}),
    (f"?tenant={TENANT}&scope={TENANT}", {}),
    ("", {"X-Tenant-Id": TENANT, "X-Scoria-Tenant": TENANT, "Tenant-Id": TENANT}),
    ("", {"Cookie": f"tenant_id={TENANT}; actor_id=user-1"}),
    ("", {"Authorization": f"Bearer {TENANT}", "X-Forwarded-User": "user-1"}),
]
"""Queries and headers in which a request might claim the tenant of the run."""


def page_of(world: World, page: PageFactory, scope: Scope = SCOPE, **request: Any) -> Evidence:
    """Open the page of the run, as who has `scope` sees it."""
    query, run_id = request.pop("query", ""), request.pop("run_id", world.run_id)
    return open_page(page(world.scoria, lambda _: scope), f"/workflows/{run_id}{query}", **request)


@then("its page shows the run, its status and its pending approval")
def _(world: World, scoria_page: PageFactory) -> None:
    page = page_of(world, scoria_page)
    assert page.status_code == 200
    shown = (world.run_id, "waiting_for_approval", "send_refund", "customer-42", "need a person")
    for each in shown:
        assert each in page.text, f"the page does not show {each}"


@then(parsers.parse('its page shows the run as "{status:w}"'))
def _(world: World, scoria_page: PageFactory, status: str) -> None:
    page = page_of(world, scoria_page)
    assert page.status_code == 200
    assert world.run_id in page.text
    assert status in page.text.partition('id="steps"')[0], f"the page does not show {status}"


@then(parsers.parse('its page is "{code:d}" for another tenant, as for a run that never was'))
def _(world: World, scoria_page: PageFactory, code: int) -> None:
    page = page_of(world, scoria_page, OTHER_SCOPE)
    assert page.status_code == code
    assert page == page_of(world, scoria_page, OTHER_SCOPE, run_id=UNKNOWN_RUN)


@then(parsers.parse('its page is "{code:d}" without a scope, as for a run that never was'))
def _(world: World, scoria_page: PageFactory, code: int) -> None:
    page = page_of(world, scoria_page, None)
    assert page.status_code == code
    assert page == page_of(world, scoria_page, None, run_id=UNKNOWN_RUN)
    for secret in (world.run_id, TENANT, "send_refund", "session-1"):
        assert secret not in page.text


@then(parsers.parse('its page is "{code:d}" for {who}, whatever the request says of its tenant'))
def _(world: World, scoria_page: PageFactory, code: int, who: str) -> None:
    scope = {"who has no scope": None, "another tenant": OTHER_SCOPE}[who]
    for query, headers in SAYS_ITS_TENANT:
        page = page_of(world, scoria_page, scope, query=query, headers=headers)
        assert page.status_code == code, (query, headers)
        assert "send_refund" not in page.text


@then(parsers.parse('a "{method}" to its page is "{code:d}"'))
def _(world: World, scoria_page: PageFactory, method: str, code: int) -> None:
    world.attempt(lambda: page_of(world, scoria_page, method=method))
    assert world.returned.status_code == code


@when(parsers.parse("a run is started whose payloads hold {quoted}"), target_fixture="hostile")
def _(world: World, quoted: str) -> str:
    hostile = quoted.strip('"')
    world.answer = lambda *_: {"result": hostile}
    world.run_id = world.scoria.start_run(
        world.identity(session_id=hostile, metadata={hostile: hostile}),
        root_role_id=hostile,
        initial_step=StepSpec(kind=KIND, role_id=hostile, input={hostile: hostile}),
        metadata={hostile: [hostile]},
        handlers=world.handlers,
    ).run_id
    return hostile


@when(parsers.parse("a run is approved and fails with {quoted}"), target_fixture="hostile")
def _(world: World, quoted: str) -> str:
    hostile = quoted.strip('"')

    def answer(step: Step, _: object) -> NeedsApproval:
        if step.approval is not None:
            raise LookupError(hostile)
        return NeedsApproval(tool_name=hostile, arguments={hostile: hostile}, reason=hostile)

    start(world, answer)
    approve(world, decided_by=hostile, note=hostile)
    world.scoria.resume_run(world.run_id, handlers=world.handlers)
    return hostile


@then("its page shows that as text")
def _(world: World, scoria_page: PageFactory, hostile: str) -> None:
    page = page_of(world, scoria_page)
    assert page.status_code == 200
    assert hostile not in page.text, "the page has it as markup"
    assert "&lt;script&gt;" in page.text


@then(parsers.parse('its page shows the handoff under "{section}"'))
def _(world: World, scoria_page: PageFactory, section: str) -> None:
    page = page_of(world, scoria_page)
    assert page.status_code == 200
    delegated = page.text.partition(section)[2]
    (handoff,) = world.detail.delegated_handoffs
    brief, draft = handoff.handoff_input["brief"], handoff.projected_context["draft_answer"]
    for shown in ("planner", "critic", "review", brief, draft):
        assert shown in delegated
