"""Listeners: who is told, by whom, and what they cannot hold up."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from scoria_core import (
    AsyncScoria,
    Completed,
    Event,
    Listener,
    NeedsApproval,
    RunSummary,
    Scoria,
    StepSpec,
)
from scoria_core.delivering import MAX_TRIES, settled
from scoria_core.errors import InvalidPayload
from scoria_core.ports import Delivery
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_sqlite import OutboxSQLiteStore, SQLiteStore
from scoria_sqlite import store as sqlite_store
from scoria_worker import Worker

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
CLAIMED = Delivery("mail", "run", 3, 9, 1, NOON)


def handle(step: Any, _: object) -> Completed | NeedsApproval:
    """Ask once, and complete."""
    if step.approval is None:
        return NeedsApproval(tool_name="send", arguments={"to": "ann"}, reason="it costs")
    return Completed()


def start(scoria: Scoria) -> RunSummary:
    """Start a run that asks for approval."""
    identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    step = StepSpec(kind="work", role_id="executor")
    return scoria.start_run(
        identity, root_role_id="executor", initial_step=step, handlers={"work": handle}
    )


def finish(scoria: Scoria, run: RunSummary) -> None:
    """Approve what a run asks for, and let it complete."""
    assert run.pending_approval is not None
    approval_id = run.pending_approval.approval_id
    scoria.approve(run.run_id, approval_id=approval_id, decided_by="ann")
    scoria.resume_run(run.run_id, handlers={"work": handle})


@pytest.fixture
def clock() -> SettableClock:
    """Return a clock that stands still."""
    return SettableClock()


@pytest.mark.slow
def test_ten_thousand_events_reach_a_listener_that_fails_one_in_three(clock: SettableClock) -> None:
    """Each of them, in the order of its run; what is told again has the same id."""
    chance = random.Random(19)  # noqa: S311 - it keeps no secret
    told: Counter[str] = Counter()
    taken: dict[str, list[int]] = {}

    def listener(event: Event) -> None:
        told[event.event_id] += 1
        lost = chance.random()
        if lost > 1 / 6:  # else it never came
            taken.setdefault(event.run_id, []).append(event.sequence)
        if lost < 1 / 3:  # it came, or not, and the answer did not
            raise ConnectionError("reset by peer")

    store = MemoryStore()
    with Scoria(store, clock=clock, listeners={"flaky": listener}) as scoria:
        runs = [start(scoria) for _ in range(840)]
        for run in runs:
            finish(scoria, run)
        for _ in range(500):
            if not store.list_deliveries("flaky", limit=1):
                break
            scoria.deliver_events("flaky")
            clock.advance(seconds=30)
        lengths = {run.run_id: scoria.get_run(run.run_id).version for run in runs}
    assert sum(lengths.values()) >= 10_000
    assert len(told) == sum(lengths.values())
    assert told.total() > 1.3 * len(told)
    for run_id, length in lengths.items():
        assert list(dict.fromkeys(taken[run_id])) == list(range(1, length + 1))
        # A duplicate comes before what follows it.
        assert sorted(taken[run_id]) == taken[run_id]


def statements(path: Path, listeners: dict[str, Listener] | None) -> Counter[str]:
    """Return what SQLite does for a run that asks, is approved and completes."""
    seen: list[str] = []
    connect = sqlite_store._connect

    def traced(file: Any) -> Any:
        connection = connect(file)
        connection.set_trace_callback(seen.append)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_store, "_connect", traced)
        with Scoria(OutboxSQLiteStore(path), listeners=listeners) as scoria:
            finish(scoria, start(scoria))
            seen.clear()
            finish(scoria, start(scoria))
            return Counter(text.split()[0] for text in seen if not text.startswith("--"))


def test_a_run_costs_no_more_where_nobody_listens(tmp_path: Path) -> None:
    """As many statements and commits as before there were listeners; with one, no more commits."""
    alone = statements(tmp_path / "alone.db", None)
    told = statements(tmp_path / "told.db", {"mail": lambda _: None})
    assert (alone.total(), alone["COMMIT"]) == (22, 5)
    assert told["COMMIT"] == 5


def test_each_try_comes_later_and_there_is_a_last_one() -> None:
    """Five seconds, twice as long each time, at most an hour, and then no more."""
    waits: list[timedelta | None] = []
    for tries in range(1, MAX_TRIES + 1):
        after = settled(attrs.evolve(CLAIMED, tries=tries), 3, "down", NOON)
        assert (after.delivered, after.tries, after.problem) == (3, tries, "down")
        waits.append(None if after.next_try_at is None else after.next_try_at - NOON)
    assert waits[:4] == [timedelta(seconds=each) for each in (5, 10, 20, 40)]
    assert waits[-2:] == [timedelta(hours=1), None]
    assert timedelta(hours=10) < sum(filter(None, waits), timedelta()) < timedelta(hours=24)


def test_what_comes_after_progress_is_a_first_try() -> None:
    """A run is given up for one event that fails, and not for several that fail now and then."""
    after = settled(attrs.evolve(CLAIMED, tries=MAX_TRIES), 5, "down", NOON)
    assert (after.delivered, after.tries) == (5, 1)
    assert after.next_try_at == NOON + timedelta(seconds=5)


def test_a_delivery_that_kills_its_process_each_time_is_given_up(clock: SettableClock) -> None:
    """It is not told once more, and its store says why."""
    told: list[Event] = []
    with Scoria(MemoryStore(), clock=clock, listeners={"mail": told.append}) as scoria:
        start(scoria)
        store: Any = scoria._runs.store
        for _ in range(MAX_TRIES):
            assert store.claim_delivery("mail", now=clock.now(), until=clock.now())
        scoria.deliver_events()
        (given_up,) = store.list_deliveries("mail", limit=9, given_up=True)
    assert told == []
    assert given_up.problem == "its process ended in each try"


@pytest.mark.parametrize(
    ("listeners", "problem"),
    [
        ([print], "is list; pass a mapping"),
        ({"mail": "print"}, "has str for mail; pass a function"),
        ({"mail": lambda _: (yield)}, "has a generator for mail"),
        ({"": print}, "listeners"),
        ({7: print}, "listeners"),
        ({"x" * 10_000: print}, "listeners"),
    ],
)
def test_what_is_no_listener_is_refused(listeners: Any, problem: str) -> None:
    """Before anything is written."""
    store = MemoryStore()
    with pytest.raises(InvalidPayload, match=problem):
        Scoria(store, listeners=listeners)
    assert store.list_listeners() == []


def test_a_store_without_an_outbox_is_refused(tmp_path: Path) -> None:
    """The message says what to look for; without listeners the store is as good as ever."""
    with closing(SQLiteStore(tmp_path / "runs.db")) as store:
        with pytest.raises(InvalidPayload, match="a store that declares outbox, and SQLiteStore"):
            Scoria(store, listeners={"mail": print})
        Scoria(store)


@pytest.mark.parametrize("dispatch", ["inline", "thread", "queue"])
def test_a_listener_that_exits_is_told_again_and_given_up(
    clock: SettableClock, dispatch: str
) -> None:
    """Who delivers is told of it, or goes on; each time it counts as a try."""

    def exits(_: Event) -> None:
        raise SystemExit(3)

    store = MemoryStore()
    with Scoria(store, clock=clock, dispatch=dispatch, listeners={"mail": exits}) as scoria:
        worker = Worker(scoria, poll=0.01)
        thread = threading.Thread(target=worker.run)
        if dispatch == "queue":
            thread.start()
        start(scoria)
        for tries in (1, 2):
            if dispatch == "inline":
                with pytest.raises(SystemExit):
                    scoria.deliver_events()
            wait_for(lambda: untold(store)[0].problem == "SystemExit: 3")
            wait_for(lambda tries=tries: untold(store)[0].tries == tries)
            clock.advance(seconds=20)
        worker.end()
        if dispatch == "queue":
            thread.join(20)


@pytest.mark.parametrize("raised", [LookupError, SystemExit, KeyboardInterrupt])
def test_an_error_that_cannot_be_read_is_a_try(
    clock: SettableClock, raised: type[BaseException]
) -> None:
    """Its type alone is recorded, and it is told again only after a while."""

    class UnreadableError(Exception):
        def __str__(self) -> str:
            raise raised

    def fails(_: Event) -> None:
        raise UnreadableError

    store = MemoryStore()
    with Scoria(store, clock=clock, listeners={"mail": fails}) as scoria:
        start(scoria)
        stops = pytest.raises(KeyboardInterrupt) if raised is KeyboardInterrupt else nullcontext()
        with stops:  # Ctrl-C while it is read ends the host, as anywhere
            scoria.deliver_events()
        (failed,) = untold(store)
        assert (failed.tries, failed.problem) == (1, "UnreadableError")
        assert failed.next_try_at == clock.now() + timedelta(seconds=5)


def untold(store: MemoryStore) -> Sequence[Delivery]:
    """Return what was not told to the listener."""
    return store.list_deliveries("mail", limit=9)


def test_a_name_that_nobody_has_is_refused() -> None:
    """It would be told nothing, in silence."""
    with (
        Scoria(MemoryStore(), listeners={"mail": print}) as scoria,
        pytest.raises(InvalidPayload, match="'chat'; pass the name of one"),
    ):
        scoria.deliver_events("chat")


def wait_for(done: Any) -> None:
    """Wait until `done()` holds."""
    ends = time.monotonic() + 20
    while not done():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.01)


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """Return what a listener that hangs waits for."""
    event = threading.Event()
    yield event
    event.set()


def test_with_threads_listeners_are_told_without_being_asked(hung: threading.Event) -> None:
    """Each by a thread of its own: one that hangs holds up neither another nor a step."""
    told: list[str] = []

    async def hears(event: Event) -> None:
        told.append(event.type)

    listeners: dict[str, Listener] = {"hangs": lambda _: hung.wait(), "hears": hears}
    scoria = Scoria(
        MemoryStore(), dispatch="thread", handlers={"work": handle}, listeners=listeners
    )
    run_id = start(scoria).run_id
    wait_for(lambda: "approval.requested" in told)
    pending = scoria.get_run(run_id).pending_approval
    assert pending is not None
    scoria.approve(run_id, approval_id=pending.approval_id, decided_by="ann", resume=True)
    wait_for(lambda: "run.completed" in told)
    hung.set()
    scoria.close()


def test_a_worker_tells_listeners_beside_its_steps(hung: threading.Event) -> None:
    """One that hangs holds up no step, and the worker ends all the same."""
    told: list[str] = []
    listeners: dict[str, Listener] = {
        "hangs": lambda _: hung.wait(),
        "hears": lambda event: told.append(event.type),
    }
    with Scoria(
        MemoryStore(), dispatch="queue", handlers={"work": handle}, listeners=listeners
    ) as scoria:
        worker = Worker(scoria, poll=0.01)
        thread = threading.Thread(target=worker.run)
        thread.start()
        start(scoria)
        wait_for(lambda: "approval.requested" in told)
        worker.end()
        thread.join(20)
        assert not thread.is_alive()
        hung.set()


def test_a_worker_that_drains_tells_listeners_too() -> None:
    """`--once` leaves nothing behind that could be told."""
    told: list[str] = []
    with Scoria(
        MemoryStore(),
        dispatch="queue",
        handlers={"work": handle},
        listeners={"mail": lambda event: told.append(event.type)},
    ) as scoria:
        start(scoria)
        Worker(scoria).drain()
    assert told[-1] == "run.approval_requested"


def test_a_listener_may_decide_and_be_told_of_it() -> None:
    """What it does is stored, and told in its turn."""
    told: list[str] = []

    def decides(event: Event) -> None:
        told.append(event.type)
        if event.type == "approval.requested":
            scoria.approve(event.run_id, approval_id=event.subject_id, decided_by="policy")

    with Scoria(MemoryStore(), listeners={"policy": decides}) as scoria:
        start(scoria)
        scoria.deliver_events()
        scoria.deliver_events()
    assert told[-2:] == ["run.approval_requested", "approval.approved"]


def test_a_listener_is_told_where_a_loop_runs() -> None:
    """`deliver_events` may be called by a coroutine, and a listener may be one."""
    told: list[str] = []

    async def hears(event: Event) -> None:
        await asyncio.sleep(0)
        told.append(event.type)

    async def main() -> int:
        return scoria.deliver_events()

    with Scoria(MemoryStore(), listeners={"hears": hears}) as scoria:
        start(scoria)
        assert asyncio.run(main()) == len(told) == 6


async def _answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request of a connection, which is kept alive."""
    with suppress(asyncio.IncompleteReadError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("dispatch", ["inline", "thread"])
def test_handlers_and_listeners_of_an_async_host_share_a_client(dispatch: str) -> None:
    """Both run on the loop of the host, so that a connection of one is good for the other."""
    told: list[str] = []

    async def main() -> None:
        server = await asyncio.start_server(_answers, "127.0.0.1")
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as client:

            async def work(*_: object) -> Completed:
                assert (await client.get(url)).status_code == 204
                return Completed()

            async def hears(event: Event) -> None:
                told.append(event.type)  # also where it fails, and is told again
                assert (await client.get(url)).status_code == 204

            async with AsyncScoria(
                MemoryStore(), dispatch=dispatch, handlers={"work": work}, listeners={"m": hears}
            ) as scoria:
                for _ in range(2):
                    run = await scoria.start_run(
                        scoria.identity(actor_id="user-1", tenant_id="t", session_id="s"),
                        root_role_id="executor",
                        initial_step=StepSpec(kind="work", role_id="executor"),
                    )
                    assert run.status in ("completed", "running")
                async with asyncio.timeout(20):
                    while told.count("run.completed") < 2:
                        await scoria.deliver_events()
                        await asyncio.sleep(0.01)
        server.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})  # its connections

    asyncio.run(main())
    assert len(told) == 10


