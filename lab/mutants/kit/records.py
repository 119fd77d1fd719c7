"""Wrong on purpose: what the kit reads, refuses and keeps."""

import json
import uuid
from contextlib import suppress
from copy import copy
from functools import cache
from itertools import takewhile

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, of_all_tenants, put, replace
from scoria_core import (
    decisions,
    errors,
    history,
    journal,
    listing,
    payloads,
    repository,
    run,
    scoria,
    system,
    validation,
)
from scoria_core.errors import StoreCorrupt, TransitionRefused, VersionConflict
from scoria_core.model import DamagedRun
from scoria_core.outcomes import StepSpec
from scoria_core.payloads import name_problem
from scoria_core.validation import Validator, checked_run_id

breaks = catalogue()


def _journal_told(told):
    """Make a change: the journal in a detail is as `told` makes it."""

    @instead_of(run.Run.detail)
    def change(right, self, *at):
        detail = right(self, *at)
        return evolve(detail, journal=tuple(told(detail.journal)))

    return change


breaks.add(
    "the journal skips a number",
    "JOURNAL-1",
    "The journal tells every change in order: assert [1, 2, 3, 4, 5, 7",
    _journal_told(
        lambda entries: (evolve(each, sequence=at + (at > 5)) for at, each in enumerate(entries, 1))
    ),
)
breaks.add(
    "an entry does not say where it starts",
    "JOURNAL-2",
    "None == 'queued'",
    _journal_told(lambda entries: (evolve(each, from_state=None) for each in entries)),
)


class _Unchecked(str):
    """A digest that differs from no other."""

    def __ne__(self, other):
        return False


@breaks("JOURNAL-3", "is noticed there")
@instead_of(journal.unseal)
def digests_are_not_checked(right, run_id, records, *follow):
    unchecked = [evolve(each, digest=_Unchecked(each.digest)) for each in records]
    return right(run_id, unchecked, *follow)


@breaks("JOURNAL-3", "entry 3 of run")
def an_entry_may_be_missing():
    def unseal(right, run_id, records, *follow):
        one_by_one = (right(run_id, [each], each.sequence - 1) for each in records)
        return [entry for (entry,) in one_by_one]

    replace(journal.unseal, unseal)
    replace(journal._sha256, lambda right, *parts: right(parts[-1]))


breaks.add(
    "an entry does not say who made it",
    "JOURNAL-4",
    "reviewer-7",
    _journal_told(lambda entries: (evolve(each, actor_id=None) for each in entries)),
)
breaks.add(
    "an entry has the time of the first",
    "JOURNAL-4",
    "An entry tells when",
    _journal_told(lambda entries: (evolve(each, at=entries[0].at) for each in entries)),
)


@breaks("READ-1", "detail")
@instead_of(run.Run.detail)
def the_detail_has_no_handoffs(right, self, *at):
    return evolve(right(self, *at), delegated_handoffs=())


@breaks("READ-1", "reads back as it stands")
@instead_of(run.Run.summary)
def a_summary_is_as_old_as_its_run(right, self, now):
    summary = right(self, now)
    return evolve(summary, updated_at=summary.created_at.replace(year=2000))


@breaks("READ-2", "newest first")
@instead_of(listing.run_page)
def a_session_lists_the_oldest_run_first(right, *asked):
    page = right(*asked)
    return evolve(page, items=page.items[::-1])


@breaks("READ-2", "Turns of one session")
@instead_of(listing.run_page)
def a_session_lists_every_run(right, runs, asked, *page):
    return right(runs, evolve(asked, session_id=None), *page)


@breaks("READ-3", "Pages of all runs")
@instead_of(listing.run_page)
def every_page_is_the_first(right, runs, asked, limit, before):
    return right(runs, asked, limit, None)


@breaks("READ-20", "A damaged run hides no other")
@instead_of(repository.RunRepository._listed)
def a_damaged_run_ends_every_list(right, self, stored):
    run = right(self, stored)
    if isinstance(run, DamagedRun):
        raise StoreCorrupt(run.run_id, run.sequence, run.problem)
    return run


