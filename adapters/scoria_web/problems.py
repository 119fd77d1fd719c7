"""Problems, as programs read them: `application/problem+json` of RFC 9457."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wrappers import Response

from scoria_core import errors
from scoria_core.errors import ScoriaError, StoreCorrupt, StoreUnavailable
from scoria_core.logs import logger_of
from scoria_web.documents import as_json, json_response

logger = logger_of("scoria.web")

PROBLEM_JSON = "application/problem+json"


def _type_of(problem: "Problem") -> str:
    return f"urn:scoria:{problem.code}"


@attrs.frozen
class Problem:
    """Why a call was refused, and what to do.

    `code` is stable, and `type` is made of it. `field` names the input that was refused, or is null
    where no single input was. `next_move` says what to do.
    """

    status: int
    code: str
    title: str
    detail: str
    next_move: str
    field: str | None = None
    type: str = attrs.Factory(_type_of, takes_self=True)


class Refused(Exception):
    """Raised to answer a call with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


_AS_DOCUMENTED = "call as docs/http-api.md and /v1/openapi.json say"
_SEE_LOG = "look into the log of the application, under scoria.web"

FORBIDDEN = Problem(
    403,
    "forbidden",
    "No access",
    "The application lets nobody in with this request.",
    "sign in to the application that this API belongs to, and call again",
)
_BY_STATUS: Mapping[int, Problem] = MappingProxyType(
    {
        each.status: each
        for each in (
            Problem(
                400,
                "bad_request",
                "Not understood",
                "The request could not be read.",
                _AS_DOCUMENTED,
            ),
            FORBIDDEN,
            Problem(
                404,
                "not_found",
                "Nothing here",
                "There is nothing at this address.",
                _AS_DOCUMENTED,
            ),
            Problem(
                405,
                "method_not_allowed",
                "Another method is needed",
                "This address does not answer to this method; nothing was changed.",
                "use a method that the header Allow names",
            ),
            Problem(
                413,
                "too_large",
                "Too much was sent",
                "The body is larger than is read; nothing was changed.",
                "keep large content in your own store and hand over a reference",
            ),
        )
    }
)
_UNAVAILABLE = Problem(
    503,
    StoreUnavailable.code,
    "The store does not answer",
    "Nothing is known to be lost; a call that would change something may have done so.",
    "read what is there, or repeat a start with its Idempotency-Key, in a moment",
)

_BY_ERROR: Mapping[type[ScoriaError], tuple[int, str, str]] = MappingProxyType(
    {
        errors.InvalidIdentity: (422, "This id cannot be used", ""),
        errors.InvalidPayload: (422, "This value cannot be used", "change what field names"),
        errors.InvalidHandoff: (422, "This handoff is not whole", "change what field names"),
        errors.UnsafeProjectedContext: (422, "This must not be handed over", "leave field out"),
        errors.RunNotFound: (404, "No such run", "pass the run_id that a start or a list told"),
        errors.TransitionRefused: (409, "Not from where this stands", ""),
        errors.RunNotResumable: (409, "Not waiting for a resume", ""),
        errors.ApprovalPending: (409, "Nobody has decided yet", ""),
        errors.ApprovalNotPending: (409, "Not there to be decided any more", ""),
        errors.DecisionRefused: (403, "Not for this person to decide", "let another one decide"),
        errors.IdempotencyConflict: (
            422,
            "This key has started another run",
            "repeat exactly what was sent with this Idempotency-Key, or use a new one",
        ),
        errors.VersionConflict: (
            409,
            "Somebody was faster",
            "read the run again and decide anew",
        ),
    }
)
"""The errors that a caller can act on, each with the status, the title and the next move.

If the next move is "", the error itself has one. All other errors are for the host to fix: they are
logged, and the answer shows nothing that they say of the store or of the host's code.
"""


def answered(answer: Callable[[], Response]) -> Response:
    """Return what `answer` returns, or the problem of what it raises; this itself never raises."""
    try:
        return answer()
    except Exception as error:
        problem = problem_of(error)
        if problem.status == 503:
            logger.warning("the store is unavailable", exc_info=True)
        elif problem.status >= 500:
            logger.exception("the call could not be carried out")
        response = json_response(as_json(problem), problem.status, PROBLEM_JSON)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        if problem.status == 503:
            response.headers["Retry-After"] = "5"
        return response


def problem_of(error: Exception) -> Problem:
    """Return the problem that a caller gets for an error."""
    if isinstance(error, Refused):
        return error.problem
    if isinstance(error, HTTPException):  # also a redirect by the router: it is a 404 here
        return _BY_STATUS.get(error.code or 404, _BY_STATUS[404])
    if isinstance(error, StoreUnavailable):
        return _UNAVAILABLE
    if isinstance(error, StoreCorrupt):
        return _damage(error)
    if not isinstance(error, ScoriaError) or type(error) not in _BY_ERROR:
        code = error.code if isinstance(error, ScoriaError) else "fault"
        title = "This call could not be carried out"
        return Problem(500, code, title, "Something is wrong in the application.", _SEE_LOG)
    status, title, next_move = _BY_ERROR[type(error)]
    if isinstance(error, errors.ApprovalNotPending) and error.status == "unknown":
        status = 404
    next_move = next_move or getattr(error, "next_move", "")
    return Problem(status, error.code, title, str(error), next_move, error.field)


def _damage(error: StoreCorrupt) -> Problem:
    where = f"From entry {error.sequence} of this run on" if error.sequence else "Somewhere"
    return Problem(
        500,
        error.code,
        "What is stored does not check out",
        f"{where}, what the store holds is not what was written, so nothing of it is told.",
        "keep the store as it is, and restore a copy made before",
    )
