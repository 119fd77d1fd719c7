"""Stores are found by the scheme of their URL, and each of them keeps the port's promises."""

import importlib
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from scoria_conformance.stored_runs import index_row, run_ids, run_key
from scoria_core import Scoria
from scoria_core.errors import StoreUnavailable, UnknownHandler, VersionConflict
from scoria_core.installed import installed as offered
from scoria_core.ports import Capability, Fact, Record, RunKey, RunStore, Where
from scoria_core.stores import open_store
from scoria_memory import MemoryStore
from tests.support.stores import records_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def records(first: int, last: int, mark: str = "") -> list[Record]:
    """Return records numbered from `first` to `last`."""
    return [Record(at, f"digest {at}{mark}", f"body {at}{mark}") for at in range(first, last + 1)]


def create(store: RunStore, run_id: str, **more: Any) -> str:
    """Store a run of one record."""
    row = more.pop("row", None) or index_row(more.pop("due_at", None))
    return store.create(key(run_id, **more), records(1, 1, run_id), row=row)


def key(run_id: str, **more: Any) -> RunKey:
    """Return a key as short as can be."""
    return run_key(run_id, **{"tenant_id": "t", "session_id": "s", **more})


def runs(store: RunStore, tenant_id: str | None = None, **more: Any) -> list[str]:
    """List runs, by default all; a fact that is given is what they are listed by."""
    found = {fact: more.pop(fact) for fact in list(more) if fact in list(Fact)}
    where = next((Where(Fact(fact), value) for fact, value in found.items()), None)
    return run_ids(store.list_runs(tenant_id=tenant_id, where=where, **{"limit": 100, **more}))


def labelled(store: RunStore, label: str | None = None, **more: Any) -> list[str]:
    """List runs by a label, by default all that have any."""
    return run_ids(store.list_labelled(label=label, **{"tenant_id": None, "limit": 100, **more}))


def due(store: RunStore, **more: Any) -> list[str]:
    """List the runs with work to do, by default all that are due now."""
    return list(store.list_due(**{"tenant_id": None, "until": NOW, "limit": 100, **more}))


# --- found by their URL --------------------------------------------------------------------------


def test_memory_is_found_by_its_scheme() -> None:
    """`memory://` opens a store of its own each time."""
    one, other = open_store("memory://"), open_store("memory://")
    assert isinstance(one, MemoryStore)
    create(one, "r")
    assert (runs(one), runs(other)) == (["r"], [])


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_a_file_is_found_by_its_scheme(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three slashes are a path from where the host runs, a fourth makes it absolute."""
    monkeypatch.chdir(tmp_path)
    for url in (f"{scheme}:///one.db", f"{scheme}:///{tmp_path / 'two.db'}"):
        with Scoria.open(url) as scoria:
            assert not scoria.list_runs()
    assert {path.name for path in tmp_path.iterdir()} >= {"one.db", "two.db"}


@pytest.mark.parametrize("url", ["mongo://x", "memori://", "duck+db://"])
def test_an_unknown_scheme_names_those_that_are_known(url: str) -> None:
    """A scheme that nothing serves is refused, with those that something does."""
    with pytest.raises(
        StoreUnavailable, match="installed: duckdb, memory, postgresql, sqlite"
    ) as unknown:
        Scoria.open(url)
    assert unknown.value.field == "store"
    assert repr(url.partition("://")[0]) in str(unknown.value)


@pytest.mark.parametrize(
    "url",
    ["", "memory", "memory:/", "://x", "memory ://", "scoria.duckdb", None, 5, b"memory://", {}],
)
def test_what_is_no_url_is_refused(url: Any) -> None:
    """A path or a number is not taken for a store, and the message shows how to write one."""
    with pytest.raises(StoreUnavailable, match=r"is not a URL; write it as SCHEME://PATH"):
        Scoria.open(url)


@pytest.mark.parametrize("url", ["memory:///", "memory://x", "memory://a\nb"])
def test_memory_has_no_place(url: str) -> None:
    """A place in memory is refused, not ignored: the host meant something by it."""
    with pytest.raises(StoreUnavailable) as refused:
        Scoria.open(url)
    assert str(refused.value).isprintable()


def test_a_third_partys_store_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution that declares the entry point is enough; it gets the whole URL."""
    installed(
        tmp_path,
        monkeypatch,
        "attic = attic_store:open_attic",
        "from scoria_memory import MemoryStore\n"
        "def open_attic(url):\n    store = MemoryStore()\n    store.url = url\n    return store\n",
    )
    store: Any = open_store("attic://up/there?dust=1")
    assert store.url == "attic://up/there?dust=1"
    with pytest.raises(
        StoreUnavailable, match="installed: attic, duckdb, memory, postgresql, sqlite"
    ):
        open_store("cellar://")


def test_a_missing_extra_names_the_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose database is not installed says which, and the command that installs it."""
    installed(tmp_path, monkeypatch, "attic = attic_store:open_attic", "import no_such_database\n")
    with pytest.raises(StoreUnavailable) as missing:
        open_store("attic://")
    assert "'no_such_database'" in str(missing.value)
    assert "pip install 'scoria-kit[attic]'" in str(missing.value)


def test_duckdb_without_duckdb_names_the_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kit installed without its extra says how to get it, and still opens other stores."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "scoria_duckdb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(StoreUnavailable, match=r"pip install 'scoria-kit\[duckdb\]'"):
        open_store("duckdb:///x.duckdb")
    open_store("memory://").close()


def test_a_store_is_closed_when_the_facade_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handler that is refused does not leave an open store behind."""
    closed: list[MemoryStore] = []
    monkeypatch.setattr(MemoryStore, "close", lambda store: closed.append(store))
    no_handlers: Any = {"work": 5}
    with pytest.raises(UnknownHandler):
        Scoria.open("memory://", handlers=no_handlers)
    assert len(closed) == 1


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, entry_point: str, module: str) -> None:
    """Put a distribution that offers a store where Python finds it."""
    metadata = folder / "attic-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: attic\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[scoria.stores]\n{entry_point}\n")
    (folder / "attic_store.py").write_text(module)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "attic_store", raising=False)
    monkeypatch.setattr("scoria_core.stores.installed", offered.__wrapped__)
    importlib.invalidate_caches()


