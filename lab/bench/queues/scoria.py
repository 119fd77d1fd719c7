"""Runs of one step each, queued by a host and carried out by a worker."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scoria_core import RunSummary, Scoria, Step, StepSpec
from scoria_core.errors import VersionConflict
from scoria_core.stores import open_store
from scoria_postgres import PostgresStore
from scoria_worker import Worker, stopping

KIND = "told"


def prepare(url: str) -> None:
    """Make the tables."""
    open_store(url).close()


@contextmanager
def filling(url: str) -> Iterator[Callable[[int], None]]:
    """Yield what queues a run."""
    with Scoria.open(url, dispatch="queue") as scoria:
        identity = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="chat-7")

        def put(number: int) -> None:
            step = StepSpec(KIND, "executor", {"number": number})
            scoria.start_run(identity, root_role_id="executor", initial_step=step)

        yield put


class Counting(PostgresStore):
    """Counts what it was asked: how often a worker looked, and wrote, and was too late."""

    looks = writes = conflicts = 0

    def list_due(self, **asked: Any) -> Any:
        """Look."""
        self.looks += 1
        return super().list_due(**asked)

    def append(self, *given: Any, **named: Any) -> None:
        """Write, or find that another was first."""
        self.writes += 1
        try:
            super().append(*given, **named)
        except VersionConflict:
            self.conflicts += 1
            raise


def work(url: str, tell: Callable[[int], None]) -> None:
    """Work as `scoria worker` does, and print how often another worker was first."""

    def handler(step: Step, _: RunSummary) -> None:
        tell(step.input["number"])

    store = Counting(url)
    worker = Worker(Scoria(store, handlers={KIND: handler}))
    with stopping(worker, grace=10):
        worker.run()
    sys.stdout.write(f"{store.looks} {store.writes} {store.conflicts}\n")
    store.close()
