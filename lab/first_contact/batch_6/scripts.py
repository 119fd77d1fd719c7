"""What shows of each wrong store that it is wrong."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_6.facts import at, elsewhere, key, records, row
from scoria_core.ports import Delivery
from scoria_sqlite.store import LOCKS, WRITE

Make = Callable[[Path], Any]
DYING = """
from scoria_core.files import StoreFile
store.prune({})
StoreFile.check_identity = lambda file: os._exit(9)
store.prune({"run": 1})
"""
CLAIMING = """
store.claim_delivery("mail", now=at(1), until=at(61))
os._exit(9)
"""


def _claim(store: Any, now: float, until: float) -> Any:
    return store.claim_delivery("mail", now=at(now), until=at(until))


def _told(make: Make, directory: Path, since: float = 0) -> Any:
    """A store in which a listener has yet to be told of a run."""
    store = make(directory)
    store.add_listener("mail")
    store.create(key("run"), records(1, 1), row=row(since=since))
    return store


def settles_what_it_claimed(make: Make, directory: Path) -> None:
    """Who was slower than its claim changes nothing of a later one with as many tries."""
    with closing(_told(make, directory)) as store:
        slow = _claim(store, 1, 61)
        stopped = _claim(store, 62, 122)
        again = attrs.evolve(stopped, tries=0, next_try_at=at(63))
        assert store.settle_delivery(stopped, again)
        claimed = _claim(store, 64, 124)
        failed = attrs.evolve(slow, next_try_at=at(65), problem="it was slow")
        assert not store.settle_delivery(slow, failed)
        assert store.list_deliveries("mail", limit=9) == [claimed]


def nobody_claims_a_retry(make: Make, directory: Path) -> None:
    """What was claimed after a try that failed stays claimed when something is appended."""
    with closing(_told(make, directory)) as store:
        first = _claim(store, 1, 61)
        failed = attrs.evolve(first, next_try_at=at(10), problem="it is down")
        assert store.settle_delivery(first, failed)
        assert _claim(store, 11, 71) is not None
        store.append("run", records(2, 2), expected_version=1, row=row())
        assert _claim(store, 12, 72) is None


def a_claim_lasts(make: Make, directory: Path) -> None:
    """A claim counts as a try, and holds, when its process ended at once."""
    store = _told(make, directory)
    store.close()
    elsewhere(store, directory, CLAIMING)
    with closing(make(directory)) as store:
        claimed = Delivery("mail", "run", 0, 1, 1, at(61))
        assert list(store.list_deliveries("mail", limit=9)) == [claimed]


def nothing_is_left_of_a_pruned_run(make: Make, directory: Path) -> None:
    """A delivery that was given up goes with its run."""
    with closing(_told(make, directory)) as store:
        claimed = _claim(store, 1, 61)
        given_up = attrs.evolve(claimed, next_try_at=None, problem="it is down")
        assert store.settle_delivery(claimed, given_up)
        assert list(store.prune({"run": 1})) == ["run"]
        assert list(store.list_deliveries("mail", limit=9, given_up=True)) == []


def pruned_at_one_moment(make: Make, directory: Path) -> None:
    """Who is killed right after the first commit of `prune` leaves no delivery of that run."""
    store = _told(make, directory)
    store.close()
    elsewhere(store, directory, DYING)
    with closing(make(directory)) as store:
        assert store.read(["run"]) == []
        assert store.list_deliveries("mail", limit=9) == []


def one_claims(make: Make, directory: Path) -> None:
    """Of two who claim while another writes, one gets it."""
    with closing(_told(make, directory)) as store, ThreadPoolExecutor(2) as threads:
        with LOCKS[WRITE]:
            claims = [threads.submit(_claim, store, 1, 61) for _ in range(2)]
            time.sleep(0.5)
        assert [claim.result() for claim in claims].count(None) == 1


def every_record_is_told(make: Make, directory: Path) -> None:
    """A listener that was told all is told of both records of an append."""
    with closing(_told(make, directory)) as store:
        claimed = _claim(store, 1, 61)
        assert store.settle_delivery(claimed, attrs.evolve(claimed, delivered=1, tries=0))
        store.append("run", records(2, 3), expected_version=1, row=row(since=5))
        assert store.list_deliveries("mail", limit=9) == [Delivery("mail", "run", 1, 3, 0, at(5))]


def named_again(make: Make, directory: Path) -> None:
    """A run that becomes due again is named again."""
    store, due = make(directory), row("running", 0, at(1))
    with closing(store), closing(store.watch_due(tenant_id=None, pause=2)) as watch:
        assert next(watch) == []
        store.create(key("run"), records(1, 1), row=due)
        assert next(watch) == ["run"]
        store.append("run", records(2, 2), expected_version=1, row=due)
        assert next(watch) == ["run"]


def each_watch_is_woken(make: Make, directory: Path) -> None:
    """Who watches one tenant is woken in time while somebody watches another."""
    store, pause = make(directory), 4.0

    def watched(tenant_id: str) -> float:
        with closing(store.watch_due(tenant_id=tenant_id, pause=pause)) as watch:
            next(watch)
            start = time.monotonic()
            next(watch)
            return time.monotonic() - start

    with closing(store), ThreadPoolExecutor(2) as threads:
        threads.submit(watched, "other")
        time.sleep(0.5)
        waited = threads.submit(watched, "acme")
        time.sleep(0.5)
        store.create(key("run"), records(1, 1), row=row("running", 0, at(1)))
        assert waited.result() < pause - 1


def asked_anew_waits_anew(make: Make, directory: Path) -> None:
    """A run that asks anew comes after one that has waited longer since."""
    with closing(make(directory)) as store:
        for place, run_id in enumerate(("a", "b"), 1):
            asking = row("waiting", place, None, "assigned:ann")
            store.create(key(run_id), records(1, 1), row=asking)
        asking = row("waiting", 3, None, "assigned:ann")
        store.append("a", records(2, 2), expected_version=1, row=asking)
        listed = store.list_labelled(tenant_id="acme", label="assigned:ann", limit=1)
        assert [run.key.run_id for run in listed] == ["b"]


def counts_of_the_tenant(make: Make, directory: Path) -> None:
    """The runs of a tenant are counted whatever runs others have."""
    with closing(make(directory)) as store:
        for run_id, tenant_id in (("a", "acme"), ("b", "other"), ("c", "other")):
            store.create(key(run_id, tenant_id), records(1, 1), row=row("failed"))
        counts = store.count_runs(tenant_id="acme", statuses=["failed"], limit=2)
        assert counts == {"failed": 1}


def listed_alike(make: Make, directory: Path) -> None:
    """A lease that was renewed is in a listing without records as in one with them."""
    with closing(make(directory)) as store:
        store.create(key("run"), records(1, 1), row=row("running", 0, at(60)))
        store.append("run", (), expected_version=1, row=row("running", 0, at(90)))
        (listed,) = store.list_runs(tenant_id="acme", limit=9)
        (found,) = store.list_runs(tenant_id="acme", limit=9, with_records=False)
        assert found == attrs.evolve(listed, records=())


def due_at_that_instant(make: Make, directory: Path) -> None:
    """What is due in the second of the two hours that a clock in Berlin says is due then."""
    before, due_at = os.environ.get("TZ"), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    try:
        with closing(make(directory)) as store:
            store.create(key("run"), records(1, 1), row=row("running", 0, due_at))
            assert store.read(["run"])[0].row.due_at == due_at
    finally:
        del os.environ["TZ"]
        os.environ.update({} if before is None else {"TZ": before})
        time.tzset()


def listed_at_one_moment(make: Make, directory: Path) -> None:
    """A run that is listed while it is appended to has as many records as its version says."""
    with closing(make(directory)) as store:
        store.create(key("run"), records(1, 1), row=row())

        def write() -> None:
            for version in range(1, 300):
                added = records(version + 1, version + 1)
                store.append("run", added, expected_version=version, row=row())

        writer = threading.Thread(target=write)
        writer.start()
        torn = 0
        while writer.is_alive():
            (run,) = store.list_runs(tenant_id=None, limit=1)
            torn += len(run.records) != run.version
        writer.join()
        assert torn == 0
