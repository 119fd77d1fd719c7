"""Workers and hosts on a server, killed and restarted all the while; then everything is counted."""

import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from lab.chaos import crew, moves
from lab.chaos.crew import Member
from lab.chaos.findings import Evidence, problems
from lab.chaos.ledger import Ledger
from lab.chaos.server import Server, serving
from scoria_core.stores import open_store

PATIENCE = 180
"""For how many seconds all runs may take to end when the killing is over."""


@attrs.frozen
class Play:
    """How long, with how many, and by which chance; `fault` makes one worker ignore leases."""

    seconds: float = 300
    workers: int = 4
    hosts: int = 4
    seed: int = 1
    lease: float = 3.0
    kill_every: float = 1.0
    restart_every: float = 20.0
    fault: bool = False


@attrs.frozen
class Outcome:
    """What there was in numbers, and what did not hold."""

    counts: dict[str, int]
    problems: list[str]


@attrs.define
class Stage:
    """The server and the crew while a play goes on."""

    play: Play
    server: Server
    ledger: Ledger
    members: list[Member]
    kills: int = 0
    restarts: int = 0
    given_up: int = 0
    problems: list[str] = attrs.field(factory=list)

    def act(self) -> None:
        """Kill, restart and start anew for the time, and until a step was taken from the dead."""
        chance = random.Random(self.play.seed)  # noqa: S311 - it only has to repeat
        over = threading.Event()
        restarting = threading.Thread(target=self._restart_until, args=[over])
        restarting.start()
        began = time.monotonic()
        for number in range(1, int(self.play.seconds / self.play.kill_every) + 1):
            time.sleep(max(0.0, began + number * self.play.kill_every - time.monotonic()))
            self._kill(chance)
        over.set()
        restarting.join()
        # On a busy machine all of them may have died between two steps.
        ends = time.monotonic() + PATIENCE
        while not moves.taken(self.server.url) and time.monotonic() < ends:
            time.sleep(self.play.kill_every)
            self._kill(chance)

    def _kill(self, chance: random.Random) -> None:
        victim = chance.choice([each for each in self.members if each.is_alive()])
        victim.kill()
        self.kills += 1
        victim.start()
        self._revive()

    def drain(self) -> None:
        """Let the hosts see every run to its end, and then tell the workers to stop."""
        (self.ledger.directory / "over").touch()
        ends = time.monotonic() + PATIENCE
        hosts = [each for each in self.members if each.name.startswith("host-")]
        while not all(host.is_done() for host in hosts):
            if time.monotonic() > ends:
                self.problems.append(f"not every run had ended after {PATIENCE} s")
                break
            self._revive()
            time.sleep(0.2)
        for member in self.members:
            if member.is_alive() and (code := member.end(signal.SIGTERM)) != 0:
                self.problems.append(f"{member.life} was told to stop and ended with {code}")

    def _revive(self) -> None:
        for member in self.members:
            if member.is_alive() or member.is_done():
                continue
            if member.has_given_up():
                self.given_up += 1
            else:
                self.problems.append(f"{member.life} ended by itself: see {member.log.name}")
            self.ledger.note_death(member.life)
            member.start()

    def _restart_until(self, over: threading.Event) -> None:
        chance = random.Random(self.play.seed)  # noqa: S311 - it only has to repeat
        while not over.wait(self.play.restart_every):
            self.server.crash()
            # Now and then for so long that leases of live handlers end, or calls give up.
            time.sleep(chance.choice((0, 0, 2, 4)) * self.play.lease)
            self.server.start()
            self.restarts += 1


def perform(play: Play, keep: Path | None = None) -> Outcome:
    """Play, and return what came of it; logs and ledger go to `keep` if something did not hold."""
    with serving() as server, _directory() as directory:
        ledger = Ledger(directory, "director")
        open_store(server.url).close()
        moves.watch(server.url)
        stage = Stage(play, server, ledger, _members(play, server.url, ledger))
        try:
            for member in stage.members:
                member.start()
            stage.act()
            stage.drain()
        finally:
            for member in stage.members:
                if member.is_alive():
                    member.kill()
        seen = Evidence.gathered(server.url, ledger, play.seed)
        outcome = Outcome(
            {
                "kills": stage.kills,
                "restarts of the server": stage.restarts,
                "processes that found no server at their start": stage.given_up,
                "late results refused": _said(stage, "late result of step"),
                "claims told that they were taken": _said(stage, "was taken from its handler"),
                **seen.counts(),
            },
            [*stage.problems, *problems(seen)],
        )
        if keep is not None and outcome.problems:
            shutil.copytree(directory, keep)
        return outcome


def _members(play: Play, url: str, ledger: Ledger) -> list[Member]:
    registries = ["lab.chaos.handlers:registry"] * play.workers
    if play.fault:
        registries[0] = "lab.chaos.faulty:registry"
    workers = [
        crew.worker(number, url, ledger, play.lease, registry)
        for number, registry in enumerate(registries, 1)
    ]
    hosts = [
        crew.host(number, url, ledger, play.lease, play.seed) for number in range(1, play.hosts + 1)
    ]
    return workers + hosts


def _said(stage: Stage, what: str) -> int:
    return sum(each.log.read_text().count(what) for each in stage.members if each.log.exists())


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="scoria-chaos-") as directory:
        yield Path(directory)
