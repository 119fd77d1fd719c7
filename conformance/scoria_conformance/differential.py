"""Differential testing: a store and the reference get the same calls, and must answer alike.

The store is opened by one or two handles, one of which may be in another process. It is closed and
reopened in between if it declares that it can be.
"""

import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, Protocol

import attrs

from scoria_conformance.clauses import specification
from scoria_conformance.concurrency import forking
from scoria_conformance.domains import (
    LEFT_OUT,
    LIMITS,
    OPEN,
    THEMES,
    Event,
    Theme,
    Version,
    crowd,
    events,
    every_call,
    methods,
    plainest,
)
from scoria_conformance.reference import Kept, Reference
from scoria_conformance.stored_runs import numbered
from scoria_conformance.world import PATIENCE, StoreFactory
from scoria_core.errors import StoreUnavailable, VersionConflict, safe_repr
from scoria_core.ports import Fact, IndexRow, Record, StoredRun, Where

LENGTH, TAIL = 40, 5
"""How many calls a script has while the store is open, and how many after it is closed."""

ELSEWHERE = "XYZ-05:45XYS,M3.5.0,M10.5.0/3"
"""A time zone that no machine uses: its offset has quarters of an hour, and an hour repeats."""

SHRINKING = 20
"""How many seconds to spend on a shorter script that still fails."""

PAGE = "store.md"
"""The page of the specification that the differential test belongs to."""

LOST = "nothing"
"""The error in the answer of a handle whose process no longer answers."""

SAID, APART = 300, 1_200
"""How many characters are shown of the text of an error, and of a value."""


@attrs.frozen
class Answer:
    """The result of a call, or the error that it raised with its facts."""

    returned: Any = None
    raised: str = ""
    said: str = attrs.field(default="", eq=False)

    def __str__(self) -> str:
        """Return it as text for a person."""
        if not self.raised:
            return told(self.returned)
        return f"raises {self.raised}{f': {self.said}' if self.said else ''}"


def answered(method: str, call: Callable[[], Any]) -> Answer:
    """Make a call and return its answer in the terms of the port."""
    try:
        return Answer(_plain(method, call()))
    except VersionConflict as error:
        return Answer(raised=told(error))
    except StoreUnavailable as error:
        return Answer(raised=type(error).__name__, said=safe_repr(error.problem, SAID))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the store answers
        return Answer(raised=type(error).__name__, said=safe_repr(error, SAID))


def _plain(method: str, returned: Any) -> Any:
    """Return a result in a form that can be compared: the order of pruned ids does not count."""
    if method in ("append", "close"):
        return None
    if method == "prune":
        return sorted(returned)
    return copy(returned) if method in ("create", "count_runs") else list(returned)


@attrs.frozen
class Setup:
    """How many handles drive a store, and what may happen to it in between."""

    handles: int = 1
    is_alone: bool = False
    """A handle can be opened only where no other is open."""
    reopens: bool = False
    prunes: bool = False
    forgets: bool = True
    """A postponement without a record may be forgotten when the last handle is closed."""

    @property
    def left_out(self) -> frozenset[str]:
        """The methods that are not called."""
        return frozenset(
            name
            for name, is_called in {
                "prune": self.prunes,
                "close": self.reopens,
                OPEN: self.reopens,
            }.items()
            if not is_called
        )


@attrs.frozen
class Script:
    """A sequence of calls in one theme, and the calls that follow after the store is closed."""

    theme: Theme
    events: tuple[Event, ...]
    tail: tuple[Event, ...]

    @classmethod
    def drawn(cls, random: Random, setup: Setup, theme: Theme) -> "Script":
        """Draw a random script for a store that is driven this way."""
        called = [name for name in (*methods(), OPEN) if name not in setup.left_out]
        after = [name for name in methods() if name in called or name == "close"]
        return cls(
            theme,
            events(random, theme, called, setup.handles, LENGTH),
            events(random, theme, after, 1, TAIL),
        )

    @classmethod
    def crowded(cls, setup: Setup, theme: Theme) -> "Script":
        """Return the script that creates a run for each tenant with each key."""
        return cls(*crowd(theme, setup.handles), ())

    @property
    def calls(self) -> tuple[Event, ...]:
        """All of its calls."""
        return (*self.events, *self.tail)

    def replaced(self, start: int, count: int, *others: Event) -> "Script":
        """Return a copy with `count` calls from `start` on replaced by others."""
        events, tail, end = self.events, self.tail, len(self.events)
        if start < end:
            events = (*events[:start], *others, *events[start + count :])
        else:
            tail = (*tail[: start - end], *others, *tail[start - end + count :])
        return Script(self.theme, events, tail)


