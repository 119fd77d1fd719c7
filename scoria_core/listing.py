"""Pages of runs, and of the requests that wait for people.

A store lists runs by one fact, or by one label. If the caller filters by more, the other filters
are applied to the index rows of up to `MAX_LOOKED_AT` runs; the page then says where to continue.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeGuard, TypeVar, overload

import attrs

from scoria_core.entries import is_moment, is_name
from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.identity import checked_id
from scoria_core.lifecycles import ApprovalStatus, RunStatus, is_terminal
from scoria_core.logs import about, logger_of
from scoria_core.model import Approval, DamagedRun, ListedApproval, RunSummary
from scoria_core.payloads import checked_name, compact
from scoria_core.ports import Fact, IndexRow, StoredRun, Where
from scoria_core.repository import RunRepository
from scoria_core.run import Run
from scoria_core.run_index import label
from scoria_core.visible import visible_line

logger = logger_of("scoria")

T = TypeVar("T")

MAX_LOOKED_AT = 1_000
"""The most runs that one call examines for a page or a count."""

SKEW = timedelta(hours=1)
"""How far apart the clocks of hosts may be: a run id begins with the time of the host's clock."""


@attrs.frozen
class Page(Sequence[T]):
    """One page of a listing, in order; `next` is where the next page begins, or None.

    A page with a `next` may have fewer items than its limit, or none: a call examines a bounded
    number of runs.
    """

    items: tuple[T, ...]
    next: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self.items[index]


@attrs.frozen
class Count:
    """A number of items; if it is not exact, there are at least so many."""

    number: int
    is_exact: bool = True

    def __int__(self) -> int:
        return self.number

    def __bool__(self) -> bool:
        return self.number > 0

    def __str__(self) -> str:
        return f"{self.number:,}{'' if self.is_exact else '+'}"


@attrs.frozen
class RunFilter:
    """A filter of runs; a None does not filter."""

    session_id: str | None = None
    actor_id: str | None = None
    root_role_id: str | None = None
    status: RunStatus | None = None
    created_after: datetime | None = None

    @property
    def where(self) -> Where | None:
        """The fact that the store lists by: of those given, the one that the fewest runs share."""
        order = [Fact.SESSION, Fact.ACTOR, Fact.ROLE, Fact.STATUS]
        if self.status is not None and not is_terminal("run", self.status):
            order = [Fact.SESSION, Fact.STATUS, Fact.ACTOR, Fact.ROLE]
        asked = ((fact, getattr(self, fact)) for fact in order)
        return next((Where(fact, str(value)) for fact, value in asked if value is not None), None)

    @property
    def is_single(self) -> bool:
        """Whether the store alone can apply this filter."""
        return sum(value is not None for value in attrs.astuple(self)) <= 1 and (
            self.created_after is None
        )

    def fits(self, stored: StoredRun) -> bool:
        """Tell whether the index row matches."""
        key, row = stored.key, stored.row
        return (
            self.session_id in (None, key.session_id)
            and self.actor_id in (None, key.actor_id)
            and self.root_role_id in (None, key.root_role_id)
            and self.status in (None, row.status)
            and (self.created_after is None or key.created_at > self.created_after)
        )

    def may_fit_before(self, stored: StoredRun) -> bool:
        """Tell whether an older run than this one may match."""
        return self.created_after is None or stored.key.created_at + SKEW > self.created_after

    def is_told_by(
        self, listed: RunSummary | DamagedRun | None
    ) -> TypeGuard[RunSummary | DamagedRun]:
        """Tell whether the journal of the run matches too; a damaged run is always listed."""
        if isinstance(listed, RunSummary):
            return self.status in (None, listed.status)
        return listed is not None


