"""Wrong on purpose: what the kit finds and counts among many runs, and checks of their index."""

from attrs import evolve, fields_dict

from lab.mutants.kit import catalogue, instead_of, of_all_tenants, put
from scoria_core import evidence, listing, model, run_index, validation
from scoria_core.errors import InvalidPayload, StoreCorrupt
from scoria_core.lifecycles import RunStatus
from scoria_core.listing import Count, Page
from scoria_core.model import DamagedRun
from scoria_core.ports import IndexRow, RunKey
from scoria_core.run import Run

breaks = catalogue()


def _told(told):
    """Make a change: each page of the inbox has what `told` makes of its requests."""

    @instead_of(listing.approval_page)
    def change(right, *given):
        page = right(*given)
        return evolve(page, items=tuple(told(page.items)))

    return change


# The inbox: what is in it, and in which order.


@breaks("READ-22", "What has waited longest comes first")
@instead_of(listing._labelled)
def the_inbox_is_in_the_order_of_the_runs(right, *given, **named):
    return sorted(right(*given, **named), key=lambda each: each.key.run_id)


@breaks("READ-22", "What has waited longest comes first")
@instead_of(run_index.row_of)
def a_run_waits_since_it_was_started(right, of_run, at):
    return evolve(right(of_run, at), since=of_run.journal[0].at)


@breaks("READ-22", "What has waited longest comes first")
@instead_of(listing._waiting)
def the_last_request_of_a_run_comes_first(right, *given):
    return right(*given)[::-1]


breaks.add(
    "what has waited least comes first",
    "READ-22",
    "What has waited longest comes first",
    _told(reversed),
)
breaks.add(
    "a request comes without its run",
    "READ-22",
    "What has waited longest comes first",
    _told(lambda items: (evolve(each, run=None) for each in items)),
)
breaks.add(
    "a summary does not say what its run waits for",
    "READ-22",
    "What has waited longest comes first",
    _told(
        lambda items: (evolve(each, run=evolve(each.run, pending_approvals=())) for each in items)
    ),
)


@breaks("READ-23", "has expired")
@instead_of(listing._summary)
def what_has_expired_is_listed_until_that_is_recorded(right, runs, found, now):
    return right(runs, found, found.journal[-1].at if isinstance(found, Run) else now)


@breaks("READ-23", "is approved")
@instead_of(run_index.row_of)
def what_was_decided_keeps_its_label(right, of_run, at):
    row, step = right(of_run, at), of_run.active_step()
    asked = [] if step is None else of_run.requests_of(step.step_id)
    labels = [run_index.label("approval", each.approval_id) for each in asked]
    return evolve(row, labels=tuple(dict.fromkeys([*row.labels, *labels])))


@breaks("READ-23", "Of the requests of one step")
@instead_of(run_index.row_of)
def one_decision_takes_all_of_a_step_out_of_the_inbox(right, of_run, at):
    row, step = right(of_run, at), of_run.active_step()
    if step is None or len(of_run.open_requests()) == len(of_run.requests_of(step.step_id)):
        return row
    return evolve(row, labels=())


@breaks("READ-20", "A damaged run hides nothing else in the inbox")
@instead_of(listing._waiting)
def a_damaged_run_ends_the_inbox(right, runs, asked, found, now):
    if isinstance(found, DamagedRun):
        raise StoreCorrupt(found.run_id, found.sequence, found.problem)
    return right(runs, asked, found, now)


# The inbox: filters.


@breaks("READ-24", "The inbox is narrowed")
@instead_of(listing.ApprovalFilter.fits)
def who_is_called_alike_is_asked_as_well(right, self, approval):
    who = self.assigned_to
    return right(evolve(self, assigned_to=None), approval) and (
        who is None or any(who in each for each in approval.assigned_to)
    )


@breaks("READ-24", "The inbox is narrowed")
@instead_of(listing.ApprovalFilter.fits)
def a_tool_is_any_that_begins_alike(right, self, approval):
    return right(evolve(self, tool_name=None), approval) and approval.tool_name.startswith(
        self.tool_name or ""
    )


@breaks("READ-24", "The inbox is narrowed")
@instead_of(listing.ApprovalFilter.fits)
def all_requests_of_a_run_are_listed_where_one_fits(right, self, approval):
    return True


@breaks("READ-24", "The inbox is narrowed")
@instead_of(listing.approval_filter)
def a_session_is_not_looked_at(right, status, session_id, *others):
    right(status, session_id, *others)
    return right(status, None, *others)


@breaks("READ-24", "The inbox is narrowed")
@instead_of(listing.approval_filter)
def a_second_filter_is_not_looked_at(right, *given):
    asked = right(*given)
    return asked if asked.assigned_to is None else evolve(asked, tool_name=None)


