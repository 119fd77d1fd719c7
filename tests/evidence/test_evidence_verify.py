"""What a store says of a run is held against its journal: each column, changed behind its back."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scoria_core import Identity, Scoria, Step, StepSpec
from scoria_core.errors import RunNotFound, StoreCorrupt
from scoria_core.evidence import verified
from scoria_core.stores import open_store
from scoria_core.testing import CountedIds
from tests.support.clocks import noon_clock
from tests.support.scripted import WORK, needs, scripted

SQLITE = {
    "tenant": "UPDATE run SET tenant_id = 'other'",
    "session": "UPDATE run SET session_id = 'other'",
    "actor": "UPDATE run SET actor_id = 'other'",
    "role": "UPDATE run SET root_role_id = 'other'",
    "beginning": "UPDATE run SET created_at = created_at + 1",
    "status": "UPDATE run SET status = 'failed'",
    "since": "UPDATE run SET since = since - 1",
    "an end": "UPDATE run SET has_ended = 1",
    "a label": """UPDATE run SET labels = '["tool:send"]'""",
    "no key": "UPDATE run SET idempotency_key = NULL",
    "another key": "UPDATE run SET idempotency_key = 'order-8'",
    "version": "UPDATE run SET version = version + 1",
    "a last entry that is gone": "DELETE FROM record WHERE sequence = 2",
    "no due time": "UPDATE run SET due_at = NULL",
    "a later due time": "UPDATE run SET due_at = due_at + 1",
    "an earlier due time": "UPDATE run SET due_at = due_at - 1",
    "no records": "DELETE FROM record",
}
DUCKDB = {
    "tenant": "UPDATE scoria_journal SET tenant_id = 'other'",
    "session": "UPDATE scoria_journal SET session_id = 'other'",
    "actor": "UPDATE scoria_journal SET actor_id = 'other'",
    "role": "UPDATE scoria_journal SET root_role_id = 'other'",
    "beginning": "UPDATE scoria_journal SET created_at = created_at + 1",
    "status": "UPDATE scoria_journal SET status = 'failed'",
    "since": "UPDATE scoria_journal SET since = since - 1",
    "a label": """UPDATE scoria_journal SET labels = '["tool:send"]'""",
    "no key": "UPDATE scoria_journal SET idempotency_key = NULL",
    "another key": "UPDATE scoria_journal SET idempotency_key = 'order-8'",
    "no due time": "UPDATE scoria_journal SET due_at = NULL",
    "a later due time": "UPDATE scoria_journal SET due_at = due_at + 1",
    "an earlier due time": "UPDATE scoria_journal SET due_at = due_at - 1",
}


def in_sqlite(path: Path, statement: str) -> None:
    """Change the file behind the store's back."""
    with closing(sqlite3.connect(path)) as file:
        file.execute(statement)
        file.commit()


def in_duckdb(path: Path, statement: str) -> None:
    """Change the file behind the store's back."""
    with duckdb.connect(str(path)) as file:
        file.execute(statement)


CHANGES: dict[str, tuple[Callable[[Path, str], None], dict[str, str]]] = {
    "sqlite": (in_sqlite, SQLITE),
    "duckdb": (in_duckdb, DUCKDB),
}
CASES = [(scheme, name) for scheme, (_, each) in CHANGES.items() for name in each]


def host_of(url: str) -> Scoria:
    """Open the store with a clock and ids of the test."""
    return Scoria(open_store(url), clock=noon_clock(), ids=CountedIds())


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a store with one run, whose step is queued."""
    url = f"{request.param}:///{tmp_path / 'store'}"
    with host_of(url) as scoria:
        identity = Identity("user-1", "acme", "session-1")
        scoria.start_run(
            identity, root_role_id="executor", initial_step=WORK, idempotency_key="order-7"
        )
    return url


RUN_ID = "01900000-0000-7000-8000-000000000001"


def check(url: str) -> None:
    """Verify the run as the command does."""
    with closing(open_store(url)) as store:
        assert verified(store, RUN_ID).version == 2


@pytest.mark.parametrize(("url", "change"), CASES, indirect=["url"])
def test_what_the_store_says_of_a_run_is_what_its_journal_says(
    url: str, change: str, tmp_path: Path
) -> None:
    """A column that was changed is found, and names the run."""
    check(url)
    execute, statements = CHANGES[url.partition(":")[0]]
    execute(tmp_path / "store", statements[change])
    with pytest.raises(StoreCorrupt) as broken:
        check(url)
    assert (broken.value.run_id, broken.value.sequence > 0) == (RUN_ID, True)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET labels = NULL",
        """UPDATE run SET labels = '["tool:send"]'""",
        "DELETE FROM label",
        "DELETE FROM label WHERE label = 'tool:send'",
        "UPDATE label SET since = since - 1",
        "UPDATE label SET since = since + 1",
        "UPDATE label SET tenant_id = 'other'",
        "UPDATE label SET label = 'tool:pay' WHERE label = 'tool:send'",
    ],
)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_run_that_waits_is_found_by_each_of_its_labels(
    url: str, change: str, tmp_path: Path
) -> None:
    """Else it is in no inbox, and waits for ever."""
    with host_of(url) as scoria:
        scoria.run_pending(handlers={"work": scripted(needs())})
    with closing(open_store(url)) as store:
        assert verified(store, RUN_ID).status == "waiting_for_approval"
    in_sqlite(tmp_path / "store", change)
    with closing(open_store(url)) as store, pytest.raises(StoreCorrupt) as broken:
        verified(store, RUN_ID)
    assert (broken.value.run_id, broken.value.sequence) == (RUN_ID, 6)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("moved", "is_whole"), [("+ 30", True), ("- 1", False)])
def test_a_step_at_work_may_be_due_later_than_its_claim_says(
    url: str, moved: str, is_whole: bool, tmp_path: Path
) -> None:
    """A renewed lease is not journalled. One that ends before its claim says was changed."""
    seen: list[object] = []

    def look(_: Step, __: Any) -> None:
        in_sqlite(tmp_path / "store", f"UPDATE run SET due_at = due_at {moved}")  # noqa: S608 - ours
        with closing(open_store(url)) as store:
            try:
                seen.append(verified(store, RUN_ID).version)
            except StoreCorrupt as error:
                seen.append(error)

    with host_of(url) as scoria:
        scoria.run_pending(handlers={"work": look})
    (found,) = seen
    assert isinstance(found, int) == is_whole, found


@pytest.mark.parametrize("url", ["duckdb", "sqlite"], indirect=True)
@pytest.mark.parametrize("run_id", ["never", "nul\0", ""])
def test_a_run_that_never_was_is_not_broken(url: str, run_id: str) -> None:
    """It is not found, whatever its name."""
    with closing(open_store(url)) as store, pytest.raises(RunNotFound):
        verified(store, run_id)


def test_a_run_in_every_state_is_whole(scoria: Scoria, identity: Identity) -> None:
    """What the store says of it is what its journal says, after each of its commits."""
    spec = StepSpec("work", "executor")

    def whole(step: Step, _: Any) -> None:
        verified(scoria._runs.store, step.run_id)

    run = scoria.start_run(
        identity, root_role_id="executor", initial_step=spec, handlers={"work": whole}
    )
    assert run.status == "completed"
    assert verified(scoria._runs.store, run.run_id).status == "completed"