@breaks("READ-20", "A damaged run hides no other")
@instead_of(listing.readable)
def a_damaged_run_hides_those_after_it(right, page):
    whole = takewhile(lambda run: not isinstance(run, DamagedRun), page)
    return evolve(page, items=tuple(whole))


@breaks("READ-21", "A damaged run is shown in its place")
@instead_of(repository.RunRepository._listed)
def a_damaged_run_is_shown_by_no_list(right, self, stored):
    run = right(self, stored)
    return None if isinstance(run, DamagedRun) else run


@breaks("READ-33", "What comes before the damage can be inspected")
@instead_of(repository.RunRepository.inspect)
def nothing_of_a_damaged_run_is_inspected(right, self, run_id):
    detail = right(self, run_id)
    if detail.damage is not None:
        raise StoreCorrupt(run_id, detail.damage.sequence, detail.damage.problem)
    return detail


@breaks("READ-33", "What comes before the damage can be inspected")
@instead_of(repository.RunRepository.inspect)
def the_entries_of_a_broken_change_are_left_out(right, self, run_id):
    detail = right(self, run_id)
    return evolve(detail, journal=detail.journal[: detail.summary.version])


@breaks("READ-4", "What was read is not what is stored")
def what_was_read_is_what_is_kept():
    put(journal, _read=cache(journal._read))


@breaks("READ-4", "What was handed over is not what is stored")
@instead_of(payloads.checked_payload)
def what_was_handed_over_is_what_is_kept(right, value, *limits):
    right(value, *limits)
    return value


@breaks("READ-5", "Times are in UTC")
@instead_of(run.Run.summary)
def times_have_no_zone(right, self, now):
    summary = right(self, now)
    return evolve(summary, created_at=summary.created_at.replace(tzinfo=None))


@breaks("READ-6", "append")
@instead_of(scoria.Scoria.get_run)
def reading_records_that_an_approval_expired(right, self, run_id):
    self._runs.change(checked_run_id(run_id), decisions._expire_overdue)
    return right(self, run_id)


@breaks("READ-7", "{4} == {7}")
@instead_of(system.Uuid7Source.new_id)
def run_ids_are_random(right, self):
    return str(uuid.uuid4())


@breaks("PAYLOAD-1", "not a number")
def a_number_that_is_none_is_taken():
    replace(payloads._plain_float, lambda right, value, path: value)
    put(payloads, _COMPACT=json.JSONEncoder())


@breaks("PAYLOAD-1", "a number as a key")
@instead_of(payloads._plain_key)
def keys_are_made_text(right, key, path):
    return right(str(key), path)


@breaks("PAYLOAD-1", "bytes")
@instead_of(payloads._Copier.copy)
def bytes_are_made_text(right, self, value, path, parents):
    return right(self, value.decode() if isinstance(value, bytes) else value, path, parents)


@breaks("PAYLOAD-2", "262145")
@instead_of(payloads._check_size)
def a_payload_has_no_limit(right, size, path, max_bytes):
    pass


@breaks("PAYLOAD-2", "262144")
@instead_of(payloads._check_size)
def the_limit_of_a_payload_is_off_by_one(right, size, path, max_bytes):
    right(size + 1, path, max_bytes)


@breaks("PAYLOAD-2", "300000")
@instead_of(scoria.Scoria.__init__)
def the_limit_of_a_host_is_not_used(right, self, *given, **named):
    right(self, *given, **named)
    self._validator = Validator(self._validator.policy)


@breaks("PAYLOAD-3", "the order or the kind of a value changed")
def drops_key_order():
    put(payloads, _COMPACT=payloads._SORTED)


@breaks("PAYLOAD-3", "Payloads come back equal")
@instead_of(payloads._Copier.copy)
def large_numbers_are_floats(right, self, *given):
    plain = right(self, *given)
    return float(plain) if type(plain) is int and abs(plain) >= 2**53 else plain


