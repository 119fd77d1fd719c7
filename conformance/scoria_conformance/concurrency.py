"""Several callers of one store at once: threads that share it, or processes with one each."""

import multiprocessing
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, ForkProcess
from random import Random
from typing import Any, Protocol

import attrs

from scoria_conformance.attribution import Unmet
from scoria_conformance.observed import named as told
from scoria_conformance.points import Trail, packages
from scoria_conformance.world import PATIENCE, World
from scoria_core.ports import RunStore

GIVING_WAY = 0.1
"""The share of the points in a store's code at which a thread lets another thread run."""


class Barrier(Protocol):
    """A barrier at which callers wait for each other."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until all callers have arrived."""
        ...


@attrs.frozen
class Broke:
    """The last message of a process that failed: its error."""

    error: str


Work = Callable[[RunStore, int, Barrier], Any]
"""The work of each of several callers, which gets the store, its own number and a barrier."""


def threads(world: World, count: int, work: Work) -> list[Any]:
    """Run work in threads that share the store of `world`; return the result of each."""
    barrier = threading.Barrier(count, timeout=PATIENCE)

    watched = packages(world.store)

    def part(number: int) -> Any:
        # Seeded by the number of the caller, so that each run draws the same choices.
        chance = Random(number)  # noqa: S311 - it picks points, and keeps no secret
        try:
            with Trail(watched, lambda _: _give_way(chance)).followed():
                return work(world.store, number, barrier)
        except BaseException:
            barrier.abort()
            raise

    with _switching_often(), ThreadPoolExecutor(count) as pool:
        said = [pool.submit(part, number) for number in range(count)]
    errors = [error for each in said if (error := each.exception())]
    # A caller whose barrier broke only waited for one that failed: report the cause first.
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [each.result() for each in said]


def processes(world: World, count: int, work: Work) -> list[Any]:
    """Run work in processes, each of which opens the store; return the result of each."""
    barrier = forking().Barrier(count, timeout=PATIENCE)

    def part(number: int) -> Callable[[RunStore, Connection], None]:
        # Forked children inherit this closure, so it need not be picklable.
        return lambda store, says: says.send(work(store, number, barrier))

    # The store is closed first, so that no child inherits an open connection.
    world.close()
    begun = [begin_process(world, part(number)) for number in range(count)]
    said = [heard(hears) for _, hears in begun]
    for process, _ in begun:
        process.join(PATIENCE)
    world.open()
    return said


def begin_process(
    world: World, work: Callable[[RunStore, Connection], None]
) -> tuple[ForkProcess, Connection]:
    """Start a process that opens the store and works; return it, and where its messages arrive."""
    context = forking()
    hears, says = context.Pipe(duplex=False)

    def child() -> None:
        try:
            store = world.factory(world.directory)
            work(store, says)
            store.close()
        except BaseException as error:
            says.send(Broke(told(error)))
            raise

    process = context.Process(target=child, daemon=True)
    with warnings.catch_warnings():
        # Python warns because a thread may hold a lock during the fork; the child uses none of
        # them.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    says.close()
    return process, hears


def heard(hears: Connection) -> Any:
    """Return the next message of a process."""
    speaks = hears.poll(PATIENCE)
    assert speaks, "a process says nothing"
    try:
        said = hears.recv()
    except EOFError:
        raise AssertionError("a process broke off before it had said anything") from None
    assert not isinstance(said, Broke), f"a process broke off: {said.error}"
    return said


def forking() -> ForkContext:
    """Return the fork context: a child then has the factory, which need not be importable.

    On a system that cannot fork, the scenario could not run.
    """
    try:
        return multiprocessing.get_context("fork")
    except ValueError:
        raise Unmet("this system cannot fork a process to put the store to the test") from None


def _give_way(chance: Random) -> None:
    """Let another thread run, at some of the points."""
    if chance.random() < GIVING_WAY:
        # Releases the interpreter lock, so that another thread can take it.
        time.sleep(0)


@contextmanager
def _switching_often() -> Iterator[None]:
    """Switch threads so often that a half-done step becomes visible if it is not atomic."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