# The inbox: pages.


@breaks("READ-25", "Each page of the inbox is full")
@instead_of(listing._passed)
def a_page_begins_behind_the_run_of_the_last(right, place, *given):
    return right(place and evolve(place, approval_id=None), *given)


@breaks("READ-25", "Each page of the inbox is full")
@instead_of(listing._passed)
def a_page_begins_with_the_last_of_the_one_before(right, *given):
    return right(*given)[:-1]


@breaks("READ-25", "Each page of the inbox is full")
@instead_of(listing._passed)
def a_page_begins_with_all_of_the_run_of_the_last(right, *given):
    return []


@breaks("READ-25", "the last that was listed is decided")
@instead_of(listing._passed)
def a_place_is_lost_with_the_request_that_it_names(right, place, here, found):
    passed = right(place, here, found)
    waiting = [each.approval_id for each in found.open_requests()] if passed else []
    return passed if place and place.approval_id in (None, *waiting) else []


@breaks("READ-25", "all that was listed is decided")
@instead_of(listing.approval_page)
def a_page_begins_at_a_number_of_requests(right, runs, asked, limit, after):
    begin = int(after or 0)
    found = right(runs, asked, listing.MAX_LOOKED_AT, None).items
    end = begin + limit
    return Page(found[begin:end], str(end) if end < len(found) else None)


@breaks("READ-25", "Each page of the inbox is full")
@instead_of(listing._labelled)
def the_inbox_ends_a_run_early(right, runs, asked, limit, place, **named):
    return right(runs, asked, limit - 1, place, **named)


@breaks("READ-25", "Pages of the inbox go on where the last one ended")
@instead_of(listing._labelled)
def the_run_at_which_a_page_begins_is_left_out(right, runs, asked, limit, place, **named):
    found = right(runs, asked, limit, place, **named)
    return [each for each in found if place is None or each.key.run_id != place.run_id]


# What cannot be asked for.


@breaks("READ-26", "a page after a run")
@instead_of(listing.approval_page)
def a_place_that_is_none_is_the_beginning(right, runs, asked, limit, after):
    try:
        return right(runs, asked, limit, after)
    except InvalidPayload:
        return right(runs, asked, limit, None)


@breaks("READ-26", "what was approved")
@instead_of(listing.approval_filter)
def whatever_the_status_what_is_pending_is_listed(right, status, *others):
    return right("pending", *others)


@breaks("READ-26", 'the status "done"')
@instead_of(listing._status)
def a_status_that_there_is_not_is_asked_for(right, value):
    return value


@breaks("READ-26", "a time without a zone")
@instead_of(listing._moment)
def a_time_without_a_zone_is_taken(right, value, name):
    return value.astimezone() if hasattr(value, "astimezone") else right(value, name)


@breaks("READ-26", "1001")
@instead_of(validation.checked_limit)
def a_limit_that_is_too_large_is_cut(right, value):
    return right(min(value, 1_000))


# Counts.


@breaks("READ-27", "has expired")
@instead_of(listing._waits_for_one)
def a_count_has_what_has_expired(right, row, now):
    return right(evolve(row, due_at=None), now)


@breaks("READ-27", "The inbox is narrowed")
@instead_of(listing._waits_for_one)
def a_count_is_of_runs(right, row, now):
    return True


@breaks("READ-27", "The inbox is narrowed")
@instead_of(listing.count_approvals)
def a_count_is_of_all_whatever_was_asked(right, runs, asked):
    return right(runs, listing.ApprovalFilter())


@breaks("READ-27", "To 1,000 runs")
@instead_of(Count.__str__)
def a_count_does_not_say_that_there_are_more(right, self):
    return right(evolve(self, is_exact=True))


@breaks("READ-27", "To 1,000 runs")
@instead_of(listing.count_runs)
def a_count_of_runs_is_never_exact(right, runs):
    return {status: evolve(count, is_exact=False) for status, count in right(runs).items()}


@breaks("READ-27", "Runs are counted by status")
@instead_of(listing.count_runs)
def what_is_cancelled_counts_as_failed(right, runs):
    counts = right(runs)
    both = counts[RunStatus.FAILED].number + counts[RunStatus.CANCELLED].number
    return {**counts, RunStatus.FAILED: Count(both)}


# Views of a tenant.

for _asked in ("approval_page", "count_approvals", "run_page", "count_runs"):
    breaks.add(
        f"{_asked.replace('_', ' ')} is of all tenants",
        "TENANT-2",
        "A view of a tenant",
        instead_of(getattr(listing, _asked))(of_all_tenants),
    )


