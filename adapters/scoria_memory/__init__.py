"""Runs kept in memory: for tests, demonstrations and throw-away work."""

from scoria_memory.store import MemoryStore, open_store

__all__ = ["MemoryStore", "open_store"]
