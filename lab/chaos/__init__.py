"""Workers and hosts that are killed, servers that restart, links that are cut: what still holds.

A tool of the developers, in no wheel: `python -m lab.chaos --help`.
"""
