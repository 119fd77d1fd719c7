"""Values for every parameter of the port: legal, but chosen to expose mistakes.

Calls are made from the signatures of the port. Each parameter finds its values here by its name; a
parameter without values is an error, so that a new one cannot be forgotten.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import cycle, product
from random import Random
from typing import Any

import attrs

from scoria_conformance.stored_runs import NOON, index_row, numbered, run_key
from scoria_core.ports import Fact, IndexRow, PrunableStore, Record, RunKey, RunStore, Where


@attrs.frozen
class Theme:
    """Ids that are all different, in a way that a store may overlook."""

    name: str
    tenants: tuple[str, ...]
    sessions: tuple[str, ...]
    keys: tuple[str, ...]
    run_ids: tuple[str, ...]

    @classmethod
    def of(cls, name: str, *ids: str, sessions: tuple[str, ...] = ()) -> "Theme":
        """Return a theme of similar ids; `sessions` make tenant and session similar when joined."""
        within = sessions or ids
        run_ids = (numbered(4), ids[1], numbered(2), ids[0], numbered(3), ids[-1], numbered(1))
        return cls(name, ids, within, within, run_ids)

    @property
    def words(self) -> tuple[str, ...]:
        """The values of statuses, actors and roles."""
        return self.tenants

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that are as much alike as the ids, and longer."""
        return (*self.tenants, *(f"assigned:{each}" for each in self.tenants))

    def values_of(self, fact: Fact) -> tuple[str, ...]:
        """Return the possible values of this fact."""
        return self.sessions if fact == Fact.SESSION else self.words


LONG = "x" * 64
THEMES = (
    Theme.of("case", "acme", "Acme", "ACME", "stra\u00dfe", "strasse"),
    Theme.of("composed", "caf\u00e9", "cafe\u0301", "cafe", "CAFE\u0301", "\uff43afe"),
    Theme.of("blanks", "acme", "acme ", " acme", "acme\u00a0", "a cme"),
    Theme.of("wildcards", "a%", "ab", "a_", "a*", "a?", "[a]b", "%"),
    Theme.of("lengths", LONG, f"{LONG}1", f"{LONG}2", "x" * 254, "x" * 255, "\u00e9" * 255),
    *(Theme.of("separators", "a", f"a{by}b", "b", sessions=("c", f"b{by}c", "a")) for by in ":/|,"),
    Theme.of("no separators", "a", "ab", "b", sessions=("c", "bc", "a")),
    Theme.of("numbers and words", "7", "07", "7.0", "None", "null", "NULL", "true"),
    Theme.of("quotes", "o'k", "o''k", "o\\'k", 'o"k', "o\\k", "--", "$1"),
    Theme.of("planes", "\uffee", "\U0001f30b", "\ue000", "z", "\U0001f30b\u200d\U0001f30b"),
)
"""Case, Unicode form, blanks, wildcards, length, separators, type, quotes, and Unicode plane."""

