"""What the scripts that show a fault have in common; nothing here is wrong."""

import os
import signal
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.first_contact.runs import listed_runs, row_due, run_key
from lab.first_contact.wrong import Wrong
from scoria_core.group_commit import GroupCommit
from scoria_core.ports import Record, RunKey
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

AT = datetime(2030, 1, 1, 12, tzinfo=UTC)
"""A time that has yet to come."""


def key(
    run_id: str = "run-1", tenant: str = "acme", session: str = "s-1", named: str | None = None
) -> RunKey:
    """Return what a run is found by."""
    return run_key(run_id, tenant, session, named)


def records(first: int, last: int, body: str | None = None) -> list[Record]:
    """Return the records from one number to another, that one included."""
    return [
        Record(n, f"{n:064x}", f'{{"n":{n}}}' if body is None else body)
        for n in range(first, last + 1)
    ]


def begin(store: Any, *given: Any, due: datetime | None = None, upto: int = 1, **more: Any) -> str:
    """Create a run of so many records; what is given is what it is found by."""
    run_id: str = store.create(key(*given, **more), records(1, upto), row=row_due(due))
    return run_id


def due_at(store: Any, until: datetime = AT, **more: Any) -> list[str]:
    """Return the runs that are due by then."""
    return list(store.list_due(**{"tenant_id": None, "until": until, "limit": 100, **more}))


def listed(store: Any, **more: Any) -> list[str]:
    """Return the runs that are listed."""
    return listed_runs(store, **more)


def refusal(error: type[Exception], call: Callable[[], object]) -> Any:
    """Return the error of that type with which a call is refused."""
    try:
        answer = call()
    except error as refused:
        return refused
    except Exception as other:
        raise AssertionError(f"raised {other!r}, not {error.__name__}") from other
    raise AssertionError(f"answered {answer!r}, and no {error.__name__}")


def later(seconds: float = 0, **more: float) -> datetime:
    """Return a time so much after `AT`."""
    return AT + timedelta(seconds=seconds, **more)


def in_killed_child(work: Callable[[], object]) -> None:
    """Do work in another process, which is then killed, or has killed itself before."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"the child ended with {status} before it was killed"
        return
    try:
        work()
        kill_self()
    finally:
        os._exit(3)


def kill_self() -> None:
    """End this process at once, as the kernel does."""
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def around_commits(before: Callable[[], object] = bool, after: Callable[[], object] = bool) -> Any:
    """Call something just before, and just after, the first commit of any store in this block."""
    true_store, left = GroupCommit.store, [1]

    def store(group: Any, write: Any) -> Any:
        if not left:
            return true_store(group, write)
        left.clear()
        before()
        answer = true_store(group, write)
        after()
        return answer

    GroupCommit.store = store  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        GroupCommit.store = true_store  # type: ignore[method-assign]


def wrong_store(name: str, clause: str, kind: type, show: Callable[..., None]) -> Wrong:
    """Return a wrong store of a class; the right one is the class of the kit it is made of."""
    bases: tuple[tuple[type, str | None], ...] = (
        (MemoryStore, None),
        (PrunableSQLiteStore, "runs.db"),
        (DuckDBStore, "runs.duckdb"),
    )
    base, file = next(each for each in bases if issubclass(kind, each[0]))

    def opened(of: type) -> Callable[[Path], Any]:
        return (lambda _: of()) if file is None else (lambda directory: of(directory / file))

    return Wrong(name, clause, "store", opened(kind), show, opened(base))
