"""A host: it starts runs, decides what waits for a person, resumes, and sees every run to its end.

What was acknowledged is on the disk before it goes on, so that it can be killed anywhere and
started again: `python -m lab.chaos.host STORE NAME SEED DISPATCH LEASE`.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from lab.chaos.handlers import registry
from lab.chaos.ledger import Ledger
from lab.chaos.scripts import ATTEMPTS, Draw
from scoria_core import RunSummary, Scoria
from scoria_core.errors import StoreUnavailable, TransitionRefused

OPEN = 6
"""How many runs a host has open at once."""


@attrs.define
class Host:
    """The host `name`, which goes on where its notes say that it was."""

    scoria: Scoria
    ledger: Ledger
    name: str
    seed: int
    next_number: int = 1
    open: dict[int, str | None] = attrs.field(factory=dict)

    def remember(self) -> None:
        """Take up what was begun before this process."""
        for note in self.ledger.read(self.name):
            match note["what"]:
                case "intended":
                    self.next_number = note["number"] + 1
                    self.open[note["number"]] = None
                case "started":
                    self.open[note["number"]] = note["run_id"]
                case "ended":
                    del self.open[note["number"]]

    def run(self, is_over: Callable[[], bool]) -> None:
        """Start runs until it is over, and return when all of them have ended."""
        while self.open or not is_over():
            if len(self.open) < OPEN and not is_over():
                self._note("intended", self.next_number)
                self.open[self.next_number] = None
                self.next_number += 1
            for number in list(self.open):
                self._try(number)
            time.sleep(0.1)

    def _try(self, number: int) -> None:
        try:
            self._carry_on(number)
        except StoreUnavailable:
            self._note("unavailable", number)
        except TransitionRefused:
            # The try before was stored, or a worker came first: the next look shows which.
            self._note("refused", number)

    def _carry_on(self, number: int) -> None:
        draw, run_id = Draw.of(self.seed, self.name, number), self.open[number]
        if run_id is None:
            run = draw.start(self.scoria)
            self.open[number] = run.run_id
            self._note("started", number, run_id=run.run_id, key=draw.key)
            return
        run = self.scoria.get_run(run_id)
        if run.status in draw.script.ends:
            self._note("ended", number, run_id=run_id, status=run.status)
            del self.open[number]
        elif run.status == "waiting_for_approval":
            self._decide(number, draw, run)
        elif draw.script.is_cancelled:
            self.scoria.cancel_run(run_id)
            self._note("cancelled", number, run_id=run_id)

    def _decide(self, number: int, draw: Draw, run: RunSummary) -> None:
        if (asked := run.pending_approval) is not None:
            decide = getattr(self.scoria, draw.script.decision)
            decide(run.run_id, approval_id=asked.approval_id, decided_by="reviewer-1")
            said = {"run_id": run.run_id, "approval_id": asked.approval_id}
            self._note("decided", number, **said, decision=draw.script.decision)
        if draw.script.decision == "approve":
            self.scoria.resume_run(run.run_id)
            self._note("resumed", number, run_id=run.run_id)

    def _note(self, what: str, number: int, **facts: object) -> None:
        self.ledger.acknowledge(self.name, what=what, number=number, **facts)


def main(store: str, name: str, seed: str, dispatch: str, lease: str) -> None:
    """Be a host, until a file `over` is in the ledger."""
    ledger = Ledger.of_environment()
    over: Path = ledger.directory / "over"
    scoria = _opened(store, dispatch, float(lease), ledger)
    host = Host(scoria, ledger, name, int(seed))
    host.remember()
    host.run(over.exists)
    scoria.close()


def _opened(store: str, dispatch: str, lease: float, ledger: Ledger) -> Scoria:
    while True:
        try:
            return Scoria.open(
                store,
                handlers=registry(),
                dispatch=dispatch,
                lease=lease,
                max_attempts=ATTEMPTS,
                worker_id=ledger.process,
            )
        except StoreUnavailable:
            time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
