"""Wrong on purpose: leases, recovery, retries, and who carries out a step."""

from lab.mutants.kit import catalogue

breaks = catalogue()

LEASE_HOLDS = "goes on when its lease has ended"
LIVE_ONE = "longer than its lease"

breaks.add(
    "a lease never ends",
    "STEP-18",
    LEASE_HOLDS,
    [("run:Run.due_at", "return since + (step.lease or Lease()).length", "return None")],
)
breaks.add(
    "every lease has the length of the default",
    "STEP-18",
    LEASE_HOLDS,
    [
        (
            "run:Run.due_at",
            "(step.lease or Lease())",
            "Lease()",
        )
    ],
)
breaks.add(
    "a lease ends only after its time",
    "STEP-18",
    LEASE_HOLDS,
    [("decisions:recover_overdue", "due_at <= change.at", "due_at < change.at")],
)
breaks.add(
    "a step whose process died fails at once",
    "STEP-18",
    LEASE_HOLDS,
    [("decisions:recover", "if step.attempt < most:", "if False:")],
)
breaks.add(
    "who owns a store recovers nothing",
    "STEP-18",
    "gives up the steps of a dead process",
    [("scoria:Scoria.recover", "if Capability.MULTI_PROCESS in", "if True or")],
)
breaks.add(
    "who owns a store waits for the leases of the dead",
    "STEP-18",
    "gives up the steps of a dead process",
    [
        (
            "scoria:Scoria.recover",
            "self._runs.due(sys.maxsize, until=datetime.max.replace(tzinfo=UTC))",
            "self._runs.due(sys.maxsize)",
        )
    ],
)
breaks.add(
    "a lease ends at once",
    "STEP-19",
    "A change of the run does not end the lease",
    [("run:Run.due_at", "since + (step.lease or Lease()).length", "since")],
)
breaks.add(
    "the heart does not beat",
    "STEP-19",
    LIVE_ONE,
    [
        (
            "heartbeat:Heartbeat._attend",
            "if self._answer(renewal, renewal.renew, otherwise=True):",
            "if True:",
        )
    ],
)
breaks.add(
    "the heart beats once",
    "STEP-19",
    LIVE_ONE,
    [
        (
            "heartbeat:Heartbeat._attend",
            "renewal.renew_at = time.monotonic() + renewal.every",
            "renewal.stop()",
        )
    ],
)
breaks.add(
    "a lease is renewed to when it would have ended",
    "STEP-19",
    LIVE_ONE,
    [
        (
            "repository:RunRepository.renew",
            "run.due_at(self.now())",
            "run.due_at(run.journal[-1].at)",
        )
    ],
)
breaks.add(
    "a store that is opened twice recovers the steps of the living",
    "STEP-19",
    LIVE_ONE,
    [("scoria:Scoria._recover", "return not at_work and ", "return ")],
)
breaks.add(
    "a lease is taken though it was renewed",
    "STEP-19",
    "A lease that was renewed is not taken",
    [
        ("scoria:Scoria._work", "change.only_if_due = decisions", "recovered = decisions"),
        ("scoria:Scoria._work", "return change.only_if_due", "return recovered"),
    ],
)
breaks.add(
    "a step that is queued ends the lease of the one at work",
    "STEP-19",
    "A change of the run does not end the lease",
    [
        (
            "run:Run.due_at",
            "if step is not None:",
            "if step is not None and next(self.queued_steps(), None) is None:",
        )
    ],
)
breaks.add(
    "a step that kills its workers has attempts without end",
    "STEP-20",
    "fails in the end",
    [("decisions:recover", "if step.attempt < most:", "if True:")],
)
breaks.add(
    "a step that kills its workers has an attempt too many",
    "STEP-20",
    "fails in the end",
    [("decisions:recover", "step.attempt < most", "step.attempt <= most")],
)
breaks.add(
    "a step that killed its workers does not say why it failed",
    "STEP-20",
    "LeaseExpired",
    [("decisions:recover", '"LeaseExpired"', '"Failed"')],
)
breaks.add(
    "a retry that is declared is not made",
    "STEP-21",
    "is tried again, later each time",
    [
        (
            "decisions:_delay_of",
            "claimed.retry.delay_after(claimed.attempt)",
            "None",
        )
    ],
)
breaks.add(
    "a step is tried again at once",
    "STEP-21",
    "is tried again, later each time",
    [
        (
            "decisions:conclude",
            "not_before=(change.at + delay).isoformat()",
            "not_before=change.at.isoformat()",
        )
    ],
)
breaks.add(
    "a step is claimed before it may be tried again",
    "STEP-21",
    "is tried again, later each time",
    [("decisions:claim_next", "step.not_before > change.at", "False")],
)
breaks.add(
    "a step that waits to be tried again is pending",
    "STEP-21",
    "is tried again, later each time",
    [("run:Run.due_at", "queued.not_before or since", "since")],
)
breaks.add(
    "every delay is as long as the first",
    "STEP-21",
    "is tried again, later each time",
    [("outcomes:Retry.delay_after", "self.factor ** (attempt - 1)", "1")],
)
breaks.add(
    "the last attempt is made for ever",
    "STEP-21",
    "After its last attempt",
    [("outcomes:Retry.delay_after", "attempt >= self.max_attempts", "False")],
)
breaks.add(
    "a step is tried again once more than it declares",
    "STEP-21",
    "After its last attempt",
    [
        (
            "outcomes:Retry.delay_after",
            "attempt >= self.max_attempts",
            "attempt > self.max_attempts",
        )
    ],
)
breaks.add(
    "each attempt has an idempotency key of its own",
    "STEP-22",
    "have one idempotency key",
    [("model:Step.idempotency_key", "self.step_id", 'f"{self.step_id}-{self.attempt}"')],
)
breaks.add(
    "the steps of a run share an idempotency key",
    "STEP-22",
    "have one idempotency key",
    [("model:Step.idempotency_key", "self.step_id", "self.run_id")],
)
breaks.add(
    "steps of two runs share an idempotency key",
    "STEP-22",
    "have one idempotency key",
    [("model:Step.idempotency_key", "self.step_id", 'f"step-{self.sequence}"')],
)
breaks.add(
    "a host that queues carries out its steps itself",
    "STEP-23",
    "A host that queues its steps",
    [("scoria:Scoria._claimable", "== Dispatch.INLINE", "!= Dispatch.THREAD")],
)
breaks.add(
    "a host that uses threads waits for them",
    "STEP-23",
    "has its call answered first",
    [
        (
            "scoria:Scoria._carried_out",
            "self._submit(run.run_id, handlers)",
            "self._work_on_thread(run.run_id, handlers)",
        )
    ],
)
breaks.add(
    "the tenant who was first is served first",
    "STEP-24",
    "The tenants take turns",
    [("scoria:Scoria.list_pending", ", fair=True", "")],
)
breaks.add(
    "a request that expired is left waiting",
    "STEP-25",
    "is put anew",
    [("scoria:Scoria._work", "decisions.resume_expired(change, handlers)", "pass")],
)
breaks.add(
    "a run is never due for its request",
    "STEP-25",
    "is put anew",
    [
        (
            "run:Run.due_at",
            "return None if request is None else request.expires_at",
            "return None",
        )
    ],
)
breaks.add(
    "a request that expired is given up without a handler",
    "STEP-25",
    "waits for whoever has a handler",
    [("decisions:resume_expired", " or step.kind not in kinds", "")],
)
