"""Fourteen wrong stores, each with the clause that it breaks and what shows it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.first_contact.batch_6 import listing, outbox, scripts
from lab.first_contact.wrong import Wrong
from scoria_duckdb.store import DuckDBStore
from scoria_memory.store import MemoryStore
from scoria_sqlite.outbox import OutboxSQLiteStore


def _in_a_file(kind: Callable[[Path], Any]) -> Callable[[Path], Any]:
    return lambda directory: kind(directory / "runs.db")


def _in_memory(kind: Callable[[], Any]) -> Callable[[Path], Any]:
    return lambda directory: kind()


MEMORY, SQLITE = _in_memory(MemoryStore), _in_a_file(OutboxSQLiteStore)


def _memory(name: str, clause: str, kind: Callable[[], Any], show: Callable[..., None]) -> Wrong:
    return Wrong(name, clause, "store", _in_memory(kind), show, MEMORY)


def _sqlite(name: str, clause: str, kind: Any, show: Callable[..., None]) -> Wrong:
    return Wrong(name, clause, "store", _in_a_file(kind), show, SQLITE)


WRONG = (
    _memory("names each run once", "STORE-50", listing.NamesEachRunOnce, scripts.named_again),
    _memory("wakes one of many", "STORE-50", listing.WakesOne, scripts.each_watch_is_woken),
    _memory(
        "a summary forgets renewals",
        "STORE-45",
        listing.SummaryForgetsRenewals,
        scripts.listed_alike,
    ),
    Wrong(
        "a claim is written later",
        "STORE-14",
        "store",
        _in_a_file(outbox.ClaimsInMemory),
        scripts.a_claim_lasts,
        _in_a_file(DuckDBStore),
    ),
    _sqlite("settles by tries", "STORE-48", outbox.SettlesByTries, scripts.settles_what_it_claimed),
    _sqlite(
        "an append frees a retry",
        "STORE-47",
        outbox.AppendTriesAtOnce,
        scripts.nobody_claims_a_retry,
    ),
    _sqlite(
        "given up outlives its run",
        "STORE-49",
        outbox.GivenUpOutlivesRun,
        scripts.nothing_is_left_of_a_pruned_run,
    ),
    _sqlite(
        "prunes in two commits",
        "STORE-37",
        outbox.PrunesInTwoCommits,
        scripts.pruned_at_one_moment,
    ),
    _sqlite("claims what it saw", "STORE-47", outbox.ClaimsWhatItSaw, scripts.one_claims),
    _sqlite(
        "tells the last of an append",
        "STORE-46",
        outbox.TellsTheLastOfAnAppend,
        scripts.every_record_is_told,
    ),
    _sqlite(
        "labels keep their time",
        "STORE-39",
        listing.LabelsKeepTheirTime,
        scripts.asked_anew_waits_anew,
    ),
    _sqlite(
        "counts the newest of all", "STORE-43", listing.CountsOfAll, scripts.counts_of_the_tenant
    ),
    _sqlite(
        "due by the clock on the wall",
        "STORE-33",
        listing.DueByTheClockOnTheWall,
        scripts.due_at_that_instant,
    ),
    _sqlite(
        "lists in two looks", "STORE-42", listing.ListsInTwoLooks, scripts.listed_at_one_moment
    ),
)
