"""Runs in PostgreSQL: durable, for many processes on many machines."""

from scoria_postgres.scratch import scratch
from scoria_postgres.store import PostgresStore, open_store

__all__ = ["PostgresStore", "open_store", "scratch"]
