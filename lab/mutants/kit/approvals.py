"""Wrong on purpose: what the kit does with approvals."""

from lab.mutants.kit import catalogue

breaks = catalogue()

LATER_OF_BOTH = (
    "repository:RunRepository._change",
    "max(self.now(), run.journal[-1].at) if run.journal else self.now()",
    "self.now()",
)
"""The time of a change, taken from the clock alone."""

breaks.add(
    "a request is shown without its reason",
    "APPROVAL-3",
    "need a person",
    [("decisions:_request_approval", "reason=needs.reason", "reason=''")],
)
breaks.add(
    "a run does not wait for its request",
    "APPROVAL-4",
    "waiting_for_approval",
    [
        (
            "decisions:_request_approval",
            'change.move("run", change.run.run_id, "request_approval")',
            "pass",
        )
    ],
)
breaks.add(
    "a step that asks again keeps its first request",
    "APPROVAL-4",
    "A run waits exactly",
    [
        (
            "run:Run._index",
            "self._approval_of[step_id] = approval_id",
            "self._approval_of.setdefault(step_id, approval_id)",
        )
    ],
)
breaks.add(
    "a decision does not say who made it",
    "APPROVAL-5",
    "reviewer-7",
    [("run:_approval_changes", '"decided_by": entry.actor_id', '"decided_by": None')],
)
breaks.add(
    "the note of a decision is dropped",
    "APPROVAL-5",
    "'ok'",
    [("run:_approval_changes", '"note": note', '"note": None')],
)
breaks.add(
    "a decision may be taken back",
    "APPROVAL-6",
    "A decision is made once",
    [
        (
            "decisions:_pending",
            "if status == ApprovalStatus.PENDING:",
            "if status != ApprovalStatus.EXPIRED:",
        ),
        (
            "decisions:_decide",
            "change.move(",
            "if approval.status == ApprovalStatus.PENDING: change.move(",
        ),
        (
            "decisions:reject",
            "_cancel_steps(change)",
            ("if approval.status != ApprovalStatus.PENDING: return\n    _cancel_steps(change)"),
        ),
    ],
)
breaks.add(
    "a second decision is lost in silence",
    "APPROVAL-7",
    "ApprovalNotPending",
    [
        (
            "decisions:approve",
            'approval = _pending(change, approval_id, "approve")',
            (
                "if change.run.approvals[approval_id].status != "
                "ApprovalStatus.PENDING: return\n"
                '    approval = _pending(change, approval_id, "approve")'
            ),
        )
    ],
)
breaks.add(
    "a rejection overrules an approval",
    "APPROVAL-7",
    "Of one yes and one no",
    [
        (
            "decisions:reject",
            'approval = _pending(change, approval_id, "reject")',
            (
                "if change.run.approvals[approval_id].status == "
                "ApprovalStatus.APPROVED: return cancel(change, note)\n"
                '    approval = _pending(change, approval_id, "reject")'
            ),
        ),
        (
            "decisions:approve",
            'approval = _pending(change, approval_id, "approve")',
            (
                "if change.run.approvals[approval_id].status == "
                "ApprovalStatus.REJECTED: return\n"
                '    approval = _pending(change, approval_id, "approve")'
            ),
        ),
    ],
)
breaks.add(
    "a run is resumed before anyone decided",
    "APPROVAL-8",
    "before a person has decided",
    [
        (
            "decisions:resume",
            "if run.as_of(approval, change.at).status == ApprovalStatus.PENDING:",
            "if False:",
        )
    ],
)
breaks.add(
    "a resumed step does not get its approval",
    "APPROVAL-9",
    "An approved run is resumed",
    [
        (
            "run:Run.step_view",
            "approval=approval and _handed_out(self.as_of(approval, now))",
            "approval=None",
        )
    ],
)
breaks.add(
    "a resumed step gets other arguments",
    "APPROVAL-9",
    "An approved run is resumed",
    [
        (
            "run:Run.step_view",
            "approval=approval and _handed_out(self.as_of(approval, now))",
            "approval=approval and replaced(self.as_of(approval, now), arguments={})",
        )
    ],
)
breaks.add(
    "a rejected approval resumes",
    "APPROVAL-10",
    "What was rejected never runs again",
    [
        (
            "decisions:reject",
            (
                "    _cancel_steps(change)\n"
                '    change.move("run", change.run.run_id, "reject", reason=note)'
            ),
            "    pass",
        )
    ],
)
breaks.add(
    "a rejection has no reason",
    "APPROVAL-10",
    "too risky",
    [("decisions:reject", "reason=note", "reason=None")],
)
breaks.add(
    "an approval never expires",
    "APPROVAL-11",
    "expired",
    [
        (
            "run:Run.as_of",
            "if approval.expires_at is None or ",
            "if True or ",
        )
    ],
)
breaks.add(
    "an expired approval may be approved",
    "APPROVAL-11",
    "An expired approval authorises nothing",
    [
        (
            "decisions:_pending",
            "status = change.run.as_of(approval, change.at).status",
            "status = approval.status",
        )
    ],
)
breaks.add(
    "a listing shows an expired request as open",
    "APPROVAL-11",
    "An expired approval authorises nothing",
    [("run:Run._pending_approval", "self.as_of(approval, now).status", "approval.status")],
)
breaks.add(
    "the journal keeps no expiry",
    "APPROVAL-12",
    "The journal tells of an approval that expired",
    [
        (
            "decisions:_expire_overdue",
            'change.move("approval", approval.approval_id, "expire")',
            "pass",
        )
    ],
)
breaks.add(
    "an expired request cannot be resumed",
    "APPROVAL-13",
    "which is pending",
    [("decisions:resume", "run.as_of(approval, change.at).status", "approval.status")],
)
breaks.add(
    "nobody decides",
    "APPROVAL-14",
    "A decision has somebody who made it",
    [("scoria:Scoria._decide", 'checked_id(decided_by, "decided_by")', "str(decided_by)")],
)
breaks.add(
    "a decision by nobody names another field",
    "APPROVAL-14",
    "actor_id",
    [
        (
            "scoria:Scoria._decide",
            'checked_id(decided_by, "decided_by")',
            'checked_id(decided_by, "actor_id")',
        )
    ],
)
breaks.add(
    "any approval_id will do",
    "APPROVAL-15",
    "does not count for another",
    [
        (
            "decisions:_pending",
            "change.run.approvals.get(approval_id)",
            "next(iter(change.run.approvals.values()), None)",
        )
    ],
)
breaks.add(
    "deciding again is taken for done",
    "APPROVAL-2",
    "An approval is not moved by a call out of place",
    [
        (
            "decisions:approve",
            'approval = _pending(change, approval_id, "approve")',
            (
                "if change.run.approvals[approval_id].status != ApprovalStatus.PENDING:\n"
                "        return\n"
                '    approval = _pending(change, approval_id, "approve")'
            ),
        )
    ],
)
breaks.add(
    "an old yes authorises",
    "APPROVAL-16",
    "nobody used in time",
    [("run:Run.as_of", "approval.status == ApprovalStatus.APPROVED", "False")],
)
breaks.add(
    "an old yes is shown as expired, and used",
    "APPROVAL-16",
    "authorises nothing",
    [("decisions:claim_next", 'change.move("approval", approval.approval_id, "expire")', "pass")],
)
breaks.add(
    "a yes that was used in time is shown as expired later",
    "APPROVAL-16",
    "A yes that was used in time stays",
    [("run:Run.as_of", "self.steps[approval.step_id].status in _YET_TO_RUN", "True")],
)
breaks.add(
    "a worker resumes what a person decided on",
    "APPROVAL-17",
    "waits for its host",
    [("decisions:resume_expired", "approval.decided_by is not None", "False")],
)
breaks.add(
    "expiry is judged by the clock alone",
    "APPROVAL-18",
    "whose clock is ahead",
    [("run:Run.as_of", "max(now, self.journal[-1].at)", "now"), LATER_OF_BOTH],
)
breaks.add(
    "an entry is as early as the clock",
    "JOURNAL-8",
    "before it",
    [LATER_OF_BOTH],
)
