"""Failures: which are tried again, and what is kept of why."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from scoria_core import (
    Completed,
    DoNotRetry,
    Failed,
    HandOff,
    Identity,
    NeedsApproval,
    Retry,
    RunSummary,
    Scoria,
    StepError,
    StepSpec,
)
from scoria_core.errors import InvalidPayload
from scoria_core.handlers import MAX_CAUSE
from tests.support.scripted import WORK, in_memory, needs, scripted

RETRIED = StepSpec("work", "executor", retry=Retry(max_attempts=5, delay=0))
UNSAFE = HandOff(
    delegated_role_id="critic",
    delegated_kind="review",
    handoff_input={},
    projected_context={"session": "s"},
)


class Declined(Exception):
    """A failure that a host knows to be final."""


class CardDeclined(Declined):
    """A kind of it."""


class Unreadable(dict[str, Any]):
    """A mapping that cannot be read."""

    def items(self) -> Any:
        """Fail, as a lazy mapping may."""
        raise ConnectionError("gone")


@in_memory
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"amount": Decimal("12.50")}, "result.amount is Decimal"),
        (42, "result is int"),
        (Completed({"a": {1, 2}}), "result.a is set"),
        (UNSAFE, "projected_context.session is broad"),
        (needs(arguments={"to": b"x"}), "arguments.to is bytes"),
        (needs(expires_in=-1), "expires_in is not within"),
        (Failed(5), "reason is int"),  # type: ignore[arg-type]
        (Unreadable(a=1), "gone"),
        (Completed(then=[StepSpec("", "r")]), "then[0].kind is blank"),
        (Completed(then=[WORK, {"kind": "work"}]), "then[1] is dict"),  # type: ignore[list-item]
        (Completed(then=[WORK] * 33), "then has 33 steps; pass at most 32"),
        (Completed(then=WORK), "then is StepSpec; pass a list"),  # type: ignore[arg-type]
        (Completed(then="work"), "then is str"),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_cannot_be_stored_is_not_tried_again(
    scoria: Scoria, start: Callable[..., RunSummary], answer: Any, error: str
) -> None:
    """The handler has done its work and would answer the same: its effect is not repeated."""
    handler = scripted(answer)
    run = start(handler, step=RETRIED)
    assert (run.status, len(handler.steps)) == ("failed", 1)
    assert error in str(scoria.get_run_detail(run.run_id).steps[0].error)


@in_memory
@pytest.mark.parametrize(
    ("raised", "unless", "status"),
    [
        (ValueError("no"), (ValueError,), "failed"),
        (ValueError("no"), ("ValueError",), "failed"),
        (UnicodeError("no"), (ValueError,), "failed"),
        (CardDeclined("no"), (Declined,), "failed"),
        (CardDeclined("no"), [f"{__name__}.Declined"], "failed"),
        (CardDeclined("no"), (f"{__name__}.CardDeclined", "KeyError"), "failed"),
        (
            ExceptionGroup("two", [OSError(), ExceptionGroup("in", [KeyError()])]),
            (LookupError,),
            "failed",
        ),
        (DoNotRetry("no"), (), "failed"),
        (type("Final", (DoNotRetry, OSError), {})("no"), (), "failed"),
        (ExceptionGroup("one", [DoNotRetry("no")]), (), "failed"),
        (SystemExit("no"), (SystemExit,), "failed"),
        (OSError("no"), (ValueError,), "running"),
        (OSError("no"), (), "running"),
        (SystemExit("no"), (), "running"),
        (CardDeclined("no"), ("Declined",), "running"),
        (ExceptionGroup("two", [OSError()]), (ValueError,), "running"),
    ],
)
def test_an_exception_may_be_final(
    start: Callable[..., RunSummary], raised: BaseException, unless: Any, status: str
) -> None:
    """A step names the exceptions that are final, and a handler can say so itself."""
    step = StepSpec("work", "executor", retry=Retry(max_attempts=5, delay=9, unless=unless))
    assert start(scripted(raised), step=step).status == status


@in_memory
@pytest.mark.parametrize(
    ("unless", "path"),
    [
        (ValueError, "unless is"),
        ("ValueError", "unless is"),
        (5, "unless is"),
        ((5,), "unless[0] is int"),
        ((ValueError, ""), "unless[1] is blank"),
    ],
)
def test_an_exception_that_is_none_is_refused(
    scoria: Scoria, start: Callable[..., RunSummary], unless: Any, path: str
) -> None:
    """What names no exceptions is refused, with its path, before anything is written."""
    with pytest.raises(InvalidPayload) as refused:
        start(step=StepSpec("work", "r", retry=Retry(unless=unless)))
    assert str(refused.value).startswith(f"initial_step.retry.{path}")
    assert not scoria.list_runs()


def test_final_exceptions_are_kept_with_the_step(
    make_scoria: Callable[..., Scoria], start: Callable[..., RunSummary]
) -> None:
    """Another process that carries the step out knows them by name."""
    step = StepSpec("work", "executor", retry=Retry(unless=(CardDeclined,)))
    run = start(step=step)
    other = make_scoria(handlers={"work": scripted(CardDeclined("no"))})
    assert [each.status for each in other.run_pending(run.run_id)] == ["failed"]
    (kept,) = other.get_run_detail(run.run_id).steps
    assert kept.retry == step.retry


def failing(*_: object) -> None:
    """Raise as code does that has layers."""
    try:
        try:
            raise ConnectionError("refused by 10.0.0.7")  # noqa: TRY301 - layers in one
        except ConnectionError as low:
            low.add_note("third server tried")
            raise LookupError("no rates") from low
    except LookupError:
        raise ValueError("cannot price")  # noqa: B904 - the context is what is tested


@in_memory
def test_the_cause_is_recorded(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """What led to the exception, and its notes, are on record as text."""
    run = start(failing)
    (step,) = scoria.get_run_detail(run.run_id).steps
    assert step.error == StepError(
        "ValueError",
        "cannot price",
        cause="raised while handling LookupError: no rates\n"
        "  caused by ConnectionError: refused by 10.0.0.7\n"
        "    note: third server tried",
    )
    assert run.error == step.error
    assert scoria.get_run(run.run_id).error == step.error


@in_memory
def test_the_leaves_of_a_group_are_recorded(start: Callable[..., RunSummary]) -> None:
    """A group says what is in it, at any depth."""
    group = ExceptionGroup(
        "both", [ValueError("a"), ExceptionGroup("deep", [KeyError("b"), SystemError("c")])]
    )
    error = start(scripted(group)).error
    assert error is not None
    assert error.cause == (
        "in the group ValueError: a\n"
        "in the group ExceptionGroup: deep (2 sub-exceptions)\n"
        "  in the group KeyError: 'b'\n"
        "  in the group SystemError: c"
    )


class Hostile(Exception):
    """An exception with notes that are none, and no message."""

    __notes__ = 7  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("no")


def circular() -> Exception:
    """Return an exception that led to itself."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def nested(depth: int) -> Exception:
    """Return a group within a group, and so on."""
    group: Exception = ValueError("\ud800")
    for _ in range(depth):
        group = ExceptionGroup("g", [group])
    return group


