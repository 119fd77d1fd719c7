"""Every candidate: what it is, what it needs, and how it is tuned."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import MappingProxyType

import attrs

from lab.bench.place import Kind
from scoria_core.stores import GROUP

SCORIA = "lab.bench.candidates.scoria"


def present(module: str) -> bool:
    """Tell whether a module could be imported, and do not; its parents are."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # one of its parents is absent
        return False


@attrs.frozen
class Entry:
    """A candidate by its name; `needs` are modules that must be installed to open it."""

    name: str
    label: str
    kind: Kind
    module: str
    tuned: str
    needs: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    fills: bool = False

    @property
    def is_scoria(self) -> bool:
        """Whether the others of its kind are set against it."""
        return self.module == SCORIA

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""
        if self.is_scoria and self.kind not in {each.name for each in entry_points(group=GROUP)}:
            return f"no store is installed for {self.kind}://"
        absent = [name for name in self.needs if not present(name)]
        return f"{', '.join(absent)} is not installed: pip install '.[bench]'" if absent else None


def _scoria(kind: Kind, label: str, tuned: str, *needs: str) -> Entry:
    name = f"scoria-{kind}"
    return Entry(name, f"Scoria on {label}", kind, SCORIA, tuned, needs, needs, fills=True)


def _raw(kind: Kind, label: str, tuned: str, *needs: str) -> Entry:
    module = f"lab.bench.candidates.raw_{kind}"
    return Entry(f"raw-{kind}", f"raw {label}", kind, module, tuned, needs, needs, fills=True)


_DBOS = "A pool and executor with room for every flow, no log, no telemetry. That the request is \
stored is seen in the process, which spares a poll of `get_event`."
_LANGGRAPH = '`durability="sync"`, one compiled graph. '

ENTRIES = (
    _scoria(Kind.MEMORY, "memory", "As it is."),
    _raw(Kind.MEMORY, "memory", "A dict behind a lock."),
    Entry(
        "langgraph-memory",
        "LangGraph in memory",
        Kind.MEMORY,
        "lab.bench.candidates.langgraph",
        f"{_LANGGRAPH}`InMemorySaver`.",
        ("langgraph", "langgraph.checkpoint.postgres", "langgraph.checkpoint.sqlite"),
        ("langgraph", "langgraph-checkpoint"),
    ),
    _scoria(Kind.SQLITE, "SQLite", "As it is: WAL, synchronous=FULL."),
    _raw(
        Kind.SQLITE,
        "SQLite",
        "WAL, synchronous=FULL, one table without rowid, group commit: whoever gets the turn \
commits for all who wait.",
    ),
    Entry(
        "burr-sqlite",
        "Burr on SQLite",
        Kind.SQLITE,
        "lab.bench.candidates.burr",
        "WAL; one persister behind a lock, as flows that wait for SQLite's own lock sleep far \
longer than they must. It keeps snapshots and no journal, and stores no claim.",
        ("burr",),
        ("apache-burr",),
    ),
    Entry(
        "eventsourcing-sqlite",
        "eventsourcing on SQLite",
        Kind.SQLITE,
        "lab.bench.candidates.eventsourcing",
        "The recorder's own WAL; a lock timeout that outlasts every queue of writers.",
        ("eventsourcing",),
        ("eventsourcing",),
    ),
    Entry(
        "langgraph-sqlite",
        "LangGraph on SQLite",
        Kind.SQLITE,
        "lab.bench.candidates.langgraph",
        f"{_LANGGRAPH}`SqliteSaver` sets WAL itself, and its lock wants one connection.",
        ("langgraph", "langgraph.checkpoint.postgres", "langgraph.checkpoint.sqlite"),
        ("langgraph", "langgraph-checkpoint-sqlite"),
    ),
    Entry(
        "dbos-sqlite",
        "DBOS on SQLite",
        Kind.SQLITE,
        "lab.bench.candidates.dbos",
        f"WAL, and a poll every millisecond. {_DBOS}",
        ("dbos",),
        ("dbos",),
    ),
    _scoria(Kind.DUCKDB, "DuckDB", "As it is.", "duckdb"),
    _raw(
        Kind.DUCKDB,
        "DuckDB",
        "A narrow journal with no index, answers from memory, group commit, one thread, a \
checkpoint each MB; up to 8 rows as values, more as lists.",
        "duckdb",
    ),
    _scoria(Kind.POSTGRESQL, "PostgreSQL", "As it is.", "psycopg"),
    _raw(
        Kind.POSTGRESQL,
        "PostgreSQL",
        "A connection for each flow, prepared statements, autocommit.",
        "psycopg",
    ),
    Entry(
        "langgraph-postgresql",
        "LangGraph on PostgreSQL",
        Kind.POSTGRESQL,
        "lab.bench.candidates.langgraph",
        f"{_LANGGRAPH}A `PostgresSaver` for each flow, as one lets a single caller through, on \
a pool with a connection for each; autocommit, prepared statements.",
        ("langgraph", "langgraph.checkpoint.postgres", "psycopg"),
        ("langgraph", "langgraph-checkpoint-postgres", "psycopg"),
    ),
    Entry(
        "dbos-postgresql",
        "DBOS on PostgreSQL",
        Kind.POSTGRESQL,
        "lab.bench.candidates.dbos",
        f"LISTEN/NOTIFY. {_DBOS}",
        ("dbos", "psycopg"),
        ("dbos", "psycopg"),
    ),
)

BY_NAME: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in ENTRIES})
