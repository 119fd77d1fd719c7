"""The steps of the features: what each line of Gherkin does and asserts."""

from pkgutil import iter_modules

STEPS = tuple(f"{__name__}.{each.name}" for each in iter_modules(__path__))
"""The modules that define the steps."""
