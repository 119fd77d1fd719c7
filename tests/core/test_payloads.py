"""What a host hands over comes back equal on every store, or is refused before it is written."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scoria_core import (
    Completed,
    Failed,
    Handlers,
    HandOff,
    Identity,
    NeedsApproval,
    Outcome,
    RunDetail,
    Scoria,
    StepSpec,
)
from scoria_core.errors import InvalidPayload
from scoria_core.payloads import MAX_BYTES, MAX_DEPTH, MAX_INT_BITS, checked_payload, digest

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
PAYLOADS = st.dictionaries(TEXT, VALUES, max_size=5)

# A projected context may not have every key; these have none that is refused.
CONTEXTS = st.dictionaries(st.sampled_from(["b", "a", "ü", "🌋", ""]), LEAVES, max_size=5)


def as_json(value: object) -> str:
    """Return a text that tells apart what Python calls equal: 1, 1.0, True, key order."""
    return json.dumps(value, ensure_ascii=False)


def nested(depth: int, kind: type = dict) -> dict[str, Any]:
    """Return an object whose innermost container is at this depth."""
    inner: Any = kind()
    for _ in range(depth - 2):
        inner = {"a": inner} if kind is dict else [inner]
    return {"a": inner}


def carried(scoria: Scoria, payload: dict[str, Any], context: dict[str, Any]) -> RunDetail:
    """Take `payload` through every place that holds one, and return the run as it is read."""
    outcomes: Iterator[Outcome] = iter(
        [
            NeedsApproval(tool_name="send", arguments=payload, reason="goes out"),
            HandOff(
                delegated_role_id="critic",
                delegated_kind="fails",
                handoff_input=payload,
                projected_context=context,
            ),
        ]
    )
    handlers: Handlers = {
        "asks": lambda *_: next(outcomes),
        "fails": lambda *_: Failed("no", payload),
        "done": lambda *_: Completed(payload),
    }
    run = scoria.start_run(
        Identity("user-1", "acme", "session-1", payload),
        root_role_id="planner",
        initial_step=StepSpec("done", "planner", payload),
        metadata=payload,
    )
    scoria.add_step(run.run_id, StepSpec("asks", "planner"), handlers=handlers)
    approval = scoria.get_run(run.run_id).pending_approval
    assert approval is not None
    scoria.approve(run.run_id, approval_id=approval.approval_id, decided_by="reviewer-7")
    scoria.resume_run(run.run_id, handlers=handlers)
    return scoria.get_run_detail(run.run_id)


def places(detail: RunDetail) -> dict[str, Any]:
    """Return what is read at every place that `carried` puts its payload."""
    done, asks, child = detail.steps
    assert child.error is not None
    handoff = detail.delegated_handoffs[0]
    return {
        "metadata": detail.summary.metadata,
        "identity.metadata": detail.identity.metadata,
        "input": done.input,
        "result": done.result,
        "arguments": detail.approvals[0].arguments,
        "step.approval.arguments": asks.approval and asks.approval.arguments,
        "handoff_input": handoff.handoff_input,
        "child.input": child.input,
        "error.details": child.error.details,
    }


SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SETTINGS
@given(payload=PAYLOADS, context=CONTEXTS)
@example(payload={"b": 1, "a": 1.0, "c": True, "": -0.0}, context={"b": 1, "a": [{}]})
@example(payload={"nul": "\0", "lines": "\r\n\u2028\x85", "'": '"\\'}, context={})
@example(payload={"big": 2**MAX_INT_BITS - 1, "small": -(2**64), "f": 5e-324}, context={})
@example(payload={"a": [], "b": {}, "c": [[], {}, None], "🌋": "\U0010ffff"}, context={})
@example(payload={"f": 1.7976931348623157e308, "g": 0.1 + 0.2, "e": 1e22}, context={})
@example(payload=nested(MAX_DEPTH), context={})
@example(payload=nested(MAX_DEPTH, list), context={})
def test_a_payload_comes_back_equal(
    scoria: Scoria, payload: dict[str, Any], context: dict[str, Any]
) -> None:
    """Whatever JSON a host hands over is read back equal, types and key order included."""
    detail = carried(scoria, payload, context)
    expected = as_json(payload)
    assert {name for name, value in places(detail).items() if as_json(value) != expected} == set()
    projected = [detail.delegated_handoffs[0].projected_context, detail.steps[2].projected_context]
    assert [as_json(value) for value in projected] == [as_json(context)] * 2
    assert detail.approvals[0].arguments_digest == digest(payload)


class Colour(StrEnum):
    """A str that has a name."""

    RED = "red"


class Older(str, Enum):  # noqa: UP042 - hosts have these, and their str() is not their value
    """A str whose `str()` is its name."""

    RED = "red"


class Level(IntEnum):
    """An int that has a name."""

    HIGH = 3


class Ratio(float):
    """A float of the host's own."""


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (Older.RED, "red"),
        (Level.HIGH, 3),
        (Ratio(0.5), 0.5),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        ({Older.RED: 1}, {"red": 1}),
    ],
)
def test_a_kind_of_json_value_is_kept_as_its_plain_value(
    scoria: Scoria, identity: Identity, value: Any, plain: Any
) -> None:
    """A subclass that equals a JSON value is read back as that value, at once and later."""
    run = scoria.start_run(identity, root_role_id="r", metadata={"value": value})
    assert as_json(run.metadata) == as_json({"value": plain})
    assert as_json(scoria.get_run(run.run_id).metadata) == as_json({"value": plain})


