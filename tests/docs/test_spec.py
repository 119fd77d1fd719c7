"""The pages of `spec/`, held to the code."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lab.model.invariants import INVARIANTS
from scoria_conformance.steps.examples import published
from scoria_core import Handlers, NeedsApproval, Scoria, StepSpec, errors
from scoria_core.decisions import MAX_HANDOFFS_DEEP
from scoria_core.handlers import MAX_CAUSE, MAX_MESSAGE
from scoria_core.lifecycles import ENTRY_TYPES, MACHINES, initial, transitions
from scoria_core.outcomes import MAX_FOLLOWING, MAX_TOGETHER
from scoria_core.payloads import MAX_BYTES, MAX_DEPTH, MAX_NAME, digest
from scoria_core.projection import UNSAFE_BEGINNINGS, UNSAFE_ENDINGS, UNSAFE_NAMES
from scoria_core.validation import MAX_KEPT_BYTES, MAX_PAGE, MAX_PEOPLE, MAX_SCHEMA_BYTES
from scoria_memory import MemoryStore
from tests.support import ROOT
from tests.support.stores import records_of

PAGE = (ROOT / "spec" / "lifecycles.md").read_text("utf-8")


def section(title: str) -> str:
    """Return the text under a heading of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("subject", MACHINES)
def test_the_tables_are_those_of_the_machines(subject: str) -> None:
    """Each row of the page is a transition of the machine, and each transition a row."""
    rows = re.findall(
        r"^\| (\w+) \| ([\w, ]+) \| (\w+) \|$", section(subject.title()), re.MULTILINE
    )
    told = {
        (source, trigger): destination
        for trigger, sources, destination in rows
        if trigger != "trigger"
        for source in sources.split(", ")
    }
    assert told == transitions(subject)
    assert f"Starts `{initial(subject)}`." in section(subject.title())


FORMS = (ROOT / "spec" / "forms.md").read_text("utf-8")


def rows_of(title: str, page: str = FORMS) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    under = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*) \|$", under, re.MULTILINE)[1:]
    return [row.split(" | ") for row in rows]


def test_the_events_are_those_of_the_journal() -> None:
    """Each move and each creation is told under the name on the page."""
    told = dict(rows_of("An entry of the journal"))
    for subject in MACHINES:
        article = "an" if subject == "approval" else "a"
        created = told.pop(f"(creates {article} {subject})")
        assert ENTRY_TYPES[subject, None] == f"{subject}_{created}"
    moves = {(subject, trigger) for subject in MACHINES for _, trigger in transitions(subject)}
    assert {trigger for _, trigger in moves} == set(told)
    for subject, trigger in moves:
        assert ENTRY_TYPES[subject, trigger] == f"{subject}_{told[trigger]}"


def test_the_errors_are_those_of_the_code() -> None:
    """Each error has the code and the kin on the page, and none is left out."""
    kinds = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.ScoriaError)
    ]
    declared = [
        [each.__name__, each.code, each.__mro__[1].__name__]
        for each in kinds
        if each is not errors.ScoriaError
    ]
    assert sorted(rows_of("Errors")) == sorted(declared)


def test_the_limits_are_those_of_the_code() -> None:
    """The numbers on the page are those the code holds to."""
    limits = [int(limit) for _, limit in rows_of("Limits")]
    assert limits == [
        MAX_BYTES,
        MAX_DEPTH,
        MAX_NAME,
        MAX_PAGE,
        MAX_HANDOFFS_DEEP,
        MAX_FOLLOWING,
        MAX_TOGETHER,
        MAX_PEOPLE,
        MAX_KEPT_BYTES,
        MAX_SCHEMA_BYTES,
        MAX_MESSAGE,
        MAX_CAUSE,
    ]


def test_the_refused_names_are_those_of_the_code() -> None:
    """The three lists on the page are those a context is held against."""
    where, ends, begins = (
        frozenset(names.split(", "))
        for names in re.findall(r"^- where .*: (.*)$", FORMS, re.MULTILINE)
    )
    assert (where, ends, begins) == (UNSAFE_NAMES, UNSAFE_ENDINGS, frozenset(UNSAFE_BEGINNINGS))


