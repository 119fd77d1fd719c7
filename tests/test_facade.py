"""What a host may rely on when it calls the facade: the contract's sections 3 to 5 and 8."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import attrs
import pytest

import scoria_core
from scoria_core import (
    Completed,
    Failed,
    HandOff,
    Identity,
    NeedsApproval,
    RunSummary,
    Scoria,
    ScoriaError,
    Step,
    StepSpec,
    errors,
)
from scoria_core.errors import (
    ApprovalNotPending,
    ApprovalPending,
    IdempotencyConflict,
    InvalidHandoff,
    InvalidIdentity,
    InvalidPayload,
    RunNotFound,
    RunNotResumable,
    StoreUnavailable,
    TransitionRefused,
    UnknownHandler,
)
from scoria_core.ports import Record
from scoria_memory import MemoryStore

WORK = StepSpec("work", "executor", {"n": 1})


in_memory = pytest.mark.parametrize("scheme", ["memory"], indirect=True)
"""What is settled before or without a store need not be tried on each."""


def needs(**changes: Any) -> NeedsApproval:
    """Return a request for approval."""
    facts = {"tool_name": "send", "arguments": {"to": "all"}, "reason": "goes out"}
    return NeedsApproval(**{**facts, **changes})


def scripted(*answers: Any) -> Any:
    """Return a handler that gives these answers in turn, and keeps the steps it was called with."""
    left = iter(answers)

    def handler(step: Step, _: RunSummary) -> Any:
        handler.steps.append(step)  # type: ignore[attr-defined]
        answer = next(left)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    handler.steps = []  # type: ignore[attr-defined]
    return handler


@pytest.fixture
def start(scoria: Scoria, identity: Identity) -> Callable[..., RunSummary]:
    """Start a run of one step, by default without a handler for it."""

    def start(handler: Any = None, step: StepSpec | None = WORK, **more: Any) -> RunSummary:
        handlers = None if handler is None else {"work": handler}
        arguments = {"root_role_id": "executor", "initial_step": step, "handlers": handlers, **more}
        return scoria.start_run(identity, **arguments)

    return start


@pytest.fixture
def waiting(start: Callable[..., RunSummary]) -> RunSummary:
    """Return a run that waits for an approval which expires after a minute."""
    return start(scripted(needs(expires_in=60)))


def approve(scoria: Scoria, run: RunSummary) -> RunSummary:
    """Approve what a run waits for."""
    assert run.pending_approval is not None
    return scoria.approve(
        run.run_id, approval_id=run.pending_approval.approval_id, decided_by="grace"
    )


# --- start, inspect, list ------------------------------------------------------------------------


def test_the_same_session_gives_fresh_runs(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A new turn of a conversation has the session of the last, and a run of its own."""
    first, second = start(), start()
    assert first.session_id == second.session_id == "session-1"
    assert first.run_id != second.run_id
    assert scoria.list_runs_for_session("session-1") == [second, first]


def test_a_run_tells_who_where_and_when(
    scoria: Scoria, start: Callable[..., RunSummary], clock: Any
) -> None:
    """A summary says what the run was started with, where it stands and since when."""
    run = start(metadata={"payload": {"prompt": "p"}})
    clock.advance(seconds=5)
    scoria.cancel_run(run.run_id)
    read = scoria.get_run(run.run_id)
    assert (read.tenant_id, read.actor_id, read.session_id) == ("acme", "ada", "session-1")
    assert (read.root_role_id, read.metadata) == ("executor", {"payload": {"prompt": "p"}})
    assert read.updated_at - read.created_at == timedelta(seconds=5)
    assert read.created_at.tzinfo is not None
    assert (run.version, read.version) == (2, 4)


