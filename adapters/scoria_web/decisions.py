"""The WSGI app in which people decide on requests; the evidence page beside it is read-only."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from scoria_core.errors import ApprovalNotPending, DecisionRefused, InvalidPayload
from scoria_core.facades import Facade
from scoria_core.lifecycles import ApprovalStatus
from scoria_core.model import Approval, RunDetail, Step
from scoria_core.payloads import MAX_BYTES
from scoria_core.scoria import Scoria
from scoria_web.app import (
    _FORBIDDEN,
    HEADERS,
    READING,
    Refused,
    _check_parts,
    _EvidenceApp,
    _log_unmasked,
    _Problem,
    _shows_masked,
    checked_mount,
)
from scoria_web.display import MARKS
from scoria_web.fields import Field, fields_of, object_of
from scoria_web.masking import (
    Mask,
    MaskFailed,
    Sight,
    check_mask,
    log_failure,
    masks_all,
    secret_by_name,
)
from scoria_web.reading import received
from scoria_web.scope import Scope, ScopeOf, opened_now

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

GOOD_FOR = 12 * 60 * 60
"""How many seconds a form may be kept open before it is sent."""

LEAST_SECRET = 16
"""The least length of a secret, in characters or bytes."""

MOST_SENT = 10 * MAX_BYTES
"""The most bytes of a form: arguments, answer and note, each up to three times as long encoded."""

_METHODS = (*READING, "POST")

_NOT_ALLOWED = _Problem(
    405,
    "This page knows GET and POST",
    "Nothing was changed. Go back, and follow a link of the page instead.",
    headers={"Allow": ", ".join(_METHODS)},
)
_MAY_NOT_DECIDE = _Problem(
    403,
    "Not yours to decide",
    "You may look at this run and not decide on it. Nothing was changed; ask somebody who may.",
)
_NOT_ASSIGNED = _Problem(
    403,
    "Assigned to others",
    "This request is assigned to others, and none of them is you. Nothing was changed.",
)
_FORGED = _Problem(
    403,
    "This form decides nothing",
    "It was not made for you, in this session and for this request as it stands, or it is older "
    "than twelve hours. Nothing was changed. Open the request again and decide on what it shows.",
)
_MASKED = _Problem(
    403,
    "Not yours to edit",
    "These arguments have values that are masked for you, and an edit would lose them. Nothing was "
    "changed. You may approve them as they are, or reject them.",
)


_TOO_LATE = "It was decided, or expired, before you sent this."
_REFUSED: Mapping[str, str] = {
    "not_by": "The request says that you may not decide it. Ask somebody else.",
    "voted": "You have said yes to it already. The next yes must be another person's.",
    "host": "The application says that you may not decide it. Ask somebody who may.",
    "handler": "A handler of the run cannot decide on it. Let a person decide.",
}


@attrs.frozen
class DecisionPage:
    """A request for approval, with what a person may do about it.

    If a decision was sent and refused, `problem` says why, `path` names the value at fault, and
    `sent` is the form as it was sent. With `is_json`, arguments and answer are edited as JSON.
    """

    detail: RunDetail
    step: Step
    approval: Approval
    is_mine: bool
    token: str
    is_json: bool = False
    problem: str = ""
    path: str = ""
    sent: Mapping[str, str] = attrs.field(factory=dict)
    sight: Sight = attrs.field(factory=Sight)
    hides_arguments: bool = False

    def seen_by(self, sight: Sight) -> Self:
        """Return the page as the reader may see it; arguments that are masked cannot be edited."""
        detail, step, approval = sight((self.detail, self.step, self.approval))
        told: Mapping[str, Any] = {"detail": detail, "step": step, "approval": approval}
        # The mask returns the same object if it hides nothing of it.
        hides_arguments = approval.arguments is not self.approval.arguments
        return attrs.evolve(self, **told, sight=sight, hides_arguments=hides_arguments)

    @property
    def has_masked(self) -> bool:
        """Whether the mask hides a value of this page, even if this reader sees it."""
        return self.sight.has_masked

    @property
    def is_open(self) -> bool:
        """Whether this person can decide it now."""
        return self.is_mine and self.approval.status == ApprovalStatus.PENDING

    @property
    def arguments(self) -> tuple[Field, ...]:
        """The form fields for the arguments; none if they cannot be edited."""
        if self.approval.may_edit is False or self.hides_arguments:
            return ()
        is_json = self.is_json or "arguments" in self.sent
        proposed = self.approval.arguments
        return fields_of("arguments", self.approval.may_edit, proposed, as_json=is_json)

    @property
    def answer(self) -> tuple[Field, ...]:
        """The form fields for the answer; none if the request wants no answer."""
        if self.approval.answer_schema is None:
            return ()
        is_json = self.is_json or "answer" in self.sent
        return fields_of("answer", self.approval.answer_schema, None, as_json=is_json)

    @property
    def is_by_property(self) -> bool:
        """Whether at least one property has its own field, instead of one field for all in JSON."""
        return any(field.key is not None for field in (*self.arguments, *self.answer))

    @property
    def wrong(self) -> Field | None:
        """The field that the problem is about, or None."""
        fields = (*self.arguments, *self.answer)
        return next((field for field in fields if field.concerns(self.path)), None)

    def shown(self, field: Field) -> str:
        """Return what is in a field: what was sent, or else what was proposed."""
        return self.sent.get(field.name, field.text)

    @property
    def note(self) -> str:
        """The note as it was sent, or else nothing."""
        return self.sent.get("note", "")


@attrs.frozen
class _DecisionApp(_EvidenceApp):
    """Shows a request to actors of its tenant, and takes the decision of one who may decide it."""

    signer: URLSafeTimedSerializer = attrs.field(kw_only=True)
    evidence: str | None = None

    routes: ClassVar[Map] = Map([Rule("/<run_id>/<approval_id>", endpoint="decide")])
    not_allowed: ClassVar[_Problem] = _NOT_ALLOWED

    def _page(self, request: Request, urls: MapAdapter) -> Response:
        if request.method not in _METHODS:
            raise MethodNotAllowed(_METHODS)
        scope = self._scope_of(request)
        if scope is None:
            return self._problem(_FORBIDDEN, urls)
        endpoint, values = urls.match(method="GET")
        named = self._named(values)
        view = opened_now(self.scoria).for_tenant(scope.tenant_id)
        shows_masked = _shows_masked(request, scope)
        page = self._request(view, scope, **named)
        page = attrs.evolve(page, is_json=request.args.get("as") == "json")
        status = 200
        if request.method == "POST":
            received(request, MOST_SENT)
            sent = request.form.to_dict()
            self._check(request, scope, page, sent)
            page = attrs.evolve(page, sent=sent)
            if not scope.may_unmask:
                self._check_seen(page)
            try:
                _decide(view, page, scope.actor_id)
            except ApprovalNotPending:
                status, page = 409, self._request(view, scope, **named)
                page = attrs.evolve(page, problem=_TOO_LATE)
            except DecisionRefused as error:
                status, page = 403, attrs.evolve(page, problem=_REFUSED[error.rule])
            except InvalidPayload as error:
                status = 422
                page = attrs.evolve(page, problem=error.problem, path=error.path)
            else:
                return self._done(urls, endpoint, values)
        return self._decision(status, page, urls, scope, Sight(self.mask, MARKS, shows_masked))

    def _done(self, urls: MapAdapter, endpoint: str, values: Mapping[str, Any]) -> Response:
        """Redirect to the page of the request, which now shows the decision."""
        # 303: the browser gets the page with GET, so a reload does not send the form again.
        response = redirect(urls.build(endpoint, values), 303)
        response.headers.update(HEADERS)
        return response

    def _decision(
        self, status: int, page: DecisionPage, urls: MapAdapter, scope: Scope, sight: Sight
    ) -> Response:
        seen = self._seen(page, sight)
        _log_unmasked(seen.sight, scope, page.approval.run_id)
        return self._render(status, "decide.html", urls, scope, page=seen)

    def _seen(self, page: DecisionPage, sight: Sight) -> DecisionPage:
        """Return the page as the reader may see it; mask all of it if the host's mask fails."""
        try:
            return page.seen_by(sight)
        except MaskFailed:
            log_failure()
            return page.seen_by(Sight(masks_all, MARKS))

    def _named(self, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the ids of the run and of the request that a path names."""
        return values

    def _home(self, urls: MapAdapter) -> str | None:  # noqa: ARG002 - the lists are another app's
        return None if self.evidence is None else f"{self.evidence}/"

    def _request(self, view: Scoria, scope: Scope, run_id: str, approval_id: str) -> DecisionPage:
        """Read a request; raises `RunNotFound` or `NotFound` if the tenant has no such request."""
        detail = view.get_run_detail(run_id)
        approval = next((x for x in detail.approvals if x.approval_id == approval_id), None)
        if approval is None:
            raise NotFound
        step = next(each for each in detail.steps if each.step_id == approval.step_id)
        is_mine = scope.may_decide and scope.is_meant(approval.assigned_to)
        token = self.signer.dumps(_named(scope, approval)) if is_mine else ""
        return DecisionPage(detail, step, approval, is_mine, token)

    def _check_seen(self, page: DecisionPage) -> None:
        """Refuse an edit by somebody who sees the arguments masked: it would lose hidden values."""
        is_edit = any(field.name in page.sent for field in page.arguments)
        if is_edit and self._seen(page, Sight(self.mask, MARKS)).hides_arguments:
            raise Refused(_MASKED)

    def _check(
        self, request: Request, scope: Scope, page: DecisionPage, sent: Mapping[str, str]
    ) -> None:
        """Refuse a person who may not decide, and a form that was not made for this request."""
        if not scope.may_decide:
            raise Refused(_MAY_NOT_DECIDE)
        if not scope.is_meant(page.approval.assigned_to):
            raise Refused(_NOT_ASSIGNED)
        # The browser sets this header; a page of another site cannot change it.
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise Refused(_FORGED)
        try:
            signed = self.signer.loads(sent.get("token", ""), max_age=GOOD_FOR)
        except BadData as error:
            raise Refused(_FORGED) from error
        if signed != _named(scope, page.approval):
            raise Refused(_FORGED)


def _named(scope: Scope, approval: Approval) -> list[str]:
    """Return the content of a token: who decides, and on which arguments of which request."""
    who = [scope.tenant_id, scope.actor_id, scope.session]
    return [*who, approval.run_id, approval.approval_id, approval.arguments_digest]


def _decide(view: Scoria, page: DecisionPage, actor_id: str) -> None:
    approval, sent = page.approval, page.sent
    named: dict[str, Any] = {
        "approval_id": approval.approval_id,
        "decided_by": actor_id,
        # A browser sends each line break of a text area as CR LF.
        "note": sent.get("note", "").replace("\r\n", "\n").strip() or None,
        "arguments_digest": approval.arguments_digest,
        "resume": True,
    }
    decision = sent.get("decision")
    if decision == "reject":
        view.reject(approval.run_id, **named)
        return
    if decision != "approve":
        raise InvalidPayload("decision", "is missing; press one of the two buttons")
    named["arguments"] = object_of(page.arguments, sent)
    named["answer"] = object_of(page.answer, sent)
    view.approve(approval.run_id, **named)


def decision_app(
    scoria: Facade,
    *,
    scope: ScopeOf,
    secret: str | bytes,
    evidence: str | None = None,
    mask: Mask | None = secret_by_name,
) -> "WSGIApplication":
    """Return a WSGI app in which people decide the requests of `scoria`, beside the evidence page.

    It shows a request at `/<run_id>/<approval_id>` and takes the decision that is posted there, in
    the name of the actor of `scope(environ)`. The scope needs `may_decide`; if it has `assignees`,
    the request must be assigned to one of them, to the actor or to nobody. The decision resumes the
    run as `approve(resume=True)` does. A GET changes nothing.

    A form is signed with `secret`: at least 16 characters that nobody else knows and that all
    processes of the host share. The signature covers the tenant, the actor, the session, the
    request and the digest of its arguments, so a person decides on exactly what the form showed.

    `evidence` is where the evidence page is mounted on the same host, such as "/scoria". `mask` is
    as in `evidence_app`; arguments that are masked, even in part, can be edited only by an actor
    who `may_unmask`. Errors are answered as in `evidence_app`. Raises `InvalidPayload` naming an
    argument that is not valid.
    """
    _check_parts(scoria, scope)
    check_mask(mask)
    signer = URLSafeTimedSerializer(checked_secret(secret), salt="scoria.decision")
    mount = checked_mount(evidence, "evidence")
    return _DecisionApp(scoria, scope, evidence=mount, mask=mask, signer=signer)


def checked_secret(secret: object) -> str | bytes:
    """Return the secret that signs forms or links; raises `InvalidPayload` if it is too short."""
    if not isinstance(secret, str | bytes) or len(secret) < LEAST_SECRET:
        problem = f"is too short; pass at least {LEAST_SECRET} characters that nobody else knows"
        raise InvalidPayload("secret", problem)
    return secret
