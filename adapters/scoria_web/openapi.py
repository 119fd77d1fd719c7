"""Describes the HTTP API as OpenAPI 3.1: the calls, and the shapes of what they take and answer.

`make openapi` keeps the description in docs/openapi.json.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from scoria_web.calls import CALLS, Call, Name
from scoria_web.documents import JSON
from scoria_web.problems import PROBLEM_JSON, Problem

_PLAIN: Mapping[object, Mapping[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    NoneType: {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    Any: {},
}

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Sent again with the same body, it answers with the run that it started.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[!-~]([ -~]*[!-~])?$",
    },
}

_SAYS = """\
Durable AI runs that pause for a human: start, read, list, decide, resume, retry, cancel.

The application that serves the API says by its own login who calls, and for which tenant; nothing
in a path, a query, a header or a body does. What is refused is answered as
`application/problem+json` (RFC 9457) with a stable `code`.
"""


@attrs.frozen
class Description:
    """The description of the API of one host: where it is mounted, and its kinds of first step."""

    kinds: tuple[str, ...] = ()
    mount: str = "/"
    schemas: dict[str, Any] = attrs.field(factory=dict, init=False)

    def document(self) -> dict[str, Any]:
        """Return the description as a JSON object."""
        paths: dict[str, dict[str, Any]] = {}
        for call in CALLS:
            operations = paths.setdefault(re.sub("<(.*?)>", r"{\1}", call.path), {})
            operations[call.method.lower()] = self._operation(call)
        problem = self.schema(Problem)
        return {
            "openapi": "3.1.0",
            "info": {"title": "scoria-kit", "version": "1", "description": _SAYS},
            "servers": [{"url": self.mount}],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self.schemas.items())),
                "responses": {
                    "Problem": {
                        "description": "Why the call was refused, and what to do.",
                        "content": {PROBLEM_JSON: {"schema": problem}},
                    }
                },
            },
        }

    def schema(self, kind: Any, *, is_sent: bool = False) -> dict[str, Any]:
        """Return the JSON Schema of a type; that of a class is kept under its name."""
        origin, parts = get_origin(kind), get_args(kind)
        if kind in _PLAIN:
            return dict(_PLAIN[kind])
        if origin is Annotated:
            return {**self.schema(parts[0], is_sent=is_sent), **dict(kind.__metadata__)}
        if origin in (UnionType, Union):
            return {"anyOf": [self.schema(each, is_sent=is_sent) for each in parts]}
        if origin is Literal:
            return {"enum": list(parts)}
        if origin is tuple:
            return {"type": "array", "items": self.schema(parts[0], is_sent=is_sent)}
        if origin is not None and issubclass(origin, Mapping):
            values = self.schema(parts[1], is_sent=is_sent)
            return (
                {"type": "object", "additionalProperties": values} if values else {"type": "object"}
            )
        if issubclass(kind, Enum):
            return {"type": "string", "enum": [each.value for each in kind]}
        self._keep(kind, is_sent=is_sent)
        return {"$ref": f"#/components/schemas/{kind.__name__}"}

    def _keep(self, kind: type[attrs.AttrsInstance], *, is_sent: bool) -> None:
        """Keep the schema of a class: an answer has all its fields, and a request has no others."""
        if kind.__name__ in self.schemas:
            return
        self.schemas[kind.__name__] = {}  # set first, as a class may contain itself
        hints = get_type_hints(kind, include_extras=True)
        fields = attrs.fields(kind)
        needed = [x.name for x in fields if not is_sent or x.default is attrs.NOTHING]
        properties = {x.name: self.schema(hints[x.name], is_sent=is_sent) for x in fields}
        if kind.__name__ == "FirstStep" and self.kinds:
            properties["kind"] = {"type": "string", "enum": list(self.kinds)}
        self.schemas[kind.__name__] = {
            "type": "object",
            "description": inspect.getdoc(kind),
            "properties": properties,
            "required": needed,
            **({"additionalProperties": False} if is_sent else {}),
        }

    def _operation(self, call: Call) -> dict[str, Any]:
        kinds = dict(call.types)
        summary, _, more = (inspect.getdoc(call.function) or "").partition("\n\n")
        answer = {"schema": self.schema(kinds["return"])}
        operation: dict[str, Any] = {
            "operationId": call.name,
            "summary": summary,
            "parameters": list(self._parameters(kinds)),
            "responses": {
                str(call.status): {"description": summary, "content": {JSON: answer}},
                **{
                    str(status): {"$ref": "#/components/responses/Problem"}
                    for status in _refusals(kinds)
                },
            },
        }
        if more:
            operation["description"] = more
        if "body" in kinds:
            sent = {"schema": self.schema(kinds["body"], is_sent=True)}
            operation["requestBody"] = {"required": True, "content": {JSON: sent}}
        return operation

    def _parameters(self, kinds: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for name in ("run_id", "approval_id"):
            if name in kinds:
                yield {"name": name, "in": "path", "required": True, "schema": self.schema(Name)}
        if "query" in kinds:
            hints = get_type_hints(kinds["query"], include_extras=True)
            for field in attrs.fields(kinds["query"]):
                kind = next(iter(_without_null(hints[field.name])))
                schema = self.schema(kind)
                if field.default is not None:
                    schema["default"] = field.default
                yield {"name": field.name, "in": "query", "schema": schema}
        if "idempotency_key" in kinds:
            yield _KEY


def _without_null(kind: Any) -> Sequence[Any]:
    if get_origin(kind) in (UnionType, Union):
        return [each for each in get_args(kind) if each is not NoneType]
    return [kind]


def _refusals(kinds: Mapping[str, Any]) -> Iterator[int]:
    """Yield the statuses of the problems that a call may answer."""
    if "body" in kinds:
        yield from (400, 409, 413, 415)
    if "run_id" in kinds:
        yield 404
    yield from (403, 422, 500, 503)


def description(kinds: tuple[str, ...] = (), mount: str = "/") -> str:
    """Return the description as JSON text."""
    return json.dumps(Description(kinds, mount).document(), indent=2) + "\n"
