"""Links for mail and chat, each for one person to decide one request.

Anybody who holds a link can decide in the name of the person it was made for. So it is signed, it
expires, and it shows nothing more once the request is decided or that person has voted. Opening it
decides nothing, because mail scanners and chats open every link.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import attrs
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.wrappers import Request, Response

from scoria_core.errors import InvalidPayload
from scoria_core.events import Event
from scoria_core.facades import Facade
from scoria_core.identity import checked_id
from scoria_core.lifecycles import ApprovalStatus
from scoria_core.scoria import Scoria
from scoria_web.app import Refused, _check_parts, _Problem
from scoria_web.decisions import DecisionPage, _DecisionApp, checked_secret
from scoria_web.masking import Mask, check_mask, secret_by_name
from scoria_web.scope import Scope

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

WEEK = timedelta(days=7)

_NO_LINK = _Problem(
    403,
    "This link decides nothing",
    "It is not whole, was not made by this application, or is too old. Nothing was changed. Ask "
    "for a new one, or decide in the application.",
)
_SPENT = _Problem(
    410,
    "Nothing is left to decide here",
    "The request was decided, has expired or was withdrawn, or you have said yes to it. This link "
    "shows nothing more.",
)
_DONE = _Problem(
    200,
    "Your decision is recorded",
    "You can close this page. The link that led here shows nothing more.",
)


@attrs.frozen
class DecisionLinks:
    """Makes links to a mounted `link_app`, and reads them.

    `base_url` is the address of that app for a browser, such as `https://host.example/links`.
    `secret` has at least 16 characters that nobody else knows, and all processes of the host share
    it. A link is valid for `good_for`, but never longer than its request is pending. Raises
    `InvalidPayload` naming an argument that is not valid.
    """

    base_url: str
    secret: str | bytes = attrs.field(repr=False)
    good_for: timedelta = WEEK
    _signer: URLSafeTimedSerializer = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not _is_place(self.base_url):
            raise InvalidPayload("base_url", "is no URL of a place; write it as https://HOST/PATH")
        if not isinstance(self.good_for, timedelta) or self.good_for < timedelta(seconds=1):
            raise InvalidPayload("good_for", "is no time; pass a timedelta of a second or more")
        signer = URLSafeTimedSerializer(checked_secret(self.secret), salt="scoria.link")
        object.__setattr__(self, "_signer", signer)

    def link(self, event: Event, decider: object) -> str:
        """Return a link with which `decider` can decide the request of an event.

        The link names the request, the digest of the proposed arguments, and the decider: a str,
        int or UUID, or an object or mapping with an `id`. Send it to that person alone.
        """
        if not isinstance(event, Event):
            raise InvalidPayload("event", f"is {type(event).__name__}; pass what a listener got")
        if event.subject != "approval":
            problem = f"is of a {event.subject}; a link is for an event of an approval"
            raise InvalidPayload("event", problem)
        named = [
            event.tenant_id,
            event.run_id,
            event.subject_id,
            event.proposed_digest,
            checked_id(decider, "decider"),
        ]
        return f"{self.base_url.rstrip('/')}/{self._signer.dumps(named)}"

    def read(self, token: str) -> "Link | None":
        """Return the content of a token; None if it is forged, edited or too old."""
        try:
            named = self._signer.loads(token, max_age=int(self.good_for.total_seconds()))
        except BadData:
            return None
        return Link(token, *named)


def _is_place(url: object) -> bool:
    """Tell whether `url` is an HTTP URL to which a path can be appended."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_plain = not ({"?", "#"} & set(url)) and parts.username is None
    return parts.scheme in ("https", "http") and bool(parts.hostname) and is_plain


@attrs.frozen
class Link:
    """The content of a link: who decides on which request of which tenant."""

    token: str
    tenant_id: str
    run_id: str
    approval_id: str
    digest: str
    decider: str


@attrs.frozen
class _LinkApp(_DecisionApp):
    """Shows the request of a link, and takes the decision of the person it was made for."""

    links: DecisionLinks = attrs.field(kw_only=True)

    routes: ClassVar[Map] = Map([Rule("/<token>", endpoint="decide")])

    def _scope_of(self, request: Request) -> Scope:
        link = self._read(request.path.removeprefix("/"))
        # The token is the session, so a form that was made for one link is refused with another.
        return Scope(
            link.tenant_id, link.decider, session=link.token, may_decide=True, assignees=()
        )

    def _named(self, values: Mapping[str, Any]) -> Mapping[str, str]:
        link = self._read(values["token"])
        return {"run_id": link.run_id, "approval_id": link.approval_id, "digest": link.digest}

    def _request(  # a link also names the digest of the proposal
        self, view: Scoria, scope: Scope, run_id: str, approval_id: str, digest: str = ""
    ) -> DecisionPage:
        page = super()._request(view, scope, run_id, approval_id)
        asked = page.approval
        has_voted = scope.actor_id in [each.by for each in asked.endorsements]
        if asked.status != ApprovalStatus.PENDING or has_voted:
            raise Refused(_SPENT)
        if asked.proposed_digest != digest:
            raise Refused(_NO_LINK)
        return page

    def _done(self, urls: MapAdapter, *_: object) -> Response:
        # No redirect to the link: it is spent, and would not show that this decision was recorded.
        return self._problem(_DONE, urls)

    def _read(self, token: str) -> Link:
        link = self.links.read(token)
        if link is None:
            raise Refused(_NO_LINK)
        return link


def link_app(
    scoria: Facade, *, links: DecisionLinks, mask: Mask | None = secret_by_name
) -> "WSGIApplication":
    """Return a WSGI app that serves `links`: it shows the request, and a form to decide with.

    It needs no login: the link replaces it, for one request and one person. The same rules hold for
    that person as elsewhere (`assigned_to`, `not_by`, `may_decide`, one vote each). A GET decides
    nothing. A link that is forged, edited or too old is refused, and one that is spent shows
    nothing more. `mask` is as in `evidence_app`. Raises `InvalidPayload` naming an argument that is
    not valid.
    """
    if not isinstance(links, DecisionLinks):
        raise InvalidPayload("links", f"is {type(links).__name__}; pass DecisionLinks")
    _check_parts(scoria, links.read)
    check_mask(mask)
    # The salt differs from that of the links, so the token of a link does not pass for a form's.
    signer = URLSafeTimedSerializer(links.secret, salt="scoria.link.form")
    return _LinkApp(scoria, lambda _: None, mask=mask, signer=signer, links=links)
