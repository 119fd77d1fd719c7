"""A process that carries out what is queued, beside as many others as there are."""

from scoria_worker.worker import Worker, stopping

__all__ = ["Worker", "stopping"]
