"""What an author learns of a failure: where to begin, the calls that led to it, its causes."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scoria_conformance import Check, Status, Verdict, specification, verify
from scoria_conformance.catalogue import TAGS, catalogue
from scoria_conformance.explaining import CAUSES, CROWDED, LAYERS, alike, causes, first
from scoria_conformance.observed import MOST_TOLD, Ledger, PortBroken, observed_by
from scoria_conformance.report import Document, write
from scoria_conformance.stored_runs import NOON, index_row, numbered, record, run_key
from scoria_core.ports import Fact, Where
from scoria_memory import MemoryStore

CUTS = """
from scoria_memory import MemoryStore

class Cuts(MemoryStore):
    def list_due(self, *, until, **asked):
        return super().list_due(until=until.replace(microsecond=0), **asked)

def make(directory):
    return Cuts()
"""


def check(name: str, status: Status = Status.FAILED, **more: Any) -> Check:
    """Return a check of the store suite, unless it says another."""
    return Check(name, status, **{"id": name, "suites": ("store",), **more})


def test_the_failure_that_explains_the_others_is_first() -> None:
    """Not in the order of files: the lowest layer, the fewest calls, nothing at once."""
    found = [
        check("page", suites=("page",)),
        check("passes", Status.PASSED),
        check("host", suites=("adoption", "host"), calls=("a",)),
        check(f"{CROWDED}crowd"),
        check("long", calls=("a", "b", "c")),
        check("short", calls=("a", "b")),
        check("broke", Status.HARNESS_ERROR),
    ]
    names = [each.name for each in first(found)]
    assert names == [
        "short", "long", f"{CROWDED}crowd", "host", "page", "broke", "passes"
    ]  # fmt: skip
    assert {*LAYERS} == {*TAGS}
    assert any(each.startswith(CROWDED) for each in catalogue())


def test_failures_that_say_the_same_are_counted() -> None:
    """Ids and numbers aside."""
    said = [f"run {numbered(n)} is at version {n}\nand more {n}" for n in (1, 22)]
    found = [check(str(n), reason=text) for n, text in enumerate([*said, "another"])]
    assert [alike(each, found) for each in found] == [1, 1, 0]


def test_causes_are_those_of_clauses() -> None:
    """Each names a clause that there is."""
    assert CAUSES.keys() <= specification().by_id.keys()
    assert causes(check("x", clauses=("RUN-1", "STORE-11"))) == (CAUSES["STORE-11"],)


def test_calls_are_told_with_whole_ids_filter_and_limit(tmp_path: Path) -> None:
    """Those that changed something, and the last that read."""
    ledger = Ledger()
    store = observed_by(ledger, lambda _: MemoryStore())(tmp_path)
    key = run_key(numbered(1), tenant_id="acme", session_id="chat", idempotency_key="order-7")
    store.create(key, [record(1)], row=index_row(NOON, labels=("tool:send",)))
    for number in range(1000):
        where = Where(Fact.SESSION, "chat")
        store.list_runs(tenant_id="acme", where=where, limit=number, before=numbered(9))
    _, created, *reads = ledger.told()
    row = (
        "IndexRow(status='running', since=2026-01-05T12:00:00+00:00, "
        "due_at=2026-01-05T12:00:00+00:00, labels=['tool:send'], has_ended=False)"
    )
    told = (
        f"RunKey(run_id='{numbered(1)}', tenant_id='acme', session_id='chat', actor_id='user-1', "
        "root_role_id='executor', created_at=2026-01-05T12:00:00+00:00, idempotency_key='order-7')"
    )
    assert created == f"create({told}, [Record(1, '{{}} 1')], row={row}) -> '{numbered(1)}'"
    asked = f"tenant_id='acme', where=session_id 'chat', limit=999, before='{numbered(9)}'"
    listed = f"StoredRun({told}, {row}, version 1, [Record(1, '{{}} 1')])"
    assert reads[-1] == f"list_runs({asked}) -> [{listed}]"
    for number in range(2, 100):
        store.create(run_key(numbered(number)), [record(1)], row=index_row(NOON))
    assert len(ledger.told()) == MOST_TOLD + 1
    assert any("more calls" in call for call in ledger.told())


def test_a_call_that_raised_says_what(tmp_path: Path) -> None:
    """With the words of the error, whatever they are."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    class Raises(MemoryStore):
        def read(self, run_ids: Sequence[str]) -> Any:
            raise Mute if run_ids == ["mute"] else LookupError("two\nlines \x1b[2K")

    ledger = Ledger()
    store = observed_by(ledger, lambda _: Raises())(tmp_path)
    for run_id, kind in (("a", LookupError), ("mute", Mute)):
        with pytest.raises(kind):
            store.read([run_id])
    assert ledger.told()[1:] == (
        "read(['a']) raised LookupError: two\\u000alines \\u001b[2K",
        "read(['mute']) raised Mute: <it does not say>",
    )


def test_what_broke_the_port_is_kept(tmp_path: Path) -> None:
    """A step that swallows it does not save its scenario."""

    class Lies(MemoryStore):
        def read(self, run_ids: Sequence[str]) -> Any:
            return (each for each in super().read(run_ids))

    ledger = Ledger()
    store = observed_by(ledger, lambda _: Lies())(tmp_path)
    with pytest.raises(PortBroken, match=r"builtins\.generator, and neither a list nor a tuple"):
        store.read(["a"])
    assert len(ledger.broken) == 1


@pytest.mark.slow
def test_an_author_finds_the_fault_from_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clause, the calls, expected and seen, and the usual cause, in each format."""
    (tmp_path / "cuts.py").write_text(CUTS)
    monkeypatch.chdir(tmp_path)
    only = ("store: Any sequence of calls is answered as the reference answers",)
    cases = tuple(catalogue()[each] for each in only)
    monkeypatch.setattr(sys.modules["scoria_conformance.verify"], "_demanded", lambda *_: cases)
    verdict = verify("cuts:make", suite="store")
    ((told, others),) = Document.of(verdict).begin_with
    assert (told.blamed[0], others, told.seen) == ("STORE-11", 0, "[]")
    assert told.expected == f"['{numbered(100)}']"
    opened, created, asked = told.calls
    assert (opened, created.partition("(")[0]) == ("store = open()", "store.create")
    assert asked.startswith(
        "store.list_due(tenant_id=None, until=datetime.datetime(2026, 1, 5, 11,"
    )
    assert "limit=1000, fair=False)" in asked
    write(verdict, tmp_path / "D")
    for name in ("report.html", "summary.md", "junit.xml", "report.json"):
        said = (tmp_path / "D" / name).read_text("utf-8").replace("&#95;", "_")
        assert "list_due(tenant_id=None, until=datetime.datetime(2026, 1, 5, 11, 59" in said
    assert "Commonest cause" in (tmp_path / "D" / "report.html").read_text("utf-8")


def test_a_verdict_without_failures_has_nothing_to_begin_with() -> None:
    """And says nothing of it."""
    assert Document.of(Verdict("x", [check("a", Status.PASSED)])).begin_with == ()
