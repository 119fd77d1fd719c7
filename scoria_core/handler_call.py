"""Calls a handler for a claimed step: what it answers or raises becomes the outcome of the step.

A plain function is called where the step is carried out; what an `async def` returns is awaited on
the event loop of the facade.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

import attrs

from scoria_core import event_loop, handlers
from scoria_core.errors import AsyncHandlerRefused, ScoriaError
from scoria_core.event_loop import Awaited, BrokenOff, HandlersLoop, awaited_on, is_in_a_loop
from scoria_core.handlers import Handler
from scoria_core.heartbeat import HEARTBEAT, Renewal
from scoria_core.interrupts import SignalHandlers, interrupts_seen, is_stop, signal_handlers
from scoria_core.model import RunSummary, Step, StepError
from scoria_core.outcomes import Outcome
from scoria_core.ports import RunStore
from scoria_core.validation import Validator

_Key = tuple[str, str, int]

_ENTERED: ContextVar[tuple[tuple[RunStore, _Key], ...]] = ContextVar("_ENTERED", default=())


def key_of(step: Step) -> _Key:
    """Return the key of one attempt of a step: its run, its step, its attempt."""
    return step.run_id, step.step_id, step.attempt


def entered_handler(store: RunStore) -> _Key | None:
    """Return the key (run, step, attempt) of the handler of `store` that is calling, or None."""
    calling = (
        key for of_store, key in _ENTERED.get() if of_store is store and HEARTBEAT.is_renewing(key)
    )
    return next(calling, None)


@attrs.frozen
class Raised:
    """What a handler raised, or what was wrong with its answer."""

    error: StepError
    exception: BaseException | None
    is_final: bool


@attrs.define(eq=False)
class HandlerCall:
    """A call of the handler of a step; `outcome` is set when it has answered or raised.

    `outcome` stays None if the handler was interrupted: then the step is released.
    """

    handler: Handler
    step: Step
    run: RunSummary
    renewal: Renewal
    store: RunStore
    validator: Validator
    loop: HandlersLoop
    is_exiting: Callable[[], bool]
    outcome: Outcome | Raised | None = None
    _awaited: Awaited | None = None
    _known: SignalHandlers = frozenset()

    def make(self) -> None:
        """Call the handler in this thread. Raises only what a signal handler raised (a stop).

        A coroutine is awaited on the loop of the facade, and this thread waits for it.
        """
        with self._entering(), interrupts_seen() as known:
            self._take(self._answer, known)

    async def make_async(self) -> None:
        """Await an async handler on the running loop, as a task; then call `take`.

        If the caller is cancelled, so is the handler, which then has `CANCEL_GRACE` seconds to end.
        """
        self._known = signal_handlers()
        self.renewal.extend_limit(event_loop.CANCEL_GRACE)
        with self._entering():
            self._awaited = Awaited(self._awaited_answer())
            task = self._awaited.begin()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            self._awaited.cancel()
            await asyncio.wait([task], timeout=event_loop.CANCEL_GRACE)
            raise

    def take(self) -> None:
        """Set the outcome of a handler that was awaited; raises as `make` does."""
        awaited, self._awaited = self._awaited, None
        if awaited is not None and awaited.ended.is_set():
            self._take(awaited.result, self._known)

    def _take(self, answer_of: Callable[[], object], known: SignalHandlers) -> None:
        try:
            answer = answer_of()
        except BrokenOff:
            return
        except BaseException as error:
            if is_stop(error, known):
                raise
            # While the interpreter exits, modules it uses may be gone: the step did not fail.
            if not self.is_exiting():
                self.outcome = self._raised(error, known)
        else:
            self._answers(answer, known)

    async def _awaited_answer(self) -> object:
        began = monotonic()
        answer: Any = self.handler(self.step, self.run)
        return await handlers.limited(answer, self.step.time_limit, began)

    def _answer(self) -> object:
        began = monotonic()
        answer = self.handler(self.step, self.run)
        if not inspect.isawaitable(answer):
            return answer
        if is_in_a_loop():  # a plain function that returns a coroutine: not known before the call
            event_loop.leave(answer)
            raise AsyncHandlerRefused(self.step.kind)
        self.renewal.extend_limit(event_loop.CANCEL_GRACE)
        limited = handlers.limited(answer, self.step.time_limit, began)
        try:
            return awaited_on(self.loop.running(), limited)
        finally:
            event_loop.leave(limited)
            event_loop.leave(answer)

    def _answers(self, answer: object, known: SignalHandlers) -> None:
        try:
            self.outcome = self.validator.outcome(answer)
        except BaseException as error:
            if is_stop(error, known):
                raise
            # The handler has done its work, and a retry would give the same invalid answer.
            self.outcome = attrs.evolve(self._raised(error, known), is_final=True)
            if isinstance(error, ScoriaError):
                error.__traceback__ = None  # its lines are of the kit, and none of the handler's

    def _raised(self, error: BaseException, known: SignalHandlers) -> Raised:
        """Return what is recorded of an exception, even if reading it raises another."""
        try:
            is_final = handlers.is_final(error, self.step.retry)
            return Raised(handlers.error_of(error), error, is_final)
        except BaseException as broken:
            if is_stop(broken, known):
                raise
            return Raised(handlers.UNREADABLE, None, is_final=False)

    @contextmanager
    def _entering(self) -> Iterator[None]:
        token = _ENTERED.set((*_ENTERED.get(), (self.store, key_of(self.step))))
        try:
            yield
        finally:
            _ENTERED.reset(token)
