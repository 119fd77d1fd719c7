"""A view of one tenant: what it sees, and what it cannot reach."""

import inspect
from collections.abc import Callable

import attrs
import pytest

from scoria_core import (
    Identity,
    RunSummary,
    Scoria,
)
from scoria_core.errors import (
    InvalidIdentity,
    RunNotFound,
    StoreUnavailable,
)
from tests.support.scripted import WORK, approval_id_of, scripted

TENANT_CALLS: dict[str, Callable[[Scoria, RunSummary], object]] = {
    "get_run": lambda view, run: view.get_run(run.run_id),
    "get_run_detail": lambda view, run: view.get_run_detail(run.run_id),
    "inspect_run": lambda view, run: view.inspect_run(run.run_id),
    "approve": lambda view, run: view.approve(
        run.run_id, approval_id=approval_id_of(run), decided_by="reviewer-8"
    ),
    "reject": lambda view, run: view.reject(
        run.run_id, approval_id=approval_id_of(run), decided_by="reviewer-8"
    ),
    "resume_run": lambda view, run: view.resume_run(run.run_id, handlers={"work": scripted()}),
    "retry_run": lambda view, run: view.retry_run(run.run_id, handlers={"work": scripted()}),
    "cancel_run": lambda view, run: view.cancel_run(run.run_id),
    "add_step": lambda view, run: view.add_step(run.run_id, WORK),
    "complete_run": lambda view, run: view.complete_run(run.run_id),
    "run_pending": lambda view, run: view.run_pending(run.run_id, handlers={"work": scripted()}),
}


@pytest.mark.parametrize("call", list(TENANT_CALLS))
def test_another_tenants_run_does_not_exist(scoria: Scoria, waiting: RunSummary, call: str) -> None:
    """Another tenant gets the very error that it gets for an id nobody has; nothing changes."""
    view, before = scoria.for_tenant("globex"), scoria.get_run_detail(waiting.run_id)
    with pytest.raises(RunNotFound) as hidden:
        TENANT_CALLS[call](view, waiting)
    with pytest.raises(RunNotFound) as absent:
        TENANT_CALLS[call](view, attrs.evolve(waiting, run_id="nobody-has-this"))
    assert str(hidden.value).replace(waiting.run_id, "nobody-has-this") == str(absent.value)
    assert scoria.get_run_detail(waiting.run_id) == before


def test_every_call_on_a_run_is_held_to_its_tenant() -> None:
    """No method that takes a run id is left out of the test above."""
    taking = {
        name
        for name, method in inspect.getmembers(Scoria, inspect.isfunction)
        if not name.startswith("_") and "run_id" in inspect.signature(method).parameters
    }
    assert taking == set(TENANT_CALLS)


def test_a_view_lists_and_carries_out_only_its_own(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """Listings and pending work of a view are those of its tenant, in a session of one name too."""
    own, handler = start(), scripted(None)
    view = scoria.for_tenant("globex")
    other = scoria.start_run(
        Identity("reviewer-8", "globex", "session-1"), root_role_id="r", initial_step=WORK
    )
    assert view.list_runs() == view.list_runs_for_session("session-1")
    assert list(view.list_runs()) == [other]
    assert [run.run_id for run in view.run_pending(handlers={"work": handler})] == [other.run_id]
    assert scoria.get_run(own.run_id) == own
    assert len(handler.steps) == 1
    assert scoria.for_tenant("acme").get_run(own.run_id) == own


def test_a_view_starts_only_its_tenants_runs(scoria: Scoria, identity: Identity) -> None:
    """An identity of another tenant cannot start a run in a view."""
    with pytest.raises(InvalidIdentity) as invalid:
        scoria.for_tenant("globex").start_run(identity, root_role_id="r")
    assert invalid.value.field == "tenant_id"
    assert not scoria.list_runs()


def test_a_view_cannot_be_widened(scoria: Scoria) -> None:
    """A view of one tenant gives no view of another."""
    view = scoria.for_tenant("acme")
    assert not view.for_tenant("acme").list_runs()
    with pytest.raises(InvalidIdentity):
        view.for_tenant("globex")


def test_closing_a_view_leaves_the_store_open(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """The store belongs to the facade that the view came from."""
    run = start()
    with scoria.for_tenant("acme") as view:
        view.get_run(run.run_id)
    assert scoria.get_run(run.run_id) == run
    with scoria:
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        scoria.get_run(run.run_id)
    scoria.close()