@attrs.frozen
class ApprovalFilter:
    """A filter of requests; a None does not filter."""

    session_id: str | None = None
    assigned_to: str | None = None
    tool_name: str | None = None
    approval_id: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that a run with such a request has; the store lists by the first of them."""
        kinds = {
            "approval": self.approval_id,
            "session": self.session_id,
            "assigned": self.assigned_to,
            "tool": self.tool_name,
        }
        return tuple(label(kind, value) for kind, value in kinds.items() if value is not None)

    def may_fit(self, row: IndexRow) -> bool:
        """Tell whether the run may have a matching request."""
        return set(self.labels) <= set(row.labels)

    def fits(self, approval: Approval) -> bool:
        """Tell whether a request of such a run matches."""
        return (
            self.approval_id in (None, approval.approval_id)
            and self.tool_name in (None, approval.tool_name)
            and (self.assigned_to is None or self.assigned_to in approval.assigned_to)
        )


def run_filter(
    session_id: object,
    status: object,
    root_role_id: object,
    actor_id: object,
    created_after: object,
) -> RunFilter:
    """Return the filter, or raise `InvalidIdentity` or `InvalidPayload` naming what is wrong."""
    return RunFilter(
        session_id=None if session_id is None else checked_id(session_id, "session_id"),
        actor_id=None if actor_id is None else checked_id(actor_id, "actor_id"),
        root_role_id=None if root_role_id is None else checked_name(root_role_id, "root_role_id"),
        status=None if status is None else _status(status),
        created_after=None if created_after is None else _moment(created_after, "created_after"),
    )


def approval_filter(
    status: object,
    session_id: object = None,
    assigned_to: object = None,
    tool_name: object = None,
    approval_id: object = None,
) -> ApprovalFilter:
    """Return the filter, or raise `InvalidIdentity` or `InvalidPayload` naming what is wrong."""
    if status != ApprovalStatus.PENDING:
        problem = f"is {safe_repr(status)}; only pending requests are listed, and what was decided "
        raise InvalidPayload("status", f"{problem}is in the journals: scoria evidence export")
    return ApprovalFilter(
        session_id=None if session_id is None else checked_id(session_id, "session_id"),
        assigned_to=None if assigned_to is None else checked_id(assigned_to, "assigned_to"),
        tool_name=None if tool_name is None else checked_name(tool_name, "tool_name"),
        approval_id=None if approval_id is None else checked_name(approval_id, "approval_id"),
    )


def _status(value: object) -> RunStatus:
    try:
        return RunStatus(str(value))
    except ValueError as error:
        known = ", ".join(RunStatus)
        problem = f"is {safe_repr(value)}; pass one of {known}"
        raise InvalidPayload("status", problem) from error


def _moment(value: object, name: str) -> datetime:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidPayload(name, f"is {safe_repr(value)}; pass a datetime with a time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        problem = f"is {safe_repr(value)}, which is no time in UTC; pass a later or an earlier one"
        raise InvalidPayload(name, problem) from error


@attrs.frozen
class _Place:
    """A place in the inbox: after one request of a run, or after all of its requests."""

    since: datetime
    run_id: str
    approval_id: str | None = None

    def cursor(self) -> str:
        """Return the place as a text that needs no escaping in a URL."""
        told = [self.since.isoformat(), self.run_id, self.approval_id]
        return base64.urlsafe_b64encode(compact(told).encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: object) -> "_Place":
        """Return the place that a cursor names, or raise `InvalidPayload`."""
        try:
            text = str(cursor).encode("ascii")
            told = json.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
            since, run_id, approval_id = told
            place = cls(datetime.fromisoformat(since).astimezone(UTC), run_id, approval_id)
            ids = (run_id,) if approval_id is None else (run_id, approval_id)
            is_sound = (
                place.cursor() == cursor and is_moment(place.since) and all(map(is_name, ids))
            )
        except (ValueError, TypeError, OverflowError, RecursionError):
            is_sound = False
        if not is_sound:
            problem = "is none that a page returned; pass the next of the page before"
            raise InvalidPayload("after", problem)
        return place


def run_page(
    runs: RunRepository, asked: RunFilter, limit: int, before: str | None
) -> Page[RunSummary | DamagedRun]:
    """Return a page of the visible runs that match, newest first."""

    def listed(with_records: bool, most: int = limit + 1) -> Sequence[StoredRun]:
        return runs.store.list_runs(
            tenant_id=runs.tenant_id,
            where=asked.where,
            limit=most,
            before=before,
            with_records=with_records,
        )

    if asked.is_single:
        found = runs.page(listed)  # one more than the limit: is there a next page?
        last = found[limit - 1][0].key.run_id if len(found) > limit else None
    else:
        looked_at = listed(False, MAX_LOOKED_AT)
        fitting = [each for each in looked_at if asked.fits(each)]
        found = runs.page(_reading(runs, fitting[:limit]))
        last = None
        if len(looked_at) == MAX_LOOKED_AT and asked.may_fit_before(looked_at[-1]):
            last = looked_at[-1].key.run_id
        if len(fitting) > limit:
            last = fitting[limit - 1].key.run_id
    now = runs.now()
    summaries = [_summary(runs, run, now) for stored, run in found[:limit] if asked.fits(stored)]
    return Page(tuple(each for each in summaries if asked.is_told_by(each)), last)


def readable(page: Page[RunSummary | DamagedRun]) -> Page[RunSummary]:
    """Return the page without its damaged runs, which are logged."""
    return Page(tuple(_readable(page)), page.next)


def approval_page(
    runs: RunRepository, asked: ApprovalFilter, limit: int, after: object
) -> Page[ListedApproval]:
    """Return a page of the visible requests that a person can decide now, longest waiting first."""
    place = None if after is None else _Place.of(after)
    # All requests of the first run may have been on the page before; and one more than the limit
    # tells whether there is a next page.
    most = limit + 2
    end: StoredRun | None = None
    if len(asked.labels) <= 1:
        found = runs.page(lambda full: _labelled(runs, asked, most, place, with_records=full))
        if len(found) == most:
            end = found[-1][0]
    else:
        looked_at = _labelled(runs, asked, MAX_LOOKED_AT, place, with_records=False)
        fitting = [each for each in looked_at if asked.may_fit(each.row)]
        since = {each.key.run_id: each.row.since for each in fitting}
        found = runs.page(_reading(runs, fitting[:most]))
        # A run that has made new requests meanwhile has another place in the order.
        found = [each for each in found if each[0].row.since == since[each[0].key.run_id]]
        if len(fitting) > most:
            end = fitting[most - 1]
        elif len(looked_at) == MAX_LOOKED_AT:
            end = looked_at[-1]
    listed: list[ListedApproval] = []
    last = place
    now = runs.now()
    for stored, run in found:
        here = _Place(stored.row.since, stored.key.run_id)
        passed = _passed(place, here, run)
        for each in _waiting(runs, asked, run, now):
            if each.approval_id in passed:
                continue
            if len(listed) == limit and last is not None:
                return Page(tuple(listed), last.cursor())
            listed.append(each)
            last = attrs.evolve(here, approval_id=each.approval_id)
    if end is None:
        return Page(tuple(listed))
    return Page(tuple(listed), _Place(end.row.since, end.key.run_id).cursor())


def count_approvals(runs: RunRepository, asked: ApprovalFilter) -> Count:
    """Return how many visible requests a person can decide now."""
    now = runs.now()
    labelled = _labelled(runs, asked, MAX_LOOKED_AT + 1, None, with_records=False)
    fitting = [each for each in labelled if asked.may_fit(each.row)]
    # If a run has several requests, or one may have expired, only the journal tells how many wait.
    unsure = [each for each in fitting if not _waits_for_one(each.row, now)]
    number = len(fitting) - len(unsure)
    for _, run in runs.page(_reading(runs, unsure)):
        number += len(_waiting(runs, asked, run, now))
    return Count(min(number, MAX_LOOKED_AT), max(number, len(labelled)) <= MAX_LOOKED_AT)


def count_runs(runs: RunRepository) -> dict[RunStatus, Count]:
    """Return how many visible runs have each status."""
    counts = runs.store.count_runs(
        tenant_id=runs.tenant_id, statuses=list(map(str, RunStatus)), limit=MAX_LOOKED_AT + 1
    )
    return {
        status: Count(min(counts[status], MAX_LOOKED_AT), counts[status] <= MAX_LOOKED_AT)
        for status in RunStatus
    }


def _labelled(
    runs: RunRepository,
    asked: ApprovalFilter,
    limit: int,
    place: _Place | None,
    *,
    with_records: bool,
) -> Sequence[StoredRun]:
    return runs.store.list_labelled(
        tenant_id=runs.tenant_id,
        label=next(iter(asked.labels), None),
        limit=limit,
        start=None if place is None else (place.since, place.run_id),
        with_records=with_records,
    )


def _reading(
    runs: RunRepository, found: Sequence[StoredRun]
) -> Callable[[bool], Sequence[StoredRun]]:
    """Return a function that reads these runs, for `RunRepository.page`."""
    run_ids = [each.key.run_id for each in found]
    return lambda full: runs.store.read(run_ids) if full and run_ids else found


def _passed(place: _Place | None, here: _Place, run: Run | DamagedRun | None) -> list[str]:
    """Return the requests of the run `here` that come before the page that begins at `place`."""
    if place is None or (place.since, place.run_id) != (here.since, here.run_id):
        return []
    step = run.active_step() if isinstance(run, Run) else None
    if step is None or not isinstance(run, Run):
        return []
    asked = [each.approval_id for each in run.requests_of(step.step_id)]
    if place.approval_id is None:
        return asked
    return asked[: asked.index(place.approval_id) + 1] if place.approval_id in asked else []


def _waits_for_one(row: IndexRow, now: datetime) -> bool:
    asked = sum(each.startswith(label("approval", "")) for each in row.labels)
    return asked == 1 and (row.due_at is None or row.due_at > now)


def _waiting(
    runs: RunRepository, asked: ApprovalFilter, run: Run | DamagedRun | None, now: datetime
) -> list[ListedApproval]:
    """Return the matching requests of a run, in the order in which it made them."""
    summary = _summary(runs, run, now)
    if isinstance(summary, DamagedRun):
        _log(summary)
    if not isinstance(summary, RunSummary):
        return []
    if asked.session_id not in (None, summary.session_id):
        return []
    return [
        ListedApproval(**attrs.asdict(each, recurse=False), run=summary)
        for each in summary.pending_approvals
        if asked.fits(each)
    ]


def _readable(page: Page[RunSummary | DamagedRun]) -> Iterator[RunSummary]:
    for each in page:
        if isinstance(each, RunSummary):
            yield each
        else:
            _log(each)


def _log(run: DamagedRun) -> None:
    told = "run %s is left out of a list: entry %d %s"
    facts = (visible_line(run.run_id), run.sequence, run.problem)
    logger.error(told, *facts, extra=about(run_id=run.run_id))


def _summary(
    runs: RunRepository, run: Run | DamagedRun | None, now: datetime
) -> RunSummary | DamagedRun | None:
    return runs.summary(run, now) if isinstance(run, Run) else run
