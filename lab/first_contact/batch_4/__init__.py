"""Implementations that each break one promise of decisions, with a script that shows it."""
