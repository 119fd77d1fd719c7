"""Every public call, fed what it does not take."""

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from scoria_core import (
    Identity,
    RunSummary,
    Scoria,
    ScoriaError,
    StepSpec,
)
from scoria_core.errors import (
    ApprovalNotPending,
    RunNotFound,
)
from tests.support.scripted import HANDOFF, WORK

RUBBISH: list[Any] = [
    *(None, True, 0, -1, 10**5_000, 1.5, float("nan"), b"bytes", object(), [], (), {}, {1: 2}),
    *(
        "",
        " ",
        "\0",
        "a\nb",
        "\u2028",
        "\ud800",
        "x" * 100_000,
        "session-1",
        SimpleNamespace(id=[]),
    ),
    *([None], {"id": None}, type, lambda: None, RecursionError("x"), StepSpec(None, None)),  # type: ignore[arg-type]
]

LISTED = {
    "session_id": "s",
    "status": "running",
    "root_role_id": "r",
    "actor_id": "a",
    "created_after": datetime(2026, 1, 1, tzinfo=UTC),
    "limit": 1,
    "before": "b",
}
ASKED = {
    "status": "pending",
    "session_id": "s",
    "assigned_to": "a",
    "tool_name": "t",
    "approval_id": "p",
}
CALLS: dict[str, tuple[dict[str, Any], Callable[[Scoria], Callable[..., object]]]] = {
    "identity": (
        {"actor_id": "a", "tenant_id": "t", "session_id": "s", "metadata": {}},
        lambda scoria: scoria.identity,
    ),
    "start_run": (
        {
            "identity": Identity("a", "t", "s"),
            "root_role_id": "r",
            "initial_step": WORK,
            "metadata": {},
            "handlers": {},
            "idempotency_key": "k",
        },
        lambda scoria: scoria.start_run,
    ),
    "start_handoff_run": (
        {
            "identity": Identity("a", "t", "s"),
            **HANDOFF,
            "scoped_context": None,
            "capability_tags": (),
            "metadata": {},
            "handlers": {},
            "idempotency_key": "k",
        },
        lambda scoria: scoria.start_handoff_run,
    ),
    "get_run": ({"run_id": "r"}, lambda scoria: scoria.get_run),
    "get_run_detail": ({"run_id": "r"}, lambda scoria: scoria.get_run_detail),
    "inspect_run": ({"run_id": "r"}, lambda scoria: scoria.inspect_run),
    "list_runs_for_session": (
        {"session_id": "s", "limit": 1, "before": "b"},
        lambda scoria: scoria.list_runs_for_session,
    ),
    "list_runs": (LISTED, lambda scoria: scoria.list_runs),
    "list_runs_with_damaged": (LISTED, lambda scoria: scoria.list_runs_with_damaged),
    "count_runs": ({}, lambda scoria: scoria.count_runs),
    "now": ({}, lambda scoria: scoria.now),
    "list_approvals": (
        {**ASKED, "limit": 1, "after": None},
        lambda scoria: scoria.list_approvals,
    ),
    "count_approvals": (ASKED, lambda scoria: scoria.count_approvals),
    "approve": (
        {
            "run_id": "r",
            "approval_id": "a",
            "decided_by": "d",
            "note": "n",
            "arguments": {},
            "answer": {},
            "arguments_digest": "sha256:0",
            "resume": True,
        },
        lambda scoria: scoria.approve,
    ),
    "reject": (
        {
            "run_id": "r",
            "approval_id": "a",
            "decided_by": "d",
            "note": "n",
            "arguments_digest": "sha256:0",
            "resume": True,
        },
        lambda scoria: scoria.reject,
    ),
    "resume_run": (
        {"run_id": "r", "handlers": {}, "actor_id": "a"},
        lambda scoria: scoria.resume_run,
    ),
    "retry_run": (
        {"run_id": "r", "handlers": {}, "actor_id": "a"},
        lambda scoria: scoria.retry_run,
    ),
    "add_step": (
        {"run_id": "r", "step": WORK, "handlers": {}, "actor_id": "a"},
        lambda scoria: scoria.add_step,
    ),
    "complete_run": ({"run_id": "r", "actor_id": "a"}, lambda scoria: scoria.complete_run),
    "cancel_run": (
        {"run_id": "r", "reason": "x", "actor_id": "a"},
        lambda scoria: scoria.cancel_run,
    ),
    "list_pending": ({"limit": 1}, lambda scoria: scoria.list_pending),
    "deliver_events": (
        {"listener": None, "limit": 1},
        lambda scoria: scoria.deliver_events,
    ),
    "stop": ({}, lambda scoria: scoria.stop),
    "recover": ({}, lambda scoria: scoria.recover),
    "run_pending": ({"run_id": "r", "handlers": {}, "limit": 1}, lambda scoria: scoria.run_pending),
    "for_tenant": ({"tenant_id": "t"}, lambda scoria: scoria.for_tenant),
    "open": ({"url": "memory://"}, lambda _: Scoria.open),
}
"""Every public call with arguments that are fine, but that no run has the id `r`."""


