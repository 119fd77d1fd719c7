"""Whether what is stored, what was acknowledged and what really happened are one story."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import attrs

from lab.chaos.ledger import Ledger
from lab.chaos.moves import Taken, taken, with_gaps
from lab.chaos.scripts import Draw
from lab.model.invariants import Observed, breaches
from scoria_core import RunDetail, Scoria
from scoria_core.stores import open_store
from scoria_core.validation import MAX_PAGE

Problems = Iterator[str]
Note = Mapping[str, Any]


@attrs.frozen
class Evidence:
    """All that is left of a play."""

    runs: Mapping[str, RunDetail]
    notes: Mapping[str, list[dict[str, Any]]]
    effects: list[dict[str, Any]]
    handlers: list[dict[str, Any]]
    deaths: Mapping[str, float]
    taken: list[Taken]
    gaps: list[str]
    seed: int

    @classmethod
    def gathered(cls, url: str, ledger: Ledger, seed: int) -> "Evidence":
        """Read the store, each journal replayed whole, and the ledger."""
        scoria = Scoria(open_store(url))
        try:
            runs = {run_id: scoria.get_run_detail(run_id) for run_id in _run_ids(scoria)}
        finally:
            scoria.close()
        return cls(
            runs=runs,
            notes={host: ledger.read(host) for host in ledger.hosts()},
            effects=ledger.effects(),
            handlers=ledger.read("handlers"),
            deaths={note["of"]: note["at"] for note in ledger.read("deaths")},
            taken=taken(url),
            gaps=with_gaps(url),
            seed=seed,
        )

    def acknowledged(self, what: str) -> list[Note]:
        """Return the notes of all hosts on one kind of call."""
        return [note for notes in self.notes.values() for note in notes if note["what"] == what]

    def counts(self) -> Mapping[str, int]:
        """Return what there was, in numbers."""
        steps = [step for run in self.runs.values() for step in run.steps]
        return {
            "runs acknowledged": len({note["run_id"] for note in self.acknowledged("started")}),
            "runs stored": len(self.runs),
            "journal entries": sum(len(run.journal) for run in self.runs.values()),
            "calls that found no store": len(self.acknowledged("unavailable")),
            "steps taken from a worker": len(self.taken),
            "steps of several attempts": sum(step.attempt > 1 for step in steps),
            "approvals decided": len({n["approval_id"] for n in self.acknowledged("decided")}),
            "handlers entered": sum(note["what"] == "entered" for note in self.handlers),
            "handlers that outlived their lease beside another": len(list(overlaps(self))),
            "side effects": len(self.effects),
        }


def _run_ids(scoria: Scoria) -> Iterator[str]:
    page = scoria.list_runs(limit=MAX_PAGE)
    while True:
        yield from (run.run_id for run in page)
        if page.next is None:
            return
        page = scoria.list_runs(limit=MAX_PAGE, before=page.next)


def problems(seen: Evidence) -> Problems:
    """Tell everything that does not hold."""
    for check in (_acknowledged, _ended, _whole, _approvals, _effects, _alone, _once, _leases):
        yield from check(seen)


def _acknowledged(seen: Evidence) -> Problems:
    """Every call that the store acknowledged is there."""
    for note in seen.acknowledged("started"):
        run = seen.runs.get(note["run_id"])
        if run is None:
            yield f"run {note['run_id']} was acknowledged and is gone"
        elif run.journal[0].data["idempotency_key"] != note["key"]:
            yield f"run {note['run_id']} was acknowledged under another key than it has"
    keys = Counter(run.journal[0].data["idempotency_key"] for run in seen.runs.values())
    yield from (f"{count} runs have the key {key}" for key, count in keys.items() if count > 1)
    for note in seen.acknowledged("decided"):
        if not _has(seen, note, f"approval_{note['decision']}", note["approval_id"]):
            yield f"the {note['decision']} of {note['approval_id']} was acknowledged and is gone"
    for what, entry in (("resumed", "run_resume"), ("cancelled", "run_cancel")):
        for note in seen.acknowledged(what):
            if not _has(seen, note, entry, note["run_id"]):
                yield f"run {note['run_id']} was acknowledged as {what} and is not"


def _has(seen: Evidence, note: Note, move: str, subject_id: str) -> bool:
    run = seen.runs.get(note["run_id"])
    return run is not None and any(
        (f"{entry.subject}_{entry.trigger}", entry.subject_id) == (move, subject_id)
        for entry in run.journal
    )


def _ended(seen: Evidence) -> Problems:
    """Every run ended as its script says, and stayed as its host saw it end."""
    for run_id, run in seen.runs.items():
        host, _, number = run.journal[0].data["idempotency_key"].partition("/")
        draw = Draw.of(seen.seed, host, int(number))
        if run.summary.status not in draw.script.ends:
            yield f"run {run_id} ({draw.script.kind}) is {run.summary.status}"
    for note in seen.acknowledged("ended"):
        if note["run_id"] not in seen.runs:
            continue
        status = seen.runs[note["run_id"]].summary.status
        if status != note["status"]:
            yield f"run {note['run_id']} was {note['status']} and is {status}"
    for host, notes in seen.notes.items():
        intended, saw_end = (
            {note["number"] for note in notes if note["what"] == what}
            for what in ("intended", "ended")
        )
        if intended != saw_end:
            yield f"{host} did not see the end of its runs {sorted(intended - saw_end)}"


def _whole(seen: Evidence) -> Problems:
    """No journal has a gap, and no run breaks an invariant."""
    yield from (f"the journal of run {run_id} has a gap" for run_id in seen.gaps)
    for run_id, run in seen.runs.items():
        yield from (f"run {run_id}: {breach}" for breach in breaches(Observed(run)))


def _approvals(seen: Evidence) -> Problems:
    """No approval is used twice, nor without having been given."""
    approvals = {each.approval_id: each for run in seen.runs.values() for each in run.approvals}
    used = Counter(each["approval_id"] for each in seen.effects if each["approval_id"])
    for approval_id, times in used.items():
        if times > 1:
            yield f"approval {approval_id} was used for {times} side effects"
        if approval_id not in approvals or approvals[approval_id].status != "approved":
            yield f"approval {approval_id} was used and not given"


def _effects(seen: Evidence) -> Problems:
    """Each step that completed with a side effect has had exactly that one."""
    done = {each["key"] for each in seen.effects}
    steps = [step for run in seen.runs.values() for step in run.steps]
    for step in steps:
        told = (step.result or {}).get("effect")
        if told is not None and (told != step.idempotency_key or told not in done):
            yield f"step {step.step_id} completed without its side effect"
    unknown = done - {step.idempotency_key for step in steps}
    yield from (f"a side effect was for {key}, which is no step" for key in unknown)


@attrs.frozen
class Visit:
    """A handler that was entered for a step, until it was left or its process died."""

    key: str
    run_id: str
    attempt: int
    process: str
    entered: float
    left: float


def visits(seen: Evidence) -> Mapping[str, list[Visit]]:
    """Return the visits to each step, in their order."""
    left = {note["visit"]: note["at"] for note in seen.handlers if note["what"] == "left"}
    found = defaultdict(list)
    for note in seen.handlers:
        if note["what"] == "entered":
            key, process = note["key"], note["process"]
            ended = left.get(note["visit"], seen.deaths.get(process, math.inf))
            visit = Visit(key, note["run_id"], note["attempt"], process, note["at"], ended)
            found[key].append(visit)
    return {key: sorted(each, key=lambda visit: visit.entered) for key, each in found.items()}


def overlaps(seen: Evidence) -> Iterator[tuple[Visit, Visit]]:
    """Yield each two handlers that were at work on one step at once."""
    for ordered in visits(seen).values():
        for first, then in combinations(ordered, 2):
            if then.entered < first.left:
                yield first, then


def _alone(seen: Evidence) -> Problems:
    """Two handlers are at work on one step only where the lease of the first had ended."""
    ended = {each.step_id for each in seen.taken if each.too_early <= 0}
    for first, then in overlaps(seen):
        if first.key not in ended or then.attempt <= first.attempt:
            yield (
                f"step {first.key}: {then.process} was at work on attempt {then.attempt} while "
                f"{first.process} was on attempt {first.attempt}, whose lease had not ended"
            )


def _once(seen: Evidence) -> Problems:
    """No handler is entered more often than its step was claimed."""
    for key, each in visits(seen).items():
        run = seen.runs.get(each[0].run_id)
        journal = () if run is None else run.journal
        claims = sum(entry.subject_id == key and entry.trigger == "claim" for entry in journal)
        if len(each) > claims:
            yield f"step {key} was claimed {claims} times and its handler entered {len(each)} times"


def _leases(seen: Evidence) -> Problems:
    """No step is taken from its worker before its lease has ended."""
    for each in seen.taken:
        if each.too_early > 0:
            yield (
                f"step {each.step_id} was taken from its worker {each.too_early:.2f} s "
                "before its lease had ended"
            )