@breaks("PAYLOAD-4", "checked wherever it is handed over")
@instead_of(validation.Validator.payload)
def a_step_is_checked_after_it_was_written(right, self, value, path):
    return value if path.endswith(".input") else right(self, value, path)


breaks.add(
    "tenants are not told apart",
    "TENANT-1",
    "Another tenant's run",
    instead_of(repository.RunRepository.stored)(of_all_tenants),
)


@breaks("TENANT-1", "Another tenant's run")
@instead_of(repository.RunRepository._is_session)
def another_tenant_is_told_that_a_run_is_there(right, self, value):
    return name_problem(value) is None and bool(self.store.read([value]))


breaks.add(
    "listings are of all tenants",
    "TENANT-2",
    "Another tenant's listings",
    instead_of(listing.run_page)(of_all_tenants),
)
breaks.add(
    "another tenant runs what is queued",
    "TENANT-2",
    "Another tenant finds nothing to run",
    instead_of(repository.RunRepository.due, repository.RunRepository.stored)(of_all_tenants),
)


def _as_the_host(right, view, *given):
    host = copy(view)
    host._runs = evolve(view._runs, tenant_id=None)
    host._scheduler = evolve(view._scheduler, runs=host._runs)
    return right(host, *given)


breaks.add(
    "a view is turned to another tenant",
    "TENANT-3",
    "asked for a view",
    instead_of(scoria.Scoria.for_tenant)(_as_the_host),
)
breaks.add(
    "a view starts runs of another tenant",
    "TENANT-3",
    "asked to start a run",
    instead_of(scoria.Scoria._identity)(_as_the_host),
)


@breaks("ERROR-1", "approval_pending")
@instead_of(errors.TransitionRefused.field)
def a_refusal_names_no_field(right, self):
    return None


@breaks("ERROR-2", "A run with open work is not completed")
@instead_of(repository.RunRepository.change)
def a_refused_call_leaves_an_entry(right, self, run_id, *given):
    try:
        return right(self, run_id, *given)
    except TransitionRefused:
        with suppress(TransitionRefused):
            right(self, run_id, lambda change: decisions.add_step(change, StepSpec("x", "x")))
        raise


@breaks("ERROR-3", "A refusal is one line")
def a_refusal_has_two_lines():
    replace(errors.safe_repr, lambda right, value, limit=80: str(value))
    replace(errors.ScoriaError.__str__, lambda right, self: self.message)


@breaks("STORE-19", "fits one order of their calls")
@instead_of(repository.RunRepository._append)
def who_loses_a_race_is_told_that_it_won(right, self, change, version):
    try:
        right(self, change, version)
    except VersionConflict:
        if change.only_if_due:
            raise


for rule in sorted(set(history._RULES.values()), key=lambda rule: rule.__name__):
    breaks.add(
        f"a history is not held against {rule.__name__}",
        "JOURNAL-7",
        "sealed anew after a change",
        instead_of(rule)(lambda right, run, entry: None),
    )


@breaks("JOURNAL-7", "sealed anew after a change")
@instead_of(history._approval_decided)
def a_decision_by_nobody_is_read(right, run, entry):
    return right(run, evolve(entry, actor_id=entry.actor_id or "somebody"))


@breaks("JOURNAL-7", "sealed anew after a change")
@instead_of(history._approval_decided)
def a_decision_that_came_too_late_is_read(right, run, entry):
    return right(run, evolve(entry, at=run.journal[0].at))


@breaks("JOURNAL-7", "sealed anew after a change")
@instead_of(history.unfinished)
def a_journal_that_breaks_off_is_read(right, run):
    return None


@breaks("JOURNAL-7", "sealed anew after a change")
@instead_of(history.impossible)
def a_journal_that_goes_back_in_time_is_read(right, run, entry):
    latest = max([entry.at, *(each.at for each in run.journal[-1:])])
    return right(run, evolve(entry, at=latest))
