"""The form fields in which a person edits a JSON object, and the object that a sent form means.

A property gets a field of its own only if the field is exact: the text that it shows reads back as
the very value that was proposed. So a form that nobody edited approves what was proposed, down to
the last digit. Everything else is edited as JSON: a single property, or the object as a whole.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Any, Literal

import attrs

from scoria_core.errors import InvalidPayload
from scoria_core.payloads import child_path, compact, parsed
from scoria_core.visible import visible_block, visible_line
from scoria_web.display import brief, pretty

MOST_FIELDS = 50
"""The most properties with fields of their own; a larger object is edited as JSON as a whole."""

MOST_CHOICES = 100
"""The most values to choose from; a property with more is edited as JSON."""

LONG_LINE = 80
"""The most characters of a text with a one-line field; a longer text gets several lines."""

NUMBER = r"[+\-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+\-]?[0-9]+)?"
"""A number as people write one, for this module and for the browser's own check."""

_NUMBER = re.compile(NUMBER)
_WHOLE = re.compile(r"[+\-]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# A schema with one of these may require more than its `properties` say, so it gets no fields.
_COMBINED = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas"}
)

Kind = Literal["line", "text", "lines", "number", "date", "choice", "json"]


class Nothing(Enum):
    """The meaning of an empty field, if it is not a value."""

    LEFT_OUT = "the object does not have the property"
    MISSING = "the property has to be filled in"


@attrs.frozen
class Field:
    """A form field for one property of an object, or without a `key` for the whole object.

    `name` is its name in the form, `path` the name of its value in errors, and `empty` its meaning
    when it is empty. `choices` has the JSON of each value to choose from, with the words for it.
    """

    name: str
    path: str
    key: str | None
    kind: Kind
    text: str
    empty: object
    label: str = "All of it"
    hints: tuple[str, ...] = ()
    inputmode: str | None = None
    choices: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def is_required(self) -> bool:
        """Whether the field must be filled in."""
        return self.empty is Nothing.MISSING

    @property
    def called(self) -> str:
        """The key, in quotation marks if it is blank; without a key, the label."""
        if self.key is None:
            return self.label
        return self.key if self.key.strip() else json.dumps(self.key)

    @property
    def blank(self) -> str | None:
        """The words for choosing nothing, or None if the field does not offer that."""
        words: dict[object, str] = {
            Nothing.LEFT_OUT: "(left out)",
            Nothing.MISSING: "Choose…",
            None: "null",
        }
        is_offered = not self.text or self.empty is Nothing.LEFT_OUT or self.empty is None
        return words[self.empty] if is_offered else None

    @property
    def is_optional(self) -> bool:
        """Whether the property is left out if the field is empty."""
        return self.empty is Nothing.LEFT_OUT

    @property
    def pattern(self) -> str | None:
        """The pattern that a browser checks before it sends the form, or None."""
        return NUMBER if self.kind == "number" else None

    def concerns(self, path: str) -> bool:
        """Tell whether an error at `path` is about this field."""
        return path == self.path or path.startswith((f"{self.path}.", f"{self.path}["))

    def input_type(self, text: str) -> str:
        """Return the input type for `text`; a date input would drop a text that is no date."""
        return "date" if self.kind == "date" and (not text or _is_date(text)) else "text"

    def read(self, text: str) -> Any:
        """Return the value that was written, or `Nothing.LEFT_OUT`; raises `InvalidPayload`."""
        text = text.replace("\r\n", "\n")  # a browser sends each line break as CR LF
        if not text:
            if self.is_required:
                raise InvalidPayload(self.path, "is missing; fill it in")
            return self.empty
        match self.kind:
            case "number":
                return _number(text.strip(), self.path)
            case "lines":
                return [line for line in text.split("\n") if line]
            case "json":
                return _json(text, self.path)
            case "choice":
                if text not in self.choices:
                    raise InvalidPayload(self.path, "is none of the values to choose from")
                return json.loads(text)
        return text


