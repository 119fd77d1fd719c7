"""Every scenario of the features, bound; a test file imports all of this module."""

from pytest_bdd import scenarios

from scoria_conformance.clauses import FEATURES as _FEATURES

scenarios(str(_FEATURES))