def chained(length: int) -> Exception:
    """Return an exception that many led to, each of many words."""
    error = ValueError("x" * 3_000)
    for _ in range(length):
        after = ValueError("y" * 3_000)
        after.__cause__, error = error, after
    return error


@in_memory
@pytest.mark.parametrize(
    "make",
    [
        Hostile,
        circular,
        lambda: nested(5_000),
        lambda: chained(5_000),
        lambda: ExceptionGroup("wide", [ValueError(str(n)) for n in range(10_000)]),
    ],
)
def test_whatever_is_raised_is_recorded(
    scoria: Scoria, start: Callable[..., RunSummary], make: Callable[[], Exception]
) -> None:
    """No exception is too odd or too large to be a failed step, and what is kept is bounded."""
    run = start(scripted(make()))
    assert run.status == "failed"
    (step,) = scoria.get_run_detail(run.run_id).steps
    assert step.error is not None
    assert len(step.error.cause or "") <= MAX_CAUSE


@in_memory
def test_a_failure_is_logged_with_its_traceback(
    start: Callable[..., RunSummary], caplog: pytest.LogCaptureFixture
) -> None:
    """The host's log has where it was raised; a step that is to be tried again too."""
    start(failing)
    start(failing, step=StepSpec("work", "executor", retry=Retry(delay=9)))
    failed, retried = (record for record in caplog.records if record.exc_info)
    assert (failed.levelname, retried.levelname) == ("ERROR", "WARNING")
    for record in (failed, retried):
        assert "in failing" in caplog.handler.format(record)


@in_memory
def test_a_wrong_answer_is_logged_with_what_is_wrong_with_it(
    start: Callable[..., RunSummary], caplog: pytest.LogCaptureFixture
) -> None:
    """And with no lines of code: they would be of the kit alone, and none of the handler's."""
    start(scripted("done"))
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    first, *more = caplog.handler.format(record).splitlines()
    assert " failed: step " in first
    (why,) = [line.strip() for line in more]
    assert why.startswith("scoria_core.errors.InvalidPayload: result is str; a handler returns")


