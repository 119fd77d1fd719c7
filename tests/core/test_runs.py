"""Runs as a host starts, reads and lists them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs
import pytest

from scoria_core import (
    RunSummary,
    Scoria,
)
from scoria_core.errors import (
    InvalidPayload,
    RunNotFound,
)
from scoria_memory import MemoryStore
from tests.support.scripted import WORK, in_memory, needs


def test_the_same_session_gives_fresh_runs(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """A new turn of a conversation has the session of the last, and a run of its own."""
    first, second = start(), start()
    assert first.session_id == second.session_id == "session-1"
    assert first.run_id != second.run_id
    assert list(scoria.list_runs_for_session("session-1")) == [second, first]


def test_a_run_tells_who_where_and_when(
    scoria: Scoria, start: Callable[..., RunSummary], clock: Any
) -> None:
    """A summary says what the run was started with, where it stands and since when."""
    run = start(metadata={"payload": {"prompt": "p"}})
    clock.advance(seconds=5)
    scoria.cancel_run(run.run_id)
    read = scoria.get_run(run.run_id)
    assert (read.tenant_id, read.actor_id, read.session_id) == ("acme", "user-1", "session-1")
    assert (read.root_role_id, read.metadata) == ("executor", {"payload": {"prompt": "p"}})
    assert read.updated_at - read.created_at == timedelta(seconds=5)
    assert read.created_at.tzinfo is not None
    assert (run.version, read.version) == (2, 4)


def test_a_run_id_may_be_a_uuid(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A host that keeps run ids as UUIDs asks with those."""
    run = start()
    assert scoria.get_run(UUID(run.run_id)) == run
    assert not scoria.list_runs(before=UUID(run.run_id))


def test_runs_come_newest_first_in_pages(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """Pages of any size follow each other without a gap or a repetition."""
    runs = [start() for _ in range(7)]
    for limit in (1, 2, 3, 7, 8):
        pages: list[RunSummary] = []
        before = None
        while page := scoria.list_runs_for_session("session-1", limit=limit, before=before):
            assert len(page) <= limit
            pages += page
            before = page[-1].run_id
        assert pages == runs[::-1]
    assert list(scoria.list_runs(limit=3)) == runs[:3:-1]
    assert not scoria.list_runs_for_session("another")


@in_memory
@pytest.mark.parametrize("limit", [0, -1, 1_001, True, 2.0, "5", None])
def test_a_limit_is_an_int_in_range(scoria: Scoria, limit: Any) -> None:
    """A page has one run at least and a thousand at most."""
    for call in (scoria.list_runs, scoria.run_pending):
        with pytest.raises(InvalidPayload) as invalid:
            call(limit=limit)
        assert invalid.value.field == "limit"


@in_memory
@pytest.mark.parametrize("before", [5, True, "", [], b"x", {}])
def test_a_cursor_is_a_run_id(
    scoria: Scoria, start: Callable[..., RunSummary], before: Any
) -> None:
    """A cursor that is no id is refused, not taken for the beginning."""
    start()
    with pytest.raises(InvalidPayload) as invalid:
        scoria.list_runs_for_session("session-1", before=before)
    assert invalid.value.field == "before"


def test_a_session_id_is_no_run_id(scoria: Scoria, start: Callable[..., RunSummary]) -> None:
    """A session id given for a run id finds nothing, and the message points at the listing."""
    start()
    for call in (scoria.get_run, scoria.get_run_detail, scoria.resume_run, scoria.cancel_run):
        with pytest.raises(RunNotFound, match="list_runs_for_session") as missing:
            call("session-1")
        assert missing.value.is_session


def test_the_hint_tells_nothing_of_other_tenants(
    scoria: Scoria, start: Callable[..., RunSummary]
) -> None:
    """Another tenant's session is no session in view, so the message does not betray it."""
    start()
    view = scoria.for_tenant("globex")
    with pytest.raises(RunNotFound) as session:
        view.get_run("session-1")
    with pytest.raises(RunNotFound) as unknown:
        view.get_run("session-2")
    assert str(session.value).replace("session-1", "session-2") == str(unknown.value)
    assert not session.value.is_session


def test_what_comes_back_is_frozen(scoria: Scoria, waiting: RunSummary) -> None:
    """No field of anything that is returned can be set."""
    detail = scoria.get_run_detail(waiting.run_id)
    values: list[Any] = [
        detail,
        detail.summary,
        detail.identity,
        detail.steps[0],
        detail.approvals[0],
    ]
    for value in [*values, *detail.journal, needs(), WORK]:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.status = "completed"
    assert all(isinstance(getattr(detail, name), tuple) for name in ("steps", "journal"))


@pytest.mark.parametrize("limit", [0, -1, True, "many", None, 1.5])
def test_a_payload_limit_is_a_number_of_bytes(limit: Any) -> None:
    """A facade is not made with a limit that would fail at the first payload."""
    with pytest.raises(InvalidPayload) as refused:
        Scoria(MemoryStore(), max_payload_bytes=limit)
    assert refused.value.field == "max_payload_bytes"