def test_listeners_of_an_async_host_that_hang_hold_up_no_call() -> None:
    """However many of them; they are told in threads that no other call waits for."""

    async def main() -> None:
        free, hung = asyncio.Event(), list[Event]()

        async def hangs(event: Event) -> None:
            hung.append(event)
            await free.wait()

        listeners: dict[str, Listener] = {f"listener-{each}": hangs for each in range(9)}
        async with AsyncScoria(MemoryStore(), listeners=listeners) as scoria, asyncio.timeout(20):
            run = start(scoria.sync)
            telling = [asyncio.create_task(scoria.deliver_events(each)) for each in listeners]
            while len(hung) < len(listeners):
                await asyncio.sleep(0.01)
            await scoria.cancel_run(run.run_id)
            free.set()
            assert sum(await asyncio.gather(*telling)) == 9 * (6 + 3)

    asyncio.run(main())


def test_a_listener_whose_loop_waits_for_it_is_told_later(clock: SettableClock) -> None:
    """The sync facade, called on the loop of the host, says what to call instead."""
    told: list[str] = []

    async def hears(event: Event) -> None:
        told.append(event.type)

    async def main() -> str | None:
        store = MemoryStore()
        async with AsyncScoria(store, clock=clock, listeners={"mail": hears}) as scoria:
            start(scoria.sync)
            assert scoria.sync.deliver_events() == 0
            (untold,) = store.list_deliveries("mail", limit=9)
            clock.advance(seconds=5)
            assert await scoria.deliver_events() == len(told) == 6
        return untold.problem

    problem = asyncio.run(main())
    assert problem == (
        "RuntimeError: the loop it runs on waits for it: await AsyncScoria.deliver_events"
    )