@in_memory
def test_a_run_says_why_it_failed(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A summary has the error while its run is failed, and only then."""
    handler = scripted(Failed("no stock", {"left": 0}), None)
    run = start(handler)
    assert run.error == StepError("Failed", "no stock", {"left": 0})
    assert scoria.list_runs()[0].error == run.error
    run.error.details["left"] = 9  # type: ignore[index]
    assert scoria.get_run(run.run_id).error == StepError("Failed", "no stock", {"left": 0})
    assert scoria.retry_run(run.run_id, handlers={"work": handler}).error is None
    assert start(scripted(None)).error is None


def test_steps_that_follow_are_queued_with_the_answer(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """An answer and the steps after it are one commit, and the run goes on with them."""
    handler = scripted(Completed({"n": 1}, then=[WORK, StepSpec("b", "r")]), None)
    run = start(handler)
    detail = scoria.get_run_detail(run.run_id)
    assert (run.status, len(handler.steps)) == ("running", 2)
    assert [(each.kind, each.status) for each in detail.steps] == [
        ("work", "completed"),
        ("work", "completed"),
        ("b", "queued"),
    ]
    assert detail.steps[0].result == {"n": 1}
    assert scoria.run_pending(run.run_id, handlers={"b": scripted(None)})[0].status == "completed"


@in_memory
def test_steps_that_follow_wait_for_those_before(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """They are queued after the steps that the run has."""
    run = start()
    scoria.add_step(run.run_id, StepSpec("b", "r"))
    handler = scripted(Completed(then=[StepSpec("c", "r")]), None, None)
    done = scoria.run_pending(run.run_id, handlers=dict.fromkeys(("work", "b", "c"), handler))
    assert [each.status for each in done] == ["completed"]
    assert [step.kind for step in handler.steps] == ["work", "b", "c"]


def test_a_process_that_dies_asks_once(
    make_scoria: Callable[..., Scoria], identity: Identity
) -> None:
    """Whatever write is the last: the answer is there with what follows, or neither is."""
    scoria = make_scoria()
    asked = scripted(Completed(then=[StepSpec("ask", "r")]))
    run = scoria.start_run(identity, root_role_id="r", initial_step=WORK, handlers={"work": asked})
    entries = scoria.get_run_detail(run.run_id).journal
    at = {entry.at for entry in entries if entry.type in ("step_completed", "step_queued")}
    assert [entry.type for entry in entries][-2:] == ["step_completed", "step_queued"]
    assert len(at) == 1
    assert (
        scoria.run_pending(
            run.run_id,
            handlers={"ask": scripted(NeedsApproval(tool_name="send", arguments={}, reason="r"))},
        )[0].pending_approval
        is not None
    )
    assert len(asked.steps) == 1


class RaisesWhenRead(Exception):
    """An exception that raises whatever is asked of it."""

    def __str__(self) -> str:
        raise SystemExit(3)


class RaisesForItsNotes(Exception):
    """An exception whose notes raise."""

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise KeyboardInterrupt


class RaisesForItsMembers(ExceptionGroup[Exception]):
    """A group that cannot be asked what is in it."""

    @property
    def exceptions(self) -> Any:
        """Raise."""
        raise RuntimeError("no")


class OddText(str):
    """A text that cannot be encoded."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        """Raise."""
        raise ZeroDivisionError


class SaysOddText(Exception):
    """An exception whose message is an odd text."""

    def __str__(self) -> str:
        return OddText("odd")


@in_memory
@pytest.mark.parametrize(
    "raised",
    [
        RaisesWhenRead(),
        RaisesForItsNotes("x"),
        RaisesForItsMembers("x", [ValueError()]),
        SaysOddText(),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_an_exception_that_raises_when_it_is_read_fails_its_step(
    start: Callable[..., RunSummary], raised: Exception
) -> None:
    """The handler runs as often as its step allows, and whoever called gets the run."""
    handler = scripted(*[raised] * 9)
    run = start(handler)
    assert (run.status, len(handler.steps)) == ("failed", 1)
    assert run.error is not None


@in_memory
def test_an_awaited_exception_has_no_other_cause(start: Callable[..., RunSummary]) -> None:
    """What the kit does to await a handler is not what led to its exception."""

    async def bad(*_: object) -> None:
        raise ValueError("boom")

    error = start(bad).error
    assert error == StepError("ValueError", "boom")


@in_memory
def test_a_coroutine_that_blocks_past_its_limit_has_not_completed(
    start: Callable[..., RunSummary],
) -> None:
    """It could not be cancelled, and is no more in time for that."""

    async def blocks(*_: object) -> dict[str, bool]:
        time.sleep(0.3)
        return {"late": True}

    run = start(blocks, StepSpec("work", "executor", time_limit=0.1))
    assert run.error is not None
    assert run.error.type == "TimeLimitExceeded"
