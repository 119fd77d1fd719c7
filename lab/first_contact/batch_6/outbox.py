"""SQLite and DuckDB stores that are wrong about what listeners have yet to be told."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from scoria_core.errors import StoreUnavailable
from scoria_core.ports import Delivery
from scoria_duckdb.store import DuckDBStore
from scoria_sqlite.outbox import FINISH, NEXT, SCHEMA, OutboxSQLiteStore, _delivery, _moment
from scoria_sqlite.store import _number

SETTLE = """UPDATE delivery SET delivered = :delivered, tries = :tries, next_try_at = :next_try_at,
    problem = :problem WHERE listener = :listener AND run_id = :run_id
    AND delivered = :was_delivered AND tries = :was_tries"""
CLAIM = """UPDATE delivery SET tries = tries + 1, next_try_at = :until
    WHERE listener = :listener AND run_id = :run_id RETURNING *"""
NOTED = "ON CONFLICT DO UPDATE SET version = excluded.version"
AT_ONCE = f"""{NOTED}, next_try_at = CASE WHEN problem IS NULL OR next_try_at IS NULL
    THEN next_try_at ELSE min(next_try_at, excluded.next_try_at) END"""


class OwnTriggers(OutboxSQLiteStore):
    """A right store whose triggers are told by a subclass."""

    schema: tuple[str, ...] = SCHEMA

    def add_listener(self, listener: str) -> None:
        """Let the listener be told of what is stored from now on."""

        def write(connection: sqlite3.Connection) -> Any:
            for statement in self.schema:
                connection.execute(statement)
            connection.execute("INSERT INTO listener VALUES (?) ON CONFLICT DO NOTHING", [listener])

        if listener not in self.list_listeners():
            self._writes.store(write)


class SettlesByTries(OutboxSQLiteStore):
    """Takes a delivery for the one that was claimed where its tries are as many again."""

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """The tries begin at 0 anew, so that a later claim may have the number of this one."""
        given = {
            "listener": claimed.listener,
            "run_id": claimed.run_id,
            "was_delivered": claimed.delivered,
            "was_tries": claimed.tries,
            "delivered": settled.delivered,
            "tries": settled.tries,
            "next_try_at": _moment(settled.next_try_at),
            "problem": settled.problem,
        }

        def write(connection: sqlite3.Connection) -> Any:
            is_claimed = connection.execute(SETTLE, given).rowcount == 1
            if is_claimed:
                connection.execute(FINISH, given)
            return is_claimed

        return self._has_outbox() and bool(self._writes.store(write))


class AppendTriesAtOnce(OwnTriggers):
    """Lets what failed be tried at once when something is appended, also while it is tried."""

    schema = tuple(
        each.replace(NOTED, AT_ONCE) if "TRIGGER IF NOT EXISTS appended" in each else each
        for each in SCHEMA
    )


class ClaimsInMemory(DuckDBStore):
    """Writes a claim with the commit that comes next, or when it is closed."""

    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """One commit less for each delivery; who is killed meanwhile has not tried."""
        return self._see(lambda known: known.claim(listener, now, until))

    def close(self) -> None:
        """Write what was claimed, and give the file back."""
        if self._file is not None:
            with suppress(StoreUnavailable):
                self._change(lambda known: None)
        super().close()


class GivenUpOutlivesRun(OwnTriggers):
    """Removes of a pruned run what can still be claimed, and leaves what was given up."""

    schema = tuple(
        each.replace("run_id = old.run_id", "run_id = old.run_id AND next_try_at IS NOT NULL")
        for each in SCHEMA
    )


class PrunesInTwoCommits(OwnTriggers):
    """Removes a run, and what listeners had yet to be told of it with a commit of its own."""

    schema = tuple(each for each in SCHEMA if "TRIGGER IF NOT EXISTS removed" not in each)

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Whoever is killed between the commits leaves deliveries of runs that are no more."""
        removed = super().prune(versions)

        def write(connection: sqlite3.Connection) -> Any:
            gone = [(run_id,) for run_id in removed]
            connection.executemany("DELETE FROM delivery WHERE run_id = ?", gone)

        if removed and self._has_outbox():
            self._writes.store(write)
        return removed


class ClaimsWhatItSaw(OutboxSQLiteStore):
    """Looks what is due, and claims that run whether or not it is still due."""

    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """Two who looked before either of them wrote both get it."""
        given: dict[str, Any] = {"listener": listener, "now": _number(now), "until": _number(until)}
        found = self._rows(NEXT, given) if self._has_outbox() else []
        if not found:
            return None
        given["run_id"] = found[0][0]

        def write(connection: sqlite3.Connection) -> Any:
            return [_delivery(each) for each in connection.execute(CLAIM, given)]

        claimed: Any = self._writes.store(write)
        return next(iter(claimed), None)


class TellsTheLastOfAnAppend(OwnTriggers):
    """Notes of an append that its last record is to be told, as if it were its only one."""

    schema = tuple(each.replace("old.version, new.v", "new.version - 1, new.v") for each in SCHEMA)
