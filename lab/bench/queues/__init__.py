"""Queues of steps or jobs on PostgreSQL: how each is filled, and worked on by one process.

A module has three functions. `prepare(url)` makes its tables. `filling(url)` yields a function that
queues the step of a number, durably. `work(url, tell)` works until SIGTERM, and calls `tell` with
the number of each step as its handler is entered.
"""
