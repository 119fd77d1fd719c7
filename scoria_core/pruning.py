"""Which runs may be removed from a store: those that have ended, and nothing changes any more."""

from datetime import datetime

from scoria_core.lifecycles import is_terminal
from scoria_core.run import Run


def has_ended(run: Run, before: datetime) -> bool:
    """Tell whether a run is over for good, and was before that time.

    A run that failed is not over: it can be retried.
    """
    return is_terminal("run", run.status) and run.journal[-1].at < before
