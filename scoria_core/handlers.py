"""The host's handlers: found by the kind of a step, called with the step and its run.

A handler answers `Completed`, `NeedsApproval`, `HandOff`, `Failed`, a mapping or None; it may be
`async def`.
"""

import asyncio
import contextvars
import inspect
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

from scoria_core.errors import InvalidPayload, UnknownHandler, shown
from scoria_core.model import RunSummary, Step, StepError
from scoria_core.outcomes import Outcome
from scoria_core.payloads import checked_name

HandlerAnswer = Outcome | Mapping[str, Any] | None
"""What a handler may answer; a mapping or None means `Completed`."""

Handler = Callable[[Step, RunSummary], HandlerAnswer | Awaitable[HandlerAnswer]]
"""A function, or an `async def`, that carries out a step of its run."""

Handlers = Mapping[str, Handler | str]
"""Handlers by the kind of step; a str is the name of one, as `package.module:function`."""

MAX_MESSAGE = 2_000
"""How many characters of an exception's message are kept."""


def resolve(handlers: Handlers | None) -> Mapping[str, Handler]:
    """Return the handlers as callables, by the kind of step they serve.

    Raises `UnknownHandler` naming the first that is no callable and names none.
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
        problem = f"are for kinds, and {shown(kind)} is none: it {error.problem}"
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
        raise UnknownHandler(kind, f"is {shown(name)}, which has no ':'")
    try:
        return pkgutil.resolve_name(name)
    except Exception as error:
        found = f"names {shown(name)}, which cannot be imported: {shown(error, 160)}"
        raise UnknownHandler(kind, found) from error


def call(handler: Handler, step: Step, run: RunSummary) -> object:
    """Call a handler and return what it answers; what a coroutine returns where it is one."""
    answer = handler(step, run)
    return _await(answer) if inspect.isawaitable(answer) else answer


def _await(awaitable: Awaitable[object]) -> object:
    async def main() -> object:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    # The caller's own event loop is busy with this very call, so a second one runs beside it.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(context.run, asyncio.run, main()).result()


def error_of(error: BaseException) -> StepError:
    """Return what is recorded of an exception that a handler raised."""
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - a hostile __str__ must not lose the run
        message = f"its message could not be read ({type(broken).__name__})"
    message = message.encode("utf-8", "replace").decode()[:MAX_MESSAGE]
    return StepError(type(error).__name__, message)
