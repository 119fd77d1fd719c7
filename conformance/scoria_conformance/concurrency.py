"""Several callers of one store at once: threads that share it, or processes that each open it."""

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
"""At how many of the points in a store's code a thread lets another go on."""


class Barrier(Protocol):
    """Where callers wait for each other."""

    def wait(self, timeout: float | None = None) -> int:
        """Go on once all have come."""
        ...


@attrs.frozen
class Broke:
    """The last that a process says which breaks off: the error it did not get over."""

    error: str


Work = Callable[[RunStore, int, Barrier], Any]
"""What each of several callers does with the store; it is told which of them it is."""


def threads(world: World, count: int, work: Work) -> list[Any]:
    """Have threads work with the store of `world` at once; return what each of them says."""
    barrier = threading.Barrier(count, timeout=PATIENCE)

    watched = packages(world.store)

    def part(number: int) -> Any:
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
    # Who only waited for one that failed says nothing of what went wrong.
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [each.result() for each in said]


def processes(world: World, count: int, work: Work) -> list[Any]:
    """Have processes work, each with the store opened for itself; return what each says."""
    barrier = forking().Barrier(count, timeout=PATIENCE)

    def part(number: int) -> Callable[[RunStore, Connection], None]:
        return lambda store, says: says.send(work(store, number, barrier))

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
    """Begin a process that opens the store and works; return it, and where it is heard."""
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
        # The child touches nothing that a thread of this process may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    says.close()
    return process, hears


def heard(hears: Connection) -> Any:
    """Return what a process says next."""
    speaks = hears.poll(PATIENCE)
    assert speaks, "a process says nothing"
    try:
        said = hears.recv()
    except EOFError:
        raise AssertionError("a process broke off before it had said anything") from None
    assert not isinstance(said, Broke), f"a process broke off: {said.error}"
    return said


def forking() -> ForkContext:
    """Return what begins a child that has the factory already, which need not be importable.

    Where a system has none, the scenario could not run.
    """
    try:
        return multiprocessing.get_context("fork")
    except ValueError:
        raise Unmet("this system cannot fork a process to put the store to the test") from None


def _give_way(chance: Random) -> None:
    """Let another thread go on, at some of the points."""
    if chance.random() < GIVING_WAY:
        time.sleep(0)


@contextmanager
def _switching_often() -> Iterator[None]:
    """Let threads take turns so often that what is not done at once is seen half done."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