def test_the_digests_can_be_made_from_the_page() -> None:
    """Following the page, a journal's digests come out as they are stored."""
    store = MemoryStore()
    with Scoria(store) as scoria:
        run_id = _started(ASKS)(scoria)
        digest = sha256(f"scoria journal 1\n{run_id}")
        for record in records_of(store, run_id):
            digest = sha256(f"{digest}\n{record.body}")
            assert record.digest == digest
        pending = scoria.get_run(run_id).pending_approval
        assert pending is not None
        assert pending.arguments_digest == f"sha256:{sha256('{}')}"


def test_the_digest_of_arguments_is_over_what_the_page_spells() -> None:
    """Order of keys, numbers and text: each row of the page is what is hashed, to the byte."""
    rows = [row for row in rows_of("Digests") if len(row) == 2]
    assert len(rows) > 4
    for given, canonical in rows:
        value, said = json.loads(given.strip("`")), canonical.strip("`")
        assert digest(value) == f"sha256:{sha256(said)}"
        assert json.loads(said) == value


def test_the_digest_of_a_start_can_be_made_from_the_page() -> None:
    """It covers the facts and the steps, or the facts and the handoff; each with a key has one."""
    keyed = 0
    for entries in _journals():
        started = entries[0]["data"]
        if started["idempotency_key"] is None:
            assert started["arguments_digest"] is None
            continue
        data = {each["type"]: each["data"] for each in entries}
        begun: dict[str, Any] = {"steps": [_without(data["step_queued"], "sequence")]}
        if "handoff_requested" in data:
            ours = ("parent_role_id", "parent_step_id", "child_step_id")
            begun = {"handoff": _without(data["handoff_requested"], *ours)}
        facts = {**started, "arguments_digest": None}
        assert started["arguments_digest"] == digest({"facts": facts, **begun})
        keyed += 1
    assert keyed == 2


def keys_told() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the keys of each type of entry, and those of each object in one, from the page."""
    rows = rows_of("The data of an entry")
    second = rows.index(["key", "keys"])
    of_types, of_objects = (
        {name: keys.split(", ") for name, keys in table}
        for table in (rows[:second], rows[second + 1 :])
    )
    return of_types, of_objects


def test_the_data_of_every_entry_has_the_keys_of_the_page() -> None:
    """Of every type that there is, in the order of the page; a question mark is sometimes there."""
    told = keys_told()[0]
    seen: dict[str, set[tuple[str, ...]]] = {}
    for entry in (entry for entries in _journals() for entry in entries):
        seen.setdefault(entry["type"], set()).add(tuple(entry["data"]))
    moves: set[tuple[str, str | None]] = {
        (subject, trigger) for subject in MACHINES for _, trigger in transitions(subject)
    }
    moves |= {(subject, None) for subject in MACHINES}
    assert seen.keys() == {ENTRY_TYPES[subject, trigger] for subject, trigger in moves}
    for name, found in seen.items():
        keys = told.get(name, [])
        always = {key for key in keys if not key.endswith("?")}
        order = [key.removesuffix("?") for key in keys]
        assert all(sorted(each, key=order.index) == list(each) for each in found), name
        assert set(order) == {key for each in found for key in each}, name
        assert always == set.intersection(*map(set, found)), name
    assert told.keys() <= seen.keys()


def test_what_is_inside_of_the_data_has_the_keys_of_the_page() -> None:
    """Each object that is not a host's own payload is told, key by key."""
    told = keys_told()[1]
    seen = {
        (name, tuple(data[name]))
        for entries in _journals()
        for data in (entry["data"] for entry in entries)
        for name in data.keys() & told.keys()
        if data[name] is not None
    }
    assert seen == {(name, tuple(keys)) for name, keys in told.items()}


def _journals() -> list[list[dict[str, Any]]]:
    written = [example["records"] for example in published().values()]
    return [[json.loads(record["body"]) for record in records] for records in written]


