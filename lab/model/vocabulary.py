"""What callers do, each by its words: every call composed as the facade composes it.

The words are those of a script, so that a counter-example reads as what a host would do.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

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
from scoria_core.decisions import Change, Decision
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


def _needs_approval(**more: Any) -> NeedsApproval:
    arguments = {"to": ["all"], "amount": 1}
    return NeedsApproval(tool_name="send", arguments=arguments, reason="goes out", **more)


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


def _decided(
    trigger: Literal["approve", "reject"], number: int, who: str = "reviewer-7", **more: Any
) -> Call:
    def call(change: Change) -> None:
        approvals = [*change.run.approvals, *["unknown"] * number]
        change.actor_id = who
        decision = Decision(trigger, approvals[number - 1], "noted", **more)
        decisions.decide(change, decision, decisions.as_decided(change, decision))

    return call


def _what_is_due(change: Change) -> None:
    decisions.settle_overdue(change)
    decisions.resume_expired(change, _HANDLED)


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
    calls: dict[str, Call] = {"run_pending": _with_handlers(_what_is_due)}
    for kind in KINDS:
        calls |= _both(f"add_step {kind}", _adds(kind))
    calls |= _both("resume_run", lambda change: decisions.resume(change))
    calls |= _both("retry_run", lambda change: decisions.retry(change))
    for number in range(1, MAX_APPROVALS + 1):
        calls[f"approve {number}"] = _decided("approve", number)
        calls[f"reject {number}"] = _decided("reject", number)
    calls["cancel_run"] = lambda change: decisions.cancel(change, "no longer needed")
    calls["complete_run"] = lambda change: decisions.complete_run(change)
    return calls


def _more_calls() -> dict[str, Call]:
    calls: dict[str, Call] = {
        "reject 2 and resume": _decided("reject", 2, resume=True),
        "approve 1 edited": _decided("approve", 1, arguments={"amount": 2}, answer={"why": "less"}),
        "approve 1 with an answer": _decided("approve", 1, answer={"why": "fine"}, resume=True),
    }
    for who in (IDENTITY.actor_id, "reviewer-7", "reviewer-8", "reviewer-9"):
        calls[f"{who} approves 1"] = _decided("approve", 1, who)
    calls["reviewer-9 rejects 1"] = _decided("reject", 1, "reviewer-9")
    return calls


def _answers() -> dict[str, Answer]:
    outcomes: dict[str, Any] = {
        "Completed": Completed({"answer": 42}),
        "Completed and asks for more": Completed(then=[_spec(KINDS[0])]),
        "Failed": Failed("not today"),
        "NeedsApproval": _needs_approval(),
        "NeedsApproval that expires": _needs_approval(expires_in=TICK),
        **{f"HandOff {kind}": _handoff(kind) for kind in KINDS},
    }
    answers = {f"handler answers {name}": _answered(each) for name, each in outcomes.items()}
    raised = _answered(StepError("LookupError", "no such customer"))
    return {**answers, "handler raises": raised, "handler is stopped": _released}


def _more_answers() -> dict[str, Answer]:
    two = (_needs_approval(expires_in=TICK), _needs_approval(on_reject="resume", keep=[1]))
    of_three = _needs_approval(approvals_needed=2, not_by=["requester"], expires_in=2 * TICK)
    rich = _needs_approval(
        may_edit=True, answer_schema={"type": "object"}, remind_after=TICK, expires_in=2 * TICK
    )
    outcomes: dict[str, Any] = {
        "two NeedsApproval": two,
        "NeedsApproval by two people": of_three,
        "NeedsApproval to edit": rich,
    }
    return {f"handler answers {name}": _answered(each) for name, each in outcomes.items()}


_START, _CALLS, _ANSWERS = _starts(), _calls(), _answers()

STARTS: Mapping[str, Call] = MappingProxyType(_START)
"""The calls that start a run; all have one idempotency key."""

CALLS: Mapping[str, Call] = MappingProxyType(_CALLS | _more_calls())
"""The calls on a run that has started."""

ANSWERS: Mapping[str, Answer] = MappingProxyType(_ANSWERS | _more_answers())
"""What can become of a handler that was entered, and what is then recorded."""


@attrs.frozen
class Words:
    """What callers do in one search: some of the starts, the calls and the answers."""

    starts: tuple[str, ...]
    calls: tuple[str, ...]
    answers: tuple[str, ...]


_SERVED = ("start_run served",)
_GOES_ON = ("run_pending", "resume_run", "retry_run", "cancel_run")
_ENDS = ("handler answers Completed", "handler raises", "handler is stopped")

SEARCHES: Mapping[str, Words] = MappingProxyType(
    {
        "lifecycles": Words(tuple(_START), tuple(_CALLS), tuple(_ANSWERS)),
        "together": Words(
            _SERVED,
            (*_GOES_ON, "approve 1", "reject 1", "approve 2", "reject 2", "reject 2 and resume"),
            ("handler answers two NeedsApproval", *_ENDS),
        ),
        "quorum": Words(
            _SERVED,
            (
                *_GOES_ON,
                f"{IDENTITY.actor_id} approves 1",
                *(f"reviewer-{number} approves 1" for number in (7, 8, 9)),
                "reviewer-9 rejects 1",
            ),
            ("handler answers NeedsApproval by two people", *_ENDS),
        ),
        "edits": Words(
            _SERVED,
            (*_GOES_ON, "approve 1", "approve 1 edited", "approve 1 with an answer", "reject 1"),
            ("handler answers NeedsApproval to edit", *_ENDS),
        ),
    }
)
"""What each search is about: all four lifecycles, or one way in which people decide."""
