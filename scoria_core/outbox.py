"""Deliveries in memory, for stores that one process owns. The caller holds a lock."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from datetime import UTC, datetime

import attrs

from scoria_core.ports import Delivery

_Place = tuple[datetime, str]


@attrs.define
class _Listener:
    """The deliveries of one listener, and in what order they can be claimed."""

    deliveries: dict[str, Delivery] = attrs.field(factory=dict)
    queue: list[_Place] = attrs.field(factory=list)

    def put(self, delivery: Delivery) -> None:
        """Add a delivery, in place of any other of its run."""
        self.take(delivery.run_id)
        self.deliveries[delivery.run_id] = delivery
        if delivery.next_try_at is not None:
            insort(self.queue, (delivery.next_try_at, delivery.run_id))

    def take(self, run_id: str) -> None:
        """Remove the delivery of a run, if there is one."""
        delivery = self.deliveries.pop(run_id, None)
        if delivery is not None and delivery.next_try_at is not None:
            del self.queue[bisect_left(self.queue, (delivery.next_try_at, run_id))]


@attrs.define
class Outbox:
    """The listeners of a store, and the deliveries of each."""

    listeners: dict[str, _Listener] = attrs.field(factory=dict)

    def add(self, listener: str) -> None:
        """Add a listener, if it is not there."""
        self.listeners.setdefault(listener, _Listener())

    def stored(self, run_id: str, before: int, version: int, since: datetime) -> None:
        """Record that every listener has yet to receive the entries from `before` to `version`."""
        for name, listener in self.listeners.items():
            known = listener.deliveries.get(run_id)
            if known is None:
                known = Delivery(name, run_id, before, version, 0, since.astimezone(UTC))
            listener.put(attrs.evolve(known, version=version))

    def put(self, delivery: Delivery) -> None:
        """Replace a delivery of a known listener."""
        self.listeners[delivery.listener].put(delivery)

    def get(self, name: str, run_id: str) -> Delivery | None:
        """Return the delivery of a run, or None if the listener has received all of it."""
        return self.listeners.get(name, _Listener()).deliveries.get(run_id)

    def forget(self, run_id: str) -> None:
        """Remove every delivery of a run."""
        for listener in self.listeners.values():
            listener.take(run_id)

    def due(self, name: str, now: datetime) -> Delivery | None:
        """Return the delivery that can be claimed first, or None."""
        listener = self.listeners.get(name, _Listener())
        if not listener.queue or listener.queue[0][0] > now:
            return None
        return listener.deliveries[listener.queue[0][1]]

    def claim(self, name: str, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery that is due first, or return None."""
        found = self.due(name, now)
        if found is None:
            return None
        claimed = attrs.evolve(found, tries=found.tries + 1, next_try_at=until.astimezone(UTC))
        self.put(claimed)
        return claimed

    def settle(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, if it is still as it was claimed."""
        found = self.get(claimed.listener, claimed.run_id)
        if found is None or _claim_of(found) != _claim_of(claimed):
            return False
        at = settled.next_try_at and settled.next_try_at.astimezone(UTC)
        self.put(attrs.evolve(settled, version=found.version, next_try_at=at))
        if settled.delivered >= found.version:
            self.listeners[found.listener].take(found.run_id)
        return True

    def list(self, name: str, limit: int, *, given_up: bool) -> Sequence[Delivery]:
        """Return deliveries of a listener, ordered by run id."""
        listener = self.listeners.get(name, _Listener())
        found = [
            listener.deliveries[run_id]
            for run_id in sorted(listener.deliveries)
            if not given_up or listener.deliveries[run_id].next_try_at is None
        ]
        return found[:limit]


def _claim_of(delivery: Delivery) -> tuple[object, ...]:
    """Return what tells one claim of a delivery from another."""
    return delivery.delivered, delivery.tries, delivery.next_try_at
