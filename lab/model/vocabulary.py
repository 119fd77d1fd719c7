"""What callers do, each by its words: every call composed as the facade composes it.

The words are those of a script, so that a counter-example reads as what a host would do.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import attrs

from scoria_core import (
    Completed,
    Failed,
    HandOff,
    Identity,
    NeedsApproval,
    Step,
    StepError,
    StepSpec,
    decisions,
)
from scoria_core.decisions import Change
from scoria_core.outcomes import Outcome
from scoria_core.payloads import digest
from scoria_core.run import Run, RunFacts

TICK = timedelta(minutes=1)
"""How long a request for approval stays open, where it expires, and how fast time passes."""

MAX_APPROVALS = 3
"""How many requests of a run can be named."""

KINDS = ("served", "unserved")
"""The kinds of step: callers have a handler for the first of them."""

IDENTITY = Identity("user-1", "tenant-1", "session-1")
KEY = "start-1"

_HANDLED = KINDS[:1]
_FACTS = RunFacts(
    IDENTITY, "planner", {}, driven_by="steps", idempotency_key=KEY, arguments_digest=digest({})
)

Decide = Callable[[Change], object]
Call = Callable[[Change], Step | None]
Answer = Callable[[Change, Step], Step | None]


@attrs.frozen
class Claim:
    """One attempt at a step, by its place among the steps of the run."""

    step: int
    attempt: int

    @classmethod
    def of(cls, claimed: Step | None) -> "Claim | None":
        """Return the claim on a step, or None where none was claimed."""
        return None if claimed is None else cls(claimed.sequence, claimed.attempt)

    def on(self, run: Run) -> Step:
        """Return the step as it was claimed."""
        return attrs.evolve(list(run.steps.values())[self.step - 1], attempt=self.attempt)

    def stands(self, run: Run) -> bool:
        """Tell whether the step is still at work on this attempt."""
        step = list(run.steps.values())[self.step - 1]
        return step.status == "running" and step.attempt == self.attempt


@attrs.frozen
class Command:
    """A call by its words, or what became of the handler that was entered on `claim`."""

    text: str
    claim: Claim | None = None

    def decide(self, change: Change) -> Step | None:
        """Decide on the run of `change`, and return the step that is claimed with it, or None.

        Raises the `ScoriaError` that refuses the command.
        """
        if self.claim is None:
            return {**STARTS, **CALLS}[self.text](change)
        return ANSWERS[self.text](change, self.claim.on(change.run))


def _spec(kind: str) -> StepSpec:
    return StepSpec(kind, "executor", {"prompt": kind})


def _adds(kind: str) -> Decide:
    return lambda change: decisions.add_step(change, _spec(kind))


def _hands_off(kind: str) -> Decide:
    return lambda change: decisions.start_handoff(change, "planner", _handoff(kind))


def _handoff(kind: str) -> HandOff:
    return HandOff(
        delegated_role_id="critic",
        delegated_kind=kind,
        handoff_input={"brief": kind},
        projected_context={"task": "review"},
        capability_tags=("read",),
    )


def _needs_approval(expires_in: timedelta | None = None) -> NeedsApproval:
    arguments = {"to": ["all"], "amount": 1}
    return NeedsApproval(
        tool_name="send", arguments=arguments, reason="goes out", expires_in=expires_in
    )


def _with_handlers(decide: Decide) -> Call:
    def call(change: Change) -> Step | None:
        decide(change)
        return decisions.claim_next(change, _HANDLED)

    return call


def _without_handlers(decide: Decide) -> Call:
    def call(change: Change) -> Step | None:
        decide(change)
        return decisions.claim_next(change, ())

    return call


def _both(words: str, decide: Decide) -> dict[str, Call]:
    return {
        words: _with_handlers(decide),
        f"{words} without handlers": _without_handlers(decide),
    }


def _start(queue: Decide, facts: RunFacts = _FACTS) -> Call:
    def call(change: Change) -> Step | None:
        if change.run.version:
            return None  # the key has its run already, and a repeated start returns that
        change.actor_id = IDENTITY.actor_id
        decisions.start(change, facts)
        queue(change)
        return decisions.claim_next(change, _HANDLED)

    return call


def _decided(trigger: str, number: int) -> Call:
    def call(change: Change) -> None:
        approvals = [*change.run.approvals, *["unknown"] * number]
        change.actor_id = "reviewer-7"
        getattr(decisions, trigger)(change, approvals[number - 1], "noted")

    return call


def _answered(outcome: Outcome | StepError) -> Answer:
    def answer(change: Change, claimed: Step) -> Step | None:
        concluded = decisions.conclude(change, claimed, outcome)
        return decisions.claim_next(change, _HANDLED) if concluded else None

    return answer


def _released(change: Change, claimed: Step) -> None:
    decisions.release(change, claimed)


def _starts() -> dict[str, Call]:
    queues: dict[str, Decide] = {f"start_run {kind}": _adds(kind) for kind in KINDS}
    queues |= {f"start_handoff_run {kind}": _hands_off(kind) for kind in KINDS}
    by_host = {"start_run": _start(lambda _: None, attrs.evolve(_FACTS, driven_by="host"))}
    return by_host | {words: _start(queue) for words, queue in queues.items()}


def _calls() -> dict[str, Call]:
    calls: dict[str, Call] = {"run_pending": _with_handlers(lambda _: None)}
    for kind in KINDS:
        calls |= _both(f"add_step {kind}", _adds(kind))
    calls |= _both("resume_run", lambda change: decisions.resume(change))
    calls |= _both("retry_run", lambda change: decisions.retry(change))
    for number in range(1, MAX_APPROVALS + 1):
        calls |= {f"{each} {number}": _decided(each, number) for each in ("approve", "reject")}
    calls["cancel_run"] = lambda change: decisions.cancel(change, "no longer needed")
    calls["complete_run"] = lambda change: decisions.complete_run(change)
    return calls


def _answers() -> dict[str, Answer]:
    outcomes: dict[str, Any] = {
        "Completed": Completed({"answer": 42}),
        "Completed and asks for more": Completed(then=[_spec(KINDS[0])]),
        "Failed": Failed("not today"),
        "NeedsApproval": _needs_approval(),
        "NeedsApproval that expires": _needs_approval(TICK),
        **{f"HandOff {kind}": _handoff(kind) for kind in KINDS},
    }
    answers = {f"handler answers {name}": _answered(each) for name, each in outcomes.items()}
    raised = _answered(StepError("LookupError", "no such customer"))
    return {**answers, "handler raises": raised, "handler is stopped": _released}


STARTS: Mapping[str, Call] = MappingProxyType(_starts())
"""The calls that start a run; all have one idempotency key."""

CALLS: Mapping[str, Call] = MappingProxyType(_calls())
"""The calls on a run that has started."""

ANSWERS: Mapping[str, Answer] = MappingProxyType(_answers())
"""What can become of a handler that was entered, and what is then recorded."""
