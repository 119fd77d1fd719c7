"""Steps that read runs, journals, listings and pages."""

from typing import Any

from pytest_bdd import parsers, then

from scoria_conformance.host import PageFactory, open_page
from scoria_conformance.steps.refusing import UNKNOWN_RUN
from scoria_conformance.steps.starting import EVERY_KIND
from scoria_conformance.world import OTHER_TENANT, TENANT, World

SCOPE = {"tenant_id": TENANT, "actor_id": "user-1"}
OTHER_SCOPE = {"tenant_id": OTHER_TENANT, "actor_id": "user-2"}


@then(parsers.parse('the run is "{status}"'))
def _(world: World, status: str) -> None:
    assert world.scoria.get_run(world.run_id).status == status


@then(parsers.parse('its step is "{status}"'))
def _(world: World, status: str) -> None:
    (step,) = world.detail.steps
    assert step.status == status


@then('its step is "completed" with the result of the handler')
def _(world: World) -> None:
    (step,) = world.detail.steps
    assert (step.status, step.result) == ("completed", {"answer": 42})
    assert step.completed_at == world.clock.now()


@then('its step is "failed" with the type and message of the error')
def _(world: World) -> None:
    (step,) = world.detail.steps
    assert step.status == "failed"
    assert step.error is not None
    assert (step.error.type, step.error.message) == ("LookupError", "no such customer")


@then(parsers.parse('its step failed with "{kind}"'))
def _(world: World, kind: str) -> None:
    (step,) = world.detail.steps
    assert step.error is not None
    assert step.error.type == kind


@then(parsers.parse('its last step failed with "{kind}"'))
def _(world: World, kind: str) -> None:
    error = world.detail.steps[-1].error
    assert error is not None
    assert error.type == kind


@then("the run kept its run_id, session_id, tenant_id and actor_id")
def _(world: World) -> None:
    summary = world.scoria.get_run(world.run_id)
    kept = (summary.run_id, summary.session_id, summary.tenant_id, summary.actor_id)
    assert kept == (world.run_id, "session-1", TENANT, "user-1")
    assert len(world.scoria.list_runs()) == 1


@then("the metadata reads back equal and in its order")
def _(world: World) -> None:
    metadata = world.scoria.get_run(world.run_id).metadata
    assert metadata == EVERY_KIND
    assert list(metadata) == list(EVERY_KIND)
    assert repr(metadata) == repr(EVERY_KIND)


@then("the session lists its runs newest first")
def _(world: World, turns: list[str]) -> None:
    listed = world.scoria.list_runs_for_session("session-1")
    assert [run.run_id for run in listed] == turns[::-1]


@then(parsers.parse("pages of {size:d} list each of them once"))
def _(world: World, turns: list[str], size: int) -> None:
    seen: list[str] = []
    for _ in turns:  # a store that ignores where a page starts would never end
        last = seen[-1] if seen else None
        page = world.scoria.list_runs_for_session("session-1", limit=size, before=last)
        assert len(page) <= size
        seen += [run.run_id for run in page]
    assert seen == turns[::-1]


@then("another tenant finds no run in the same session")
def _(world: World) -> None:
    assert world.other.list_runs_for_session("session-1") == []
    assert len(world.scoria.for_tenant(TENANT).list_runs_for_session("session-1")) == 1


@then("another tenant finds no run at all")
def _(world: World) -> None:
    assert world.other.list_runs() == []
    assert len(world.scoria.for_tenant(TENANT).list_runs()) == 1


@then("its page shows the run, its status and its pending approval")
def _(world: World, scoria_page: PageFactory) -> None:
    page = open_page(scoria_page(world.scoria, lambda _: SCOPE), f"/workflows/{world.run_id}")
    assert page.status_code == 200
    for shown in (world.run_id, "waiting_for_approval", "send_refund", "customer-42"):
        assert shown in page.text, f"the page does not show {shown}"


@then(parsers.parse('its page is "{code:d}" for another tenant, as for a run that never was'))
def _(world: World, scoria_page: PageFactory, code: int) -> None:
    app = scoria_page(world.scoria, lambda _: OTHER_SCOPE)
    page = open_page(app, f"/workflows/{world.run_id}")
    assert page.status_code == code
    assert page == open_page(app, f"/workflows/{UNKNOWN_RUN}")


@then(parsers.parse('its page is "{code:d}" without a scope, whatever the query string says'))
def _(world: World, scoria_page: PageFactory, code: int) -> None:
    app = scoria_page(world.scoria, lambda _: None)
    for query in ("", f"?tenant_id={TENANT}", f"?tenant={TENANT}&actor_id=user-1"):
        page = open_page(app, f"/workflows/{world.run_id}{query}")
        assert page.status_code == code
        assert "send_refund" not in page.text


@then(parsers.parse('a "{method}" to its page is "{code:d}"'))
def _(world: World, scoria_page: PageFactory, method: str, code: int) -> None:
    app = scoria_page(world.scoria, lambda _: SCOPE)
    assert open_page(app, f"/workflows/{world.run_id}", method).status_code == code


@then("its page shows that as text")
def _(world: World, scoria_page: PageFactory, hostile: str) -> None:
    page = open_page(scoria_page(world.scoria, lambda _: SCOPE), f"/workflows/{world.run_id}")
    assert page.status_code == 200
    assert hostile not in page.text, "the page has it as markup"
    assert "&lt;script&gt;" in page.text


@then("its journal is numbered from 1 without gaps")
def _(world: World) -> None:
    journal = world.detail.journal
    assert [entry.sequence for entry in journal] == list(range(1, len(journal) + 1))
    assert len({entry.digest for entry in journal}) == len(journal)


@then("each entry starts in the state that the entry before it left")
def _(world: World) -> None:
    left: dict[tuple[str, str], str] = {}
    for entry in world.detail.journal:
        subject = (entry.subject, entry.subject_id)
        assert entry.from_state == left.get(subject)
        left[subject] = entry.to_state


@then(parsers.parse('the last entry of its journal is "{event}"'))
def _(world: World, event: str) -> None:
    assert world.detail.journal[-1].type == event


@then("its journal is what it was")
def _(world: World, journal_before: Any) -> None:
    assert world.detail.journal == journal_before
