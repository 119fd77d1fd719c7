"""Implementations that each break one promise, with a script that shows it."""
