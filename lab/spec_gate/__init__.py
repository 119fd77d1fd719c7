"""The specification: its clauses, the scenarios that test them, and what holds them together."""