def test_names_of_an_older_enum_are_kept_as_their_values(scoria: Scoria) -> None:
    """Kinds, roles and ids that are members of a `(str, Enum)` are kept as what they equal."""
    run = scoria.start_run(
        scoria.identity(actor_id=Older.RED, tenant_id=Older.RED, session_id=Older.RED),
        root_role_id=Older.RED,
        initial_step=StepSpec(Older.RED, Older.RED),
        handlers={"red": lambda *_: Failed(Older.RED)},
    )
    step = scoria.get_run_detail(run.run_id).steps[0]
    assert step.error is not None
    texts = [run.actor_id, run.tenant_id, run.session_id, run.root_role_id, step.kind, step.role_id]
    assert [*texts, step.error.message] == ["red"] * 7
    assert [each.run_id for each in scoria.list_runs_for_session(Older.RED)] == [run.run_id]


def cycle(kind: type) -> dict[str, Any]:
    """Return an object with a list or object inside itself."""
    inside: Any = kind()
    if kind is dict:
        inside["again"] = inside
    else:
        inside.append(inside)
    return {"a": inside}


def bomb(levels: int) -> dict[str, Any]:
    """Return a small object that stands for more values than memory holds."""
    inner: list[Any] = []
    for _ in range(levels):
        inner = [inner] * 10
    return {"a": inner}


def deep(value: Any) -> dict[str, Any]:
    """Return an object with `value` inside a list, inside an object."""
    return {"list": [0, {"key": value}]}


