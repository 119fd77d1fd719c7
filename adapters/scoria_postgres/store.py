"""A store in a PostgreSQL database."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from importlib.resources import files
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

import attrs
import psycopg
from psycopg_pool import ConnectionPool

from scoria_core.batches import decode_batch, encode_batch
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, Record, RunHead, RunKey
from scoria_postgres.connection import connected, is_lost, is_passing, target, translated
from scoria_postgres.migrate import migrate

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = 10
"""For how many seconds a call waits for a connection, and tries again what failed in passing."""

WAIT = 0.01
MAX_WAIT = 1.0
"""For how many seconds a call waits before it tries again: up to twice as long each time."""

MAX_CONNECTIONS = 10
"""How many connections one process has at most; further calls wait for one."""

_SQL = {
    name: (files("scoria_postgres") / "sql" / f"{name}.sql").read_text()
    for name in (
        "append",
        "create",
        "due_fairly",
        "existing",
        "head",
        "journal",
        "postpone",
        "prune",
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

    capabilities = frozenset({Capability.DURABLE, Capability.MULTI_PROCESS, Capability.PRUNABLE})

    def __init__(self, url: str) -> None:
        self._target = target(url)
        self._name = self._target.name
        self._closed = False
        self._calls: set[tuple[int, object]] = set()
        with translated(self._name), connected(url) as connection:
            migrate(connection, self._name)
        self._pid = os.getpid()
        self._pool = self._new_pool()

    @_finished
    def create(self, key: RunKey, records: Sequence[Record], *, due_at: datetime | None) -> str:
        """Store a new run, or return the run that has its idempotency key."""
        row = {
            "run_id": key.run_id,
            "tenant_id": key.tenant_id,
            "session_id": key.session_id,
            "idempotency_key": key.idempotency_key,
            "version": len(records),
            "due_at": due_at,
            "records": encode_batch(records),
        }
        while not (created := self._rows("create", row)).rows:
            for run_id, has_key in self._rows("existing", row).rows:
                if has_key or (created.is_repeated and self._is_stored(run_id, records[-1])):
                    return str(run_id)
                raise VersionConflict(run_id, 0, self._version(run_id))
            # The run that stood in the way was pruned meanwhile: nothing does now.
        return key.run_id

    @_finished
    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,
    ) -> None:
        """Append all of the records at the expected version, durable on return."""
        row = {
            "run_id": run_id,
            "expected": expected_version,
            "version": expected_version + len(records),
            "due_at": due_at,
            "due_by": due_by,
            "records": encode_batch(records),
        }
        appended = self._rows("append" if records else "postpone", row)
        if appended.rows or (
            appended.is_repeated and records and self._is_stored(run_id, records[-1])
        ):
            return
        raise VersionConflict(run_id, expected_version, self._version(run_id))

    @_finished
    def read(self, run_id: str) -> Sequence[Record]:
        """Return the records of a run."""
        return self._read(run_id)

    @_finished
    def head(self, run_id: str) -> RunHead | None:
        """Return what the run is found by."""
        for *key, version, due_at in self._rows("head", {"run_id": run_id}).rows:
            return RunHead(RunKey(*key), version, due_at and due_at.astimezone(UTC))
        return None

    @_finished
    def list_runs(
        self, *, tenant_id: str | None, session_id: str | None, limit: int, before: str | None
    ) -> Sequence[str]:
        """Return run ids, newest first."""
        asked = {"tenant_id =": tenant_id, "session_id =": session_id, "run_id <": before}
        return self._run_ids("scoria_run", asked, "run_id DESC", limit)

    @_finished
    def list_due(
        self, *, tenant_id: str | None, until: datetime, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Return the ids of runs with work to do, longest due first, or the tenants in turns."""
        if fair:
            asked = {"tenant_id": tenant_id, "until": until, "limit": limit}
            return [run_id for (run_id,) in self._rows("due_fairly", asked).rows]
        due: dict[str, object] = {"tenant_id =": tenant_id, "due_at <=": until}
        return self._run_ids("scoria_head", due, "due_at, run_id", limit)

    @_finished
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions; autovacuum gives their room to new ones."""
        given = {"run_ids": list(versions), "versions": list(versions.values())}
        removed = self._rows("prune", given)
        if removed.is_repeated:
            # The try before, whose answer was lost, may have removed them.
            return [run_id for run_id in versions if not self._version(run_id)]
        return [run_id for (run_id,) in removed.rows]

    def close(self) -> None:
        """Wait for running calls, and close the connections."""
        self._closed = True
        ends = time.monotonic() + PATIENCE
        while self._has_calls() and time.monotonic() < ends:
            time.sleep(WAIT)
        if self._pid == os.getpid():
            self._pool.close()

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        # No lock is needed: who closes says so before it looks for calls, and a call looks whether
        # that was said once it can be seen. A forked process has no part in its parent's calls.
        call = os.getpid(), object()
        self._calls.add(call)
        try:
            if self._closed:
                raise StoreUnavailable(self._name, "is closed", "open it again")
            yield
        finally:
            self._calls.discard(call)

    def _has_calls(self) -> bool:
        return any(process == os.getpid() for process, _ in tuple(self._calls))

    def _read(self, run_id: str) -> Sequence[Record]:
        rows = self._rows("journal", {"run_id": run_id}).rows
        return decode_batch(run_id, [records for (records,) in rows])

    def _run_ids(
        self, table: str, asked: Mapping[str, object], order: str, limit: int
    ) -> list[str]:
        # Only what is asked for stands in the statement, so that the index for it is used.
        given = {f"{column} %s": value for column, value in asked.items() if value is not None}
        where = " AND ".join(given) or "TRUE"
        found = self._execute(
            f"SELECT run_id FROM {table} WHERE {where} ORDER BY {order} LIMIT %s",  # noqa: S608 - the names are ours
            (*given.values(), limit),
        )
        return [run_id for (run_id,) in found.rows]

    def _version(self, run_id: str) -> int:
        rows = self._rows("version", {"run_id": run_id}).rows
        return rows[0][0] if rows else 0

    def _is_stored(self, run_id: str, record: Record) -> bool:
        """Tell whether an earlier try, whose answer was lost, has stored this record."""
        return record in self._read(run_id)

    def _rows(self, statement: str, parameters: Mapping[str, Any]) -> _Answer:
        return self._execute(_SQL[statement], parameters)

    def _execute(self, statement: str, parameters: Any) -> _Answer:
        """Execute a statement; retry it as long as that may help, for `PATIENCE` seconds."""
        ends, may_be_stored = time.monotonic() + PATIENCE, False
        with translated(self._name):
            for number in count():
                try:
                    left = max(ends - time.monotonic(), 0.001)
                    with self._open_pool().connection(timeout=left) as connection:
                        rows = connection.execute(statement.encode(), parameters).fetchall()
                        return _Answer(rows, is_repeated=may_be_stored)
                except psycopg.Error as error:
                    # Callers that got into each other's way must not do so again.
                    wait = random.uniform(0, min(WAIT * 2**number, MAX_WAIT))  # noqa: S311
                    is_over = time.monotonic() + wait > ends
                    if is_over or not (is_lost(error) or is_passing(error)):
                        raise
                    time.sleep(wait)
                    if is_lost(error):
                        may_be_stored = True
                        self._pool.check()
        raise AssertionError

    def _open_pool(self) -> ConnectionPool:
        if self._pid != os.getpid():
            # The connections belong to the process that this one was forked from.
            self._pid, self._pool = os.getpid(), self._new_pool()
        return self._pool

    def _new_pool(self) -> ConnectionPool:
        return ConnectionPool(
            self._target.conninfo,
            kwargs={**self._target.arguments},
            min_size=1,
            max_size=MAX_CONNECTIONS,
            configure=None if self._target.is_pooled else _configure,
            timeout=PATIENCE,
            # The pool waits twice as long before each further try; a call makes it start anew.
            reconnect_timeout=PATIENCE,
            open=True,
        )


def open_store(url: str) -> PostgresStore:
    """Open the database that `postgresql://HOST/DATABASE` names."""
    return PostgresStore(url)


def _configure(connection: psycopg.Connection) -> None:
    # A server may be set to acknowledge before it is durable; stricter settings are left alone.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
