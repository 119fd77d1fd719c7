"""The calls of a turn of an agent, each in a process of its own: `turn.py LIBRARY`.

The agent calls three tools, and people decide on each. A line `FOLDER CALL WRITE DIES` of the input
is one call; its process is killed where `DIES` says: "before" its write of that number, "after" it,
or "never". How it ended is a line of the output. Each tool tells in a file that it ran.

The processes are forked from this one, as a library of agents takes seconds to be imported.
"""

import os
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from scoria_core import Scoria
from scoria_core.stores import open_store
from tests.support.turn import make


class Mortal:
    """A store whose process is killed before, or after, one of its writes of records."""

    def __init__(self, store: Any, write: int, dies: str) -> None:
        self._store, self._left, self._dies = store, write, dies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, *given: Any, **named: Any) -> Any:
        """Begin a run."""
        return self._write(self._store.create, given, named)

    def append(self, run_id: str, records: Any, **named: Any) -> Any:
        """Add to a run; a lease that is extended is no write."""
        if not records:
            return self._store.append(run_id, records, **named)
        return self._write(self._store.append, (run_id, records), named)

    def _write(self, write: Any, given: Any, named: Any) -> Any:
        self._left -= 1
        dies = self._dies if self._left == 0 else "never"
        if dies == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        written = write(*given, **named)
        if dies == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return written


def ran(folder: Path, tool: str, argument: object) -> str:
    """Tell in the file of the folder that a tool ran, and return what the tool answers."""
    with (folder / "ran.txt").open("a", encoding="utf-8") as file:
        file.write(f"{tool}({argument!r})\n")
    return f"{tool} did {argument!r}"


def call(agent: Any, folder: Path, asked: str, write: int, dies: str) -> None:
    """Make one call, and carry out all that is due by then."""
    store: Any = Mortal(open_store(f"sqlite:///{folder / 'runs.db'}"), write, dies)
    with (
        agent.handler(folder) as handler,
        Scoria(store, handlers={"turn": handler}, lease=0.3) as scoria,
    ):
        make(scoria, asked, agent.INPUT)
        while any(run.status == "running" for run in scoria.list_runs()):
            scoria.run_pending()  # what the dead process had claimed, once its lease has ended
            time.sleep(0.02)


def ended(agent: Any, folder: str, asked: str, write: str, dies: str) -> int:
    """Make one call in a fork, and return how that ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        call(agent, Path(folder), asked, int(write), dies)
    except BaseException:  # noqa: BLE001 - the fork must not go on as its parent would
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    agent = import_module(f"tests.bridges.{sys.argv[1]}_turn")
    for line in sys.stdin:
        print(ended(agent, *line.split()), flush=True)  # noqa: T201 - it is the answer
