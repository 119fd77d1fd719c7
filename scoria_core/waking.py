"""What a worker waits for: that something becomes due in the runs of a facade."""

from collections.abc import Generator, Sequence

from scoria_core.scoria import Scoria


def watch_pending(scoria: Scoria, pause: float) -> Generator[Sequence[str], None, None] | None:
    """Watch for runs that `scoria` sees to become due, as `WakingStore.watch_due` does.

    Returns None where its store does not declare `waking`.
    """
    return scoria._runs.watch_due(pause)
