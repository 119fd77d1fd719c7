"""Steps that look at what the evidence page shows, in every state of a run and text by text."""

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from pytest_bdd import given, parsers, then

from scoria_conformance.cases import Cases
from scoria_conformance.gallery import Gallery, Page, gallery
from scoria_conformance.host import PageFactory
from scoria_conformance.markers import UNSEEN, UNSEEN_OF_TEXT, Mark, Marks
from scoria_conformance.markup import words
from scoria_conformance.page_requests import Request, Site, links_of
from scoria_conformance.steps.runs import approve, start
from scoria_conformance.world import TENANT, StoreFactory, World, asks
from scoria_core import Approval, RunDetail
from scoria_core.errors import safe_repr
from scoria_core.lifecycles import ApprovalStatus, RunStatus, StepStatus

OPENED = pytest.StashKey[tuple[tuple[object, ...], Gallery]]()
"""Where the configuration keeps the gallery that was opened last, and what it was made from.

To open a gallery takes far longer than to check it.
"""

CUT = "…"
"""Marks the end of a shortened text, where a page links to the whole text."""

DELEGATED = (
    "parent_role_id",
    "delegated_role_id",
    "delegated_kind",
    "handoff_input",
    "projected_context",
)
"""The fields of a handoff that its page must show."""


@given(
    "runs of two tenants in every state that a page shows, each text of them hostile",
    target_fixture="pages",
)
def _runs_of_two_tenants_in_every_state_that_a_page(
    request: pytest.FixtureRequest,
    world: World,
    scoria_store_factory: StoreFactory,
    scoria_page: PageFactory,
) -> Gallery:
    tested = (scoria_store_factory, scoria_page, world.make_facade)
    opened = request.config.stash.get(OPENED, None)
    if opened is None or opened[0] != tested:
        opened = request.config.stash[OPENED] = tested, gallery(world, scoria_page)
    return opened[1]


@then("the page of each run begins with it, its status and what it waits for")
def _the_page_of_each_run_begins_with_it_its_status(pages: Gallery) -> None:
    with Cases() as cases:
        for page in pages.runs:
            if not cases.equal(f"the status code of {page.name}", 200, page.answer.status):
                continue
            assert page.detail is not None
            run, text = page.detail.summary, page.seen.text
            cases.holds(page.name, "" if run.run_id in text else "it does not show the run_id")
            first = next(words(text, frozenset(RunStatus)), None)
            cases.equal(f"the first status on {page.name}", run.status.value, first)
            for problem in _hides_what_waits(page, page.detail, pages.marks):
                cases.holds(page.name, problem)


def _hides_what_waits(page: Page, detail: RunDetail, marks: Marks) -> Iterator[str]:
    """Yield parts of the requests that the run waits for that do not come before all others."""
    waiting = [step for step in detail.steps if step.status == StepStatus.WAITING_FOR_APPROVAL]
    asked = {approval.approval_id for step in waiting for approval in step.approvals}
    places: dict[bool, list[tuple[int, str]]] = {True: [], False: []}
    for approval in detail.approvals:
        for part in ("tool_name", "reason", "arguments"):
            for mark in marks.of(getattr(approval, part)):
                place = page.seen.text.find(mark.letters)
                places[approval.approval_id in asked].append((place, part))
    given = [detail.summary.metadata, *(step.input for step in detail.steps)]
    for mark in marks.of(given):
        places[False].append((page.seen.text.find(mark.letters), "input"))
    before = min((place for place, _ in places[False] if place >= 0), default=len(page.seen.text))
    for place, part in places[True]:
        if place < 0:
            yield f"it does not show the {part} that it waits for"
        elif place > before:
            yield f"it shows an earlier request, or an input, before the {part} that it waits for"


@then("every text of a run is on its page")
def _every_text_of_a_run_is_on_its_page(pages: Gallery) -> None:
    with Cases() as cases:
        for page in pages.runs:
            for field, mark in pages.written_in(page):
                whole = f"{page.seen.text}{page.linked}"
                told = "" if mark.letters in page.seen.text else "it is not shown"
                if not told and not any(form in whole for form in mark.written):
                    told = "neither it nor what it links to has all of it as it was written"
                cases.holds(f"{field} on {page.name}", told)


