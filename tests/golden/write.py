"""Write the journals of a few runs, the same each time: `python tests/golden/write.py`.

They are kept so that a change of the format is noticed. Nothing has been released: where the change
is meant, write them again.
"""

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from scoria_core import (
    Completed,
    NeedsApproval,
    Retry,
    RunDetail,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_memory import MemoryStore

JOURNALS = Path(__file__).parent / "journals"
STEP = StepSpec("work", "executor", {"n": 1, "text": "Grüße ✓", "big": 10**30})


class Clock:
    """A second later at each look."""

    at = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the next second."""
        self.at += timedelta(seconds=1)
        return self.at


class Ids:
    """Ids that count."""

    last = 0

    def new_id(self) -> str:
        """Return the next id."""
        self.last += 1
        return f"01900000-0000-7000-8000-{self.last:012x}"


@attrs.define
class Mortal:
    """A store that its process reaches until it dies."""

    store: MemoryStore
    is_dead: bool = False

    def __getattr__(self, name: str) -> Any:
        if self.is_dead:
            raise ConnectionError
        return getattr(self.store, name)


def asks(expires_in: float | None = None) -> Callable[[Step, RunSummary], object]:
    """Ask for approval, and be done when it was given."""

    def handler(step: Step, _: RunSummary) -> object:
        if step.approval is not None and step.approval.status == "approved":
            return Completed({"sent": dict(step.approval.arguments)})
        arguments = {"amount": 1250, "lines": ["b", "a"]}
        return NeedsApproval(
            tool_name="send_refund", arguments=arguments, reason="over", expires_in=expires_in
        )

    return handler


def breaks(*_: object) -> None:
    """Raise, as a handler with a defect does."""
    raise LookupError("no such customer")


def stops(*_: object) -> None:
    """Be at work when the process is told to end."""
    signal.raise_signal(signal.SIGINT)


class Author:
    """Makes the runs, each under the name of what became of it."""

    def __init__(self) -> None:
        self.store, self.clock, self.ids = MemoryStore(), Clock(), Ids()
        self.scoria = Scoria(self.store, clock=self.clock, ids=self.ids)

    def start(
        self,
        handler: Any = None,
        scoria: Scoria | None = None,
        step: StepSpec = STEP,
        **more: Any,
    ) -> RunSummary:
        """Start a run of one step."""
        facade = scoria or self.scoria
        identity = facade.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
        handlers = None if handler is None else {"work": handler}
        facts = {"root_role_id": "executor", "initial_step": step, "metadata": {"prompt": "refund"}}
        return facade.start_run(identity, handlers=handlers, **facts, **more)

    def runs(self) -> dict[str, str]:
        """Make every run, and return their ids."""
        made = {
            "queued": self.start(idempotency_key="order-7"),
            "waiting": self.start(asks()),
            "failed": self.start(breaks),
            "approved-and-completed": self._decided("approve"),
            "rejected": self._decided("reject"),
            "expired-and-asked-anew": self._expired(),
            "failed-and-retried": self._retried(),
            "handed-off": self._hand_off(lambda *_: {"verdict": "fits"}, "order-8"),
            "cancelled-while-waiting": self.scoria.cancel_run(self.start(asks()).run_id),
            "released": self._ended(stops, self.start),
            "running-when-its-process-died": self._died(),
            "tried-again-by-itself": self.start(breaks, step=attrs.evolve(STEP, retry=Retry())),
            "handed-off-and-retried": self._handed_off_and_retried(),
            "handed-off-and-released": self._ended(stops, self._hand_off),
            "handed-off-and-cancelled": self.scoria.cancel_run(self._hand_off(None).run_id),
        }
        return {name: run.run_id for name, run in made.items()}

    def _decided(self, decision: str) -> RunSummary:
        run = self.start(asks())
        assert run.pending_approval is not None
        approval_id = run.pending_approval.approval_id
        decide = getattr(self.scoria, decision)
        decided = decide(run.run_id, approval_id=approval_id, decided_by="reviewer-7", note="ok")
        if decision == "approve":
            self.scoria.resume_run(run.run_id, handlers={"work": asks()})
        return decided

    def _expired(self) -> RunSummary:
        run = self.start(asks(expires_in=5))
        self.clock.at += timedelta(seconds=5)
        return self.scoria.resume_run(run.run_id, handlers={"work": asks()})

    def _retried(self) -> RunSummary:
        run = self.start(breaks)
        return self.scoria.retry_run(run.run_id, handlers={"work": lambda *_: {"done": True}})

    def _handed_off_and_retried(self) -> RunSummary:
        run = self._hand_off(breaks)
        return self.scoria.retry_run(run.run_id, handlers={"review": lambda *_: {"fits": True}})

    def _hand_off(self, handler: Any, key: str | None = None) -> RunSummary:
        return self.scoria.start_handoff_run(
            self.scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1"),
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "review"},
            projected_context={"task": "policy"},
            capability_tags=("read",),
            handlers=handler and {"review": handler},
            idempotency_key=key,
        )

    def _ended(self, handler: Any, start: Callable[[Any], object]) -> RunSummary:
        with suppress(KeyboardInterrupt, ConnectionError):
            start(handler)
        return self.scoria.list_runs(limit=1)[0]

    def _died(self) -> RunSummary:
        mortal: Any = Mortal(self.store)

        def dies(*_: object) -> None:
            mortal.is_dead = True

        scoria = Scoria(mortal, clock=self.clock, ids=self.ids)
        return self._ended(dies, lambda handler: self.start(handler, scoria))


def meaning(detail: RunDetail) -> dict[str, Any]:
    """Return what a journal says, as plain values."""
    return {
        "run": detail.summary.status,
        "steps": [[step.kind, step.status, step.attempt, step.result] for step in detail.steps],
        "approvals": [[each.status, each.decided_by] for each in detail.approvals],
        "handoffs": [[each.delegated_role_id, each.status] for each in detail.delegated_handoffs],
    }


def journals() -> dict[str, str]:
    """Return the text of each file, by the name of its run."""
    author = Author()
    written = {}
    for name, run_id in author.runs().items():
        golden = {
            "run_id": run_id,
            "meaning": meaning(author.scoria.get_run_detail(run_id)),
            "records": [attrs.asdict(record) for record in author.store.read(run_id)],
        }
        written[name] = f"{json.dumps(golden, ensure_ascii=False, indent=1)}\n"
    return written


def main() -> None:
    """Write a file for each run."""
    for name, text in journals().items():
        (JOURNALS / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
