"""Tells listeners of what is stored, at least once, and in the order of each run.

The store says what a listener has yet to be told. To claim that is to move its next try past the
time that telling may take: if the process dies, it comes back by itself.
"""

import threading
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from inspect import isasyncgenfunction, isawaitable, isgeneratorfunction
from types import MappingProxyType
from typing import cast

import attrs

from scoria_core.dispatch import Threads
from scoria_core.errors import InvalidPayload, StoreUnavailable
from scoria_core.event_loop import BrokenOff, HandlersLoop, awaited_on, is_running_here, leave
from scoria_core.events import Event, events_after
from scoria_core.logs import about, logger_of
from scoria_core.payloads import checked_name
from scoria_core.ports import Capability, Delivery, OutboxStore, RunStore, checked_port
from scoria_core.repository import RunRepository
from scoria_core.visible import visible_line

logger = logger_of("scoria.events")

Listener = Callable[[Event], object | Awaitable[object]]
"""A function, or an `async def`, that is told of an event; it was told once it has returned."""

Listeners = Mapping[str, Listener]
"""Listeners by their names; the store remembers by the name what each was told."""

LEASE = timedelta(seconds=60)
"""For how long a claim lasts; no event is told in its second half."""

MAX_TRIES = 20
FIRST_WAIT, MAX_WAIT = timedelta(seconds=5), timedelta(hours=1)
"""How long after the first failed try comes the next: twice as long each time, up to an hour."""

POLL = 1.0
"""How many seconds a thread waits when a listener was told all."""

GRACE = 10.0
"""How many seconds a closing facade waits for the listeners that are being told."""

A_ROUND = 1_000
"""Of how many runs a listener is told before its thread looks whether to stop."""

MAX_PROBLEM = 300
"""How many characters are kept of why a try failed."""


def checked_listeners(listeners: object) -> Listeners:
    """Return listeners by their names; raises `InvalidPayload` naming `listeners`."""
    if listeners is None:
        return MappingProxyType({})
    if not isinstance(listeners, Mapping):
        problem = f"is {type(listeners).__name__}; pass a mapping of names to functions"
        raise InvalidPayload("listeners", problem)
    for name, listener in listeners.items():
        checked_name(name, "listeners")
        if not callable(listener):
            problem = f"has {type(listener).__name__} for {name}; pass a function"
            raise InvalidPayload("listeners", problem)
        if isgeneratorfunction(listener) or isasyncgenfunction(listener):
            problem = f"has a generator for {name}, which nobody would run; pass a function"
            raise InvalidPayload("listeners", problem)
    return MappingProxyType(dict(listeners))


def checked_outbox(store: RunStore) -> OutboxStore:
    """Return the store if it can tell listeners; else raise `InvalidPayload`."""
    if Capability.OUTBOX not in store.capabilities:
        problem = f"need a store that declares outbox, and {type(store).__name__} does not"
        raise InvalidPayload("listeners", f"{problem}; use one that does, such as SQLite")
    return cast(OutboxStore, checked_port(store, OutboxStore, "store"))


@attrs.frozen
class Deliverer:
    """Tells the listeners of one facade; any number of processes may do so at once."""

    runs: RunRepository
    listeners: Listeners
    threads: Threads
    stopping: threading.Event
    loop: HandlersLoop

    def add_all(self) -> None:
        """Let each listener be told of what is stored from now on, if it is new."""
        for name in self.listeners:
            self._store.add_listener(name)

    def deliver(self, name: str, limit: int) -> int:
        """Tell a listener of at most `limit` runs, and return of how many events it was told.

        An exception of the listener is logged and recorded.
        """
        told = 0
        for _ in range(limit):
            now = self.runs.now()
            if self.stopping.is_set():
                break
            claimed = self._store.claim_delivery(name, now=now, until=now + LEASE)
            if claimed is None:
                break
            told += self._tell(claimed, now)
        return told

    def keep_on(self, name: str) -> None:
        """Have a thread tell a listener, from now until `stopping` is set."""
        self.threads.submit(lambda: self._round(name))

    def _round(self, name: str) -> None:
        if self.stopping.is_set():
            return
        try:
            self.deliver(name, A_ROUND)
        except StoreUnavailable:
            told = "listener %s waits for its store"
            logger.warning(told, visible_line(name), exc_info=True, extra=about(listener=name))
        except BaseException:  # a listener may exit, and is told again
            told = "listener %s was not told"
            logger.exception(told, visible_line(name), extra=about(listener=name))
        self.threads.submit(lambda: self._round(name), POLL)

    def _tell(self, claimed: Delivery, now: datetime) -> int:
        delivered, problem = claimed.delivered, _died(claimed)
        try:
            for event in [] if problem else self._events(claimed):
                if self.runs.now() > now + LEASE / 2 or self.stopping.is_set():
                    break
                self._call(self.listeners[claimed.listener], event)
                delivered = event.sequence
        except BaseException as error:
            problem = type(error).__name__  # a try, even where Ctrl-C comes while it is read
            problem = _problem(error)
            told = "listener %s was not told of entry %s of run %s"
            name = visible_line(claimed.listener)
            facts = (name, delivered + 1, claimed.run_id)
            extra = about(run_id=claimed.run_id, listener=claimed.listener)
            logger.warning(told, *facts, exc_info=True, extra=extra)
            # No task of the caller was cancelled: this thread waits in none.
            if not isinstance(error, Exception | BrokenOff | CancelledError):
                raise
        finally:
            after = settled(claimed, delivered, problem, self.runs.now())
            self._store.settle_delivery(claimed, after)
        return delivered - claimed.delivered

    def _call(self, listener: Listener, event: Event) -> None:
        answer = listener(event)
        if not isawaitable(answer):
            return
        try:
            loop = self.loop.running()
            if is_running_here(loop):
                problem = "the loop it runs on waits for it: await AsyncScoria.deliver_events"
                raise RuntimeError(problem)
            awaited_on(loop, answer)
        finally:
            leave(answer)

    def _events(self, claimed: Delivery) -> list[Event]:
        run = self.runs.load(claimed.run_id)
        events = list(events_after(run, claimed.delivered))
        self.runs.cache.put_back(run)
        return events

    @property
    def _store(self) -> OutboxStore:
        return cast(OutboxStore, self.runs.store)


def settled(claimed: Delivery, delivered: int, problem: str | None, now: datetime) -> Delivery:
    """Return how a delivery stands after it was told up to entry `delivered`.

    `problem` says why no further; it is tried again later each time, and given up after
    `MAX_TRIES` tries of one entry.
    """
    if problem is None:
        return attrs.evolve(claimed, delivered=delivered, tries=0, next_try_at=now, problem=None)
    tries = claimed.tries if delivered == claimed.delivered else 1
    wait = min(FIRST_WAIT * 2 ** (min(tries, MAX_TRIES) - 1), MAX_WAIT)
    next_try_at = None if tries >= MAX_TRIES else now + wait
    return attrs.evolve(
        claimed, delivered=delivered, tries=tries, next_try_at=next_try_at, problem=problem
    )


def _died(claimed: Delivery) -> str | None:
    """Say that telling it ended its process so often that it is not tried again."""
    return None if claimed.tries <= MAX_TRIES else "its process ended in each try"


def _problem(error: BaseException) -> str:
    try:
        text = f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a hostile __str__ must not hold up the others
        text = type(error).__name__
    return visible_line(text, MAX_PROBLEM)
