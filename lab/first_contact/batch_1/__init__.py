"""Implementations that are wrong: each breaks one promise of the specification."""