# --- the port ------------------------------------------------------------------------------------


def test_capabilities_are_declared(store: RunStore, scheme: str) -> None:
    """A store promises what it can keep: a file durability, SQLite all but to wake."""
    declared = {
        "memory": frozenset({Capability.PRUNABLE, Capability.OUTBOX, Capability.WAKING}),
        "duckdb": frozenset({Capability.DURABLE, Capability.PRUNABLE, Capability.OUTBOX}),
        "sqlite": frozenset(Capability) - {Capability.WAKING},
    }
    assert store.capabilities == declared[scheme]


def test_records_come_back_as_they_were_stored(store: RunStore) -> None:
    """Texts are opaque and come back character by character, in the order of their numbers."""
    texts = ["", "{}", "ü🌋\u2028\U0010ffff", "'\"\\;--", "\x01\r\n\t ", "x" * 300_000]
    stored = [Record(at, f"d'{at}", text) for at, text in enumerate(texts, 1)]
    named = key("r ü'", tenant_id="t'", session_id="s;", idempotency_key="k🌋")
    assert store.create(named, stored[:2], row=index_row()) == "r ü'"
    store.append("r ü'", stored[2:], expected_version=2, row=index_row())
    assert records_of(store, "r ü'") == stored
    assert runs(store, tenant_id="t'", session_id="s;") == ["r ü'"]


def test_an_unknown_run_has_no_records(store: RunStore) -> None:
    """Reading what is not there is no error of the store."""
    assert records_of(store, "nobody") == []
    create(store, "r")
    assert records_of(store, "nobody") == []
    assert records_of(store, "R") == []


def test_a_run_is_created_once(store: RunStore) -> None:
    """A second run of one id is refused with the version it has, and changes nothing."""
    create(store, "r")
    store.append("r", records(2, 3), expected_version=1, row=index_row())
    before = records_of(store, "r")
    with pytest.raises(VersionConflict) as conflict:
        create(store, "r", tenant_id="other", session_id="other", row=index_row(NOW))
    assert (conflict.value.run_id, conflict.value.expected, conflict.value.actual) == ("r", 0, 3)
    assert records_of(store, "r") == before
    assert (runs(store, tenant_id="other"), due(store)) == ([], [])


@pytest.mark.parametrize("expected", [0, 1, 2, 4, 5, 99, -1])
def test_an_append_at_another_version_stores_nothing(store: RunStore, expected: int) -> None:
    """Too low or too high, none of the records is stored and the due time stays."""
    create(store, "r", row=index_row(NOW))
    store.append("r", records(2, 3), expected_version=1, row=index_row(NOW))
    before = records_of(store, "r")
    with pytest.raises(VersionConflict) as conflict:
        store.append(
            "r", records(expected + 1, expected + 3), expected_version=expected, row=index_row()
        )
    assert (conflict.value.expected, conflict.value.actual) == (expected, 3)
    assert records_of(store, "r") == before
    assert due(store) == ["r"]
    store.append("r", records(4, 4), expected_version=3, row=index_row())
    assert len(records_of(store, "r")) == 4


