"""Two workers with addresses of their own; one is cut off in mid-handler, and comes back late."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import attrs
import psycopg

from lab.chaos import crew
from lab.chaos.crew import Member
from lab.chaos.ledger import Ledger
from lab.chaos.network import Network, network
from lab.chaos.server import serving
from lab.model.invariants import Observed, breaches
from scoria_core import RunDetail, Scoria, StepSpec

T = TypeVar("T")

LEASE = 2.0
PATIENCE = 60.0
"""For how many seconds anything is waited for."""

LATE = "late result of step"
TAKEN = "was taken from its handler"


@attrs.frozen
class Seen:
    """What came of it: the run, what the cut worker said, and the addresses on the server."""

    run: RunDetail
    log: str
    addresses: frozenset[str]
    effects: list[str]
    cut_for: float
    is_back: bool

    def problems(self) -> Iterator[str]:
        """Tell what does not hold."""
        yield from (str(breach) for breach in breaches(Observed(self.run)))
        moves = [entry.type for entry in self.run.journal if entry.subject == "step"]
        expected = ["step_queued", "step_claimed", "step_released", "step_claimed"]
        if moves != [*expected, "step_completed"]:
            yield f"the step went through {moves}"
        if self.run.steps[0].result != {"by": "worker-2"}:
            yield f"the result is {self.run.steps[0].result}"
        if self.effects != ["worker-2"]:
            yield f"the side effect was carried out by {self.effects}"
        if len(self.addresses) != 2:
            yield f"the workers came from {sorted(self.addresses)}"
        if self.cut_for <= LEASE:
            yield f"the link was cut for {self.cut_for:.1f} s, which is no longer than a lease"
        yield from (
            f"the log does not say: {what}" for what in (LATE, TAKEN) if what not in self.log
        )
        if not self.is_back:
            yield "the worker that was cut off does not work again"


def perform() -> Seen:
    """Cut a worker off for longer than its lease, bring it back, and return what was seen."""
    with (
        network("a", "b") as links,
        serving(links.address) as server,
        TemporaryDirectory(prefix="scoria-cut-") as directory,
        Scoria.open(server.url, dispatch="queue") as scoria,
    ):
        ledger = Ledger(Path(directory), "director")
        first, second = (_worker(*who, server.url, ledger, links) for who in ((1, "a"), (2, "b")))
        with _working(first):
            run_id = _started(scoria)
            _until(lambda: bool(ledger.read("handlers")))
            with _working(second):
                addresses = _until(lambda: _addresses(server.url, of=2))
                cut_at = time.monotonic()
                links.cut("a")
                _until(lambda: scoria.get_run(run_id).status == "completed")
                time.sleep(max(0.0, 3 * LEASE - (time.monotonic() - cut_at)))
                cut_for = time.monotonic() - cut_at
                links.mend("a")
            _until(lambda: TAKEN in first.log.read_text())
            (ledger.directory / "go").touch()
            _until(lambda: LATE in first.log.read_text())
            again = _started(scoria)
            is_back = _until(lambda: scoria.get_run(again).status == "completed")
        return Seen(
            run=scoria.get_run_detail(run_id),
            log=first.log.read_text(),
            addresses=addresses,
            effects=[
                e["process"].partition(".")[0] for e in ledger.effects() if e["run_id"] == run_id
            ],
            cut_for=cut_for,
            is_back=is_back,
        )


def _worker(number: int, name: str, store: str, ledger: Ledger, links: Network) -> Member:
    member = crew.worker(number, store, ledger, LEASE, "lab.chaos.handlers:waiting")
    return attrs.evolve(member, command=links.inside(name, member.command))


@contextmanager
def _working(member: Member) -> Iterator[None]:
    member.start()
    try:
        yield
        member.end(signal.SIGTERM)
    finally:
        if member.is_alive():
            member.kill()


def _started(scoria: Scoria) -> str:
    identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    step = StepSpec("wait", "executor")
    return scoria.start_run(identity, root_role_id="executor", initial_step=step).run_id


def _addresses(url: str, of: int) -> frozenset[str]:
    asked = "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE client_addr <> %s"
    with psycopg.connect(url) as connection:
        own = connection.info.hostaddr
        found = frozenset(row[0] for row in connection.execute(asked, [own]).fetchall())
    return found if len(found) >= of else frozenset()


def _until(look: Callable[[], T]) -> T:
    ends = time.monotonic() + PATIENCE
    while not (seen := look()) and time.monotonic() < ends:
        time.sleep(0.1)
    return seen
