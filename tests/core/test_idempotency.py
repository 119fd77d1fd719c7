"""One key of one tenant starts one run."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest

from scoria_core import (
    Identity,
    RunSummary,
    Scoria,
    StepSpec,
)
from scoria_core.errors import (
    IdempotencyConflict,
    InvalidPayload,
)
from scoria_core.ports import Record, RunKey
from scoria_memory import MemoryStore
from tests.support.scripted import approve, in_memory, needs, scripted


def test_a_repeated_key_returns_the_run(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A start that is repeated with its key runs nothing twice and returns the run as it is now."""
    handler = scripted(needs())
    first = start(handler, idempotency_key="k", metadata={"a": 1, "b": 2})
    approve(scoria, first)
    again = start(handler, idempotency_key="k", metadata={"b": 2, "a": 1})
    assert again == scoria.get_run(first.run_id)
    assert again.pending_approval is None
    assert len(handler.steps) == 1
    assert len(scoria.list_runs()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"metadata": {"a": 2}},
        {"metadata": None},
        {"root_role_id": "other"},
        {"step": None},
        {"step": StepSpec("other", "executor", {"n": 1})},
        {"step": StepSpec("work", "other", {"n": 1})},
        {"step": StepSpec("work", "executor", {"n": 1.0})},
    ],
)
def test_a_key_with_other_arguments_conflicts(
    scoria: Scoria, start: Callable[..., RunSummary], other: dict[str, Any]
) -> None:
    """A key says that two starts are one, so a start that differs in anything is refused."""
    run = start(idempotency_key="k", metadata={"a": 1})
    with pytest.raises(IdempotencyConflict) as conflict:
        start(scripted(), idempotency_key="k", **{"metadata": {"a": 1}, **other})
    assert (conflict.value.run_id, conflict.value.field) == (run.run_id, "idempotency_key")
    assert list(scoria.list_runs()) == [run]


@pytest.mark.parametrize(
    "changes", [{"actor_id": "reviewer-8"}, {"session_id": "session-2"}, {"metadata": {"a": 1}}]
)
def test_a_key_of_another_caller_conflicts(
    scoria: Scoria, identity: Identity, changes: dict[str, Any]
) -> None:
    """Another actor or session of the tenant does not get a run by guessing its key."""
    scoria.start_run(identity, root_role_id="r", idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        scoria.start_run(attrs.evolve(identity, **changes), root_role_id="r", idempotency_key="k")
    assert len(scoria.list_runs()) == 1


def test_a_key_belongs_to_its_tenant(scoria: Scoria, identity: Identity) -> None:
    """Two tenants use one key without knowing of each other."""
    runs = [
        scoria.start_run(Identity("a", tenant, "s"), root_role_id="r", idempotency_key="k")
        for tenant in ("acme", "globex")
    ]
    assert len({run.run_id for run in runs}) == 2
    assert scoria.start_run(identity, root_role_id="r") != runs[0]


def test_a_handoff_run_has_keys_too(scoria: Scoria, identity: Identity) -> None:
    """A repeated handoff start returns its run; another handoff, or a plain start, conflicts."""

    def hand_off(context: dict[str, Any]) -> RunSummary:
        return scoria.start_handoff_run(
            identity,
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={},
            projected_context=context,
            idempotency_key="k",
        )

    first = hand_off({"task": 1})
    assert hand_off({"task": 1}) == first
    with pytest.raises(IdempotencyConflict):
        hand_off({"task": 2})
    with pytest.raises(IdempotencyConflict):
        scoria.start_run(identity, root_role_id="planner", idempotency_key="k")
    assert list(scoria.list_runs()) == [first]


@in_memory
@pytest.mark.parametrize("key", ["", " ", 5, True, "x" * 256, "a\0", "\ud800", b"k"])
def test_a_key_is_a_name(scoria: Scoria, identity: Identity, key: Any) -> None:
    """A key that cannot be found again is refused."""
    with pytest.raises(InvalidPayload) as invalid:
        scoria.start_run(identity, root_role_id="r", idempotency_key=key)
    assert invalid.value.field == "idempotency_key"
    assert not scoria.list_runs()


def test_a_key_whose_run_is_pruned_meanwhile_starts_a_run() -> None:
    """The store named the old run, and then it was gone: no id is told that nobody asked for."""

    class Prunes(MemoryStore):
        def create(self, key: RunKey, records: Sequence[Record], **more: Any) -> str:
            owner = super().create(key, records, **more)
            if owner != key.run_id:
                self.prune({owner: self.read([owner])[0].version})
            return owner

    scoria = Scoria(Prunes(), handlers={"work": lambda *_: None})
    who = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    step = StepSpec("work", "worker")
    first, second = (
        scoria.start_run(who, root_role_id="root", initial_step=step, idempotency_key="order-1")
        for _ in range(2)
    )
    assert first.run_id != second.run_id
    assert [run.run_id for run in scoria.list_runs()] == [second.run_id]
