"""A worker process that carries out queued steps, beside any number of others."""

from scoria_worker.worker import Worker, stopping

__all__ = ["Worker", "stopping"]