def test_every_public_call_is_fed_rubbish() -> None:
    """No method, and no argument of one, is left out below."""
    methods = dict(inspect.getmembers(Scoria, inspect.isroutine))
    public = {name for name in methods if not name.startswith("_")} - {"close"}
    assert set(CALLS) == public
    for name, (arguments, _) in CALLS.items():
        parameters = set(inspect.signature(methods[name]).parameters) - {"self", "options"}
        assert set(arguments) == parameters


def rubbish_calls() -> Iterator[tuple[str, str]]:
    """Yield every argument of every public call."""
    for name, (arguments, _) in CALLS.items():
        for argument in arguments:
            yield name, argument


@pytest.mark.parametrize(("call", "argument"), list(rubbish_calls()))
def test_rubbish_is_refused_in_our_own_words(
    scoria: Scoria, waiting: RunSummary, call: str, argument: str
) -> None:
    """Whatever is passed for an argument, the only errors are ours, in one line, naming a field."""
    arguments, method = CALLS[call]
    if "run_id" in arguments:
        arguments = {**arguments, "run_id": waiting.run_id}
    before = scoria.get_run_detail(waiting.run_id)
    answers = [answer_to(method(scoria), {**arguments, argument: each}) for each in RUBBISH]
    refusals = [answer for answer in answers if isinstance(answer, ScoriaError)]
    assert len(refusals) > len(RUBBISH) // 3
    for error in refusals:
        assert error.code != "scoria_error"
        assert error.field
        assert str(error).isprintable()
        assert len(str(error)) < 1_000
    returned = {answer.run_id for answer in answers if isinstance(answer, RunSummary)}
    assert {run.run_id for run in scoria.list_runs()} == {waiting.run_id, *returned}
    if call not in ("cancel_run", "add_step"):
        assert scoria.get_run_detail(waiting.run_id) == before


def answer_to(method: Callable[..., object], arguments: dict[str, Any]) -> object:
    """Return what a call answers, or the error of ours that it raises."""
    try:
        return method(**arguments)
    except ScoriaError as error:
        return error


def test_a_run_id_that_is_none_is_not_found(scoria: Scoria, waiting: RunSummary) -> None:
    """Whatever is passed for a run id, the answer is that there is no such run."""
    for rubbish in RUBBISH:
        for call in (scoria.get_run, scoria.cancel_run, scoria.complete_run):
            with pytest.raises(RunNotFound) as missing:
                call(rubbish)
            assert missing.value.field == "run_id"
    assert scoria.get_run(waiting.run_id) == waiting


def test_an_approval_id_that_is_none_is_not_pending(scoria: Scoria, waiting: RunSummary) -> None:
    """Whatever is passed for an approval id, the answer is that there is nothing to decide."""
    for rubbish in RUBBISH:
        for decide in (scoria.approve, scoria.reject):
            with pytest.raises(ApprovalNotPending) as missing:
                decide(waiting.run_id, approval_id=rubbish, decided_by="reviewer-7")
            assert missing.value.field == "approval_id"
            assert str(missing.value).isprintable()
    assert scoria.get_run(waiting.run_id) == waiting