# Runs by what they are.


@breaks("READ-28", "Runs are listed by each fact")
@instead_of(listing.RunFilter.fits)
def a_second_fact_is_not_looked_at(right, self, stored):
    where = self.where
    first = {} if where is None else {where.fact: getattr(self, where.fact)}
    return right(listing.RunFilter(created_after=self.created_after, **first), stored)


@breaks("READ-28", "Runs are listed by each fact")
@instead_of(listing.run_filter)
def when_a_run_was_started_is_not_looked_at(right, *given):
    return evolve(right(*given), created_after=None)


@breaks("READ-28", "Runs are listed by each fact")
@instead_of(listing._moment)
def a_run_that_was_started_just_then_is_listed(right, value, name):
    at = right(value, name)
    return at - at.resolution


@breaks("READ-28", "Runs are listed by each fact")
@instead_of(listing.run_page)
def the_oldest_run_of_a_page_comes_first(right, *given):
    page = right(*given)
    return evolve(page, items=page.items[::-1])


@breaks("READ-3", "Runs are listed by each fact")
@instead_of(listing.run_page)
def a_page_of_runs_begins_behind_the_next(right, runs, asked, limit, before):
    page = right(runs, asked, limit, before)
    behind = right(runs, asked, 1, page.next) if page.next else page
    return evolve(page, next=behind[0].run_id if page.next and len(behind) else None)


# Where a page ends.


@breaks("READ-29", "To 1,000 runs")
def a_page_looks_at_every_run():
    put(listing, MAX_LOOKED_AT=1_000_000)


@breaks("READ-29", "To 1,000 runs")
@instead_of(listing.run_page)
def a_page_of_runs_that_is_short_is_the_last(right, runs, asked, limit, before):
    page = right(runs, asked, limit, before)
    return page if len(page) == limit else evolve(page, next=None)


@breaks("READ-29", "To 1,000 runs")
@instead_of(listing.approval_page)
def a_page_of_the_inbox_that_is_short_is_the_last(right, runs, asked, limit, after):
    page = right(runs, asked, limit, after)
    return page if len(page) == limit else evolve(page, next=None)


# Who is at work.


@breaks("READ-30", "Of a step at work")
@instead_of(Run._with_lease)
def the_lease_of_a_step_ends_as_it_was_claimed(right, self, step, due_at):
    return step


@breaks("READ-30", "Of a step at work")
@instead_of(Run._with_lease)
def whatever_is_due_has_a_lease(right, self, step, due_at):
    return evolve(step, lease_expires_at=due_at)


@breaks("READ-30", "Of a step at work")
@instead_of(model.Step.worker_id)
def nobody_is_told_who_is_at_work(right, self):
    return None


# What the store has of a run, and its journal has not.

for _field in (*fields_dict(RunKey), *fields_dict(IndexRow)):
    if _field not in ("run_id", "due_at"):
        breaks.add(
            f"{_field} is not compared with the journal",
            "READ-31",
            _field,
            instead_of(evidence._differing)(
                lambda right, *given, field=_field: (
                    each for each in right(*given) if each[0] != field
                )
            ),
        )


@breaks("READ-31", "A fact that the store has")
@instead_of(evidence._contradictions)
def the_due_time_is_not_compared_with_the_journal(right, *given):
    return (each for each in right(*given) if "due" not in each[1])


@breaks("READ-31", "last one")
@instead_of(evidence._contradictions)
def the_last_entry_is_not_compared_with_the_store(right, of_run, stored):
    return right(of_run, evolve(stored, version=of_run.version))


@breaks("READ-31", "A step at work that is due before its lease ends")
@instead_of(evidence._contradictions)
def a_step_at_work_may_be_due_at_any_time(right, of_run, stored):
    at_work = evidence._is_at_work(of_run)
    return (each for each in right(of_run, stored) if not (at_work and "due" in each[1]))


@breaks("READ-31", "is verified")
@instead_of(evidence._is_at_work)
def a_lease_that_was_renewed_is_held_to_be_forged(right, of_run):
    return False


@breaks("READ-31", "A run that is missing in a listing")
@instead_of(evidence._unlisted)
def labels_are_not_looked_for(right, *given):
    return (each for each in right(*given) if "label" not in each)


@breaks("READ-31", "A run that is missing in a listing")
@instead_of(evidence._unlisted)
def listings_of_runs_are_not_looked_at(right, *given):
    return (each for each in right(*given) if "label" in each)


@breaks("READ-31", "A run that is missing in a listing")
@instead_of(evidence._unlisted)
def only_the_listings_of_the_host_are_looked_at(right, store, of_run):
    return (each for each in right(store, of_run) if "tenant_id" not in each)
