"""Handlers: how they are found and called, and what becomes of what they answer."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from scoria_core import (
    Completed,
    Failed,
    Identity,
    NeedsApproval,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import (
    RunNotFound,
    UnknownHandler,
)
from scoria_core.ports import RunStore
from tests.support.scripted import WORK, approve, in_memory, needs, scripted


def named_handler(step: Step, _: RunSummary) -> dict[str, Any]:
    """Serve as a handler that is found by name."""
    return {"named": step.kind}


class Handlers:
    """Serve as a holder of a handler that is found by a dotted name."""

    @staticmethod
    def nested(_: Step, __: RunSummary) -> dict[str, Any]:
        """Answer."""
        return {"nested": True}


async def awaited(step: Step, run: RunSummary) -> NeedsApproval | dict[str, Any]:
    """Ask first, then answer, each after giving way."""
    await asyncio.sleep(0)
    if step.approval is None:
        return needs()
    return {"run": run.run_id}


def result_of(scoria: Scoria, run: RunSummary) -> Any:
    """Return the result of the first step of a run."""
    return scoria.get_run_detail(run.run_id).steps[0].result


@pytest.mark.parametrize(
    ("name", "result"),
    [
        (f"{__name__}:named_handler", {"named": "work"}),
        (f"{__name__}:Handlers.nested", {"nested": True}),
    ],
)
def test_a_handler_is_found_by_name(
    scoria: Scoria, start: Callable[..., RunSummary], name: str, result: Any
) -> None:
    """A handler named `package.module:function` is imported and called."""
    assert result_of(scoria, start(name)) == result


@in_memory
@pytest.mark.parametrize(
    ("handlers", "field"),
    [
        ({"work": "no_colon"}, "handlers['work']"),
        ({"work": "no_such_module:handler"}, "handlers['work']"),
        ({"work": "json:no_such_function"}, "handlers['work']"),
        ({"work": "json:__name__"}, "handlers['work']"),
        ({"work": ":"}, "handlers['work']"),
        ({"work": "\ud800:\0"}, "handlers['work']"),
        ({"work": None}, "handlers['work']"),
        ({"work": 5}, "handlers['work']"),
        ([("work", named_handler)], "handlers"),
        (named_handler, "handlers"),
        ("json:loads", "handlers"),
    ],
)
def test_a_handler_that_is_none_is_refused(
    make_scoria: Callable[..., Scoria], identity: Identity, handlers: Any, field: str
) -> None:
    """A handler that cannot be called is refused before anything is written."""
    scoria = make_scoria()
    with pytest.raises(UnknownHandler) as unknown:
        scoria.start_run(identity, root_role_id="r", initial_step=WORK, handlers=handlers)
    assert unknown.value.field == field
    assert len(str(unknown.value).splitlines()) == 1
    assert not scoria.list_runs()
    with pytest.raises(UnknownHandler):
        make_scoria(handlers=handlers)


def test_handlers_of_a_call_come_before_those_of_the_facade(
    make_scoria: Callable[..., Scoria], identity: Identity
) -> None:
    """A handler registered once serves every call that does not bring its own."""
    scoria = make_scoria(handlers={"work": lambda *_: {"by": "facade"}})
    run = scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    assert result_of(scoria, run) == {"by": "facade"}
    own = {"work": lambda *_: {"by": "call"}}
    run = scoria.start_run(identity, root_role_id="r", initial_step=WORK, handlers=own)
    assert result_of(scoria, run) == {"by": "call"}
    run = scoria.start_run(
        identity, root_role_id="r", initial_step=WORK, handlers={"other": scripted()}
    )
    assert result_of(scoria, run) == {"by": "facade"}


def test_handlers_are_those_at_the_time_of_the_call(
    make_scoria: Callable[..., Scoria], identity: Identity
) -> None:
    """A mapping that the host changes later changes nothing of the facade."""
    handlers: dict[str, Any] = {"work": lambda *_: {"by": "first"}}
    scoria = make_scoria(handlers=handlers)
    handlers["work"] = None
    run = scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    assert result_of(scoria, run) == {"by": "first"}


def test_without_a_handler_a_step_stays_queued(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A step that nobody serves is durable, visible and waiting, until somebody does."""
    run = start()
    step = scoria.get_run_detail(run.run_id).steps[0]
    assert (run.status, step.status, step.input, step.attempt) == ("running", "queued", {"n": 1}, 1)
    assert scoria.run_pending(run.run_id) == scoria.run_pending() == []
    assert scoria.get_run(run.run_id) == run


