"""What a person may edit or answer, as a JSON Schema that a model may have written to do harm."""

import time
from typing import Any

import pytest

from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_core.errors import InvalidPayload
from scoria_core.schemas import InstalledSchemas
from scoria_memory import MemoryStore
from scoria_schema import JsonSchemas

AMOUNT: dict[str, Any] = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "maximum": 100}},
    "required": ["amount"],
}


def _doubling(levels: int) -> dict[str, Any]:
    """Return a small schema whose check doubles at each level."""
    rule = {f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**rule, f"n{levels}": {}}, "$ref": "#/$defs/n0"}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "objekt"}, "is no JSON Schema 2020-12: at .type"),
        ({"properties": []}, "is no JSON Schema 2020-12: at .properties"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "is of another dialect"),
        ({"$ref": "https://example.org/a.json"}, "it may refer to itself alone"),
        ({"$ref": "file:///etc/passwd"}, "it may refer to itself alone"),
        ({"items": {"$dynamicRef": "other.json"}}, "it may refer to itself alone"),
        ({"$ref": "#/$defs/missing"}, "which is not in it"),
        ({"$ref": "#/x", "x": {"type": 5}}, "which is no schema"),
        ({"items": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "a $schema within"),
        ({"$ref": "#"}, "takes too long"),
        (_doubling(60), "takes too long"),
        ({"$id": "https://example.org/"}, "has an $id"),
        ({"pattern": "(?=a)"}, "which RE2 does not take"),
        ({"not": {"patternProperties": {"a+": {}}}}, "patternProperties, which are not supported"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_reason(
    schema: dict[str, Any], told: str
) -> None:
    """One line says what is wrong."""
    problem = JsonSchemas().problem_of(schema)
    assert problem is not None
    assert told in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    "schema",
    [
        {},
        AMOUNT,
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **AMOUNT},
        {"$anchor": "a", "properties": {"n": {"$ref": "#a"}}},
        {"properties": {"$schema": {"type": "string"}}},
    ],
)
def test_a_schema_that_can_be_used_has_no_problem(schema: dict[str, Any]) -> None:
    """Nothing is said of it."""
    assert JsonSchemas().problem_of(schema) is None


@pytest.mark.parametrize(
    ("value", "where", "told"),
    [
        ({"amount": 101}, ".amount", "101 is greater than the maximum of 100"),
        ({"amount": "1"}, ".amount", "'1' is not of type 'integer'"),
        ({}, "", "'amount' is a required property"),
    ],
)
def test_a_value_that_does_not_fit_is_told_where_and_why(
    value: dict[str, Any], where: str, told: str
) -> None:
    """The path is that of the value, and not of the schema."""
    assert JsonSchemas().mismatch(AMOUNT, value) == (where, f"does not fit: {told}")
    assert JsonSchemas().mismatch(AMOUNT, {"amount": 100}) is None


HARM: dict[str, tuple[dict[str, Any], Any]] = {
    "a pattern that backtracks": (
        {"properties": {"a": {"pattern": "^(a+)+$"}}},
        {"a": "a" * 50_000 + "!"},
    ),
    "a check that doubles": (
        {"properties": {"a": {"$ref": "#/$defs/n0"}}, "$defs": _doubling(60)["$defs"]},
        {"a": 1},
    ),
    "items that cannot be sorted": (
        {"properties": {"a": {"uniqueItems": True}}},
        {"a": [*range(20_000), *map(str, range(20_000)), 1]},
    ),
    "a list of all of it": (
        {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        [[]] * 60_000,
    ),
}


@pytest.mark.parametrize("name", HARM)
def test_no_schema_hangs_the_process(name: str) -> None:
    """Each is judged, or given up, within seconds; without a bound most would take for ever."""
    schema, value = HARM[name]
    assert JsonSchemas().problem_of(schema) is None
    began = time.process_time()
    JsonSchemas().mismatch(schema, value)
    assert time.process_time() - began < 20


def test_a_large_answer_that_fits_is_no_harm() -> None:
    """As many items as a payload can have, each held to two rules."""
    schema = {"properties": {"a": {"items": {"type": "integer", "minimum": 0}}}}
    assert JsonSchemas().mismatch(schema, {"a": [1] * 120_000}) is None


def test_what_cannot_be_reckoned_with_does_not_fit() -> None:
    """A number beyond all floats is told as that, and not raised as an error of arithmetic."""
    where, told = JsonSchemas().mismatch({"multipleOf": 0.5}, 10**400) or ("", "")
    assert (where, told.partition(":")[0]) == ("", "cannot be checked against its schema")


def test_equal_items_are_those_of_json() -> None:
    """1 and 1.0 are one number; 1 and true, or "1", are not."""
    unique = {"uniqueItems": True}
    for same in ([1, 1.0], [{"a": [1]}, {"a": [1.0]}], [None, None]):
        assert JsonSchemas().mismatch(unique, same) == (
            "",
            "does not fit: has two items that are equal",
        )
    assert JsonSchemas().mismatch(unique, [1, True, "1", 0, False, None, [], {}]) is None


def test_without_the_extra_a_schema_is_refused_naming_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step fails at once; a request without a schema needs no extra."""
    monkeypatch.setattr("scoria_core.schemas.installed", lambda _: ())
    assert "pip install 'scoria-kit[schema]'" in str(InstalledSchemas().problem_of({}))
    with pytest.raises(InvalidPayload, match=r"scoria-kit\[schema\]"):
        InstalledSchemas().mismatch({}, {})
    asks = NeedsApproval(tool_name="send", arguments={}, reason="out", answer_schema={})
    scoria = Scoria(MemoryStore(), handlers={"ask": lambda *_: asks})
    who = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    run = scoria.start_run(who, root_role_id="root", initial_step=StepSpec("ask", "root"))
    assert run.status == "failed"
    assert "answer_schema needs the extra" in str(run.error)
