"""What workers and hosts do: sleep as long as the step says, and do its side effect once."""

import time
from collections.abc import Mapping

from lab.chaos.ledger import Ledger
from scoria_core import Completed, HandOff, NeedsApproval, RunSummary, Step
from scoria_core.handlers import Handler
from scoria_core.outcomes import Outcome


def registry() -> Mapping[str, Handler]:
    """Return the handlers, with the ledger that this process was started with."""
    ledger = Ledger.of_environment()

    def work(step: Step, _: RunSummary) -> Outcome:
        with ledger.at_work(step):
            time.sleep(step.input["seconds"])
            ledger.carry_out(step)
        return Completed({"effect": step.idempotency_key})

    def flaky(step: Step, run: RunSummary) -> Outcome:
        if step.attempt > 1:
            return work(step, run)
        with ledger.at_work(step):
            raise ConnectionError("no answer yet")

    def doomed(step: Step, _: RunSummary) -> Outcome:
        with ledger.at_work(step):
            raise ConnectionError("no answer ever")

    def refund(step: Step, _: RunSummary) -> Outcome:
        with ledger.at_work(step):
            time.sleep(step.input["seconds"])
            if step.approval is None or step.approval.status != "approved":
                arguments = {"order": step.run_id}
                return NeedsApproval(tool_name="refund", arguments=arguments, reason="It is money")
            ledger.carry_out(step, step.approval)
        return Completed({"effect": step.idempotency_key})

    def plan(step: Step, _: RunSummary) -> Outcome:
        with ledger.at_work(step):
            return HandOff(
                delegated_role_id="critic",
                delegated_kind="work",
                handoff_input={"seconds": step.input["seconds"]},
                projected_context={"task": "review"},
            )

    return {"work": work, "flaky": flaky, "doomed": doomed, "refund": refund, "plan": plan}


def waiting() -> Mapping[str, Handler]:
    """Return a handler whose first attempt waits until a file `go` is in the ledger."""
    ledger = Ledger.of_environment()
    name = ledger.process.partition(".")[0]

    def wait(step: Step, _: RunSummary) -> Outcome:
        with ledger.at_work(step):
            while step.attempt == 1 and not (ledger.directory / "go").exists():
                time.sleep(0.05)
            ledger.carry_out(step)
        return Completed({"by": name})

    return {"wait": wait}


def noting() -> Mapping[str, Handler]:
    """Return a handler that only notes that it was entered."""
    ledger = Ledger.of_environment()

    def note(step: Step, _: RunSummary) -> Outcome:
        with ledger.at_work(step):
            return Completed()

    return {"note": note}
