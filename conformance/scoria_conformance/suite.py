"""Every scenario of the features, bound; a test file imports all of this module."""

from importlib.resources import files

from pytest_bdd import scenarios

scenarios(str(files("scoria_features")))
