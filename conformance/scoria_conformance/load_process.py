"""A process in which threads write to a store and one prunes it, until it is killed.

It dies where a kill from outside would hardly ever hit: at a line of the store's code, at a byte of
a file that the store writes, or at a chosen moment. It reports each call before and after.
"""

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import attrs

from scoria_conformance.concurrency import Broke, begin_process
from scoria_conformance.observed import named as told
from scoria_conformance.points import Place, Point, Trail, packages
from scoria_conformance.sequential import NO_RUNS, Kept, kept
from scoria_conformance.stored_runs import NOON, after, index_row, numbered, record, run_key
from scoria_conformance.world import PATIENCE, World
from scoria_core.ports import Capability, PrunableStore, RunKey, RunStore

WRITERS = 3
RUNS = 2
"""How many runs each of the threads writes, one after the other."""

LABELS = ("new", "assigned:a", "tool:b")
"""Labels that all runs have in turn, beside one of their own."""

BODY = "lava" * 4_000
"""The text of a record that takes several pages of a file."""


@attrs.frozen
class Life:
    """A run, and the calls that are made for it, in order."""

    key: RunKey
    asked: tuple[Any, ...]

    @classmethod
    def of(cls, turn: int, writer: int, number: int, *, is_pruned: bool) -> "Life":
        """Return the life of a run: created, appended to, postponed, and pruned if `is_pruned`."""
        of_turn = (turn * WRITERS + writer) * RUNS + number + 1
        run_id, told = numbered(of_turn), f"{turn} {writer} {number}"
        key = run_key(
            run_id,
            tenant_id=f"tenant-{writer}",
            session_id=f"session-{turn}",
            idempotency_key=f"order {told}",
        )
        later = after(of_turn)
        new, assigned, tool = LABELS
        own = str(key.idempotency_key)
        begun = index_row(NOON, labels=(new, own))
        asking = index_row(status="waiting", since=later, labels=(own, assigned, tool))
        working = attrs.evolve(asking, status="running", due_at=NOON, labels=(tool,))
        put_off = attrs.evolve(working, due_at=later)
        resting = attrs.evolve(put_off, status="resting", labels=())
        large = [record(each, f"{told} {BODY}") for each in (4, 5, 6, 7)]
        small = record(3, told)
        asked: list[Any] = [
            ("create", run_id, key.idempotency_key, (record(1, told), record(2, told)), begun),
            ("append", run_id, 2, (small,), asking, None),
            ("append", run_id, 3, tuple(large), working, None),
            ("append", run_id, 7, (), put_off, None),
            ("append", run_id, 7, (record(8, told), record(9, told)), resting, later),
        ]
        if is_pruned:
            asked.append(("prune", run_id, 9))
        return cls(key, tuple(asked))

    @property
    def pruned_at(self) -> int:
        """The version at which the run is pruned, or 0 if it is not."""
        return int(self.asked[-1][2]) if self.asked[-1][0] == "prune" else 0

    def after(self, calls: int) -> Kept | None:
        """Return the run as a store holds it after so many calls, or None."""
        runs: Any = NO_RUNS
        for asked in self.asked[:calls]:
            runs, _ = kept(runs, asked)
        return next(iter(runs), None)

    def as_put_off_is_forgotten(self, calls: int) -> Kept | None:
        """Return the same for a store that forgets, as it may, appends without a record."""
        with_records = [asked for asked in self.asked[:calls] if asked[0] != "append" or asked[3]]
        return attrs.evolve(self, asked=tuple(with_records)).after(len(with_records))


@attrs.frozen
class Death:
    """Where a process dies: at a point of the code, at a byte of a file, or after a message."""

    point: Point | None = None
    byte: int | None = None
    word: int | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        """Describe how it dies."""
        if self.point is not None:
            return f"killed at {self.point}"
        if self.byte is not None:
            return f"dead as it wrote beyond byte {self.byte} of a file"
        return (
            f"killed {self.seconds * 1e6:.0f} µs after word {self.word}" if self.word else "killed"
        )


@attrs.frozen
class Ended:
    """The calls that a process had begun, and those acknowledged, by run, when it died."""

    death: Death
    lives: Sequence[Life]
    begun: Counter[str]
    acknowledged: Counter[str]
    words: int
    come_by: Counter[Place] = attrs.field(factory=Counter)


