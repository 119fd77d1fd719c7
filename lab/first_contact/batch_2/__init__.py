"""Implementations that are wrong, each with the clause it breaks and a script that shows it."""
