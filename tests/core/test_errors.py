"""Errors as facts, and the names that are public."""

import inspect
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import attrs
import pytest

import scoria_core
from scoria_core import (
    JournalEntry,
    Retry,
    RunStatus,
    Scoria,
    ScoriaError,
    errors,
)

CODES = {
    "ScoriaError": "scoria_error",
    "InvalidIdentity": "invalid_identity",
    "InvalidPayload": "invalid_payload",
    "InvalidHandoff": "invalid_handoff",
    "UnsafeProjectedContext": "unsafe_projected_context",
    "UnknownHandler": "unknown_handler",
    "RunNotFound": "run_not_found",
    "TransitionRefused": "transition_refused",
    "RunNotResumable": "run_not_resumable",
    "ApprovalPending": "approval_pending",
    "ApprovalNotPending": "approval_not_pending",
    "DecisionRefused": "decision_refused",
    "AsyncHandlerRefused": "async_handler_refused",
    "CloseRefused": "close_refused",
    "IdempotencyConflict": "idempotency_conflict",
    "VersionConflict": "version_conflict",
    "StoreUnavailable": "store_unavailable",
    "StoreCorrupt": "store_corrupt",
    "SchemaTooNew": "schema_too_new",
}


def test_the_codes_of_errors_are_stable() -> None:
    """Hosts and clients switch on these codes: each class has its own, and none ever changes."""
    found = {
        name: kind.code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ScoriaError)
    }
    assert found == CODES
    assert len(set(CODES.values())) == len(CODES)


def test_every_error_is_drawn_in_the_tree() -> None:
    """The docstring of the module shows every class."""
    assert [name for name in CODES if name not in (errors.__doc__ or "")] == []


@pytest.mark.parametrize("name", sorted(set(CODES) - {"ScoriaError"}))
def test_an_error_is_a_fact(name: str) -> None:
    """An error carries what it was made of as attributes, and says it in a line that tells it."""
    kind = getattr(errors, name)
    facts = {
        field.name: 3 if field.type in (int, "int") else f"<{field.name}>"
        for field in attrs.fields(kind)
    }
    if kind is errors.DecisionRefused:
        facts["rule"] = "host"  # each rule is said in words of its own
    error = kind(**facts)
    assert {fact: getattr(error, fact) for fact in facts} == facts
    assert str(error) == error.message
    assert len(error.message.splitlines()) == 1
    assert isinstance(error, ScoriaError)


def test_all_is_sorted_and_complete() -> None:
    """Everything the package offers is named in `__all__`, in order, and nothing else is."""
    assert scoria_core.__all__ == sorted(scoria_core.__all__)
    offered = {
        name
        for name, value in vars(scoria_core).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert set(scoria_core.__all__) == offered


def test_what_the_facade_speaks_of_is_public() -> None:
    """Whatever a public call takes or returns, at any depth, can be imported by its name."""
    spoken = set(_classes(Scoria))
    assert {RunStatus, Retry, JournalEntry} <= spoken
    ports = {kind for kind in spoken if kind.__module__ == "scoria_core.ports"}
    missing = {kind.__name__ for kind in spoken - ports} - set(scoria_core.__all__)
    assert missing == set()


def _classes(start: type) -> Iterator[type]:
    """Yield the classes of the core that the public part of a class names, and those they name."""
    found: set[type] = set()
    todo: list[Any] = [start]
    while todo:
        each = todo.pop()
        todo += get_args(each)
        if not inspect.isclass(each) or each in found or not each.__module__.startswith("scoria_"):
            continue
        found.add(each)
        yield each
        calls = [value for name, value in inspect.getmembers(each, inspect.isroutine)]
        public = [call for call in calls if not call.__name__.startswith("_")]
        for spoken in [each, *public] + ([each.__init__] if each is start else []):
            hints = get_type_hints(spoken)
            todo += [kind for name, kind in hints.items() if not name.startswith("_")]