@attrs.define
class _Load:
    """The threads of a process that dies."""

    store: RunStore
    lives: Sequence[Sequence[Life]]
    says: Connection
    trail: Trail
    done: "SimpleQueue[Life | None]" = attrs.field(factory=SimpleQueue)
    one_at_a_time: threading.Lock = attrs.field(factory=threading.Lock)

    def carry(self) -> None:
        """Write and prune until all is done."""
        writers = [
            threading.Thread(target=self._part, args=(self._write, each)) for each in self.lives
        ]
        pruner = threading.Thread(target=self._part, args=(self._prune,))
        for thread in (*writers, pruner):
            thread.start()
        for thread in writers:
            thread.join()
        self.done.put(None)
        pruner.join()

    def _say(self, what: object) -> None:
        # Two threads must not mix the bytes of their messages.
        with self.one_at_a_time:
            self.says.send(what)

    def _part(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            with self.trail.followed():
                work(*arguments)
        except BaseException as error:  # noqa: BLE001 - the parent is told, whatever it is
            self._say(Broke(told(error)))
            os._exit(1)

    def _write(self, lives: Sequence[Life]) -> None:
        for life in lives:
            for asked in life.asked:
                if asked[0] != "prune":
                    self._call([life], partial(ask, self.store, life, asked))
            self.done.put(life)

    def _prune(self) -> None:
        """Prune runs that are done, as many as there are in one call."""
        ended = False
        while not ended:
            lives = [self.done.get()]
            while not self.done.empty():
                lives.append(self.done.get())
            ended = None in lives
            self._remove([life for life in lives if life and life.pruned_at])

    def _remove(self, lives: Sequence[Life]) -> None:
        versions = {life.key.run_id: life.pruned_at for life in lives}
        if versions:
            self._call(lives, lambda: cast(PrunableStore, self.store).prune(versions))

    def _call(self, lives: Sequence[Life], call: Callable[[], object]) -> None:
        run_ids = [each.key.run_id for each in lives]
        self._say(("begun", run_ids))
        call()
        self._say(("done", run_ids))


def ask(store: RunStore, life: Life, asked: Any) -> None:
    """Make a call of a life on a store."""
    if asked[0] == "create":
        _, _, _, records, row = asked
        store.create(life.key, list(records), row=row)
    else:
        _, run_id, version, records, row, due_by = asked
        store.append(run_id, list(records), expected_version=version, row=row, due_by=due_by)


def ended(world: World, turn: int, death: Death) -> Ended:
    """Have a process write until it dies in this way. The store is closed, and stays closed."""
    prunes = Capability.PRUNABLE in world.store.capabilities
    lives = [
        [Life.of(turn, writer, number, is_pruned=prunes) for number in range(RUNS)]
        for writer in range(WRITERS)
    ]

    def work(store: RunStore, says: Connection) -> None:
        # Switch threads often, so that more of their steps interleave before the death.
        sys.setswitchinterval(1e-5)
        trail = Trail(packages(store), partial(_die_at, death.point))
        if death.byte is not None:
            _end_files_at(death.byte)
        _Load(store, lives, says, trail).carry()
        says.send(("came by", trail.come_by))
        _die()

    process, hears = begin_process(world, work)
    begun, acknowledged, come_by, words = Counter[str](), Counter[str](), Counter[Place](), 0
    for said in _said(hears):
        words += 1
        match said:
            case ("begun", run_ids):
                begun.update(run_ids)
            case ("done", run_ids):
                acknowledged.update(run_ids)
            case ("came by", come_by):
                pass
            case failed:
                raise AssertionError(f"a process that writes ended by itself: {failed}")
        if words == death.word:
            time.sleep(death.seconds)
            process.kill()
    process.join(PATIENCE)
    how = process.exitcode
    assert how in (-signal.SIGKILL, -signal.SIGXFSZ), f"a process that writes ended with {how}"
    flat = [life for each in lives for life in each]
    return Ended(death, flat, begun, acknowledged, words, come_by)


def _said(hears: Connection) -> Iterator[Any]:
    """Yield the messages of a process until it has ended."""
    while hears.poll(PATIENCE):
        try:
            yield hears.recv()
        except (EOFError, OSError):
            return
    raise AssertionError("a process that writes neither says anything nor ends")


def _die_at(last: Point | None, point: Point) -> None:
    if point == last:
        _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _end_files_at(byte: int) -> None:
    """Let this process die when it writes beyond a byte of a file; earlier bytes are written."""
    import resource  # a system without this module cannot fork either

    # SIGXFSZ, which kills the process, would also write a core file.
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores SIGXFSZ: a write would raise OSError, and the process would go on.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte, most))


def sizes(directory: Path) -> dict[Path, int]:
    """Return the sizes of the files of a store."""
    return {each: each.stat().st_size for each in directory.rglob("*") if each.is_file()}
