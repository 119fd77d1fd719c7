"""Carries out steps: claim, have the handler called, record the outcome, claim the next.

It is work in parts: each part ends with a call of a handler that is to be made. `carried_out` makes
it in this thread; `AsyncScoria` awaits it, and does the parts between in threads.

The claim is stored before the handler is called, and the outcome before the call returns. So a
process that dies in between leaves a record of what it was doing. A call that is interrupted
releases its claim.
"""

import inspect
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeVar

import attrs

from scoria_core import decisions, handlers
from scoria_core.decisions import Change
from scoria_core.errors import RunNotFound, ScoriaError
from scoria_core.event_loop import HandlersLoop
from scoria_core.handler_call import HandlerCall, Raised, key_of
from scoria_core.handlers import Handler
from scoria_core.heartbeat import HEARTBEAT, Renewal
from scoria_core.interrupts import is_exiting
from scoria_core.leases import Lease
from scoria_core.lifecycles import ApprovalStatus, StepStatus
from scoria_core.logs import about, logger_of
from scoria_core.model import RunSummary, Step
from scoria_core.outcomes import NeedsApproval, Outcome
from scoria_core.repository import RunRepository
from scoria_core.run import Run
from scoria_core.validation import Validator
from scoria_core.visible import visible_line

logger = logger_of("scoria")

T = TypeVar("T")

Work = Generator[HandlerCall, None, T]
"""What is to be done, in parts: it yields each call of a handler, to be made before the next part.
"""


def carried_out(work: Work[T]) -> T:
    """Do the work, and return what it returns; the handlers are called in this thread."""
    try:
        while True:
            next(work).make()
    except StopIteration as ended:
        answer: T = ended.value
        return answer
    except BaseException as error:
        interrupt(work, error)
        raise


def interrupt(work: Work[T], error: BaseException) -> None:
    """Interrupt work between two of its parts, by an error that it raises; one that has ended is.

    It records what a handler has answered, or gives back what was claimed.
    """
    if inspect.getgeneratorstate(work) == inspect.GEN_SUSPENDED:
        work.throw(error)


@attrs.frozen
class Execution:
    """Carries out the steps of one run that there are handlers for.

    `lease` has a `holder` of its own, by which an interrupted call finds its claim and releases it.
    `ends_at_exit`: this runs on a daemon thread, so an error while the interpreter exits releases
    the step instead of failing it.
    """

    repository: RunRepository
    validator: Validator
    handlers: Mapping[str, Handler]
    lease: Lease
    loop: HandlersLoop
    is_stopping: Callable[[], bool] = bool
    ends_at_exit: bool = False

    @contextmanager
    def begun(self, run_id: str) -> Iterator[None]:
        """Claim and carry out within this block; if it is interrupted, release its claim."""
        if not self.handlers:
            yield
            return
        give_back = partial(self._clean_up, run_id, self._release)
        with HEARTBEAT.running(self.lease, give_back):
            try:
                yield
            except ScoriaError:
                raise  # the store failed, and a release would fail too: the lease will expire
            except BaseException:
                give_back()
                raise

    def claim(self, change: Change) -> Step | None:
        """Claim the next step, if it has a handler and this facade is not stopping."""
        if not self.handlers or self._is_stopping():
            return None
        if not HEARTBEAT.is_running():
            logger.warning("no thread could be started to renew claims: steps stay queued")
            return None
        return decisions.claim_next(change, self.handlers, self.lease)

    def carry_out(self, run: Run, step: Step | None) -> Work[Run]:
        """Carry out a claimed step, and those after it, and return the run as it then is.

        Yields each call of a handler, for the caller to make.
        """
        while step is not None:
            summary = run.summary(self.repository.now())
            self.repository.cache.put_back(run)  # others may change it while its handler works
            _log("claimed", step, summary)
            call: HandlerCall | None = None
            try:
                if not self._is_stopping():
                    with self._renewing(step) as renewal:
                        call = self._call(step, summary, renewal)
                        yield call
                outcome = None if call is None else call.outcome
                run, recorded, following = self._record(step, outcome)
            except ScoriaError:
                raise
            except BaseException:
                # Record the answer before re-raising, so that the handler does not run again.
                if call is not None and call.outcome is not None:
                    self._clean_up(step.run_id, _conclusion(step, call.outcome))
                raise
            if recorded:
                _log_outcome(outcome, run, step, summary)
                if outcome is not None and _asks_again(step, outcome):
                    told = (
                        "step %s of run %s asked again for what was approved: a handler reads the "
                        "decision in step.approval, or in step.approvals if it asked for several"
                    )
                    logger.warning(told, step.step_id, run.run_id, extra=_about(step, summary))
            elif outcome is not None:
                _log_late_result(step, summary)
            step = following
        return run

    def _record(
        self, step: Step, outcome: Outcome | Raised | None
    ) -> tuple[Run, bool, Step | None]:
        """Record what came of a step, and claim the next one.

        Returns the run, whether the claim still stood, and the next step.
        """
        if outcome is None:
            run, recorded = self.repository.change(
                step.run_id, lambda change: decisions.release(change, step)
            )
            return run, recorded, None
        conclude = _conclusion(step, outcome)
        run, (recorded, following) = self.repository.change(
            step.run_id,
            lambda change: (True, self.claim(change)) if conclude(change) else (False, None),
        )
        return run, recorded, following

    def _release(self, change: Change) -> bool:
        """Release what this execution has claimed, if the claim was stored."""
        step = change.run.active_step()
        if step is None or step.lease is None or step.lease.holder != self.lease.holder:
            return False
        return decisions.release(change, step)

    def _clean_up(self, run_id: str, decide: Callable[[Change], bool]) -> None:
        """Change the run after an interrupt; errors are only logged, as the interrupt goes on."""
        try:
            if self.repository.change(run_id, decide)[1]:
                told = "cleaned up after an interrupt: run %s"
                logger.info(told, run_id, extra=about(run_id=run_id))
        except RunNotFound:
            pass  # the run was not stored either
        except Exception:
            logger.warning(
                "could not clean up run %s: its step is free when its lease expires",
                run_id,
                exc_info=True,
                extra=about(run_id=run_id),
            )

    def _is_stopping(self) -> bool:
        return self.is_stopping() or self._is_exiting()

    def _is_exiting(self) -> bool:
        return self.ends_at_exit and is_exiting()

    def _renewing(self, step: Step) -> AbstractContextManager[Renewal]:
        return HEARTBEAT.renewing(
            key_of(step),
            self.lease,
            lambda: self._renew(step),
            step.time_limit,
            lambda: self._fail_overdue(step),
        )

    def _renew(self, step: Step) -> bool:
        return self.repository.renew(step.run_id, lambda run: decisions.is_still_claimed(run, step))

    def _fail_overdue(self, step: Step) -> bool:
        """Fail a step whose handler cannot be interrupted; the handler may run for ever."""
        error = handlers.error_of(handlers.time_limit_exceeded(step.time_limit or 0.0))
        run, recorded = self.repository.change(
            step.run_id, lambda change: decisions.conclude(change, step, error, is_final=True)
        )
        if recorded:
            logger.error(
                "failed: step %s (%s, attempt %s) of run %s of tenant %s: %s; it keeps its thread, "
                "and its result will not be recorded",
                step.step_id,
                visible_line(step.kind),
                step.attempt,
                run.run_id,
                visible_line(run.tenant_id),
                error,
                extra=_about(step, run.summary(self.repository.now())),
            )
        return True

    def _call(self, step: Step, summary: RunSummary, renewal: Renewal) -> HandlerCall:
        return HandlerCall(
            self.handlers[step.kind],
            step,
            summary,
            renewal,
            self.repository.store,
            self.validator,
            self.loop,
            self._is_exiting,
        )


