"""A month of runs of every kind, for tests that look at many of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from scoria_core import Failed, RunSummary, Scoria, StepSpec
from scoria_core.testing import SettableClock
from tests.support.scripted import HANDOFF, needs, scripted

RUBBISH = {"n": 10**400, "f": 1e-7, "text": "é\u2028\x00 \U0001f30b 'quoted' \\n", "empty": {}}
"""What a payload may hold and a format may lose."""


def _a_month_ago() -> SettableClock:
    return SettableClock(datetime.now(UTC) - timedelta(days=30))


@attrs.define
class History:
    """A host, and what it did from a month ago on."""

    url: str
    clock: SettableClock = attrs.field(
        factory=lambda: SettableClock(datetime.now(UTC) - timedelta(days=30))
    )
    host: Scoria = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.host = Scoria.open(self.url, clock=self.clock)

    def started(self, *answers: Any, tenant_id: str = "tenant-1", **more: Any) -> RunSummary:
        """Start a run of one step whose handler gives these answers in turn."""
        identity = self.host.identity(
            actor_id="user-1", tenant_id=tenant_id, session_id="session-1"
        )
        return self.host.start_run(
            identity,
            root_role_id="executor",
            initial_step=StepSpec("work", "executor", RUBBISH),
            handlers={"work": scripted(*answers)} if answers else None,
            **more,
        )

    def asked(self, tool_name: str, **more: Any) -> RunSummary:
        """Start a run that waits for a person."""
        return self.started(needs(tool_name=tool_name, arguments={"n": 10**20}, **more))

    def decided(self, tool_name: str, minutes: float, by: str, decision: str = "approve") -> None:
        """Have a person decide after so many minutes, and the run go on where it can."""
        run = self.asked(tool_name)
        self.clock.advance(minutes=minutes)
        assert run.pending_approval is not None
        approval_id = run.pending_approval.approval_id
        decide = getattr(self.host, decision)
        decide(run.run_id, approval_id=approval_id, decided_by=by, note=f"after {minutes}")
        if decision == "approve":
            self.host.resume_run(run.run_id, handlers={"work": scripted(None)})

    def handed(self, *answers: Any, **more: Any) -> RunSummary:
        """Hand work to another role whose handler gives these answers, one to each attempt."""
        identity = self.host.identity(
            actor_id="user-1", tenant_id="tenant-1", session_id="session-2"
        )
        handler = scripted(*answers)
        handlers = {"review": handler, "draft": handler}
        run = self.host.start_handoff_run(identity, handlers=handlers, **{**HANDOFF, **more})
        for _ in answers[1:]:
            self.clock.advance(minutes=1)
            run = self.host.retry_run(run.run_id, handlers=handlers)
        return run


def lived(url: str) -> History:
    """Return a store in which runs have completed, failed, been cancelled, and wait."""
    past = History(url)
    for minutes in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
        past.decided("send_refund", minutes, f"reviewer-{minutes % 3}")
    past.decided("send_refund", 120, "reviewer-7", "reject")
    past.decided("publish", 4, "reviewer-7")
    past.asked("send_refund")
    past.asked("send_refund", expires_in=60)
    past.host.cancel_run(past.asked("send_refund").run_id)
    past.handed({"verdict": "fits"})
    past.handed(Failed("no quota"), {"verdict": "fits"})
    past.handed(Failed("no quota"), Failed("no model"))
    past.handed(Failed("too long"), delegated_role_id="writer", delegated_kind="draft")
    past.started({"done": True}, tenant_id="tenant-2", idempotency_key="order-7")
    past.started(ValueError("broken"), tenant_id="tenant-2")
    past.started(tenant_id="tenant-2")
    return past