@then("it is text there, as it was written, and nothing else")
def _it_is_text_there_as_it_was_written_and_nothing(pages: Gallery) -> None:
    with Cases() as cases:
        for page in pages.pages:
            for problem in _other_than_text(page, pages.marks):
                cases.holds(page.name, problem)
        for page in pages.runs:
            for field, mark in pages.written_in(page):
                elsewhere = _without(page.seen.text, mark)
                told = "it is shown otherwise than it was written"
                told = told if mark.letters in elsewhere else ""
                cases.holds(f"{field} on {page.name}", told)


def _without(text: str, mark: Mark) -> str:
    """Return a text without one marked text, and without its beginnings that are cut with `CUT`."""
    for written in sorted(mark.written, key=len, reverse=True):
        text = text.replace(written, "")
        at = text.find(mark.letters)
        while at >= 0:
            begin = text[at:].partition(CUT)[0]
            if at + len(begin) < len(text) and written.startswith(begin):
                text = text[:at] + text[at + len(begin) + len(CUT) :]
            else:
                at += len(mark.letters)
            at = text.find(mark.letters, at)
    return text


def _other_than_text(page: Page, marks: Marks) -> Iterator[str]:
    """Yield each place outside the text of a page that has something written by others."""
    headers = [(f"the header {name}", value) for name, value in page.answer.headers]
    for place, value in (*page.seen.rest, *headers):
        for mark in marks.within(unquote(value)):
            yield f"{place} has the {mark}: {safe_repr(value)}"
    for link in page.seen.links:
        for mark in marks.within(unquote(link)):
            if mark.text not in _ids_in(page, link):
                yield f"a link has the {mark}: {safe_repr(link)}"


def _ids_in(page: Page, link: str) -> list[str]:
    """Return the values that a link within the page has in its query and its path."""
    carried: list[str] = []
    for request in links_of(page.request, [link]):
        carried += [value for _, value in parse_qsl(request.query)]
        carried += [unquote(part) for part in urlsplit(request.path).path.split("/")]
    return carried


@then("each character of it that is not seen stands there as its escape")
def _each_character_of_it_that_is_not_seen_stands(pages: Gallery) -> None:
    with Cases() as cases:
        for page in pages.pages:
            everything = [page.answer.text, page.seen.text, *page.seen.links]
            text = "".join([*everything, *(value for _, value in page.seen.rest)])
            for character in UNSEEN + UNSEEN_OF_TEXT:
                raw = character in text
                cases.holds(page.name, f"it holds a raw {character!a}" if raw else "")


@then("one element of a page holds a request whole with its status, and nothing of another")
def _one_element_of_a_page_holds_a_request_whole(pages: Gallery) -> None:
    with Cases() as cases:
        for page, approval in _requests(pages):
            case = f"request {approval.approval_id} on {page.name}"
            element = _element_of(page, approval, pages.marks)
            if element is None:
                cases.holds(case, "no element holds all of it and nothing of another")
                continue
            status = next(words(element, frozenset(ApprovalStatus)), None)
            cases.equal(f"the status of {case}", approval.status.value, status)


@then('what was proposed stands there under "proposed", and what was approved under "approved"')
def _what_was_proposed_stands_there(pages: Gallery) -> None:
    with Cases() as cases:
        for page, approval in _requests(pages):
            element = _element_of(page, approval, pages.marks)
            if element is None or approval.arguments_digest == approval.proposed_digest:
                continue
            for place, word in _under(approval, pages.marks):
                told = f"request {approval.approval_id} on {page.name}, {place}"
                cases.equal(told, word, _last_word(element.partition(place)[0]))


def _requests(pages: Gallery) -> Iterator[tuple[Page, Approval]]:
    for page in pages.runs:
        for approval in page.detail.approvals if page.detail else ():
            yield page, approval


def _element_of(page: Page, approval: Approval, marks: Marks) -> str | None:
    """Return the text of the smallest element with all of one request and nothing of another."""
    assert page.detail is not None
    others = [each for each in page.detail.approvals if each.approval_id != approval.approval_id]
    letters = {each.letters for each in marks.of(approval)}
    foreign = {each.letters for other in others for each in marks.of(other)} - letters
    whole = letters | {approval.approval_id, approval.arguments_digest, approval.proposed_digest}
    texts = [page.seen.text[begin:end] for begin, end in page.seen.elements]
    holding = [
        text
        for text in texts
        if all(each in text for each in whole) and not any(each in text for each in foreign)
    ]
    return min(holding, key=len, default=None)


