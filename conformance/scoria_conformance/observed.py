"""Wraps the store under test: records its calls, and fails a scenario if it breaks the port.

A store speaks through its answers and its errors. Exceptions of the test machinery (a skip, an
exit, a rejected example) are a failure if the store raises them. Its answers must have the exact
types of the port: a subclass of `str` may be equal to anything.
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs

from scoria_core import errors
from scoria_core.errors import safe_repr
from scoria_core.ports import (
    Capability,
    Delivery,
    IndexRow,
    Record,
    RunKey,
    RunStore,
    StoredRun,
    Where,
)
from scoria_core.visible import visible_line

READING = (
    *("capabilities", "read", "list_runs", "list_labelled", "list_due", "count_runs"),
    *("list_listeners", "list_deliveries", "watch_due"),
)
"""The calls that change nothing."""

READS = 3
"""How many of the last reads are reported."""

MOST_TOLD = 24
"""How many calls are reported with a failure."""

KEPT = 200
"""How many of the last writes are remembered."""

ROW = 8
"""How many rows of a list are shown."""

SHOWN = 300
"""How many characters of one argument or answer are shown."""

MACHINERY = (
    "_pytest",
    "pytest",
    "pytest_bdd",
    "pluggy",
    "unittest",
    "hypothesis",
    "scoria_conformance",
)
"""Packages whose exceptions control the suite, and say nothing about a store."""


class PortBroken(AssertionError):
    """The target under test did something that no target may do."""


def strays(raised: BaseException) -> bool:
    """Tell whether an exception from the code under test would control the suite.

    This includes an error that has the name of an error of the kit, but is another class. Ctrl-C is
    left alone: it comes from the person who runs the suite.
    """
    if isinstance(raised, BaseExceptionGroup):
        return any(map(strays, raised.exceptions))
    if not isinstance(raised, Exception):
        return not isinstance(raised, KeyboardInterrupt)
    if isinstance(raised, PortBroken):
        return False
    if (of_the_kit := getattr(errors, type(raised).__name__, None)) is not None:
        return type(raised) is not of_the_kit and isinstance(raised, errors.ScoriaError)
    return any(kind.__module__.partition(".")[0] in MACHINERY for kind in type(raised).__mro__)


@attrs.define(eq=False)
class Call:
    """One call of a store: its arguments, and how it ended once it has."""

    method: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    number: int = 0
    ended: str = ""
    answer: Any = None

    def __str__(self) -> str:
        """Return the call as Python source, with its answer or error."""
        given = [_told(each) for each in self.arguments]
        given += [f"{name}={_told(each)}" for name, each in self.named.items()]
        said = self.ended or f"-> {_told(self.answer)}"
        return f"{self.method}({', '.join(given)}) {said}"


@attrs.define(eq=False)
class Ledger:
    """The calls of one scenario, and violations of the port, even if a step swallowed them."""

    changes: deque[Call] = attrs.field(factory=lambda: deque[Call](maxlen=KEPT))
    reads: deque[Call] = attrs.field(factory=lambda: deque[Call](maxlen=READS))
    count: int = 0
    broken: list[PortBroken] = attrs.field(factory=list)

    def told(self) -> tuple[str, ...]:
        """Return the calls that led here: the writes, and the last reads."""
        led = sorted([*self.changes, *self.reads], key=lambda call: call.number)
        if len(led) <= MOST_TOLD:
            return tuple(map(str, led))
        half = MOST_TOLD // 2
        left_out = f"... {len(led) - 2 * half} more calls, or more ..."
        return (*map(str, led[:half]), left_out, *map(str, led[-half:]))

    def breaks(self, problem: str) -> PortBroken:
        """Record a violation of the port, and return it as an error to raise."""
        self.broken.append(PortBroken(problem))
        return self.broken[-1]

    def made(
        self, call: Call, ask: Callable[[], Any], allowed: type[Exception] | None = None
    ) -> Any:
        """Make a call on the target under test and record how it ends. Raises `PortBroken`.

        `allowed` is an error of the suite's own that the call may raise.
        """
        self.count += 1
        call.number = self.count
        (self.reads if call.method in READING else self.changes).append(call)
        try:
            answer = ask()
        except BaseException as error:
            call.ended = f"raised {named(error)}"
            if type(error) is not allowed and strays(error):
                problem = f"{call.method} raised {named(error)}, which nothing under test may"
                raise self.breaks(problem) from error
            raise
        call.answer = _kept(answer)
        return answer


@attrs.define(eq=False)
class Observed:
    """A store under test whose calls are recorded and whose answers are checked."""

    store: RunStore
    ledger: Ledger
    _capabilities: frozenset[Capability] | None = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Return what the store declared when it was first asked. Raises `PortBroken`."""
        if self._capabilities is None:
            call = Call("capabilities", (), {})
            declared = self.ledger.made(call, lambda: self.store.capabilities)
            self._capabilities = self._declared(declared)
        return self._capabilities

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a new run."""
        return cast(str, self._call("create", _no_text, key, records, row=row))

    def append(
        self,
        run_id: str,
        records: Sequence[Record],
        *,
        expected_version: int,
        row: IndexRow,
        **due_by: datetime | None,
    ) -> None:
        """Append records; `due_by` is passed on only if it was given."""
        at: dict[str, Any] = {"expected_version": expected_version, "row": row, **due_by}
        self._call("append", _no_none, run_id, records, **at)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return runs with their records."""
        return cast(Sequence[StoredRun], self._call("read", _no_runs, run_ids))

    def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
        """Return runs, newest first."""
        return cast(Sequence[StoredRun], self._call("list_runs", _no_runs, **asked))

    def list_labelled(self, **asked: Any) -> Sequence[StoredRun]:
        """Return runs that have a label."""
        return cast(Sequence[StoredRun], self._call("list_labelled", _no_runs, **asked))

    def list_due(self, **asked: Any) -> Sequence[str]:
        """Return the ids of runs that are due."""
        return cast(Sequence[str], self._call("list_due", _no_texts, **asked))

    def count_runs(self, **asked: Any) -> Mapping[str, int]:
        """Return how many runs have each status."""
        return cast(Mapping[str, int], self._call("count_runs", _no_counts, **asked))

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove runs."""
        return cast(Sequence[str], self._call("prune", _no_texts, versions))

    def add_listener(self, listener: str) -> None:
        """Add a listener."""
        self._call("add_listener", _no_none, listener)

    def remove_listener(self, listener: str) -> None:
        """Remove a listener."""
        self._call("remove_listener", _no_none, listener)

    def list_listeners(self) -> Sequence[str]:
        """Return the listeners."""
        return cast(Sequence[str], self._call("list_listeners", _no_texts))

    def claim_delivery(self, listener: str, **at: datetime) -> Delivery | None:
        """Claim a delivery."""
        return cast(
            Delivery | None, self._call("claim_delivery", _no_delivery_or_none, listener, **at)
        )

    def settle_delivery(self, claimed: Delivery, settled: Delivery) -> bool:
        """Record how many entries of a delivery the listener has received."""
        return cast(bool, self._call("settle_delivery", _no_bool, claimed, settled))

    def list_deliveries(self, listener: str, **asked: Any) -> Sequence[Delivery]:
        """Return the deliveries of a listener."""
        return cast(
            Sequence[Delivery], self._call("list_deliveries", _no_deliveries, listener, **asked)
        )

    def watch_due(self, **asked: Any) -> Generator[Sequence[str], None, None]:
        """Yield the runs that become due; each answer is recorded as a call."""
        answers = self.store.watch_due(**asked)  # type: ignore[attr-defined]  # it declares waking
        with closing(answers):
            while True:
                call = Call("watch_due", (), dict(asked))
                answer = self.ledger.made(call, partial(next, answers))
                if problem := _no_texts(answer):
                    raise self.ledger.breaks(f"watch_due answered {problem}")
                yield answer

    def close(self) -> None:
        """Close the store."""
        self._call("close", _no_none)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def _call(self, method: str, wrong: "Wrong", *arguments: Any, **named: Any) -> Any:
        call = Call(method, tuple(map(_kept, arguments)), named)
        ask = lambda: getattr(self.store, method)(*arguments, **named)  # noqa: E731
        answer = self.ledger.made(call, ask)
        if problem := wrong(answer):
            raise self.ledger.breaks(f"{method} answered {problem}")
        return answer

    def _declared(self, declared: object) -> frozenset[Capability]:
        if type(declared) is not frozenset:
            raise self.ledger.breaks(f"capabilities is {safe_repr(declared)}, and no frozenset")
        known = {str(each): each for each in Capability}
        plain = [each for each in declared if type(each) in (str, Capability)]
        found = [known[each] for each in plain if each in known]
        if len(found) < len(declared):
            unknown = ", ".join(sorted(safe_repr(each) for each in declared if each not in found))
            raise self.ledger.breaks(
                f"capabilities has {unknown}, which is no capability: there are {', '.join(known)}"
            )
        return frozenset(found)


def observed_by(ledger: Ledger, factory: Callable[[Path], RunStore]) -> Callable[[Path], Observed]:
    """Return a factory whose stores are observed by `ledger`; its calls are observed too."""

    def make(directory: Path) -> Observed:
        store = ledger.made(Call("open", (), {}), lambda: factory(directory))
        return Observed(store, ledger)

    return make


Wrong = Callable[[object], str]
"""Returns how an answer violates the port, or ""."""


def _no_none(answer: object) -> str:
    return "" if answer is None else f"{safe_repr(answer)}, and must answer None"


def _no_text(answer: object) -> str:
    return mistyped(answer, str)


def _no_texts(answer: object) -> str:
    return _no_row(answer, _no_text)


def _no_runs(answer: object) -> str:
    return _no_row(answer, _no_run)


def _no_row(answer: object, wrong: Wrong) -> str:
    if type(answer) is not list and type(answer) is not tuple:
        return f"{_typed(answer)}, and neither a list nor a tuple"
    return next((f"a row with {problem}" for each in answer if (problem := wrong(each))), "")


def _no_record(answer: object) -> str:
    return mistyped(answer, Record, sequence=int, digest=str, body=str)


def _no_run(answer: object) -> str:
    kind: dict[str, type] = {"key": RunKey, "row": IndexRow, "version": int, "records": tuple}
    if problem := mistyped(answer, StoredRun, **kind):
        return problem
    run = cast(StoredRun, answer)
    return (
        _no_key(run.key)
        or _no_index_row(run.row)
        or next((problem for each in run.records if (problem := _no_record(each))), "")
    )


def _no_bool(answer: object) -> str:
    return mistyped(answer, bool)


def _no_deliveries(answer: object) -> str:
    return _no_row(answer, _no_delivery)


def _no_delivery_or_none(answer: object) -> str:
    return "" if answer is None else _no_delivery(answer)


def _no_delivery(answer: object) -> str:
    kind = {"listener": str, "run_id": str, "delivered": int, "version": int, "tries": int}
    if problem := mistyped(answer, Delivery, **kind):
        return problem
    delivery = cast(Delivery, answer)
    if delivery.problem is not None and (problem := _no_text(delivery.problem)):
        return problem
    return "" if delivery.next_try_at is None else _no_time(delivery, "next_try_at")


def _no_key(key: RunKey) -> str:
    texts = {name for name in attrs.fields_dict(RunKey) if name != "created_at"}
    if key.idempotency_key is None:
        texts.discard("idempotency_key")
    return mistyped(key, RunKey, **dict.fromkeys(texts, str)) or _no_time(key, "created_at")


def _no_index_row(row: IndexRow) -> str:
    kind: dict[str, type] = {"status": str, "labels": tuple, "has_ended": bool}
    return (
        mistyped(row, IndexRow, **kind)
        or next((f"a label {problem}" for each in row.labels if (problem := _no_text(each))), "")
        or _no_time(row, "since")
        or ("" if row.due_at is None else _no_time(row, "due_at"))
    )


def _no_time(owner: object, name: str) -> str:
    if problem := mistyped(owner, type(owner), **{name: datetime}):
        return problem
    at: datetime = getattr(owner, name)
    return "" if at.utcoffset() == timedelta() else f"{name} {at!r}, which is not in UTC"


def _no_counts(answer: object) -> str:
    if problem := mistyped(answer, dict):
        return problem
    counts = cast(dict[object, object], answer)
    wrong = [_no_text(each) or mistyped(count, int) for each, count in counts.items()]
    return next((f"a count with {problem}" for problem in wrong if problem), "")


def mistyped(answer: object, kind: type, **fields: type) -> str:
    """Describe the first part of an answer that does not have its exact type, or return ""."""
    if type(answer) is not kind:
        return f"{_typed(answer)}, and no {kind.__name__}"
    for name, expected in fields.items():
        found = getattr(answer, name)
        if type(found) is not expected:
            return f"{name} {_typed(found)}, and no {expected.__name__}"
    return ""


def _typed(value: object) -> str:
    kind = type(value)
    return f"{safe_repr(value)} of {kind.__module__}.{kind.__qualname__}"


def _kept(value: object) -> object:
    """Return a copy of a list, as it may change later, or the value itself."""
    return list(value) if type(value) is list else value


def _told(value: object) -> str:
    """Return a value as text for a report: ids in full, only the beginning of a long list."""
    if type(value) is list or type(value) is tuple:
        some = [_told(each) for each in value[:ROW]]
        more = [f"... {len(value)} in all"] if len(value) > len(some) else []
        return f"[{', '.join([*some, *more])}]"
    if type(value) is Record:
        return f"Record({value.sequence}, {safe_repr(value.body, 40)})"
    if type(value) is StoredRun:
        parts = (_told(value.key), _told(value.row), f"version {value.version}")
        return f"StoredRun({', '.join(parts)}, {_told(value.records)})"
    if type(value) is RunKey or type(value) is IndexRow:
        fields = attrs.asdict(value, recurse=False).items()
        told = ", ".join(f"{name}={_told(each)}" for name, each in fields if each is not None)
        return f"{type(value).__name__}({told})"
    if type(value) is Where:
        return f"{value.fact} {safe_repr(value.value, SHOWN)}"
    if isinstance(value, datetime):
        return value.isoformat()
    return safe_repr(value, SHOWN)


def named(error: BaseException) -> str:
    """Return the type and the message of an error, in one line."""
    try:
        said = visible_line(str(error), SHOWN)
    except Exception:  # noqa: BLE001 - what is under test may raise whatever it likes
        said = "<it does not say>"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
