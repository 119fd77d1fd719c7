"""A store in a PostgreSQL database."""

import json
import os
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import wraps
from importlib.resources import files
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

import attrs
import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier
from psycopg_pool import ConnectionPool

from scoria_core.batches import decode_batch, encode_batch
from scoria_core.errors import StoreCorrupt, StoreUnavailable, VersionConflict
from scoria_core.ports import (
    Capability,
    Delivery,
    Fact,
    IndexRow,
    Record,
    RunKey,
    StoredRun,
    Where,
)
from scoria_postgres.connection import (
    connected,
    connected_to,
    is_lost,
    is_passing,
    target,
    translated,
)
from scoria_postgres.migrate import migrate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = 10
"""How many seconds a call waits for a connection, and retries after a passing error."""

WAIT = 0.01
MAX_WAIT = 1.0
"""How many seconds a call waits, at most, before a retry: from `WAIT`, doubled each time."""

MAX_CONNECTIONS = 10
"""How many connections one process has at most; further calls wait for one."""

_WAKES = ", pg_notify(%(channel)s, json_build_array(tenant_id, run_id)::text)"
"""Selected by a statement that makes a run due: its commit notifies those who watch."""

_CHANNEL = "SELECT 'scoria_due_' || to_regclass('scoria_head')::oid, pg_notify('scoria', '')"
"""Selects the channel of the store, one for each schema; fails if the server has no NOTIFY."""

_SQL = {
    name: (files("scoria_postgres") / "sql" / f"{name}.sql").read_text()
    for name in (
        "add_listener",
        "append",
        "claim",
        "count",
        "create",
        "due",
        "due_fairly",
        "deliveries",
        "existing",
        "journal",
        "listeners",
        "postpone",
        "prune",
        "remove_listener",
        "runs",
        "settle",
        "version",
    )
}


@attrs.frozen
class _Answer:
    """The rows of a statement, and whether an earlier try of it may have been executed."""

    rows: list[tuple[Any, ...]]
    is_repeated: bool


def _finished(
    method: Callable[Concatenate["PostgresStore", P], R],
) -> Callable[Concatenate["PostgresStore", P], R]:
    """Make `close` wait for calls of this method, and refuse later ones."""

    @wraps(method)
    def call(store: "PostgresStore", /, *arguments: P.args, **named: P.kwargs) -> R:
        with store._under_way():
            return method(store, *arguments, **named)

    return call