def test_a_listener_that_is_cancelled_is_told_again(clock: SettableClock) -> None:
    """Whoever cancels its task has not told it."""
    told: list[str] = []

    async def hears(event: Event) -> None:
        told.append(event.type)
        task = asyncio.current_task()
        if len(told) == 3 and task is not None:
            task.cancel()
            await asyncio.sleep(0)

    with Scoria(MemoryStore(), clock=clock, listeners={"mail": hears}) as scoria:
        start(scoria)
        assert scoria.deliver_events() == 2
        clock.advance(seconds=5)
        assert scoria.deliver_events() == 4
    assert told[2] == told[3]


def test_a_listener_that_says_it_was_cancelled_has_failed(clock: SettableClock) -> None:
    """A scope of a client may leak that; nobody cancelled who tells, and the others are told."""
    told: list[str] = []

    async def leaks(_: Event) -> None:
        raise asyncio.CancelledError

    async def hears(event: Event) -> None:
        told.append(event.type)

    async def main() -> str | None:
        store = MemoryStore()
        listeners: dict[str, Listener] = {"leaks": leaks, "mail": hears}
        async with AsyncScoria(store, clock=clock, listeners=listeners) as scoria:
            start(scoria.sync)
            assert await scoria.deliver_events() == len(told) == 6
            (untold,) = store.list_deliveries("leaks", limit=9)
        return untold.problem

    assert asyncio.run(main()) == "CancelledError: "
