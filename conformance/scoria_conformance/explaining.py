"""Decides which failure to look at first, and names common causes of it.

Most failures of a broken store are consequences: what a host does depends on what the store
promises. The first to look at is in the lowest layer, and needed the fewest sequential calls.
Scenarios with concurrency come last; among them, the one that is first in its feature.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from scoria_conformance.verdict import Check

LAYERS = ("store", "lifecycles", "adoption", "runtime_to_handoff", "host", "page")
"""The suites, each resting on those before it."""

CROWDED = "endurance: "
"""How the ids of scenarios with concurrency or chance begin: these explain least."""

CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "STORE-1": "the records are kept under another id, or are there only after a later write",
        "STORE-2": "an upsert, or a check for the run_id outside the transaction that inserts",
        "STORE-3": "the key has no unique index over tenant and key, or is read before the lock",
        "STORE-4": "each record is committed by itself, or readers see what is not committed",
        "STORE-5": "the version is not compared, or with >= or as the number of records given",
        "STORE-6": "the version is read in one transaction, and written in another",
        "STORE-7": "no ORDER BY, an order of text in place of numbers, or a page that ends early",
        "STORE-8": "a column that cuts, a codec, a normal form, or trimmed spaces",
        "STORE-9": "an inclusive `before`, a filter after the limit, or ids in ascending order",
        "STORE-10": "a collation that folds case or accents, LIKE or GLOB with an id, a cut id",
        "STORE-11": "times cut to seconds or compared as text, ties by insertion, < for <=",
        "STORE-12": "a row of before stays: a label, a due time that is None now, an old status",
        "STORE-13": "a closed connection raises the error of its driver, or opens again by itself",
        "STORE-14": "a write is acknowledged before it is committed, or a cache answers",
        "STORE-15": "what another process wrote is answered from memory, or a lock is per process",
        "STORE-16": "a reader has a snapshot or a cache from before the write",
        "STORE-17": "the error of the driver gets out as it is",
        "STORE-18": "no index over what is asked, or all runs are read to find some",
        "STORE-19": "a read between two writes of one change, or a stale cache",
        "STORE-20": "no records are taken for no work: neither due_at nor the version is looked at",
        "STORE-21": "due_by is not compared, or outside the transaction that writes",
        "STORE-22": "the limit is cut before the turns are made, or turns go by run",
        "STORE-23": "a part of the run stays: its queue entry, its key or its records",
        "STORE-24": "the version is compared outside the transaction that removes",
        "STORE-25": "the row of the key outlives the run, or all keys of the tenant go",
        "STORE-26": "close does not wait for calls under way, or leaves its file open",
        "STORE-31": "the row is made up from the records, and not read from where listings look",
        "STORE-33": "a column of times without a zone, of local time, or of whole seconds",
        "STORE-39": "a run for each of its labels, ties by insertion, or a label of every tenant",
        "STORE-40": "an exclusive `start`, or one that compares `since` alone or looks for its run",
        "STORE-41": "a filter after the limit, another column, or the status of an earlier write",
        "STORE-42": "records and rows are read by two statements in no transaction",
        "STORE-43": "all tenants are counted, or no more than a page, or none is no entry",
        "STORE-44": "rows of labels outlive the run, or a count that is kept is not lowered",
        "STORE-45": "without records another query is made, with another order or filter",
        "READ-4": "the list that was given, or that was returned, is what the store keeps",
        "TENANT-2": "a filter that is left out where the session is given too",
        "TENANT-4": "the key is unique over all tenants",
    }
)
"""The common causes of a broken clause."""

_OF_ITS_RUN = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]+|[0-9]+")


def first(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks, the worst first; among equals, the one that explains most comes first."""
    return tuple(sorted(checks, key=lambda check: (-check.status.badness, *_depth(check))))


def alike(check: Check, checks: Iterable[Check]) -> int:
    """Return how many other `checks` have the same reason, apart from numbers and ids."""
    said = _words(check)
    return sum(_words(each) == said for each in checks) - 1


def causes(check: Check) -> tuple[str, ...]:
    """Return the common causes for the clauses of `check`."""
    return tuple(CAUSES[clause] for clause in check.blamed or check.clauses if clause in CAUSES)


def _depth(check: Check) -> tuple[int, bool, bool, int]:
    layers = [LAYERS.index(suite) for suite in check.suites if suite in LAYERS]
    layer, is_crowded = min(layers, default=len(LAYERS)), check.id.startswith(CROWDED)
    return layer, is_crowded, not check.blamed, 0 if is_crowded else len(check.calls)


def _words(check: Check) -> str:
    return _OF_ITS_RUN.sub("", check.reason.partition("\n")[0])
