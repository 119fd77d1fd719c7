"""The HTTP API as its description has it: what Schemathesis sends of its own, and what it finds."""

from collections import Counter
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from scoria_core import Completed, NeedsApproval, Scoria
from scoria_core.model import RunSummary, Step
from scoria_memory import MemoryStore
from scoria_web import Scope, api_app

NOT_DESCRIBABLE = {("positive_data_acceptance", "GET /v1/approvals")}
"""That a cursor is one that a page returned cannot be said in a schema."""


def refund(step: Step, run: RunSummary) -> object:  # noqa: ARG001 - the signature of a handler
    """Ask, and be done with a yes."""
    if step.approval is None:
        return NeedsApproval(
            tool_name="refund", arguments=dict(step.input), reason="above", may_edit=True
        )
    return Completed(dict(step.approval.arguments))


def fail(step: Step, run: RunSummary) -> object:
    """Fail."""
    raise LookupError(step.kind, run.run_id)


@pytest.mark.slow
def test_schemathesis_finds_nothing() -> None:
    """Every status and every body is described, wrong input is refused and right input taken."""
    handlers: dict[str, Any] = {"refund": refund, "fail": fail, "echo": lambda s, _: s.input}
    scoria = Scoria(MemoryStore(), handlers=handlers)
    scope = Scope("acme", "ada", may_decide=True, may_operate=True)
    app = api_app(scoria, scope=lambda _: scope, kinds=list(handlers))
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", app)
    schema.config.seed = 17
    schema.config.generation.update(max_examples=EXAMPLES, deterministic=True)
    found: set[tuple[str, str]] = set()
    answers: Counter[tuple[str, int]] = Counter()
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
        if not isinstance(event, events.ScenarioFinished):
            continue
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    found.add((check.name, failure.operation))
                    if (check.name, failure.operation) not in NOT_DESCRIBABLE:
                        print(failure.operation, failure.message)  # noqa: T201 - what pytest shows
        for each in event.recorder.interactions.values():
            if each.response is not None:
                answers[each.request.method, each.response.status_code] += 1
    assert found <= NOT_DESCRIBABLE
    assert {status for _, status in answers} >= {200, 201, 400, 404, 405, 409, 415, 422}
    assert sum(answers.values()) > 200


EXAMPLES = 10
"""How many of each kind are made for each call: the whole takes well below a minute."""
