"""What a log line is about is in fields of its record, for a host that writes its log as JSON."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from scoria_core import Event, Identity, RunSummary, Scoria, Step, StepSpec
from scoria_core.logs import FIELDS
from scoria_core.visible import visible_line
from tests.support.scripted import in_memory

HOSTILE = "wörk\u202e"


class AsJson(logging.Formatter):
    """What a host may have, or its library: all that a record has beyond what each has."""

    OWN = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        """Return the fields of a record, and its message."""
        more = {name: value for name, value in vars(record).items() if name not in self.OWN}
        return json.dumps({"level": record.levelname, "message": record.getMessage(), **more})


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, object]]]:
    """Return what was logged, as JSON has it."""
    caplog.set_level(logging.INFO, "scoria")
    formatter = AsJson()
    return lambda: [json.loads(formatter.format(record)) for record in caplog.records]


def fails(_: Step, __: RunSummary) -> None:
    """Fail, as handlers do."""
    raise RuntimeError("no")


@in_memory
def test_a_line_on_a_step_says_which(
    scoria: Scoria, identity: Identity, lines: Callable[[], list[dict[str, object]]]
) -> None:
    """The run, its tenant, session and actor; the step, its kind, role and attempt."""
    run = scoria.start_run(
        identity,
        root_role_id="executor",
        initial_step=StepSpec(HOSTILE, "executor"),
        metadata={"payload": {"card": "4111"}},
        handlers={HOSTILE: fails},
    )
    claimed, failed = lines()
    fields = {
        "run_id": run.run_id,
        "tenant_id": "acme",
        "session_id": "session-1",
        "actor_id": "user-1",
        "step_id": scoria.get_run_detail(run.run_id).steps[0].step_id,
        "kind": visible_line(HOSTILE),
        "role_id": "executor",
        "attempt": 1,
    }
    assert (claimed["level"], failed["level"]) == ("INFO", "ERROR")
    for line in (claimed, failed):
        assert {name: line[name] for name in line.keys() - {"level", "message"}} == fields
    assert "4111" not in json.dumps([claimed, failed])
    assert fields.keys() | {"listener"} == set(FIELDS)


@in_memory
def test_a_line_on_a_listener_says_which(
    make_scoria: Callable[..., Scoria],
    identity: Identity,
    lines: Callable[[], list[dict[str, object]]],
) -> None:
    """And of which run it was not told."""

    def broken(_: Event) -> None:
        raise RuntimeError("no")

    scoria = make_scoria(listeners={"mail": broken})
    run = scoria.start_run(identity, root_role_id="executor")
    scoria.deliver_events()
    (line,) = lines()
    assert (line["listener"], line["run_id"]) == ("mail", run.run_id)


@in_memory
def test_a_host_may_give_each_record_fields_of_its_own(
    scoria: Scoria,
    identity: Identity,
    lines: Callable[[], list[dict[str, object]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also by these names, which `logging` would refuse: the line is about the run all the same."""
    factory = logging.getLogRecordFactory()

    def of_the_host(*given: Any, **named: Any) -> logging.LogRecord:
        record = factory(*given, **named)
        vars(record).update(dict.fromkeys(FIELDS, "of the host"))
        return record

    monkeypatch.setattr(logging, "_logRecordFactory", of_the_host)
    step = StepSpec("work", "executor")
    run = scoria.start_run(
        identity, root_role_id="executor", initial_step=step, handlers={"work": lambda *_: None}
    )
    claimed, completed = lines()
    assert run.status == "completed"
    assert (claimed["run_id"], completed["run_id"]) == (run.run_id, run.run_id)
    assert (claimed["kind"], claimed["listener"]) == ("work", "of the host")
