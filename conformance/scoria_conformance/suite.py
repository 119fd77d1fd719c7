"""Binds every scenario of the features; a test file imports everything from this module."""

from pytest_bdd import scenarios

from scoria_conformance.clauses import FEATURES as _FEATURES

scenarios(str(_FEATURES))
