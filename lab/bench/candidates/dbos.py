"""W as a DBOS workflow that waits for a message."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from threading import Event
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID
from uuid_utils import uuid7

from lab.bench.place import Kind, Place
from lab.bench.unit import ARGUMENTS, REASON, REVIEWER, Detail, Paused, Status

TOPIC = "decision"
STATUS = {"PENDING": Status.WAITING, "SUCCESS": Status.COMPLETED}
PATIENCE = 60.0
_asked: defaultdict[str, Event] = defaultdict(Event)


@DBOS.workflow()
def refund(request: dict[str, Any]) -> dict[str, Any]:
    """Ask, wait for the decision, and answer what was sent."""
    DBOS.set_event("request", request)
    _asked[str(DBOS.workflow_id)].set()
    decision = DBOS.recv(TOPIC, PATIENCE)
    return {"sent": request["arguments"], **decision}


class DBOSRuns:
    """W on a DBOS that is launched."""

    def __init__(self, place: Place) -> None:
        self._handles: dict[str, Any] = {}
        DBOS(config=_config(place))
        DBOS.launch()

    def start(self) -> Paused:
        """Start a workflow, and wait until it has stored what it asks."""
        run_id = str(uuid7())
        with SetWorkflowID(run_id):
            handle = DBOS.start_workflow(refund, {"arguments": dict(ARGUMENTS), "reason": REASON})
        self._handles[run_id] = handle
        if not _asked[run_id].wait(PATIENCE):
            raise TimeoutError(run_id)
        del _asked[run_id]
        return Paused(run_id, TOPIC)

    def approve(self, paused: Paused) -> None:
        """Send the decision; the workflow goes on as soon as it sees it."""
        DBOS.send(paused.run_id, {"decided_by": REVIEWER}, paused.request_id)

    def resume(self, paused: Paused) -> None:
        """Wait for the workflow's end."""
        self._handles.pop(paused.run_id).get_result()

    def read(self, run_id: str) -> Detail:
        """Read status, input, output and steps."""
        run = DBOS.get_workflow_status(run_id)
        assert run is not None
        assert DBOS.list_workflow_steps(run_id)
        (request,) = run.input["args"]
        output = run.output or {}
        result = {"sent": output["sent"]} if "sent" in output else None
        return Detail(
            run_id, STATUS[run.status], request["arguments"], output.get("decided_by"), result
        )

    def close(self) -> None:
        """Stop what DBOS runs in the background."""
        DBOS.destroy()


def open_candidate(place: Place) -> DBOSRuns:
    """Launch DBOS on the file or the database of the place."""
    return DBOSRuns(place)


def _config(place: Place) -> DBOSConfig:
    room = 2 * place.flows + 8
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": place.database or _wal(place),
        "sys_db_pool_size": room,
        "max_executor_threads": room,
        "log_level": "ERROR",
        "enable_otlp": False,
    }
    if place.kind is Kind.SQLITE:
        config["notification_listener_polling_interval_sec"] = 0.001
    return config


def _wal(place: Place) -> str:
    with closing(sqlite3.connect(place.file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # the file keeps the mode
    return f"sqlite:///{place.file}"
