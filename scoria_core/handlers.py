"""The host's handlers: found by the kind of a step, called with the step and its run.

A handler answers `Completed`, `NeedsApproval` or a list of them, `HandOff`, `Failed`, a mapping or
None; it may be `async def`.
"""

import asyncio
import contextvars
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic
from types import MappingProxyType
from typing import Any

from scoria_core.errors import InvalidPayload, UnknownHandler, safe_repr
from scoria_core.model import RunSummary, Step, StepError
from scoria_core.outcomes import (
    DoNotRetry,
    NeedsApproval,
    Outcome,
    Retry,
    TimeLimitExceeded,
    class_name,
)
from scoria_core.payloads import MAX_NAME, checked_name

HandlerAnswer = Outcome | Sequence[NeedsApproval] | Mapping[str, Any] | None
"""What a handler may answer; a mapping or None means `Completed`."""

Handler = Callable[[Step, RunSummary], HandlerAnswer | Awaitable[HandlerAnswer]]
"""A function, or an `async def`, that carries out a step of its run."""

Handlers = Mapping[str, Handler | str]
"""Handlers by the kind of step; a str is the name of one, as `package.module:function`."""

UNREADABLE = StepError("Exception", "an exception was raised that itself raises when it is read")
"""What is recorded of an exception whose type, message or causes cannot be read."""

MAX_MESSAGE = 2_000
"""How many characters of an exception's message are kept."""

MAX_CAUSE = 8_000
"""How many characters are kept of what led to an exception."""

_MAX_TOLD = 32
"""How many exceptions are told of, and how many notes of each."""


def resolve(handlers: Handlers | None) -> Mapping[str, Handler]:
    """Return the handlers as callables, by the kind of step they serve.

    Raises `UnknownHandler` naming the first that is neither a callable nor the name of one.
    """
    if handlers is None:
        return MappingProxyType({})
    if not isinstance(handlers, Mapping):
        raise UnknownHandler("", f"is {type(handlers).__name__}, not a mapping of kinds")
    return MappingProxyType({_kind(kind): _resolved(kind, each) for kind, each in handlers.items()})


def _kind(kind: object) -> str:
    try:
        return checked_name(kind, "kind")
    except InvalidPayload as error:
        problem = f"are for kinds, and {safe_repr(kind)} is none: it {error.problem}"
        raise UnknownHandler("", problem) from None


def _resolved(kind: str, handler: Any) -> Handler:
    if isinstance(handler, str):
        handler = _named(kind, handler)
    if not callable(handler):
        raise UnknownHandler(kind, f"is {type(handler).__name__}, which cannot be called")
    callable_: Handler = handler
    return callable_


def _named(kind: str, name: str) -> object:
    if ":" not in name:
        raise UnknownHandler(kind, f"is {safe_repr(name)}, which has no ':'")
    try:
        return pkgutil.resolve_name(name)
    except Exception as error:
        found = f"names {safe_repr(name)}, which cannot be imported: {safe_repr(error, 160)}"
        raise UnknownHandler(kind, found) from error


def call(
    handler: Handler, step: Step, run: RunSummary, is_async: Callable[[], object] = bool
) -> object:
    """Call a handler and return its answer; a coroutine is awaited.

    `is_async` is called before a coroutine is awaited. After the `time_limit` of its step a
    coroutine is cancelled, and this raises `TimeLimitExceeded`.
    """
    began = monotonic()
    answer = handler(step, run)
    if not inspect.isawaitable(answer):
        return answer
    is_async()
    if step.time_limit is None:
        return run_to_end(answer)
    return run_to_end(_limited(answer, step.time_limit, began))


async def _limited(awaitable: Awaitable[object], seconds: float, began: float) -> object:
    try:
        async with asyncio.timeout(began + seconds - monotonic()) as limit:
            answer = await awaitable
    except Exception as error:
        if limit.expired():
            raise time_limit_exceeded(seconds) from error
        raise
    # It was cancelled and answered all the same, or it blocked the loop that would cancel it.
    if limit.expired() or monotonic() - began > seconds:
        raise time_limit_exceeded(seconds)
    return answer


def time_limit_exceeded(seconds: float) -> TimeLimitExceeded:
    """Return the error of a handler that is still at work after so many seconds."""
    return TimeLimitExceeded(f"the handler was still at work after its time limit of {seconds:g} s")


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_to_end(awaitable: Awaitable[object]) -> object:
    """Return what an awaitable returns, also where the caller's own loop is running."""
    tasks: list[asyncio.Task[object]] = []

    async def main() -> object:
        tasks.extend(filter(None, [asyncio.current_task()]))
        return await awaitable

    if not _is_in_a_loop():
        return asyncio.run(main())
    # The caller's own event loop is busy with this very call, so a second one runs beside it.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            return thread.submit(context.run, lambda: asyncio.run(main())).result()
        except BaseException:
            # Either it has ended, or the caller was interrupted and does not wait for it.
            for task in tasks:
                with suppress(RuntimeError):  # its loop has been closed
                    task.get_loop().call_soon_threadsafe(task.cancel)
            if not tasks and inspect.iscoroutine(awaitable):
                awaitable.close()
            raise


def error_of(error: BaseException) -> StepError:
    """Return what is recorded of an exception that a handler raised."""
    message = _text(error, MAX_MESSAGE)
    return StepError(type(error).__name__[:MAX_NAME], message, cause=_cause(error))


def is_final(error: BaseException, retry: Retry | None) -> bool:
    """Tell whether a step that raised `error` must not be tried again.

    Of an exception group, every exception in it is checked.
    """
    unless = () if retry is None else retry.unless
    return any(
        isinstance(each, DoNotRetry) or not _names_of(each).isdisjoint(unless)
        for each in _with_members(error)
    )


def _names_of(error: BaseException) -> set[str]:
    return {class_name(kind) for kind in type(error).__mro__}


def _with_members(error: BaseException) -> Iterator[BaseException]:
    left = [error]
    while left:
        each = left.pop()
        yield each
        left.extend(_members(each))


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _cause(error: BaseException) -> str | None:
    try:
        text = "\n".join(_led_to(error, "", {id(error)}))
    except Exception as broken:  # noqa: BLE001 - a hostile exception must not lose the run
        text = f"what led to it could not be read ({type(broken).__name__})"
    return text[:MAX_CAUSE] or None


def _led_to(error: BaseException, indent: str, told: set[int]) -> Iterator[str]:
    """Yield a line for each note, each member of a group, and each cause of `error`."""
    notes = getattr(error, "__notes__", ())
    if isinstance(notes, list | tuple):
        yield from (f"{indent}note: {_text(note, MAX_MESSAGE)}" for note in notes[:_MAX_TOLD])
    for member in _members(error):
        yield from _told("in the group", member, indent, told)
    if error.__cause__ is not None:
        yield from _told("caused by", error.__cause__, indent, told)
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _told("raised while handling", error.__context__, indent, told)


def _told(how: str, error: BaseException, indent: str, told: set[int]) -> Iterable[str]:
    if id(error) in told or len(told) > _MAX_TOLD:
        return
    told.add(id(error))
    yield f"{indent}{how} {type(error).__name__}: {_text(error, MAX_MESSAGE)}"
    yield from _led_to(error, f"{indent}  ", told)


def _text(value: object, limit: int) -> str:
    try:
        text = str(value)
    except Exception as broken:  # noqa: BLE001 - a hostile __str__ must not lose the run
        text = f"its message could not be read ({type(broken).__name__})"
    # Of str itself: a subclass may do what it likes.
    return str.encode(text, "utf-8", "replace").decode()[:limit]