HERE = ".list[1].key"
REFUSED = {
    "bytes": (deep(b"x"), HERE, "bytes"),
    "bytearray": (deep(bytearray()), HERE, "bytearray"),
    "tuple": (deep((1,)), HERE, "tuple"),
    "set": (deep({1}), HERE, "set"),
    "frozenset": (deep(frozenset()), HERE, "frozenset"),
    "nan": (deep(float("nan")), HERE, "float nan"),
    "inf": (deep(float("inf")), HERE, "float inf"),
    "-inf": (deep(float("-inf")), HERE, "float -inf"),
    "decimal": (deep(Decimal(1)), HERE, "Decimal"),
    "datetime": (deep(datetime(2026, 1, 1, tzinfo=UTC)), HERE, "datetime"),
    "uuid": (deep(UUID(int=1)), HERE, "UUID"),
    "complex": (deep(1j), HERE, "complex"),
    "object": (deep(object()), HERE, "object"),
    "function": (deep(deep), HERE, "function"),
    "generator": (deep(each for each in ""), HERE, "generator"),
    "huge int": (deep(1 << MAX_INT_BITS), HERE, "int"),
    "enormous int": (deep(-(1 << 9_000_000)), HERE, "int"),
    "int key": (deep({1: 2}), HERE, "int key 1"),
    "none key": (deep({None: 2}), HERE, "NoneType key None"),
    "bool key": (deep({True: 2}), HERE, "bool key True"),
    "bytes key": (deep({b"k": 2}), HERE, "bytes key b'k'"),
    "surrogate": (deep("a\ud800"), HERE, "surrogate"),
    "surrogate key": (deep({"\udfff": 1}), HERE, "surrogate"),
    "cycle of dicts": (cycle(dict), ".a.again", "dict inside itself"),
    "cycle of lists": (cycle(list), ".a[0]", "list inside itself"),
    "too deep": (nested(MAX_DEPTH + 1), ".a" * MAX_DEPTH, "deeper"),
    "far too deep": (nested(5_000, list), ".a" + "[0]" * (MAX_DEPTH - 1), "deeper"),
    "too large": ({"a": "x" * MAX_BYTES}, "", "bytes"),
    "too large in UTF-8": ({"a": "ü" * (MAX_BYTES // 2)}, "", "bytes"),
    "too many": ({"a": [None] * MAX_BYTES}, "", "bytes"),
    "bomb of lists": (bomb(60), "", "bytes"),
    "bomb of texts": ({"a": ["x" * 200_000] * 100_000}, "", "bytes"),
    "bomb of ints": ({"a": [1 << 13_000] * 200_000}, "", "bytes"),
    "a list": ([], "", "list"),
    "a text": ("{}", "", "str"),
    "a number": (1, "", "int"),
}
refused = pytest.mark.parametrize(
    ("value", "path", "said"), list(REFUSED.values()), ids=list(REFUSED)
)


@refused
def test_metadata_that_is_no_json_object_is_refused(
    scoria: Scoria, identity: Identity, value: Any, path: str, said: str
) -> None:
    """The refusal names the path and the type, and no run is written."""
    with pytest.raises(InvalidPayload) as invalid:
        scoria.start_run(identity, root_role_id="r", metadata=value)
    assert invalid.value.path == invalid.value.field == f"metadata{path}"
    assert said in invalid.value.problem
    assert str(invalid.value).splitlines() == [f"metadata{path} {invalid.value.problem}"]
    assert not scoria.list_runs()


SHAPES = [name for name in REFUSED if not name.startswith(("a ", "bomb"))]
"""What is wrong within an object, without what takes long to refuse."""

CALLS: dict[str, Callable[[Scoria, Identity, Any], object]] = {
    "initial_step.input": lambda scoria, identity, value: scoria.start_run(
        identity, root_role_id="r", initial_step=StepSpec("k", "r", value)
    ),
    "handoff_input": lambda scoria, identity, value: scoria.start_handoff_run(
        identity,
        "critic",
        root_role_id="r",
        delegated_kind="k",
        handoff_input=value,
        projected_context={},
    ),
    "projected_context": lambda scoria, identity, value: scoria.start_handoff_run(
        identity,
        "critic",
        root_role_id="r",
        delegated_kind="k",
        handoff_input={},
        projected_context=value,
    ),
    "identity.metadata": lambda scoria, _, value: scoria.start_run(
        scoria.identity(actor_id=1, tenant_id=1, session_id=1, metadata=value), root_role_id="r"
    ),
}


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("refusal", SHAPES)
def test_every_argument_is_checked(
    make_scoria_of: Callable[..., Scoria], identity: Identity, name: str, refusal: str
) -> None:
    """Whatever argument a payload comes in by, it is refused by that name, and nothing written."""
    scoria = make_scoria_of("memory")
    value, path, said = REFUSED[refusal]
    with pytest.raises(InvalidPayload) as invalid:
        CALLS[name](scoria, identity, value)
    assert invalid.value.path == f"{name}{path}"
    assert said in invalid.value.problem
    assert not scoria.list_runs()


OUTCOMES: dict[str, Callable[[Any], Outcome]] = {
    "result": Completed,
    "details": lambda value: Failed("no", value),
    "arguments": lambda value: NeedsApproval(tool_name="t", arguments=value, reason="r"),
    "handoff_input": lambda value: HandOff(
        delegated_role_id="c", delegated_kind="k", handoff_input=value, projected_context={}
    ),
    "projected_context": lambda value: HandOff(
        delegated_role_id="c", delegated_kind="k", handoff_input={}, projected_context=value
    ),
}


@pytest.mark.parametrize("name", list(OUTCOMES))
@pytest.mark.parametrize("refusal", SHAPES)
def test_a_handler_that_answers_no_json_fails_its_step(
    make_scoria_of: Callable[..., Scoria], identity: Identity, name: str, refusal: str
) -> None:
    """The step fails with the path of the value; the run is there, and nothing of it was kept."""
    scoria = make_scoria_of("memory")
    value, path, said = REFUSED[refusal]
    run = scoria.start_run(
        identity,
        root_role_id="r",
        initial_step=StepSpec("k", "r"),
        handlers={"k": lambda *_: OUTCOMES[name](value)},
    )
    step = scoria.get_run_detail(run.run_id).steps[0]
    assert (run.status, step.status, step.result) == ("failed", "failed", None)
    assert step.error is not None
    assert step.error.type == "InvalidPayload"
    assert step.error.message.startswith(f"{name}{path} "[:2_000])
    assert said in step.error.message


@pytest.mark.parametrize(("size", "fits"), [(64, True), (65, False)])
def test_the_limit_is_counted_in_bytes_of_utf8(
    make_scoria: Callable[..., Scoria], identity: Identity, size: int, fits: bool
) -> None:
    """A payload of exactly the configured size is taken, one byte more is not."""
    scoria = make_scoria(max_payload_bytes=64)
    rest = size - len('{"a":"🌋"}'.encode())
    payload = {"a": "🌋" + "x" * rest}
    if fits:
        assert scoria.start_run(identity, root_role_id="r", metadata=payload).metadata == payload
        return
    with pytest.raises(InvalidPayload, match=r"^metadata has more than 64 bytes"):
        scoria.start_run(identity, root_role_id="r", metadata=payload)
    assert not scoria.list_runs()


@pytest.mark.parametrize("name", ["reason", "note"])
@pytest.mark.parametrize(
    ("value", "said"),
    [(5, "int"), (b"x", "bytes"), ("\ud800", "surrogate"), ("x" * 300_000, "bytes")],
)
def test_a_text_is_checked(
    scoria: Scoria, identity: Identity, name: str, value: Any, said: str
) -> None:
    """A reason or a note that is no storable text is refused, and the run stays as it is."""
    needs = NeedsApproval(tool_name="t", arguments={}, reason="r")
    run = scoria.start_run(
        identity,
        root_role_id="r",
        initial_step=StepSpec("k", "r"),
        handlers={"k": lambda *_: needs},
    )
    approval = run.pending_approval
    assert approval is not None
    calls: dict[str, Callable[[], object]] = {
        "reason": lambda: scoria.cancel_run(run.run_id, reason=value),
        "note": lambda: scoria.approve(
            run.run_id, approval_id=approval.approval_id, decided_by="reviewer-7", note=value
        ),
    }
    with pytest.raises(InvalidPayload, match=said) as invalid:
        calls[name]()
    assert invalid.value.field == name
    assert scoria.get_run(run.run_id) == run


def test_what_the_host_still_holds_is_not_what_is_stored(scoria: Scoria) -> None:
    """A host that changes what it passed in, at once or later, changes nothing of the run."""
    payload: dict[str, Any] = {"list": [1, {"deep": "kept"}]}
    context: dict[str, Any] = {"facts": ["kept"]}
    before = carried(scoria, payload, context)
    expected = as_json(places(before))
    payload["list"][1]["deep"] = "changed"
    payload["more"] = context["more"] = "changed"
    context["facts"].append("changed")
    after = scoria.get_run_detail(before.summary.run_id)
    assert as_json(places(after)) == expected
    assert "changed" not in as_json([dict(entry.data) for entry in after.journal])


def test_what_was_read_is_not_what_is_stored(scoria: Scoria) -> None:
    """A host that changes what it got back changes nothing of the run, nor of another reading."""
    payload: dict[str, Any] = {"list": [1, {"deep": "kept"}]}
    run_id = carried(scoria, payload, {"facts": ["kept"]}).summary.run_id
    expected = scoria.get_run_detail(run_id)
    spoilt = scoria.get_run_detail(run_id)
    for value in [*places(spoilt).values(), *(entry.data for entry in spoilt.journal)]:
        value.get("list", []).append("changed")
        value["more"] = "changed"
    assert spoilt != expected
    assert scoria.get_run_detail(run_id) == expected
    assert scoria.get_run(run_id) == expected.summary


def test_what_a_handler_got_is_not_what_is_recorded(scoria: Scoria, identity: Identity) -> None:
    """A handler that changes the step and the run it was given changes neither as recorded."""

    def spoils(step: Any, run: Any) -> None:
        step.input["list"].append("changed")
        run.metadata["list"].append("changed")

    run = scoria.start_run(
        identity,
        root_role_id="r",
        initial_step=StepSpec("k", "r", {"list": []}),
        metadata={"list": []},
        handlers={"k": spoils},
    )
    assert run.metadata == {"list": []}
    assert scoria.get_run(run.run_id).metadata == {"list": []}
    assert scoria.get_run_detail(run.run_id).steps[0].input == {"list": []}


def test_what_is_to_be_approved_cannot_change_meanwhile(scoria: Scoria, identity: Identity) -> None:
    """A host that changes the arguments after asking gets back what was approved, not its own."""
    arguments: dict[str, Any] = {"to": ["user-1"]}
    seen = []

    def asks(step: Any, _: object) -> NeedsApproval | None:
        if step.approval is None:
            return NeedsApproval(tool_name="send", arguments=arguments, reason="r")
        seen.append(step.approval)
        return None

    run = scoria.start_run(
        identity, root_role_id="r", initial_step=StepSpec("k", "r"), handlers={"k": asks}
    )
    assert run.pending_approval is not None
    arguments["to"].append("everyone")
    run.pending_approval.arguments["to"].append("everyone")
    scoria.approve(
        run.run_id, approval_id=run.pending_approval.approval_id, decided_by="reviewer-7"
    )
    arguments["to"].append("everyone")
    scoria.resume_run(run.run_id, handlers={"k": asks})
    assert [approval.arguments for approval in seen] == [{"to": ["user-1"]}]
    assert seen[0].arguments_digest == digest({"to": ["user-1"]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": None}, {}),
        ({"a": {}}, {"a": []}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": "ü"}, {"a": "u\u0308"}),
    ],
)
def test_different_arguments_have_different_digests(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """A decision made on some arguments cannot pass for one made on similar ones."""
    assert digest(one) != digest(other)


def test_key_order_does_not_change_a_digest() -> None:
    """The same arguments have the same digest, however the host ordered them."""
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_checked_payload_is_a_copy() -> None:
    """The copy is plain dicts and lists that share nothing with the original."""
    original: dict[str, Any] = {"a": [{"b": []}]}
    copy = checked_payload(original, "p")
    assert copy == original
    assert copy is not original
    assert copy["a"] is not original["a"]
    assert copy["a"][0] is not original["a"][0]


def test_two_keys_of_one_text_are_refused() -> None:
    """A mapping whose keys only differ by identity would come back smaller than it went in."""

    class Key(str):
        __slots__ = ()
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            return self is other

    with pytest.raises(InvalidPayload, match="two keys") as refused:
        checked_payload({Key("a"): 1, Key("a"): 2}, "metadata")
    assert refused.value.path == "metadata"
