"""Which runs may be removed from a store: those that have ended and can no longer change."""

from datetime import datetime

from scoria_core.lifecycles import is_terminal
from scoria_core.run import Run


def has_ended(run: Run, before: datetime) -> bool:
    """Tell whether a run ended before that time.

    A failed run has not ended: it can be retried.
    """
    return is_terminal("run", run.status) and run.journal[-1].at < before
