"""What the rules need from outside: a store, a clock and a source of ids.

The ports speak of runs and records, never of a database. `conformance/` holds the suite that
an implementation of `RunStore` must pass.
"""

from collections.abc import Generator, Mapping, Sequence
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

    OUTBOX = "outbox"
    """Listeners can be told of what is stored: the store is an `OutboxStore`."""

    WAKING = "waking"
    """Who waits for work is woken when there is some: the store is a `WakingStore`."""


@attrs.frozen
class RunKey:
    """What never changes of a run, and a store finds it by."""

    run_id: str
    tenant_id: str
    session_id: str
    actor_id: str
    root_role_id: str
    created_at: datetime
    idempotency_key: str | None = None


@attrs.frozen
class IndexRow:
    """Where a run stands, as each write says anew: words and times that a store only compares.

    The run has had its `status` `since` that time. `due_at` says when it next has work to do, or
    None for never. `labels` are what else it is found by now, each once. Where it `has_ended`,
    nothing will follow.
    """

    status: str
    since: datetime
    due_at: datetime | None = None
    labels: tuple[str, ...] = ()
    has_ended: bool = False


class Fact(StrEnum):
    """What runs can be listed by, one at a time."""

    SESSION = "session_id"
    ACTOR = "actor_id"
    ROLE = "root_role_id"
    STATUS = "status"


@attrs.frozen
class Where:
    """The runs of which a fact has this value."""

    fact: Fact
    value: str


@attrs.frozen
class Record:
    """One journal entry as it is stored: its number, its digest and its text.

    The digest covers the text and the digest before it. A store keeps all three as they are.
    """

    sequence: int
    digest: str
    body: str


@attrs.frozen
class StoredRun:
    """A run as a store has it: how it is found, where it stands, and its records in order.

    `version` is the sequence of the last record, as the store keeps it beside them. `records` are
    empty where they were not asked for.
    """

    key: RunKey
    row: IndexRow
    version: int
    records: tuple[Record, ...] = ()


class RunStore(Protocol):
    """An append-only store of runs, each a sequence of records numbered 1, 2, 3 and on.

    Ordering: the records of a run come in the order of their sequence; runs come newest first,
    which is descending `run_id` (run ids are UUIDv7 strings), where nothing else is said. Ids and
    words are compared by their code points.
    Atomicity: `create` and `append` store their records and the index row, or nothing. They return
    after both are as lasting as the declared capabilities say. A read sees a run at one moment: its
    records, version and row belong together.
    Concurrency: every method may be called from several threads at once. Of several callers
    that append at one version exactly one succeeds. What a call returned or stored is seen by
    every call that starts after it returned.
    Errors: every method may raise `StoreUnavailable` and `StoreCorrupt`; after `close`, all but
    `close` raise `StoreUnavailable`. Ids, words and bodies are opaque Unicode text without NUL.
    Answers: a sequence is a `list` or a `tuple`, and what is in it of the very type that is said
    here: a subclass may be equal to what it is not. Times are aware, in UTC, and exact to the
    microsecond.

    The latest write decides what the index row of a run is. How it is kept is the store's choice.
    A tenant of None does not filter.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what this store promises beyond the port."""
        ...

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run with its first records and its row, and return its `run_id`.

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
        row: IndexRow,
        due_by: datetime | None = None,
    ) -> None:
        """Append `records` to the run whose last record has the sequence `expected_version`.

        `row` is its index row from now on. Raises `VersionConflict`, and stores nothing, where the
        last record has another sequence; an unknown run is at version 0 and cannot be appended to.
        Where `due_by` is given, so it does where the run is not due by then. Without records only
        the row's `due_at` has moved; a store that one process owns may forget that when it is
        closed.
        """
        ...

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return these runs with their records, in the order asked; unknown ones are left out.

        One that is asked for twice is returned twice. One that the store knows and has no records
        of is returned without any.
        """
        ...

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return at most `limit` runs of which `where` holds, newest first.

        `before` is a run id: only older runs than that are returned.
        """
        ...

    def list_labelled(
        self,
        *,
        tenant_id: str | None,
        label: str | None,
        limit: int,
        start: tuple[datetime, str] | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """Return at most `limit` runs whose row has the label; where it is None, any label at all.

        Ordered by `since`, then `run_id`. `start` is such a pair: no run before it is returned.
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

        Ordered by `due_at`, then `run_id`. `fair` lets the tenants take turns: first comes the run
        longest due of each, then the second of each, and so on; within a turn the order is the
        same.
        """
        ...

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Return how many runs have each of these statuses, also none, but at most `limit`."""
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


@attrs.frozen
class Delivery:
    """What a listener has yet to be told of a run: the records after `delivered`, up to `version`.

    It was claimed `tries` times since `delivered` moved last, and can be claimed again from
    `next_try_at` on; with None it was given up. `problem` says why the last try failed.
    """

    listener: str
    run_id: str
    delivered: int
    version: int
    tries: int
    next_try_at: datetime | None
    problem: str | None = None


class OutboxStore(RunStore, Protocol):
    """A store that keeps what listeners have yet to be told. One that does declares `outbox`.

    The commit that stores records also stores that each listener of that time is to be told of
    them. There is a `Delivery` for a listener and a run exactly while there is something to tell.
    """

    def add_listener(self, listener: str) -> None:
        """Let this listener be told of each record that is stored from now on.

        Where it was added already, do nothing.
        """
        ...

    def remove_listener(self, listener: str) -> None:
        """Forget this listener and its deliveries; one that is unknown does nothing."""
        ...

    def list_listeners(self) -> Sequence[str]:
        """Return the listeners, in order."""
        ...

    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery whose `next_try_at` is the earliest and not after `now`, or None.

        Ties by `run_id`. A new delivery can be claimed from the `since` of its row on. It is
        returned as it is from now on: with one more try, and `until` as its `next_try_at`. Of
        several callers at once, one gets it. As lasting as an append.
        """
        ...

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, and when it can be claimed next.

        Takes `delivered`, `tries`, `next_try_at` and `problem` from `settled`, and removes the
        delivery where nothing is left to tell. Returns False, and changes nothing, where it is gone
        or was claimed or settled by another caller meanwhile. An append meanwhile is no obstacle.
        """
        ...

    def list_deliveries(
        self, listener: str, *, limit: int, given_up: bool = False
    ) -> Sequence[Delivery]:
        """Return at most `limit` deliveries of a listener, by `run_id`.

        `given_up` asks for those alone that cannot be claimed any more.
        """
        ...


class WakingStore(RunStore, Protocol):
    """A store that wakes who waits for work. One that does declares `waking`; none has to."""

    def watch_due(
        self, *, tenant_id: str | None, pause: float
    ) -> Generator[Sequence[str], None, None]:
        """Yield the ids of runs as they become due, for as long as the caller asks for more.

        A write of records makes its run due where the `due_at` of its row is not after the present
        time. It is yielded once it is stored, whoever stored it: if the store is `multi_process`,
        also another process.
        The first answer comes at once and is empty: from then on nothing is missed, also while the
        caller does something else. A later answer has each run once; it is empty if `pause` seconds
        went by. By the time that it is read, a run may no longer be due.
        Raises `StoreUnavailable` where the store can watch no more, and within `pause` seconds
        after it was closed. Whoever asks no more closes the iterator.
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
