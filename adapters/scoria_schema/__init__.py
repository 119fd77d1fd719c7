"""JSON Schema 2020-12 for what a person may edit or answer, checked by `jsonschema`.

A model may have written the schema, so each check must end soon: a schema may refer only to
itself, its patterns are run by RE2, which takes linear time, and each keyword that is applied is
counted. `patternProperties` is refused, because `jsonschema` runs it with another engine. A nested
`$schema` is refused, because `jsonschema` would use another validator, which does not count.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import re2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from scoria_core.errors import safe_repr
from scoria_core.payloads import child_path
from scoria_core.visible import visible_line

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_KEYWORDS = 300_000
"""The most keywords that one check may apply before it is given up."""

MAX_KEYWORDS_OF_NOTHING = 20_000
"""The same for an empty object: more than a schema can have, unless references multiply them."""

MAX_MESSAGE = 200
"""The most characters of an error by `jsonschema` that a refusal repeats."""

_TOO_LONG = "takes too long to check"

# How many keywords the check that runs in this context may still apply.
_left: ContextVar[list[int]] = ContextVar("_left")

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


class JsonSchemas:
    """Checks schemas, and values against them; implements `scoria_core.ports.Schemas`."""

    def problem_of(self, schema: Mapping[str, object]) -> str | None:
        """Say what is wrong with a schema in one line, or return None."""
        try:
            Draft202012Validator.check_schema(schema)
            problem = next(_problems(schema), None)
        except SchemaError as error:
            where = _path(error)
            return f"is no JSON Schema 2020-12: {where and f'at {where} '}{_message(error)}"
        except RecursionError:
            return "is no JSON Schema that can be read: it nests too deep"
        if problem is None and _mismatch(schema, {}, MAX_KEYWORDS_OF_NOTHING) == ("", _TOO_LONG):
            return _TOO_LONG
        return problem

    def mismatch(self, schema: Mapping[str, object], value: object) -> tuple[str, str] | None:
        """Return where `value` does not fit a schema that has no problem, and why."""
        return _mismatch(schema, value, MAX_KEYWORDS)


def _mismatch(schema: Mapping[str, object], value: object, most: int) -> tuple[str, str] | None:
    token = _left.set([most])
    try:
        validator = _Bounded(_without_dialect(schema), registry=Registry())
        error = best_match(validator.iter_errors(value))
    except (_TooLong, RecursionError):
        return "", _TOO_LONG
    except Exception as error:  # noqa: BLE001 - a number beyond what `jsonschema` reckons with
        return (
            "",
            f"cannot be checked against its schema: {visible_line(str(error), MAX_MESSAGE)}",
        )
    finally:
        _left.reset(token)
    return None if error is None else (_path(error), f"does not fit: {_message(error)}")


class _TooLong(Exception):
    """A check has applied as many keywords as it may."""


def _without_dialect(schema: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in schema.items() if name != "$schema"}


def _counted(keyword: Keyword) -> Keyword:
    def apply(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = _left.get()
        left[0] -= 1
        if left[0] < 0:
            raise _TooLong
        return keyword(validator, value, instance, schema) or iter(())

    return apply


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and _compiled(pattern).search(instance) is None:
        yield ValidationError(f"{safe_repr(instance)} does not match {safe_repr(pattern)}")


def _unique_items(_: Any, unique: object, instance: Any, __: Any) -> Iterator[ValidationError]:
    # The one of jsonschema takes quadratic time if the items cannot be sorted.
    if unique and isinstance(instance, list) and len({*map(_key, instance)}) < len(instance):
        yield ValidationError("has two items that are equal")


def _key(value: object) -> Hashable:
    """Return a key that is equal for equal JSON values: 1 equals 1.0, but not true."""
    if isinstance(value, dict):
        return "object", frozenset((name, _key(each)) for name, each in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_key, value))
    return ("boolean", value) if isinstance(value, bool) else ("plain", value)


_KEYWORDS: dict[str, Keyword] = {
    **Draft202012Validator.VALIDATORS,
    "pattern": _pattern,
    "uniqueItems": _unique_items,
}
_Bounded = extend(
    Draft202012Validator, {name: _counted(keyword) for name, keyword in _KEYWORDS.items()}
)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _problems(schema: Mapping[str, object]) -> Iterator[str]:
    """Yield what is not supported here of a valid schema."""
    if schema.get("$schema", DIALECT) != DIALECT:
        yield f"is of another dialect; leave $schema out, or say {DIALECT}"
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for keyword, value in _members(_without_dialect(schema)):
        match keyword, value:
            case "$schema", str() | list():  # a property of this name has another type
                yield "has a $schema within; say it once, at the top"
            case "$id", str():
                yield "has an $id; it is read alone, so leave that out"
            case "$ref" | "$dynamicRef", str():
                yield from _problems_of_reference(value, resolver)
            case "patternProperties", _:
                yield "has patternProperties, which are not supported; name the properties"
            case "pattern", str():
                yield from _problems_of_pattern(value)


def _problems_of_reference(named: str, resolver: Any) -> Iterator[str]:
    if not named.startswith("#"):
        yield f"refers to {safe_repr(named)}; it may refer to itself alone, as #/$defs/name"
        return
    try:
        Draft202012Validator.check_schema(resolver.lookup(named).contents)
    except Unresolvable:
        yield f"refers to {safe_repr(named)}, which is not in it"
    except SchemaError:
        yield f"refers to {safe_repr(named)}, which is no schema"


def _problems_of_pattern(pattern: str) -> Iterator[str]:
    try:
        _compiled(pattern)
    except re2.error as error:
        yield f"has the pattern {safe_repr(pattern)}, which RE2 does not take: {error}"


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Yield each key of a JSON value with its value, at any depth."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield key, each
            yield from _members(each)
    elif isinstance(value, list):
        for each in value:
            yield from _members(each)


def _path(error: ValidationError | SchemaError) -> str:
    path = ""
    for each in error.absolute_path:
        path = f"{path}[{each}]" if isinstance(each, int) else child_path(path, each)
    return path


def _message(error: ValidationError | SchemaError) -> str:
    return visible_line(error.message, MAX_MESSAGE)
