"""Kits that are wrong about what is approved: edits, answers, notes, digests."""

from typing import Any

import attrs

from lab.first_contact.batch_4.kits_tools import (
    World,
    digest_of,
    forged,
    refusal,
    replace,
    request,
    works,
    wrong_kit,
)
from scoria_core import Approval, Completed, Scoria, decisions, run
from scoria_core import history as history_module
from scoria_core.errors import InvalidPayload, StoreCorrupt
from scoria_core.payloads import MAX_BYTES, digest
from scoria_core.run import Run
from scoria_core.validation import Validator

SHORT = 2_000


def make_merged() -> None:
    """Take an edit as a patch of what was proposed."""
    as_it_was = decisions._edited

    def edited(approval: Approval, decision: Any) -> Approval:
        if decision.arguments is not None and approval.may_edit is not False:
            merged = {**approval.proposed_arguments, **decision.arguments}
            decision = attrs.evolve(decision, arguments=merged)
        return as_it_was(approval, decision)

    decisions._edited = edited


def show_merged(make: Any) -> None:
    """Assert that an edit can leave an argument out."""
    make()
    proposed = {"amount": 1, "express": True}
    world = World([request(arguments=proposed, may_edit=True), Completed()])
    world.approve(arguments={"amount": 2})
    world.resume()
    assert world.last_seen().approval.arguments == {"amount": 2}


def make_equal_by_python() -> None:
    """Compare an edit with the proposal as Python does, to which true is 1."""
    as_it_was = decisions._edited

    def edited(approval: Approval, decision: Any) -> Approval:
        if decision.arguments == approval.proposed_arguments:
            decision = attrs.evolve(decision, arguments=None)
        return as_it_was(approval, decision)

    decisions._edited = edited


def show_equal_by_python(make: Any) -> None:
    """Assert that true is another argument than 1."""
    make()
    world = World([request(arguments={"urgent": 1}, may_edit=True), Completed()])
    world.approve(arguments={"urgent": True})
    world.resume()
    assert world.last_seen().approval.arguments["urgent"] is True


def make_answer_lost() -> None:
    """Forget the answer of a yes that also edits."""
    as_it_was = run._CHANGE["approval"]

    def changes(approval: Approval, entry: Any) -> dict[str, Any]:
        found = as_it_was(approval, entry)
        if "arguments" in entry.data:
            found.pop("answer", None)
        return found

    run._CHANGE["approval"] = changes  # type: ignore[index]


def show_answer_lost(make: Any) -> None:
    """Assert that a yes can edit and answer at once."""
    make()
    question = {"properties": {"plan": {"type": "string"}}, "required": ["plan"]}
    world = World([request(may_edit=True, answer_schema=question), Completed()])
    world.approve(arguments={"amount": 2}, answer={"plan": "b"})
    world.resume()
    assert world.last_seen().approval.arguments == {"amount": 2}
    assert world.last_seen().approval.answer == {"plan": "b"}


def make_own_limit() -> None:
    """Hold what people say to the limit of the kit, and not to that of the host."""
    as_it_was = Validator.decision

    def decision(self: Validator, *of: Any, **more: Any) -> Any:
        return as_it_was(attrs.evolve(self, max_bytes=MAX_BYTES), *of, **more)

    Validator.decision = decision  # type: ignore[method-assign]


def show_own_limit(make: Any) -> None:
    """Assert that an edit is held to the limit that the host set."""
    make()
    world = World([request(may_edit=True), Completed()], options={"max_payload_bytes": 1_000})
    refusal(lambda: world.approve(arguments={"memo": "x" * 5_000}), InvalidPayload)


def make_proposal_on_retry() -> None:
    """Give a step that is tried again what it had proposed."""
    as_it_was = Run.step_view

    def view(self: Run, step_id: str, now: Any) -> Any:
        step = as_it_was(self, step_id, now)
        if step.attempt == 1:
            return step
        proposed = [
            attrs.evolve(
                each, arguments=each.proposed_arguments, arguments_digest=each.proposed_digest
            )
            for each in step.approvals
        ]
        return attrs.evolve(step, approvals=tuple(proposed))

    Run.step_view = view  # type: ignore[method-assign]


