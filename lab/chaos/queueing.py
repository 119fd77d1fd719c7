"""A long queue beside many finished runs: who is served when, and how the server finds the next."""

import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from urllib.parse import quote

import attrs
import psycopg

from lab.chaos import crew
from lab.chaos.ledger import Ledger
from lab.chaos.server import Server, serving
from scoria_core import Scoria, StepSpec
from scoria_core.stores import open_store
from scoria_worker.worker import PAGE

PATIENCE = 1_800.0
"""For how many seconds the queue may take to be empty."""

_FINISHED = """
WITH run AS (
    INSERT INTO scoria_run (run_id, tenant_id, session_id, actor_id, root_role_id, created_at)
    SELECT gen_random_uuid()::text, 'tenant-' || number %% 1000, 'session-' || number %% 100000,
        'user-1', 'executor', now()
    FROM generate_series(1, %s) AS number
    RETURNING run_id, tenant_id
)
INSERT INTO scoria_head (run_id, tenant_id, version, status, since, has_ended)
SELECT run_id, tenant_id, 4, 'completed', now(), TRUE FROM run
"""

_EXPLAINED = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_level": "log",
}

PLANS = 15
"""How often each statement is planned: a driver prepares one that comes again, and the server
then plans it for any parameters."""


@attrs.frozen
class Queue:
    """How many runs have finished, and how many steps wait; `fault` drops the indexes."""

    finished: int = 1_000_000
    waiting: Mapping[str, int] = MappingProxyType({"large": 9_000, "middle": 900, "small": 100})
    workers: int = 4
    fault: bool = False


@attrs.frozen
class Seen:
    """What came of it; `served` are the tenants in the order in which handlers were entered."""

    queue: Queue
    served: list[str]
    entered: Counter[str]
    seconds: float
    look: float
    plans: list[str]

    def finished_at(self, tenant_id: str) -> float:
        """Return after which part of the whole queue a tenant's last handler was entered."""
        last = max((n for n, each in enumerate(self.served, 1) if each == tenant_id), default=0)
        return last / len(self.served)

    def fair_share(self, tenant_id: str) -> float:
        """Return after which part of the queue a tenant is done where all take turns."""
        sizes = self.queue.waiting
        ahead = sum(min(size, sizes[tenant_id]) for size in sizes.values())
        return ahead / sum(sizes.values())

    def problems(self) -> Iterator[str]:
        """Tell what does not hold."""
        expected = sum(self.queue.waiting.values())
        if len(self.entered) != expected:
            yield f"the handlers of {len(self.entered)} steps of {expected} were entered"
        twice = [key for key, times in self.entered.items() if times > 1]
        yield from (f"the handler of step {key} was entered more than once" for key in twice)
        for tenant_id in self.queue.waiting:
            # Workers take a page each, and the steps of a page in any order.
            slack = self.queue.workers * PAGE / expected
            if (part := self.finished_at(tenant_id)) > self.fair_share(tenant_id) + slack:
                yield f"tenant {tenant_id} had to wait for {part:.0%} of the queue"
        for plan in self.plans:
            if "Seq Scan on scoria_" in plan:
                yield f"runs are looked for one by one:\n{plan}"
        if not any("scoria_head_due" in plan for plan in self.plans):
            yield "no plan uses the index of what is due"
        if not any("scoria_head_tenant_due" in plan for plan in self.plans):
            yield "no plan uses the index of what is due for each tenant"


def perform(queue: Queue) -> Seen:
    """Fill a store, let the workers empty the queue, and return what was seen."""
    with (
        serving(fsync="off") as server,
        TemporaryDirectory(prefix="scoria-queue-") as directory,
    ):
        ledger = Ledger(Path(directory), "director")
        _fill(server.url, queue)
        plans, look = _plans(server)
        began = time.monotonic()
        _empty(server.url, ledger, queue.workers)
        entered = [note for note in ledger.read("handlers") if note["what"] == "entered"]
        tenants = _tenants(server.url)
        return Seen(
            queue=queue,
            served=[tenants[note["run_id"]] for note in entered],
            entered=Counter(note["key"] for note in entered),
            seconds=time.monotonic() - began,
            look=look,
            plans=plans,
        )


def _fill(url: str, queue: Queue) -> None:
    with (
        Scoria.open(url, dispatch="queue") as scoria,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        connection.execute(_FINISHED, [queue.finished])
        # The large tenant comes first, and would keep the others waiting.
        for tenant_id, size in queue.waiting.items():
            for number in range(size):
                _queue(scoria, tenant_id, number)
        if queue.fault:
            connection.execute("DROP INDEX scoria_head_due, scoria_head_tenant_due")
        connection.execute("ANALYZE scoria_head")


def _queue(scoria: Scoria, tenant_id: str, number: int) -> None:
    identity = scoria.identity(
        actor_id="user-1", tenant_id=tenant_id, session_id=f"session-{number}"
    )
    scoria.start_run(identity, root_role_id="executor", initial_step=StepSpec("note", "executor"))


def _empty(url: str, ledger: Ledger, number: int) -> None:
    workers = [
        crew.worker(each, url, ledger, 60.0, "lab.chaos.handlers:noting")
        for each in range(1, number + 1)
    ]
    try:
        for worker in workers:
            worker.start()
        ends = time.monotonic() + PATIENCE
        while _waiting(url) and time.monotonic() < ends:
            time.sleep(0.2)
    finally:
        for worker in workers:
            worker.end(signal.SIGTERM)


def _waiting(url: str) -> bool:
    with psycopg.connect(url) as connection:
        asked = "SELECT 1 FROM scoria_head WHERE due_at IS NOT NULL LIMIT 1"
        return connection.execute(asked).fetchone() is not None


def _tenants(url: str) -> Mapping[str, str]:
    with psycopg.connect(url) as connection:
        asked = (
            "SELECT DISTINCT run_id, tenant_id FROM scoria_run JOIN scoria_record USING (run_id)"
        )
        return dict(connection.execute(asked).fetchall())


def _plans(server: Server) -> tuple[list[str], float]:
    """Return how the server finds what is due, and the seconds of one look."""
    words = " ".join(f"-c{name}={value}" for name, value in _EXPLAINED.items())
    log = server.directory / "log"
    before = len(log.read_text())
    store = open_store(f"{server.url}&options={quote(words)}")
    try:
        until = datetime.now(UTC) + timedelta(days=1)
        began = time.monotonic()
        for _ in range(PLANS):
            for tenant_id in (None, "small"):
                for fair in (False, True):
                    store.list_due(tenant_id=tenant_id, until=until, limit=64, fair=fair)
        look = (time.monotonic() - began) / (4 * PLANS)
    finally:
        store.close()
    told = log.read_text()[before:].split("LOG:  duration:")
    return [plan for plan in told if "scoria_head" in plan and "Scan" in plan], look
