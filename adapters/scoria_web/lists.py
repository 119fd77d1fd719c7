"""The lists of a tenant: what waits for a person, the runs by status, and what a search finds."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import attrs
from werkzeug.exceptions import BadRequest

from scoria_core.errors import InvalidIdentity, InvalidPayload, RunNotFound
from scoria_core.lifecycles import RunStatus
from scoria_core.listing import Count, Page
from scoria_core.model import DamagedRun, ListedApproval, RunSummary
from scoria_core.payloads import name_problem
from scoria_core.scoria import Scoria
from scoria_web.masking import Sight

ROWS_PER_PAGE = 50

WAITING = "waiting"
"""The list of the requests that wait for a person; the others are of runs."""

LISTS: Mapping[str, RunStatus | None] = {
    "running": RunStatus.RUNNING,
    "failed": RunStatus.FAILED,
    "completed": RunStatus.COMPLETED,
    "cancelled": RunStatus.CANCELLED,
    "paused": RunStatus.WAITING_FOR_APPROVAL,
    "all": None,
}
"""The lists of runs, by name, and the status that each has."""

_OF_RUNS = {
    "session": "session_id",
    "started_by": "actor_id",
    "role": "root_role_id",
    "since": "created_after",
}

FILTERS: Mapping[str, Mapping[str, str]] = {
    WAITING: {"tool": "tool_name", "assignee": "assigned_to", "session": "session_id"},
    **dict.fromkeys(LISTS, _OF_RUNS),
}
"""The filters of each list: the name in an address, and the argument of the facade."""


@attrs.frozen
class Query:
    """The list to show, its filters, and where its page begins."""

    name: str
    filters: Mapping[str, str]
    start: str | None = None

    @property
    def may_have(self) -> Mapping[str, str]:
        """The filters that this list can have."""
        return FILTERS[self.name]

    def asked(self) -> dict[str, Any]:
        """Return the filters as arguments of the facade."""
        told: dict[str, Any] = {self.may_have[each]: value for each, value in self.filters.items()}
        if since := told.get("created_after"):
            told["created_after"] = datetime.fromisoformat(since).replace(tzinfo=UTC)
        return told

    def address(self, **changed: str | None) -> dict[str, str]:
        """Return the query of this list from its start, with some filters changed."""
        named = {"list": None if self.name == WAITING else self.name, **self.filters, **changed}
        return {name: value for name, value in named.items() if value is not None}

    def other(self, name: str) -> dict[str, str]:
        """Return the query of another list, with those filters that it can have too."""
        kept = {each: value for each, value in self.filters.items() if each in FILTERS[name]}
        return Query(name, kept).address()


@attrs.frozen
class Tab:
    """A list that is one click away; its count is of the whole tenant, or None."""

    name: str
    count: Count | None


@attrs.frozen
class ListPage:
    """A page of a list, and its tabs; `next` is where the page after it begins, or None."""

    query: Query
    rows: tuple[ListedApproval | RunSummary | DamagedRun, ...]
    next: str | None
    tabs: tuple[Tab, ...]
    now: datetime

    @property
    def requests(self) -> list[ListedApproval]:
        """The requests of this page."""
        return [row for row in self.rows if isinstance(row, ListedApproval)]

    @property
    def tools(self) -> list[str]:
        """The tools of the requests on this page, the most frequent first."""
        return [tool for tool, _ in Counter(each.tool_name for each in self.requests).most_common()]

    @property
    def runs(self) -> list[RunSummary]:
        """The runs of this page that could be read."""
        return [row for row in self.rows if isinstance(row, RunSummary)]

    @property
    def damaged(self) -> list[DamagedRun]:
        """The runs of this page that could not be read."""
        return [row for row in self.rows if isinstance(row, DamagedRun)]

    @property
    def open_tab(self) -> Tab | None:
        """The tab of this list, or None for the list of paused runs, which has no tab."""
        return next((tab for tab in self.tabs if tab.name == self.query.name), None)

    def seen_by(self, sight: Sight) -> Self:
        """Return the page as the reader may see it."""
        return attrs.evolve(self, rows=sight(self.rows))


@attrs.frozen
class SearchPage:
    """What was searched for, and the runs that it names: one, or the turns of a session."""

    text: str
    found: tuple[RunSummary, ...]
    is_session: bool
    now: datetime

    def seen_by(self, sight: Sight) -> Self:
        """Return the page as the reader may see it."""
        return attrs.evolve(self, found=sight(self.found))


def query_of(args: Mapping[str, str]) -> Query:
    """Return the list and the filters that an address names, or raise `BadRequest`."""
    name = args.get("list", WAITING)
    if name not in FILTERS:
        raise BadRequest
    # A browser sends the empty fields of a form too; they are no filters.
    filters = {each: args[each] for each in FILTERS[name] if args.get(each)}
    start = args.get("start")
    if any(name_problem(each) for each in (*filters.values(), start or "-")):
        raise BadRequest
    if (since := filters.get("since")) is not None and not _is_day(since):
        raise BadRequest
    return Query(name, filters, start)


def _is_day(text: str) -> bool:
    with suppress(ValueError):
        return datetime.fromisoformat(text).date().isoformat() == text
    return False


def list_page(view: Scoria, query: Query) -> ListPage:
    """Read a page of a list of the tenant.

    One damaged run does not hide the others: it is listed as damaged. Raises `StoreUnavailable`,
    and `StoreCorrupt` if the damage is not to a single run.
    """
    page = _page(view, query)
    counts = view.count_runs()
    tabs = [
        Tab(WAITING, view.count_approvals()),
        *(
            Tab(name, counts[status])
            for name, status in LISTS.items()
            if status not in (None, RunStatus.WAITING_FOR_APPROVAL)
        ),
        Tab("all", None),
    ]
    return ListPage(query, tuple(page), page.next, tuple(tabs), view.now())


def _page(view: Scoria, query: Query) -> Page[Any]:
    asked, start = query.asked(), query.start
    try:
        if query.name == WAITING:
            return view.list_approvals(limit=ROWS_PER_PAGE, after=start, **asked)
        status = LISTS[query.name]
        return view.list_runs_with_damaged(
            status=status, limit=ROWS_PER_PAGE, before=start, **asked
        )
    except (InvalidPayload, InvalidIdentity) as error:
        raise BadRequest from error


def search_page(view: Scoria, text: str) -> SearchPage:
    """Find a run by its id or by that of a waiting request, or the turns of a session by its id."""
    name = text.strip()
    if name_problem(name):
        return SearchPage(text, (), False, view.now())
    with suppress(RunNotFound, InvalidPayload):
        return SearchPage(text, (view.get_run(name),), False, view.now())
    requests = view.list_approvals(approval_id=name, limit=1)
    if found := tuple(each.run for each in requests):
        return SearchPage(text, found, False, view.now())
    turns = view.list_runs(session_id=name, limit=ROWS_PER_PAGE)
    return SearchPage(text, tuple(turns), bool(turns), view.now())
