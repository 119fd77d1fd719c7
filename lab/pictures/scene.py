"""An account in which everything has happened that a page of the console can show."""

import attrs

from scoria_core import Identity, RunSummary, Scoria, StepSpec
from scoria_core.testing import SettableClock
from scoria_demo import HANDLERS

ACCOUNT, USER, FIRST, SECOND = "account-1", "user-1", "reviewer-7", "reviewer-8"


@attrs.frozen
class Scene:
    """The runs that are in the picture, by what they show; and a request that can be decided."""

    runs: dict[str, RunSummary]
    open_request: str
    decided_request: str

    @classmethod
    def set(cls, scoria: Scoria, clock: SettableClock) -> "Scene":
        """Have a user ask, and two reviewers decide some of it."""
        stage = _Stage(scoria, clock)
        edited = stage.reply("May I return the blue kettle?")
        decided = stage.decide(
            edited,
            "approve",
            FIRST,
            arguments={"reply": "Yes, within 30 days, and we pay the postage."},
            note="Shorter, and with the postage",
        )
        stage.decide(stage.reply("Where is my parcel?"), "reject", SECOND, note="Say by when")
        rejected = stage.reply("Do you ship to the moon?")
        stage.decide(rejected, "reject", SECOND, note="Be kinder")
        stage.decide(scoria.get_run(rejected.run_id), "approve", FIRST)
        handoff = stage.handoff("Our policy allows returns within 30 days.")
        failed = stage.refund("A-99", 35)
        cancelled = stage.refund("A-19", 12)
        clock.advance(minutes=3)
        scoria.cancel_run(cancelled.run_id, reason="No longer needed", actor_id=USER)
        large = stage.refund("A-17", 1_250)
        stage.decide(large, "approve", FIRST, note="The order was returned whole")
        small = stage.refund("A-18", 80)
        clock.advance(minutes=17)
        assert small.pending_approval is not None
        runs = {
            "waiting": large,
            "completed": edited,
            "rejected": rejected,
            "handoff": handoff,
            "failed": failed,
            "cancelled": cancelled,
        }
        request = f"{small.run_id}/{small.pending_approval.approval_id}"
        return cls(runs, request, f"{edited.run_id}/{decided}")


@attrs.frozen
class _Stage:
    scoria: Scoria
    clock: SettableClock

    def reply(self, prompt: str) -> RunSummary:
        return self._start(StepSpec("approval", "executor"), prompt)

    def refund(self, order: str, amount: int) -> RunSummary:
        step = StepSpec("refund", "executor", input={"order": order, "amount": amount})
        return self._start(step, f"Refund {amount} for {order}")

    def handoff(self, draft: str) -> RunSummary:
        self.clock.advance(minutes=2)
        return self.scoria.start_handoff_run(
            self._who(),
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "Review the draft answer for policy and accuracy"},
            projected_context={"task": "policy-and-accuracy review", "draft_answer": draft},
            metadata={"payload": {"prompt": draft}},
            handlers=HANDLERS,
        )

    def decide(self, run: RunSummary, decision: str, by: str, **more: object) -> str:
        """Decide the request of a run some minutes later, carry it on, and return its id."""
        self.clock.advance(minutes=4, seconds=12)
        asked = run.pending_approval
        assert asked is not None
        call = self.scoria.approve if decision == "approve" else self.scoria.reject
        call(run.run_id, approval_id=asked.approval_id, decided_by=by, resume=True, **more)  # type: ignore[arg-type]  # what either takes
        self.clock.advance(seconds=2)
        self.scoria.run_pending(run.run_id)
        return asked.approval_id

    def _start(self, step: StepSpec, prompt: str) -> RunSummary:
        self.clock.advance(minutes=2)
        return self.scoria.start_run(
            self._who(),
            root_role_id="executor",
            initial_step=step,
            metadata={"payload": {"prompt": prompt}},
            handlers=HANDLERS,
        )

    def _who(self) -> Identity:
        return self.scoria.identity(actor_id=USER, tenant_id=ACCOUNT, session_id="session-1")