INSTANTS = (
    *(NOON + timedelta(microseconds=number) for number in (0, 1, -1, 999_999, 1_000_000)),
    datetime(2026, 10, 24, 19, 45, tzinfo=UTC),
    datetime(2026, 10, 24, 20, 45, tzinfo=UTC),
    NOON + timedelta(days=36_525, microseconds=1),
    NOON - timedelta(days=36_525, microseconds=1),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
"""Times that a store may confuse or cut.

A microsecond apart, on both sides of a second, one local time twice in `differential.ELSEWHERE`, a
hundred years ahead and ago, and just before the Unix epoch.
"""


class TurnedBack(tzinfo):
    """A zone whose clock is set back: each local time occurs twice, an hour apart."""

    def utcoffset(self, at: datetime | None, /) -> timedelta:
        """Return the offset of the first time, or of the second."""
        return timedelta(hours=1 if at is not None and at.fold else 2)

    def dst(self, at: datetime | None, /) -> timedelta:
        """Return how far the clock is ahead of its winter time."""
        return self.utcoffset(at) - timedelta(hours=1)

    def tzname(self, at: datetime | None, /) -> str:
        """Return the name of the zone."""
        return f"+{self.utcoffset(at)}"

    def __repr__(self) -> str:
        return "TurnedBack()"


ZONES = (timezone(timedelta(hours=14)), timezone(-timedelta(hours=9, minutes=30)))
TWICE = tuple(datetime(2026, 1, 5, 14, tzinfo=TurnedBack(), fold=fold) for fold in (0, 1))
ABROAD = tuple(at.astimezone(zone) for at, zone in zip(INSTANTS, cycle(ZONES), strict=False))
TIMES = (*INSTANTS, *TWICE, *ABROAD)
OFTEN = INSTANTS[:3] * 3
"""Times that are drawn so often that some are equal."""

SHORT = (
    "{}",
    "",
    " two ",
    "caf\u00e9 cafe\u0301",
    "a\u2028b\u0085c\r\nd\re\tf",
    'it\'s "said" \\n %s $1 ? ; -- \x01\x1f\x7f',
    "\U0001f30b \U00020bb7 \ufeff\uffff",
    '{"n": 9007199254740993, "f": [null, 0.10, 1e400, -0.0]}',
)
"""Texts of records."""

ALL_SHORT = "".join(SHORT)
LONG_TEXTS = tuple(ALL_SHORT * (size // len(ALL_SHORT) + 1) for size in (5_000, 70_000, 800_000))
"""All of these, repeated to sizes at which a store may change how it keeps them, or fail."""

LIMITS = (1_000, 1, 2, 3, 0, 2**31 - 1, 2**63 - 1)


@attrs.frozen
class Version:
    """A version relative to the current version of a run; never below 0."""

    away: int = 0


@attrs.frozen
class Batch:
    """Digests and bodies of records, which are numbered once the version is known."""

    texts: tuple[tuple[str, str], ...]

    def after(self, version: int) -> list[Record]:
        """Return the records, numbered from the one after `version` on."""
        return [Record(number, *text) for number, text in enumerate(self.texts, version + 1)]


@attrs.frozen
class Values:
    """The values of a parameter: the plainest, and a function that draws one."""

    plainest: Any
    draw: Callable[[Random], Any]

    @classmethod
    def of(cls, *values: Any) -> "Values":
        """Return these values, each drawn equally often."""
        return cls(values[0], lambda random: random.choice(values))

    def plainer(self, value: Any) -> Iterator[Any]:
        """Yield values that are plainer than `value`."""
        if value != self.plainest:
            yield self.plainest
            if isinstance(value, Batch) and len(value.texts) > 1:
                yield from (Batch((each,)) for each in value.texts)
            elif isinstance(value, tuple) and len(self.plainest) == 2:  # a pair keeps its length
                yield from ((self.plainest[0], value[1]), (value[0], self.plainest[1]))
            elif isinstance(value, list | tuple):
                yield from (type(value)((each,)) for each in value if len(value) > 1)
            elif isinstance(value, RunKey | IndexRow):
                plain = attrs.asdict(self.plainest, recurse=False)
                yield from (attrs.evolve(value, **{name: each}) for name, each in plain.items())


def _batches(least: int) -> Values:
    digests, bodies = ("0f", "0F", *SHORT), (*SHORT * 3, *LONG_TEXTS)

    def drawn(random: Random) -> Batch:
        count = random.choice((least, 1, 1, 2, 3, 12))
        texts = ((random.choice(digests), random.choice(bodies)) for _ in range(count))
        return Batch(tuple(texts))

    return Values(Batch(((digests[0], bodies[0]),)), drawn)


def _composed(kind: type[Any], theme: Theme) -> Values:
    """Return instances of a class of the port, each of its fields drawn by itself."""
    parts = {name: _values(kind.__name__, name)(theme) for name in attrs.fields_dict(kind)}

    def drawn(random: Random) -> Any:
        return kind(**{name: each.draw(random) for name, each in parts.items()})

    return Values(kind(**{name: each.plainest for name, each in parts.items()}), drawn)


def _rows(theme: Theme) -> Values:
    rows = _composed(IndexRow, theme)

    def drawn(random: Random) -> IndexRow:
        row: IndexRow = rows.draw(random)
        # A run that has ended has no work to do.
        return attrs.evolve(row, due_at=None) if row.has_ended else row

    return Values(rows.plainest, drawn)


def _some(values: Sequence[Any], *counts: int, of: type[Any] = list) -> Values:
    """Return collections of distinct values; how many is drawn from `counts`."""

    def drawn(random: Random) -> Any:
        return of(random.sample(values, random.choice(counts)))

    return Values(of(()), drawn)


def _asked(theme: Theme) -> Values:
    """Return lists of ids to read: known and unknown ones, some of them repeated."""
    run_ids = (*theme.run_ids * 2, *_unknown(theme))

    def drawn(random: Random) -> list[str]:
        return random.choices(run_ids, k=random.choice((0, 1, 1, 2, 3, 9)))

    return Values([theme.run_ids[0]], drawn)


def _places(theme: Theme) -> Values:
    """Return places where a page can begin, with the id of a known or an unknown run."""
    times, run_ids = (*OFTEN, *TIMES), (*theme.run_ids, *_unknown(theme))
    return Values(
        (NOON, theme.run_ids[0]), lambda random: (random.choice(times), random.choice(run_ids))
    )


def _every_where(theme: Theme) -> tuple[Where, ...]:
    return tuple(Where(fact, value) for fact in Fact for value in theme.values_of(fact))


def _unknown(theme: Theme) -> tuple[str, ...]:
    """Return ids of no run, similar to those of runs."""
    return (*(f"{each}!" for each in theme.run_ids[:2]), "!", "\U0010fffd", numbered(99))


def _pruned(theme: Theme) -> Values:
    run_ids = (*theme.run_ids * 3, *_unknown(theme))

    def drawn(random: Random) -> Mapping[str, Version]:
        chosen = random.sample(run_ids, random.choice((1, 1, 2, 4)))
        return {run_id: _VERSIONS.draw(random) for run_id in chosen}

    return Values({theme.run_ids[0]: Version()}, drawn)


_VERSIONS = Values.of(*[Version()] * 6, Version(-1), Version(1), Version(-1_000), Version(1_000))

VALUES: Mapping[str, Callable[[Theme], Values]] = {
    "key": lambda theme: _composed(RunKey, theme),
    "RunKey.run_id": lambda theme: Values.of(*theme.run_ids),
    "RunKey.tenant_id": lambda theme: Values.of(*theme.tenants),
    "RunKey.session_id": lambda theme: Values.of(*theme.sessions),
    "RunKey.actor_id": lambda theme: Values.of(*theme.words),
    "RunKey.root_role_id": lambda theme: Values.of(*theme.words),
    "RunKey.created_at": lambda _: Values.of(*TIMES),
    "RunKey.idempotency_key": lambda theme: Values.of(None, None, *theme.keys),
    "row": _rows,
    "IndexRow.status": lambda theme: Values.of(*theme.words),
    "IndexRow.since": lambda _: Values.of(*OFTEN * 2, *TIMES),
    "IndexRow.due_at": lambda _: Values.of(*[None] * 4, *OFTEN * 2, *TIMES, *INSTANTS),
    "IndexRow.labels": lambda theme: _some(theme.labels, 0, 1, 1, 2, 4, of=tuple),
    "IndexRow.has_ended": lambda _: Values.of(*[False] * 8, True),
    "create.records": lambda _: _batches(1),
    "append.records": lambda _: _batches(0),
    "run_id": lambda theme: Values.of(*theme.run_ids),
    "run_ids": _asked,
    "expected_version": lambda _: _VERSIONS,
    "due_by": lambda _: Values.of(*[None] * 3, *OFTEN, *TIMES),
    "tenant_id": lambda theme: Values.of(None, None, *theme.tenants),
    "where": lambda theme: Values.of(None, *_every_where(theme)),
    "label": lambda theme: Values.of(None, *theme.labels),
    "statuses": lambda theme: _some(theme.words, 0, 1, 2, 3),
    "limit": lambda _: Values.of(*LIMITS),
    "before": lambda theme: Values.of(None, *theme.run_ids, *_unknown(theme)),
    "start": _places,
    "with_records": lambda _: Values.of(True, False),
    "until": lambda _: Values.of(*TIMES),
    "fair": lambda _: Values.of(False, True),
    "versions": _pruned,
}
"""The values of each parameter, by its name, or by its method or class and its name."""

EVERY: Mapping[str, Callable[[Theme], tuple[Any, ...]]] = {
    "run_ids": lambda theme: (
        [*theme.run_ids, *_unknown(theme), *theme.run_ids[::-1]],
        *([each] for each in (*theme.run_ids, *_unknown(theme))),
    ),
    "tenant_id": lambda theme: (None, *theme.tenants),
    "where": lambda theme: (None, *_every_where(theme)),
    "label": lambda theme: (None, *theme.labels),
    "statuses": lambda theme: (list(theme.words),),
    "limit": lambda _: (LIMITS[0],),
    "list_due.limit": lambda _: (LIMITS[0], 2),
    "count_runs.limit": lambda _: (LIMITS[0], 2),
    "before": lambda _: (None,),
    "start": lambda _: (None,),
    "with_records": lambda _: (False,),
    "until": lambda _: (INSTANTS[0], INSTANTS[2], INSTANTS[7]),
    "fair": lambda _: (False, True),
}
"""The values with which a read is made in every combination, to see everything a store holds.

As in `VALUES`, the name of the method may stand before that of the parameter.
"""


@cache
def methods() -> Mapping[str, inspect.Signature]:
    """Return the methods of the port with their signatures."""
    declared = {**vars(RunStore), **vars(PrunableStore)}
    return {
        name: _without_self(inspect.signature(method))
        for name, method in declared.items()
        if inspect.isfunction(method) and not name.startswith("_")
    }


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    _, *parameters = signature.parameters.values()
    return signature.replace(parameters=parameters)


@cache
def given(method: str, theme: Theme) -> Mapping[str, Values]:
    """Return the values of each parameter of a method; one with a default may be left out."""
    return {
        name: _left_out_or(_values(method, name)(theme), parameter)
        for name, parameter in methods()[method].parameters.items()
    }


def _left_out_or(values: Values, parameter: inspect.Parameter) -> Values:
    if parameter.default is parameter.empty:
        return values
    return Values(LEFT_OUT, lambda random: random.choice((LEFT_OUT, values.draw(random))))


LEFT_OUT = "left out"
"""The value of an argument that is not given."""


def _values(owner: str, name: str) -> Callable[[Theme], Values]:
    """Return the values of a parameter; raise `LookupError` if it has none."""
    found = VALUES.get(f"{owner}.{name}") or VALUES.get(name)
    if found is None:
        raise LookupError(f"{name} of {owner} has no values in {__name__}.VALUES")
    return found


@attrs.frozen
class Event:
    """A call through one of the handles; some arguments are relative to the state at that time."""

    handle: int
    method: str
    arguments: Mapping[str, Any]

    def plainer(self, theme: Theme, name: str) -> Iterator["Event"]:
        """Yield the same call with a plainer value of an argument."""
        for other in given(self.method, theme)[name].plainer(self.arguments[name]):
            yield attrs.evolve(self, arguments={**self.arguments, name: other})


OPEN = "open"
"""An event of the driver that is not a method of the port: it opens a store that was closed."""

WEIGHTS: Mapping[str, int] = {
    "create": 6,
    "append": 8,
    "list_runs": 3,
    "list_labelled": 3,
    "list_due": 2,
    "prune": 3,
}
"""How much more often than others a method is called; the usual weight is 1."""

AGAIN = 0.2
"""How likely a write repeats an earlier one."""


def events(
    random: Random, theme: Theme, names: Sequence[str], handles: int, count: int
) -> tuple[Event, ...]:
    """Draw calls of these methods, or `OPEN`; after each write, another handle makes a read."""
    weights = [WEIGHTS.get(name, 1) for name in names]
    asking = [name for name in names if is_asking(name)]
    drawn: list[Event] = []
    for name in random.choices(names, weights, k=count):
        handle = random.randrange(handles)
        before = [each for each in drawn if each.method == name]
        if before and name not in asking and random.random() < AGAIN:
            arguments = _as_before(random.choice(before))
        else:
            arguments = _drawn(random, theme, name)
        drawn.append(Event(handle, name, arguments))
        if handles > 1 and name not in asking:
            name = random.choice(asking)
            drawn.append(Event(1 - handle, name, _drawn(random, theme, name)))
    return tuple(drawn[:count])


def _as_before(event: Event) -> Mapping[str, Any]:
    """Return the arguments that repeat a call, as a caller does whose answer was lost."""
    if event.method != "append":
        return event.arguments
    stored = len(event.arguments["records"].texts)
    return {**event.arguments, "expected_version": Version(-stored)}


def crowd(theme: Theme, handles: int) -> tuple[Theme, tuple[Event, ...]]:
    """Return a call of `create` for each tenant with each key, and the theme with those runs.

    Random calls seldom include the one pair of ids that a store confuses; these include every pair,
    also among the ids of the runs.
    """
    pairs = list(product(range(len(theme.tenants)), range(len(theme.keys))))
    others = (numbered(100 + number) for number in range(len(pairs) - len(theme.tenants)))
    run_ids = (*others, *theme.tenants)
    created = tuple(
        Event(
            number % handles,
            "create",
            {
                "key": run_key(
                    run_ids[number],
                    tenant_id=theme.tenants[tenant],
                    session_id=theme.sessions[(tenant + key) % len(theme.sessions)],
                    actor_id=theme.words[key % len(theme.words)],
                    root_role_id=theme.words[(tenant + key) % len(theme.words)],
                    idempotency_key=theme.keys[key],
                ),
                "records": Batch((("0f", SHORT[0]),)),
                "row": index_row(
                    TIMES[number % 3],
                    status=theme.words[key % len(theme.words)],
                    labels=theme.labels[key :: len(theme.tenants)],
                ),
            },
        )
        for number, (tenant, key) in enumerate(pairs)
    )
    return attrs.evolve(theme, run_ids=run_ids), created


def is_asking(method: str) -> bool:
    """Tell whether a method only reads, so that all combinations of values can be tried."""
    names = () if method == OPEN else tuple(methods()[method].parameters)
    return bool(names) and set(names) <= EVERY.keys()


def _drawn(random: Random, theme: Theme, method: str) -> Mapping[str, Any]:
    if method == OPEN:
        return {}
    return {name: values.draw(random) for name, values in given(method, theme).items()}


def plainest(theme: Theme, left_out: Collection[str]) -> list[Event]:
    """Return one call of each method that is not left out, with the plainest values."""
    return [
        Event(0, name, {each: values.plainest for each, values in given(name, theme).items()})
        for name in methods()
        if name not in left_out
    ]


def every_call(method: str, theme: Theme) -> list[Mapping[str, Any]]:
    """Return the arguments of the calls that together read everything through this method."""
    if not is_asking(method):
        return []
    names = tuple(methods()[method].parameters)
    every = [(EVERY.get(f"{method}.{name}") or EVERY[name])(theme) for name in names]
    return [dict(zip(names, values, strict=True)) for values in product(*every)]