def test_a_run_id_may_be_a_uuid(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A host that keeps run ids as UUIDs asks with those."""
    run = start()
    assert scoria.get_run(UUID(run.run_id)) == run
    assert scoria.list_runs(before=UUID(run.run_id)) == []


def test_runs_come_newest_first_in_pages(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Pages of any size follow each other without a gap or a repetition."""
    runs = [start() for _ in range(7)]
    for limit in (1, 2, 3, 7, 8):
        pages, before = [], None
        while page := scoria.list_runs_for_session("session-1", limit=limit, before=before):
            assert len(page) <= limit
            pages += page
            before = page[-1].run_id
        assert pages == runs[::-1]
    assert scoria.list_runs(limit=3) == runs[:3:-1]
    assert scoria.list_runs_for_session("another") == []


@in_memory
@pytest.mark.parametrize("limit", [0, -1, 1_001, True, 2.0, "5", None])
def test_a_limit_is_an_int_in_range(scoria: Scoria, limit: Any) -> None:
    """A page has one run at least and a thousand at most."""
    for call in (scoria.list_runs, scoria.run_pending):
        with pytest.raises(InvalidPayload) as invalid:
            call(limit=limit)
        assert invalid.value.field == "limit"


@in_memory
@pytest.mark.parametrize("before", [5, True, "", [], b"x", {}])
def test_a_cursor_is_a_run_id(
    scoria: Scoria, start: Callable[..., RunSummary], before: Any
) -> None:
    """A cursor that is no id is refused, not taken for the beginning."""
    start()
    with pytest.raises(InvalidPayload) as invalid:
        scoria.list_runs_for_session("session-1", before=before)
    assert invalid.value.field == "before"


def test_a_session_id_is_no_run_id(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A session id given for a run id finds nothing, and the message points at the listing."""
    start()
    for call in (scoria.get_run, scoria.get_run_detail, scoria.resume_run, scoria.cancel_run):
        with pytest.raises(RunNotFound, match="list_runs_for_session") as missing:
            call("session-1")
        assert missing.value.is_session


def test_the_hint_tells_nothing_of_other_tenants(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """Another tenant's session is no session in view, so the message does not betray it."""
    start()
    view = scoria.for_tenant("globex")
    with pytest.raises(RunNotFound) as session:
        view.get_run("session-1")
    with pytest.raises(RunNotFound) as unknown:
        view.get_run("session-2")
    assert str(session.value).replace("session-1", "session-2") == str(unknown.value)
    assert not session.value.is_session


def test_what_comes_back_is_frozen(scoria: Scoria, waiting: RunSummary) -> None:
    """No field of anything that is returned can be set."""
    detail = scoria.get_run_detail(waiting.run_id)
    values = [detail, detail.summary, detail.identity, detail.steps[0], detail.approvals[0]]
    for value in [*values, *detail.journal, needs(), WORK]:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.status = "completed"
    assert all(isinstance(getattr(detail, name), tuple) for name in ("steps", "journal"))


# --- tenants -------------------------------------------------------------------------------------

TENANT_CALLS: dict[str, Callable[[Scoria, RunSummary], object]] = {
    "get_run": lambda view, run: view.get_run(run.run_id),
    "get_run_detail": lambda view, run: view.get_run_detail(run.run_id),
    "approve": lambda view, run: view.approve(
        run.run_id, approval_id=_approval_id(run), decided_by="eve"
    ),
    "reject": lambda view, run: view.reject(
        run.run_id, approval_id=_approval_id(run), decided_by="eve"
    ),
    "resume_run": lambda view, run: view.resume_run(run.run_id, handlers={"work": scripted()}),
    "retry_run": lambda view, run: view.retry_run(run.run_id, handlers={"work": scripted()}),
    "cancel_run": lambda view, run: view.cancel_run(run.run_id),
    "add_step": lambda view, run: view.add_step(run.run_id, WORK),
    "complete_run": lambda view, run: view.complete_run(run.run_id),
    "run_pending": lambda view, run: view.run_pending(run.run_id, handlers={"work": scripted()}),
}


def _approval_id(run: RunSummary) -> str:
    return run.pending_approval.approval_id if run.pending_approval else "none"


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
        Identity("eve", "globex", "session-1"), root_role_id="r", initial_step=WORK
    )
    assert view.list_runs() == view.list_runs_for_session("session-1") == [other]
    assert [run.run_id for run in view.run_pending(handlers={"work": handler})] == [other.run_id]
    assert scoria.get_run(own.run_id) == own
    assert len(handler.steps) == 1
    assert scoria.for_tenant("acme").get_run(own.run_id) == own


def test_a_view_starts_only_its_tenants_runs(scoria: Scoria, identity: Identity) -> None:
    """An identity of another tenant cannot start a run in a view."""
    with pytest.raises(InvalidIdentity) as invalid:
        scoria.for_tenant("globex").start_run(identity, root_role_id="r")
    assert invalid.value.field == "tenant_id"
    assert scoria.list_runs() == []


def test_a_view_cannot_be_widened(scoria: Scoria) -> None:
    """A view of one tenant gives no view of another."""
    view = scoria.for_tenant("acme")
    assert view.for_tenant("acme").list_runs() == []
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


# --- idempotency ---------------------------------------------------------------------------------


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
    assert scoria.list_runs() == [run]


@pytest.mark.parametrize(
    "changes", [{"actor_id": "eve"}, {"session_id": "session-2"}, {"metadata": {"a": 1}}]
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
    assert scoria.list_runs() == [first]


@in_memory
@pytest.mark.parametrize("key", ["", " ", 5, True, "x" * 256, "a\0", "\ud800", b"k"])
def test_a_key_is_a_name(scoria: Scoria, identity: Identity, key: Any) -> None:
    """A key that cannot be found again is refused."""
    with pytest.raises(InvalidPayload) as invalid:
        scoria.start_run(identity, root_role_id="r", idempotency_key=key)
    assert invalid.value.field == "idempotency_key"
    assert scoria.list_runs() == []


# --- handlers ------------------------------------------------------------------------------------


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
    assert scoria.list_runs() == []
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


def test_an_async_handler_is_awaited(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A coroutine pauses a run and completes it as a plain function does."""
    run = start(awaited)
    approve(scoria, run)
    resumed = scoria.resume_run(run.run_id, handlers={"work": awaited})
    assert resumed.status == "completed"
    assert result_of(scoria, run) == {"run": run.run_id}


def test_an_async_handler_is_awaited_within_a_loop(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A host that calls from its own event loop gets the outcome before the call returns."""

    async def host() -> RunSummary:
        run = start(awaited)
        approve(scoria, run)
        return scoria.resume_run(run.run_id, handlers={"work": awaited})

    assert asyncio.run(host()).status == "completed"


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


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_step_is_released(
    scoria: Scoria, start: Callable[..., RunSummary], raised: type[BaseException]
) -> None:
    """The process is told to stop: the error goes up, and the step is there for another."""
    with pytest.raises(raised):
        start(scripted(raised()))
    (run,) = scoria.list_runs()
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, detail.steps[0].status, detail.steps[0].attempt) == ("running", "queued", 2)
    assert [entry.type for entry in detail.journal][-2:] == ["step_claimed", "step_released"]
    assert scoria.run_pending(handlers={"work": scripted(None)})[0].status == "completed"


def test_an_interrupted_async_handler_is_released(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """An interruption within a coroutine, in the host's loop too, leaves the step queued."""

    async def stops(_: Step, __: RunSummary) -> None:
        raise KeyboardInterrupt

    async def host() -> None:
        start(stops)

    for call in (lambda: start(stops), lambda: asyncio.run(host())):
        with pytest.raises(KeyboardInterrupt):
            call()
    details = [scoria.get_run_detail(run.run_id) for run in scoria.list_runs()]
    assert [detail.steps[0].status for detail in details] == ["queued", "queued"]


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


# --- approvals -----------------------------------------------------------------------------------


def test_an_approved_step_runs_on_what_was_approved(
    scoria: Scoria, start: Callable[..., RunSummary], clock: Any
) -> None:
    """The run keeps its id, and its step gets the decision with the exact arguments."""
    handler = scripted(needs(), {"sent": True})
    run = start(handler)
    assert run.status == "waiting_for_approval"
    approval = run.pending_approval
    assert approval is not None
    assert (approval.tool_name, approval.reason, approval.status) == ("send", "goes out", "pending")
    clock.advance(seconds=10)
    decided = scoria.approve(
        run.run_id, approval_id=approval.approval_id, decided_by=7, note="fine"
    )
    assert (decided.status, decided.pending_approval) == ("waiting_for_approval", None)
    resumed = scoria.resume_run(run.run_id, handlers={"work": handler})
    assert (resumed.run_id, resumed.status) == (run.run_id, "completed")
    seen = handler.steps[1].approval
    assert seen == scoria.get_run_detail(run.run_id).approvals[0]
    assert (seen.status, seen.decided_by, seen.note) == ("approved", "7", "fine")
    assert (seen.arguments, seen.arguments_digest) == ({"to": "all"}, approval.arguments_digest)
    assert seen.decided_at - seen.requested_at == timedelta(seconds=10)


def test_a_pending_approval_stops_the_run(scoria: Scoria, waiting: RunSummary) -> None:
    """Nobody has decided: resuming is refused, names the approval, and calls no handler."""
    handler = scripted()
    with pytest.raises(ApprovalPending) as pending:
        scoria.resume_run(waiting.run_id, handlers={"work": handler})
    assert _approval_id(waiting) in str(pending.value)
    assert pending.value.trigger == "resume"
    assert handler.steps == []
    assert scoria.get_run(waiting.run_id) == waiting


def test_a_run_that_was_resumed_is_not_resumed_again(scoria: Scoria, waiting: RunSummary) -> None:
    """While the approved step is at work its run no longer waits, whatever was approved."""
    approve(scoria, waiting)
    refusals = []

    def resumes(_: Step, run: RunSummary) -> None:
        with pytest.raises(RunNotResumable) as refusal:
            scoria.resume_run(run.run_id, handlers={"work": scripted()})
        refusals.append(refusal.value.state)

    run = scoria.resume_run(waiting.run_id, handlers={"work": resumes})
    assert (run.status, refusals) == ("completed", ["running"])


def test_a_rejection_cancels_the_run_with_its_reason(scoria: Scoria, waiting: RunSummary) -> None:
    """What was rejected does not happen, and the journal says who said no and why."""
    run = scoria.reject(
        waiting.run_id, approval_id=_approval_id(waiting), decided_by="grace", note="not now"
    )
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, detail.steps[0].status) == ("cancelled", "cancelled")
    approval = detail.approvals[0]
    assert (approval.status, approval.decided_by, approval.note) == ("rejected", "grace", "not now")
    last = detail.journal[-1]
    assert (last.type, last.actor_id, last.data) == (
        "run_rejected",
        "grace",
        {"reason": "not now"},
    )
    with pytest.raises(RunNotResumable):
        scoria.resume_run(run.run_id, handlers={"work": scripted()})


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_approval_is_decided_once(scoria: Scoria, waiting: RunSummary, decision: str) -> None:
    """A second decision, the same or the other, is refused and the first one stands."""
    approve(scoria, waiting)
    before = scoria.get_run_detail(waiting.run_id)
    with pytest.raises(ApprovalNotPending) as decided:
        getattr(scoria, decision)(
            waiting.run_id, approval_id=_approval_id(waiting), decided_by="eve"
        )
    assert (decided.value.state, decided.value.subject_id) == ("approved", _approval_id(waiting))
    assert scoria.get_run_detail(waiting.run_id) == before


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_approval_of_another_run_is_not_pending(
    scoria: Scoria, start: Callable[..., RunSummary], decision: str
) -> None:
    """A decision meant for one run does not fall on another."""
    one, other = start(scripted(needs())), start(scripted(needs()))
    with pytest.raises(ApprovalNotPending, match="unknown to this run"):
        getattr(scoria, decision)(one.run_id, approval_id=_approval_id(other), decided_by="eve")
    assert scoria.list_runs() == [other, one]


def test_an_approval_in_a_child_step(scoria: Scoria, identity: Identity) -> None:
    """A delegated step pauses the run as any step does, and its handoff runs all the while."""
    handler = scripted(needs(), {"verdict": "ok"})
    run = scoria.start_handoff_run(
        identity,
        "critic",
        root_role_id="planner",
        delegated_kind="work",
        handoff_input={"brief": "b"},
        projected_context={"task": "t"},
        handlers={"work": handler},
    )
    detail = scoria.get_run_detail(run.run_id)
    parent, child = detail.steps
    assert run.status == "waiting_for_approval"
    assert (detail.approvals[0].step_id, child.status) == (child.step_id, "waiting_for_approval")
    assert detail.delegated_handoffs[0].status == "running"
    assert (parent.kind, parent.role_id, parent.status) == ("handoff", "planner", "completed")
    approve(scoria, run)
    assert scoria.resume_run(run.run_id, handlers={"work": handler}).status == "completed"
    handoff = scoria.get_run_detail(run.run_id).delegated_handoffs[0]
    assert (handoff.status, handoff.child_status) == ("completed", "completed")
    assert handler.steps[1].projected_context == {"task": "t"}
    assert handler.steps[1].approval.status == "approved"


def test_a_retry_goes_on_with_the_approval(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A step that fails after its approval is retried on that approval; nobody is asked again."""
    handler = scripted(needs(), Failed("server down"), {"sent": True})
    run = start(handler)
    approve(scoria, run)
    assert scoria.resume_run(run.run_id, handlers={"work": handler}).status == "failed"
    assert scoria.retry_run(run.run_id, handlers={"work": handler}).status == "completed"
    assert [step.attempt for step in handler.steps] == [1, 1, 2]
    assert handler.steps[2].approval == handler.steps[1].approval
    assert handler.steps[2].approval.status == "approved"


def test_an_approval_may_be_asked_for_again(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A step that asks twice gets two approvals, each decided by itself."""
    handler = scripted(needs(), needs(arguments={"to": "more"}), None)
    run = start(handler)
    approve(scoria, run)
    again = scoria.resume_run(run.run_id, handlers={"work": handler})
    assert again.pending_approval is not None
    assert again.pending_approval.arguments == {"to": "more"}
    with pytest.raises(ApprovalPending):
        scoria.resume_run(run.run_id, handlers={"work": handler})
    approve(scoria, again)
    scoria.resume_run(run.run_id, handlers={"work": handler})
    assert [step.approval and step.approval.arguments for step in handler.steps] == [
        None,
        {"to": "all"},
        {"to": "more"},
    ]


@pytest.mark.parametrize("expires_in", [60, 60.0, timedelta(minutes=1)])
def test_an_approval_expires_to_the_moment(
    scoria: Scoria, start: Callable[..., RunSummary], clock: Any, expires_in: Any
) -> None:
    """A request is open until its time and expired from then on, in every reading; unwritten."""
    run = start(scripted(needs(expires_in=expires_in)))
    before = scoria.get_run_detail(run.run_id)
    clock.advance(seconds=60, microseconds=-1)
    assert scoria.get_run_detail(run.run_id) == before
    clock.advance(microseconds=1)
    detail = scoria.get_run_detail(run.run_id)
    views = [detail.approvals[0], detail.steps[0].approval]
    assert [view and view.status for view in views] == ["expired", "expired"]
    assert detail.summary.pending_approval is None
    assert scoria.list_runs_for_session("session-1")[0].pending_approval is None
    assert (detail.summary.status, detail.journal) == ("waiting_for_approval", before.journal)


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_an_expired_approval_cannot_be_decided(
    scoria: Scoria, waiting: RunSummary, clock: Any, decision: str
) -> None:
    """A decision that comes too late is refused as such, and writes nothing."""
    clock.advance(seconds=60)
    before = scoria.get_run_detail(waiting.run_id)
    with pytest.raises(ApprovalNotPending) as late:
        getattr(scoria, decision)(
            waiting.run_id, approval_id=_approval_id(waiting), decided_by="grace"
        )
    assert late.value.state == "expired"
    assert scoria.get_run_detail(waiting.run_id) == before


def test_an_expired_approval_lets_the_step_ask_anew(
    scoria: Scoria, waiting: RunSummary, clock: Any
) -> None:
    """Resuming shows the step that its request expired, and the new request is decided alone."""
    clock.advance(seconds=61)
    handler = scripted(needs(expires_in=60), None)
    run = scoria.resume_run(waiting.run_id, handlers={"work": handler})
    assert handler.steps[0].approval.status == "expired"
    assert run.status == "waiting_for_approval"
    first, second = scoria.get_run_detail(run.run_id).approvals
    assert (first.status, first.decided_by, second.status) == ("expired", None, "pending")
    journal = [entry.type for entry in scoria.get_run_detail(run.run_id).journal]
    assert journal.count("approval_expired") == 1
    approve(scoria, run)
    clock.advance(hours=1)
    assert scoria.resume_run(run.run_id, handlers={"work": handler}).status == "completed"
    assert handler.steps[1].approval.status == "approved"


@pytest.mark.parametrize("call", ["cancel_run", "add_step"])
def test_the_next_accepted_call_records_the_expiry(
    scoria: Scoria, waiting: RunSummary, clock: Any, call: str
) -> None:
    """What every reading shows is in the journal once something else is written."""
    clock.advance(seconds=61)
    calls: dict[str, Callable[[], object]] = {
        "cancel_run": lambda: scoria.cancel_run(waiting.run_id),
        "add_step": lambda: scoria.add_step(waiting.run_id, WORK),
    }
    calls[call]()
    detail = scoria.get_run_detail(waiting.run_id)
    assert detail.approvals[0].status == "expired"
    types = [entry.type for entry in detail.journal]
    assert types.count("approval_expired") == 1
    assert "approval_withdrawn" not in types


# --- retry, cancel, steps ------------------------------------------------------------------------


def test_a_retry_runs_the_failed_step_anew(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A retried step keeps its id and input, counts its attempts, and forgets its error."""
    handler = scripted(Failed("no"), ValueError("no"), {"ok": True})
    run = start(handler)
    assert scoria.retry_run(run.run_id, handlers={"work": handler}).status == "failed"
    assert scoria.retry_run(run.run_id, handlers={"work": handler}).status == "completed"
    (step,) = scoria.get_run_detail(run.run_id).steps
    assert (step.attempt, step.error, step.result) == (3, None, {"ok": True})
    assert {(each.step_id, each.input["n"]) for each in handler.steps} == {(step.step_id, 1)}
    with pytest.raises(TransitionRefused):
        scoria.retry_run(run.run_id)


def test_a_cancellation_ends_everything(scoria: Scoria, waiting: RunSummary) -> None:
    """A cancelled run has no open step and no pending approval, and says who ended it and why."""
    run = scoria.cancel_run(waiting.run_id, reason="changed my mind", actor_id="ada")
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, run.pending_approval) == ("cancelled", None)
    assert (detail.steps[0].status, detail.approvals[0].status) == ("cancelled", "withdrawn")
    last = detail.journal[-1]
    assert (last.type, last.actor_id) == ("run_cancelled", "ada")
    assert last.data == {"reason": "changed my mind"}


@pytest.mark.parametrize("answer", [None, Failed("no"), needs(), ValueError("no")])
def test_a_late_answer_is_not_recorded(
    scoria: Scoria,
    start: Callable[..., RunSummary],
    answer: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run that was cancelled while its handler was at work stays as it was cancelled."""
    cancelled = []

    def cancels(step: Step, run: RunSummary) -> Any:
        cancelled.append(scoria.cancel_run(run.run_id))
        return scripted(answer)(step, run)

    with caplog.at_level(logging.WARNING, "scoria"):
        run = start(cancels)
    assert run == cancelled[0] == scoria.get_run(run.run_id)
    assert run.status == "cancelled"
    assert "late result" in caplog.text


def test_an_interruption_after_a_cancellation_goes_up(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """There is nothing to release in a cancelled run; the interruption is not swallowed."""

    def cancels(_: Step, run: RunSummary) -> None:
        scoria.cancel_run(run.run_id)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(cancels)
    assert scoria.list_runs()[0].status == "cancelled"


def test_steps_run_in_their_order(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Steps are carried out one after the other; the run completes with the last."""
    run = start()
    kinds: list[str] = []
    handlers = {kind: lambda step, _: kinds.append(step.kind) for kind in ("work", "b", "c")}
    scoria.add_step(run.run_id, StepSpec("b", "r"))
    assert scoria.add_step(run.run_id, StepSpec("c", "r"), handlers=handlers).status == "completed"
    assert kinds == ["work", "b", "c"]
    steps = scoria.get_run_detail(run.run_id).steps
    assert [step.sequence for step in steps] == [1, 2, 3]


def test_a_step_does_not_overtake_one_without_handler(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A step that could run waits for the one before it."""
    run = start()
    handler = scripted()
    added = scoria.add_step(run.run_id, StepSpec("b", "r"), handlers={"b": handler})
    assert (added.status, handler.steps) == ("running", [])
    assert scoria.run_pending(handlers={"b": handler}) == []


def test_later_steps_wait_while_a_person_decides(scoria: Scoria, waiting: RunSummary) -> None:
    """A step added to a paused run does not run before the paused one is done."""
    handler = scripted(None, None)
    added = scoria.add_step(waiting.run_id, StepSpec("b", "r"), handlers={"b": handler})
    assert (added.status, handler.steps) == ("waiting_for_approval", [])
    approve(scoria, waiting)
    done = scoria.resume_run(waiting.run_id, handlers={"work": handler, "b": handler})
    assert done.status == "completed"
    assert [step.kind for step in handler.steps] == ["work", "b"]


def test_a_failure_stops_the_steps_after_it(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A run fails with its step; a retry goes on from there."""
    run = start()
    handler = scripted(Failed("no"), None, None)
    handlers = {"work": handler, "b": handler}
    assert scoria.add_step(run.run_id, StepSpec("b", "r"), handlers=handlers).status == "failed"
    with pytest.raises(TransitionRefused) as refusal:
        scoria.add_step(run.run_id, StepSpec("c", "r"))
    assert (refusal.value.state, refusal.value.trigger) == ("failed", "add_step")
    assert scoria.retry_run(run.run_id, handlers=handlers).status == "completed"
    assert [step.kind for step in handler.steps] == ["work", "work", "b"]


def test_a_handler_adds_a_step(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A step added by a handler is queued behind its own and carried out by the same call."""
    later = scripted({"later": True})

    def adds(_: Step, run: RunSummary) -> None:
        added = scoria.add_step(run.run_id, StepSpec("later", "r"), handlers={"later": later})
        assert (added.status, later.steps) == ("running", [])

    run = start(step=StepSpec("adds", "r"), handlers={"adds": adds, "later": later})
    assert run.status == "completed"
    assert len(later.steps) == 1
    assert scoria.get_run_detail(run.run_id).steps[1].result == {"later": True}


def test_a_run_without_steps_is_completed_by_its_host(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A host that drives a run itself says when it is done; then nothing changes it again."""
    run = start(step=None)
    assert run.status == "running"
    done = scoria.complete_run(run.run_id, actor_id="ada")
    assert done.status == "completed"
    assert scoria.get_run_detail(run.run_id).journal[-1].actor_id == "ada"
    for call in (scoria.complete_run, scoria.cancel_run, scoria.retry_run, scoria.resume_run):
        with pytest.raises(TransitionRefused):
            call(run.run_id)
    with pytest.raises(TransitionRefused):
        scoria.add_step(run.run_id, WORK)
    assert scoria.get_run(run.run_id) == done


def test_a_run_with_an_open_step_cannot_be_completed(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A run is not done while a step of it waits; the refusal names the step."""
    run = start()
    with pytest.raises(TransitionRefused) as refusal:
        scoria.complete_run(run.run_id)
    assert scoria.get_run_detail(run.run_id).steps[0].step_id in str(refusal.value)
    assert scoria.get_run(run.run_id) == run


def test_pending_work_is_carried_out_once(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Queued steps of all runs are carried out, oldest run first, and only those."""
    queued = [start() for _ in range(3)]
    start(scripted(needs()))
    start(scripted(None))
    handler = scripted(None, None, None)
    done = scoria.run_pending(handlers={"work": handler})
    assert [run.run_id for run in done] == [run.run_id for run in queued]
    assert {run.status for run in done} == {"completed"}
    assert scoria.run_pending(handlers={"work": handler}) == []
    assert len(handler.steps) == 3


def test_pending_work_of_one_run(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Naming a run carries out that run's steps and no other's."""
    one, other = start(), start()
    done = scoria.run_pending(one.run_id, handlers={"work": scripted(None)})
    assert [run.run_id for run in done] == [one.run_id]
    assert scoria.get_run(other.run_id) == other
    with pytest.raises(RunNotFound):
        scoria.run_pending("nobody-has-this")


def test_pending_work_has_a_limit(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """No more runs are looked at than the caller allows."""
    for _ in range(3):
        start()
    assert len(scoria.run_pending(limit=2, handlers={"work": scripted(None, None)})) == 2


# --- handoffs ------------------------------------------------------------------------------------

HANDOFF: dict[str, Any] = {
    "delegated_role_id": "critic",
    "root_role_id": "planner",
    "delegated_kind": "review",
    "handoff_input": {"brief": "b"},
    "projected_context": {"task": "t", "draft_answer": "d"},
}


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
    assert scoria.list_runs() == []


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
    assert scoria.list_runs() == []


@in_memory
@pytest.mark.parametrize("field", ["handoff_input", "projected_context"])
@pytest.mark.parametrize("value", [[], "{}", 5, True, ()])
def test_what_is_handed_over_is_a_mapping(
    scoria: Scoria, identity: Identity, field: str, value: Any
) -> None:
    """An input or context that is no mapping is refused; an empty one is fine."""
    with pytest.raises(InvalidHandoff, match="not a mapping") as invalid:
        scoria.start_handoff_run(identity, **{**HANDOFF, field: value})
    assert invalid.value.field == field
    assert scoria.list_runs() == []
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
    assert scoria.list_runs() == []


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
    assert scoria.list_runs() == [run]


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


# --- rubbish -------------------------------------------------------------------------------------

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
    "list_runs_for_session": (
        {"session_id": "s", "limit": 1, "before": "b"},
        lambda scoria: scoria.list_runs_for_session,
    ),
    "list_runs": ({"limit": 1, "before": "b"}, lambda scoria: scoria.list_runs),
    "approve": (
        {"run_id": "r", "approval_id": "a", "decided_by": "d", "note": "n"},
        lambda scoria: scoria.approve,
    ),
    "reject": (
        {"run_id": "r", "approval_id": "a", "decided_by": "d", "note": "n"},
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
        assert error.code in set(CODES.values()) - {"scoria_error"}
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
                decide(waiting.run_id, approval_id=rubbish, decided_by="grace")
            assert missing.value.field == "approval_id"
            assert str(missing.value).isprintable()
    assert scoria.get_run(waiting.run_id) == waiting


# --- errors and names ----------------------------------------------------------------------------

CODES = {
    "ScoriaError": "scoria_error",
    "InvalidIdentity": "invalid_identity",
    "InvalidPayload": "invalid_payload",
    "InvalidHandoff": "invalid_handoff",
    "UnsafeProjectedContext": "unsafe_projected_context",
    "UnknownHandler": "unknown_handler",
    "RunNotFound": "run_not_found",
    "TransitionRefused": "transition_refused",
    "RunNotResumable": "run_not_resumable",
    "ApprovalPending": "approval_pending",
    "ApprovalNotPending": "approval_not_pending",
    "IdempotencyConflict": "idempotency_conflict",
    "VersionConflict": "version_conflict",
    "StoreUnavailable": "store_unavailable",
    "StoreCorrupt": "store_corrupt",
    "SchemaTooNew": "schema_too_new",
}


def test_the_codes_of_errors_are_stable() -> None:
    """Hosts and clients switch on these codes: each class has its own, and none ever changes."""
    found = {
        name: kind.code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ScoriaError)
    }
    assert found == CODES
    assert len(set(CODES.values())) == len(CODES)


def test_every_error_is_drawn_in_the_tree() -> None:
    """The docstring of the module shows every class."""
    assert [name for name in CODES if name not in (errors.__doc__ or "")] == []


@pytest.mark.parametrize("name", sorted(set(CODES) - {"ScoriaError"}))
def test_an_error_is_a_fact(name: str) -> None:
    """An error carries what it was made of as attributes, and says it in a line that tells it."""
    kind = getattr(errors, name)
    facts = {
        field.name: 3 if field.type in (int, "int") else f"<{field.name}>"
        for field in attrs.fields(kind)
    }
    error = kind(**facts)
    assert {fact: getattr(error, fact) for fact in facts} == facts
    assert str(error) == error.message
    assert len(error.message.splitlines()) == 1
    assert isinstance(error, ScoriaError)


def test_all_is_sorted_and_complete() -> None:
    """Everything the package offers is named in `__all__`, in order, and nothing else is."""
    assert scoria_core.__all__ == sorted(scoria_core.__all__)
    offered = {
        name
        for name, value in vars(scoria_core).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(scoria_core.__all__) == offered


@pytest.mark.parametrize("limit", [0, -1, True, "many", None, 1.5])
def test_a_payload_limit_is_a_number_of_bytes(limit: Any) -> None:
    """A facade is not made with a limit that would fail at the first payload."""
    with pytest.raises(InvalidPayload) as refused:
        Scoria(MemoryStore(), max_payload_bytes=limit)
    assert refused.value.field == "max_payload_bytes"


def test_a_damaged_run_does_not_keep_the_others_waiting(
    make_scoria: Callable[..., Scoria], caplog: pytest.LogCaptureFixture
) -> None:
    """Of several runs with queued steps, one that does not check out is logged and passed over."""
    facade = make_scoria()
    identity = facade.identity(actor_id=1, tenant_id=1, session_id=1)
    step = StepSpec(kind="work", role_id="a")
    damaged, whole = (
        facade.start_run(identity, root_role_id="a", initial_step=step).run_id for _ in range(2)
    )
    store = facade._runs.store
    read = store.read

    def lossy(run_id: str) -> Sequence[Record]:
        return read(run_id)[1:] if run_id == damaged else read(run_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "read", lossy)
        done = facade.run_pending(handlers={"work": lambda *_: None})
    assert [run.run_id for run in done] == [whole]
    assert damaged in caplog.text
