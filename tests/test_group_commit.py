"""Writes of many threads in one commit: each stored once, each told what became of its own."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

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
