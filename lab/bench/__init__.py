"""The unit of work W on every store, side by side with peers and with the raw store.

Nothing here ships: `make bench` runs it, and README.md beside this file says how to read it.
"""
