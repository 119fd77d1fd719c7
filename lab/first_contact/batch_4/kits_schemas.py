"""Kits that are wrong about schemas."""

import re
from collections.abc import Iterator
from typing import Any

import attrs
import re2

import scoria_schema
from lab.first_contact.batch_4.kits_tools import (
    World,
    refusal,
    replace,
    request,
    works,
    wrong_kit,
)
from scoria_core import Completed, Retry, Scoria, StepSpec
from scoria_core.errors import InvalidPayload, StoreCorrupt
from scoria_core.handler_call import HandlerCall, Raised
from scoria_core.run import Run, handed_out
from scoria_core.schemas import InstalledSchemas


def _status_of(schema: dict[str, Any], spec: StepSpec | None = None) -> str:
    world = World([request(answer_schema=schema)], spec or StepSpec("ask", "clerk"))
    return str(world.scoria.get_run(world.run_id).status)


def make_dynamic_reference() -> None:
    """Look at `$ref` alone."""
    as_it_was = scoria_schema._members

    def members(value: object) -> Iterator[tuple[str, object]]:
        return (each for each in as_it_was(value) if each[0] != "$dynamicRef")

    scoria_schema._members = members


def show_dynamic_reference(make: Any) -> None:
    """Assert that a schema cannot refer to another document by any keyword."""
    make()
    assert _status_of({"type": "object"}) == "waiting_for_approval"
    assert _status_of({"$ref": "https://example.org/other"}) == "failed"
    assert _status_of({"$dynamicRef": "https://example.org/other"}) == "failed"


def make_other_engine() -> None:
    """Give a pattern that RE2 does not take to the engine of Python, which may take for ever."""
    as_it_was = scoria_schema._compiled

    def compiled(pattern: str) -> Any:
        try:
            return as_it_was(pattern)
        except re2.error as error:
            try:
                return re.compile(pattern)
            except re.error:
                raise error from None

    scoria_schema._compiled = compiled


def show_other_engine(make: Any) -> None:
    """Assert that a pattern cannot refer back to what it has matched."""
    make()
    assert _status_of({"properties": {"a": {"pattern": "^[a-z]+$"}}}) == "waiting_for_approval"
    assert _status_of({"properties": {"a": {"pattern": r"^(x+x+)+\1y$"}}}) == "failed"


def make_tried_again() -> None:
    """Count a schema that is none as an exception of the handler."""
    as_it_was = HandlerCall._answers

    def answers(self: HandlerCall, answer: object, known: Any) -> None:
        as_it_was(self, answer, known)
        found = self.outcome
        if isinstance(found, Raised) and isinstance(found.exception, InvalidPayload):
            about_schema = found.exception.path.endswith(("may_edit", "answer_schema"))
            self.outcome = attrs.evolve(found, is_final=found.is_final and not about_schema)

    HandlerCall._answers = answers  # type: ignore[method-assign]


def show_tried_again(make: Any) -> None:
    """Assert that a step with a retry fails at once, too."""
    make()
    spec = StepSpec("ask", "clerk", retry=Retry(3, delay=60))
    assert _status_of({"type": "nothing"}, spec) == "failed"


@attrs.frozen
class AnyFits:
    """Schemas that everything fits."""

    def problem_of(self, _: Any) -> str | None:
        """Find nothing wrong."""
        return None

    def mismatch(self, _: Any, __: object) -> tuple[str, str] | None:
        """Find that it fits."""
        return None


def make_checked_on_read() -> None:
    """Hold answers to their schema whenever a journal is read."""
    as_it_was, schemas = Run._check_history, InstalledSchemas()

    def check(self: Run, entry: Any) -> None:
        as_it_was(self, entry)
        approval = self.approvals.get(entry.subject_id)
        if approval is None or entry.trigger != "approve" or approval.answer_schema is None:
            return
        if schemas.mismatch(approval.answer_schema, entry.data.get("answer")) is not None:
            raise StoreCorrupt(self.run_id, entry.sequence, "has an answer that does not fit")

    Run._check_history = check  # type: ignore[method-assign]


def show_checked_on_read(make: Any) -> None:
    """Assert that a journal reads the same wherever it is read."""
    make()
    question = {"properties": {"plan": {"enum": ["a", "b"]}}}
    asked = request(answer_schema=question)
    world = World([asked, Completed()], options={"schemas": AnyFits()})
    world.approve(answer={"plan": "c"})
    detail = works(lambda: Scoria(world.store).get_run_detail(world.run_id))
    assert detail.approvals[0].answer == {"plan": "c"}


def make_schema_shared() -> None:
    """Hand out the schemas of a request as they are, and not copies."""
    as_it_was = handed_out

    def shared(approval: Any) -> Any:
        found = as_it_was(approval)
        return attrs.evolve(found, may_edit=approval.may_edit, answer_schema=approval.answer_schema)

    replace(as_it_was, shared)


def show_schema_shared(make: Any) -> None:
    """Assert that who is shown a schema cannot widen it."""
    make()
    limit = {"properties": {"amount": {"maximum": 10}}}
    world = World([request(may_edit=limit), Completed()])
    shown: Any = world.scoria.get_run(world.run_id).pending_approval
    shown.may_edit["properties"]["amount"]["maximum"] = 1_000
    approval_id = shown.approval_id
    refusal(lambda: world.approve(approval_id, arguments={"amount": 500}), InvalidPayload)


WRONG = [
    wrong_kit(
        "dynamicRef to elsewhere", "APPROVAL-22", make_dynamic_reference, show_dynamic_reference
    ),
    wrong_kit("pattern of another engine", "APPROVAL-22", make_other_engine, show_other_engine),
    wrong_kit("bad schema is tried again", "STEP-32", make_tried_again, show_tried_again),
    wrong_kit("answers checked on read", "APPROVAL-22", make_checked_on_read, show_checked_on_read),
    wrong_kit("schema handed out is ours", "READ-4", make_schema_shared, show_schema_shared),
]
"""Wrong about schemas."""
