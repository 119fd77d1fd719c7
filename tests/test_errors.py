"""Errors as facts, and the names that are public."""

import inspect

import attrs
import pytest

import scoria_core
from scoria_core import (
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
