"""A turn of an agent, each call of it in a process of its own, one of which is killed."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

from scoria_core import Scoria
from tests.support import ROOT
from tests.support.turn import TOOLS

CALLS = ("start", "approve", "edit", "reject", "resume")

DEATHS = [
    ("start", 1, "after"),
    ("start", 2, "before"),
    ("edit", 1, "after"),
    ("resume", 1, "before"),
    ("resume", 1, "after"),
    ("resume", 2, "before"),
]
"""How a process dies: in which call, at which write, before or after it.

The second write of a start, and of a resumption, is the answer of the handler.
"""


@attrs.frozen
class Told:
    """What was left of a turn: the run's status, its result, its requests, and what tools did."""

    status: str
    result: Any
    requests: list[Any]
    ran: list[str]


class Turns:
    """The program that makes the calls of turns of one library."""

    def __init__(self, library: str, log: Path) -> None:
        self._log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.bridges.turn", library],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                cwd=ROOT,
            )

    def close(self) -> None:
        """End the program."""
        self._process.communicate(timeout=60)

    def call(self, folder: Path, call: str, write: int = 0, dies: str = "never") -> int:
        """Make one call in a process of its own, and return how that ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder} {call} {write} {dies}\n")
        self._process.stdin.flush()
        ended = self._process.stdout.readline()
        assert ended, self._log.read_text()[-3000:]
        assert int(ended) in (0, -signal.SIGKILL), self._log.read_text()[-3000:]
        return int(ended)

    def turn(self, folder: Path, death: tuple[str, int, str]) -> Told:
        """Make every call of a turn, the one that is named twice: it is killed the first time."""
        dying, write, dies = death
        for call in CALLS:
            if call == dying:
                assert self.call(folder, call, write, dies) == -signal.SIGKILL
            assert self.call(folder, call) == 0
        with Scoria.open(f"sqlite:///{folder / 'runs.db'}") as host:
            (run,) = host.list_runs()
            detail = host.get_run_detail(run.run_id)
        requests = [
            (each.tool_name, str(each.status), each.arguments, each.proposed_arguments, each.note)
            for each in detail.approvals
        ]
        ran = (folder / "ran.txt").read_text("utf-8").splitlines()
        return Told(str(run.status), detail.steps[0].result, requests, sorted(ran))


REQUESTS = [
    ("pay", "approved", {"n": 20}, {"n": 20}, None),
    ("mail", "approved", {"n": "b"}, {"n": "a"}, None),
    ("drop", "rejected", {"n": 7}, {"n": 7}, "not this one"),
]
"""What was asked and decided, in the order asked."""

RAN = ["mail('b')", "pay(20)"]
"""What ran, as it was approved, each once."""

assert [each[0] for each in REQUESTS] == [tool for _, tool, _ in TOOLS]
