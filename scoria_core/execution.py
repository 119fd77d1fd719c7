"""Steps carried out in the caller: claim, enter the handler, record, go on with the next.

The claim is stored before the handler is entered and its outcome before the call returns, so a
process that dies in between leaves a record of what it was doing.
"""

import asyncio
from collections.abc import Callable, Mapping

import attrs

from scoria_core import decisions, handlers
from scoria_core.checks import Checks
from scoria_core.decisions import Change
from scoria_core.handlers import Handler
from scoria_core.leases import HEART, Lease
from scoria_core.logs import logger_of
from scoria_core.model import RunSummary, Step, StepError
from scoria_core.outcomes import Outcome
from scoria_core.repository import RunRepository
from scoria_core.run import Run

logger = logger_of("scoria")


@attrs.define
class Execution:
    """Carries out the steps of one run that there are handlers for."""

    repository: RunRepository
    checks: Checks
    handlers: Mapping[str, Handler]
    lease: Lease
    is_stopping: Callable[[], bool] = bool
    claimed: Step | None = None

    def claim(self, change: Change) -> None:
        """Claim the next step within `change`, if there is a handler for it and none to stop."""
        self.claimed = None
        if not self.is_stopping():
            self.claimed = decisions.claim_next(change, self.handlers, self.lease)

    def carry_out(self, run: Run) -> Run:
        """Carry out the claimed step, and those after it, and return the run as it then is."""
        while self.claimed is not None:
            run = self._carry_out_one(self.claimed, run)
        return run

    def _carry_out_one(self, step: Step, run: Run) -> Run:
        summary = run.summary(self.repository.now())
        self.repository.kept.keep(run)  # others may change it while its handler is at work
        _tell("claimed", step, summary)
        try:
            with HEART.holding(key_of(step), self.lease, lambda: self._renew(step)):
                outcome = self._outcome(step, summary)
        except BaseException:
            # The process is being stopped: the step goes back to the queue for another.
            self.claimed = None
            self.repository.change(step.run_id, lambda change: decisions.release(change, step))
            _tell("released", step, summary)
            raise

        def conclude(change: Change) -> bool:
            self.claimed = None
            if decisions.conclude(change, step, outcome):
                self.claim(change)
                return True
            return False

        run, recorded = self.repository.change(step.run_id, conclude)
        if recorded:
            _tell(run.steps[step.step_id].status, step, summary)
        else:
            logger.warning(
                "late result of step %s of run %s of tenant %s was not recorded: the step moved on",
                step.step_id,
                run.run_id,
                run.tenant_id,
            )
        return run

    def _renew(self, step: Step) -> bool:
        held = self.repository.renew(step.run_id, lambda run: decisions.is_still_claimed(run, step))
        if not held:
            logger.warning(
                "step %s of run %s was taken from its handler, which is still at work: its "
                "result will not be recorded",
                step.step_id,
                step.run_id,
            )
        return held

    def _outcome(self, step: Step, summary: RunSummary) -> Outcome | StepError:
        try:
            answer = handlers.call(self.handlers[step.kind], step, summary)
            return self.checks.outcome(answer)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - any exception of a handler is a failed step, never a lost run
            return handlers.error_of(error)


def _tell(what: str, step: Step, run: RunSummary) -> None:
    logger.info(
        "%s: step %s (%s, attempt %s) of run %s of tenant %s",
        what,
        step.step_id,
        step.kind,
        step.attempt,
        run.run_id,
        run.tenant_id,
    )


def key_of(step: Step) -> tuple[str, str, int]:
    """Return what names one attempt of a step."""
    return step.run_id, step.step_id, step.attempt
