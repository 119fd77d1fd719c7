"""Steps that open links, each made for one request and one person."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from string import ascii_uppercase
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import attrs
from pytest_bdd import then

from scoria_conformance.cases import Cases
from scoria_conformance.forms import Sheet, sheets_on
from scoria_conformance.host import LinksFactory, MakeLink
from scoria_conformance.page_requests import MOUNT, ORIGIN, Request, Site, links_of
from scoria_conformance.steps.decision_forms import DECISIONS
from scoria_conformance.steps.runs import start
from scoria_conformance.world import World, asks
from scoria_core import Approval, Event
from scoria_core.lifecycles import ApprovalStatus

DECIDER = "reviewer-7"
ROOT = Request("/")
EVERY = 5
"""One in so many characters of a link is changed."""

LONG, SHORT = timedelta(days=1), timedelta(seconds=1)
"""For how long a link is valid: for the whole scenario, or not even for that."""

PATIENCE = 20
"""How many seconds a link may still be shown that is valid for a second."""


@attrs.frozen
class Post:
    """Makes links, and opens the pages that they lead to."""

    world: World
    site: Site
    link: MakeLink

    def ask(self, **more: Any) -> Approval:
        """Start a run that asks for a decision, and return its request."""
        start(self.world, asks(**more))
        return self.now(self.world.run_id)

    def now(self, run_id: str) -> Approval:
        """Return the request of a run as it is now."""
        (approval,) = self.world.scoria.get_run_detail(run_id).approvals
        return approval

    def opened(self, approval: Approval, decider: str = DECIDER, **changes: Any) -> Request:
        """Return the request that a browser makes to open a link."""
        event = attrs.evolve(self._event(approval), **changes)
        (request,) = links_of(ROOT, [self.link(event, decider)])
        return request

    def sheet(self, opened: Request) -> Sheet:
        """Return the form that a link shows."""
        answer = self.site.ask(None, opened)
        found = sheets_on(opened, answer)
        assert len(found) == 1, f"a link shows one form to decide by: {answer}"
        return found[0]

    def nothing_by(self, cases: Cases, told: str, request: Request, *, seen: bool = False) -> None:
        """Check that a request changes nothing.

        Unless `seen`, it must also be refused and show nothing of the run.
        """
        stored = self.world.journals()
        answer = self.site.ask(None, request)
        changed = "" if self.world.journals() == stored else "it changed what is stored"
        cases.holds(f"{told}: {request.method}", changed)
        if not seen:
            refused = "" if answer.status >= 400 else f"it is {answer.status}"
            cases.holds(f"{told}: {request.method}", refused)
            shown = "it shows what is asked for" if "send_refund" in answer.text else ""
            cases.holds(f"{told}: {request.method}", shown)

    def _event(self, approval: Approval) -> Event:
        run = self.world.scoria.get_run(approval.run_id)
        return Event(
            event_id=f"{run.run_id}/5",
            type="approval.requested",
            at=approval.requested_at,
            run_id=run.run_id,
            sequence=5,
            tenant_id=run.tenant_id,
            session_id=run.session_id,
            subject="approval",
            subject_id=approval.approval_id,
            status=approval.status.value,
            step_id=approval.step_id,
            proposed_digest=approval.proposed_digest,
        )


def _post(world: World, links: LinksFactory, good_for: timedelta = LONG) -> Post:
    app, link = links(world.scoria, f"{ORIGIN}{MOUNT}", good_for)
    return Post(world, Site(lambda *_: app, world.scoria), link)


@then("a link that is opened in any way shows a form, and that form alone decides")
def _a_link_that_is_opened_shows_a_form(world: World, scoria_links: LinksFactory) -> None:
    post = _post(world, scoria_links)
    with Cases() as cases:
        for decision, status in DECISIONS.items():
            approval = post.ask()
            opened = post.opened(approval)
            # Before `sheet` below, which opens the link as well.
            post.nothing_by(cases, "opened", opened, seen=True)
            pressed = post.sheet(opened).pressed(decision)
            for told, query in (
                ("asked to", f"decision={decision}"),
                ("", urlencode(pressed.form)),
            ):
                for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
                    request = attrs.evolve(pressed, method=method, query=query)
                    post.nothing_by(cases, f"{told or 'as its form'}", request, seen=True)
            answer = post.site.ask(None, pressed)
            became = post.now(approval.run_id)
            told = f"{decision} by its form, answered {answer.status}"
            cases.equal(told, (status, DECIDER), (became.status, became.decided_by))


@then(
    "a link that was forged, edited, made for other arguments or is too old "
    "shows and decides nothing"
)
def _a_link_that_was_forged_decides_nothing(world: World, scoria_links: LinksFactory) -> None:
    post = _post(world, scoria_links)
    with Cases() as cases:
        approval, other = post.ask(), post.ask()
        opened = post.opened(approval)
        right = post.sheet(opened).pressed("approve")
        for told, path in _edited(opened.path, post.opened(other).path):
            for request in (Request(path), attrs.evolve(right, path=path)):
                post.nothing_by(cases, told, request)
        others = post.opened(approval, proposed_digest=f"sha256:{'0' * 64}")
        for request in (others, attrs.evolve(right, path=others.path)):
            post.nothing_by(cases, "made for other arguments", request)
        bobs = post.sheet(post.opened(approval, "reviewer-8")).pressed("approve")
        post.nothing_by(cases, "of another", attrs.evolve(bobs, path=opened.path), seen=True)
        _too_old(cases, _post(world, scoria_links, SHORT))


def _too_old(cases: Cases, post: Post) -> None:
    """Check that a link ends with its time, also one that was opened before."""
    opened = post.opened(post.ask())
    pressed, ends = None, time.monotonic() + PATIENCE
    while (answer := post.site.ask(None, opened)).status < 400 and time.monotonic() < ends:
        for sheet in sheets_on(opened, answer):
            pressed = sheet.pressed("approve")
        time.sleep(0.2)
    post.nothing_by(cases, "too old", opened)
    if pressed is not None:
        post.nothing_by(cases, "too old", pressed)


def _edited(path: str, other: str) -> Iterator[tuple[str, str]]:
    """Yield paths that differ from that of the link, and the change."""
    for at in range(1, len(path), EVERY):
        # A base64 value far from the old one: of the last character of a signature, not all bits
        # are read.
        instead = "_" if path[at] in ascii_uppercase else "A"
        yield f"edited at {at}", f"{path[:at]}{instead}{path[at + 1 :]}"
    yield "cut short", path[:-2]
    yield "lengthened", f"{path}xx"
    for cut in (".", "/"):
        head, _, tail = path.rpartition(cut)
        if head:
            yield "without its end", head
        yield "with the end of another", f"{head}{cut}{other.rpartition(cut)[2][::-1]}"
        if tail and len(tail) > 1 and other.rpartition(cut)[0] != head:
            yield "with its end on another", f"{other.rpartition(cut)[0]}{cut}{tail}"


@then("a link shows and decides nothing more when its request has ended or its decider has voted")
def _a_link_is_spent(world: World, scoria_links: LinksFactory) -> None:
    post = _post(world, scoria_links)
    with Cases() as cases:
        for told, (more, ends) in _ENDS.items():
            approval = post.ask(**more)
            opened = post.opened(approval)
            right = post.sheet(opened).pressed("approve")
            ends(post, right)
            for request in (opened, right):
                post.nothing_by(cases, told, request)


def _sent(post: Post, right: Request) -> None:
    post.site.ask(None, right)
    status = post.now(post.world.run_id).status
    endorsed = [each.by for each in post.now(post.world.run_id).endorsements]
    assert status == ApprovalStatus.APPROVED or endorsed == [DECIDER], "its form decides"


def _rejected(post: Post, _: Request) -> None:
    approval = post.now(post.world.run_id)
    post.world.scoria.reject(
        approval.run_id, approval_id=approval.approval_id, decided_by="reviewer-8"
    )


def _expired(post: Post, _: Request) -> None:
    post.world.clock.advance(timedelta(hours=1))


_ENDS: MappingProxyType[str, tuple[dict[str, Any], Callable[[Post, Request], None]]] = (
    MappingProxyType(
        {
            "used": ({}, _sent),
            "its decider has voted": ({"approvals_needed": 2}, _sent),
            "another has decided": ({}, _rejected),
            "its request has expired": ({"expires_in": 3_600}, _expired),
        }
    )
)
