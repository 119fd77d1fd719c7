"""W as a Burr application of three actions, whose state is saved after each."""

from threading import Lock
from typing import Any

from burr.core import Application, ApplicationBuilder, State, action
from burr.core.persistence import SQLitePersister
from uuid_utils import uuid7

from lab.bench.place import Place
from lab.bench.unit import ARGUMENTS, REASON, REVIEWER, Detail, Paused, Status


@action(reads=[], writes=["asked", "reason"])
def ask(state: State) -> State:
    """Ask for approval."""
    return state.update(asked=dict(ARGUMENTS), reason=REASON)


@action(reads=[], writes=["decided_by"])
def decide(state: State, decided_by: str) -> State:
    """Take in the decision."""
    return state.update(decided_by=decided_by)


@action(reads=["asked"], writes=["result"])
def complete(state: State) -> State:
    """Answer what was sent."""
    return state.update(result={"sent": state["asked"]})


class LockedPersister(SQLitePersister):
    """A persister that one caller at a time uses."""

    def __init__(self, place: Place) -> None:
        super().__init__(str(place.file), connect_kwargs={"check_same_thread": False})
        self._lock = Lock()
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.initialize()

    def load(self, *args: Any, **kwargs: Any) -> Any:
        """Load one snapshot."""
        with self._lock:
            return super().load(*args, **kwargs)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save one snapshot."""
        with self._lock:
            super().save(*args, **kwargs)


class BurrRuns:
    """W on applications that are built anew for each call, as a host's requests would."""

    def __init__(self, place: Place) -> None:
        self._persister = LockedPersister(place)

    def start(self) -> Paused:
        """Run until the decision is wanted."""
        run_id = str(uuid7())
        self._application(run_id).run(halt_after=["ask"])
        return Paused(run_id, "decide")

    def approve(self, paused: Paused) -> None:
        """Run the decision."""
        application = self._application(paused.run_id)
        application.run(halt_after=["decide"], inputs={"decided_by": REVIEWER})

    def resume(self, paused: Paused) -> None:
        """Run to the end."""
        self._application(paused.run_id).run(halt_after=["complete"])

    def read(self, run_id: str) -> Detail:
        """Read the last snapshot."""
        saved = self._persister.load(None, run_id)
        assert saved is not None
        state = saved["state"]
        status = Status.COMPLETED if saved["position"] == "complete" else Status.WAITING
        return Detail(run_id, status, state["asked"], state.get("decided_by"), state.get("result"))

    def close(self) -> None:
        """Close the persister."""
        self._persister.cleanup()

    def _application(self, run_id: str) -> Application:
        return (
            ApplicationBuilder()
            .with_actions(ask, decide, complete)
            .with_transitions(("ask", "decide"), ("decide", "complete"))
            .initialize_from(
                self._persister,
                resume_at_next_action=True,
                default_state={},
                default_entrypoint="ask",
            )
            .with_state_persister(self._persister)
            .with_identifiers(app_id=run_id)
            .build()
        )


def open_candidate(place: Place) -> BurrRuns:
    """Open W on the file of the place."""
    return BurrRuns(place)
