"""What each process makes for itself."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from scoria_core import AsyncScoria, PerProcess, Scoria
from scoria_core.errors import InvalidPayload
from scoria_memory import MemoryStore

FORKS = """
import os
from scoria_core import PerProcess, Scoria, StepSpec

scoria = PerProcess(lambda: Scoria.open("sqlite:///forked.sqlite"))

def start():
    mine = scoria()
    identity = mine.identity(actor_id="a", tenant_id="t", session_id="s")
    mine.start_run(identity, root_role_id="r")
    return mine

before = start()
for _ in range(2):
    if not (child := os.fork()):
        os._exit(0 if start() is not before and scoria() is scoria() else 1)
    assert os.waitpid(child, 0)[1] == 0
assert scoria() is before
print(len(scoria().list_runs()))
"""


def test_each_process_that_was_forked_makes_its_own(tmp_path: Path) -> None:
    """The parent keeps what it made, and all of them work on one store."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "3\n"


def test_threads_that_ask_at_once_get_the_same() -> None:
    """It is made once, however many ask while it is being made."""
    made: list[object] = []
    all_ask = threading.Barrier(4)

    def make() -> object:
        made.append(object())
        return made[-1]

    once = PerProcess(make)

    def ask(_: int) -> object:
        all_ask.wait()
        return once()

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(ask, range(4))) == {made[0]}
    assert len(made) == 1


@pytest.mark.parametrize("wrong", [5, None, Scoria(MemoryStore()), AsyncScoria(MemoryStore())])
def test_what_cannot_be_called_is_refused_at_once(wrong: Any) -> None:
    """A facade that is open would be shared by the processes, and is not what to pass."""
    with pytest.raises(InvalidPayload, match=r"make is \w+; pass what opens it: lambda: "):
        PerProcess(wrong)


def test_who_asks_after_a_failure_tries_again() -> None:
    """What could not be opened is opened as soon as it can be."""
    answers: Iterator[OSError | str] = iter([OSError("not yet"), "opened"])

    def make() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    once = PerProcess(make)
    with pytest.raises(OSError, match="not yet"):
        once()
    assert once() == "opened"
