"""Runs in a DuckDB file: the embedded store, durable, owned by one process."""

from scoria_duckdb.store import DuckDBStore, open_store

__all__ = ["DuckDBStore", "open_store"]