class PostgresStore:
    """A `RunStore` in the PostgreSQL database that the libpq URI `url` names.

    Opening it creates or migrates the schema. Raises `StoreUnavailable` if the server does not
    answer, and `SchemaTooNew` if a later version of the kit has written there.
    """

    def __init__(self, url: str) -> None:
        self._target = target(url)
        self._name = self._target.name
        self._closed = False
        self._calls: set[tuple[int, object]] = set()
        with translated(self._name), connected(url) as connection:
            migrate(connection, self._name)
            self._channel = _channel(connection)
        can_wake = self._channel is not None and not self._target.is_pooled
        unkept = frozenset() if can_wake else frozenset({Capability.WAKING})
        self.capabilities = frozenset(Capability) - unkept
        # By process: the connections of a pool belong to the process that made it. That of the
        # parent is kept, so that nothing closes it in a child.
        self._pools = {os.getpid(): self._new_pool()}

    @_finished
    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        told = {
            **attrs.asdict(key),
            **_told(row, records, len(records)),
            "channel": self._channel,
        }
        statement = self._waking("create", row)
        while not (created := self._execute(statement, told)).rows:
            for run_id, has_key in self._rows("existing", told).rows:
                # After a lost answer the run may be our own: the earlier try stored it.
                if has_key or (created.is_repeated and self._is_stored(run_id, records[-1])):
                    return str(run_id)
                raise VersionConflict(run_id, 0, self._version(run_id))
            # The run that caused the conflict was pruned meanwhile: try again.
        return key.run_id

    @_finished
    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version, durable on return."""
        told = {
            **_told(row, records, expected_version + len(records)),
            "run_id": run_id,
            "expected": expected_version,
            "due_by": due_by,
            "channel": self._channel,
        }
        statement = self._waking("append", row) if records else _SQL["postpone"]
        appended = self._execute(statement, told)
        if appended.rows or (
            appended.is_repeated and records and self._is_stored(run_id, records[-1])
        ):
            return
        raise VersionConflict(run_id, expected_version, self._version(run_id))

    @_finished
    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return these runs with their records."""
        return self._read(run_ids)

    @_finished
    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return the runs that match `where`, newest first."""
        table = "scoria_head" if where and where.fact is Fact.STATUS else "scoria_run"
        fact = {where.fact.value: where.value} if where else {}
        of = _given({"tenant_id": tenant_id, **fact})
        until = _range(of, "<=") if before is None else _range({**of, "run_id": before}, "<")
        order = [f"{column} DESC" for column in (*of, "run_id")]
        return self._listed(table, (_range(of, ">="), until), order, limit, with_records)

    @_finished
    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: tuple[datetime, str] | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return the runs with the label, ordered by `since`, then `run_id`."""
        of = _given({"tenant_id": tenant_id, "label": label})
        table, any_label = "scoria_label", ("TRUE", ())
        if label is None:
            table, any_label = "scoria_head", ("labels <> '{}'", ())
        place = zip(("since", "run_id"), start or (), strict=False)
        where = (_range({**of, **dict(place)}, ">="), _range(of, "<="), any_label)
        return self._listed(table, where, (*of, "since", "run_id"), limit, with_records)

    @_finished
    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        asked = {"tenant_id": tenant_id, "until": until, "limit": limit}
        statement = _SQL["due_fairly" if fair else "due"]
        # A condition that filters nothing is left out, so that the planner uses the right index.
        of_tenant = "TRUE" if tenant_id is None else "tenant_id = %(tenant_id)s"
        due = self._execute(statement.replace("{of_tenant}", of_tenant), asked)
        return [run_id for (run_id,) in due.rows]

    @_finished
    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Return how many runs have each of these statuses, at most `limit`."""
        asked = {"tenant_id": "%(tenant_id)s", "status": "asked.status"}
        if tenant_id is None:
            del asked["tenant_id"]
        statement = _SQL["count"].format(
            columns=", ".join(asked), values=", ".join(asked.values()), limit=limit
        )
        given = {"tenant_id": tenant_id, "statuses": list(statuses)}
        return dict(self._execute(statement, given).rows)

    @_finished
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions; autovacuum frees their space for new runs."""
        given = {"run_ids": list(versions), "versions": list(versions.values())}
        removed = self._rows("prune", given)
        if removed.is_repeated:
            # An earlier try, whose answer was lost, may have removed them: those that are gone.
            return [run_id for run_id in versions if not self._version(run_id)]
        return [run_id for (run_id,) in removed.rows]

    @_finished
    def add_listener(self, listener: str) -> None:
        """Add a listener, which is to receive every record that is stored from now on."""
        self._rows("add_listener", {"listener": listener})

    @_finished
    def remove_listener(self, listener: str) -> None:
        """Remove the listener and its deliveries."""
        self._rows("remove_listener", {"listener": listener})

    @_finished
    def list_listeners(self) -> Sequence[str]:
        """Return the listeners, in order."""
        return [name for (name,) in self._rows("listeners", {}).rows]

    @_finished
    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery that is due first."""
        # If the answer to an earlier try was lost, the delivery it claimed is due again at `until`.
        claimed = self._rows("claim", {"listener": listener, "now": now, "until": until}).rows
        return next(map(_delivery, claimed), None)

    @_finished
    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, if it is still as it was claimed."""
        was = {f"was_{name}": value for name, value in attrs.asdict(claimed).items()}
        return bool(self._rows("settle", {**attrs.asdict(settled), **was}).rows)

    @_finished
    def list_deliveries(
        self, listener: str, *, limit: int, given_up: bool = False
    ) -> Sequence[Delivery]:
        """Return deliveries of the listener, ordered by run id."""
        given = {"listener": listener, "limit": limit, "given_up": given_up}
        return [_delivery(row) for row in self._rows("deliveries", given).rows]

    def watch_due(
        self, *, tenant_id: str | None, pause: float
    ) -> Generator[Sequence[str], None, None]:
        """Yield the ids of runs as they become due, on a connection of its own."""
        if self._channel is None or self._target.is_pooled:
            problem = "cannot wake who waits: it has no LISTEN, or a pooler is in front of it"
            raise StoreUnavailable(self._name, problem, "look at list_due from time to time")
        with translated(self._name), connected_to(self._target) as connection:
            # Before the first answer: from then on the server notifies this session.
            connection.execute(SQL("LISTEN {}").format(Identifier(self._channel)))
            yield []
            while not self._closed:
                yield _due(connection, tenant_id, pause)
        raise _closed(self._name)

    def close(self) -> None:
        """Wait for running calls, at most `PATIENCE` seconds, and close the connections."""
        self._closed = True
        ends = time.monotonic() + PATIENCE
        while self._has_calls() and time.monotonic() < ends:
            time.sleep(WAIT)
        if os.getpid() in self._pools:  # a forked child leaves the others to its parent
            self._open_pool().close()

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        # No lock is needed: `close` sets `_closed` and then reads `_calls`; a call adds itself to
        # `_calls` and then reads `_closed`. So at least one of the two sees the other. A forked
        # child inherits the calls of its parent, and must not wait for them: hence the process id.
        call = os.getpid(), object()
        self._calls.add(call)
        try:
            if self._closed:
                raise _closed(self._name)
            yield
        finally:
            self._calls.discard(call)

    def _has_calls(self) -> bool:
        return any(process == os.getpid() for process, _ in tuple(self._calls))

    def _read(self, run_ids: Sequence[str]) -> list[StoredRun]:
        asked = "unnest(%s::text[]) WITH ORDINALITY"
        return self._stored(asked, [list(run_ids)], with_records=True)

    def _listed(
        self,
        table: str,
        where: Iterable[tuple[str, Iterable[object]]],
        order: Iterable[str],
        limit: int,
        with_records: bool,
    ) -> list[StoredRun]:
        # The order and the range name all columns of one index, so that the planner takes that one:
        # with another it could read every row to find a rare value. The limit is a literal, not a
        # parameter, so that the plan is made for it.
        by = ", ".join(order)
        page = (
            f"(SELECT run_id, row_number() OVER (ORDER BY {by}) AS place FROM {table}"  # noqa: S608 - the names are ours
            f" WHERE {' AND '.join(sql for sql, _ in where)} ORDER BY {by} LIMIT {limit:d})"
        )
        return self._stored(page, [each for _, values in where for each in values], with_records)

    def _stored(
        self, page: str, parameters: Sequence[object], with_records: bool
    ) -> list[StoredRun]:
        records = _SQL["journal"] if with_records else "'{}'::text[]"
        statement = _SQL["runs"].format(page=page, records=records)
        return [_stored_run(row) for row in self._execute(statement, parameters).rows]

    def _version(self, run_id: str) -> int:
        rows = self._rows("version", {"run_id": run_id}).rows
        return rows[0][0] if rows else 0

    def _is_stored(self, run_id: str, record: Record) -> bool:
        """Tell whether an earlier try, whose answer was lost, has stored this record."""
        return any(record in run.records for run in self._read([run_id]))

    def _waking(self, statement: str, row: IndexRow) -> str:
        """Return a statement that stores `row`, and notifies those who watch if its run is due."""
        is_due = row.due_at is not None and row.due_at <= datetime.now(UTC)
        return _SQL[statement].replace("{wakes}", _WAKES if is_due and self._channel else "")

    def _rows(self, statement: str, parameters: Mapping[str, Any]) -> _Answer:
        return self._execute(_SQL[statement], parameters)

    def _execute(self, statement: str, parameters: Any) -> _Answer:
        """Execute a statement, and return its rows.

        After a lost connection, or a conflict with a concurrent statement, retry it for `PATIENCE`
        seconds.
        """
        ends, may_be_stored = time.monotonic() + PATIENCE, False
        with translated(self._name):
            for number in count():
                try:
                    left = max(ends - time.monotonic(), 0.001)
                    with self._open_pool().connection(timeout=left) as connection:
                        rows = connection.execute(statement.encode(), parameters).fetchall()
                        return _Answer(rows, is_repeated=may_be_stored)
                except psycopg.Error as error:
                    # The wait is random, so that callers that collided do not collide again.
                    wait = random.uniform(0, min(WAIT * 2**number, MAX_WAIT))  # noqa: S311
                    is_over = time.monotonic() + wait > ends
                    if is_over or not (is_lost(error) or is_passing(error)):
                        raise
                    time.sleep(wait)
                    if is_lost(error):
                        # The server may have committed before the connection was lost. Other
                        # connections of the pool may be lost too: those are replaced.
                        may_be_stored = True
                        self._open_pool().check()
        raise AssertionError

    def _open_pool(self) -> ConnectionPool:
        process = os.getpid()
        if process not in self._pools:  # this process was forked
            made = self._new_pool()
            # Of two threads that come here together, one closes what it made. No lock decides
            # which: a lock from before the fork may be held by a thread of the parent.
            if self._pools.setdefault(process, made) is not made:
                made.close()
        return self._pools[process]

    def _new_pool(self) -> ConnectionPool:
        return ConnectionPool(
            self._target.conninfo,
            kwargs={**self._target.arguments},
            min_size=1,
            max_size=MAX_CONNECTIONS,
            configure=None if self._target.is_pooled else _configure,
            timeout=PATIENCE,
            # While the pool cannot connect, it doubles the wait between tries. It gives up after
            # this time, and the next call makes it start again with a short wait.
            reconnect_timeout=PATIENCE,
            open=True,
        )