def _conclusion(step: Step, outcome: Outcome | Raised) -> Callable[[Change], bool]:
    """Return the decision that records what came of a step; it returns whether the claim stood."""
    if isinstance(outcome, Raised):
        error, is_final = outcome.error, outcome.is_final
        return lambda change: decisions.conclude(change, step, error, is_final=is_final)
    return lambda change: decisions.conclude(change, step, outcome)


def _log(what: str, step: Step, run: RunSummary) -> None:
    if logger.isEnabledFor(logging.INFO):  # most hosts do not listen, and a line costs many calls
        logger.info(*_log_line(what, step, run), extra=_about(step, run))


def _log_outcome(
    outcome: Outcome | Raised | None,
    run: Run,
    step: Step,
    summary: RunSummary,
) -> None:
    status = "released" if outcome is None else run.steps[step.step_id].status
    if not isinstance(outcome, Raised):
        _log(status, step, summary)
    elif status == StepStatus.FAILED:
        line = _log_line("failed", step, summary)
        logger.error(*line, exc_info=outcome.exception, extra=_about(step, summary))
    else:
        line = _log_line("to be tried again", step, summary)
        logger.warning(*line, exc_info=outcome.exception, extra=_about(step, summary))


def _asks_again(step: Step, outcome: Outcome | Raised) -> bool:
    """Tell whether a step requests exactly what was approved in this very attempt."""
    asked = (outcome,) if isinstance(outcome, NeedsApproval) else outcome
    if not step.approvals or not isinstance(asked, tuple):
        return False
    return any(
        (each.tool_name, each.arguments) == (was.tool_name, was.proposed_arguments)
        for each in asked
        for was in step.approvals
        if was.status == ApprovalStatus.APPROVED
    )


def _log_late_result(step: Step, run: RunSummary) -> None:
    logger.warning(
        "late result of step %s of run %s of tenant %s was not recorded: the step moved on",
        step.step_id,
        run.run_id,
        visible_line(run.tenant_id),
        extra=_about(step, run),
    )


def _about(step: Step, run: RunSummary) -> Mapping[str, object]:
    return about(
        run_id=run.run_id,
        tenant_id=run.tenant_id,
        session_id=run.session_id,
        actor_id=run.actor_id,
        step_id=step.step_id,
        kind=step.kind,
        role_id=step.role_id,
        attempt=step.attempt,
    )


def _log_line(what: str, step: Step, run: RunSummary) -> tuple[str, str, str, str, int, str, str]:
    return (
        "%s: step %s (%s, attempt %s) of run %s of tenant %s",
        what,
        step.step_id,
        visible_line(step.kind),
        step.attempt,
        run.run_id,
        visible_line(run.tenant_id),
    )