def show_proposal_on_retry(make: Any) -> None:
    """Assert that a step that is retried gets what was approved."""
    make()
    world = World([request(may_edit=True), ValueError("not now"), Completed()])
    world.approve(arguments={"amount": 2})
    assert world.resume().status == "failed"
    assert world.scoria.retry_run(world.run_id).status == "completed"
    assert world.last_seen().approval.arguments == {"amount": 2}


def make_digest_of_edit() -> None:
    """Take the digest of the edit, too, for that of what was seen."""
    as_it_was = decisions.as_decided

    def as_decided(change: Any, decision: Any) -> Approval:
        if decision.arguments is not None:
            named = decision.arguments_digest
            seen = None if named == digest(decision.arguments) else named
            decision = attrs.evolve(decision, arguments_digest=seen)
        return as_it_was(change, decision)

    replace(as_it_was, as_decided)


def show_digest_of_edit(make: Any) -> None:
    """Assert that a decision must name the digest of the proposal."""
    make()
    world = World([request(may_edit=True), Completed()])
    edit = {"amount": 2}
    error = refusal(
        lambda: world.approve(arguments=edit, arguments_digest=digest_of(edit)), InvalidPayload
    )
    assert error.field == "arguments_digest"


def make_note_cut() -> None:
    """Cut a note to the length of an error message."""
    as_it_was = Validator.decision

    def decision(self: Validator, *of: Any, **more: Any) -> Any:
        found = as_it_was(self, *of, **more)
        return attrs.evolve(found, note=found.note and found.note[:SHORT])

    Validator.decision = decision  # type: ignore[method-assign]


def show_note_cut(make: Any) -> None:
    """Assert that a long note is on record as it was written."""
    make()
    world = World([request(), Completed()])
    note = "word " * 1_000
    world.approve(note=note)
    assert world.approvals()[0].note == note


def make_forged_edit_read() -> None:
    """Read a yes to other arguments also where the request allows no edit."""
    as_it_was = history_module._yes

    def yes(approval: Approval, entry: Any) -> str | None:
        problem = as_it_was(approval, entry)
        return None if problem == "changes arguments that cannot be edited" else problem

    history_module._yes = yes


def show_forged_edit_read(make: Any) -> None:
    """Assert that a forged edit of what cannot be edited is noticed."""
    make()
    world = World([request(), Completed()])
    world.approve()
    works(lambda: Scoria(world.store).get_run(world.run_id))

    def forge(entry: dict[str, Any]) -> None:
        if entry["type"] == "approval_approved":
            more = {"amount": 1_000}
            entry["data"] = {
                "note": None,
                "arguments_digest": digest_of(more),
                "arguments": more,
                "proposed_digest": entry["data"]["arguments_digest"],
            }

    copy = forged(world.store, world.run_id, forge)
    refusal(lambda: Scoria(copy).get_run(world.run_id), StoreCorrupt)


WRONG = [
    wrong_kit("edit is a patch", "APPROVAL-19", make_merged, show_merged),
    wrong_kit("true for 1 is no edit", "APPROVAL-19", make_equal_by_python, show_equal_by_python),
    wrong_kit("edit loses the answer", "APPROVAL-21", make_answer_lost, show_answer_lost),
    wrong_kit("edit within no limit of the host", "PAYLOAD-2", make_own_limit, show_own_limit),
    wrong_kit(
        "retry gets the proposal", "APPROVAL-9", make_proposal_on_retry, show_proposal_on_retry
    ),
    wrong_kit("digest of the edit named", "APPROVAL-30", make_digest_of_edit, show_digest_of_edit),
    wrong_kit("long note cut", "APPROVAL-5", make_note_cut, show_note_cut),
    wrong_kit("forged edit read", "JOURNAL-7", make_forged_edit_read, show_forged_edit_read),
]
"""Wrong about what is approved."""
