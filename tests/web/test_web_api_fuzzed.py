"""The HTTP API as its description has it: what Schemathesis sends of its own, and what it finds."""

from collections import Counter
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from scoria_core import Completed, HandlerAnswer, NeedsApproval, Scoria
from scoria_core.model import RunSummary, Step
from scoria_memory import MemoryStore
from scoria_web import Scope, api_app

EXAMPLES = 10
"""How many of each kind are made for each call; the whole takes about 17 s of a processor."""

NOT_DESCRIBABLE = {
    ("positive_data_acceptance", "after"),  # a cursor is one that a page returned
    ("positive_data_acceptance", "idempotency_key"),  # a key has started nothing else
}
"""What no schema can say of the input that is right, by the check that misses it and the field."""


def refund(step: Step, run: RunSummary) -> HandlerAnswer:  # noqa: ARG001 - the signature of a handler
    """Ask, and be done with a yes."""
    if step.approval is None:
        return NeedsApproval(
            tool_name="refund", arguments=dict(step.input), reason="above", may_edit=True
        )
    return Completed(dict(step.approval.arguments))


def fail(step: Step, run: RunSummary) -> HandlerAnswer:
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
    found: list[str] = []
    answers: Counter[tuple[str, int]] = Counter()
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.FatalError | events.NonFatalError), event
        if not isinstance(event, events.ScenarioFinished):
            continue
        for case_id, checks in event.recorder.checks.items():
            answer = event.recorder.interactions[case_id].response
            problem = answer.json() if answer is not None and answer.status_code == 422 else {}
            for check in checks:
                is_known = (check.name, problem.get("field")) in NOT_DESCRIBABLE
                if check.failure_info is not None and not is_known:
                    failure = check.failure_info.failure
                    found.append(f"{failure.operation}: {failure.message}\n{problem}")
        for each in event.recorder.interactions.values():
            if each.response is not None:
                answers[each.request.method, each.response.status_code] += 1
    assert not found, "\n\n".join(found)
    assert {status for _, status in answers} >= {200, 201, 400, 404, 405, 409, 415, 422}
    assert sum(answers.values()) > 200