def _channel(connection: psycopg.Connection) -> str | None:
    """Return the channel on which the store notifies; None if the server cannot notify."""
    try:
        ((channel, _),) = connection.execute(_CHANNEL).fetchall()
    except (errors.UndefinedFunction, errors.FeatureNotSupported):
        return None
    return str(channel)


def _due(connection: psycopg.Connection, tenant_id: str | None, pause: float) -> list[str]:
    """Wait at most `pause` seconds for runs of the tenant to become due; return each id once."""
    ends, due = time.monotonic() + pause, dict[str, None]()
    while not due and (left := ends - time.monotonic()) > 0:
        for each in connection.notifies(timeout=left, stop_after=1):
            whose, run_id = json.loads(each.payload)
            if tenant_id in (None, whose):
                due[run_id] = None
    return list(due)


def _closed(name: str) -> StoreUnavailable:
    return StoreUnavailable(name, "is closed", "open it again")


def _told(row: IndexRow, records: Sequence[Record], version: int) -> dict[str, object]:
    """Return the parameters of a write, by the names of the columns."""
    told = {"labels": list(row.labels), "version": version, "records": encode_batch(records)}
    return {**attrs.asdict(row), **told}


def _given(asked: Mapping[str, str | None]) -> dict[str, str]:
    return {column: value for column, value in asked.items() if value is not None}