@pytest.mark.parametrize("expected", [0, 1])
def test_an_unknown_run_cannot_be_appended_to(store: RunStore, expected: int) -> None:
    """A run begins with `create`; an append does not make one."""
    with pytest.raises(VersionConflict) as conflict:
        store.append("nobody", records(1, 2), expected_version=expected, row=index_row(NOW))
    assert (conflict.value.expected, conflict.value.actual) == (expected, 0)
    assert (records_of(store, "nobody"), runs(store), due(store)) == ([], [], [])


def test_what_a_caller_holds_is_not_what_is_stored(store: RunStore) -> None:
    """Changing a list that was passed in or handed out changes nothing that is stored."""
    given = records(1, 2)
    store.create(key("r"), given, row=index_row(NOW))
    more = records(3, 3)
    store.append("r", more, expected_version=2, row=index_row(NOW))
    given.clear()
    more.clear()
    for listing in (
        store.read(["r"]),
        store.list_runs(tenant_id=None, limit=5),
    ):
        emptied(listing)
    assert records_of(store, "r") == records(1, 3)
    assert runs(store) == due(store) == ["r"]


def emptied(listing: Sequence[Any]) -> None:
    """Empty a listing, where it can be."""
    if isinstance(listing, list):
        listing.clear()


def test_runs_are_listed_newest_first(store: RunStore) -> None:
    """The order is that of the ids, descending, whatever the order they were stored in."""
    for run_id in ("3", "1", "5", "2", "4"):
        create(store, run_id)
    assert runs(store) == ["5", "4", "3", "2", "1"]
    assert runs(store, limit=2) == ["5", "4"]
    assert runs(store, limit=2, before="4") == ["3", "2"]
    assert runs(store, limit=2, before="2") == ["1"]
    assert runs(store, before="1") == []
    assert runs(store, before="35") == ["3", "2", "1"]


def test_listings_are_filtered(store: RunStore) -> None:
    """Tenant and session narrow a listing, alone and together; None does not."""
    for run_id, tenant_id, session_id in (
        ("1", "a", "x"),
        ("2", "b", "x"),
        ("3", "a", "y"),
        ("4", "a", "x"),
    ):
        create(store, run_id, tenant_id=tenant_id, session_id=session_id)
    assert runs(store, tenant_id="a") == ["4", "3", "1"]
    assert runs(store, session_id="x") == ["4", "2", "1"]
    assert runs(store, tenant_id="a", session_id="x") == ["4", "1"]
    assert runs(store, tenant_id="a", session_id="x", before="4", limit=1) == ["1"]
    assert runs(store, tenant_id="b", session_id="y") == []
    assert runs(store, tenant_id="") == runs(store, session_id="") == []


@pytest.mark.parametrize("fact", Fact)
def test_runs_are_listed_by_each_fact(store: RunStore, fact: Fact) -> None:
    """By its exact value, and within a tenant."""
    for run_id, value in (("1", "x"), ("2", "X"), ("3", "x"), ("4", "x ")):
        facts: dict[str, Any] = {fact: value}
        if fact == Fact.STATUS:
            facts = {"row": index_row(status=value)}
        create(store, run_id, tenant_id="a" if run_id == "1" else "b", **facts)
    assert runs(store, **{fact: "x"}) == ["3", "1"]
    assert runs(store, "b", **{fact: "x"}) == ["3"]
    assert runs(store, before="3", limit=1, **{fact: "x"}) == ["1"]
    assert runs(store, **{fact: "y"}) == []


def test_runs_are_listed_by_label(store: RunStore) -> None:
    """Longest so first, ties by id; a page begins at a place, and with it."""
    moment = timedelta(microseconds=1)
    for run_id, later, labels in (
        ("5", 0, ("x",)),
        ("1", 0, ("x", "y")),
        ("4", -1, ("y",)),
        ("2", 1, ("x",)),
        ("3", -1, ()),
    ):
        row = index_row(since=NOW + later * moment, labels=labels)
        create(store, run_id, tenant_id="t" if run_id != "5" else "other", row=row)
    assert labelled(store) == ["4", "1", "5", "2"]
    assert labelled(store, "x") == ["1", "5", "2"]
    assert labelled(store, "x", tenant_id="t") == ["1", "2"]
    assert labelled(store, start=(NOW, "2")) == ["5", "2"]
    assert labelled(store, "x", start=(NOW, "5"), limit=1) == ["5"]
    assert labelled(store, "X") == []


