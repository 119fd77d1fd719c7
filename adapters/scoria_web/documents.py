"""The JSON documents about runs, of pages and of calls, each made in one place."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

import attrs
from werkzeug.wrappers import Request, Response

from scoria_core.conversion import converter
from scoria_core.identity import Identity
from scoria_core.journal import JournalEntry
from scoria_core.listing import Count
from scoria_core.model import (
    Approval,
    DamagedRun,
    DelegatedHandoff,
    ListedApproval,
    RunDetail,
    RunSummary,
    Step,
)
from scoria_core.payloads import compact, digest
from scoria_web.lists import ListPage
from scoria_web.masking import Mask, masked

JSON = "application/json"

MOST_ITEMS = 200
"""The most items that one answer can list."""

ITEMS = 50
"""How many items an answer lists by default."""

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
)
"""The headers of every answer in JSON, whatever its status."""


@attrs.frozen
class DetailPage:
    """A part of all that is known of a run, as evidence.

    Of its steps, approvals, handoffs and journal entries, each in order, these are the ones after
    the number that was asked for; `next` is the number to go on after, or null where there are no
    more. What a step keeps, and an entry says of it, is its size and digest unless it is asked for.
    """

    summary: RunSummary
    identity: Identity
    steps: tuple[Step, ...]
    approvals: tuple[Approval, ...]
    delegated_handoffs: tuple[DelegatedHandoff, ...]
    journal: tuple[JournalEntry, ...]
    next: int | None


@attrs.frozen
class RunList:
    """A page of runs, newest first; `damaged` are those of the page that cannot be read.

    `next` is where the page after it begins, or null.
    """

    items: tuple[RunSummary, ...]
    damaged: tuple[DamagedRun, ...]
    next: str | None


@attrs.frozen
class ApprovalList:
    """A page of the requests that wait for a person, the longest waiting first.

    `next` is where the page after it begins, or null.
    """

    items: tuple[ListedApproval, ...]
    next: str | None


@attrs.frozen
class Counts:
    """How many runs have each status, and how many requests wait, exactly up to 1,000."""

    runs: Mapping[str, Count]
    approvals: Count


@attrs.frozen
class ListDocument:
    """A list of the console: its requests, or its runs, and the counts of its tabs."""

    approvals: tuple[ListedApproval, ...]
    runs: tuple[RunSummary, ...]
    damaged: tuple[DamagedRun, ...]
    next: str | None
    counts: Mapping[str, Count]

    @classmethod
    def of(cls, page: ListPage) -> Self:
        """Return the document of a page of a list."""
        counts = {tab.name: tab.count for tab in page.tabs if tab.count is not None}
        rows = tuple(page.requests), tuple(page.runs), tuple(page.damaged)
        return cls(*rows, page.next, counts)


@attrs.frozen
class SearchDocument:
    """What a search of the console found: one run, or the turns of a session."""

    runs: tuple[RunSummary, ...]


def as_json(value: attrs.AttrsInstance, mask: Mask | None = None) -> Any:
    """Return a value as JSON, without what `mask` hides; every answer in JSON is made by this."""
    return converter.unstructure(_seen(value, mask))


def _seen(value: Any, mask: Mask | None) -> Any:
    if mask is None or isinstance(value, RunSummary):
        return masked(value, mask)
    parts = attrs.asdict(value, recurse=False)
    records = {name: each for name, each in parts.items() if _is_record(each)}
    return attrs.evolve(value, **{name: masked(each, mask) for name, each in records.items()})


def _is_record(part: object) -> bool:
    return isinstance(part, tuple | RunSummary | Identity)


def detail_page(
    detail: RunDetail, after: int = 0, limit: int = ITEMS, *, shows_kept: bool = False
) -> DetailPage:
    """Return, of each list of a run, the next `limit` items after the first `after`."""
    end = after + limit
    parts = (detail.steps, detail.approvals, detail.delegated_handoffs, detail.journal)
    steps, journal = detail.steps[after:end], detail.journal[after:end]
    return DetailPage(
        detail.summary,
        detail.identity,
        steps if shows_kept else tuple(map(_step_without_kept, steps)),
        detail.approvals[after:end],
        detail.delegated_handoffs[after:end],
        journal if shows_kept else tuple(map(_entry_without_kept, journal)),
        end if any(len(part) > end for part in parts) else None,
    )


def _step_without_kept(step: Step) -> Step:
    return step if step.kept is None else attrs.evolve(step, kept=_told_of(step.kept))


def _entry_without_kept(entry: JournalEntry) -> JournalEntry:
    if "kept" not in entry.data:
        return entry
    return attrs.evolve(entry, data={**entry.data, "kept": _told_of(entry.data["kept"])})


def _told_of(kept: object) -> Mapping[str, Any]:
    return {"size": len(compact(kept).encode()), "digest": digest(kept)}


def wants_json(request: Request) -> bool:
    """Tell whether the request prefers JSON to HTML; if it prefers neither, it gets HTML."""
    return request.accept_mimetypes.best_match(["text/html", JSON], "text/html") == JSON


def json_response(value: Any, status: int = 200, mimetype: str = JSON) -> Response:
    """Return a response in which every character outside ASCII is escaped."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n"
    return Response(text, status, dict(HEADERS), mimetype=mimetype)


def as_asked(value: attrs.AttrsInstance, request: Request, mask: Mask | None) -> Response:
    """Return the answer to a GET, or a 304 if the client has this very answer already."""
    response = json_response(as_json(value, mask))
    response.add_etag()
    return response.make_conditional(request)
