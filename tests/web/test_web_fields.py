"""The fields that a JSON Schema becomes, and that what nobody touched says what was proposed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoria_conformance.forms import forms_of
from scoria_core.errors import InvalidPayload
from scoria_core.payloads import compact
from scoria_web.display import environment
from scoria_web.fields import (
    LONG_LINE,
    MOST_CHOICES,
    MOST_FIELDS,
    Field,
    fields_of,
    object_of,
)

TEMPLATE = (
    '{% from "fields.html" import fieldset %}<form>{{ fieldset("All", fields, page) }}</form>'
)


@attrs.frozen
class Page:
    """What the fields ask of the page that they are on."""

    wrong: Field | None = None
    problem: str = ""

    def shown(self, field: Field) -> str:
        """Return what is in a field that nobody touched."""
        return field.text


def markup(fields: Sequence[Field], page: Page | None = None) -> str:
    """Return the fields as the page shows them."""
    template = environment().from_string(TEMPLATE)
    return template.render(fields=fields, page=page or Page())


def opened(fields: Sequence[Field]) -> dict[str, str]:
    """Return what a browser sends of fields that nobody touched."""
    (form,) = forms_of(markup(fields))
    kinds = {field.name: field.kind for field in fields}
    return {
        # Of an input it sends one line, of a textarea lines that end as those of HTTP do.
        name: text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
        if kinds[name] in {"text", "lines", "json"}
        else text.replace("\r", "").replace("\n", "")
        for name, text in form.fields
    }


def one(schema: Any, value: Any = None, *, is_required: bool = False) -> Field:
    """Return the field of a property, where others have one as well."""
    proposed = None if value is None else {"a": value, "z": "z"}
    properties = {"a": schema, "z": {"type": "string"}}
    required = ["a"] if is_required else []
    return fields_of("it", {"properties": properties, "required": required}, proposed)[0]


def said(schema: Any, *texts: str, value: Any = None, is_required: bool = False) -> list[Any]:
    """Return what each text says in the field of a property, and None where it is refused."""
    field = one(schema, value, is_required=is_required)
    found = []
    for text in texts:
        try:
            found.append(field.read(text))
        except InvalidPayload:
            found.append(None)
    return found


TEXTS = st.text(max_size=20) | st.sampled_from(
    ["", "\n", "a\n", "\na", "a\r\nb", "a\u200bb", "1", "null", "2026-01-31", "2026-02-30\n", " a "]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1, 1.0, 0, -0.0, 2**53 + 1, -(2**14_000) + 1, 1e22, 5e-324])
    | TEXTS
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(TEXTS, SCALARS, max_size=2)
TYPES = st.sampled_from(
    ["string", "integer", "number", "boolean", "null", "array", "object", ["string", "null"], "any"]
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES,
        "format": st.sampled_from(["date", "date-time", "email", "other"]),
        "enum": st.lists(VALUES, max_size=4),
        "const": VALUES,
        "items": st.sampled_from([{}, {"type": "string"}, {"type": "number"}, {"oneOf": [{}]}]),
        "anyOf": st.sampled_from([[{"type": "string"}, {"type": "null"}], [{"enum": [1]}]]),
        "default": VALUES,
        "title": TEXTS,
        "description": TEXTS,
        "maxLength": st.integers(0, 200),
        "minimum": st.integers(-5, 5),
    },
)
KEYS = TEXTS | st.sampled_from("abc")
SCHEMAS = st.fixed_dictionaries(
    {"properties": st.dictionaries(KEYS, PROPERTIES, max_size=4)},
    optional={"required": st.lists(KEYS, max_size=3), "additionalProperties": st.booleans()},
)
SETTINGS = settings(max_examples=300, deadline=None, derandomize=True)


@SETTINGS
@given(schema=st.just(True) | SCHEMAS, proposed=st.dictionaries(KEYS, VALUES, max_size=5))
@example(schema=True, proposed={"f": 1.0, "i": 10**300, "e": "", "n": None, "l": [""], "o": {}})
@example(schema={"properties": {"a": {"type": "string", "format": "date"}}}, proposed={"a": "x\n"})
def test_what_nobody_touches_is_what_was_proposed(
    schema: dict[str, Any], proposed: dict[str, Any]
) -> None:
    """To the digit, whether it fits the schema or not, and by way of a browser."""
    fields = fields_of("arguments", schema, proposed)
    found = object_of(fields, opened(fields))
    assert json.dumps(found, sort_keys=True) == json.dumps(proposed, sort_keys=True)
    assert not any(field.is_required and not field.text for field in fields)


@SETTINGS
@given(schema=SCHEMAS, name=st.sampled_from(["line", "text"]), text=TEXTS)
def test_an_answer_is_made_of_what_was_filled_in(
    schema: dict[str, Any], name: str, text: str
) -> None:
    """A field for each property that is declared or required; what was left empty is left out."""
    fields = fields_of("answer", schema, None)
    sent = {field.name: text if field.kind == name else "" for field in fields}
    needed = {field.key for field in fields if field.is_required and not sent[field.name]}
    if needed:
        with pytest.raises(InvalidPayload, match="is missing"):
            object_of(fields, sent)
        return
    found = object_of(fields, sent)
    filled = {field.key for field in fields if sent[field.name] or field.empty is None}
    assert set(found) == filled
    for field in fields:
        assert not sent[field.name] or found[field.key] == text.replace("\r\n", "\n")


FIELDS: dict[str, tuple[Any, Any, str, str]] = {
    "a text of one line": ({"type": "string"}, "A-17", "line", "A-17"),
    "a text of two": ({"type": "string"}, "a\nb", "text", "a\nb"),
    "a long text": ({"type": "string"}, "a" * (LONG_LINE + 1), "text", "a" * (LONG_LINE + 1)),
    "what is not seen": ({"type": "string"}, "a\u200b", "json", '"a\\u200b"'),
    "a carriage return": ({"type": "string"}, "a\rb", "json", '"a\\rb"'),
    "another type": ({"type": "string"}, 5, "json", "5"),
    "a whole number": ({"type": "integer"}, 10**30, "number", str(10**30)),
    "a whole float": ({"type": "integer"}, 1.0, "number", "1.0"),
    "a number": ({"type": "number"}, -0.0, "number", "-0.0"),
    "true for a number": ({"type": "number"}, True, "json", "true"),
    "true": ({"type": "boolean"}, True, "choice", "true"),
    "1 for true": ({"type": "boolean"}, 1, "json", "1"),
    "a choice": ({"enum": ["a", 1, None]}, 1, "choice", "1"),
    "no choice": ({"enum": ["a", 1]}, 1.0, "json", "1.0"),
    "a choice of objects": ({"enum": ["a", {}]}, "a", "json", '"a"'),
    "a constant": ({"const": "a"}, "a", "choice", '"a"'),
    "a day": ({"type": "string", "format": "date"}, "2026-01-31", "date", "2026-01-31"),
    "lines": (
        {"type": "array", "items": {"type": "string"}},
        ["a", " b"],
        "lines",
        "a\n b",
    ),
    "a line that is empty": (
        {"type": "array", "items": {"type": "string"}},
        ["a", ""],
        "json",
        '[\n  "a",\n  ""\n]',
    ),
    "other items": ({"type": "array", "items": {"type": "integer"}}, [1], "json", "[\n  1\n]"),
    "an object": ({"type": "object"}, {"b": 1}, "json", '{\n  "b": 1\n}'),
    "two types": ({"type": ["string", "integer"]}, "a", "json", '"a"'),
    "null or a text": ({"type": ["null", "string"]}, "a", "line", "a"),
    "an optional text": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "a", "line", "a"),
    "a reference": ({"$ref": "#/$defs/x"}, "a", "json", '"a"'),
    "what is combined": ({"type": "string", "not": {"const": "b"}}, "a", "json", '"a"'),
    "what is not said": ({}, 1.5, "number", "1.5"),
    "anything": (True, ["a"], "lines", "a"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_property_has_the_field_that_can_say_it(name: str) -> None:
    """And JSON where none can."""
    schema, value, kind, text = FIELDS[name]
    field = one(schema, value)
    assert (field.kind, field.text) == (kind, text)
    assert compact(field.read(text)) == compact(value)


def test_a_number_is_read_as_people_write_it() -> None:
    """Whole ones exactly, others as floats; no other number is guessed."""
    texts = ["5", " +05 ", "5.", ".5", "-1e3", str(2**70)]
    assert said({"type": "number"}, *texts) == [5, 5, 5.0, 0.5, -1000.0, 2**70]
    wrong = ["1,250", "1_0", "nan", "0x1", "\u0665", "1 2", "-", "9" * 5_000, " "]
    assert said({"type": "number"}, *wrong) == [None] * len(wrong)


def test_an_empty_field_says_what_it_said() -> None:
    """And once it is emptied, the least that can be meant."""
    text, number = {"type": "string"}, {"type": "number"}
    assert one(text, "").read("") == ""
    assert fields_of("it", {"properties": {"a": text}}, {"a": None})[0].read("") is None
    assert one(text, "a").read("").name == "LEFT_OUT"
    assert said(text, "", value="a", is_required=True) == [""]
    assert said(number, "", value=1, is_required=True) == [None]
    assert said({"type": "array", "items": text}, "", value=["a"], is_required=True) == [[]]
    for required in ([], ["b"]):
        schema = {"properties": {"a": text, "b": text}, "required": required}
        fields = fields_of("it", schema, {"a": "x"})
        assert object_of(fields, {"it-0": "x", "it-1": ""}) == {"a": "x"}


def test_an_answer_is_asked_for_with_what_is_usual() -> None:
    """Defaults are filled in where nothing is proposed, and told where something is."""
    schema = {"type": "integer", "default": 0, "minimum": 0, "title": "Days"}
    assert one(schema).text == "0"
    proposed = fields_of("it", {"properties": {"a": schema, "b": {}}}, {"b": "x"})[0]
    assert (proposed.text, proposed.hints) == ("", ("At least 0.", "Without it: 0."))
    assert (proposed.label, proposed.inputmode) == ("Days", "numeric")
    assert one({"type": ["string", "null"], "default": None}).read("").name == "LEFT_OUT"
    assert one({"type": "string", "default": 5}).kind == "json"


def test_a_field_is_called_by_its_title_and_its_key() -> None:
    """By something that is seen, whatever the key is; an empty one that is null says so."""
    titled = markup(fields_of("it", {"properties": {"amount": {"title": "Sum"}}}, {"amount": 1}))
    assert 'for="it-0">Sum <code>amount</code>' in titled
    fields = fields_of("it", True, {"amount": 1, " ": "", "": "", "a\u200b": ""})
    called = [field.called for field in fields]
    assert called == ["amount", '" "', '""', "a\u200b"]
    assert [field.label for field in fields] == called
    assert "<code>" not in markup(fields)
    null = fields_of("it", {"properties": {"a": {"type": "string"}}}, {"a": None})
    assert null[0].hints == ("Left empty, it is null.",)


def test_a_choice_can_be_none_where_none_is_meant() -> None:
    """Of an answer that is required, one has to be made."""
    ok = {"type": "boolean"}
    assert one(ok).blank == "(left out)"
    assert (one(ok, is_required=True).blank, one(ok, is_required=True).is_required) == (
        "Choose…",
        True,
    )
    assert one(ok, value=True, is_required=True).blank is None
    optional = {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}
    assert one(optional, value="a", is_required=True).blank == "null"
    assert said(ok, "true", "yes", "", is_required=True) == [True, None, None]
    assert one({"enum": ["a", 1, "", None, "\u200b"]}).choices == {
        '"a"': "a",
        "1": "1",
        '""': '""',
        "null": "null",
        '"\\u200b"': "\\u200b",
    }


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": {}},
        {"properties": {f"p{i}": {"type": "string"} for i in range(10_000)}},
        {"properties": {f"p{i}": {"type": "string"} for i in range(MOST_FIELDS + 1)}},
        {"properties": {"a": {"type": "string"}}, "oneOf": [{}]},
        {"properties": {"a": {"type": "string"}}, "$ref": "#"},
        {"properties": {"a": {"type": "object"}, "b": {"enum": list(range(MOST_CHOICES + 1))}}},
        {"properties": 5, "required": 5, "type": "object"},
        {"type": ["object", "null"], "properties": {"a": {"type": "string"}}},
    ],
)
def test_what_is_no_form_is_json_as_a_whole(schema: dict[str, Any]) -> None:
    """In a field that is called as the whole is, and never left empty."""
    proposed = {"o": {"deep": [1.0]}}
    (field,) = fields_of("arguments", schema, proposed)
    assert (field.name, field.path, field.key, field.kind) == (
        "arguments",
        "arguments",
        None,
        "json",
    )
    assert object_of([field], opened([field])) == proposed
    for text in ("", "{", "[" * 100_000, '{"a": NaN}', '{"a": 1, "a": 2}'):
        with pytest.raises(InvalidPayload, match=r"^arguments is "):
            object_of([field], {"arguments": text})


def test_what_is_proposed_beside_the_schema_has_a_field() -> None:
    """So has what the schema requires and does not declare; nothing is dropped."""
    schema = {"properties": {"a": {"type": "string"}}, "required": ["c"]}
    fields = fields_of("it", schema, {"a": "x", "b": [{}]})
    assert [field.key for field in fields] == ["a", "b", "c"]
    assert object_of(fields, opened(fields)) == {"a": "x", "b": [{}]}


def test_a_form_is_sent_as_a_whole() -> None:
    """Of what is sent in part nothing is guessed, and of what is not sent nothing is said."""
    fields = fields_of("it", True, {"a": "x", "b": "y"})
    assert object_of(fields, {"other": "x"}) is None
    with pytest.raises(InvalidPayload, match=r"^it\.b was not sent"):
        object_of(fields, {"it-0": "x"})


def test_an_error_is_that_of_the_field_it_is_in() -> None:
    """Of a property with a longer name it is not."""
    field = one({"type": "array", "items": {"type": "string"}}, ["x"])
    assert all(map(field.concerns, ["it.a", "it.a[0]", "it.a.b"]))
    assert not any(map(field.concerns, ["", "it", "it.ab", "its.a"]))


HOSTILE = '</textarea></select><script>alert(1)</script>" autofocus x="\u202e'


@pytest.mark.parametrize(
    "schema",
    [{"type": "string", "description": HOSTILE, "title": HOSTILE}, {"enum": [HOSTILE, "b"]}],
)
def test_what_a_model_wrote_is_text(schema: Mapping[str, Any]) -> None:
    """Its names, titles, hints, choices and values: escaped, and all of it seen."""
    properties = {HOSTILE: schema, "b": schema}
    fields = fields_of("it", {"properties": properties}, {HOSTILE: HOSTILE, "b": "b"})
    shown = markup(fields, Page(fields[0], HOSTILE))
    (form,) = forms_of(shown)
    assert [name for name, _ in form.fields] == ["it-0", "it-1"]
    assert not any(each in shown for each in ("<script", '" autofocus x', "\u202e"))
    assert shown.count("\\u202e") >= 3


def test_a_problem_is_told_beside_its_field() -> None:
    """Which is named as wrong, described by it and by its hints, and begins with the cursor."""
    schema = {"properties": {"a": {"type": "integer", "maximum": 5}, "b": {"type": "boolean"}}}
    fields = fields_of("it", schema, {"a": 9, "b": True})
    shown = markup(fields, Page(fields[0], "is too much"))
    assert 'id="it-0-problem"' in shown
    assert 'aria-describedby="it-0-problem it-0-hint" aria-invalid="true" autofocus' in shown
    assert (shown.count("aria-invalid"), shown.count("autofocus")) == (1, 1)
    assert "aria-describedby" not in markup(fields[1:])


@pytest.mark.parametrize(
    ("text", "type_"),
    [("", "date"), ("2026-01-31", "date"), ("2026-02-30", "text"), ("20260131", "text")],
)
def test_a_day_that_is_none_is_kept_as_it_was_written(text: str, type_: str) -> None:
    """A browser would show nothing of it."""
    field = one({"type": "string", "format": "date"})
    assert field.input_type(text) == type_
