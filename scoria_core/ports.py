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
    """What a store can do beyond the port. The suite tests each capability that is declared."""

    DURABLE = "durable"
    """An acknowledged write survives a kill of the process: the reopened store has it."""

    MULTI_PROCESS = "multi_process"
    """Several processes may have the store open at once."""

    PRUNABLE = "prunable"
    """Runs that have ended can be removed: the store is a `PrunableStore`."""

    OUTBOX = "outbox"
    """It keeps which records each listener has yet to receive: the store is an `OutboxStore`."""

    WAKING = "waking"
    """A caller that waits for work is woken when there is some: the store is a `WakingStore`."""


@attrs.frozen
class RunKey:
    """The facts of a run that never change; a store finds the run by them."""

    run_id: str
    tenant_id: str
    session_id: str
    actor_id: str
    root_role_id: str
    created_at: datetime
    idempotency_key: str | None = None


@attrs.frozen
class IndexRow:
    """The present state of a run, replaced by each write: words and times that a store compares.

    The run has had its `status` since the time `since`. `due_at` is when it next has work to do, or
    None for never. `labels` are further words that it is found by now, each once. If it
    `has_ended`, no more records will follow. The caller sees to all of this: no store checks it.
    """

    status: str
    since: datetime
    due_at: datetime | None = None
    labels: tuple[str, ...] = ()
    has_ended: bool = False


class Fact(StrEnum):
    """A fact that runs can be listed by, one at a time."""

    SESSION = "session_id"
    ACTOR = "actor_id"
    ROLE = "root_role_id"
    STATUS = "status"


@attrs.frozen
class Where:
    """A filter: the runs whose `fact` has this `value`."""

    fact: Fact
    value: str


@attrs.frozen
class Record:
    """One journal entry as it is stored: its sequence number, its digest and its text (`body`).

    The digest covers the text and the digest of the entry before. A store changes none of them.
    """

    sequence: int
    digest: str
    body: str


@attrs.frozen
class StoredRun:
    """A run as a store has it: its key, its index row, and its records in order.

    `version` is the sequence of the last record; the store keeps it beside the records. `records`
    is empty if the caller did not ask for them.
    """

    key: RunKey
    row: IndexRow
    version: int
    records: tuple[Record, ...] = ()


class RunStore(Protocol):
    """An append-only store of runs, each a sequence of records numbered 1, 2, 3 and on.

    Ordering: the records of a run come in the order of their sequence. Runs come newest first
    unless the method says otherwise: by descending `run_id` (run ids are UUIDv7 strings). Ids and
    words are compared by code point.
    Atomicity: `create` and `append` store their records and the index row, or nothing. They return
    once both are as durable as the declared capabilities promise. A read sees a run at one moment:
    its records, version and row belong together.
    Concurrency: every method may be called from several threads at once. If several callers
    append at the same version, exactly one succeeds. Every call that starts after another has
    returned sees what that one returned or stored.
    Errors: every method may raise `StoreUnavailable` and `StoreCorrupt`; after `close`, all but
    `close` raise `StoreUnavailable`. Ids, words and bodies are opaque Unicode text without NUL.
    Answers: a sequence is a `list` or a `tuple`. Its items have exactly the type that is named
    here, not a subclass, which could define equality differently. Times are aware, in UTC, and
    exact to the microsecond.

    The index row of a run is that of the latest write. How it is kept is the store's choice.
    `tenant_id=None` does not filter.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what this store can do beyond the port."""
        ...

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run with its first records and its row, and return its `run_id`.

        If the tenant already has a run with the same `idempotency_key` (not None), store nothing
        and return the `run_id` of that run. Raises `VersionConflict` if the `run_id` exists.
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

        `row` is its index row from now on. Raises `VersionConflict`, and stores nothing, if the
        last record has another sequence; an unknown run is at version 0 and cannot be appended to.
        With `due_by`, it also raises `VersionConflict` if the run's `due_at` is None or later. The
        caller sees to it that sequences follow each other, and that an append without records
        changes only the row's `due_at`; a store that does not declare `multi_process` may forget
        such a change when it is closed.
        """
        ...

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return these runs with their records, in the order of `run_ids`; unknown ids are skipped.

        A run that is named twice is returned twice. A run that the store knows, but has no records
        of, is returned with none.
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
        """Return at most `limit` runs that match `where`, newest first.

        `before` is any run id: only runs with smaller ids are returned.
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
        """Return at most `limit` runs whose row has the label; with None, those with any label.

        Ordered by `since`, then `run_id`. `start` is such a pair, of a run or of none: runs before
        it are skipped, and one that is there is returned.
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

        Ordered by `due_at`, then `run_id`. With `fair` the tenants take turns: first the longest
        due run of each tenant, then the second of each, and so on; within a turn the order is the
        same, by `due_at`, then `run_id`.
        """
        ...

    def count_runs(
        self, *, tenant_id: str | None, statuses: Sequence[str], limit: int
    ) -> Mapping[str, int]:
        """Return for each of these statuses how many runs have it: a number from 0 to `limit`."""
        ...

    def close(self) -> None:
        """Release the resources of the store; closing it again does nothing."""
        ...