def test_the_latest_write_says_where_a_run_stands(store: RunStore) -> None:
    """The whole row comes back with the run, and what it was before lists nothing any more."""
    rows = [
        index_row(NOW, status="running", since=NOW),
        index_row(None, status="waiting", since=NOW, labels=("tool:x", "ü 🌋")),
        index_row(NOW, status="waiting", since=NOW + timedelta(days=1), labels=("tool:y",)),
        index_row(None, status="done", since=NOW - timedelta(days=40_000), has_ended=True),
    ]
    create(store, "r", row=rows[0])
    for version, row in enumerate(rows, 1):
        if version > 1:
            store.append("r", records(version, version), expected_version=version - 1, row=row)
        (run,) = store.read(["r"])
        assert (run.row, run.version, len(run.records)) == (row, version, version)
        assert list(store.list_runs(tenant_id=None, limit=9)) == [run]
        statuses = {each.status for each in rows}
        listed = {each: len(runs(store, status=each)) for each in statuses}
        counted = store.count_runs(tenant_id="t", statuses=sorted(statuses), limit=9)
        assert counted == listed == {each: int(each == row.status) for each in statuses}
        for label in ("tool:x", "tool:y", "ü 🌋"):
            assert labelled(store, label) == ["r"] * (label in row.labels)
        assert due(store) == ["r"] * (row.due_at is not None)


def test_runs_are_counted_up_to_a_limit(store: RunStore) -> None:
    """Each status that is asked for, and none that is not."""
    for run_id in "12345":
        status = "a" if run_id != "5" else "b"
        create(store, run_id, row=index_row(status=status), tenant_id=run_id)
    asked: dict[str, Any] = {"tenant_id": None, "statuses": ["a", "c"]}
    assert store.count_runs(limit=3, **asked) == {"a": 3, "c": 0}
    assert store.count_runs(limit=9, **asked) == {"a": 4, "c": 0}
    assert store.count_runs(limit=9, tenant_id="5", statuses=["a", "b"]) == {"a": 0, "b": 1}


def test_runs_are_due_in_order(store: RunStore) -> None:
    """The longest due comes first, ties by id; what is due later or never is left out."""
    moment = timedelta(microseconds=1)
    create(store, "5", row=index_row(NOW))
    create(store, "1", row=index_row(NOW))
    create(store, "4", due_at=NOW - moment, tenant_id="other")
    create(store, "2", due_at=NOW + moment)
    create(store, "3")
    assert due(store) == ["4", "1", "5"]
    assert due(store, limit=2) == ["4", "1"]
    assert due(store, tenant_id="t") == ["1", "5"]
    assert due(store, tenant_id="other") == ["4"]
    assert due(store, tenant_id="nobody") == []
    assert due(store, until=NOW + moment) == ["4", "1", "5", "2"]
    assert due(store, until=NOW - moment) == ["4"]
    assert due(store, until=NOW - 2 * moment) == []


def test_the_latest_write_says_when_a_run_is_due(store: RunStore) -> None:
    """Each append sets the due time anew, to earlier, later or never."""
    create(store, "r")
    for version, due_at in enumerate([NOW, None, NOW + timedelta(days=1), NOW], 1):
        store.append(
            "r", records(version + 1, version + 1), expected_version=version, row=index_row(due_at)
        )
        assert due(store) == (["r"] if due_at == NOW else [])


def test_a_due_time_is_an_instant(store: RunStore) -> None:
    """A time in another zone is the same instant, to the microsecond."""
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    create(store, "r", due_at=east)
    assert due(store) == ["r"]
    assert due(store, until=NOW - timedelta(microseconds=1)) == []


def test_an_idempotency_key_returns_its_owner(store: RunStore) -> None:
    """A key that a tenant has used returns the run that has it, and stores nothing."""
    assert create(store, "1", idempotency_key="k") == "1"
    assert create(store, "2", idempotency_key="k", session_id="other", row=index_row(NOW)) == "1"
    assert create(store, "1", idempotency_key="k") == "1"
    assert (runs(store), records_of(store, "2"), due(store)) == (["1"], [], [])
    assert create(store, "3", idempotency_key="k", tenant_id="other") == "3"
    assert create(store, "4", idempotency_key="K") == "4"
    assert create(store, "5") == "5"
    assert create(store, "6") == "6"
    assert records_of(store, "1") == records(1, 1, "1")


def test_a_closed_store_says_so(store: RunStore) -> None:
    """After `close`, every call but another `close` is refused."""
    create(store, "r")
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: create(store, "q"),
        lambda: store.append("r", records(2, 2), expected_version=1, row=index_row()),
        lambda: store.read(["r"]),
        lambda: runs(store),
        lambda: labelled(store),
        lambda: store.count_runs(tenant_id=None, statuses=["running"], limit=1),
        lambda: due(store),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match="is closed"):
            call()