def _range(bound: Mapping[str, object], sign: str) -> tuple[str, Iterable[object]]:
    """Return SQL that compares these columns, as one row, with parameters, and their values."""
    if not bound:
        return "TRUE", ()
    return f"({', '.join(bound)}) {sign} ({', '.join(['%s'] * len(bound))})", bound.values()


def _stored_run(columns: Sequence[Any]) -> StoredRun:
    """Return the run that a row of `runs.sql` describes."""
    run_id, tenant_id, session_id, actor_id, role_id, created_at, idempotency_key = columns[:7]
    status, since, due_at, labels, has_ended, version, batches = columns[7:]
    if not all(isinstance(each, str) for each in labels):
        raise StoreCorrupt(run_id, 1, "is of a run with a label that is no text")
    began, due = _time(run_id, created_at), None if due_at is None else _time(run_id, due_at)
    return StoredRun(
        RunKey(run_id, tenant_id, session_id, actor_id, role_id, began, idempotency_key),
        IndexRow(status, _time(run_id, since), due, tuple(labels), has_ended),
        version,
        tuple(decode_batch(run_id, batches)),
    )


def _delivery(row: Sequence[Any]) -> Delivery:
    listener, run_id, delivered, version, tries, next_try_at, problem = row
    at = None if next_try_at is None else next_try_at.astimezone(UTC)
    return Delivery(listener, run_id, delivered, version, tries, at, problem)


def _time(run_id: str, microseconds: Decimal) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=int(microseconds))
    except OverflowError as error:
        raise StoreCorrupt(run_id, 1, "is of a run with a time that is none") from error


def open_store(url: str) -> PostgresStore:
    """Open the database that `postgresql://HOST/DATABASE` names."""
    return PostgresStore(url)


def _configure(connection: psycopg.Connection) -> None:
    # A server may be set to acknowledge before it is durable; stricter settings are left alone.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