class Handle(Protocol):
    """One caller's handle on the store under test."""

    name: str

    def open(self, directory: Path) -> Answer:
        """Open the store in this directory; the answer is empty if that worked."""
        ...

    def ask(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        """Make a call, and return its answer."""
        ...


@attrs.define
class Here:
    """A store that is opened in this process."""

    factory: StoreFactory
    name: str = "store"
    store: Any = None

    def open(self, directory: Path) -> Answer:
        """Open the store."""

        def opened() -> None:
            self.store = self.factory(directory)

        return answered("close", opened)

    def ask(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        """Make a call, and then empty every list and dictionary that was passed or returned.

        A store that keeps one of them instead of a copy then answers differently from the
        reference.
        """
        handed = {
            name: copy(value) if isinstance(value, list | dict) else value
            for name, value in arguments.items()
        }
        returned: list[Any] = []

        def call() -> Any:
            returned.append(getattr(self.store, method)(**handed))
            return returned[0]

        answer = answered(method, call)
        for each in (*handed.values(), *returned):
            if isinstance(each, list | dict):
                each.clear()
        return answer


@attrs.define
class There:
    """A store that another process opens."""

    connection: Connection
    name: str = "elsewhere"

    def open(self, directory: Path) -> Answer:
        """Have the other process open the store."""
        return self._asked("open", {"directory": directory})

    def ask(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        """Have the other process make a call."""
        return self._asked(method, arguments)

    def _asked(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        try:
            self.connection.send((method, arguments))
            if self.connection.poll(PATIENCE):
                answer: Answer = self.connection.recv()
                return answer
        except (EOFError, OSError):
            return Answer(raised=LOST, said="its process has ended")
        self.connection.close()  # a late answer would be taken for that of the next call
        return Answer(raised=LOST, said=f"no answer within {PATIENCE} seconds")


@contextmanager
def another_process(factory: StoreFactory) -> Iterator[There]:
    """Yield a process that opens stores on request, in another time zone."""
    context = forking()
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(factory, ours, theirs), daemon=True)
    with warnings.catch_warnings():
        # Python warns because a thread may hold a lock during the fork; the child uses none of
        # them.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    try:
        yield There(ours)
    finally:
        ours.close()
        process.join(PATIENCE)
        # It may hang in a call, and not see that its connection was closed.
        process.kill()
        process.join()


def _serve(factory: StoreFactory, theirs: Connection, ours: Connection) -> None:
    theirs.close()
    here = Here(factory)
    with suppress(EOFError, OSError), elsewhere():
        while True:
            method, arguments = ours.recv()
            ours.send(here.open(**arguments) if method == OPEN else here.ask(method, arguments))


@contextmanager
def elsewhere() -> Iterator[None]:
    """Switch this process to the time zone `ELSEWHERE` for a while."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = ELSEWHERE
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


@attrs.frozen
class Made:
    """A call that was made through a handle."""

    handle: str
    method: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        """Return the call as Python source."""
        if self.method == OPEN:
            return f"{self.handle} = open()"
        given = ", ".join(f"{name}={told(value)}" for name, value in self.arguments.items())
        return f"{self.handle}.{self.method}({given})"


@attrs.frozen
class Difference(Exception):
    """An answer that differs from the reference's, and the script that led to it."""

    calls: tuple[Made, ...]
    expected: Answer
    seen: Answer

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses that govern the method whose answer differs."""
        is_closed = self.expected.raised == StoreUnavailable.__name__
        return clauses_of("close" if is_closed else self.calls[-1].method)

    def __str__(self) -> str:
        """Tell the clauses of the method, the calls, and what was expected and seen."""
        method, script = self.calls[-1].method, "\n  ".join(map(str, self.calls))
        expected, seen = told_apart(self.expected, self.seen)
        return (
            f"{method} is not answered as the reference answers "
            f"({', '.join(self.clauses)}):\n  {script}\nexpected: {expected}\nseen:     {seen}"
        )


def clauses_of(method: str) -> tuple[str, ...]:
    """Return the clauses of a store's page that govern a method of the port."""
    governs = {f"scoria_core.ports.{port}.{method}" for port in ("RunStore", "PrunableStore")}
    if method == OPEN:
        governs.add("scoria_core.ports.Capability")
    clauses = [each for each in specification().clauses if each.page == PAGE]
    return tuple(clause.id for clause in clauses if governs & set(clause.governs))


@attrs.define
class Driver:
    """Plays scripts, each on a new store in a directory of its own."""

    setup: Setup
    handles: Sequence[Handle]
    place: Path
    _numbers: Iterator[int] = attrs.field(factory=count)

    def search(self, seed: int, count: int) -> Difference | None:
        """Play a crowd of each theme and then so many drawn scripts.

        Return the difference of the first script that fails, after the script was shortened; or
        None.
        """
        for script in self._scripts(seed, count):
            if (found := self.found(script)) is not None:
                return self._smallest(script, found)
        return None

    def _scripts(self, seed: int, count: int) -> Iterator[Script]:
        yield from (Script.crowded(self.setup, theme) for theme in THEMES)
        for number in range(count):
            random = Random(f"{seed} {number}")  # noqa: S311 - it picks calls, and keeps no secret
            yield Script.drawn(random, self.setup, THEMES[number % len(THEMES)])

    def _smallest(self, script: Script, found: Difference) -> Difference:
        """Shrink a script to the fewest and plainest calls that still show the difference.

        It stops after `SHRINKING` seconds: a store may be slow, and shrinking does not change the
        verdict.
        """
        ends = time.monotonic() + SHRINKING

        def is_found(smaller: Script) -> bool:
            nonlocal script, found
            now = None if time.monotonic() > ends else self.found(smaller)
            if now is None or now.seen.raised == LOST:
                return False
            script, found = smaller, now
            return True

        for size in (LENGTH // 2, LENGTH // 4, LENGTH // 8, 2, 1):
            start = 0
            while start < len(script.calls):
                if not is_found(script.replaced(start, size)):
                    start += size
        for place, event in enumerate(script.calls):
            for name in event.arguments:
                for plainer in script.calls[place].plainer(script.theme, name):
                    if is_found(script.replaced(place, 1, plainer)):
                        break
        return found

    def found(self, script: Script) -> Difference | None:
        """Return the difference that a script leads to, if any."""
        try:
            self.play(script)
        except Difference as found:
            return found
        return None

    def play(self, script: Script) -> None:
        """Play a script to its end, or raise the first `Difference`."""
        directory = self.place / f"played-{next(self._numbers)}"
        directory.mkdir()
        played = _Played(self.setup, self.handles, directory, script)
        try:
            played.whole()
        finally:
            played.end()
            shutil.rmtree(directory, ignore_errors=True)


@attrs.define
class _Played:
    """One script while it is played."""

    setup: Setup
    handles: Sequence[Handle]
    directory: Path
    script: Script
    calls: list[Made] = attrs.field(factory=list)
    runs: dict[str, Kept] = attrs.field(factory=dict)
    begun: set[int] = attrs.field(factory=set)
    references: list[Reference] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.references = [Reference(self.runs, is_closed=True) for _ in self.handles]

    def whole(self) -> None:
        for handle in range(len(self.handles)):
            self.open(handle)
        for event in self.script.events:
            self.event(event)
        last = len(self.handles) - 1
        if self.setup.reopens and (last == 0 or self.setup.is_alone):
            for number in sorted(self.begun):
                self.call(number, "close", {})
        for number in range(len(self.handles)) if not self.setup.is_alone else [last]:
            self.open(number)
            self.ask_everything(number)
        self.call(last, "close", {})
        for event in plainest(self.script.theme, self.setup.left_out):
            self.event(attrs.evolve(event, handle=last))
        for event in self.script.tail:
            self.event(attrs.evolve(event, handle=last))

    def end(self) -> None:
        """Close what is open; answers no longer matter, since all were compared."""
        for number in self.begun:
            self.handles[number].ask("close", {})

    def event(self, event: Event) -> None:
        if event.method == OPEN:
            self.open(event.handle)
        elif event.handle in self.begun:
            given = self._given(event)
            if not self._follows_an_end(event.method, given):
                changed = given.get("versions", [given.get("run_id")])
                before = {each: self.runs[each].told() for each in changed if each in self.runs}
                self.call(event.handle, event.method, given)
                self._ask_where_they_stood(event.handle, before)

    def _follows_an_end(self, method: str, given: Mapping[str, Any]) -> bool:
        """Tell whether the call appends to a run that has ended, which no caller may do."""
        run = self.runs.get(given.get("run_id", "")) if method == "append" else None
        return run is not None and run.row.has_ended and run.version == given["expected_version"]

    def _ask_where_they_stood(self, number: int, before: Mapping[str, StoredRun]) -> None:
        """Compare every listing and count that should have lost or gained a run by a write."""
        for run_id, was in before.items():
            now = self.runs[run_id].told() if run_id in self.runs else was
            if now == was and run_id in self.runs:
                continue
            for method, asked in _listings(was.row, now.row):
                named = {"tenant_id": was.key.tenant_id, "limit": LIMITS[0]}
                self._ask_quietly(number, method, {**named, **asked})

    def open(self, number: int) -> None:
        """Open a handle, unless it is open or must not be."""
        reference = self.references[number]
        are_open = [each for each in self.references if not each.is_closed]
        if not reference.is_closed or (are_open and self.setup.is_alone):
            return
        self.calls.append(Made(self.handles[number].name, OPEN, {}))
        self._compare(Answer(), self.handles[number].open(self.directory))
        reference.is_closed = False
        self.begun.add(number)
        if not are_open and self.setup.forgets:
            self._forget(number)

    def _forget(self, number: int) -> None:
        """Let the reference forget a postponement, if the store has forgotten it and may."""
        for run_id, run in self.runs.items():
            last = attrs.evolve(run.row, due_at=run.due_at_of_last_record)
            if run.row != last:
                read = self.handles[number].ask("read", {"run_ids": [run_id]}).returned or ()
                if [each.row for each in read] == [last]:
                    run.row = last

    def call(self, number: int, method: str, arguments: Mapping[str, Any]) -> None:
        """Make the call on the handle and on the reference, and compare the answers."""
        self.calls.append(Made(self.handles[number].name, method, arguments))
        reference = self.references[number]
        expected = answered(method, lambda: getattr(reference, method)(**arguments))
        self._compare(expected, self.handles[number].ask(method, arguments))

    def _compare(self, expected: Answer, seen: Answer) -> None:
        if expected != seen:
            raise Difference(tuple(self.calls), expected, seen)

    def ask_everything(self, number: int) -> None:
        """Make every possible read on a handle; reads with a right answer are not reported."""
        for method, arguments in self._all_there_is():
            self._ask_quietly(number, method, arguments)

    def _ask_quietly(self, number: int, method: str, arguments: Mapping[str, Any]) -> None:
        self.call(number, method, arguments)
        self.calls.pop()

    def _all_there_is(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        for run in list(self.runs.values()):
            if run.key.idempotency_key is not None:
                again = attrs.evolve(run.key, run_id=numbered(99), session_id="another")
                yield "create", {"key": again, "records": [Record(1, "", "")], "row": run.row}
        for method in methods():
            for arguments in every_call(method, self.script.theme):
                yield method, arguments

    def _given(self, event: Event) -> dict[str, Any]:
        """Return the arguments of a call, with those filled in that depend on the state."""
        given = {name: each for name, each in event.arguments.items() if each != LEFT_OUT}
        version = 0
        if "expected_version" in given:
            version = self._version(given["run_id"], given["expected_version"])
            given["expected_version"] = version
        if "records" in given:
            given["records"] = given["records"].after(version)
            run = self.runs.get(given.get("run_id", ""))
            if run is not None and not given["records"]:  # without records, only due_at may change
                given["row"] = attrs.evolve(run.row, due_at=given["row"].due_at)
        if "versions" in given:
            pruned = given["versions"].items()
            given["versions"] = {run_id: self._version(run_id, at) for run_id, at in pruned}
        return given

    def _version(self, run_id: str, seen: Version) -> int:
        return max(0, self.references[0].version(run_id) + seen.away)


def _listings(*rows: IndexRow) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every listing and count that includes a run with one of these rows."""
    statuses = list(dict.fromkeys(row.status for row in rows))
    labels = dict.fromkeys(label for row in rows for label in row.labels)
    yield "count_runs", {"statuses": statuses}
    for status in statuses:
        yield "list_runs", {"where": Where(Fact.STATUS, status), "with_records": False}
    for label in (None, *labels):
        yield "list_labelled", {"label": label, "with_records": False}
    for row in rows:
        if row.due_at is not None:
            yield "list_due", {"until": row.due_at}


_ALIKE = re.compile(r"(.)\1{19,}")
_QUOTED = re.compile(r"""(['"])((?:(?!\1)[^\\]|\\.){300,})\1""")


def told(value: Any) -> str:
    """Return `value` as Python source, shortened if it is long or repeats a character."""
    return _clipped(_QUOTED.sub(_shortened, repr(value)), 0)


def told_apart(expected: Answer, seen: Answer) -> tuple[str, str]:
    """Return the expected and the seen answer as text; long ones start near their difference."""
    texts = [repr(each.returned) if not each.raised else str(each) for each in (expected, seen)]
    if max(map(len, texts)) <= APART:
        return texts[0], texts[1]
    pairs = enumerate(zip(*texts, strict=False))
    differ = next((at for at, (one, other) in pairs if one != other), min(map(len, texts)))
    one, other = (_clipped(text, max(0, differ - APART // 4)) for text in texts)
    return one, other


def _shortened(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2][:60]}{found[1]}... ({len(found[2])} characters)"


def _clipped(text: str, start: int) -> str:
    """Return the part of a text from `start` on, cut to `APART`, with its full length."""
    part = _ALIKE.sub(lambda found: f"{{{found[1]} * {len(found[0])}}}", text[start:])
    dots = "... " if start else ""
    rest = f"... ({len(text)} characters)" if len(part) > APART else ""
    return f"{dots}{part[:APART]}{rest}"
