"""What a refusal tells its reader to do next: the move that fits, and no other."""

from collections.abc import Callable
from typing import Any

import pytest

from scoria_core import Failed, NeedsApproval, RunSummary, Scoria, StepSpec
from scoria_core.errors import ScoriaError
from scoria_memory import MemoryStore

ANSWERS: dict[str, Callable[..., Any]] = {
    "waits": lambda *_: NeedsApproval(tool_name="t", arguments={}, reason="r"),
    "failed": lambda *_: Failed("no stock"),
    "completed": lambda *_: None,
}
ENDED = "it has ended; start a new run in the same session"


@pytest.fixture
def scoria() -> Scoria:
    """Return a facade in memory."""
    return Scoria(MemoryStore())


def started(scoria: Scoria, standing: str) -> RunSummary:
    """Return a run that stands so."""
    identity = scoria.identity(actor_id="a", tenant_id="t", session_id="s")
    kind = "completed" if standing == "cancelled" else standing
    step = StepSpec(kind, "r")
    if standing == "cancelled":
        run = scoria.start_run(identity, root_role_id="r", initial_step=step)
        return scoria.cancel_run(run.run_id)
    return scoria.start_run(identity, root_role_id="r", initial_step=step, handlers=ANSWERS)


def said(call: Callable[[], object]) -> str:
    """Return the message of a refusal."""
    with pytest.raises(ScoriaError) as refused:
        call()
    return str(refused.value)


@pytest.mark.parametrize(
    ("standing", "call", "next_move"),
    [
        ("waits", "retry_run", "once a person has decided with approve or reject, call resume_run"),
        (
            "waits",
            "complete_run",
            "once a person has decided with approve or reject, call resume_run",
        ),
        ("failed", "complete_run", "retry_run runs its failed step again, cancel_run ends it"),
        ("failed", "resume_run", "a failed run goes on with retry_run"),
        *(("completed", call, ENDED) for call in ("retry_run", "complete_run", "cancel_run")),
        *(("cancelled", call, ENDED) for call in ("retry_run", "resume_run", "cancel_run")),
    ],
)
def test_a_refused_move_says_what_the_run_can_do(
    scoria: Scoria, standing: str, call: str, next_move: str
) -> None:
    """The next move is that of the state the run is in."""
    run = started(scoria, standing)
    assert said(lambda: getattr(scoria, call)(run.run_id)).endswith(f"refused; {next_move}")


@pytest.mark.parametrize(
    ("standing", "next_move"),
    [("failed", "retry_run runs its failed step again, cancel_run ends it"), ("completed", ENDED)],
)
def test_a_step_that_cannot_be_added_says_why(
    scoria: Scoria, standing: str, next_move: str
) -> None:
    """A step is added to a run that goes on, and the refusal says how it would."""
    run = started(scoria, standing)
    message = said(lambda: scoria.add_step(run.run_id, StepSpec("k", "r")))
    assert message.endswith(f"add_step is refused; {next_move}")


HANDOFF = {
    "delegated_role_id": "critic",
    "root_role_id": "planner",
    "delegated_kind": "review",
    "handoff_input": {},
    "projected_context": {},
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"root_role_id": None},
            "root_role_id is missing; a handoff states all of its fields, none is filled in",
        ),
        ({"handoff_input": [1]}, "handoff_input is list; pass a mapping (a JSON object)"),
        (
            {"delegated_kind": " "},
            "delegated_kind is blank; pass a name of 1 to 255 printable characters",
        ),
        (
            {"scoped_context": {}},
            "scoped_context is given beside projected_context, its other name; pass one of them",
        ),
        ({"capability_tags": "a"}, "capability_tags is str; pass a tuple of names"),
    ],
)
def test_a_handoff_is_told_what_its_field_lacks(
    scoria: Scoria, changed: dict[str, Any], message: str
) -> None:
    """Only a missing field is told that none is filled in."""
    identity = scoria.identity(actor_id="a", tenant_id="t", session_id="s")
    handoff: dict[str, Any] = {**HANDOFF, **changed}
    assert said(lambda: scoria.start_handoff_run(identity, **handoff)) == message


@pytest.mark.parametrize("handlers", [[print], print, "m:f", 5])
def test_handlers_that_are_no_mapping_are_asked_for_one(scoria: Scoria, handlers: Any) -> None:
    """Who passes a handler where handlers belong reads how they are written."""
    message = said(lambda: scoria.run_pending(handlers=handlers))
    assert message.startswith(f"handlers is {type(handlers).__name__}, not a mapping of kinds; ")
    assert message.endswith("; pass a mapping such as {'refund': send_refund}")


@pytest.mark.parametrize("make", [lambda run: run, lambda _: None, lambda _: 5])
def test_what_is_no_run_id_is_named_by_its_type(
    scoria: Scoria, make: Callable[[RunSummary], Any]
) -> None:
    """A run, or None, given for a run_id is not looked for: the refusal says what to pass."""
    given = make(started(scoria, "completed"))
    assert said(lambda: scoria.get_run(given)) == (
        f"run_id is {type(given).__name__}; pass the run_id that start_run returned, a str or UUID"
    )
