"""What the scripts of the stores share: keys, records, times, ways to force a race or a kill."""

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from lab.first_contact.runs import listed_runs, row_due, run_key
from lab.first_contact.wrong import Wrong
from scoria_core.ports import Record, RunKey, RunStore
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)

Make = Callable[[Path], RunStore]


def run_id(number: int) -> str:
    """Return the id of the run of that number; a greater number gives a greater id."""
    return f"01900000-0000-7000-8000-{number:012x}"


def key(
    number: int = 1, tenant: str = "acme", session: str = "chat", name: str | None = None
) -> RunKey:
    """Return the key of the run of that number."""
    return run_key(run_id(number), tenant, session, name)


def records(*numbers: int, body: str = "{}") -> list[Record]:
    """Return records of these sequences, all with one body."""
    return [Record(number, f"{number:064x}", body) for number in numbers]


def created(store: RunStore, *keys: RunKey, due_at: datetime | None = None) -> None:
    """Create a run of one record for each of the keys."""
    for each in keys:
        store.create(each, records(1), row=row_due(due_at))


def listed(store: RunStore, **asked: Any) -> list[str]:
    """List runs, with what is not asked for left open."""
    return listed_runs(store, **asked)


def due(store: RunStore, **asked: Any) -> list[str]:
    """List the runs that are due, with what is not asked for left open."""
    given: dict[str, Any] = {"tenant_id": None, "until": NOW, "limit": 100}
    return list(store.list_due(**{**given, **asked}))


@contextmanager
def refused(error: type[Exception]) -> Iterator[None]:
    """Assert that the block raises that error, and no other."""
    try:
        yield
    except error:
        return
    except Exception as other:
        raise AssertionError(f"raised {other!r} instead of {error.__name__}") from other
    raise AssertionError(f"did not raise {error.__name__}")


@contextmanager
def answered() -> Iterator[None]:
    """Assert that the block raises nothing."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"raised {error!r}") from error


def killed(call: Callable[[], object]) -> None:
    """Make a call in a process of its own, which is killed at once when the call has returned."""
    child = os.fork()
    if child == 0:
        try:
            call()
        except BaseException:  # noqa: BLE001 - it must not go on as a second parent
            traceback.print_exc()
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        raise RuntimeError(f"the child ended with {os.WEXITSTATUS(status)}")


class Fatal(Sequence[Record]):
    """Records that kill the process that reads them, after the first of them."""

    def __init__(self, given: list[Record]) -> None:
        self._given = given

    def __len__(self) -> int:
        return len(self._given)

    def __getitem__(self, index: Any) -> Any:
        return self._given[index]

    def __iter__(self) -> Iterator[Record]:
        yield self._given[0]
        os.kill(os.getpid(), signal.SIGKILL)


class Meeting(Sequence[Record]):
    """Records that wait, when first counted or read, until another caller is as far, or a while."""

    def __init__(self, given: list[Record], barrier: threading.Barrier, at: str) -> None:
        self._given, self._barrier, self._at = given, barrier, at

    def __len__(self) -> int:
        self._meet("len")
        return len(self._given)

    def __getitem__(self, index: Any) -> Any:
        return self._given[index]

    def __iter__(self) -> Iterator[Record]:
        self._meet("iter")
        return iter(self._given)

    def _meet(self, at: str) -> None:
        if at == self._at:
            self._at = ""
            with suppress(threading.BrokenBarrierError):
                self._barrier.wait(1.0)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make the calls in a thread each, and return what each returned or raised."""
    outcomes: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        try:
            outcomes[number] = call()
        except Exception as error:  # noqa: BLE001 - it is what is looked at
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return outcomes


def open_memory(kind: type[MemoryStore], directory: Path) -> MemoryStore:
    """Open a store of that kind in memory; the directory is not used."""
    return kind()


def open_sqlite(kind: type[PrunableSQLiteStore], directory: Path) -> PrunableSQLiteStore:
    """Open the SQLite file of the directory as a store of that kind."""
    return kind(directory / "runs.sqlite")


def open_duckdb(kind: type[DuckDBStore], directory: Path) -> DuckDBStore:
    """Open the DuckDB file of the directory as a store of that kind."""
    return kind(directory / "runs.duckdb")


_OPENED: list[tuple[type, Callable[..., Any]]] = [
    (MemoryStore, open_memory),
    (PrunableSQLiteStore, open_sqlite),
    (DuckDBStore, open_duckdb),
]


def wrong_store(name: str, clause: str, kind: type, show: Callable[[Make, Path], None]) -> Wrong:
    """Return the wrong store of that class; the right one is the class it is made from."""
    base, opened = next(each for each in _OPENED if issubclass(kind, each[0]))
    return Wrong(name, clause, "store", partial(opened, kind), show, partial(opened, base))
