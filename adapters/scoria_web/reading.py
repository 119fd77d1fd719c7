"""Reads the body or the query of a call into the class that describes it.

The facade checks the values. This module checks only what the facade never sees: unknown and
missing names, and values that a query can have only as text.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request

from scoria_core.errors import InvalidPayload, safe_repr
from scoria_core.payloads import MAX_BYTES, child_path, parsed
from scoria_web.documents import JSON
from scoria_web.problems import Problem, Refused

T = TypeVar("T", bound=attrs.AttrsInstance)

MOST_SENT = 4 * MAX_BYTES
"""The most bytes of a body."""

_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")

_BAD_BODY = Problem(
    400,
    "bad_json",
    "The body is no JSON",
    "It cannot be read; nothing was changed.",
    "send one JSON object in UTF-8, with each of its names once",
)
_BAD_KEY = Problem(
    400,
    "bad_idempotency_key",
    "This key cannot be used",
    "An Idempotency-Key has 1 to 255 printable ASCII characters; nothing was started.",
    "make a new one, such as a UUID",
    "Idempotency-Key",
)
_BAD_TYPE = Problem(
    415,
    "not_json",
    "Only JSON is read",
    "What changes something is sent as application/json, in UTF-8; nothing was changed.",
    "set the header Content-Type: application/json, and send {} where there is nothing to say",
)
_CROSS_SITE = Problem(
    403,
    "cross_site",
    "Sent by a page of another site",
    "A browser says that a page of another site has sent this; nothing was changed.",
    "call from the application that this API belongs to",
)


def read_key(request: Request) -> str | None:
    """Return the idempotency key of a start, exactly as it was sent, or None."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise Refused(_BAD_KEY)
    return key


def received(request: Request, most: int) -> bytes:
    """Return the whole body of a request; raises `RequestEntityTooLarge` from `most` bytes on."""
    request.max_content_length = request.max_form_memory_size = most
    body = request.get_data()
    if len(body) >= most:  # a body without a length is cut there, without an error
        raise RequestEntityTooLarge
    return body


def read_body(kind: type[T], request: Request) -> T:
    """Return the body of a call; only JSON is read, which no form of another site can send."""
    if request.mimetype != JSON or request.mimetype_params.get("charset", "utf-8") != "utf-8":
        raise Refused(_BAD_TYPE)
    # The browser sets this header; a page of another site cannot change it.
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise Refused(_CROSS_SITE)
    try:
        sent = parsed(received(request, MOST_SENT).decode())
    except (ValueError, RecursionError) as error:
        raise Refused(_BAD_BODY) from error
    return _structured(kind, sent, "")


def read_query(kind: type[T], sent: "MultiDict[str, str]") -> T:
    """Return the query of an address."""
    types = get_type_hints(kind, include_extras=True)
    told = {}
    for name, values in sent.lists():
        if name not in types:
            raise InvalidPayload(safe_repr(name), _no_name(types))
        if len(values) > 1:
            raise InvalidPayload(name, "is there twice; send it once")
        told[name] = _of_text(types[name], values[0], name)
    return kind(**told)


def _structured(kind: type[T], sent: object, path: str) -> T:
    if not isinstance(sent, dict):
        raise InvalidPayload(path or "body", f"is {type(sent).__name__}; send an object")
    types = get_type_hints(kind)
    told = {}
    for name, value in sent.items():
        here = child_path(path, name) if path else name
        if name not in types:
            raise InvalidPayload(safe_repr(here) if here == name else here, _no_name(types))
        told[name] = _of_json(types[name], value, here)
    for field in attrs.fields(kind):
        if field.default is attrs.NOTHING and field.name not in told:
            here = f"{path}.{field.name}" if path else field.name
            raise InvalidPayload(here, "is missing; send it")
    return kind(**told)


def _of_json(kind: Any, value: object, path: str) -> Any:
    parts = [each for each in get_args(kind) or (kind,) if isinstance(each, type)]
    for part in parts:
        if attrs.has(part) and not (value is None and type(None) in parts):
            return _structured(part, value, path)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise InvalidPayload(path, f"is {type(value).__name__}; send a list")
        return tuple(value)
    if int in parts and isinstance(value, float) and value.is_integer():
        return int(value)  # in JSON, 1.0 is a whole number
    return value


def _of_text(kind: Any, text: str, name: str) -> Any:
    parts = get_args(kind) or (kind,)
    if bool in parts:
        if text not in ("true", "false"):
            raise InvalidPayload(name, f"is {safe_repr(text)}; send true or false")
        return text == "true"
    if int in parts:
        least, most = (dict(kind.__metadata__)[each] for each in ("minimum", "maximum"))
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            problem = f"is {safe_repr(text)}; send a whole number from {least} to {most}"
            raise InvalidPayload(name, problem)
        return int(text)
    if datetime in parts:
        with suppress(ValueError):
            return datetime.fromisoformat(text)
        problem = f"is {safe_repr(text)}; send a time such as 2026-01-31T12:00:00Z"
        raise InvalidPayload(name, problem)
    return text


def _no_name(known: Sequence[str] | dict[str, Any]) -> str:
    return f"is not known here; known are {', '.join(known) or 'none'}"
