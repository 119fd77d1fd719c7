"""The runs that hosts start: what they are, and how the model says each of them ends."""

import random
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from scoria_core import Retry, RunSummary, Scoria, StepSpec

ATTEMPTS = 1_000
"""So often may the workers of a step die: here the killing goes on for long."""


@attrs.frozen
class Script:
    """The kind of the first step, how the run may end, and what the host decides meanwhile."""

    kind: str
    ends: tuple[str, ...] = ("completed",)
    decision: str = "approve"
    retry: Retry | None = None
    is_handoff: bool = False
    is_cancelled: bool = False


SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "plain": Script("work"),
        "handed off": Script("work", is_handoff=True),
        "handing off": Script("plan"),
        "approved": Script("refund"),
        "rejected": Script("refund", ends=("cancelled",), decision="reject"),
        "tried again": Script("flaky", retry=Retry(max_attempts=ATTEMPTS, delay=0.2, factor=1)),
        "given up": Script("doomed", ends=("failed",), retry=Retry(max_attempts=2, delay=0.2)),
        "cancelled": Script("work", ends=("cancelled", "completed"), is_cancelled=True),
    }
)


@attrs.frozen
class Draw:
    """One run of a host: the same for one seed, host and number, whoever was killed meanwhile."""

    key: str
    script: Script
    seconds: float
    tenant_id: str

    @classmethod
    def of(cls, seed: int, host: str, number: int) -> "Draw":
        """Draw a run."""
        chance = random.Random(f"{seed}/{host}/{number}")  # noqa: S311 - it only has to repeat
        script = chance.choice(list(SCRIPTS.values()))
        # One in eight outlives a lease, which then is renewed.
        seconds = 4.0 if chance.random() < 0.125 else chance.uniform(0.01, 0.6)
        tenant_id = chance.choice(("tenant-1", "tenant-2", "tenant-3"))
        return cls(f"{host}/{number}", script, seconds, tenant_id)

    def start(self, scoria: Scoria) -> RunSummary:
        """Start the run, or return it where it was started before."""
        identity = scoria.identity(
            actor_id="user-1", tenant_id=self.tenant_id, session_id="session-1"
        )
        facts = {"seconds": self.seconds}
        if self.script.is_handoff:
            return scoria.start_handoff_run(
                identity,
                "critic",
                root_role_id="planner",
                delegated_kind=self.script.kind,
                handoff_input=facts,
                projected_context={"task": "review"},
                idempotency_key=self.key,
            )
        return scoria.start_run(
            identity,
            root_role_id="executor",
            initial_step=StepSpec(self.script.kind, "executor", facts, self.script.retry),
            idempotency_key=self.key,
        )
