"""Delivers events to listeners, at least once, and in order within each run.

The store keeps what a listener has yet to receive. A claim moves the next try of a delivery past
the time that the claim may last: if the process dies, the delivery becomes due again by itself.
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
"""A function, or an `async def`, that receives an event; it has received it once it returns."""

Listeners = Mapping[str, Listener]
"""Listeners by name; the store keeps by this name what each has received."""

LEASE = timedelta(seconds=60)
"""How long a claim lasts; no event is delivered in its second half."""

MAX_TRIES = 20
FIRST_WAIT, MAX_WAIT = timedelta(seconds=5), timedelta(hours=1)
"""How long to wait after the first failed try; the wait doubles each time, up to `MAX_WAIT`."""

POLL = 1.0
"""How many seconds a thread waits when its listener has received everything."""

GRACE = 10.0
"""How many seconds a closing facade waits for listeners that are being called."""

A_ROUND = 1_000
"""The most runs that a thread delivers before it pauses for `POLL` seconds."""

MAX_PROBLEM = 300
"""How many characters of the reason why a try failed are kept."""


def checked_listeners(listeners: object) -> Listeners:
    """Return the listeners by name, or raise `InvalidPayload` naming `listeners`."""
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
    """Return the store if it has an outbox; else raise `InvalidPayload`."""
    if Capability.OUTBOX not in store.capabilities:
        problem = f"need a store that declares outbox, and {type(store).__name__} does not"
        raise InvalidPayload("listeners", f"{problem}; use one that does, such as SQLite")
    return cast(OutboxStore, checked_port(store, OutboxStore, "store"))


@attrs.frozen
class Deliverer:
    """Delivers to the listeners of one facade; several processes may do so at once."""

    runs: RunRepository
    listeners: Listeners
    threads: Threads
    stopping: threading.Event
    loop: HandlersLoop

    def add_all(self) -> None:
        """Add each listener that is new to the store: it receives what is stored from now on."""
        for name in self.listeners:
            self._store.add_listener(name)

    def deliver(self, name: str, limit: int) -> int:
        """Deliver the events of at most `limit` runs, and return how many the listener received.

        If the listener raises, the error is logged and recorded, and the event is tried again.
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
        """Have a thread deliver to a listener until `stopping` is set."""
        self.threads.submit(lambda: self._round(name))

    def _round(self, name: str) -> None:
        if self.stopping.is_set():
            return
        try:
            self.deliver(name, A_ROUND)
        except StoreUnavailable:
            told = "listener %s waits for its store"
            logger.warning(told, visible_line(name), exc_info=True, extra=about(listener=name))
        except BaseException:  # a listener may raise SystemExit; its event is tried again
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
            # Set first: if Ctrl-C interrupts the next line, this still counts as a failed try.
            problem = type(error).__name__
            problem = _problem(error)
            told = "listener %s was not told of entry %s of run %s"
            name = visible_line(claimed.listener)
            facts = (name, delivered + 1, claimed.run_id)
            extra = about(run_id=claimed.run_id, listener=claimed.listener)
            logger.warning(told, *facts, exc_info=True, extra=extra)
            # A CancelledError is the listener's own: no task of the caller runs in this thread.
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
    """Return the delivery after the listener has received the entries up to `delivered`.

    `problem` says why the next one failed, or is None. Each further try of one entry waits longer;
    after `MAX_TRIES` of them the delivery is given up.
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
    """Return a problem if the process died in each of the allowed tries, or None."""
    return None if claimed.tries <= MAX_TRIES else "its process ended in each try"


def _problem(error: BaseException) -> str:
    try:
        text = f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a hostile __str__ must not hold up the others
        text = type(error).__name__
    return visible_line(text, MAX_PROBLEM)