class PrunableStore(RunStore, Protocol):
    """A store that can remove runs that have ended; it declares the capability `prunable`."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove each run whose last record has the sequence that `versions` gives for its id.

        Returns the ids of the runs that were removed. A run at another version, such as one that
        was appended to meanwhile, is left as it is; so is an unknown one. Each run is removed as a
        whole or not at all, however the process ends. Afterwards it is as if it had never existed:
        `read` does not return it, no listing names it, an append to it is `VersionConflict`, and
        its idempotency key is free.
        """
        ...


@attrs.frozen
class Delivery:
    """What a listener has yet to receive of a run: the records after `delivered`, up to `version`.

    `tries` counts the claims since `delivered` last changed. It can be claimed again from
    `next_try_at` on; None means that it was given up. `problem` says why the last try failed.
    """

    listener: str
    run_id: str
    delivered: int
    version: int
    tries: int
    next_try_at: datetime | None
    problem: str | None = None


class OutboxStore(RunStore, Protocol):
    """A store that keeps what listeners have yet to receive; it declares the capability `outbox`.

    The commit that stores records also stores a `Delivery` of them for each listener that is added
    by then. A listener has a `Delivery` of a run exactly while there are records, stored since it
    was added, that it has not received. What was given up stays so when more records follow.
    """

    def add_listener(self, listener: str) -> None:
        """Add a listener, which is to receive every record that is stored from now on.

        If it was added already, do nothing.
        """
        ...

    def remove_listener(self, listener: str) -> None:
        """Remove this listener and its deliveries; do nothing if it is unknown."""
        ...

    def list_listeners(self) -> Sequence[str]:
        """Return the names of the listeners, ordered by code point."""
        ...

    def claim_delivery(self, listener: str, *, now: datetime, until: datetime) -> Delivery | None:
        """Claim the delivery whose `next_try_at` is the earliest and not after `now`, or None.

        Ties are ordered by `run_id`. A new delivery can be claimed from the `since` on of the index
        row that was written with its first record.
        The claim adds one to `tries` and sets `next_try_at` to `until`; the delivery is returned
        with these. Of several callers at once, one gets it. A claim is as durable as an append.
        """
        ...

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how far a claimed delivery came, and when it can be claimed next.

        Takes `delivered`, `tries`, `next_try_at` and `problem` from `settled`, and removes the
        delivery if the listener has received everything. Returns False, and changes nothing, if the
        delivery is gone or has another `delivered`, `tries` or `next_try_at` than `claimed`: then
        another caller claimed or settled it. An append meanwhile does not matter.
        """
        ...

    def list_deliveries(
        self, listener: str, *, limit: int, given_up: bool = False
    ) -> Sequence[Delivery]:
        """Return at most `limit` deliveries of a listener, ordered by `run_id`.

        With `given_up`, only those that were given up: their `next_try_at` is None.
        """
        ...


class WakingStore(RunStore, Protocol):
    """A store that wakes callers that wait for work; it declares the capability `waking`."""

    def watch_due(
        self, *, tenant_id: str | None, pause: float
    ) -> Generator[Sequence[str], None, None]:
        """Yield the ids of runs that writes make due, until the caller closes the iterator.

        A write of records makes its run due if the `due_at` of its row is not in the future; what
        becomes due as time passes is not named. The id is yielded once the write is stored, also if
        another process of a `multi_process` store wrote it, and again for each later such write.
        The first answer comes at once and is empty: from then on nothing is missed, also while the
        caller does something else. No later answer has a run twice; it is empty if nothing became
        due for `pause` seconds. A run may no longer be due when the caller reads it.
        Raises `StoreUnavailable` if the store cannot watch any longer, and within `pause` seconds
        after the store was closed.
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

        A schema that refers to another document, or that cannot be checked in bounded time, is
        wrong as well.
        """
        ...

    def mismatch(self, schema: Mapping[str, object], value: object) -> tuple[str, str] | None:
        """Return the path at which `value` does not match the schema, and why; None if it matches.

        The path is such as `.lines[2].amount`, or empty for the whole value. The schema is one that
        `problem_of` accepts. Ends in bounded time: a check that takes longer is a mismatch.
        """
        ...


class IdSource(Protocol):
    """New ids: UUIDv7 strings, each greater than the one before within a process."""

    def new_id(self) -> str:
        """Return a new id."""
        ...


def checked_port(value: PortT, port: type, name: str) -> PortT:
    """Return `value` if it has every member of `port`; else raise `InvalidPayload`."""
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
