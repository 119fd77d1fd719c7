"""What the rules need from outside: a store, a clock and a source of ids.

The ports speak of runs and records, never of a database. `conformance/` holds the suite that
an implementation of `RunStore` must pass.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

import attrs

from scoria_core.errors import InvalidPayload

PortT = TypeVar("PortT")


class Capability(StrEnum):
    """What a store promises beyond the port; what it declares, the suite puts to the test."""

    DURABLE = "durable"
    """An acknowledged write is there after the process is killed and the store reopened."""

    MULTI_PROCESS = "multi_process"
    """Several processes may have the store open at once."""

    PRUNABLE = "prunable"
    """Runs that have ended can be removed: the store is a `PrunableStore`."""


@attrs.frozen
class RunKey:
    """What a store may know of a run to find it again."""

    run_id: str
    tenant_id: str
    session_id: str
    idempotency_key: str | None = None


@attrs.frozen
class RunHead:
    """What a store knows of a run beside its records: how it is found, and where it stands.

    `version` is the sequence of the last record. `due_at` is what the latest write said.
    """

    key: RunKey
    version: int
    due_at: datetime | None


@attrs.frozen
class Record:
    """One journal entry as it is stored: its number, its digest and its text.

    The digest covers the text and the digest before it. A store keeps all three as they are.
    """

    sequence: int
    digest: str
    body: str


class RunStore(Protocol):
    """An append-only store of runs, each a sequence of records numbered 1, 2, 3 and on.

    Ordering: the records of a run come back in the order of their sequence; listings come
    newest run first, which is descending `run_id` (run ids are UUIDv7 strings).
    Atomicity: `create` and `append` store all of their records or none. They return after the
    records are as lasting as the declared capabilities say.
    Concurrency: every method may be called from several threads at once. Of several callers
    that append at one version exactly one succeeds. What a call returned or stored is seen by
    every call that starts after it returned.
    Errors: every method may raise `StoreUnavailable` and `StoreCorrupt`; after `close`, all but
    `close` raise `StoreUnavailable`. Ids and bodies are opaque Unicode text without NUL.
    Answers: a sequence is a `list` or a `tuple`, and what is in it of the very type that is said
    here: a subclass may be equal to what it is not.

    `due_at` says when a run next has work to do, or None for never; the latest write decides.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what this store promises beyond the port."""
        ...

    def create(self, key: RunKey, records: Sequence[Record], *, due_at: datetime | None) -> str:
        """Store a new run with its first records, and return its `run_id`.

        Where the tenant has a run with the same `idempotency_key` (not None), store nothing and
        return the `run_id` of that run. Raises `VersionConflict` where the `run_id` exists.
        """
        ...

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        due_at: datetime | None,
        due_by: datetime | None = None,
    ) -> None:
        """Append `records` to the run whose last record has the sequence `expected_version`.

        Raises `VersionConflict`, and stores nothing, where the last record has another sequence;
        an unknown run is at version 0 and cannot be appended to. Where `due_by` is given, so it
        does where the run is not due by then. Without records only `due_at` moves; a store that
        one process owns may forget that when it is closed.
        """
        ...

    def read(self, run_id: str) -> Sequence[Record]:
        """Return all records of the run in order, or an empty sequence for an unknown run."""
        ...

    def head(self, run_id: str) -> RunHead | None:
        """Return what the store finds the run by, or None for an unknown run.

        These are the facts that listings, the queue and idempotency rest on, read from where they
        rest, so that they can be compared with the records.
        """
        ...

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        session_id: str | None,
        limit: int,
        before: str | None,
    ) -> Sequence[str]:
        """Return the ids of at most `limit` runs, newest first.

        None does not filter. `before` is a run id: only older runs than that are returned.
        """
        ...

    def list_due(
        self,
        *,
        tenant_id: str | None,
        until: datetime,
        limit: int,
        fair: bool = False,
    ) -> Sequence[str]:
        """Return the ids of at most `limit` runs whose `due_at` is not after `until`.

        Ordered by `due_at`, then `run_id`. None does not filter. `fair` lets the tenants take
        turns: first comes the run longest due of each, then the second of each, and so on; within
        a turn the order is the same.
        """
        ...

    def close(self) -> None:
        """Give back what the store holds; closing again does nothing."""
        ...


class PrunableStore(RunStore, Protocol):
    """A store that can let go of runs. One that does declares `prunable`; none has to."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove each run whose last record has the sequence that `versions` gives for its id.

        Returns the ids of the runs that were removed. A run at another version, or unknown, is left
        as it is. Each run is removed whole or not at all, however the process ends, and not where
        an append came first. What was removed is as if it had never been: it reads as empty, no
        listing names it, an append to it is `VersionConflict`, and its idempotency key is free.
        """
        ...


class Clock(Protocol):
    """The time, as an aware datetime in UTC."""

    def now(self) -> datetime:
        """Return the present time."""
        ...


class Schemas(Protocol):
    """JSON Schema 2020-12, for what a person may edit or answer. A schema is hostile input."""

    def problem_of(self, schema: Mapping[str, object]) -> str | None:
        """Say what is wrong with a schema, in one line, or return None.

        Wrong is also one that refers to another document, or cannot be judged in bounded time.
        """
        ...

    def mismatch(self, schema: Mapping[str, object], value: object) -> tuple[str, str] | None:
        """Return where `value` does not fit a schema that has no problem, and why; None if it does.

        Where is a path such as `.lines[2].amount`, empty for the whole of it. Ends in bounded time,
        whatever the schema: what takes longer does not fit.
        """
        ...


class IdSource(Protocol):
    """New ids: UUIDv7 strings, each greater than the one before within a process."""

    def new_id(self) -> str:
        """Return an id that was never returned before."""
        ...


def checked_port(value: PortT, port: type, name: str) -> PortT:
    """Return `value` if it has all that `port` asks for; else raise `InvalidPayload`."""
    kind = type(value).__name__
    if isinstance(value, type):
        raise InvalidPayload(name, f"is the class {value.__name__}; pass an instance of it")
    lacking = [each for each in sorted(vars(port)) if _lacks(value, port, each)]
    if lacking:
        next_move = f"pass a {port.__name__}"
        if isinstance(value, str):
            next_move = "open a URL with Scoria.open"
        raise InvalidPayload(name, f"is {kind}, which lacks {', '.join(lacking)}; {next_move}")
    return value


def _lacks(value: object, port: type, member: str) -> bool:
    if member.startswith("_"):
        return False
    found = getattr(value, member, None)
    return found is None if isinstance(vars(port)[member], property) else not callable(found)