def _without(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def sha256(text: str) -> str:
    """Return the digest in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def test_what_holds_across_is_what_the_model_holds() -> None:
    """The nine sentences of the page are those that the model checker looks at."""
    told = re.findall(r"^(\d)\. (.*?)(?=^\d\. |\Z)", section("What holds across them"), re.M | re.S)
    for number, text in told:
        meant = (INVARIANTS[int(number)].__doc__ or "").partition(": ")[2]
        first = " ".join(meant.split()).partition(".")[0].partition(";")[0]
        assert " ".join(text.split()).startswith(first), number
    assert [int(number) for number, _ in told] == list(INVARIANTS)


class CountingStore(MemoryStore):
    """Counts the writes, each of which is one commit of a durable store."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0

    def create(self, *given: Any, **named: Any) -> str:
        """Count, and store."""
        self.commits += 1
        return super().create(*given, **named)

    def append(self, *given: Any, **named: Any) -> None:
        """Count, and store."""
        self.commits += 1
        super().append(*given, **named)


def _commits(prepare: Callable[[Scoria], str], call: Callable[[Scoria, str], object]) -> int:
    store = CountingStore()
    scoria = Scoria(store)
    run_id = prepare(scoria)
    before = store.commits
    call(scoria, run_id)
    return store.commits - before


STEP = StepSpec(kind="work", role_id="a")
ASKS: Handlers = {"work": lambda *_: NeedsApproval(tool_name="t", arguments={}, reason="r")}
WORKS: Handlers = {"work": lambda *_: None}
FAILS: Handlers = {"work": lambda *_: {"n": 1 / 0}}


def _started(handlers: Handlers | None) -> Callable[[Scoria], str]:
    def prepare(scoria: Scoria) -> str:
        identity = scoria.identity(actor_id=1, tenant_id=1, session_id=1)
        started = scoria.start_run(
            identity, root_role_id="a", initial_step=STEP, handlers=dict(handlers or {})
        )
        return started.run_id

    return prepare


def _empty(scoria: Scoria) -> str:
    identity = scoria.identity(actor_id=1, tenant_id=1, session_id=1)
    return scoria.start_run(identity, root_role_id="a").run_id


def _approved(scoria: Scoria) -> str:
    run_id = _started(ASKS)(scoria)
    _approve(scoria, run_id)
    return run_id


def _approve(scoria: Scoria, run_id: str) -> None:
    pending = scoria.get_run(run_id).pending_approval
    assert pending is not None
    scoria.approve(run_id, approval_id=pending.approval_id, decided_by="r")


def _reject(scoria: Scoria, run_id: str) -> None:
    pending = scoria.get_run(run_id).pending_approval
    assert pending is not None
    scoria.reject(run_id, approval_id=pending.approval_id, decided_by="r")


COMMITS: dict[str, tuple[Callable[[Scoria], str], Callable[[Scoria, str], object], int]] = {
    "start without a handler": (lambda _: "", lambda scoria, _: _started(None)(scoria), 1),
    "start with a handler": (lambda _: "", lambda scoria, _: _started(WORKS)(scoria), 2),
    "approve": (_started(ASKS), _approve, 1),
    "reject": (_started(ASKS), _reject, 1),
    "cancel_run": (_started(ASKS), lambda scoria, run: scoria.cancel_run(run), 1),
    "complete_run": (_empty, lambda scoria, run: scoria.complete_run(run), 1),
    "add_step without": (_empty, lambda scoria, run: scoria.add_step(run, STEP), 1),
    "add_step with": (_empty, lambda scoria, run: scoria.add_step(run, STEP, handlers=WORKS), 2),
    "resume_run without": (_approved, lambda scoria, run: scoria.resume_run(run), 1),
    "resume_run with": (_approved, lambda scoria, run: scoria.resume_run(run, handlers=WORKS), 2),
    "retry_run without": (_started(FAILS), lambda scoria, run: scoria.retry_run(run), 1),
    "retry_run with": (
        _started(FAILS),
        lambda scoria, run: scoria.retry_run(run, handlers=WORKS),
        2,
    ),
    "reads": (_started(ASKS), lambda scoria, run: scoria.get_run_detail(run), 0),
}


@pytest.mark.parametrize(("prepare", "call", "expected"), COMMITS.values(), ids=COMMITS)
def test_each_call_costs_the_commits_the_page_says(
    prepare: Callable[[Scoria], str], call: Callable[[Scoria, str], object], expected: int
) -> None:
    """A call makes as many durable commits as `spec/lifecycles.md` says, and no more."""
    assert _commits(prepare, call) == expected


def test_each_further_step_costs_one_commit() -> None:
    """The outcome of a step and the claim of the next are stored together."""

    def two_queued(scoria: Scoria) -> str:
        run_id = _empty(scoria)
        scoria.add_step(run_id, STEP)
        scoria.add_step(run_id, STEP)
        return run_id

    assert _commits(two_queued, lambda scoria, _: scoria.run_pending(handlers=WORKS)) == 3