def fields_of(
    name: str,
    schema: Mapping[str, Any] | Literal[True],
    proposed: Mapping[str, Any] | None,
    *,
    as_json: bool = False,
) -> tuple[Field, ...]:
    """Return the fields for an object that must fit `schema`; True fits any object.

    The fields show the `proposed` values or, if nothing is proposed, the defaults of the schema. If
    the schema does not describe a proposed property, the type of its value picks the field. There
    is only one field, for the whole object in JSON, if `as_json`, if the schema says more than its
    properties do, if there are no properties or too many, or if each would be edited as JSON.
    """
    if schema is True:
        schema = {"required": list(proposed or ())}
    text = "" if proposed is None else editable(proposed)
    whole = (Field(name, name, None, "json", text, Nothing.MISSING),)
    if as_json or not _COMBINED.isdisjoint(schema) or schema.get("type", "object") != "object":
        return whole
    said = _mapping(schema.get("properties"))
    required = {key for key in _sequence(schema.get("required")) if isinstance(key, str)}
    keys = list(dict.fromkeys([*said, *(proposed or ()), *sorted(required)]))
    if len(keys) > MOST_FIELDS:
        return whole
    fields = tuple(
        _field(
            Field(f"{name}-{number}", child_path(name, key), key, "json", "", Nothing.LEFT_OUT),
            _mapping(said.get(key)),
            Nothing.LEFT_OUT if proposed is None else proposed.get(key, Nothing.LEFT_OUT),
            is_required=key in required,
            is_proposed=proposed is not None,
        )
        for number, key in enumerate(keys)
    )
    return fields if any(field.kind != "json" for field in fields) else whole


def object_of(fields: Sequence[Field], sent: Mapping[str, str]) -> Any:
    """Return the object that a sent form means, or None if it has none of these fields.

    Raises `InvalidPayload` with the path of the first field that cannot be read.
    """
    if not any(field.name in sent for field in fields):
        return None
    found = {}
    for field in fields:
        if field.name not in sent:
            raise InvalidPayload(field.path, "was not sent; open the request again")
        value = field.read(sent[field.name])
        if field.key is None:
            return value
        if value is not Nothing.LEFT_OUT:
            found[field.key] = value
    return found


def editable(value: object) -> str:
    """Return a JSON value as text to edit, with invisible characters as JSON escapes."""
    return visible_block(pretty(value))


def _field(
    blank: Field, schema: Mapping[str, Any], value: Any, *, is_required: bool, is_proposed: bool
) -> Field:
    schema, is_nullable = _without_null(schema)
    if value is Nothing.LEFT_OUT and not is_proposed:
        value = schema.get("default", value)
    kind, choices = _kind(schema, value)
    title = schema.get("title")
    field = attrs.evolve(
        blank,
        kind=kind,
        text=_shown(kind, value, choices),
        label=title if isinstance(title, str) and title.strip() else blank.called,
        hints=tuple(_hints(schema, kind, value)),
        inputmode=_inputmode(schema, kind),
        choices={json.dumps(each): _words(each) for each in choices},
    )
    empty = _empty(field, value, is_required, is_nullable, is_proposed)
    if empty is None and kind != "choice":
        field = attrs.evolve(field, hints=(*field.hints, "Left empty, it is null."))
    field = attrs.evolve(field, empty=empty)
    is_unsaid = value is Nothing.LEFT_OUT or not (is_proposed or field.text)
    if is_unsaid or _says(field, value):
        return field
    # This field would not read back as the proposed value: edit the value as JSON instead.
    return attrs.evolve(field, kind="json", text=editable(value), choices={}, inputmode=None)


def _says(field: Field, value: object) -> bool:
    """Tell whether the unedited field reads back as exactly `value`, and all of it is visible."""
    try:
        said = field.read(field.text)
    except InvalidPayload:
        return False
    if said is Nothing.LEFT_OUT or visible_block(field.text) != field.text:
        return False
    return compact(said) == compact(value)


def _empty(
    field: Field, value: object, is_required: bool, is_nullable: bool, is_proposed: bool
) -> object:
    """Return the meaning of an empty field: the proposed value, if that is shown as empty."""
    if is_proposed and not field.text:
        return value
    if not is_required:
        return Nothing.LEFT_OUT
    if is_nullable:
        return None
    if is_proposed and field.kind in {"line", "text"}:
        return ""
    return [] if is_proposed and field.kind == "lines" else Nothing.MISSING


