"""Handoffs: stated in full, recorded as stated."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from scoria_core import (
    Failed,
    HandOff,
    Identity,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import (
    InvalidHandoff,
)
from tests.support.scripted import HANDOFF, in_memory, scripted


def test_a_handoff_is_recorded_as_it_was_stated(scoria: Scoria, identity: Identity) -> None:
    """The root step is done, the child is queued, and the handoff shows all it was given."""
    run = scoria.start_handoff_run(identity, **HANDOFF, capability_tags=("read", "cite"))
    detail = scoria.get_run_detail(run.run_id)
    root, child = detail.steps
    (handoff,) = detail.delegated_handoffs
    assert (root.kind, root.role_id, root.status) == ("handoff", "planner", "completed")
    assert (child.kind, child.role_id, child.status) == ("review", "critic", "queued")
    assert (child.parent_step_id, root.parent_step_id) == (root.step_id, None)
    assert attrs.asdict(handoff) == {
        "handoff_id": handoff.handoff_id,
        "parent_role_id": "planner",
        "delegated_role_id": "critic",
        "delegated_kind": "review",
        "handoff_input": {"brief": "b"},
        "projected_context": {"task": "t", "draft_answer": "d"},
        "capability_tags": ("read", "cite"),
        "parent_step_id": root.step_id,
        "child_step_id": child.step_id,
        "status": "pending",
        "child_status": "queued",
    }
    assert (run.root_role_id, run.status) == ("planner", "running")


@in_memory
@pytest.mark.parametrize("field", list(HANDOFF))
def test_a_handoff_states_every_field(scoria: Scoria, identity: Identity, field: str) -> None:
    """Nothing about a handoff is filled in: a missing or None field is refused by its name."""
    rest = {name: value for name, value in HANDOFF.items() if name != field}
    for arguments in (rest, {**rest, field: None}):
        with pytest.raises(InvalidHandoff, match="is missing") as invalid:
            scoria.start_handoff_run(identity, **arguments)
        assert invalid.value.field == field
    assert not scoria.list_runs()


@in_memory
@pytest.mark.parametrize("field", ["delegated_role_id", "root_role_id", "delegated_kind"])
@pytest.mark.parametrize("value", ["", " ", 5, True, [], "x" * 256, "a\nb", "\ud800"])
def test_a_role_of_a_handoff_is_a_name(
    scoria: Scoria, identity: Identity, field: str, value: Any
) -> None:
    """A role or kind that is no name is refused as part of the handoff."""
    with pytest.raises(InvalidHandoff) as invalid:
        scoria.start_handoff_run(identity, **{**HANDOFF, field: value})
    assert invalid.value.field == field
    assert not scoria.list_runs()


@in_memory
@pytest.mark.parametrize("field", ["handoff_input", "projected_context"])
@pytest.mark.parametrize("value", [[], "{}", 5, True, ()])
def test_what_is_handed_over_is_a_mapping(
    scoria: Scoria, identity: Identity, field: str, value: Any
) -> None:
    """An input or context that is no mapping is refused; an empty one is fine."""
    with pytest.raises(InvalidHandoff, match="; pass a mapping") as invalid:
        scoria.start_handoff_run(identity, **{**HANDOFF, field: value})
    assert invalid.value.field == field
    assert not scoria.list_runs()
    assert scoria.start_handoff_run(identity, **{**HANDOFF, field: {}}).status == "running"


@in_memory
@pytest.mark.parametrize(
    ("tags", "field"),
    [("read", "capability_tags"), (5, "capability_tags"), (["read", ""], "capability_tags[1]")],
)
def test_capability_tags_are_names(
    scoria: Scoria, identity: Identity, tags: Any, field: str
) -> None:
    """Tags come as names in a tuple; one str is not taken for its letters."""
    with pytest.raises(InvalidHandoff) as invalid:
        scoria.start_handoff_run(identity, **HANDOFF, capability_tags=tags)
    assert invalid.value.field == field
    assert not scoria.list_runs()


def test_scoped_context_is_another_name(scoria: Scoria, identity: Identity) -> None:
    """The alias does what the name does; both at once is an error, even if they agree."""
    rest = {name: value for name, value in HANDOFF.items() if name != "projected_context"}
    run = scoria.start_handoff_run(identity, **rest, scoped_context={"task": "t"})
    handoff = scoria.get_run_detail(run.run_id).delegated_handoffs[0]
    assert handoff.projected_context == {"task": "t"}
    with pytest.raises(InvalidHandoff) as both:
        scoria.start_handoff_run(
            identity, **rest, scoped_context={"a": 1}, projected_context={"a": 1}
        )
    assert both.value.field == "scoped_context"
    assert list(scoria.list_runs()) == [run]


def test_a_handler_hands_off(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A handler's handoff completes its step, and the child runs next in the same run."""
    review = scripted({"verdict": "ok"})

    def hands_off(_: Step, __: RunSummary) -> HandOff:
        return HandOff(
            delegated_role_id="critic",
            delegated_kind="review",
            handoff_input={"brief": "b"},
            projected_context={"task": "t"},
            capability_tags=["read"],  # type: ignore[arg-type]
        )

    run = start(step=StepSpec("plan", "planner"), handlers={"plan": hands_off, "review": review})
    assert (run.status, run.root_role_id) == ("completed", "executor")
    parent, child = scoria.get_run_detail(run.run_id).steps
    (handoff,) = scoria.get_run_detail(run.run_id).delegated_handoffs
    assert (handoff.parent_step_id, handoff.child_step_id) == (parent.step_id, child.step_id)
    assert (handoff.parent_role_id, handoff.capability_tags) == ("planner", ("read",))
    assert (review.steps[0].input, review.steps[0].projected_context) == (
        {"brief": "b"},
        {"task": "t"},
    )


def test_a_failed_child_fails_its_handoff_until_it_is_retried(
    scoria: Scoria, identity: Identity
) -> None:
    """The handoff goes with its child through failure, retry and completion."""
    handler = scripted(Failed("no"), None)
    run = scoria.start_handoff_run(identity, **HANDOFF, handlers={"review": handler})

    def statuses() -> tuple[str, str]:
        handoff = scoria.get_run_detail(run.run_id).delegated_handoffs[0]
        return handoff.status, handoff.child_status

    assert (run.status, statuses()) == ("failed", ("failed", "failed"))
    scoria.retry_run(run.run_id)
    assert statuses() == ("pending", "queued")
    scoria.run_pending(handlers={"review": handler})
    assert statuses() == ("completed", "completed")
