"""The processes of a play: each started under a name, killed, and started anew."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs

from lab.chaos.ledger import PLACE, PROCESS, Ledger

ROOT = Path(__file__).parent.parent.parent


@attrs.define
class Member:
    """One worker or host: the command that it runs by, and the process that it is now."""

    name: str
    command: list[str]
    ledger: Ledger
    lives: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def life(self) -> str:
        """Name the process, which the member may have had several of."""
        return f"{self.name}.{self.lives}"

    @property
    def log(self) -> Path:
        """Where all the lives of this member print to."""
        return self.ledger.directory / f"{self.name}.log"

    def start(self) -> None:
        """Start a new life."""
        self.lives += 1
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            PLACE: str(self.ledger.directory),
            PROCESS: self.life,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - commands of ours
                self.command, stdout=log, stderr=log, cwd=ROOT, env=environment
            )

    def kill(self) -> None:
        """Kill the process, which gets no say in it."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals, patience: float = 60) -> int:
        """Send a signal, and return the exit code when the process is no more."""
        if self.process is None:
            raise RuntimeError(f"{self.name} was never started")
        self.process.send_signal(how)
        code = self.process.wait(patience)
        self.ledger.note_death(self.life)
        return code

    def is_alive(self) -> bool:
        """Tell whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def is_done(self) -> bool:
        """Tell whether this is a host that has seen all of its runs to their end."""
        ended = self.process is not None and self.process.poll() == 0
        return ended and self.name.startswith("host-")

    def has_given_up(self) -> bool:
        """Tell whether the process ended because the store did not answer, as it says it may."""
        return b"[store_unavailable]" in self.log.read_bytes().rstrip().rpartition(b"\n")[2]


def worker(number: int, store: str, ledger: Ledger, lease: float, registry: str) -> Member:
    """Return a `scoria worker` that is yet to be started."""
    options = {
        "--store": store,
        "--handlers": registry,
        "--name": f"worker-{number}",
        "--lease": str(lease),
        "--poll": "0.2",
        "--max-attempts": "1000",
    }
    words = [word for option in options.items() for word in option]
    return Member(
        f"worker-{number}", [sys.executable, "-m", "scoria_cli", "worker", *words], ledger
    )


def host(number: int, store: str, ledger: Ledger, lease: float, seed: int) -> Member:
    """Return a host that is yet to be started; every other one leaves all work to the workers."""
    dispatch = "queue" if number % 2 else "inline"
    words = [store, f"host-{number}", str(seed), dispatch, str(lease)]
    return Member(f"host-{number}", [sys.executable, "-m", "lab.chaos.host", *words], ledger)