def _without_null(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return what a schema says of a value that is not null, and whether null fits it as well."""
    types, branches = schema.get("type"), _sequence(schema.get("anyOf"))
    if isinstance(types, list) and len(types) == 2 and "null" in types:
        (other,) = [each for each in types if each != "null"] or [None]
        return {**schema, "type": other}, True
    if len(branches) == 2 and {"type": "null"} in branches:
        other = _mapping(branches[branches[0] == {"type": "null"}])
        return {**other, **{name: schema[name] for name in schema if name != "anyOf"}}, True
    return schema, types == "null"


def _kind(schema: Mapping[str, Any], value: object) -> tuple[Kind, Sequence[object]]:
    """Return the kind of field for a property, and the values to choose from."""
    if not _COMBINED.isdisjoint(schema):
        return "json", ()
    choices = [schema["const"]] if "const" in schema else _sequence(schema.get("enum"))
    if choices:
        is_plain = all(not isinstance(each, dict | list) for each in choices)
        return ("choice", choices) if is_plain and len(choices) <= MOST_CHOICES else ("json", ())
    match schema.get("type", _type_of(value)):
        case "boolean":
            return "choice", (True, False)
        case "integer" | "number":
            return "number", ()
        case "string":
            return _kind_of_text(schema, value), ()
        case "array" if _is_of_texts(_mapping(schema.get("items")), value):
            return "lines", ()
    return "json", ()


def _kind_of_text(schema: Mapping[str, Any], value: object) -> Kind:
    length, form = schema.get("maxLength"), schema.get("format")
    is_short = form is not None or (isinstance(length, int) and length <= LONG_LINE)
    if isinstance(value, str):
        is_short = "\n" not in value and len(value) <= LONG_LINE
    if not is_short:
        return "text"
    return "date" if form == "date" else "line"


def _is_of_texts(items: Mapping[str, Any], value: object) -> bool:
    if items:
        return items.get("type") == "string" and _COMBINED.isdisjoint(items)
    return isinstance(value, list) and _type_of(value) == "array"


def _type_of(value: object) -> str | None:
    """Return the type of a value that a field can show, or None."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case [*items] if items and all(isinstance(each, str) for each in items):
            return "array"
    return None


def _shown(kind: Kind, value: Any, choices: Sequence[object]) -> str:
    match kind, value:
        case _, Nothing():
            return ""
        case "choice", None if None not in choices:
            return ""
        case "choice", _:
            return json.dumps(value)
        case "json", _:
            return editable(value)
        case _, None:
            return ""
        case "lines", [*items]:
            return "\n".join(map(str, items))
        case "line" | "text" | "date", str():
            return value
    return compact(value)


def _words(value: object) -> str:
    """Return the words for a choice: one line that is never blank."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    named = isinstance(value, str) and value.strip()
    return visible_line(value if named else json.dumps(value, ensure_ascii=False))


def _hints(schema: Mapping[str, Any], kind: Kind, value: object) -> Iterable[str]:
    if isinstance(schema.get("description"), str):
        yield schema["description"]
    if kind == "number":
        limits = {"minimum": "At least", "maximum": "At most"}
        limits |= {"exclusiveMinimum": "More than", "exclusiveMaximum": "Less than"}
        yield from (f"{word} {brief(schema[x])}." for x, word in limits.items() if x in schema)
    if kind in {"line", "text"} and "maxLength" in schema:
        yield f"At most {brief(schema['maxLength'])} characters."
    if kind == "lines":
        yield "One on each line."
    if schema.get("format") == "date-time":
        yield "As 2026-01-31T09:30:00Z."
    if value is Nothing.LEFT_OUT and "default" in schema:
        yield f"Without it: {brief(schema['default'])}."


def _inputmode(schema: Mapping[str, Any], kind: Kind) -> str | None:
    """Return the keyboard that a phone shows, if any; its number keyboard may lack the minus."""
    if kind == "line" and schema.get("format") == "email":
        return "email"
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    if kind != "number" or not isinstance(least, int | float) or least < 0:
        return None
    return "numeric" if schema.get("type") == "integer" else "decimal"


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _number(text: str, path: str) -> int | float:
    try:
        if _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
    except ValueError as error:  # int() refuses too many digits
        raise InvalidPayload(path, "is too long a number") from error
    raise InvalidPayload(path, "is no number; write one as 1250 or 12.50")


def _json(text: str, path: str) -> Any:
    try:
        return parsed(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload(path, f"is no JSON: {error}") from error


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
