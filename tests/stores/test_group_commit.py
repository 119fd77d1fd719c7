"""Writes of many threads in one commit: each stored once, each told what became of its own."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from scoria_core import group_commit
from scoria_core.group_commit import GroupCommit


def test_each_write_is_stored_once_before_it_returns() -> None:
    """Of many writers at once, each finds its own write stored, and gets its own answer."""
    stored: list[int] = []

    def commit(writes: list[int]) -> Sequence[int]:
        stored.extend(writes)
        return [-number for number in writes]

    group: GroupCommit[int, int] = GroupCommit(commit)

    def write(number: int) -> bool:
        return group.store(number) == -number and number in stored

    with ThreadPoolExecutor(8) as writers:
        assert all(writers.map(write, range(200)))
    assert sorted(stored) == list(range(200))


def test_a_commit_that_fails_fails_for_all_of_its_writes() -> None:
    """No writer takes a write for stored that is not."""

    def commit(_: list[int]) -> Sequence[None]:
        raise OSError("the disk is full")

    group: GroupCommit[int, None] = GroupCommit(commit)
    with ThreadPoolExecutor(4) as writers:
        written = [writers.submit(group.store, number) for number in range(20)]
    assert {type(each.exception()) for each in written} == {OSError}


def test_a_write_that_is_refused_is_refused_alone() -> None:
    """An outcome that is an exception is raised to its own caller, and to no other."""

    def commit(writes: list[int]) -> Sequence[int | BaseException]:
        return [KeyError(number) if number % 2 else number for number in writes]

    group: GroupCommit[int, int] = GroupCommit(commit)
    with ThreadPoolExecutor(4) as writers:
        written = [writers.submit(group.store, number) for number in range(20)]
    for number, each in enumerate(written):
        if number % 2:
            with pytest.raises(KeyError, match=str(number)):
                each.result()
        else:
            assert each.result() == number


def test_what_comes_during_a_commit_is_stored_by_the_next() -> None:
    """Writes that wait for one commit share the one after it, and nobody waits for a third."""
    begun, may_end = threading.Event(), threading.Event()
    commits: list[list[int]] = []

    def commit(writes: list[int]) -> Sequence[None]:
        commits.append(writes)
        begun.set()
        assert may_end.wait(120)
        return [None] * len(writes)

    group: GroupCommit[int, None] = GroupCommit(commit)
    with ThreadPoolExecutor(8) as writers:
        written = [writers.submit(group.store, 0)]
        assert begun.wait(120)
        written += [writers.submit(group.store, number) for number in range(1, 6)]
        while len(group._waiting) < 5:
            pass
        may_end.set()
        for each in written:
            each.result(120)
    assert [sorted(writes) for writes in commits] == [[0], [1, 2, 3, 4, 5]]


class StoppedError(BaseException):
    """What stops a thread from outside."""


class Stopped:
    """A gate at which whoever comes is stopped."""

    def acquire(self) -> bool:
        """Stop the caller."""
        raise StoppedError


def test_one_who_is_interrupted_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that is stopped while it waits stores nothing, and the others go on."""
    begun, may_end = threading.Event(), threading.Event()
    stored: list[str] = []

    def commit(writes: list[str]) -> Sequence[None]:
        begun.set()
        assert may_end.wait(120)
        stored.extend(writes)
        return [None] * len(writes)

    group: GroupCommit[str, None] = GroupCommit(commit)
    with ThreadPoolExecutor(3) as writers:
        first = writers.submit(group.store, "first")
        assert begun.wait(120)
        with monkeypatch.context() as patched:
            patched.setattr(group_commit, "_closed_gate", Stopped)
            with pytest.raises(StoppedError):
                group.store("stopped")
        last = writers.submit(group.store, "last")
        may_end.set()
        first.result(120)
        last.result(120)
    assert stored == ["first", "last"]


FORKED = """
import os, threading
from scoria_core.group_commit import GroupCommit

begun, may_end = threading.Event(), threading.Event()

def commit(writes):
    if os.getpid() == parent:
        begun.set()
        may_end.wait()
    return writes

parent, group = os.getpid(), GroupCommit(commit)
writer = threading.Thread(target=group.store, args=["parent"])
writer.start()
begun.wait()
child = os.fork()
if child == 0:
    os._exit(0 if group.store("child") == "child" else 1)
may_end.set()
writer.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent() -> None:
    """A commit under way when a process forks is the parent's; the child stores its own."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ran.stdout == "0\n"


def test_whoever_came_last_time_is_waited_for() -> None:
    """The second of two writers is stored with the first, though it comes a moment later."""
    commits: list[list[str]] = []

    def commit(writes: list[str]) -> Sequence[None]:
        commits.append(writes)
        return [None] * len(writes)

    group: GroupCommit[str, None] = GroupCommit(commit)
    group._expected, group._patience = 2, 10.0
    with ThreadPoolExecutor(2) as writers:
        first = writers.submit(group.store, "first")
        while group._gathering is None:
            pass
        assert not first.done()
        writers.submit(group.store, "second").result(120)
        first.result(120)
    assert commits == [["first", "second"]]


def test_nobody_is_waited_for_longer_than_a_commit_is_worth() -> None:
    """Who was there last time and does not come again holds nobody up, and is forgotten."""
    group: GroupCommit[str, str] = GroupCommit(lambda writes: writes)
    group._expected, group._patience = 2, 0.01
    assert group.store("alone") == "alone"
    assert group._expected == 1
    group._patience = 3_600.0
    assert group.store("alone") == "alone"
