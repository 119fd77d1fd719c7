"""The example runs of the specification, made anew with a clock and ids that count up.

Each is published in `scoria_features/examples/NAME.json`: the records of its journal, byte for
byte, the input of each handler, and the run in detail. A kit that differs in any of them does not
conform.
"""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from scoria_core import (
    Completed,
    Identity,
    NeedsApproval,
    Retry,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.conversion import converter
from scoria_core.ports import RunStore
from scoria_core.testing import CountedIds, SettableClock

STEP = StepSpec("work", "executor", {"n": 1, "text": "Grüße ✓", "big": 10**30})
REVIEW = StepSpec("review", "critic", {"draft": "v2"})
HANDOFF: dict[str, Any] = {
    "root_role_id": "planner",
    "delegated_kind": "review",
    "handoff_input": {"brief": "review"},
    "projected_context": {"task": "policy"},
    "capability_tags": ("read",),
}

Handler = Callable[[Step, RunSummary], Any]


class CountingClock:
    """A clock that advances by a second each time it is read."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the next second."""
        self.at += timedelta(seconds=1)
        return self.at


@attrs.define
class _Mortal:
    """A store that fails once its process is dead."""

    store: RunStore
    is_dead: bool = False

    def __getattr__(self, name: str) -> Any:
        if self.is_dead:
            raise ConnectionError
        return getattr(self.store, name)


def _needs(**more: Any) -> NeedsApproval:
    return NeedsApproval(
        tool_name="send_refund",
        arguments={"amount": 1250, "lines": ["b", "a"]},
        reason="over the limit of 1,000",
        **more,
    )


def _asks(**more: Any) -> Handler:
    def handler(step: Step, _: RunSummary) -> Any:
        if step.approval is not None and step.approval.status == "approved":
            return Completed({"sent": dict(step.approval.arguments)})
        return _needs(**more)

    return handler


def _asks_three(step: Step, _: RunSummary) -> object:
    if step.approvals:
        return Completed({"seen": [each.status for each in step.approvals]})
    goes_on: dict[str, Any] = {"on_reject": "resume"}
    return [
        _needs(call_id="call-1", keep=[{"role": "user"}], **goes_on),
        _needs(call_id="call-2", may_edit={"properties": {"amount": {"maximum": 999}}}, **goes_on),
        _needs(call_id="call-3", assigned_to=["reviewer-9"], **goes_on),
    ]


def _followed(answer: object) -> object:
    return Completed(answer.result, then=[REVIEW]) if type(answer) is Completed else answer


def _breaks(*_: object) -> None:
    raise LookupError("no such customer")


def _stops(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)


def _answers(result: dict[str, Any] | None) -> Handler:
    return lambda *_: result


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT interrupt, even if the shell ignores it for background processes."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


class ExampleRuns:
    """Makes the example runs in a store, in the same order each time."""

    def __init__(self, store: RunStore) -> None:
        self.store, self.clock, self.ids = store, CountingClock(), CountedIds()
        self.scoria = Scoria(store, clock=self.clock, ids=self.ids)
        self._given: list[Any] = []

    def made(self) -> dict[str, dict[str, Any]]:
        """Make every run; return each in its published form, by name, as plain JSON values."""
        return {name.replace("_", "-"): self._example(make) for name, make in self._all()}

    def _all(self) -> Iterator[tuple[str, Callable[[], RunSummary]]]:
        prefix = "_make_"
        names = [name for name in type(self).__dict__ if name.startswith(prefix)]
        return ((name.removeprefix(prefix), getattr(self, name)) for name in names)

    def _example(self, make: Callable[[], RunSummary]) -> dict[str, Any]:
        self._given = []
        run_id, read_at = make().run_id, self.clock.now()
        reader = Scoria(self.store, clock=SettableClock(read_at))
        return {
            "run_id": run_id,
            "records": [
                attrs.asdict(each) for run in self.store.read([run_id]) for each in run.records
            ],
            "given": self._given,
            "read_at": read_at.isoformat(),
            "detail": as_json(reader.get_run_detail(run_id)),
        }

    def _identity(self) -> Identity:
        return self.scoria.identity(
            actor_id="user-1",
            tenant_id="tenant-1",
            session_id="session-1",
            metadata={"plan": "team"},
        )

    def _noting(self, handler: Handler) -> Handler:
        """Record the arguments of a handler, at the time of the call."""

        def noting(step: Step, run: RunSummary) -> object:
            self._given.append({"step": as_json(step), "run": as_json(run)})
            return handler(step, run)

        return noting

    def _handlers(self, handler: Handler | None) -> dict[str, Any] | None:
        if handler is None:
            return None
        return {"work": self._noting(handler), "review": self._noting(handler)}

    def _start(
        self, handler: Handler | None = None, step: StepSpec | None = STEP, **more: Any
    ) -> RunSummary:
        return self.scoria.start_run(
            self._identity(),
            root_role_id="executor",
            initial_step=step,
            metadata={"prompt": "refund"},
            handlers=self._handlers(handler),
            **more,
        )

    def _hand_off(self, handler: Handler | None = None, **more: Any) -> RunSummary:
        return self.scoria.start_handoff_run(
            self._identity(), "critic", handlers=self._handlers(handler), **HANDOFF, **more
        )

    def _decide(
        self, run: RunSummary, decision: str, who: str = "reviewer-7", **said: Any
    ) -> RunSummary:
        decide = getattr(self.scoria, decision)
        approval_id = run.pending_approval.approval_id if run.pending_approval else ""
        decided: RunSummary = decide(
            run.run_id, approval_id=approval_id, decided_by=who, **{"note": "seen", **said}
        )
        return decided

    def _resume(self, run: RunSummary, handler: Handler) -> RunSummary:
        return self.scoria.resume_run(run.run_id, handlers=self._handlers(handler))

    def _newest(self) -> RunSummary:
        return self.scoria.list_runs(limit=1)[0]

    def _make_queued(self) -> RunSummary:
        return self._start(idempotency_key="order-7")

    def _make_completed(self) -> RunSummary:
        return self._start(_answers({"answer": 42}))

    def _make_waiting(self) -> RunSummary:
        return self._start(_asks())

    def _make_failed(self) -> RunSummary:
        return self._start(_breaks)

    def _make_approved(self) -> RunSummary:
        return self._decide(self._start(_asks(expires_in=3600)), "approve")

    def _make_approved_and_completed(self) -> RunSummary:
        run = self._start(_asks())
        return self._resume(self._decide(run, "approve"), _asks())

    def _make_rejected(self) -> RunSummary:
        return self._decide(self._start(_asks()), "reject")

    def _make_expired(self) -> RunSummary:
        run = self._start(_asks(expires_in=5))
        self.clock.at += timedelta(seconds=5)
        return run

    def _make_expired_and_asked_anew(self) -> RunSummary:
        return self._resume(self._make_expired(), _asks())

    def _make_approved_too_long_ago(self) -> RunSummary:
        run = self._decide(self._start(_asks(expires_in=60)), "approve")
        self.clock.at += timedelta(seconds=60)
        return self._resume(run, _asks())

    def _make_failed_and_retried(self) -> RunSummary:
        run = self._start(_breaks)
        handlers = self._handlers(_answers({"done": True}))
        return self.scoria.retry_run(run.run_id, handlers=handlers)

    def _make_tried_again_by_itself(self) -> RunSummary:
        return self._start(_breaks, step=attrs.evolve(STEP, retry=Retry()))

    def _make_asked_for_one_step_and_not_for_the_next(self) -> RunSummary:
        def handler(step: Step, run: RunSummary) -> object:
            if step.kind == "review":
                return {"approval": step.approval is not None}
            return _followed(_asks()(step, run))

        return self._resume(self._decide(self._start(handler), "approve"), handler)

    def _make_asked_for_two_steps(self) -> RunSummary:
        def handler(step: Step, run: RunSummary) -> object:
            answer = _asks()(step, run)
            return _followed(answer) if step.kind == "work" else answer

        run = self._resume(self._decide(self._start(handler), "approve"), handler)
        return self._decide(run, "approve", who="reviewer-8")

    def _make_asked_three_at_once(self) -> RunSummary:
        run = self._decide(self._start(_asks_three), "approve")
        run = self._decide(run, "approve", arguments={"amount": 999, "lines": []})
        return self._resume(self._decide(run, "reject", who="reviewer-9"), _asks_three)

    def _make_edited_and_answered(self) -> RunSummary:
        schema = {"properties": {"why": {"type": "string"}}, "required": ["why"]}
        asks = _asks(may_edit=True, answer_schema=schema)
        said: dict[str, Any] = {
            "arguments": {"amount": 1000},
            "answer": {"why": "the rest is not due"},
        }
        return self._resume(self._decide(self._start(asks), "approve", **said), asks)

    def _make_endorsed(self) -> RunSummary:
        asks = _asks(approvals_needed=2, not_by=["requester"], expires_in=3600)
        return self._decide(self._start(asks), "approve")

    def _make_approved_by_two(self) -> RunSummary:
        run = self._decide(self._start(_asks(approvals_needed=2)), "approve")
        self._decide(run, "approve", who="reviewer-8", resume=True)
        return self.scoria.run_pending(run.run_id, handlers=self._handlers(_asks()))[0]

    def _make_reminded(self) -> RunSummary:
        run = self._start(_asks(remind_after=60, call_id="call-1"))
        self.clock.at += timedelta(seconds=60)
        self.scoria.run_pending(run.run_id)
        return run

    def _make_asked_in_vain(self) -> RunSummary:
        asks = _asks(on_reject="resume")
        run = self._start(asks, step=attrs.evolve(STEP, max_requests=1))
        return self._resume(self._decide(run, "reject"), asks)

    def _make_driven_by_its_host(self) -> RunSummary:
        run = self._start(_answers(None), step=None)
        for spec in (STEP, REVIEW):
            handlers = self._handlers(_answers({"kind": spec.kind}))
            self.scoria.add_step(run.run_id, spec, handlers=handlers)
        return self.scoria.complete_run(run.run_id)

    def _make_cancelled_while_queued(self) -> RunSummary:
        return self.scoria.cancel_run(self._start().run_id, reason="no longer wanted")

    def _make_cancelled_while_waiting(self) -> RunSummary:
        return self.scoria.cancel_run(self._start(_asks()).run_id)

    def _make_released(self) -> RunSummary:
        with _interruptible():
            self._start(_stops)
        return self._newest()

    def _make_running_when_its_process_died(self) -> RunSummary:
        mortal: Any = _Mortal(self.store)

        def dies(*_: object) -> None:
            mortal.is_dead = True

        alive, self.scoria = self.scoria, Scoria(mortal, clock=self.clock, ids=self.ids)
        with suppress(ConnectionError):
            self._start(dies)
        self.scoria = alive
        return self._newest()

    def _make_handed_off(self) -> RunSummary:
        return self._hand_off(_answers({"verdict": "fits"}), idempotency_key="order-8")

    def _make_handed_off_and_asked(self) -> RunSummary:
        return self._resume(self._decide(self._hand_off(_asks()), "approve"), _asks())

    def _make_handed_off_and_retried(self) -> RunSummary:
        run = self._hand_off(_breaks)
        handlers = self._handlers(_answers({"fits": True}))
        return self.scoria.retry_run(run.run_id, handlers=handlers)

    def _make_handed_off_and_released(self) -> RunSummary:
        with _interruptible():
            self._hand_off(_stops)
        return self._newest()

    def _make_handed_off_and_cancelled(self) -> RunSummary:
        return self.scoria.cancel_run(self._hand_off().run_id)


def as_json(value: object) -> Any:
    """Return a value that the kit returned as plain JSON values."""
    return json.loads(converter.dumps(value))