@in_memory
@pytest.mark.parametrize(
    "call", ["start_run", "add_step", "resume_run", "retry_run", "run_pending"]
)
def test_a_handler_for_another_kind_is_pointed_out(
    scoria: Scoria,
    start: Callable[..., RunSummary],
    caplog: pytest.LogCaptureFixture,
    call: str,
) -> None:
    """A typo leaves the step waiting, which is no error; the log says what it waits for."""
    run = start(
        {"add_step": None, "resume_run": scripted(needs())}.get(call, scripted(Failed("no")))
    )
    if call == "resume_run":
        approve(scoria, run)
    if call == "run_pending":
        run = scoria.retry_run(run.run_id)
    typo = {"wrok\u202e": scripted(), "work.": scripted()}
    if call == "start_run":
        start(handlers=typo)
    elif call == "add_step":
        scoria.add_step(run.run_id, WORK, handlers=typo)
    else:
        getattr(scoria, call)(run.run_id, handlers=typo)
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    message = warning.getMessage()
    assert "no handler for its kind 'work'" in message
    assert "handlers were given for 'work.', 'wrok\\u202e'; is 'work.' a typo?" in message


@in_memory
def test_a_kind_that_is_nearly_one_of_the_facade_is_pointed_out(
    store: RunStore, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """The handlers of a facade need not serve every kind, but this one looks like a typo."""
    scoria = Scoria(store, handlers={"refund": scripted()})
    for kind in ("refnud", "mail"):
        scoria.start_run(identity, root_role_id="r", initial_step=StepSpec(kind, "r"))
    (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "no handler for its kind 'refnud'" in warning
    assert "is 'refund' a typo?" in warning


@in_memory
def test_a_step_that_asks_for_what_was_approved_is_pointed_out(
    store: RunStore, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """Its handler does not look at the decision, and would ask for ever; something else it may."""
    asked = [needs(), needs(), needs(arguments={"other": True})]
    scoria = Scoria(store, handlers={"work": lambda *_: asked.pop(0)})
    run = scoria.start_run(identity, root_role_id="r", initial_step=WORK)
    told = []
    while asked:
        approve(scoria, run)
        run = scoria.resume_run(run.run_id)
        told.append(len([each for each in caplog.records if "asked again" in each.getMessage()]))
    assert told == [1, 1]


@in_memory
def test_a_handler_for_a_later_step_is_not_pointed_out(
    make_scoria: Callable[..., Scoria], identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the next step has its handler, or none was given to the call, nothing is said."""
    scoria = make_scoria(handlers={"work": scripted(None)})
    later = {"later": scripted()}
    scoria.start_run(identity, root_role_id="r", initial_step=WORK, handlers=later)
    scoria.start_run(identity, root_role_id="r", handlers=later)
    scoria.start_run(identity, root_role_id="r", initial_step=StepSpec("other", "r"))
    scoria.run_pending(handlers=later)
    queueing = make_scoria(dispatch="queue")
    queueing.start_run(identity, root_role_id="r", initial_step=WORK, handlers={"work": scripted()})
    assert caplog.records == []


def test_an_async_handler_is_awaited(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A coroutine pauses a run and completes it as a plain function does."""
    run = start(awaited)
    approve(scoria, run)
    resumed = scoria.resume_run(run.run_id, handlers={"work": awaited})
    assert resumed.status == "completed"
    assert result_of(scoria, run) == {"run": run.run_id}


def test_an_async_handler_that_is_cancelled_fails_its_step(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A coroutine that was cancelled is a failed step, never a lost run."""

    async def cancelled(_: Step, __: RunSummary) -> None:
        raise asyncio.CancelledError("told to stop")

    run = start(cancelled)
    error = scoria.get_run_detail(run.run_id).steps[0].error
    assert (run.status, str(error)) == ("failed", "CancelledError: told to stop")


class Custom(Exception):
    """An exception of the host's own."""


class Unprintable(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@in_memory
@pytest.mark.parametrize(
    ("raised", "type_name", "message"),
    [
        (ValueError("bad"), "ValueError", "bad"),
        (Custom("own", 5), "Custom", "('own', 5)"),
        (KeyError("k"), "KeyError", "'k'"),
        (Exception(), "Exception", ""),
        (ValueError("a\ud800b\0"), "ValueError", "a?b\0"),
        (ValueError("x" * 10_000), "ValueError", "x" * 2_000),
        (Unprintable(), "Unprintable", "its message could not be read (RuntimeError)"),
        (ExceptionGroup("two", [Custom(), Custom()]), "ExceptionGroup", "two (2 sub-exceptions)"),
        (StopIteration("s"), "StopIteration", "s"),
        (RecursionError("deep"), "RecursionError", "deep"),
        (MemoryError(), "MemoryError", ""),
        (RunNotFound("x"), "RunNotFound", str(RunNotFound("x"))),
    ],
)
def test_an_exception_is_a_failed_step(
    scoria: Scoria,
    start: Callable[..., RunSummary],
    raised: Exception,
    type_name: str,
    message: str,
) -> None:
    """What a handler raises is recorded by type and message; the run is there, and can go on."""
    run = start(scripted(raised))
    step = scoria.get_run_detail(run.run_id).steps[0]
    assert (run.status, step.status) == ("failed", "failed")
    assert step.error is not None
    assert (step.error.type, step.error.message) == (type_name, message)
    assert scoria.retry_run(run.run_id, handlers={"work": scripted(None)}).status == "completed"


@in_memory
@pytest.mark.parametrize(
    "answer",
    [42, "text", True, [], ["a"], object(), Completed, b"x", 1.5, StepSpec("k", "r"), {1: 2}],
)
def test_an_answer_that_is_none_fails_its_step(
    scoria: Scoria, start: Callable[..., RunSummary], answer: Any
) -> None:
    """A handler that answers what is no outcome fails its step; nothing is guessed."""
    run = start(scripted(answer))
    step = scoria.get_run_detail(run.run_id).steps[0]
    assert run.status == "failed"
    assert step.error is not None
    assert step.error.type == "InvalidPayload"
    assert step.error.message.startswith("result ")


@in_memory
@pytest.mark.parametrize(
    "answer",
    [
        needs(tool_name=""),
        needs(tool_name=None),
        needs(arguments=None),
        needs(arguments=[]),
        needs(reason=5),
        needs(expires_in=0),
        needs(expires_in=-1),
        needs(expires_in=float("nan")),
        needs(expires_in=float("inf")),
        needs(expires_in=10**5_000),
        needs(expires_in=True),
        needs(expires_in="60"),
        needs(expires_in=timedelta(0)),
        needs(expires_in=timedelta(days=40_000)),
        Failed(None),  # type: ignore[arg-type]
        Failed("no", [1]),  # type: ignore[arg-type]
        Completed("text"),  # type: ignore[arg-type]
    ],
)
def test_an_outcome_with_rubbish_in_it_fails_its_step(
    scoria: Scoria, start: Callable[..., RunSummary], answer: Any
) -> None:
    """An outcome that cannot be recorded as it stands fails its step, and asks nobody."""
    run = start(scripted(answer))
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, detail.approvals) == ("failed", ())
    assert detail.steps[0].error is not None
    assert detail.steps[0].error.type == "InvalidPayload"


@in_memory
@pytest.mark.parametrize(
    ("answer", "result"),
    [(None, None), ({}, {}), ({"a": 1}, {"a": 1}), (Completed(), None), (Completed({}), {})],
)
def test_a_mapping_or_none_is_a_completion(
    scoria: Scoria, start: Callable[..., RunSummary], answer: Any, result: Any
) -> None:
    """A handler need not say `Completed`; what it returns is the result as it is."""
    run = start(scripted(answer))
    assert run.status == "completed"
    assert result_of(scoria, run) == result


def test_a_failure_keeps_its_reason_and_details(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A handler that says `Failed` has its own words recorded."""
    run = start(scripted(Failed("too short", {"words": 3})))
    error = scoria.get_run_detail(run.run_id).steps[0].error
    assert error is not None
    assert (error.type, error.message, error.details) == ("Failed", "too short", {"words": 3})


def test_the_claim_is_stored_before_the_handler_is_entered(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A handler that looks finds its own step running, as any other reader does."""
    seen = []

    def looks(step: Step, run: RunSummary) -> None:
        detail = scoria.get_run_detail(run.run_id)
        seen.append((detail.summary == run, detail.steps == (step,), step.status))

    start(looks)
    assert seen == [(True, True, "running")]