def _under(approval: Approval, marks: Marks) -> Iterator[tuple[str, str]]:
    """Yield what only the proposed or the approved arguments have, and the word for that side."""
    proposed = {each.letters for each in marks.of(approval.proposed_arguments)}
    approved = {each.letters for each in marks.of(approval.arguments)}
    for letters in sorted(proposed ^ approved):
        yield letters, "proposed" if letters in proposed else "approved"
    yield approval.proposed_digest, "proposed"
    yield approval.arguments_digest, "approved"


def _last_word(text: str) -> str | None:
    """Return which of the two words comes last in a text, or None."""
    found = re.findall("proposed|approved", text, re.IGNORECASE)
    return found[-1].lower() if found else None


@then(parsers.parse('what was handed on is under "{section}", each handoff whole'))
def _what_was_handed_on_is_under_each_handoff_whole(pages: Gallery, section: str) -> None:
    with Cases() as cases:
        for page in pages.runs:
            assert page.detail is not None
            under = page.seen.section(section)
            said: Counter[str] = Counter()
            for handoff in page.detail.delegated_handoffs:
                for field in DELEGATED:
                    marks = pages.marks.of(getattr(handoff, field))
                    said.update(mark.letters for mark in marks)
                    # A role that was handed work and hands on some itself must be shown for both.
                    whole = all(_times(each, under) >= said[each.letters] for each in marks)
                    told = "" if whole else f"it is not under {section!r}"
                    cases.holds(f"the {field} of a handoff on {page.name}", told)


def _times(mark: Mark, text: str) -> int:
    """Return how often a marked text, or the beginning of it, occurs in another text."""
    return text.count(mark.text[: 2 * len(mark.letters)])


@then("no page of a run holds a text of another run")
def _no_page_of_a_run_holds_a_text_of_another_run(pages: Gallery) -> None:
    with Cases() as cases:
        for page in pages.runs:
            for problem in _of_others(page, pages.marks, f"{page.label} of {page.tenant}"):
                cases.holds(page.name, problem)


@then("no list holds a text of another tenant")
def _no_list_holds_a_text_of_another_tenant(pages: Gallery) -> None:
    with Cases() as cases:
        for page in pages.lists:
            for mark in _on(page, pages.marks):
                cases.holds(page.name, "" if mark.owner.endswith(page.tenant) else f"it has {mark}")


@then("the page of a run whose journal is damaged holds nothing from there on")
def _the_page_of_a_run_whose_journal_is_damaged(pages: Gallery) -> None:
    with Cases() as cases:
        for page in pages.damaged:
            if page.request.path == "/":
                continue
            refused = page.answer.status >= 400
            cases.holds(page.name, "" if refused else f"it is {page.answer.status}")
            for mark in _on(page, pages.marks):
                is_sound = mark.letters in page.sound or mark.owner == page.tenant
                cases.holds(page.name, "" if is_sound else f"it has {mark}")


@then("of two runs that ask for the same, the page of each tells its own decision")
def _of_two_runs_that_ask_for_the_same(world: World, scoria_page: PageFactory) -> None:
    site, scope = Site(scoria_page, world.scoria), {"tenant_id": TENANT, "actor_id": "user-1"}
    notes = {}
    for note in ("the first note", "another note"):
        start(world, asks())
        approve(world, note=note)
        notes[world.run_id] = note
    with Cases() as cases:
        for run_id, note in [*notes.items(), *notes.items()]:
            text = site.ask(scope, Request(f"/workflows/{run_id}")).text
            found = [each for each in notes.values() if each in text]
            cases.equal(f"the notes on the page of run {run_id}", [note], found)


def _of_others(page: Page, marks: Marks, owner: str) -> Iterator[str]:
    for mark in _on(page, marks):
        yield "" if mark.owner in (owner, page.tenant) else f"it has {mark}"


def _on(page: Page, marks: Marks) -> list[Mark]:
    """Return the marks that are on a page, visible or not."""
    return marks.within(unquote(f"{page.seen.text}{page.answer.text}"))
