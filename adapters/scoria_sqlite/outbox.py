"""A SQLite store that keeps what listeners have yet to receive.

The tables and the triggers are made with the first listener: without one, writes cost no more.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from scoria_core.ports import Capability, Delivery
from scoria_sqlite.pruning import PrunableSQLiteStore
from scoria_sqlite.store import _number, _time

# A trigger runs in the transaction of the write: its records and deliveries are stored together.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS listener (name TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS delivery (
        listener TEXT NOT NULL, run_id TEXT NOT NULL, delivered INTEGER NOT NULL,
        version INTEGER NOT NULL, tries INTEGER NOT NULL, next_try_at INTEGER, problem TEXT,
        PRIMARY KEY (listener, run_id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX IF NOT EXISTS by_next_try ON delivery (listener, next_try_at, run_id)
        WHERE next_try_at IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS given_up ON delivery (listener, run_id) WHERE next_try_at IS NULL",
    "CREATE INDEX IF NOT EXISTS deliveries_of_run ON delivery (run_id)",
    """CREATE TRIGGER IF NOT EXISTS created AFTER INSERT ON run BEGIN
        INSERT INTO delivery SELECT name, new.run_id, 0, new.version, 0, new.since, NULL
            FROM listener WHERE TRUE
            ON CONFLICT DO UPDATE SET version = excluded.version;
    END""",
    """CREATE TRIGGER IF NOT EXISTS appended AFTER UPDATE OF version ON run
        WHEN new.version > old.version BEGIN
        INSERT INTO delivery SELECT name, new.run_id, old.version, new.version, 0, new.since, NULL
            FROM listener WHERE TRUE
            ON CONFLICT DO UPDATE SET version = excluded.version;
    END""",
    """CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON run BEGIN
        DELETE FROM delivery WHERE run_id = old.run_id;
    END""",
)
HAS_OUTBOX = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'delivery'"
NEXT = """SELECT run_id FROM delivery WHERE listener = :listener AND next_try_at <= :now
    ORDER BY next_try_at, run_id LIMIT 1"""
CLAIM = f"""UPDATE delivery SET tries = tries + 1, next_try_at = :until
    WHERE listener = :listener AND run_id = ({NEXT}) RETURNING *"""  # noqa: S608
SETTLE = """UPDATE delivery SET delivered = :delivered, tries = :tries, next_try_at = :next_try_at,
    problem = :problem
    WHERE listener = :listener AND run_id = :run_id AND delivered = :was_delivered
    AND tries = :was_tries AND next_try_at IS :was_next_try_at"""
FINISH = """DELETE FROM delivery
    WHERE listener = :listener AND run_id = :run_id AND delivered >= version"""
LIST = "SELECT * FROM delivery WHERE listener = ? {} ORDER BY run_id LIMIT ?"


class OutboxSQLiteStore(PrunableSQLiteStore):
    """A `PrunableStore` and `OutboxStore` in the SQLite file at `path`."""

    capabilities = PrunableSQLiteStore.capabilities | {Capability.OUTBOX}

    def add_listener(self, listener: str) -> None:
        """Add a listener, which is to receive every record that is stored from now on."""
        if listener in self.list_listeners():
            return

        def write(connection: sqlite3.Connection) -> Any:
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO listener VALUES (?) ON CONFLICT DO NOTHING", [listener])

        self._writes.store(write)

    def remove_listener(self, listener: str) -> None:
        """Remove the listener and its deliveries."""

        def write(connection: sqlite3.Connection) -> Any:
            connection.execute("DELETE FROM listener WHERE name = ?", [listener])
            connection.execute("DELETE FROM delivery WHERE listener = ?", [listener])

        if self._has_outbox():
            self._writes.store(write)

    def list_listeners(self) -> Sequence[str]:
        """Return the listeners, in order."""
        if not self._has_outbox():
            return []
        return [str(name) for (name,) in self._rows("SELECT name FROM listener ORDER BY name", ())]

    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery that is due first."""
        given = {"listener": listener, "now": _number(now), "until": _number(until)}
        # Most calls find nothing due: a read comes first, as it does not keep writers waiting.
        if not self._has_outbox() or not self._rows(NEXT, given):
            return None

        def write(connection: sqlite3.Connection) -> Any:
            # CLAIM selects again: another process may have claimed the delivery since the read.
            return [_delivery(row) for row in connection.execute(CLAIM, given)]

        claimed: Any = self._writes.store(write)
        return next(iter(claimed), None)

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, if it is still as it was claimed."""
        given = {
            "listener": claimed.listener,
            "run_id": claimed.run_id,
            "was_delivered": claimed.delivered,
            "was_tries": claimed.tries,
            "was_next_try_at": _moment(claimed.next_try_at),
            "delivered": settled.delivered,
            "tries": settled.tries,
            "next_try_at": _moment(settled.next_try_at),
            "problem": settled.problem,
        }

        def write(connection: sqlite3.Connection) -> Any:
            is_claimed = connection.execute(SETTLE, given).rowcount == 1
            if is_claimed:
                # Compares with the present version: after an append meanwhile the delivery stays.
                connection.execute(FINISH, given)
            return is_claimed

        return self._has_outbox() and bool(self._writes.store(write))

    def list_deliveries(
        self, listener: str, *, limit: int, given_up: bool = False
    ) -> Sequence[Delivery]:
        """Return deliveries of the listener, ordered by run id."""
        if not self._has_outbox():
            return []
        query = LIST.format("AND next_try_at IS NULL" if given_up else "")
        return [_delivery(row) for row in self._rows(query, (listener, limit))]

    def _has_outbox(self) -> bool:
        return self._rows(HAS_OUTBOX, ()) != [(0,)]


def _moment(time: datetime | None) -> int | None:
    return None if time is None else _number(time)


def _delivery(row: Sequence[Any]) -> Delivery:
    listener, run_id, delivered, version, tries, next_try_at, problem = row
    at = None if next_try_at is None else _time(next_try_at)
    return Delivery(listener, run_id, delivered, version, tries, at, problem)
