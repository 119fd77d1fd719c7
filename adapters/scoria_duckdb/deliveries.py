"""The deliveries of a file: an outbox in memory, and the rows that keep it in the file."""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

import duckdb

from scoria_core.errors import StoreCorrupt
from scoria_core.outbox import Outbox
from scoria_core.ports import Delivery
from scoria_duckdb.journal_rows import Write, microseconds, time_of

_DELIVERIES = (files("scoria_duckdb") / "sql" / "deliveries.sql").read_text()
_LISTENERS = "SELECT name FROM scoria_listener"
_REPLACE_LISTENERS = """DELETE FROM scoria_listener;
    INSERT INTO scoria_listener SELECT unnest($names::VARCHAR[])"""
_STOP = "DELETE FROM scoria_delivery WHERE list_contains($names::VARCHAR[], listener)"
_FORGET = "DELETE FROM scoria_delivery WHERE list_contains($run_ids::VARCHAR[], run_id)"


class Deliveries:
    """The outbox of a file, and its changes that are not in the file yet. It is not thread-safe."""

    def __init__(self) -> None:
        self._replace(Outbox())

    def read(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Load the outbox from the file. Raises `StoreCorrupt` if a time in it is out of range."""
        outbox = Outbox()
        for (name,) in connection.execute(_LISTENERS).fetchall():
            outbox.add(name)
        for listener, run_id, says in connection.execute(_DELIVERIES).fetchall():
            delivered, version, tries, next_try_at, problem = says
            try:
                at = None if next_try_at is None else time_of(next_try_at)
            except OverflowError as error:
                problem = "is to be told at a time that there is not"
                raise StoreCorrupt(run_id, version, problem) from error
            outbox.put(Delivery(listener, run_id, delivered, version, tries, at, problem))
        self._replace(outbox)

    def save(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write what has changed, in the transaction that the caller has begun."""
        if self._are_listeners_changed:
            connection.execute(_STOP, {"names": list(self._stopped)})
            connection.execute(_REPLACE_LISTENERS, {"names": self.listeners()})
        found = {key: self._outbox.get(*key) for key in self._changed}
        if told := [key for key, delivery in found.items() if delivery is None]:
            where = " OR ".join(["(run_id = ? AND listener = ?)"] * len(told))
            given = [each for listener, run_id in told for each in (run_id, listener)]
            connection.execute(f"DELETE FROM scoria_delivery WHERE {where}", given)  # noqa: S608
        if untold := [each for each in found.values() if each is not None]:
            places = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * len(untold))
            values = [value for each in untold for value in _values(each)]
            # Rows are only appended: the last row of a listener and a run counts.
            connection.execute(f"INSERT INTO scoria_delivery VALUES {places}", values)  # noqa: S608
        self._replace(self._outbox)

    @property
    def are_changed(self) -> bool:
        """Tell whether there is something to save."""
        return bool(self._changed) or self._are_listeners_changed

    def stored(self, write: Write) -> None:
        """Record that every listener has yet to receive what a write adds to a run."""
        run = write.run
        self._outbox.stored(run.key.run_id, write.version, run.version, run.row.since)
        self._changed |= {(name, run.key.run_id) for name in self._outbox.listeners}

    def add(self, listener: str) -> None:
        """Add a listener, which is to receive every record that is stored from now on."""
        self._outbox.add(listener)
        self._are_listeners_changed = True

    def remove(self, listener: str) -> None:
        """Remove a listener and its deliveries."""
        self._outbox.listeners.pop(listener, None)
        self._stopped.add(listener)
        self._are_listeners_changed = True

    def claim(self, listener: str, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery that is due first."""
        claimed = self._outbox.claim(listener, now, until)
        if claimed is not None:
            self._changed.add((listener, claimed.run_id))
        return claimed

    def settle(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, if it is still as it was claimed."""
        is_claimed = self._outbox.settle(claimed, settled)
        if is_claimed:
            self._changed.add((claimed.listener, claimed.run_id))
        return is_claimed

    def forget(self, run_ids: Sequence[str], connection: duckdb.DuckDBPyConnection) -> None:
        """Remove every delivery of these runs, in memory and in the transaction of the caller."""
        for run_id in run_ids:
            self._outbox.forget(run_id)
        connection.execute(_FORGET, {"run_ids": run_ids})

    def listeners(self) -> list[str]:
        """Return the listeners, in order."""
        return sorted(self._outbox.listeners)

    def is_due(self, listener: str, now: datetime) -> bool:
        """Tell whether there is something to claim."""
        return self._outbox.due(listener, now) is not None

    def list(self, listener: str, limit: int, *, given_up: bool) -> Sequence[Delivery]:
        """Return deliveries of a listener, ordered by run id."""
        return self._outbox.list(listener, limit, given_up=given_up)

    def _replace(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._changed: set[tuple[str, str]] = set()
        self._stopped: set[str] = set()
        self._are_listeners_changed = False


def _values(delivery: Delivery) -> tuple[str | int | None, ...]:
    at = delivery.next_try_at
    return (
        delivery.listener,
        delivery.run_id,
        delivery.delivered,
        delivery.version,
        delivery.tries,
        None if at is None else microseconds(at),
        delivery.problem,
    )
